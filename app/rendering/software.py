"""Triangles to pixels without OpenGL, in numpy: the same pictures as `device.Device.draw`, for machines where OpenGL does not start.

All triangles are cut into rows and the rows into samples at once. Surfaces are painted far to near, then whatever lies in front of what was
painted is painted over it, until nothing does: an exact depth buffer, though triangles may cut each other. The strips that antialias
edges and draw lines are blended over that. About 4 ms for one hand of 1,600 vertices in a box of 210 x 310 pixels, on one core.
"""
from __future__ import annotations

import numpy as np

_CLOSEST = 1e-3  # metres; triangles that reach nearer are left out
_SAME = 1e-5  # share of the depth by which a strip may lie behind the surface that it belongs to


def draw(points: np.ndarray, surfaces: np.ndarray, strips: np.ndarray, region: tuple[int, int, int, int], scale: int,
         two_sided: bool) -> np.ndarray:
    """Points (P, 9), triangles of surfaces and strips (T, 3) into them, region x0, y0, x1, y1 in pixels, `scale` samples along
    each pixel side -> premultiplied RGBA (h * scale, w * scale, 4) uint8."""
    x0, y0, x1, y1 = region
    width, height = (x1 - x0) * scale, (y1 - y0) * scale
    u, v = ((points[:, k] - start + 0.5) * scale - 0.5 for k, start in ((0, x0), (1, y0)))
    z = points[:, 2]
    inverse = 1 / np.maximum(z, _CLOSEST)  # even across a triangle in the picture, which the depth itself is not
    near = np.zeros(width * height, np.float32)  # the inverse depth of what is drawn
    picture = np.zeros((width * height, 4), np.uint8)
    surfaces = surfaces[(z[surfaces] > _CLOSEST).all(1)]
    if not two_sided:
        surfaces = surfaces[_doubled_area(u, v, surfaces) < 0]
    surfaces = surfaces[np.argsort(inverse[surfaces].sum(1))]
    which, x, y = _samples(u, v, surfaces, width, height)
    planes = _Planes(u, v, surfaces, np.column_stack([points[:, 3:7], inverse]))
    closeness = planes.at(which, x, y, slice(4, 5))[:, 0]
    pixel, owner = y * width + x, np.full(width * height, -1, np.int32)
    owner[pixel] = np.arange(len(which), dtype=np.int32)  # numpy keeps the last one written
    near[pixel] = closeness
    left = np.flatnonzero(closeness > near.take(pixel))
    while len(left):
        owner[pixel[left]] = left
        near[pixel[left]] = closeness[left]
        left = left[closeness[left] > near[pixel[left]]]
    seen = owner[owner >= 0]
    paint = planes.at(which.take(seen), x.take(seen), y.take(seen), slice(0, 4))
    paint[:, :3] *= paint[:, 3:]
    picture[pixel.take(seen)] = _bytes(paint)
    if len(strips):
        _blend(picture, near, points, u, v, inverse, strips[(z[strips] > _CLOSEST).all(1)], width, height)
    return picture.reshape(height, width, 4)


def _blend(picture: np.ndarray, near: np.ndarray, points: np.ndarray, u: np.ndarray, v: np.ndarray, inverse: np.ndarray,
           strips: np.ndarray, width: int, height: int) -> None:
    """Lay strips over the picture (pixels, 4) where nothing is in front, in their order."""
    which, x, y = _samples(u, v, strips, width, height)
    values = _Planes(u, v, strips, np.column_stack([points[:, 3:], inverse])).at(which, x, y, slice(0, 7))
    pixel = y * width + x
    alpha = values[:, 3] * np.clip(values[:, 5] - np.abs(values[:, 4]), 0, 1)
    left = np.flatnonzero((alpha > 0) & (values[:, 6] >= near[pixel] * (1 - _SAME)))
    first = np.empty(len(picture), np.int32)
    while len(left):  # one sample of each pixel at a time, in their order
        first[pixel[left[::-1]]] = left[::-1]
        mine = first[pixel[left]] == left
        now, left = left[mine], left[~mine]
        at, cover = pixel[now], alpha[now][:, None]
        over = values[now, :4]
        over[:, 3] = 1
        picture[at] = _bytes(over * cover + picture[at] * ((1 - cover) / 255))


