"""Which bones carry each vertex: the region beyond each joint, blurred over the skin; and the joint regressor. Millimetres."""
from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import trimesh
from scipy.sparse.linalg import factorized
from scipy.spatial import cKDTree

from models.open_hand.skeleton import FINGERS, PARENTS, Skeleton
from models.open_hand.surface import Hand

# mm^2, heat time of each joint's blur: skin slides further over the big joints than over the small ones
BLUR = np.array([0.] + [70., 14., 11.] + [20., 11., 9.] * 4)
STEPS = 3  # implicit heat steps; more make the blur rounder
BEFORE_END, ON_NAIL = 7.0, 4.5  # mm from the finger's end towards its root, and from its axis towards the back
EDGE = 0.03  # what is left of the blur's tails is cut, so that each vertex has few bones and tips are rigid


def regions(points: np.ndarray, hand: Hand) -> np.ndarray:
    """(16, V) bool: which points (V, 3) lie beyond joint j on j's own finger."""
    skeleton, pose = hand.skeleton, hand.at_rest()
    chains = [hand.thumb, *hand.fingers]
    reach = np.stack([np.min([s.distance(points, pose) for s, _ in chain], 0) for chain in chains])
    ball = np.min([s.distance(points, pose) for s, _ in hand.palm if getattr(s, 'bone', None) == 1], 0)
    reach[0] = np.minimum(reach[0], ball)  # the ball of the thumb goes with it
    own = reach.argmin(0)
    palm = np.min([s.distance(points, pose) for s, _ in hand.palm if getattr(s, 'bone', 0) == 0], 0)
    out = np.zeros((16, len(points)), bool)
    for f in range(5):
        for level in range(3):
            j = 1 + 3 * f + level
            before = skeleton.along[j] if level == 0 else skeleton.along[j - 1]
            normal = before + skeleton.along[j]
            out[j] = (own == f) & ((points - skeleton.joints[j]) @ normal > 0)
            if level:
                out[j] &= out[j - 1]
        if f == 0:
            out[1] &= (reach[0] < palm + 2.0) | ((points - skeleton.joints[2]) @ skeleton.along[2] > 0)
    return out


def heat(mesh: trimesh.Trimesh) -> tuple[sp.csr_matrix, sp.dia_matrix]:
    """Cotangent stiffness and lumped mass of a mesh."""
    v, f = mesh.vertices, mesh.faces
    n = len(v)
    stiff = sp.csr_matrix((n, n))
    for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        u, w = v[f[:, b]] - v[f[:, a]], v[f[:, c]] - v[f[:, a]]
        cot = np.clip((u * w).sum(-1) / np.maximum(np.linalg.norm(np.cross(u, w), axis=-1), 1e-9), 0, 10) / 2
        stiff = stiff + sp.coo_matrix((np.r_[cot, cot], (np.r_[f[:, b], f[:, c]], np.r_[f[:, c], f[:, b]])), (n, n)).tocsr()
    area = np.bincount(f.ravel(), np.repeat(mesh.area_faces / 3, 3), n)
    return sp.diags(np.asarray(stiff.sum(1)).ravel()) - stiff, sp.diags(np.maximum(area, 1e-6))


def skin_weights(vertices: np.ndarray, fine: trimesh.Trimesh, hand: Hand) -> np.ndarray:
    """(N, 16) weights of `vertices`, computed on the `fine` mesh of the same surface, rows summing to 1."""
    beyond = regions(fine.vertices, hand).astype(float)
    stiff, mass = heat(fine)
    for time in np.unique(BLUR[1:]):
        solve = factorized((mass + time / STEPS * stiff).tocsc())
        for j in np.flatnonzero(BLUR == time):
            for _ in range(STEPS):
                beyond[j] = solve(mass @ beyond[j])
    beyond = np.clip((beyond - EDGE) / (1 - 2 * EDGE), 0, 1)
    beyond = beyond * beyond * (3 - 2 * beyond) * .5 + beyond * .5  # softens the corners that the cut left
    beyond[0] = 1
    for j in range(1, 16):
        beyond[j] = np.minimum(beyond[j], beyond[PARENTS[j]])
    weights = beyond.copy()
    for j in range(1, 16):
        weights[PARENTS[j]] -= beyond[j]
    weights = np.maximum(weights, 0).T
    distance, index = cKDTree(fine.vertices).query(vertices, 4)
    near = 1 / (distance + .2)
    out = (weights[index] * (near / near.sum(1, keepdims=True))[..., None]).sum(1)
    out[out < 2e-3] = 0
    return out / out.sum(1, keepdims=True)


def tip_vertices(vertices: np.ndarray, weights: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """(5,) the vertex that stands for each finger tip; its weights become exactly one bone's (in place).

    Detectors of 21 points mean a place on the nail, 7 to 8 mm before the finger's end (measured on renders of this hand). With the very
    end in its stead, hands fitted to such points come out a nail too short.
    """
    last = 3 * np.arange(len(FINGERS)) + 3
    nails = skeleton.tips - BEFORE_END * skeleton.along[last] + ON_NAIL * skeleton.dorsal[last]
    tips = np.array([int(np.linalg.norm(vertices - nail, axis=-1).argmin()) for nail in nails], np.int32)
    weights[tips] = np.eye(16)[[3 + 3 * f for f in range(len(FINGERS))]]
    return tips


def joint_regressor(template: np.ndarray, basis: np.ndarray, joints: np.ndarray, joint_basis: np.ndarray, count: int = 120) -> np.ndarray:
    """(J, N) sparse rows that sum to 1 and give the joints of the template and of every shape component exactly.

    template (N, 3), basis (N, 3, S), joints (J, 3), joint_basis (J, 3, S): the least-norm correction of an even average of the
    nearest `count` vertices.
    """
    n, s = len(template), basis.shape[-1]
    rows = np.zeros((len(joints), n))
    for j, joint in enumerate(joints):
        near = np.argsort(np.linalg.norm(template - joint, axis=-1))[:count]
        scale = np.abs(basis[near]).max(axis=(0, 1)) + 1e-12
        size = np.abs(template).max()
        a = np.concatenate([np.ones((1, count)), template[near].T / size, (basis[near] / scale).reshape(count, 3 * s).T])
        b = np.concatenate([[1.], joint / size, (joint_basis[j] / scale).ravel()])
        start = np.full(count, 1 / count)
        rows[j, near] = start + np.linalg.pinv(a, rcond=1e-9) @ (b - a @ start)
    return rows
