"""The room around the hands in the 3D view: a gradient, a floor that fades into it, and the hands' soft shadow on the floor."""
from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from app.rendering.stage import Shot

_DARK, _LIGHT = ((46, 49, 56), (20, 21, 25)), ((246, 246, 247), (212, 214, 219))  # sRGB at the top and at the bottom
_BELOW = 0.86  # radii of the stage from its centre down to the floor
_FLOOR = 1.5  # radii: half a side of the floor's picture; smaller than the camera's least distance, so that all of it lies before it
_CELLS = 512  # pixels along a side of the floor's picture
_LINE_EVERY = 0.25  # radii between the lines of the grid
_MARK = (0.98, 0.45, 0.33)  # sRGB of the mark on the side of the real camera
_SHADOW_CELLS = 64
_SHADOW = {True: 0.62, False: 0.42}  # share of the light that it takes at most, on dark and on light ground


def room(size: tuple[int, int], dark: bool, shot: Shot, casters: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """A new picture (h, w, 3) uint8. Casters: vertices (N, 3) of hands in metres in the real camera's frame, and their visibility."""
    picture = _gradient(*size, dark).copy()
    # height of the camera over the floor, in radii: the floor fades when the camera comes down to it, and is not seen from below
    over = _BELOW + shot.turn[2, 1] * shot.distance / shot.radius
    strength = float(np.clip(over / 0.5, 0, 1))
    if strength == 0:
        return picture
    on_floor = _floor_to_view(shot)
    corners = cv2.perspectiveTransform(np.float32([[[-0.5, -0.5], [_CELLS, -0.5], [_CELLS, _CELLS], [-0.5, _CELLS]]]), on_floor)[0]
    box = _box(corners, size)
    if box is None:
        return picture
    x0, y0, x1, y1 = box
    place = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1.0]]) @ on_floor
    part = picture[y0:y1, x0:x1]
    floor = cv2.warpPerspective(_floor(dark), place, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))
    if strength < 1:
        floor = cv2.convertScaleAbs(floor, alpha=strength)
    (cv2.add if dark else cv2.subtract)(part, floor, dst=part)
    if casters:
        _shade(picture, on_floor, _shadow(shot, casters), strength * _SHADOW[dark])
    return picture


@lru_cache(maxsize=4)
def _gradient(width: int, height: int, dark: bool) -> np.ndarray:
    """(h, w, 3): lighter above, darker towards the corners, with a little noise against bands."""
    top, bottom = (np.array(c, np.float32) for c in (_DARK if dark else _LIGHT))
    v, u = np.mgrid[0:height, 0:width].astype(np.float32)
    down = (v / max(height - 1, 1))[..., None]
    corner = (np.hypot(u / max(width - 1, 1) - 0.5, v / max(height - 1, 1) - 0.45) ** 2)[..., None]
    picture = (top + (bottom - top) * down) * (1 - (0.35 if dark else 0.10) * corner)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (height, width, 3))
    picture = np.clip(np.round(picture + noise), 0, 255).astype(np.uint8)
    picture.flags.writeable = False
    return picture


@lru_cache(maxsize=2)
def _floor(dark: bool) -> np.ndarray:
    """(_CELLS, _CELLS, 3) uint8: what the floor adds to a dark background, or takes from a light one. Row 0 is the far side."""
    at = (np.arange(_CELLS, dtype=np.float32) + 0.5) / _CELLS * 2 * _FLOOR - _FLOOR
    x, z = np.meshgrid(at, -at)
    radius = np.hypot(x, z)
    fade = np.clip(1 - radius / (0.97 * _FLOOR), 0, 1)
    fade = fade * fade * (3 - 2 * fade)
    cell = 2 * _FLOOR / _CELLS

    def line(off: np.ndarray, half: float) -> np.ndarray:
        return np.clip(half - np.abs(off) / cell + 0.5, 0, 1)

    grid = np.maximum(*(line((c + _LINE_EVERY / 2) % _LINE_EVERY - _LINE_EVERY / 2, 0.6) for c in (x, z)))
    picture = (fade * ((26 if dark else 14) + (15 if dark else 16) * grid))[..., None] * np.float32((1, 1, 1.05))
    # a small arrowhead towards the real camera, on the near side of the stage
    tip, root, half = -0.80, -0.71, 0.05
    inside = np.clip(((z - tip) / (root - tip) * half - np.abs(x)) / cell + 0.5, 0, 1) * np.clip((root - z) / cell + 0.5, 0, 1)
    mark = np.float32(_MARK) * 150 if dark else (1 - np.float32(_MARK)) * 190
    picture = picture * (1 - inside[..., None]) + inside[..., None] * mark
    return np.clip(picture, 0, 255).astype(np.uint8)


