"""Thin strips beside edges, one per edge: a feather that antialiases silhouettes, and lines for wireframes.

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


def feather(points: np.ndarray, front: np.ndarray, topology: Topology, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Strips `width` pixels wide along the outside of the silhouettes of points (N, 9) -> points (P, 9), triangles (T, 3)."""
    left, right = front.take(topology.edge_faces)
    outline = np.flatnonzero((left != right) | (topology.rim & left))
    if not len(outline):
        return np.empty((0, COLUMNS), np.float32), np.empty((0, 3), np.int32)
    edge = topology.edges[outline]
    opposite = np.where(left[outline], *topology.edge_opposite[:, outline])  # of the face that is seen
    pixels = points[:, :2]
    a = pixels[edge[:, 0]]
    normal = _across(a, pixels[edge[:, 1]])
    inward = np.einsum('ea,ea->e', normal, pixels[opposite] - a)
    normal *= np.where(inward > 0, -1, 1)[:, None]
    ends = edge.ravel()
    outward = np.stack([np.bincount(ends, np.repeat(n, 2), len(points)) for n in normal.T], 1).astype(np.float32)
    outward = outward[edge]  # (E, 2, 2) sum of the edges that meet, so that the strips join
    outward /= np.maximum(np.sqrt(np.einsum('eka,eka->ek', outward, outward)), 1e-6)[..., None]
    miter = 1 / np.maximum(np.einsum('ea,ea->e', outward[:, 0], normal), 1 / _LONGEST_MITER)
    strips = np.empty((len(edge), 4, COLUMNS), np.float32)
    for k in range(2):
        strips[:, k] = strips[:, k + 2] = points[edge[:, k]]
        strips[:, k + 2, :2] += outward[:, k] * (width * miter)[:, None]
    strips[:, :2, 7], strips[:, 2:, 7] = 0, 1
    return strips.reshape(-1, COLUMNS), _triangles(len(edge), 4, [[0, 1, 2], [1, 3, 2]])


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
