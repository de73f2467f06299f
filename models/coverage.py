"""Which face each pixel shows: a z-buffer over pairs of a face and a pixel of its box, in plain torch, without gradients.

Every step is one IEEE operation per kernel (no fused multiply-add, no sum over an axis), and the buffer keeps whole numbers, so CPU and
CUDA give the same picture, bit for bit.
"""
from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

MIN_AREA = 1e-6  # square pixels (twice the area, to be exact); a face seen so edge-on has no inside
CHUNK = 1 << 22  # pairs looked at together, about 400 MB
_LAST = 2**31 - 1


def pairs(columns: Tensor, rows: Tensor, left: Tensor, top: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All pixels of boxes (M,) int64 -> the box's number, x and y of each pixel, (P,) int64 each; box by box, row by row."""
    counts = columns * rows
    box = torch.repeat_interleave(counts)
    offset = torch.arange(len(box), device=box.device) - (counts.cumsum(0) - counts)[box]
    row = torch.div(offset, columns[box], rounding_mode='floor')
    return box, offset - row * columns[box] + left[box], row + top[box]


def chunks(counts: Tensor) -> Iterator[slice]:
    """Slices of boxes with about CHUNK pixels each; counts (M,)."""
    ends = counts.cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    if total <= CHUNK:
        yield slice(0, len(counts))
        return
    limits = torch.arange(CHUNK, total + CHUNK, CHUNK, device=counts.device)
    cuts = [0, *torch.searchsorted(ends, limits, right=True).clamp(max=len(counts)).tolist(), len(counts)]
    for start, stop in zip(cuts, cuts[1:]):
        # a single box larger than the limit stands alone
        if stop > start:
            yield slice(start, stop)


def box(low: Tensor, high: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """First pixel and number of pixels of the intervals low..high (inclusive) within 0..size-1, int64."""
    first = low.ceil().clamp(0, size)
    last = high.floor().clamp(-1, size - 1)
    return first.long(), (last - first + 1).clamp(min=0).long()


@torch.no_grad()
def nearest_faces(x: Tensor, y: Tensor, near: Tensor, faces: Tensor, height: int, width: int,
                  both_sides: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """Points x, y in pixels and 1/depth (B, N) (0: not to be drawn), faces (F, 3) -> (B, H, W), (B, F), (B, F).

    They are the nearest face in each pixel (int64, -1 where there is none), whether each face looks at the camera, and whether it is drawn.
    A face covers the pixels whose centres (at integers) it contains, its edges included: as the side of an edge on which a pixel lies is
    worked out alike in both of its faces, no pixel falls between them. Of faces equally near the one with the smallest number is in
    front.
    """
    batch, count = x.shape[0], len(faces)
    corners = [faces[:, k] for k in range(3)]
    ax, bx, cx = (x.index_select(1, k) for k in corners)
    ay, by, cy = (y.index_select(1, k) for k in corners)
    # y points down, so counter-clockwise from outside has a negative area here
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    na, nb, nc = (near.index_select(1, k) for k in corners)
    ahead = (na > 0) & (nb > 0) & (nc > 0)
    front = ahead & (area < -MIN_AREA)
    drawn = front
    if both_sides:
        drawn = ahead & (area.abs() > MIN_AREA)
        turn = area > 0
        bx, cx = torch.where(turn, cx, bx), torch.where(turn, bx, cx)
        by, cy = torch.where(turn, cy, by), torch.where(turn, by, cy)
        nb, nc = torch.where(turn, nc, nb), torch.where(turn, nb, nc)
    left, columns = box(torch.minimum(torch.minimum(ax, bx), cx), torch.maximum(torch.maximum(ax, bx), cx), width)
    top, rows = box(torch.minimum(torch.minimum(ay, by), cy), torch.maximum(torch.maximum(ay, by), cy), height)
    which = (drawn & (columns > 0) & (rows > 0)).flatten().nonzero()[:, 0]
    some = [values.flatten()[which] for values in (columns, rows, left, top, ax, ay, bx, by, cx, cy, na, nb, nc)]
    picture = torch.div(which, count, rounding_mode='floor')
    code = _LAST - (which - picture * count)
    start = picture * (height * width)

    best = torch.zeros(batch * height * width, dtype=torch.int64, device=x.device)
    for part in chunks(some[0] * some[1]):
        columns, rows, left, top, ax, ay, bx, by, cx, cy, na, nb, nc = (values[part] for values in some)
        index, u, v = pairs(columns, rows, left, top)
        ux, vy = u.to(x.dtype), v.to(x.dtype)
        ax, bx, cx = (k[index] - ux for k in (ax, bx, cx))
        ay, by, cy = (k[index] - vy for k in (ay, by, cy))
        # twice the (negative) areas of the pixel with each side; swapping a side's ends negates them exactly
        a, b, c = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
        inside = ((a <= 0) & (b <= 0) & (c <= 0) & (a + b + c < 0)).nonzero()[:, 0]
        index, u, v, a, b, c = (k[inside] for k in (index, u, v, a, b, c))
        nearness = (a * na[index] + b * nb[index] + c * nc[index]) / (a + b + c)
        # the bits of positive floats are in the order of their values
        key = nearness.float().view(torch.int32).long() << 32 | code[part][index]
        best.scatter_reduce_(0, start[part][index] + v * width + u, key, 'amax')
    face = torch.where(best > 0, _LAST - (best & 0xFFFFFFFF), -1)
    return face.view(batch, height, width), front, drawn
