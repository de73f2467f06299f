"""From the implicit surface to an even triangle mesh."""
from __future__ import annotations

from typing import Callable

import numpy as np
import pyacvd
import pyvista
import trimesh
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

Field = Callable[[np.ndarray], np.ndarray]


def polygonise(field: Field, low: np.ndarray, high: np.ndarray, step: float, coarse: int = 4) -> trimesh.Trimesh:
    """The zero surface of `field` inside the box, as one fine closed mesh with outward faces.

    The field is asked on a grid `coarse` times wider first, then finely only near its zero.
    """
    counts = [int(np.ceil((b - a) / (step * coarse))) for a, b in zip(low, high)]
    wide = np.stack(np.meshgrid(*[a + step * coarse * np.arange(n + 1) for a, n in zip(low, counts)], indexing='ij'), -1)
    rough = field(wide)
    fine = np.stack(np.meshgrid(*[np.arange(n * coarse + 1) / coarse for n in counts], indexing='ij'), -1)
    nearest = np.rint(fine).astype(int)
    values = rough[nearest[..., 0], nearest[..., 1], nearest[..., 2]]
    near = np.abs(values) < 2.2 * step * coarse
    values[near] = field(low + step * coarse * fine[near])
    vertices, faces, _, _ = marching_cubes(values, 0, spacing=(step,) * 3)
    mesh = trimesh.Trimesh(vertices + low, faces)
    mesh = max(mesh.split(only_watertight=False), key=lambda part: len(part.faces))
    if mesh.volume < 0:
        mesh.invert()
    return mesh


def gradient(vertices: np.ndarray, field: Field, h: float = 0.2) -> np.ndarray:
    """(N, 3) gradient of the field by central differences."""
    return np.stack([(field(vertices + h * e) - field(vertices - h * e)) / (2 * h) for e in np.eye(3)], -1)


def project(vertices: np.ndarray, field: Field, steps: int = 6, longest: float = 3.0) -> np.ndarray:
    """Moves vertices (N, 3) along the field's gradient onto its zero surface."""
    v = vertices.copy()
    for _ in range(steps):
        g = gradient(v, field)
        v -= np.clip(field(v) / np.maximum((g * g).sum(-1), .2), -longest, longest)[:, None] * g
    return v


def remesh(mesh: trimesh.Trimesh, count: int, seen: np.ndarray) -> trimesh.Trimesh:
    """About `count` vertices, triangles even where the fine mesh has the vertices `seen` (V, 3): parts seen larger get smaller ones.

    Clustering of Valette and Chassery on the distorted mesh (pyacvd's own weights have no effect); the vertices come from `mesh` itself.
    """
    clusters = pyacvd.Clustering(pyvista.PolyData(seen, np.hstack([np.full((len(mesh.faces), 1), 3), mesh.faces]).ravel()))
    clusters.cluster(count)
    out = clusters.create_mesh()
    distance, index = cKDTree(seen).query(np.asarray(out.points, float), 6)
    weight = 1 / (distance + .1)[..., None]
    points = (mesh.vertices[index] * weight).sum(1) / weight.sum(1)
    result = trimesh.Trimesh(points, out.faces.reshape(-1, 4)[:, 1:], process=False)
    result.fix_normals()
    return result


def without_flaps(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Drops triangles that hang on the surface by one edge only (a cluster that touched a thin web from both sides leaves them)."""
    while True:
        edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        _, inverse, counts = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
        free = (counts[inverse.ravel()].reshape(-1, 3) == 1).sum(1)
        if not (free >= 2).any():
            return mesh
        mesh = trimesh.Trimesh(mesh.vertices, mesh.faces[free < 2], process=False)
        mesh.remove_unreferenced_vertices()


def remesh_closed(mesh: trimesh.Trimesh, count: int, seen: np.ndarray, tries: int = 8) -> trimesh.Trimesh:
    """`remesh`, asked for a few vertices more each time until the result is a closed sphere."""
    for more in range(tries):
        result = without_flaps(remesh(mesh, count + 3 * more, seen))
        if result.is_watertight and result.is_winding_consistent and result.euler_number == 2:
            return result
    raise RuntimeError(f'no closed mesh in {tries} tries')
