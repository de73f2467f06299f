"""Cut an upright square around a hand, and move points between the frame and the square.

The rule is that of MediaPipe's own tracking (Apache-2.0; its constants, our code), because the trunk of the network learned hands cut so.
"""
from __future__ import annotations

import math

import cv2
import numpy as np

from app.types import Crop, Side

STEADY_POINTS = np.array([0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18])  # palm and middle joints: they move less than the finger tips
SIDE_OF_BOX = 2.0  # the square's side over the longer side of the box around the steady points
SHIFT_UP = 0.1  # of the box's height, towards the fingers


def upright_angle(points: np.ndarray) -> float:
    """Angle in radians by which the picture must turn so that the line from the wrist to the knuckles of points (21, 2) points up."""
    knuckles = 0.25 * points[5] + 0.5 * points[9] + 0.25 * points[13]
    x, y = knuckles - points[0]
    return -math.pi / 2 - math.atan2(y, x) if x or y else 0.0


def crop_from_points(points: np.ndarray, side: Side, size: int, *, angle: float | None = None) -> Crop:
    """The square around points (21, 2) of a hand of `side`, `size` pixels wide. Raises ValueError if the points are not finite or all one.

    `angle` replaces the upright turn of the points (training jitters it).
    """
    points = np.asarray(points, float)
    if points.shape != (21, 2) or not np.isfinite(points).all():
        raise ValueError(f'21 finite points are needed to cut a hand out, got shape {points.shape}')
    angle = upright_angle(points) if angle is None else angle
    turn = _turn(angle)
    turned = points[STEADY_POINTS] @ turn.T
    low, high = turned.min(0), turned.max(0)
    extent = high - low
    longer = float(extent.max())
    if longer < 1e-3:
        raise ValueError('the 21 points lie on one spot; there is no hand to cut out')
    centre = 0.5 * (low + high)
    centre[1] -= SHIFT_UP * extent[1]
    return square_crop(centre @ turn, SIDE_OF_BOX * longer, angle, side, size)


def square_crop(centre: np.ndarray, side_px: float, angle: float, side: Side, size: int) -> Crop:
    """The square of `side_px` frame pixels about `centre` (2,), turned by `angle` radians, as `size` crop pixels; left hands flipped."""
    scale = size / side_px
    matrix = np.empty((2, 3))
    linear = matrix[:, :2] = scale * _turn(angle)
    matrix[:, 2] = (size - 1) / 2 - linear @ centre
    mirrored = side == 'left'
    if mirrored:
        matrix[0] = -matrix[0]
        matrix[0, 2] += size - 1
    return Crop(matrix, size, mirrored)


def cut(image: np.ndarray, crop: Crop) -> np.ndarray:
    """The crop's picture (size, size, 3) uint8 out of image (H, W, 3); beyond the image its edge is repeated."""
    return cv2.warpAffine(image, crop.matrix, (crop.size, crop.size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def to_crop(points: np.ndarray, crop: Crop) -> np.ndarray:
    """Frame pixels (..., 2) -> crop pixels (..., 2)."""
    return points @ crop.matrix[:, :2].T + crop.matrix[:, 2]


def to_frame(points: np.ndarray, crop: Crop) -> np.ndarray:
    """Crop pixels (..., 2) -> frame pixels (..., 2)."""
    (a, b, x), (c, d, y) = crop.matrix.tolist()
    back = np.array([[d, -c], [-b, a]]) / (a * d - b * c)  # transposed inverse; by hand, as numpy's costs more than all the rest
    return (points - (x, y)) @ back


def _turn(angle: float) -> np.ndarray:
    """(2, 2) rotation of the picture by `angle` radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])
