"""Smoothing: steady at rest, quick in motion, true time steps, no harm from odd timestamps or the two signs of a quaternion."""
from __future__ import annotations

import numpy as np
import pytest

from app.rotations import axis_angle_to_quaternion, difference, multiply
from app.smoothing import HandSmoother, OneEuro, RotationFilter, SmoothingSettings, VectorFilter

FRAME = 1 / 30
STILL = np.array([0.05, 0.02, 0.5])


def some_pose(seed: int = 0) -> np.ndarray:
    return axis_angle_to_quaternion(np.random.default_rng(seed).normal(size=(16, 3)))


def turned(angle: float) -> np.ndarray:
    return axis_angle_to_quaternion(np.tile([0.0, 0.0, angle], (16, 1)))


def angles_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.linalg.norm(difference(first, second), axis=-1)


def test_what_is_constant_stays_constant():
    smoother, pose = HandSmoother(), some_pose()
    for i in range(50):
        smooth, place = smoother.smooth(pose, STILL, i * FRAME)
        assert angles_between(smooth, pose).max() < 1e-7 and np.abs(place - STILL).max() < 1e-12


def test_the_first_frame_passes_unchanged():
    pose, place = HandSmoother().smooth(some_pose(), STILL, 12.3)
    assert np.abs(pose - some_pose()).max() < 1e-12 and np.abs(place - STILL).max() < 1e-12


def test_noise_at_rest_shrinks():
    smoother, generator, pose = HandSmoother(), np.random.default_rng(0), some_pose()
    noise = {'wrist': 0.01, 'fingers': 0.02, 'ray': 0.001, 'distance': 0.01}  # rad, rad, tangent, share of the distance
    seen = {name: [] for name in noise}
    for i in range(600):
        shaken = 0.02 * generator.normal(size=(16, 3))
        shaken[0] /= 2
        distance = 0.5 * np.exp(noise['distance'] * generator.normal())
        ray = STILL[:2] / 0.5 + noise['ray'] * generator.normal(size=2)
        smooth, place = smoother.smooth(multiply(pose, axis_angle_to_quaternion(shaken)), np.append(ray * distance, distance), i * FRAME)
        if i > 30:
            change = difference(pose, smooth)
            seen['wrist'].append(change[0])
            seen['fingers'].append(change[1:])
            seen['ray'].append(place[:2] / place[2] - STILL[:2] / 0.5)
            seen['distance'].append(np.log(place[2] / 0.5))
    for name, most in (('wrist', 0.5), ('fingers', 0.5), ('ray', 0.5), ('distance', 0.35)):
        left = np.std(seen[name]) / noise[name]
        assert left < most, f'{left:.2f} of the noise is left in the {name}, at most {most} should be'


def test_distance_is_steadied_without_blurring_where_the_hand_is_drawn():
    smoother, generator = HandSmoother(), np.random.default_rng(1)
    errors = []
    for i in range(100):
        distance = 0.5 * np.exp(0.05 * generator.normal())  # a tenth of a metre to and fro on one ray
        _, place = smoother.smooth(some_pose(), np.array([0.3, -0.2, 1.0]) * distance, i * FRAME)
        errors.append(np.abs(place[:2] / place[2] - (0.3, -0.2)).max())
    assert max(errors) < 1e-12


@pytest.mark.parametrize('rate', [24, 30, 60, 120])
def test_a_step_is_reached(rate):
    smoother = HandSmoother()
    smoother.smooth(turned(0.0), STILL, 0.0)
    for i in range(1, 2 * rate):
        pose, place = smoother.smooth(turned(1.0), STILL * 1.2, i / rate)
    rest = angles_between(pose, turned(1.0)).max()
    assert rest < 0.01 and np.abs(place - STILL * 1.2).max() < 0.006, f'{rest:.4f} rad from the goal after two seconds'


@pytest.mark.parametrize('speed', [3.0, 5.0, 10.0])
def test_in_fast_motion_the_hand_lags_less_than_a_frame(speed):
    """Speeds in radians and hand lengths per second; a fist closes at about 8 rad/s, a wave is 5 hand lengths per second."""
    smoother = HandSmoother()
    for i in range(45):
        time = i * FRAME
        pose, place = smoother.smooth(turned(speed * time), np.array([0.18 * speed * time - 1, 0, 0.5]), time)
    lag = angles_between(pose, turned(speed * time)) / speed / FRAME
    place_lag = (0.18 * speed * time - 1 - place[0]) / (0.18 * speed) / FRAME
    assert lag.max() <= 1.0 and place_lag <= 1.0, f'{lag.max():.2f} frames in rotation, {place_lag:.2f} in place'


