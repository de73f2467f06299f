"""The 'wireframe' look: thin lines along the mesh's edges over a dim ground, so that they read on any picture."""
from __future__ import annotations

import numpy as np

from app.rendering.renderer import Mesh
from app.rendering.topology import Topology
from app.types import Intrinsics, Side

_INK: dict[Side, tuple] = {'right': (1.0, 0.93, 0.85), 'left': (0.85, 0.95, 1.0)}  # sRGB of the lines
_GROUND: dict[Side, tuple] = {'right': (0.16, 0.09, 0.06), 'left': (0.05, 0.10, 0.16)}  # and under them, so that they read on white too
_GROUND_OPACITY = 0.42
_OF_EDGE, _LEAST, _MOST = 0.13, 0.5, 0.003  # line width: of an edge's length, at least pixels, at most of the picture's longer side


def wire_mesh(vertices: np.ndarray, normals: np.ndarray, topology: Topology, side: Side, intrinsics: Intrinsics, size: tuple[int, int],
              opacity: np.ndarray | float) -> Mesh:
    """Vertices (N, 3) in metres in the camera frame with their normals; `size` is the picture's width and height; opacity (N,) or one."""
    a, b = intrinsics.project(vertices[topology.edges[::7]]).transpose(1, 0, 2)
    width = float(np.clip(_OF_EDGE * np.median(np.linalg.norm(a - b, axis=1)), _LEAST, _MOST * max(size)))
    rays = vertices / np.linalg.norm(vertices, axis=1)[:, None]
    facing = np.clip(-np.einsum('na,na->n', normals, rays), 0, 1)  # edges crowd towards the silhouette: let them thin out
    return Mesh(vertices, topology.faces, np.broadcast_to(np.float32(_INK[side]), vertices.shape),
                (0.4 + 0.6 * facing).astype(np.float32) * opacity, line_width=width, ground=(*_GROUND[side], _GROUND_OPACITY))
