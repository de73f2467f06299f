"""Which triangle each pixel shows, and where in it: a z-buffer in numpy.

Rendered training pictures need more than colours: face numbers and barycentric coordinates, from which texture, normals, shadows and
silhouettes follow exactly and are the same on every machine. That is why they do not come from the overlay's OpenGL renderer, whose shadows
besides fail on Mesa.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEPTH_STEPS = 2**31 - 1


@dataclass(frozen=True)
class Fragments:
    """The covered pixels of one picture, in row-major order."""

    pixels: np.ndarray  # (P,) index row * width + column
    faces: np.ndarray  # (P,) face in front
    weights: np.ndarray  # (P, 3) float32 barycentric weights of the face's corners, perspective-correct, sum 1

    def interpolate(self, values: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """Values at vertices (V, C) and the mesh's faces (F, 3) -> values at the covered pixels (P, C)."""
        corners = faces[self.faces]
        result = values[corners[:, 0]] * self.weights[:, :1]
        result += values[corners[:, 1]] * self.weights[:, 1:2]
        result += values[corners[:, 2]] * self.weights[:, 2:]
        return result

    def mask(self, width: int, height: int) -> np.ndarray:
        """(height, width) bool."""
        mask = np.zeros(height * width, bool)
        mask[self.pixels] = True
        return mask.reshape(height, width)


def rasterise(points: np.ndarray, faces: np.ndarray, width: int, height: int, *, perspective: bool = True) -> Fragments:
    """Points (V, 3): x and y in pixels, depth > 0; faces (F, 3) counter-clockwise seen from outside, the far sides are left out.

    A triangle covers the pixels whose centres (at integers) it contains. Faces that come nearer than 1 mm are dropped.
    `perspective=False` for a parallel projection: weights are then linear in the picture.
    """
    corners = points[faces].astype(np.float32)
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    low = np.clip(np.ceil(corners[..., :2].min(1)), 0, (width, height)).astype(np.int64)
    high = np.clip(np.floor(corners[..., :2].max(1)), -1, (width - 1, height - 1)).astype(np.int64)
    extent = high - low + 1
    # y points down, so counter-clockwise from outside has a negative area here
    drawn = np.flatnonzero((area < -1e-6) & (extent > 0).all(1) & ((corners[..., 2] > 1e-3).all(1) | (not perspective)))
    empty = Fragments(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 3), np.float32))
    if not len(drawn):
        return empty
    columns, rows = extent[drawn].T
    counts = columns * rows
    which = np.repeat(np.arange(len(drawn)), counts)
    offset = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = offset // columns[which]
    x = (offset - row * columns[which] + low[drawn, 0][which]).astype(np.int32)
    y = (row + low[drawn, 1][which]).astype(np.int32)

    # barycentric weights are affine in the picture: weight_k = gx x + gy y + g0, relative to the corner a for precision
    a, b, c, area = a[drawn], b[drawn], c[drawn], area[drawn]
    to_b, to_c = (b - a)[:, :2] / area[:, None], (c - a)[:, :2] / area[:, None]
    plane = np.stack([to_c[:, 1], -to_c[:, 0], -to_b[:, 1], to_b[:, 0], a[:, 0], a[:, 1]], 1)[which]
    dx, dy = x - plane[:, 4], y - plane[:, 5]
    second, third = plane[:, 0] * dx + plane[:, 1] * dy, plane[:, 2] * dx + plane[:, 3] * dy
    inside = np.flatnonzero((second >= 0) & (third >= 0) & (second + third <= 1))
    if not len(inside):
        return empty
    which, second, third = which[inside], second[inside], third[inside]
    pixel = y[inside].astype(np.int64) * width + x[inside]
    depth = np.stack([a[:, 2], b[:, 2], c[:, 2]], 1)
    key_depth = 1 / depth if perspective else depth  # linear in the picture
    k = key_depth[which]
    value = k[:, 0] + second * (k[:, 1] - k[:, 0]) + third * (k[:, 2] - k[:, 0])
    span = float(np.ptp(key_depth)) + 1e-9
    near_first = (key_depth.max() - value if perspective else value - key_depth.min()) / span
    order = (np.clip(near_first, 0, 1).astype(np.float64) * DEPTH_STEPS).astype(np.int64) << 31 | np.arange(len(which))
    front = np.full(width * height, np.iinfo(np.int64).max)
    np.minimum.at(front, pixel, order)
    pixels = np.flatnonzero(front != np.iinfo(np.int64).max)
    winner = front[pixels] & (2**31 - 1)
    second, third, which, value = second[winner], third[winner], which[winner], value[winner]
    weights = np.stack([1 - second - third, second, third], 1)
    if perspective:
        weights *= key_depth[which] / value[:, None]
    return Fragments(pixels, drawn[which], weights)
