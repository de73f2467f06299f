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
    """Rest bones as linear functions of the shape, and forward kinematics: all joints of one depth in the tree at once.

    Nodes are the 16 joints and the 5 tips, a tip being the child of the joint that moves it.
    """

    def __init__(self, hand: HandModel) -> None:
        super().__init__()
        shapes, tips = hand.shape_rows.shape[0], hand.tip_vertices
        parents = [*hand.parents, *(int(hand.skin_weights[v].argmax()) for v in tips)]
        depth = [0] * len(parents)
        for node in range(1, len(parents)):
            depth[node] = depth[parents[node]] + 1
        self.levels = [[n for n in range(len(parents)) if depth[n] == d] for d in range(max(depth) + 1)]
        # each node's parent as a place in the level above
        self.above = [[self.levels[d - 1].index(parents[n]) for n in self.levels[d]] for d in range(1, len(self.levels))]
        order = [n for level in self.levels for n in level]
        self.to_joints = [order.index(n) for n in hand.joint_map]
        self.joint_map = hand.joint_map
        tip_rows = hand.shape_rows.reshape(shapes, -1, 3)[:, tips]
        rest = torch.cat([hand.joint_template, hand.template[tips]])  # (21, 3)
        rows = torch.cat([hand.joint_rows.reshape(shapes, -1, 3), tip_rows], 1)  # (S, 21, 3)
        above = [parents[n] for n in order[1:]]
        self.register_buffer('template', rest, persistent=False)
        self.register_buffer('bones', rest[order[1:]] - rest[above], persistent=False)  # (20, 3) by level
        self.register_buffer('bone_rows', (rows[:, order[1:]] - rows[:, above]).reshape(shapes, -1), persistent=False)  # (S, 60)

    def forward(self, rotations: Tensor, shape: Tensor) -> Tensor:
        """Local rotations (B, 16, 3, 3) (row 0 turns the hand) and shape (B, S) -> joints (B, 21, 3) in metres, the wrist at the origin."""
        bones = (self.bones.flatten() + torch.matmul(shape, self.bone_rows)).reshape(-1, len(self.bones), 3, 1)
        turned, places, first = rotations[:, :1], [torch.zeros_like(bones[:, :1])], 0
        for level, above in zip(self.levels[1:], self.above):
            alone = above == list(range(turned.shape[1]))  # one child each: nothing to choose
            parent = turned if alone else turned[:, above]
            place = places[-1] if alone else places[-1][:, above]
            places.append(place + torch.matmul(parent, bones[:, first:first + len(level)]))
            first += len(level)
            if level[0] < 16 and level is not self.levels[-1]:
                turned = torch.matmul(parent, rotations[:, [n if n < 16 else 0 for n in level]])
        return torch.cat(places, 1)[:, self.to_joints, :, 0]

    def from_pose(self, root: Tensor, fingers: Tensor, shape: Tensor) -> Tensor:
        """Root rotation (B, 3, 3), finger axis-angles (B, 15, 3) and shape (B, S) -> joints (B, 21, 3)."""
        return self(torch.cat([root[:, None], axis_angle_to_matrix(fingers)], 1), shape)
