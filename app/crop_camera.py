"""From the network's crop camera to the frame's camera.

The network answers in a camera of its own: the crop seen with a fixed focal length. The real camera differs in three ways: it is turned
(the crop was rolled upright, and its centre is off the optical axis), its focal length is another, and so the hand's distance is.
What both must agree on is the picture: where the wrist lies, and how many pixels a metre spans at the hand. A size of 1 is kept, and
paid for with distance.
"""
from __future__ import annotations

import math

import numpy as np

from app.crop import to_frame
from app.types import Crop, Intrinsics


def ray_rotation(direction: np.ndarray) -> np.ndarray:
    """(3, 3) smallest rotation that takes the optical axis (0, 0, 1) to `direction` (3,), which must point forward."""
    y, x, c = (direction / math.sqrt(direction @ direction)).tolist()
    x = -x  # (x, y) is the axis (0, 0, 1) x direction without its third part, which is 0; c the cosine
    f = 1 / (1 + c)
    return np.array([[1 - f * y * y, f * x * y, y], [f * x * y, 1 - f * x * x, -x], [-y, x, 1 - f * (x * x + y * y)]])  # Rodrigues' formula


def crop_to_frame_rotation(crop: Crop, intrinsics: Intrinsics) -> np.ndarray:
    """(3, 3) rotation from the crop camera's axes to the frame camera's, for a crop that is not mirrored (mirror the frame first)."""
    if crop.mirrored:
        raise ValueError('mirror the frame and its camera first: a mirrored crop has no rotation to the frame')
    unroll = np.zeros((3, 3))
    unroll[:2, :2] = crop.matrix[:, :2].T / crop.scale  # the inverse of frame -> crop, which is a rotation of the picture
    unroll[2, 2] = 1
    centre = to_frame(np.full(2, (crop.size - 1) / 2), crop)
    return ray_rotation(intrinsics.unproject(centre, 1.0)) @ unroll


def wrist_in_frame(wrist: np.ndarray, scale: float, focal: float, crop: Crop, intrinsics: Intrinsics) -> np.ndarray:
    """The wrist (3,) in metres in the frame's camera for a hand of size 1.

    `wrist` (3,) and `scale` are the network's, in its crop camera of focal length `focal` (crop pixels): a hand `scale` times as large is
    a hand of size 1 that is `scale` times nearer.
    """
    middle = (crop.size - 1) / 2
    pixel = to_frame(wrist[:2] / wrist[2] * focal + middle, crop)
    pixels_per_metre = focal * abs(scale) / wrist[2] / crop.scale
    return intrinsics.unproject(pixel, np.float64(0.5 * (intrinsics.fx + intrinsics.fy) / pixels_per_metre))


def unmirrored(crop: Crop, width: int) -> Crop:
    """The same crop seen from the mirrored frame of `width` pixels: frame pixel x there is width - 1 - x here."""
    matrix = crop.matrix.copy()
    matrix[:, 2] += matrix[:, 0] * (width - 1)
    matrix[:, 0] = -matrix[:, 0]
    return Crop(matrix, crop.size, False)
