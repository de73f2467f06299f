"""From the implicit surface to an even triangle mesh."""
from __future__ import annotations

from typing import Callable

import numpy as np
import pyacvd
import pyvista
import trimesh
from skimage.measure import marching_cubes

Field = Callable[[np.ndarray], np.ndarray]


def polygonise(field: Field, low: np.ndarray, high: np.ndarray, step: float) -> trimesh.Trimesh:
    """The zero surface of `field` inside the box, as one fine closed mesh with outward faces."""
    axes = [np.arange(a, b + step, step) for a, b in zip(low, high)]
    values = np.stack([field(np.stack(np.meshgrid([x], axes[1], axes[2], indexing='ij'), -1))[0] for x in axes[0]])
    vertices, faces, _, _ = marching_cubes(values, 0, spacing=(step,) * 3)
    mesh = trimesh.Trimesh(vertices + np.array([a[0] for a in axes]), faces)
    mesh = max(mesh.split(only_watertight=False), key=lambda part: len(part.faces))
    if mesh.volume < 0:
        mesh.invert()
    return mesh


def project(vertices: np.ndarray, field: Field, steps: int = 6, h: float = 0.2, longest: float = 3.0) -> np.ndarray:
    """Moves vertices (N, 3) along the field's gradient onto its zero surface."""
    v = vertices.copy()
    for _ in range(steps):
        d = field(v)
        g = np.stack([(field(v + h * e) - field(v - h * e)) / (2 * h) for e in np.eye(3)], -1)
        v -= np.clip(d / np.maximum((g * g).sum(-1), .2), -longest, longest)[:, None] * g
    return v


def remesh(mesh: trimesh.Trimesh, count: int, weights: np.ndarray | None = None) -> trimesh.Trimesh:
    """About `count` vertices, even triangles (clustering of Valette and Chassery); `weights` (V,) > 1 ask for smaller triangles."""
    poly = pyvista.PolyData(mesh.vertices, np.hstack([np.full((len(mesh.faces), 1), 3), mesh.faces]).ravel())
    clusters = pyacvd.Clustering(poly, weights=weights)
    clusters.cluster(count)
    out = clusters.create_mesh()
    result = trimesh.Trimesh(np.asarray(out.points, float), out.faces.reshape(-1, 4)[:, 1:], process=True)
    result.fix_normals()
    return result
