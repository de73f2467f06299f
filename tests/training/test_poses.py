"""Random hands are hands that people have: within the limits, not through themselves, and of every kind."""
from __future__ import annotations

import numpy as np
import pytest

from app.hand_model import HandModel
from training.poses import ARCHETYPES, PoseSampler, sample_shape, sample_view
from training.settling import ALLOWED_OVERLAP, closest

COUNT = 150


@pytest.fixture(scope='module')
def sampler() -> PoseSampler:
    return PoseSampler(HandModel.load())


@pytest.fixture(scope='module')
def samples(sampler) -> list[tuple[np.ndarray, str, np.ndarray]]:
    random = np.random.default_rng(4)
    shapes = [sample_shape(random) for _ in range(COUNT)]
    return [(*sampler.sample(random, shape), shape) for shape in shapes]


def test_every_pose_lies_within_the_limits_of_the_model(sampler, samples):
    worst = max(np.abs(sampler.model.beyond_limits(sampler.model.pose_of(pose))).max() for pose, _, _ in samples)
    assert worst < np.radians(0.1), f'a joint turns {np.degrees(worst):.2f} degrees beyond its limit (rounding allows 0.1)'


def test_fingers_do_not_pass_through_each_other(sampler, samples):
    def depth(pose: np.ndarray, kind: str, shape: np.ndarray) -> float:
        touch = ARCHETYPES[kind].touch if kind in ARCHETYPES else ()
        return sampler.settler.overlap(pose, sampler.settler.rest(shape), touch)

    free = np.mean([depth(*sample) <= ALLOWED_OVERLAP + 0.001 for sample in samples])
    assert free >= 0.97, f'{100 * free:.0f} % of the poses have no overlap beyond {1e3 * ALLOWED_OVERLAP:.0f} mm (wanted: 97 %)'


@pytest.mark.parametrize('name', [name for name, gesture in ARCHETYPES.items() if gesture.touch])
def test_tips_that_should_touch_do(sampler, name):
    points = sampler.model.joints(sampler.model.pose_of(sampler.archetype(name)), np.zeros(10))
    gaps = [1e3 * np.linalg.norm(points[4] - points[p]) for p in ARCHETYPES[name].touch]
    assert max(gaps) < 26, f'{name}: the thumb tip stays {max(gaps):.0f} mm away; skin that touches has its bones within 26 mm'


def test_straight_fingers_are_straight_and_curled_ones_curled(sampler):
    points = sampler.model.joints(sampler.model.pose_of(sampler.archetype('point')), np.zeros(10))
    lengths = np.linalg.norm(np.diff(points[1:].reshape(5, 4, 3), axis=1), axis=2).sum(1)
    index, *others = (np.linalg.norm(points[4::4] - points[1::4], axis=1) / lengths)[1:]
    assert index > 0.97 and max(others) < 0.6, f'a pointing hand stretches its index to {index:.2f}, others to {others} of their lengths'


def test_the_last_joints_of_a_finger_bend_together(sampler, samples):
    pip, dip = (np.array([pose[sampler.names[f'middle_{j}_flexion']] for pose, _, _ in samples]) for j in ('pip', 'dip'))
    correlation = np.corrcoef(pip, dip)[0, 1]
    assert correlation > 0.8, f'PIP and DIP correlate by {correlation:.2f}; one tendon bends both, so 0.8 or more is wanted'


def test_many_gestures_occur(samples):
    kinds = {kind for _, kind, _ in samples}
    assert len(kinds) > 15, f'only {len(kinds)} gestures among {COUNT} poses: {sorted(kinds)}'


def test_the_same_seed_gives_the_same_hand_and_another_seed_another(sampler):
    first, again, other = (sampler.sample(np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.allclose(first, other)


def test_views_are_rotations_and_named_rightly():
    random = np.random.default_rng(0)
    for _ in range(200):
        rotation, kind = sample_view(random)
        assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9) and np.linalg.det(rotation) > 0
        towards = -rotation[2] @ np.array([0, 0, -1.0])  # how much the palm (-z of the model) looks at the camera
        if kind == 'palm':
            assert towards > -0.45, f'a palm view shows the back: {towards:.2f}'
        if kind == 'back':
            assert towards < 0.45, f'a back view shows the palm: {towards:.2f}'


def test_fingers_mostly_point_up():
    random = np.random.default_rng(0)
    up = np.mean([sample_view(random)[0][1, 1] < 0 for _ in range(400)])
    assert 0.75 < up < 0.97, f'{100 * up:.0f} % of the views have the fingers up; real pictures have about 80 %'


def test_the_nearest_points_of_two_segments_are_found():
    random = np.random.default_rng(3)
    a, b, c, d = random.normal(size=(4, 50, 3))
    _, _, apart = closest(a, b, c, d)
    t = np.linspace(0, 1, 101)
    first, second = a[:, None] + t[:, None] * (b - a)[:, None], c[:, None] + t[:, None] * (d - c)[:, None]
    brute = np.linalg.norm(first[:, :, None] - second[:, None], axis=-1).min((1, 2))
    worst = np.abs(np.linalg.norm(apart, axis=1) - brute).max()
    assert worst < 0.02, f'{worst:.3f} from the distance between 101 points on each segment, which is exact to 0.02'
