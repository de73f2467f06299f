"""The camera of the network: every crop is seen with the same pinhole camera, whatever camera took the picture."""
from __future__ import annotations

import torch
from torch import Tensor

FOCAL = 2.5  # focal length over the crop's side: a hand that fills the crop is then about 0.6 m away, as before a webcam
NEAR = 0.05  # metres; nothing is projected from nearer


def project(points: Tensor, size: int) -> Tensor:
    """Points (..., 3) in metres in the crop camera -> crop pixels (..., 2); pixel centres lie at integer coordinates."""
    depth = points[..., 2:].clamp(min=NEAR)
    return points[..., :2] / depth * (FOCAL * size) + (size - 1) / 2


def unproject(places: Tensor, depth: Tensor) -> Tensor:
    """Places (..., 2) from the crop's middle, in sides of the crop, at depths (..., 1) in metres -> points (..., 3) in the crop camera."""
    return torch.cat([places * (depth / FOCAL), depth], -1)
