"""Texture coordinates."""
from __future__ import annotations

import numpy as np
import xatlas


def unwrap(vertices: np.ndarray, faces: np.ndarray, size: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """uv (T, 2) in 0..1, origin bottom-left, and the faces' indices into it (F, 3)."""
    atlas = xatlas.Atlas()
    atlas.add_mesh(vertices.astype(np.float32), faces.astype(np.uint32))
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    charts.max_cost = 8.0
    packing.resolution, packing.padding = size, 6
    atlas.generate(charts, packing)
    origin, index, uv = atlas[0]
    if not (origin[index] == faces).all():
        raise RuntimeError('xatlas has reordered the faces')
    return uv.astype(np.float32), index.astype(np.int32)
