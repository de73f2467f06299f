"""The 21 joints of the hand model without its skin: what regression, fitting and training need, at a hundredth of the cost.

Exact for the joints. Finger tips are vertices: exact where a tip vertex follows its last joint alone and has no pose corrective (the open
hand); for other models a few millimetres off at most.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn

from models.chain import Chain
from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix


class Skeleton(nn.Module):
    """Rest bones as linear functions of the shape, and forward kinematics: all joints of one depth in the tree at once.

    Nodes are the 16 joints and the 5 tips, a tip being the child of the joint that moves it.
    """

    def __init__(self, hand: HandModel) -> None:
        super().__init__()
        shapes, tips = hand.shape_rows.shape[0], hand.tip_vertices
        parents = [*hand.parents, *(int(hand.skin_weights[v].argmax()) for v in tips)]
        self.chain = Chain(parents, hand.joint_map)
        order = self.chain.order.tolist()
        self.joint_map = hand.joint_map
        tip_rows = hand.shape_rows.reshape(shapes, -1, 3)[:, tips]
        rest = torch.cat([hand.joint_template, hand.template[tips]])  # (21, 3)
        rows = torch.cat([hand.joint_rows.reshape(shapes, -1, 3), tip_rows], 1)  # (S, 21, 3)
        above = [parents[n] if n else 0 for n in order]
        self.register_buffer('template', rest, persistent=False)
        self.register_buffer('bones', (rest[order] - rest[above]).flatten(), persistent=False)  # (63,) by depth
        self.register_buffer('bone_rows', (rows[:, order] - rows[:, above]).reshape(shapes, -1), persistent=False)  # (S, 63)
        self.register_buffer('turns', torch.tensor([n if n < len(hand.parents) else 0 for n in order]), persistent=False)  # a tip's: any

    def forward(self, rotations: Tensor, shape: Tensor) -> Tensor:
        """Local rotations (B, 16, 3, 3) (row 0 turns the hand) and shape (B, S) -> joints (B, 21, 3) in metres, the wrist at the origin."""
        bones = torch.addmm(self.bones, shape, self.bone_rows).unflatten(1, (-1, 3, 1))
        return self.chain(rotations.index_select(1, self.turns), bones)[1]

    def from_pose(self, root: Tensor, fingers: Tensor, shape: Tensor) -> Tensor:
        """Root rotation (B, 3, 3), finger axis-angles (B, 15, 3) and shape (B, S) -> joints (B, 21, 3)."""
        return self(torch.cat([root[:, None], axis_angle_to_matrix(fingers)], 1), shape)
