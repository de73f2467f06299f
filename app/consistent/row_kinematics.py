"""The 21 points of a right hand and their derivatives as in `app/kinematics.py`, for many frames at once."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from app.hand_model import JOINTS, POINTS, POSED_JOINTS, HandModel
from app.kinematics import bones_above
from app.rotations import axis_angle_to_matrix, hat, left_jacobian


class PosedRows(NamedTuple):
    """T hands."""

    points: np.ndarray  # (T, 21, 3) metres, the wrist at the origin
    turns: np.ndarray  # (T, 16, 3, 3) of all joints, camera frame
    left: np.ndarray  # (T, 15, 3, 3) left Jacobians of the axis-angles of joints 1..15
    joints: np.ndarray  # (T, 15, 3) where joints 1..15 lie


class RowKinematics:
    """Bones, tree and axes of one model with one shape."""

    def __init__(self, model: HandModel, shape: np.ndarray):
        parents, above = bones_above(model)
        order = model.joint_map
        self._chain = np.concatenate([above[order], above[1:JOINTS]])[:, 1:].copy()
        self._moves = above[order][:, 1:JOINTS].copy()  # moves[k, j]: joint j + 1 moves point k, but no joint moves itself
        for k, node in enumerate(order):
            if 0 < node < JOINTS:
                self._moves[k, node - 1] = 0
        self._levels, self._parent, self._bone_joint = model.levels, model.parents, parents[1:]
        self.components, self.mean = model.pose_components.astype(np.float64), model.pose_mean.astype(np.float64)
        self._axes = np.ascontiguousarray(self.components.T.reshape(POSED_JOINTS, 3, -1))
        vertices, joints = model.shaped(shape)
        nodes = np.concatenate([joints, vertices[model.tip_vertices]]).astype(np.float64)
        self._bones = nodes[1:] - nodes[parents[1:]]
        self.length = float(np.linalg.norm(nodes[model.joint_map[12]] - nodes[0]))  # metres, wrist to middle tip, straight

    def posed(self, coefficients: np.ndarray, wrists: np.ndarray) -> PosedRows:
        """Coefficients (T, K) and wrist rotations (T, 3, 3) -> the hands."""
        vectors = (self.mean + coefficients @ self.components).reshape(-1, POSED_JOINTS, 3)
        local = axis_angle_to_matrix(vectors)
        turns = np.empty((len(vectors), JOINTS, 3, 3))
        turns[:, 0] = wrists
        for level in self._levels:
            turns[:, level] = turns[:, self._parent[level]] @ local[:, level - 1]
        bones = (turns[:, self._bone_joint] @ self._bones[:, :, None])[..., 0]
        placed = self._chain @ bones
        return PosedRows(placed[:, :POINTS], turns, left_jacobian(vectors), placed[:, POINTS:])

    def jacobian(self, posed: PosedRows) -> np.ndarray:
        """(T, 21, 3, K + 3): derivatives of the points by the coefficients and by a small turn of the whole hand in camera axes."""
        spins = (posed.turns[:, self._parent[1:]] @ posed.left) @ self._axes  # (T, 15, 3, K) turn of each joint per coefficient
        rows, _, _, count = spins.shape
        both = np.concatenate([spins, hat(posed.joints) @ spins], 2)  # (T, 15, 6, K)
        summed = (self._moves @ both.reshape(rows, POSED_JOINTS, -1)).reshape(rows, POINTS, 6, count)
        out = np.empty((rows, POINTS, 3, count + 3))
        minus = -hat(posed.points)  # w x X = -hat(X) w
        out[..., :count] = minus @ summed[:, :, :3] + summed[:, :, 3:]
        out[..., count:] = minus
        return out
