"""Thin strips beside edges, one per edge: a feather that antialiases and rounds silhouettes, and lines for wireframes.

A point is drawn as (u, v, depth, red, green, blue, opacity, across, reach): pixels, metres, sRGB 0..1, and again pixels: `across` is its
distance from the strip's middle or root, and its coverage is reach - |across|, at most 1. That is exact antialiasing for the price of a few
hundred slivers; a picture with four samples a pixel costs three times the time in software.
"""
from __future__ import annotations

import numpy as np

from app.rendering.topology import Topology

COLUMNS = 9
_NEARER = 0.998  # lines lie a little in front of the surface that carries them
_LONGEST_MITER = 1.6
_LARGEST_BULGE = 0.15  # of an edge's length
_STRAIGHT = 1.7  # length of the sum of two unit normals 63 degrees apart: beyond that the outline has a corner, not a curve


def feather(points: np.ndarray, front: np.ndarray, topology: Topology, width: float, curved: bool) -> tuple[np.ndarray, np.ndarray]:
    """Strips `width` pixels wide along the outside of the silhouettes of points (N, 9) -> points (P, 9), triangles (T, 3).

    `curved`: each edge of the outline bulges to where the edges beside it say that the curve through its ends would go; the sliver
    between is filled. So the mesh's corners do not show, at a fraction of the price of a finer mesh.
    """
    left, right = front.take(topology.edge_faces)
    outline = np.flatnonzero((left != right) | (topology.rim & left))
    if not len(outline):
        return np.empty((0, COLUMNS), np.float32), np.empty((0, 3), np.int32)
    edge = topology.edges[outline]
    opposite = np.where(left[outline], *topology.edge_opposite[:, outline])  # of the face that is seen
    pixels = points[:, :2]
    roots = points.take(edge, 0)
    a, b = roots[:, 0, :2], roots[:, 1, :2]
    normal = _across(a, b)
    inward = np.einsum('ea,ea->e', normal, pixels.take(opposite, 0) - a)
    normal *= np.where(inward > 0, -1, 1)[:, None]
    ends = edge.ravel()
    outward = np.stack([np.bincount(ends, np.repeat(n, 2), len(points)) for n in normal.T], 1).astype(np.float32)
    outward = outward.take(edge, 0)  # (E, 2, 2) sum of the edges that meet, so that the strips join
    agree = np.sqrt(np.einsum('eka,eka->ek', outward, outward))  # 2 where the outline runs straight on
    outward /= np.maximum(agree, 1e-6)[..., None]
    miter = 1 / np.maximum(np.einsum('ea,ea->e', outward[:, 0], normal), 1 / _LONGEST_MITER)
    outs = outward * (width * miter)[:, None, None]
    if not curved:
        return _strips(roots, outs, [[0, 1, 2], [1, 3, 2]])
    along = b - a
    lean = np.einsum('eka,ea->ek', outward, along) * (-0.25, 0.25)
    lean[(agree < _STRAIGHT) | (agree > 2.001)] = 0  # a corner, or where several outlines meet
    bulge = np.clip(np.minimum(lean[:, 0], lean[:, 1]), 0, _LARGEST_BULGE * np.sqrt(np.einsum('ea,ea->e', along, along)))
    middle = 0.5 * (roots[:, :1] + roots[:, 1:])
    middle[:, 0, :2] += normal * bulge[:, None]
    return _strips(np.concatenate([roots, middle], 1), np.concatenate([outs, normal[:, None] * width], 1),
                   [[0, 1, 2], [0, 2, 3], [2, 5, 3], [2, 1, 5], [1, 4, 5]])


def _strips(roots: np.ndarray, outs: np.ndarray, pattern: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Roots (E, k, 9) of strips and the way (E, k, 2) from each to the other side, triangles into the k roots and k other points."""
    k = roots.shape[1]
    strips = np.empty((len(roots), 2 * k, COLUMNS), np.float32)
    strips[:, :k] = strips[:, k:] = roots
    strips[:, k:, :2] += outs
    strips[:, :k, 7], strips[:, k:, 7] = 0, 1
    return strips.reshape(-1, COLUMNS), _triangles(len(strips), 2 * k, pattern)


def lines(points: np.ndarray, front: np.ndarray, topology: Topology, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Lines `width` pixels wide along the edges of the faces that are seen -> points (P, 9), triangles (T, 3)."""
    edge = topology.edges[front.take(topology.edge_faces).any(0)]
    half = width / 2 + 0.5
    strips = np.repeat(points[edge], 2, axis=1)  # a, a, b, b: one side, other side
    across = _across(points[edge[:, 0], :2], points[edge[:, 1], :2])[:, None] * half
    strips[:, 0::2, :2] += across
    strips[:, 1::2, :2] -= across
    strips[:, :, 2] *= _NEARER
    strips[:, 0::2, 7], strips[:, 1::2, 7], strips[:, :, 8] = half, -half, half
    return strips.reshape(-1, COLUMNS), _triangles(len(edge), 4, [[0, 1, 2], [1, 3, 2]])


def _across(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Unit vectors (E, 2) at right angles to a -> b."""
    along = b - a
    length = np.maximum(np.sqrt(np.einsum('ea,ea->e', along, along)), 1e-6)
    return np.stack([along[:, 1], -along[:, 0]], 1) / length[:, None]


def _triangles(count: int, stride: int, pattern: list[list[int]]) -> np.ndarray:
    return (np.arange(count, dtype=np.int32)[:, None, None] * stride + np.array(pattern, np.int32)).reshape(-1, 3)