def _bytes(values: np.ndarray) -> np.ndarray:
    """0..1 -> uint8."""
    values *= 255
    values += 0.5
    return np.clip(values, 0, 255, out=values).astype(np.uint8)


def _doubled_area(u: np.ndarray, v: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(T,): negative where the corners go round against the clock on the downward axis, as those of outer faces do."""
    (ua, ub, uc), (va, vb, vc) = u[triangles.T], v[triangles.T]
    return (ub - ua) * (vc - va) - (uc - ua) * (vb - va)


def _samples(u: np.ndarray, v: np.ndarray, triangles: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Integer places inside triangles (T, 3): the triangle's number, x and y, (S,) each, triangle by triangle.

    A place on an edge belongs to the triangle on its right, or below it, so that neighbours share none.
    """
    tu, tv = u[triangles], v[triangles]
    top = np.clip(np.ceil(tv.min(1)), 0, height).astype(np.int32)
    bottom = np.clip(np.ceil(tv.max(1)), 0, height).astype(np.int32)
    row_of, y = _counted(top, bottom)
    left = np.full(len(y), -np.inf, np.float32)
    right = np.full(len(y), np.inf, np.float32)
    clockwise = _doubled_area(u, v, triangles) > 0
    for a, b in ((0, 1), (1, 2), (2, 0)):
        rise = tv[:, b] - tv[:, a]
        with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
            slope = (tu[:, b] - tu[:, a]) / rise
            crossing = (tu[:, a] - slope * tv[:, a])[row_of] + slope[row_of] * y
        flat, lower = (rise == 0)[row_of], ((rise < 0) == clockwise)[row_of]
        np.maximum(left, crossing, out=left, where=lower & ~flat)
        np.minimum(right, crossing, out=right, where=~lower & ~flat)
    start = np.clip(np.ceil(left), 0, width).astype(np.int32)
    row, x = _counted(start, np.clip(np.ceil(right), 0, width).astype(np.int32))
    return row_of[row], x, y[row]


def _counted(start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For ranges start..stop - 1 (R,): the number of the range and the value, for each value of each range."""
    count = np.maximum(stop - start, 0)
    number = np.repeat(np.arange(len(count), dtype=np.int32), count)
    first = np.cumsum(count, dtype=np.int32) - count
    return number, np.arange(len(number), dtype=np.int32) - (first - start)[number]


class _Planes:
    """Values that change evenly across each triangle in the picture. The last is the inverse depth; it is moved back by what it changes
    from one pixel to the next, as OpenGL's polygon offset does, so that lines on steep surfaces do not sink in."""

    def __init__(self, u: np.ndarray, v: np.ndarray, triangles: np.ndarray, values: np.ndarray):
        """Values (P, k) at the corners of triangles (T, 3)."""
        a, b, c = triangles.T
        area = _doubled_area(u, v, triangles)
        area = np.where(np.abs(area) < 1e-9, np.float32(1e-9), area)[:, None]
        first, second = values[b] - values[a], values[c] - values[a]
        ub, uc, vb, vc = ((w[i] - w[a])[:, None] for w, i in ((u, b), (u, c), (v, b), (v, c)))
        along_u, along_v = (first * vc - second * vb) / area, (second * ub - first * uc) / area
        start = values[a] - along_u * u[a][:, None] - along_v * v[a][:, None]
        start[:, -1] -= np.maximum(np.abs(along_u[:, -1]), np.abs(along_v[:, -1]))
        self._parts = along_u, along_v, start

    def at(self, which: np.ndarray, x: np.ndarray, y: np.ndarray, columns: slice) -> np.ndarray:
        """(S, columns) float32 at places x, y of triangles `which` (S,)."""
        along_u, along_v, out = (np.ascontiguousarray(part[:, columns]).take(which, 0) for part in self._parts)
        along_u *= x[:, None]
        along_v *= y[:, None]
        out += along_u
        out += along_v
        return out
