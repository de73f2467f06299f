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
    placed: np.ndarray  # (36, 3) the points, then the places of joints 1..15
    axis_angles: _AxisAngles  # of the joints' own turns


def bones_above(model: HandModel) -> tuple[np.ndarray, np.ndarray]:
    """Parents (21,) of the 21 nodes, which are 16 joints and 5 tips; and (21, 21), 1 at [n, m] where the bone that ends in node m lies on
    the way from the wrist to node n."""
    tip_joints = model.skin_weights[model.tip_vertices].argmax(1)
    parents = np.concatenate([model.parents, tip_joints])
    above = np.zeros((POINTS, POINTS))
    for node in range(1, POINTS):
        above[node] = above[parents[node]]
        above[node, node] = 1
    return parents, above


class Kinematics:
    """Bones, tree and axes of one model, prepared for speed."""

    def __init__(self, model: HandModel):
        parents, above = bones_above(model)
        self.model = model
        self.components = model.pose_components.astype(np.float64)
        self.mean = model.pose_mean.astype(np.float64)
        self.count = len(self.components)
        self._levels = model.steps
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
        np.add(coefficients @ self.components, self.mean, out=vectors.reshape(-1)[3:])
        axis_angles = _axis_angles(vectors)
        local = axis_angles.rotations()
        turns = np.empty((JOINTS, 3, 3))
        turns[0] = local[0] @ wrist
        for level, above in self._levels:
            turns[level] = turns[above] @ local[level]
        placed = self._chain @ (turns.take(self._bone_joint, 0) @ bones[:, :, None])[:, :, 0]
        return Posed(placed[:POINTS], turns, placed, axis_angles)

    def jacobian(self, posed: Posed, project: np.ndarray, with_shape: bool) -> np.ndarray:
        """(21, 3, K + 3 [+ 10] + 3): derivatives of project[k] @ (point[k] + translation) by the coefficients, by a small turn of the whole
        hand in camera axes, by shape, and by the translation; `project` (21, 3, 3)."""
        count = self.count
        hats = (posed.placed @ GENERATORS).reshape(-1, 3, 3)  # cross-product matrices
        left = posed.axis_angles.left_jacobians()[1:]
        turned = np.empty((POSED_JOINTS, 6, 3))  # of each joint, in camera axes, and of its place about the wrist, by its axis-angle
        np.matmul(posed.turns.take(self._parent, 0), left, out=turned[:, :3])
        np.matmul(hats[POINTS:], turned[:, :3], out=turned[:, 3:])
        spins = turned @ self._axes  # (15, 6, K) the same per coefficient
        summed = (self._moves @ spins.reshape(POSED_JOINTS, -1)).reshape(POINTS, 6, count)
        mixed = np.empty((POINTS, 3, 6))  # w x X - w x X_j, projected
        np.matmul(project, hats[:POINTS].swapaxes(1, 2), out=mixed[:, :, :3])  # a transposed hat is a negative one
        mixed[:, :, 3:] = project
        jacobian = np.empty((POINTS, 3, count + 6 + (SHAPES if with_shape else 0)))
        np.matmul(mixed, summed, out=jacobian[:, :, :count])
        jacobian[:, :, count:count + 3] = mixed[:, :, :3]
        if with_shape:
            grown = (posed.turns[self._bone_joint] @ self._rest_basis).reshape(POINTS - 1, -1)
            jacobian[:, :, count + 3:-3] = project @ (self._chain[:POINTS] @ grown).reshape(POINTS, 3, SHAPES)
        jacobian[:, :, -3:] = project
        return jacobian


_EYE = np.eye(3).ravel()
GENERATORS = np.zeros((3, 9))  # hat(v) = v @ GENERATORS
GENERATORS[0, 5], GENERATORS[0, 7] = -1, 1
GENERATORS[1, 2], GENERATORS[1, 6] = 1, -1
GENERATORS[2, 1], GENERATORS[2, 3] = -1, 1


class _AxisAngles(NamedTuple):
    """Axis-angles (n, 3) half way to matrices, which are sums of the identity, hat(a) and a a^T.

    No special case near 0: what cancels there is multiplied by hat(a) or a a^T, which are as small.
    """

    parts: np.ndarray  # (n, 3, 9) those three
    square: np.ndarray  # (n,) of the angle
    cosine: np.ndarray
    sinc: np.ndarray  # sine over angle

    def rotations(self) -> np.ndarray:
        """(n, 3, 3)."""
        return self._sum(self.cosine, self.sinc, (1 - self.cosine) / self.square)

    def left_jacobians(self) -> np.ndarray:
        """(n, 3, 3)."""
        return self._sum(self.sinc, (1 - self.cosine) / self.square, (1 - self.sinc) / self.square)

    def _sum(self, *factors: np.ndarray) -> np.ndarray:
        shares = np.empty((len(self.square), 1, 3))
        for k, factor in enumerate(factors):
            shares[:, 0, k] = factor
        return (shares @ self.parts).reshape(-1, 3, 3)


def _axis_angles(vectors: np.ndarray) -> _AxisAngles:
    parts = np.empty((len(vectors), 3, 9))
    parts[:, 0] = _EYE
    np.matmul(vectors, GENERATORS, out=parts[:, 1])
    np.multiply(vectors[:, :, None], vectors[:, None, :], out=parts[:, 2].reshape(-1, 3, 3))
    square = parts[:, 2, ::4].sum(1) + 1e-30
    angle = np.sqrt(square)
    return _AxisAngles(parts, square, np.cos(angle), np.sin(angle) / angle)
