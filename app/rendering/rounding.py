"""Round what the triangles cut off: each edge gets a middle vertex, moved out to where the normals at its ends say the surface lies.

For hands so large in the picture that the mesh's corners would show. Vlachos et al. (2001) and Boubekeur & Alexa (2008) do the same with
more terms.
"""
from __future__ import annotations

from functools import lru_cache

import numpy as np

from app.rendering.renderer import Mesh
from app.rendering.topology import Topology

_LONGEST_MOVE = 0.2  # of the edge's length: normals at creases say nothing useful


@lru_cache(maxsize=8)
def _fine_faces(topology: Topology) -> np.ndarray:
    """(4F, 3): the faces once each edge e has a middle vertex N + e."""
    place = {tuple(edge): topology.vertices + index for index, edge in enumerate(topology.edges.tolist())}
    faces = []
    for a, b, c in topology.faces.tolist():
        ab, bc, ca = (place[min(p, q), max(p, q)] for p, q in ((a, b), (b, c), (c, a)))
        faces += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.array(faces, np.int32)


def rounded(mesh: Mesh, normals: np.ndarray, topology: Topology) -> Mesh:
    """The mesh, whose unit normals (N, 3) and topology are given, with four times the faces. Exact for a ball."""
    ends = topology.edges.T
    (a, b), (na, nb) = mesh.vertices[ends], normals[ends]
    along = b - a
    out = 0.125 * np.einsum('ea,ea->e', along, nb - na)[:, None]
    limit = _LONGEST_MOVE * np.sqrt(np.einsum('ea,ea->e', along, along))[:, None]
    direction = na + nb
    direction /= np.maximum(np.sqrt(np.einsum('ea,ea->e', direction, direction)), 1e-6)[:, None]
    middles = 0.5 * (a + b) + np.clip(out, -limit, limit) * direction
    colours = mesh.colours[ends]
    colours = ((colours[0].astype(np.uint16) + colours[1] + 1) // 2).astype(np.uint8) if colours.dtype == np.uint8 else colours.mean(0)
    opacity = mesh.opacity
    if isinstance(opacity, np.ndarray) and opacity.ndim:
        opacity = np.concatenate([opacity, opacity[ends].mean(0)])
    return Mesh(np.concatenate([mesh.vertices, middles]), _fine_faces(topology), np.concatenate([mesh.colours, colours]), opacity,
                mesh.line_width, mesh.ground, mesh.curved)
