"""21 joints and 20 bones as tapered, antialiased strokes, one colour a finger."""
from __future__ import annotations

import cv2
import numpy as np

from app.rendering.renderer import Layer
from app.types import JOINT_PARENTS, WRIST

FINGERS = ((242, 95, 76), (245, 176, 65), (88, 196, 120), (70, 152, 242), (168, 110, 232))  # sRGB, thumb to little
_PALM = (236, 238, 242)
_FINE = 3  # samples along a pixel's side
_JOINT_IN_FRONT = 0.012  # metres: a joint lies over its own bones
_SHIFT = 4  # fractional bits of OpenCV's coordinates


def skeleton_layer(joints: np.ndarray, depth: np.ndarray, size: tuple[int, int]) -> Layer:
    """Joints (21, 2) in pixels, their depths (21,), and the picture's (width, height) -> layer; far strokes first.

    Stroke widths follow the hand's size, between a readable and a modest share of the picture. Raises ValueError on numbers not finite.
    """
    if not np.isfinite(joints).all() or not np.isfinite(depth).all():
        raise ValueError('the joints hold numbers that are not finite')
    width, height = size
    hand = float(np.ptp(joints, axis=0).max())
    radius = float(np.clip(0.022 * hand, 0.0024 * max(size), 0.011 * max(size)))  # of a joint
    radius = max(radius, 1.1)
    low = np.maximum(np.floor(np.clip(joints, -1e5, 1e5).min(0) - radius - 2), 0).astype(int)
    high = np.minimum(np.ceil(np.clip(joints, -1e5, 1e5).max(0) + radius + 3), (width, height)).astype(int)
    if (low >= high).any():
        return Layer(np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0), np.uint8), 0, 0)
    fine = _FINE if (high - low).max() < 900 else 2
    canvas = np.zeros((*((high - low)[::-1] * fine), 4), np.uint8)
    at = (np.clip(joints, -1e5, 1e5) - low + 0.5) * fine - 0.5
    thick = radius * fine
    strokes = [(0.5 * (depth[j] + depth[p]) + 1e-4, j, p) for j, p in enumerate(JOINT_PARENTS) if p >= 0]
    strokes += [(depth[j] - _JOINT_IN_FRONT, j, j) for j in range(len(joints))]
    for _, j, p in sorted(strokes, reverse=True):
        colour = _PALM if p == WRIST and j == p else FINGERS[(j - 1) // 4]
        if j == p:
            tip = 1.0 if j else 1.25
            _disc(canvas, at[j], thick * tip, (*colour, 255))
            _disc(canvas, at[j], thick * tip * 0.52, (255, 255, 255, 255) if j else (*(int(0.62 * c) for c in _PALM), 255))
        else:
            _bone(canvas, at[p], at[j], thick * 0.62, thick * 0.5, (*colour, 255))
    small = cv2.resize(canvas, tuple((high - low).tolist()), interpolation=cv2.INTER_AREA)
    return Layer(cv2.cvtColor(small, cv2.COLOR_RGBA2RGB), cv2.extractChannel(small, 3), int(low[0]), int(low[1]))


def _disc(canvas: np.ndarray, centre: np.ndarray, radius: float, colour: tuple) -> None:
    cv2.circle(canvas, _fixed(centre), max(int(radius * (1 << _SHIFT)), 1), colour, -1, cv2.LINE_8, _SHIFT)


def _bone(canvas: np.ndarray, a: np.ndarray, b: np.ndarray, wide: float, narrow: float, colour: tuple) -> None:
    along = b - a
    length = float(np.hypot(*along))
    if length > 1e-3:
        across = np.array([along[1], -along[0]]) / length
        corners = np.stack([a + across * wide, b + across * narrow, b - across * narrow, a - across * wide])
        cv2.fillConvexPoly(canvas, np.round(corners * (1 << _SHIFT)).astype(np.int32), colour, cv2.LINE_8, _SHIFT)


def _fixed(point: np.ndarray) -> tuple[int, int]:
    return tuple(np.round(point * (1 << _SHIFT)).astype(int).tolist())
