"""A silhouette with soft edges, so that the outline of a rendered mesh has gradients.

Definition. An edge of the mesh is a contour when exactly one of its two faces looks at the camera (or when it has one face only, and that
is drawn). Of the contours those that lie nearest to some background pixel, within `reach` pixels, are the outline: this leaves out inner
contours, where a finger crosses the palm, and hidden ones. For a pixel of the background let d be minus the distance of its centre to the
nearest outline edge; for one of the hand the distance to the nearest place of an outline edge that has background within a pixel. Where the
distance is below `reach`, the silhouette is the smooth step 3 t^2 - 2 t^3 of t = (1 + d / reach) / 2, elsewhere 1 inside and 0 outside. In
contrast to a logistic curve this one ends at 0 and 1, so nothing jumps where the reach ends.

Gradients reach the two ends of the nearest edge only, in x and y of the picture and so in x, y and z of the camera. The nearest edge itself
and the mask are held: mostly they change only where d is the same for two edges, or 0.

Limits. Gaps narrower than a pixel open and close from pixel to pixel, and the silhouette around their ends jumps with them: on a moving
hand the gradient is within about 5 % of the slope of a silhouette loss. Parts thinner than 2 `reach` stay below 1. Where the picture cuts
the hand off there is no outline, so no gradient; nor in a picture without background, or without a hand. A hand that overlaps its target
by nothing is not pulled towards it.
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.weak import WeakIdKeyDictionary

from models.coverage import box, chunks, pairs

_FAR = 2**63 - 1


@dataclass(frozen=True)
class Edges:
    """The edges of a mesh; of an edge with more than two faces the first two count."""

    ends: Tensor  # (2, E) vertices
    sides: Tensor  # (2, E) faces; the number of faces F where there is no second one


_known: WeakIdKeyDictionary = WeakIdKeyDictionary()


def edges_of(faces: Tensor) -> Edges:
    """The edges of faces (F, 3); worked out once for each tensor."""
    version, edges = _known.get(faces, (None, None))
    if version != faces._version:
        with torch.inference_mode(False):  # kept tensors must also serve where gradients are wanted
            edges = _edges(faces)
        _known[faces] = faces._version, edges
    return edges


def _edges(faces: Tensor) -> Edges:
    count = len(faces)
    directed = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner = torch.arange(count, device=faces.device).repeat(3)
    ends, number = directed.sort(1).values.unique(dim=0, return_inverse=True)
    order = number.sort(stable=True).indices
    number, owner = number[order], owner[order]
    first = torch.cat([number.new_ones(1, dtype=torch.bool), number[1:] != number[:-1]])
    second = torch.cat([number.new_zeros(1, dtype=torch.bool), first[:-1]]) & ~first
    sides = torch.full((2, len(ends)), count, dtype=torch.int64, device=faces.device)
    sides[0, number[first]] = owner[first]
    sides[1, number[second]] = owner[second]
    return Edges(ends.T.contiguous(), sides)


def soft_silhouette(x: Tensor, y: Tensor, faces: Tensor, front: Tensor, drawn: Tensor, mask: Tensor, reach: float) -> Tensor:
    """(B, H, W) of points x, y (B, N) in pixels, with gradients to them; faces (F, 3), front and drawn (B, F) bool, mask (B, H, W) bool."""
    hard = mask.to(x.dtype)
    pixel, first, second = _outline(x.detach(), y.detach(), edges_of(faces), front, drawn, mask, reach)
    height, width = mask.shape[1:]
    u, v = (pixel % width).to(x.dtype), (torch.div(pixel, width, rounding_mode='floor') % height).to(x.dtype)
    flat_x, flat_y = x.flatten(), y.flatten()
    ax, bx = flat_x.index_select(0, first) - u, flat_x.index_select(0, second) - u
    ay, by = flat_y.index_select(0, first) - v, flat_y.index_select(0, second) - v
    # the foot moves along the edge in such a way that the distance does not change to first order: no gradient is lost by holding it
    t = _foot(ax.detach(), ay.detach(), bx.detach(), by.detach())
    dx, dy = ax + t * (bx - ax), ay + t * (by - ay)
    distance = (dx * dx + dy * dy).clamp(min=1e-12).sqrt()
    signed = distance * (2 * hard.flatten()[pixel] - 1)
    s = ((1 + signed / reach) / 2).clamp(0, 1)
    return hard.flatten().index_put((pixel,), s * s * (3 - 2 * s)).view_as(hard)


def _foot(ax: Tensor, ay: Tensor, bx: Tensor, by: Tensor) -> Tensor:
    """Where on the segments a..b, 0..1, the point nearest to the origin lies."""
    dx, dy = bx - ax, by - ay
    return (-(ax * dx + ay * dy) / (dx * dx + dy * dy).clamp(min=1e-12)).clamp(0, 1)


def _grown(mask: Tensor, reach: float) -> Tensor:
    """A mask (B, H, W) bool grown by a square of `reach` pixels to each side."""
    for _ in range(math.ceil(reach)):
        wider = mask.clone()
        wider[:, :, 1:] |= mask[:, :, :-1]
        wider[:, :, :-1] |= mask[:, :, 1:]
        mask = wider.clone()
        mask[:, 1:] |= wider[:, :-1]
        mask[:, :-1] |= wider[:, 1:]
    return mask


@torch.no_grad()
def _outline(x: Tensor, y: Tensor, edges: Edges, front: Tensor, drawn: Tensor, mask: Tensor, reach: float) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels within `reach` of the outline, and the two ends of their nearest outline edges: (P,) numbers in the flat arrays."""
    batch, height, width = mask.shape
    outside = front.new_zeros(batch, 1)
    one, two = (torch.cat([front, outside], 1).index_select(1, side) for side in edges.sides)
    is_drawn, other = (torch.cat([drawn, outside], 1).index_select(1, side) for side in edges.sides)
    contour = ((one != two) & (is_drawn | other)) | (is_drawn != other)

    # only pixels near both hand and background, and only edges whose surroundings hold such pixels
    band = _grown(mask, reach) & _grown(~mask, reach)
    sums = F.pad(band.int().cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32), (1, 0, 1, 0)).flatten()

    which = contour.flatten().nonzero()[:, 0]
    picture = torch.div(which, contour.shape[1], rounding_mode='floor')
    first, second = (end[which - picture * contour.shape[1]] + picture * x.shape[1] for end in edges.ends)
    ax, bx, ay, by = x.flatten()[first], x.flatten()[second], y.flatten()[first], y.flatten()[second]
    left, columns = box(torch.minimum(ax, bx) - reach, torch.maximum(ax, bx) + reach, width)
    top, rows = box(torch.minimum(ay, by) - reach, torch.maximum(ay, by) + reach, height)

    def total(v: Tensor, u: Tensor) -> Tensor:
        return sums[picture * ((height + 1) * (width + 1)) + v * (width + 1) + u]

    found = total(top + rows, left + columns) - total(top, left + columns) - total(top + rows, left) + total(top, left)
    keep = ((found > 0) & (columns > 0) & (rows > 0)).nonzero()[:, 0]
    some = [k[keep] for k in (columns, rows, left, top, ax, ay, bx, by)]
    start = (picture * (height * width))[keep]

    flat_band, flat_mask = band.flatten(), mask.flatten()
    beside = _grown(~mask, 1).flatten()
    near: list[tuple[Tensor, ...]] = []
    for part in chunks(some[0] * some[1]):
        columns, rows, left, top, ax, ay, bx, by = (k[part] for k in some)
        edge, u, v = pairs(columns, rows, left, top)
        pixel = start[part][edge] + v * width + u
        kept = flat_band[pixel].nonzero()[:, 0]
        edge, u, v, pixel = edge[kept], u[kept].to(x.dtype), v[kept].to(x.dtype), pixel[kept]
        ax, ay, bx, by = ax[edge] - u, ay[edge] - v, bx[edge] - u, by[edge] - v
        t = _foot(ax, ay, bx, by)
        dx, dy = ax + t * (bx - ax), ay + t * (by - ay)
        squared = dx * dx + dy * dy
        close = (squared <= reach * reach).nonzero()[:, 0]
        bits = squared[close].float().view(torch.int32).long() << 32
        # an edge may leave the outline halfway and go on over the hand: the foot itself must have background beside it
        row, column = (v + dy)[close].round().clamp(0, height - 1), (u + dx)[close].round().clamp(0, width - 1)
        foot = start[part][edge[close]] + (row * width + column).long()
        near.append((pixel[close], bits, edge[close] + part.start, beside[foot]))
    pixel, bits, edge, is_beside = (torch.cat(k) for k in zip(*near))

    best = torch.full((batch * height * width,), _FAR, device=x.device)
    inside = flat_mask[pixel]
    best = best.scatter_reduce(0, pixel[~inside], bits[~inside] | edge[~inside], 'amin')
    seen = torch.zeros(len(keep), dtype=torch.bool, device=x.device)
    seen[best[best != _FAR] & 0xFFFFFFFF] = True
    inside &= seen[edge] & is_beside
    best = best.scatter_reduce(0, pixel[inside], bits[inside] | edge[inside], 'amin')
    pixel = (best != _FAR).nonzero()[:, 0]
    nearest = keep[best[pixel] & 0xFFFFFFFF]
    return pixel, first[nearest], second[nearest]
