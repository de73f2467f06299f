"""The settled shape head: people stay apart, and what differs within a person is taken out."""
from __future__ import annotations

import numpy as np
import torch

import training.video_shape
from models.hand_model import HandModel
from models.s2hand import GeometryHead
from training.video_first import Look, mean_of
from training.video_shape import all_groups, free_of_corrections, settled_shape

SHAPES = 10


class Network:
    """As much of a network as settling needs."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.decoder = GeometryHead(30, 8, HandModel.load(), 224).eval()


def made_looks(random: np.random.Generator, people: int, each: int, noise: float) -> tuple[Look, np.ndarray]:
    """Numbers of which the first ten are the person's shape, the next ten change from crop to crop, and shapes that mix the two."""
    person = np.repeat(np.arange(people), each)
    inside = random.normal(0, 0.3, (len(person), 512)).astype(np.float32) * 0.1
    inside[:, :SHAPES] = random.normal(0, 1, (people, SHAPES))[person]
    inside[:, SHAPES:2 * SHAPES] = random.normal(0, 1, (len(person), SHAPES))
    shapes = 0.5 * inside[:, :SHAPES] + noise * inside[:, SHAPES:2 * SHAPES]
    return Look(np.zeros((len(person), 15, 3), np.float32), shapes, inside), np.array([f'person {k}' for k in person])


def test_shapes_of_one_person_come_together_and_those_of_two_stay_apart(monkeypatch):
    monkeypatch.setattr(training.video_shape, 'STEPS', 300)
    random, network = np.random.default_rng(0), Network()
    looks, persons = zip(*(made_looks(random, people, each, 0.3) for people, each in ((150, 4), (10, 40))))
    exact = [np.arange(len(names)) >= len(names) // 2 for names in persons]
    means = settled_shape(network, list(looks), list(persons), exact, 30.0, 1)
    for look, names, mean in zip(looks, persons, means):
        with torch.no_grad():
            shapes = network.decoder.shape_reg(torch.from_numpy(look.inside)).numpy()
        first, now = (values - mean_of(values, names) for values in (look.shape, shapes))
        within = now.std() / first.std()
        between = mean_of(shapes, names).std() / mean_of(look.shape, names).std()
        assert np.allclose(mean, mean_of(shapes, names), atol=1e-5)
        assert within < 0.5 and between > 0.6, f'{within:.2f} of the differences within people are left, {between:.2f} of others'


def test_what_was_learned_from_the_truth_counts_three_times(monkeypatch):
    monkeypatch.setattr(training.video_shape, 'STEPS', 120)
    monkeypatch.setattr(training.video_shape, 'STILLS', 12)
    network, count = Network(), 20
    shapes = np.repeat(np.float32([[0.0], [1.0]]), count // 2, 0).repeat(SHAPES, 1)  # photographs say 0, rendered pictures 1, of the same
    look = Look(np.zeros((count, 15, 3), np.float32), shapes, np.full((count, 512), 0.1, np.float32))
    names = np.array([f'person {k}' for k in range(count)])
    said = settled_shape(network, [look], [names], [np.arange(count) >= count // 2], 30.0, 1)[0]
    assert np.abs(said - 0.75).max() < 0.02, f'{said.min():.3f} to {said.max():.3f} between 0 and 1; 0.75 is where the second counts thrice'


def test_groups_are_persons_who_are_there_more_than_once_and_no_group_is_of_both_kinds():
    groups = all_groups([np.array(['a', 'b', 'a', 'c']), np.array(['x', 'x', 'y', 'y'])],
                        [np.array([False, False, False, True]), np.array([True, True, False, False])])
    assert [(part, [rows.tolist() for rows in found]) for part, found in groups] == [(0, [[0, 2]]), (0, []), (1, [[2, 3]]), (1, [[0, 1]])]


def test_corrections_that_are_free_of_the_shape_leave_it_and_all_else_of_the_first_answer_alone():
    head = Network().decoder
    torch.nn.init.normal_(head.correction[-1].weight, std=0.01)
    features, points = torch.randn(5, 30), torch.rand(5, 21, 3) * 224
    with torch.no_grad():
        before = head.steps(features, points, None)
        free_of_corrections(head)
        after = head.steps(features, points, None)
    assert all(torch.equal(answer.shape, before[0].shape) for answer in after)
    assert torch.equal(before[0].rotation, after[0].rotation) and not torch.equal(before[-1].shape, before[0].shape)
    assert not torch.equal(after[-1].rotation, after[0].rotation), 'corrections still turn the hand'
