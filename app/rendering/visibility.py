"""Which vertices the camera sees: a coarse depth picture of the hand, in numpy, about 0.3 ms for 1,000 vertices."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from app.rendering.topology import Topology
from app.types import Intrinsics

_FINENESS = 1.2  # cells along the longer side of the mesh's box, times the root of its faces: 63 for a hand of 2,800, about 3 mm
_BORDER = 2  # empty cells around it
_DEPTH_TOLERANCE = 0.025  # of the mesh's size: about 5 mm, a third of a finger; more where the surface is steep
# seven points of a triangle, which is a few cells large: enough to leave no hole that the 3 x 3 filter would not close
_SAMPLES = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4], [2, 2, 0], [0, 2, 2], [2, 0, 2]], np.float32)
_SAMPLES /= _SAMPLES.sum(1, keepdims=True)
_CLOSEST = 1e-3  # metres


@dataclass(frozen=True)
class Visibility:
    """What the camera sees of each vertex."""

    pixels: np.ndarray  # (N, 2) projection
    facing: np.ndarray  # (N,) cosine between the normal and the direction to the camera, negative on the far side
    visible: np.ndarray  # (N,) bool: faces the camera, nothing in front
    inside: np.ndarray  # (N,) distance from the silhouette, as a fraction of the mesh's size


def visibility(vertices: np.ndarray, normals: np.ndarray, topology: Topology, intrinsics: Intrinsics,
               others: list[tuple[np.ndarray, Topology]] = ()) -> Visibility:
    """Of vertices (N, 3) in the camera frame; `others` are meshes that may stand in front. Raises ValueError on numbers not finite."""
    if not np.isfinite(vertices).all():
        raise ValueError('vertices hold numbers that are not finite')
    z = vertices[:, 2]
    pixels = _project(vertices, intrinsics)
    rays = vertices / np.maximum(np.sqrt(np.einsum('na,na->n', vertices, vertices)), 1e-9)[:, None]
    facing = -np.einsum('na,na->n', normals, rays)
    if z.min() <= _CLOSEST:
        return Visibility(pixels, facing, np.zeros(len(vertices), bool), np.zeros(len(vertices), np.float32))
    low = pixels.min(0)
    grid = int(np.clip(_FINENESS * np.sqrt(len(topology.faces)), 16, 120))  # leaves some two points of the surface for each cell
    cell = max(float((pixels.max(0) - low).max()) / grid, 1e-6)
    origin = low - _BORDER * cell
    side = grid + 2 * _BORDER + 1

    def cells(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return ((u - origin[0]) * (1 / cell)).astype(np.intp), ((v - origin[1]) * (1 / cell)).astype(np.intp)

    u, v, depths = _points(vertices, pixels, topology)
    depth = _splat(*cells(u, v), depths, side)
    # closes the pinholes between the points; one cell too many at the silhouette does not matter, its vertices weigh nothing
    covered = cv2.morphologyEx(np.isfinite(depth).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    inside = cv2.distanceTransform(covered, cv2.DIST_L2, 3)
    for other, shape in others:
        if np.isfinite(other).all() and other[:, 2].min() > _CLOSEST:
            seen = _project(other, intrinsics)
            if (seen.max(0) <= origin - cell).any() or (seen.min(0) >= origin + side * cell).any():
                continue  # beside this hand
            u, v, depths = _points(other, seen, shape)
            u, v = cells(u, v)
            fits = (u >= 0) & (u < side) & (v >= 0) & (v < side)
            np.minimum(depth, _splat(u[fits], v[fits], depths[fits], side), out=depth)
    nearest = cv2.erode(depth, np.ones((3, 3), np.uint8)).ravel()  # the minimum over the neighbours
    u, v = cells(*pixels.T)
    at = v * side + u
    size = cell * grid * float(z.mean()) / intrinsics.fx  # metres
    steep = np.sqrt(np.maximum(1 - facing * facing, 0)) / np.maximum(facing, 0.3)
    free = z <= nearest.take(at) + (_DEPTH_TOLERANCE + 1.2 / grid * steep) * size
    return Visibility(pixels, facing, free & (facing > 0), inside.ravel().take(at) / grid)


def _project(vertices: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    z = np.maximum(vertices[:, 2], _CLOSEST)
    pixels = np.empty((len(vertices), 2), np.float32)
    pixels[:, 0] = vertices[:, 0] / z * intrinsics.fx + intrinsics.cx
    pixels[:, 1] = vertices[:, 1] / z * intrinsics.fy + intrinsics.cy
    return pixels


def _points(vertices: np.ndarray, pixels: np.ndarray, topology: Topology) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on the faces that look at the camera, far ones first: u, v, depth (P,) each."""
    corners = topology.corners[:, topology.front(pixels)]
    z = vertices[:, 2].astype(np.float32).take(corners)
    order = np.argsort(-z.sum(0))
    corners = corners[:, order]
    u, v = np.ascontiguousarray(pixels.T)
    return tuple((values.T @ _SAMPLES.T).ravel() for values in (u.take(corners), v.take(corners), z[:, order]))


def _splat(column: np.ndarray, row: np.ndarray, z: np.ndarray, side: int) -> np.ndarray:
    """Depth picture (side, side) of points; infinite where there is none."""
    depth = np.full(side * side, np.inf, np.float32)
    depth[row * side + column] = z  # numpy keeps the last one written: the nearest
    return depth.reshape(side, side)
