"""The settled shape head: what differs within a person is taken out by as much as a small sum by hand says."""
from __future__ import annotations

import numpy as np
import torch

from models.hand_model import HandModel
from models.s2hand import GeometryHead
from training.video_shape import LEAST_SPREAD, RIDGE, put_in, steady_rows


def test_the_rows_of_four_crops_are_what_they_are_by_hand():
    inside = np.array([[-1.5], [-0.5], [0.5], [1.5]])
    shapes = np.array([[-1.2], [-0.8], [0.9], [1.1]])  # means of the two people: -1 and 1
    spread = np.sqrt(1.25) + LEAST_SPREAD
    for steady in (0.0, 3.0):
        weights, bias = steady_rows(inside, shapes, np.array(['a', 'a', 'b', 'b']), steady)
        # sum of squares 5, of those within a person 1, of products with the means 4
        wanted = 4 / (5 + steady + RIDGE * 4 * spread ** 2)
        assert abs(weights[0, 0] - wanted) < 1e-9 and abs(bias[0]) < 1e-9, f'{weights[0, 0]:.6f} and {bias[0]:.6f}, not {wanted:.6f} and 0'


def test_a_number_that_differs_within_people_is_left_out_and_one_that_tells_them_apart_stays():
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(40), 8)
    kind, noise = random.normal(0, 1, 40)[person], random.normal(0, 1, len(person))
    shapes = (kind + 0.5 * noise)[:, None]
    weights, _ = steady_rows(np.stack([kind, noise], 1), shapes, person, 10.0)
    assert weights[0, 0] > 0.9 and abs(weights[0, 1]) < 0.05, f'{weights[0]}: the first number alone is the same in all crops of a person'


def test_a_settled_head_answers_by_its_rows_alone_and_leaves_the_rest_as_it_is():
    torch.manual_seed(0)
    hand = HandModel.load()
    head = GeometryHead(30, 8, hand, 224).eval()
    torch.nn.init.normal_(head.correction[-1].weight, std=0.01)
    features, points = torch.randn(5, 30), torch.rand(5, 21, 3) * 224
    weights, bias = np.random.default_rng(1).normal(0, 0.1, (head.sizes[1], 128)), np.arange(head.sizes[1]) / 10
    with torch.no_grad():
        before = head.steps(features, points, None)
        inside = head.shape_reg[:-1](head.base_layers(features)).numpy()
        put_in(head, weights, bias)
        after = head.steps(features, points, None)
    for answer in after:
        apart = np.abs(answer.shape.numpy() - inside @ weights.T - bias).max()
        assert apart < 1e-5, f'{apart:.1e}: corrections no longer touch the shape'
    assert torch.equal(before[0].rotation, after[0].rotation) and torch.equal(before[0].coefficients, after[0].coefficients)
    assert not torch.allclose(before[-1].shape, after[-1].shape, atol=1e-3)
