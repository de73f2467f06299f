"""What each vertex of the predicted mesh meets in the crop: a colour, and how the vertex lies to the camera. Nothing is learned here.

Only operators that ONNX has and TensorRT reads: tables of indices are worked out once from the hand model, so that no scatter is needed.
Channels come before vertices, which is quicker on a CPU.
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.camera import FOCAL, NEAR
from models.hand_model import HandModel
from models.light import crosses, normals_across

BONES = tuple((0 if j % 4 == 1 else j - 1, j) for j in range(1, 21))  # of the 21 joints, from base to tip
ALONG = (0.15, 0.5, 0.85)  # balls on each bone
THINNEST, THICKEST = 0.004, 0.016  # metres, radius of a ball
DEEP = 0.03  # metres: a vertex that lies further behind or beside is surely hidden or free


@dataclass(frozen=True)
class Views:
    """One column per vertex."""

    places: Tensor  # (B, N, 2) where it lies in the crop: -1 and 1 are the edges of the picture, whatever its resolution
    colours: Tensor  # (B, 3, N) sRGB of the crop there
    normals: Tensor  # (B, 3, N) outward, crop camera
    facing: Tensor  # (B, 1, N) cosine between the normal and the way to the camera
    covered: Tensor  # (B, 1, N) -1..1: above 0 the vertex lies behind a nearer part of the hand


def sample(image: Tensor, places: Tensor) -> Tensor:
    """Values (B, C, N) of square images (B, C, S, S) at places (B, N, 2), bilinear: the nearest pixel would be quicker, but a vertex on the
    edge of two would then change with the last digit, and runtimes would differ. Outside count the pixels at the border: places are
    held inside, as ONNX Runtime takes four times as long where GridSample has to do that.
    """
    edge = 1 - 1 / image.shape[-1]
    return F.grid_sample(image, places[:, :, None].clamp(-edge, edge), align_corners=False, padding_mode='zeros').flatten(2)


@torch.no_grad()
def balls_inside(hand: HandModel) -> tuple[Tensor, Tensor]:
    """Balls along the bones, which fill the hand: (4, K) the vertices around each, whose mean is its centre, and radii (K,) in metres."""
    rest = hand(torch.zeros(1, 16, 3), torch.zeros(1, hand.shape_rows.shape[0]))
    vertices, joints = rest.vertices[0], rest.joints[0]
    centres = torch.stack([joints[a] + t * (joints[b] - joints[a]) for a, b in BONES for t in ALONG])
    along = F.normalize(torch.stack([joints[b] - joints[a] for a, b in BONES for _ in ALONG]), dim=-1)
    spokes = vertices[:, None] - centres  # (N, K, 3)
    first = spokes.norm(dim=-1).argmin(0)
    out = F.normalize(vertices[first] - centres - ((vertices[first] - centres) * along).sum(-1, keepdim=True) * along, dim=-1)
    side = torch.linalg.cross(along, out)
    chosen = [first]
    for direction in (-out, side, -side):  # of the skin in that direction the nearest
        off = (F.normalize(spokes, dim=-1) - direction).norm(dim=-1)
        chosen.append((spokes.norm(dim=-1) * (1 + 4 * off**2)).argmin(0))
    around = torch.stack(chosen)
    radii = (vertices[around] - vertices[around].mean(0)).norm(dim=-1).mean(0)
    return around, radii.clamp(THINNEST, THICKEST)


class VertexViews(nn.Module):
    """Crop (B, 3, S, S) and vertices (B, N, 3) in the crop camera -> `Views`."""

    def __init__(self, hand: HandModel) -> None:
        super().__init__()
        around, radii = balls_inside(hand)
        tables = {'crosses': crosses(hand.faces, len(hand.template)), 'around': around, 'radii': radii, 'halves': 0.5 / radii}
        for name, value in tables.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, crop: Tensor, vertices: Tensor) -> Views:
        normals = normals_across(vertices, self.crosses)
        columns = vertices.transpose(1, 2)
        away = columns[:, 2:].clamp(min=NEAR)  # the hand is small: its depth is its distance
        facing = -(normals * columns).sum(1, keepdim=True) / away
        slopes = columns[:, :2] / away
        places = (slopes * (2 * FOCAL)).transpose(1, 2)
        return Views(places, sample(crop, places), normals, facing, self.covered(vertices, slopes))

    def covered(self, vertices: Tensor, slopes: Tensor) -> Tensor:
        """(B, 1, N): the hand's inside as balls; how far a vertex lies behind one and within its outline. `slopes` (B, 2, N) are x and y
        over depth."""
        balls = vertices.index_select(1, self.around.flatten()).unflatten(1, (4, -1)).mean(1).transpose(1, 2)  # (B, 3, K)
        far = balls[:, 2:, :1]  # lengths in the picture are metres at that depth
        middles = balls[:, :2] / balls[:, 2:].clamp(min=NEAR)
        # (r^2 - d^2) / 2r, about r - d near the outline, as one product of matrices; balls last, where the largest is quickly found
        spread = far * far * self.halves  # (B, 1, K)
        left = F.pad(torch.cat([slopes, (slopes * slopes).sum(1, keepdim=True)], 1), (0, 0, 0, 1), value=1.0)  # (B, 4, N)
        right = torch.cat([2 * spread * middles, -spread, self.radii / 2 - spread * (middles * middles).sum(1, keepdim=True)], 1)
        within = torch.matmul(left.transpose(1, 2), right)  # (B, N, K)
        behind = vertices[:, :, 2:] - balls[:, 2:]
        return (torch.minimum(within, behind).amax(2).clamp(-DEEP, DEEP) / DEEP)[:, None]
