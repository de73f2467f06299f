"""The 21 points of a right hand as a function of coefficients, wrist turn and shape, with analytic derivatives.

Every point is a sum of bones, each turned by its joint: points = chain @ (turns of the bones' joints x bones at rest). A small turn w of joint
j moves a point X below it by w x (X - X_j), so all derivatives are cross products, summed over the tree with one matrix product.
Tips ride on their last joint; for models whose tips bend (MANO's, by a fraction of a millimetre) this is an approximation.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from app.hand_model import JOINTS, POINTS, POSED_JOINTS, SHAPES, HandModel


class Posed(NamedTuple):
    """What one evaluation leaves for the derivatives."""

    points: np.ndarray  # (21, 3) metres, the wrist at the origin
    centres: np.ndarray  # (15, 3) places of joints 1..15
    turns: np.ndarray  # (16, 3, 3) of all joints, camera frame
    left: np.ndarray  # (15, 3, 3) left Jacobians of the joints' axis-angles


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
        self._levels = [(level, model.parents[level]) for level in model.levels]
        self._bone_joint = parents[1:]  # the joint that turns each of the 20 bones
        order = model.joint_map
        self._chain = np.ascontiguousarray(above[order][:, 1:])
        self._centre_chain = np.ascontiguousarray(above[1:JOINTS, 1:])
        moves = above[order][:, 1:JOINTS].copy()  # moves[k, j]: joint j + 1 moves point k ...
        for k, node in enumerate(order):
            if 0 < node < JOINTS:
                moves[k, node - 1] = 0  # ... but no joint moves itself
        self._moves = moves
        self._axes = np.ascontiguousarray(self.components.T.reshape(POSED_JOINTS, 3, -1))
        self._parent = model.parents[1:]

        regressor, tips = model.joint_regressor.astype(np.float64), model.tip_vertices
        nodes = np.concatenate([regressor @ model.template, model.template[tips]])
        basis = np.concatenate([np.tensordot(regressor, model.shape_basis, 1), model.shape_basis[tips]])  # (21, 3, 10)
        self._rest = nodes[1:] - nodes[parents[1:]]
        self._rest_basis = basis[1:] - basis[parents[1:]]

    def bones(self, shape: np.ndarray) -> np.ndarray:
        """Shape (10,) -> the 20 bones at rest (20, 3), metres."""
        return self._rest + self._rest_basis @ shape

    def bone_lengths_basis(self) -> np.ndarray:
        """(20, 10): metres by which each bone of the mean hand grows per standard deviation of shape."""
        return np.einsum('bi,bis->bs', self._rest / np.linalg.norm(self._rest, axis=1, keepdims=True), self._rest_basis)

    def mean_bone_lengths(self) -> np.ndarray:
        """(20,) metres, of the mean hand."""
        return np.linalg.norm(self._rest, axis=1)

    def posed(self, coefficients: np.ndarray, wrist: np.ndarray, bones: np.ndarray) -> Posed:
        """Coefficients (K,), the wrist's turn (3, 3) and bones (20, 3) -> points and what the derivatives need."""
        vectors = (self.mean + coefficients @ self.components).reshape(POSED_JOINTS, 3)
        local, left = _exponentials(vectors)
        turns = np.empty((JOINTS, 3, 3))
        turns[0] = wrist
        for level, above in self._levels:
            turns[level] = turns[above] @ local[level - 1]
        placed = (turns[self._bone_joint] @ bones[:, :, None])[:, :, 0]
        return Posed(self._chain @ placed, self._centre_chain @ placed, turns, left)

    def jacobian(self, posed: Posed, with_shape: bool) -> np.ndarray:
        """(21, 3, K + 3 [+ 10]): derivatives of the points by coefficients, by a small turn of the whole hand in camera axes, and by shape."""
        count, size = self.count, self.count + 3 + (SHAPES if with_shape else 0)
        spins = (posed.turns[self._parent] @ posed.left) @ self._axes  # (15, 3, K) turn of each joint per coefficient
        both = np.empty((POSED_JOINTS, 6, count))
        both[:, :3], both[:, 3:] = spins, _hats(posed.centres) @ spins
        summed = (self._moves @ both.reshape(POSED_JOINTS, -1)).reshape(POINTS, 6, count)
        jacobian = np.empty((POINTS, 3, size))
        turned = -_hats(posed.points)
        jacobian[:, :, :count] = turned @ summed[:, :3] + summed[:, 3:]  # w x X - w x X_j
        jacobian[:, :, count:count + 3] = turned
        if with_shape:
            grown = posed.turns[self._bone_joint] @ self._rest_basis
            jacobian[:, :, count + 3:] = (self._chain @ grown.reshape(len(grown), -1)).reshape(POINTS, 3, SHAPES)
        return jacobian


def _exponentials(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axis-angles (n, 3) -> rotation matrices and left Jacobians (n, 3, 3): `app.rotations`' formulas, sharing their parts."""
    square = (vectors * vectors).sum(1)
    angle = np.sqrt(square)
    first = np.sinc(angle * (1 / np.pi))
    second = 0.5 * np.sinc(angle * (0.5 / np.pi)) ** 2
    small = angle < 0.02
    third = np.where(small, 1 / 6 - square / 120, (1 - first) / np.where(small, 1, square))
    hats = _hats(vectors)
    outer = vectors[:, :, None] * vectors[:, None, :]
    eye = np.eye(3)
    local = np.cos(angle)[:, None, None] * eye + first[:, None, None] * hats + second[:, None, None] * outer
    left = first[:, None, None] * eye + second[:, None, None] * hats + third[:, None, None] * outer
    return local, left


_GENERATORS = np.zeros((3, 9))  # hat(v) = v @ _GENERATORS, the quickest way for few vectors
_GENERATORS[0, 5], _GENERATORS[0, 7] = -1, 1
_GENERATORS[1, 2], _GENERATORS[1, 6] = 1, -1
_GENERATORS[2, 1], _GENERATORS[2, 3] = -1, 1


def _hats(vectors: np.ndarray) -> np.ndarray:
    return (vectors @ _GENERATORS).reshape(-1, 3, 3)
