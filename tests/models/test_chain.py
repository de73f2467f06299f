"""Forward kinematics by levels: the same places and turns as joint after joint, for any tree."""
from __future__ import annotations

import torch

from models.chain import Chain
from models.rotations import axis_angle_to_matrix


def one_by_one(parents, turns, bones):
    """Joint after joint, in the joints' own order."""
    turned, places = [turns[:, 0]], [torch.zeros_like(bones[:, 0])]
    for joint in range(1, len(parents)):
        above = parents[joint]
        places.append(places[above] + torch.matmul(turned[above], bones[:, joint]))
        turned.append(torch.matmul(turned[above], turns[:, joint]))
    return torch.stack(turned, 1), torch.stack(places, 1)[..., 0]


def test_every_tree_is_walked_as_joint_after_joint():
    trees = (([-1, 0, 1, 2, 0, 4, 5, 0, 7], None), ([-1, 0, 0, 1, 1, 2, 4, 6, 3], [8, 0, 3]), ([-1, 0, 1, 2], [3]),
             ([-1, 0, 0, 2, 1], None))
    for parents, wanted in trees:
        torch.manual_seed(len(parents))
        turns, bones = axis_angle_to_matrix(torch.randn(3, len(parents), 3)), torch.randn(3, len(parents), 3, 1)
        chain = Chain(parents, wanted)
        turned, places = chain(turns[:, chain.order], bones[:, chain.order])
        expected_turned, expected_places = one_by_one(parents, turns, bones)
        asked = chain.order if wanted is None else torch.tensor(wanted)
        apart = max(float((turned - expected_turned[:, chain.order]).abs().max()), float((places - expected_places[:, asked]).abs().max()))
        assert apart < 1e-5, f'{apart:.1e} apart for the tree {parents}'