def _floor_to_view(shot: Shot, cells: int = _CELLS) -> np.ndarray:
    """(3, 3) homography: pixels of the floor's picture -> pixels of the view."""
    turn, radius, camera = shot.turn, shot.radius, shot.camera
    step = 2 * _FLOOR * radius / cells
    start = _FLOOR * radius - step / 2
    right, back = turn[:, 0] * step, -turn[:, 2] * step
    corner = turn @ (-start, _BELOW * radius, start) + (0, 0, shot.distance)
    return camera.matrix @ np.stack([right, back, corner], 1)


def _shadow(shot: Shot, casters: list[tuple[np.ndarray, float]]) -> np.ndarray:
    """(_SHADOW_CELLS, _SHADOW_CELLS) float32, 0..1: how much of the sky the hands take from the floor, row 0 the far side."""
    total = np.zeros((_SHADOW_CELLS, _SHADOW_CELLS), np.float32)
    for vertices, share in casters:
        x, y, z = ((vertices - shot.centre) / shot.radius).T
        column, row = ((c / _FLOOR + 1) * (0.5 * _SHADOW_CELLS) for c in (x, -z))
        inside = (column >= 0) & (row >= 0) & (column < _SHADOW_CELLS) & (row < _SHADOW_CELLS)
        weight = np.exp(-1.1 * np.maximum(_BELOW - y, 0)) * (600 * share / len(vertices))
        at = row[inside].astype(np.intp) * _SHADOW_CELLS + column[inside].astype(np.intp)
        total += np.bincount(at, weight[inside], _SHADOW_CELLS**2).reshape(total.shape)
    return 1 - np.exp(-cv2.GaussianBlur(total, (0, 0), 2.6))


def _shade(picture: np.ndarray, floor_to_view: np.ndarray, shadow: np.ndarray, strength: float) -> None:
    """Darken the picture by a shadow on the floor, in its box only."""
    rows, columns = np.nonzero(shadow > 0.01)
    if not len(rows):
        return
    fine = _CELLS / _SHADOW_CELLS
    coarse = floor_to_view @ np.array([[fine, 0, (fine - 1) / 2], [0, fine, (fine - 1) / 2], [0, 0, 1.0]])
    a, b, c, d = columns.min() - 1, rows.min() - 1, columns.max() + 1, rows.max() + 1
    box = _box(cv2.perspectiveTransform(np.float32([[[a, b], [c, b], [c, d], [a, d]]]), coarse)[0], (picture.shape[1], picture.shape[0]))
    if box is None:
        return
    x0, y0, x1, y1 = box
    place = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1.0]]) @ coarse
    left = np.uint8(255 - 255 * strength * shadow)
    left = cv2.warpPerspective(left, place, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderValue=255)
    part = picture[y0:y1, x0:x1]
    cv2.multiply(part, cv2.merge((left, left, left)), scale=1 / 255, dst=part)


def _box(corners: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 of corners (4, 2) in a picture of width and height `size`; None if they lie outside."""
    low = np.clip(np.floor(corners.min(0)), 0, size).astype(int)
    high = np.clip(np.ceil(corners.max(0)) + 1, 0, size).astype(int)
    return (*low.tolist(), *high.tolist()) if (low < high).all() else None
