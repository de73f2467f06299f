"""Forward kinematics along a tree of joints: all joints of one depth at once, so that a hand is a handful of operators in every runtime."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Chain(nn.Module):
    """A tree of J joints. `order` (J,) are its joints by depth, the root first; turns and bones are in that order.

    `wanted` are the joints whose places are asked for, in which order; default: `order`.
    """

    def __init__(self, parents: Sequence[int], wanted: Sequence[int] | None = None) -> None:
        """`parents[j]` is the joint that j hangs on, a smaller number than j; that of joint 0 does not matter."""
        super().__init__()
        count, depth, ways = len(parents), [0] * len(parents), torch.zeros(len(parents), len(parents))
        for joint in range(1, count):
            depth[joint] = depth[parents[joint]] + 1
            ways[joint] = ways[parents[joint]]
            ways[joint, joint] = 1
        levels = [[j for j in range(count) if depth[j] == d] for d in range(max(depth) + 1)]
        order = [j for level in levels for j in level]
        self.sizes = [len(level) for level in levels]
        self.alone = []  # whether each joint of a level hangs on the one at its own place in the level above: nothing to choose then
        for d, level in enumerate(levels[1:]):
            above = [levels[d].index(parents[j]) for j in level]
            self.alone.append(above == list(range(len(levels[d]))) or len(levels[d]) == 1)
            self.register_buffer(f'above_{d}', torch.tensor(above), persistent=False)
        self.register_buffer('order', torch.tensor(order), persistent=False)
        self.register_buffer('ways', ways[list(order if wanted is None else wanted)][:, order[1:]].contiguous(), persistent=False)

    def forward(self, turns: Tensor, bones: Tensor) -> tuple[Tensor, Tensor]:
        """Local rotations (B, J, 3, 3) and the way from each parent at rest (B, J, 3, 1) -> rotations (B, J, 3, 3), and places (B, W, 3)
        of the wanted joints, the root at the origin."""
        levels = torch.cat([turns, bones], -1).split(self.sizes, 1)  # a turn and a way beside it: one product moves both
        turned, ways = [levels[0][..., :3]], []
        for d, (level, alone) in enumerate(zip(levels[1:], self.alone)):
            parent = turned[-1] if alone else turned[-1].index_select(1, getattr(self, f'above_{d}'))
            made = torch.matmul(parent, level)
            turned.append(made[..., :3])
            ways.append(made[..., 3:])
        return torch.cat(turned, 1), torch.matmul(self.ways, torch.cat(ways, 1).flatten(2))
