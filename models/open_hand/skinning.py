"""Which bones carry each vertex, and the joint regressor."""
from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import factorized

from models.open_hand.skeleton import Skeleton


def segments(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends (16, 3) of the bones; the wrist's runs from the forearm to the middle of the palm."""
    ends = [np.array([4., 60, -2])] + [skeleton.child_end(j) for j in range(1, 16)]
    starts = skeleton.joints.copy()
    starts[0] = (0, -50, 0)
    return starts, np.array(ends)


def bone_distances(points: np.ndarray, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Distance (N, 16) of points to the bones and position along them (N, 16), 0 at the joint, 1 at the end, unclipped."""
    a, b = segments(skeleton)
    ab = b - a
    h = np.einsum('njk,jk->nj', points[:, None] - a, ab) / (ab * ab).sum(-1)
    near = a + np.clip(h, 0, 1)[..., None] * ab
    return np.linalg.norm(points[:, None] - near, axis=-1), h


def laplacian(faces: np.ndarray, n: int) -> sp.csr_matrix:
    """Row-normalised umbrella operator (n, n): mean of the neighbours minus the vertex."""
    e = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    w = sp.coo_matrix((np.ones(2 * len(e)), (np.r_[e[:, 0], e[:, 1]], np.r_[e[:, 1], e[:, 0]])), (n, n)).tocsr()
    w.data[:] = 1
    return sp.diags(1 / np.asarray(w.sum(1)).ravel()) @ w - sp.eye(n)


def joint_regressor(template: np.ndarray, basis: np.ndarray, joints: np.ndarray, joint_basis: np.ndarray, count: int = 90) -> np.ndarray:
    """(J, N) sparse rows that sum to 1 and give the joints of the template and of every shape component exactly.

    template (N, 3), basis (N, 3, S), joints (J, 3), joint_basis (J, 3, S): the least-norm correction of an even average of the
    nearest `count` vertices.
    """
    n, s = len(template), basis.shape[-1]
    rows = np.zeros((len(joints), n))
    for j, joint in enumerate(joints):
        near = np.argsort(np.linalg.norm(template - joint, axis=-1))[:count]
        scale = np.abs(basis[near]).max(axis=(0, 1)) + 1e-12
        a = np.concatenate([np.ones((1, count)), template[near].T / np.abs(template).max(),
                            (basis[near] / scale).reshape(count, 3 * s).T])
        b = np.concatenate([[1.], joint / np.abs(template).max(), (joint_basis[j] / scale).ravel()])
        start = np.full(count, 1 / count)
        rows[j, near] = start + np.linalg.pinv(a, rcond=1e-9) @ (b - a @ start)
    return rows


def smooth_weights(rough: np.ndarray, faces: np.ndarray, strength: float, fixed: np.ndarray) -> np.ndarray:
    """Rough weights (N, 16) diffused over the surface (implicit heat step); rows of `fixed` vertices stay."""
    n = len(rough)
    lap = laplacian(faces, n)
    keep = np.zeros(n)
    keep[fixed] = 1e3
    solve = factorized((sp.diags(1 + keep) - strength * lap).tocsc())
    out = np.stack([solve((1 + keep) * rough[:, k]) for k in range(rough.shape[1])], -1)
    out = np.maximum(out, 0)
    out[out < 1e-3] = 0
    out[fixed] = rough[fixed]
    return out / out.sum(-1, keepdims=True)