def test_the_sign_of_a_quaternion_does_no_harm():
    plain, flipped, generator = HandSmoother(), HandSmoother(), np.random.default_rng(2)
    before = None
    for i in range(60):
        pose = multiply(some_pose(), axis_angle_to_quaternion(0.2 * np.sin(i / 5 + np.arange(48).reshape(16, 3))))
        signs = generator.choice([-1, 1], (16, 1))
        expected, _ = plain.smooth(pose, STILL, i * FRAME)
        smooth, _ = flipped.smooth(signs * pose, STILL, i * FRAME)
        assert angles_between(smooth, expected).max() < 1e-7
        if before is not None:
            assert ((smooth * before).sum(1) > 0.9).all(), 'the smoothed sign does not jump'
        before = smooth


def test_true_time_steps_count_not_frames():
    """The same motion sampled evenly and unevenly ends in the same place, nearly."""
    def end(times: np.ndarray) -> np.ndarray:
        smoother = VectorFilter(OneEuro(rest=1.5, gain=0.0))
        for time in times:
            value = smoother(np.array([np.sin(3 * time)]), time)
        return value

    even = np.arange(0, 2, 0.01)
    uneven = np.sort(np.append(np.random.default_rng(3).uniform(0, 1.98, 250), [0, 1.99]))
    apart = abs(end(even) - end(uneven)).item()
    assert apart < 0.02, f'{apart:.4f} apart; the signal swings between -1 and 1'


def test_a_repeated_timestamp_changes_nothing():
    smoother = HandSmoother()
    smoother.smooth(turned(0.0), STILL, 0.0)
    first = smoother.smooth(turned(0.1), STILL * 1.1, FRAME)
    again = smoother.smooth(turned(2.0), STILL * 5, FRAME)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_timestamps_a_microsecond_apart_do_not_look_like_speed():
    smoother = VectorFilter(OneEuro(rest=1.0, gain=1.0))
    smoother(np.zeros(3), 0.0)
    smoother(np.full(3, 0.01), FRAME)
    assert np.abs(smoother(np.full(3, 0.02), FRAME + 1e-6)).max() < 0.011


def test_after_a_gap_or_a_step_back_the_past_is_forgotten():
    for time in (10.0, -1.0):
        smoother = HandSmoother()
        smoother.smooth(turned(0.0), STILL, 0.0)
        smoother.smooth(turned(0.1), STILL, FRAME)
        pose, place = smoother.smooth(turned(2.0), STILL * 2, time)
        assert angles_between(pose, turned(2.0)).max() < 1e-7 and np.abs(place - 2 * STILL).max() < 1e-12


def test_a_new_start_forgets():
    smoother = HandSmoother()
    smoother.smooth(turned(0.0), STILL, 0.0)
    smoother.reset()
    assert angles_between(smoother.smooth(turned(1.5), STILL, FRAME)[0], turned(1.5)).max() < 1e-7


def test_values_that_are_not_finite_are_passed_over():
    smoother = VectorFilter(OneEuro(rest=1.0, gain=1.0))
    with pytest.raises(ValueError, match='finite'):
        smoother(np.array([np.nan]), 0.0)
    kept = smoother(np.array([1.0]), 0.0)
    assert smoother(np.array([np.nan]), FRAME) == kept and smoother(np.array([1.0]), np.nan) == kept
    assert smoother(np.array([1.0]), 2 * FRAME) == 1.0


def test_strength_goes_from_off_to_steadiest():
    def left(strength: float) -> float:
        smoother, generator = HandSmoother(SmoothingSettings(strength=strength)), np.random.default_rng(4)
        seen = [smoother.smooth(axis_angle_to_quaternion(0.01 * generator.normal(size=(16, 3))), STILL, i * FRAME)[0] for i in range(200)]
        return float(np.std(np.array(seen)[50:, :, 1:]) / 0.005)

    noises = [left(s) for s in (0.0, 0.1, 0.5, 1.0)]
    assert noises[0] > 0.98 and (np.diff(noises) < 0).all(), f'noise left at growing strength: {np.round(noises, 2)}'
    with pytest.raises(ValueError, match='between 0 and 1'):
        SmoothingSettings(strength=1.5)


def test_near_and_far_hands_are_smoothed_alike_in_pixels_of_their_own():
    ends = []
    for length in (50.0, 400.0):
        smoother = HandSmoother()
        for i in range(30):
            points = smoother.smooth_points(np.array([[0.0, 0.0], [2.0 * i * FRAME, 1.0]]) * length, i * FRAME, length)
        ends.append(points / length)
    assert np.abs(ends[0] - ends[1]).max() < 1e-12


def test_a_filter_takes_any_batch_of_rotations():
    smoother = RotationFilter(OneEuro(rest=1.0, gain=1.0))
    for i in range(3):
        assert smoother(axis_angle_to_quaternion(np.full((2, 5, 3), 0.1 * i)), i * FRAME).shape == (2, 5, 4)
    assert smoother(np.array([1.0, 0, 0, 0]), 4 * FRAME).shape == (4,), 'another shape begins anew'


@pytest.mark.parametrize('pose,place', [(np.zeros((16, 3)), STILL), (np.ones((16, 4)), np.zeros(2))])
def test_wrong_shapes_are_refused(pose, place):
    with pytest.raises(ValueError):
        HandSmoother().smooth(pose, place, 0.0)
