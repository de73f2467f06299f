"""Smooth fields on a mesh: the lowest vibrations of its surface, so that what is known here can be continued to there without a seam."""
from __future__ import annotations

import numpy as np

from app.rendering.topology import Topology

_SWEEPS = 6
_SPARE = 8  # extra directions, which the last wanted ones need to converge
_SHIFT = 1e-4  # added to the Laplacian, which a constant field would make singular


def harmonics(topology: Topology, count: int) -> tuple[np.ndarray, np.ndarray]:
    """-> fields (N, count) float32, orthogonal, mean square 1, smoothest first (the first is constant), and their roughness (count,):
    eigenvalues of the graph Laplacian, the second of them 1 by convention. Deterministic."""
    n = topology.vertices
    count = min(count, n)
    solve = _Layers(topology)
    fields = np.random.default_rng(0).standard_normal((n, min(count + _SPARE, n)))
    fields[:, 0] = 1
    for _ in range(_SWEEPS):  # subspace iteration: some 20 ms, where all eigenvectors take a second
        fields = np.linalg.qr(solve(fields))[0]
    a, b = topology.edges.T
    across = fields[a] - fields[b]
    values, turn = np.linalg.eigh(across.T @ across)  # the fields' Laplacian
    fields = (fields @ turn)[:, :count] * np.sqrt(n)
    values = np.maximum(values[:count], 0)
    values[0] = 0
    return fields.astype(np.float32), (values / max(values[1] if count > 1 else 1, 1e-9)).astype(np.float32)


class _Layers:
    """Solves (Laplacian + shift) x = b. Seen from one vertex the mesh is layers, each with edges to the layers beside it alone: so the
    matrix is one of small blocks, and eliminating them layer by layer costs a hundredth of the inverse of the whole."""

    def __init__(self, topology: Topology):
        n = topology.vertices
        self._layers = _layers(topology)
        place = np.empty(n, np.intp)  # of each vertex in its layer
        for layer in self._layers:
            place[layer] = np.arange(len(layer))
        a, b = np.concatenate([topology.edges, topology.edges[:, ::-1]]).T
        number = np.repeat(np.arange(len(self._layers)), [len(layer) for layer in self._layers])[np.argsort(np.concatenate(self._layers))]
        degree = np.bincount(a, minlength=n) + _SHIFT
        self._inverses, self._links = [], []  # of the layers' own blocks, once those before are eliminated; blocks from the layer before
        for k, layer in enumerate(self._layers):
            block = np.diag(degree[layer])
            inside = (number[a] == k) & (number[b] == k)
            block[place[a[inside]], place[b[inside]]] = -1
            if k:
                back = (number[a] == k) & (number[b] == k - 1)
                link = np.zeros((len(layer), len(self._layers[k - 1])))
                link[place[a[back]], place[b[back]]] = -1
                self._links.append(link)
                block -= link @ self._inverses[-1] @ link.T
            self._inverses.append(np.linalg.inv(block))

    def __call__(self, right: np.ndarray) -> np.ndarray:
        """b (N, K) -> x (N, K)."""
        parts = [right[layer] for layer in self._layers]
        for k, link in enumerate(self._links):
            parts[k + 1] = parts[k + 1] - link @ (self._inverses[k] @ parts[k])
        out = np.empty_like(right)
        for k in range(len(parts) - 1, -1, -1):
            rest = parts[k] if k + 1 == len(parts) else parts[k] - self._links[k].T @ parts[k + 1]
            parts[k] = out[self._layers[k]] = self._inverses[k] @ rest
        return out


def _layers(topology: Topology) -> list[np.ndarray]:
    """The vertices by their distance in edges from the first one, or from the first one that none of those before reaches."""
    a, b = np.concatenate([topology.edges, topology.edges[:, ::-1]]).T
    left, layers = np.ones(topology.vertices, bool), []
    layer = np.zeros(0, np.intp)
    while left.any():
        reached = np.zeros(topology.vertices, bool)
        reached[layer] = True
        met = b[reached[a]]
        layer = np.unique(met[left[met]])
        if not len(layer):
            layer = np.flatnonzero(left)[:1]
        left[layer] = False
        layers.append(layer)
    return layers
