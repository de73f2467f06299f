"""The 21 joints of the hand model without its skin: what regression, fitting and training need, at a hundredth of the cost.

Exact for the joints. Finger tips are vertices: exact where a tip vertex follows its last joint alone and has no pose corrective (the open
hand); for other models a few millimetres off at most.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn

from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix


class Skeleton(nn.Module):
    """Rest joints and tips as linear functions of the shape, and forward kinematics."""

    def __init__(self, hand: HandModel) -> None:
        super().__init__()
        self.parents, self.joint_map = hand.parents, hand.joint_map
        shapes = hand.shape_rows.shape[0]
        tips = hand.tip_vertices
        self.tip_parents = [int(hand.skin_weights[v].argmax()) for v in tips]
        basis = hand.shape_rows.reshape(shapes, -1, 3)[:, tips].reshape(shapes, -1)
        self.register_buffer('template', torch.cat([hand.joint_template, hand.template[tips]]), persistent=False)  # (21, 3)
        self.register_buffer('rows', torch.cat([hand.joint_rows, basis], 1), persistent=False)  # (S, 63)

    def forward(self, rotations: Tensor, shape: Tensor) -> Tensor:
        """Local rotations (B, 16, 3, 3) (row 0 turns the hand) and shape (B, S) -> joints (B, 21, 3) in metres, the wrist at the origin."""
        rest = self.template + torch.matmul(shape, self.rows).reshape(-1, 21, 3)
        turned, moved = [rotations[:, 0]], [torch.zeros_like(rest[:, 0])]
        for j in range(1, 16):
            p = self.parents[j]
            moved.append(moved[p] + torch.matmul(turned[p], (rest[:, j] - rest[:, p])[..., None])[..., 0])
            turned.append(torch.matmul(turned[p], rotations[:, j]))
        for tip, p in enumerate(self.tip_parents):
            moved.append(moved[p] + torch.matmul(turned[p], (rest[:, 16 + tip] - rest[:, p])[..., None])[..., 0])
        return torch.stack(moved, 1)[:, self.joint_map]

    def from_pose(self, root: Tensor, fingers: Tensor, shape: Tensor) -> Tensor:
        """Root rotation (B, 3, 3), finger axis-angles (B, 15, 3) and shape (B, S) -> joints (B, 21, 3)."""
        return self(torch.cat([root[:, None], axis_angle_to_matrix(fingers)], 1), shape)
