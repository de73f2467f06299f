"""The 21 points of a right hand as a function of coefficients, wrist turn and shape, with analytic derivatives.

Every point is a sum of bones, each turned by its joint: points = chain @ (turns of the bones' joints x bones at rest). A small turn w of
joint j moves a point X below it by w x (X - X_j), so all derivatives are cross products, summed over the tree with one matrix product.
Tips ride on their last joint; for models whose tips bend (MANO's, by a fraction of a millimetre) this is an approximation.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from app.hand_model import JOINTS, POINTS, POSED_JOINTS, SHAPES, HandModel


class Posed(NamedTuple):
    """What one evaluation leaves for the derivatives."""

    points: np.ndarray  # (21, 3) metres, the wrist at the origin
    turns: np.ndarray  # (16, 3, 3) of all joints, camera frame
    left: np.ndarray  # (15, 3, 3) left Jacobians of the axis-angles of joints 1..15
    hats: np.ndarray  # (36, 3, 3) cross-product matrices of the 21 points and of the places of joints 1..15


class Kinematics:
    """Bones, tree and axes of one model, prepared for speed."""

    def __init__(self, model: HandModel):
        tip_joints = model.skin_weights[model.tip_vertices].argmax(1)
        parents = np.concatenate([model.parents, tip_joints])  # of the 21 nodes: 16 joints, 5 tips
        above = np.zeros((POINTS, POINTS))  # above[n, m]: the bone that ends in node m lies on the way from the wrist to node n
        for node in range(1, POINTS):
            above[node] = above[parents[node]]
            above[node, node] = 1
        self.model = model
        self.components = model.pose_components.astype(np.float64)
        self.mean = model.pose_mean.astype(np.float64)
        self.count = len(self.components)
        self._levels = [(_slice(level), _slice(model.parents[level])) for level in model.levels]
        self._bone_joint = parents[1:]  # the joint that turns each of the 20 bones
        order = model.joint_map
        self._chain = np.concatenate([above[order], above[1:JOINTS]])[:, 1:].copy()  # (36, 20): the points, then the joints
        self._moves = above[order][:, 1:JOINTS].copy()  # moves[k, j]: joint j + 1 moves point k ...
        for k, node in enumerate(order):
            if 0 < node < JOINTS:
                self._moves[k, node - 1] = 0  # ... but no joint moves itself
        self._axes = np.ascontiguousarray(self.components.T.reshape(POSED_JOINTS, 3, -1))
        self._parent = model.parents[1:]

        regressor, tips = model.joint_regressor.astype(np.float64), model.tip_vertices
        nodes = np.concatenate([regressor @ model.template, model.template[tips]])
        basis = np.concatenate([np.tensordot(regressor, model.shape_basis, 1), model.shape_basis[tips]])  # (21, 3, 10)
        self._rest = nodes[1:] - nodes[parents[1:]]
        self._rest_basis = basis[1:] - basis[parents[1:]]
        self._flat_basis = self._rest_basis.reshape(-1, SHAPES)

    def bones(self, shape: np.ndarray) -> np.ndarray:
        """Shape (10,) -> the 20 bones at rest (20, 3), metres."""
        return self._rest + (self._flat_basis @ shape).reshape(-1, 3)

    def bone_lengths_basis(self) -> np.ndarray:
        """(20, 10): metres by which each bone of the mean hand grows per standard deviation of shape."""
        return np.einsum('bi,bis->bs', self._rest / np.linalg.norm(self._rest, axis=1, keepdims=True), self._rest_basis)

    def mean_bone_lengths(self) -> np.ndarray:
        """(20,) metres, of the mean hand."""
        return np.linalg.norm(self._rest, axis=1)

    def posed(self, coefficients: np.ndarray, wrist: np.ndarray, bones: np.ndarray, turn: np.ndarray | float = 0.0) -> Posed:
        """Coefficients (K,), the wrist's rotation (3, 3) and bones (20, 3) -> points and what the derivatives need.

        `turn` (3,) is an axis-angle in camera axes that turns the whole hand after `wrist`; the wrist's rotation then is `turns[0]`.
        """
        vectors = np.empty((JOINTS, 3))
        vectors[0] = turn
        vectors[1:] = (self.mean + coefficients @ self.components).reshape(POSED_JOINTS, 3)
        local, left = _exponentials(vectors)
        turns = np.empty((JOINTS, 3, 3))
        turns[0] = local[0] @ wrist
        for level, above in self._levels:
            turns[level] = turns[above] @ local[level]
        placed = self._chain @ (turns[self._bone_joint] @ bones[:, :, None])[:, :, 0]
        return Posed(placed[:POINTS], turns, left[1:], _hats(placed))

    def jacobian(self, posed: Posed, project: np.ndarray, with_shape: bool) -> np.ndarray:
        """(21, 3, K + 3 [+ 10] + 3): derivatives of project[k] @ (point[k] + translation) by the coefficients, by a small turn of the whole
        hand in camera axes, by shape, and by the translation; `project` (21, 3, 3)."""
        count = self.count
        spins = (posed.turns[self._parent] @ posed.left) @ self._axes  # (15, 3, K) turn of each joint per coefficient
        both = np.empty((POSED_JOINTS, 6, count))
        both[:, :3] = spins
        np.matmul(posed.hats[POINTS:], spins, out=both[:, 3:])
        summed = (self._moves @ both.reshape(POSED_JOINTS, -1)).reshape(POINTS, 6, count)
        mixed = np.empty((POINTS, 3, 6))  # w x X - w x X_j, projected
        np.matmul(project, posed.hats[:POINTS], out=mixed[:, :, :3])
        np.negative(mixed[:, :, :3], out=mixed[:, :, :3])
        mixed[:, :, 3:] = project
        jacobian = np.empty((POINTS, 3, count + 6 + (SHAPES if with_shape else 0)))
        np.matmul(mixed, summed, out=jacobian[:, :, :count])
        jacobian[:, :, count:count + 3] = mixed[:, :, :3]
        if with_shape:
            grown = (posed.turns[self._bone_joint] @ self._rest_basis).reshape(POINTS - 1, -1)
            jacobian[:, :, count + 3:-3] = project @ (self._chain[:POINTS] @ grown).reshape(POINTS, 3, SHAPES)
        jacobian[:, :, -3:] = project
        return jacobian


def _slice(indices: np.ndarray) -> np.ndarray | slice:
    """Evenly spaced indices as a slice: reading through it copies nothing."""
    steps = np.diff(indices)
    if len(indices) > 1 and steps[0] > 0 and (steps == steps[0]).all():
        return slice(int(indices[0]), int(indices[-1]) + 1, int(steps[0]))
    if len(indices) and (indices == indices[0]).all():
        return slice(int(indices[0]), int(indices[0]) + 1)  # one parent for all: it broadcasts
    return indices


_EYE = np.eye(3).ravel()
GENERATORS = np.zeros((3, 9))  # hat(v) = v @ GENERATORS
GENERATORS[0, 5], GENERATORS[0, 7] = -1, 1
GENERATORS[1, 2], GENERATORS[1, 6] = 1, -1
GENERATORS[2, 1], GENERATORS[2, 3] = -1, 1


def _hats(vectors: np.ndarray) -> np.ndarray:
    return (vectors @ GENERATORS).reshape(-1, 3, 3)


def _exponentials(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axis-angles (n, 3) -> rotation matrices and left Jacobians (n, 3, 3), both sums of the identity, hat(a) and a a^T.

    No special case near 0: what cancels there is multiplied by hat(a) or a a^T, which are as small.
    """
    square = np.einsum('ij,ij->i', vectors, vectors) + 1e-30
    angle = np.sqrt(square)
    cosine = np.cos(angle)
    parts, factors = np.empty((len(vectors), 3, 9)), np.empty((len(vectors), 2, 3))
    parts[:, 0] = _EYE
    parts[:, 1] = vectors @ GENERATORS
    parts[:, 2] = (vectors[:, :, None] * vectors[:, None, :]).reshape(-1, 9)
    factors[:, 0, 0] = cosine
    first = factors[:, 0, 1] = factors[:, 1, 0] = np.sin(angle) / angle
    factors[:, 0, 2] = factors[:, 1, 1] = (1 - cosine) / square
    factors[:, 1, 2] = (1 - first) / square
    both = (factors @ parts).reshape(-1, 2, 3, 3)
    return both[:, 0], both[:, 1]
