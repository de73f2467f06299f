"""The skin's default colours and the space of skin tones."""
from __future__ import annotations

import numpy as np


def vertex_colours(vertices: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """(N, 3) sRGB 0..1."""
    palm = np.clip(.5 - .6 * normals[:, 2:3], 0, 1)
    return np.array([.79, .60, .50]) + palm * [.07, .03, .03]
