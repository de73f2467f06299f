"""Smooth fields on a mesh: the lowest vibrations of its surface, so that what is known here can be continued to there without a seam."""
from __future__ import annotations

import numpy as np

from app.rendering.topology import Topology

_SWEEPS = 6
_SPARE = 8  # extra directions, which the last wanted ones need to converge


def harmonics(topology: Topology, count: int) -> tuple[np.ndarray, np.ndarray]:
    """-> fields (N, count) float32, orthogonal, mean square 1, smoothest first (the first is constant), and their roughness (count,):
    eigenvalues of the graph Laplacian, the second of them 1 by convention. Deterministic."""
    n = topology.vertices
    count = min(count, n)
    laplacian = np.zeros((n, n))
    a, b = topology.edges.T
    laplacian[a, b] = laplacian[b, a] = -1
    np.fill_diagonal(laplacian, -laplacian.sum(1))
    inverse = np.linalg.inv(laplacian + 1e-4 * np.eye(n))  # subspace iteration on it: some 100 ms, where all eigenvectors take a second
    fields = np.random.default_rng(0).standard_normal((n, min(count + _SPARE, n)))
    fields[:, 0] = 1
    for _ in range(_SWEEPS):
        fields = np.linalg.qr(inverse @ fields)[0]
    values, turn = np.linalg.eigh(fields.T @ laplacian @ fields)
    fields = (fields @ turn)[:, :count] * np.sqrt(n)
    values = np.maximum(values[:count], 0)
    values[0] = 0
    return fields.astype(np.float32), (values / max(values[1] if count > 1 else 1, 1e-9)).astype(np.float32)
