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
    empty = Fragments(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 3), np.float32))
    x, y, z = np.ascontiguousarray(points.T, np.float32)
    ax, bx, cx = x[faces.T]
    ay, by, cy = y[faces.T]
    # y points down, so counter-clockwise from outside has a negative area here
    front = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax) < -1e-6
    if perspective:
        front &= np.minimum.reduce(z[faces.T]) > 1e-3
    drawn = np.flatnonzero(front)
    ax, bx, cx, ay, by, cy = (k[drawn] for k in (ax, bx, cx, ay, by, cy))
    left, right = np.ceil(np.minimum(np.minimum(ax, bx), cx)), np.floor(np.maximum(np.maximum(ax, bx), cx))
    top, bottom = np.ceil(np.minimum(np.minimum(ay, by), cy)), np.floor(np.maximum(np.maximum(ay, by), cy))
    left, top = np.clip(left, 0, width).astype(np.int32), np.clip(top, 0, height).astype(np.int32)
    columns = np.clip(right, -1, width - 1).astype(np.int32) - left + 1
    rows = np.clip(bottom, -1, height - 1).astype(np.int32) - top + 1
    some = np.flatnonzero((columns > 0) & (rows > 0))
    if not len(some):
        return empty
    drawn, left, top, columns, rows, ax, bx, cx, ay, by, cy = (k[some] for k in (drawn, left, top, columns, rows, ax, bx, cx, ay, by, cy))

    counts = columns * rows
    ends = np.cumsum(counts)
    which = np.repeat(np.arange(len(drawn), dtype=np.int32), counts)
    offset = np.arange(ends[-1], dtype=np.int32) - (ends - counts).astype(np.int32)[which]
    row = offset // columns[which]
    x, y = offset - row * columns[which] + left[which], row + top[which]

    # barycentric weights are affine in the picture: of b and c, relative to the corner a for precision
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    dx, dy = x - ax[which], y - ay[which]
    second = ((cy - ay) / area)[which] * dx - ((cx - ax) / area)[which] * dy
    third = ((bx - ax) / area)[which] * dy - ((by - ay) / area)[which] * dx
    inside = np.flatnonzero((second >= 0) & (third >= 0) & (second + third <= 1))
    if not len(inside):
        return empty
    which, second, third = which[inside], second[inside], third[inside]
    pixel = y[inside].astype(np.int64) * width + x[inside]
    key_depth = z[faces[drawn]]
    key_depth = 1 / key_depth if perspective else key_depth  # linear in the picture
    value = key_depth[which, 0] + second * (key_depth[:, 1] - key_depth[:, 0])[which] + third * (key_depth[:, 2] - key_depth[:, 0])[which]
    span = float(np.ptp(key_depth)) + 1e-9
    near_first = (key_depth.max() - value if perspective else value - key_depth.min()) / span
    order = (np.clip(near_first, 0, 1).astype(np.float64) * DEPTH_STEPS).astype(np.int64) << 31 | np.arange(len(which))
    nearest = np.full(width * height, np.iinfo(np.int64).max)
    np.minimum.at(nearest, pixel, order)
    pixels = np.flatnonzero(nearest != np.iinfo(np.int64).max)
    winner = nearest[pixels] & (2**31 - 1)
    second, third, which, value = second[winner], third[winner], which[winner], value[winner]
    weights = np.stack([1 - second - third, second, third], 1)
    if perspective:
        weights *= key_depth[which] / value[:, None]
    return Fragments(pixels, drawn[which], weights)
