"""Smoothing with the frame after: steadier than without, not late, and nothing else of the future counts."""
from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from app.hand_model import HandModel
from app.kinematics import Kinematics
from app.point_motion import FINGERS, PointMotion, on_both_sides
from app.rotations import axis_angle_to_quaternion
from app.smoothing import HandSmoother, SmoothingSettings
from tests.app.moving_hands import AT, CAMERA, EDGEWISE, Moving, Mover, Noise, settled, smoothed
from training.video_figures import lag, tremble

FRAME = 1 / 30
SHAPE = np.zeros(10)
MOVES = {
    'a fist closed and opened': {'fingers': lambda t: 0.7 - 0.7 * np.cos(4 * np.pi * t), 'turn': lambda t: EDGEWISE},
    'waving': {'turn': lambda t: np.array([0, 0, 0.5 * np.sin(3 * np.pi * t)])},
    'turning the palm': {'turn': lambda t: np.array([0, 0.8 * np.sin(2 * np.pi * t), 0])},
    'to and fro': {'place': lambda t: AT + (0.15 * np.sin(2 * np.pi * t), 0, 0)}}


@pytest.fixture(scope='module')
def kinematics() -> Kinematics:
    return Kinematics(HandModel.load())


def both(mover: Mover, seconds: float, **settings):
    """-> joints (T, 21, 3) of the fits, smoothed without and with the frame after, and the true ones."""
    frames = list(mover.frames(seconds, noise=Noise()))
    before, without, truth = smoothed(mover, frames, SmoothingSettings(**settings))
    return before, without, smoothed(mover, frames, SmoothingSettings(**settings), ahead=True)[1], truth


def same(first, second) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second))


def observed(smoother: HandSmoother, frame: Moving, **changed):
    told = {'pose': frame.pose, 'translation': frame.translation, 'points': frame.points, 'time': frame.time, **changed}
    return smoother.observe(told['pose'], SHAPE, told['translation'], told['points'], CAMERA, told['time'])


def test_a_resting_hand_whose_fits_tremble_is_steadier_with_the_frame_after(kinematics):
    mover = Mover(kinematics, turn=lambda t: np.array([0.6, 0.3, 0.8]))
    fits, without, ahead = (tremble(joints[15:] - joints[15:, :1]) for joints in both(mover, 5)[:3])
    assert ahead < 0.8 * without < 0.4 * fits, (f'{1e3 * ahead:.2f} mm with, {1e3 * without:.2f} mm without the frame after, '
                                                f'{1e3 * fits:.2f} mm in the fits')


@pytest.mark.parametrize('name', [*MOVES])
def test_a_moving_hand_trembles_less_and_does_not_trail_in_its_own_picture(kinematics, name):
    fits, without, ahead, truth = both(Mover(kinematics, **MOVES[name]), 3)
    own, other = (tremble((joints - joints[:, :1]) - (truth - truth[:, :1])) for joints in (ahead, without))
    assert own < 0.75 * other, f'{name}: {1e3 * own:.2f} mm of trembling, {1e3 * other:.2f} without the frame after'
    behind, before = lag(ahead, truth), lag(without, truth)
    assert behind < min(before + 0.05, 0.7), f'{name}: {behind:.2f} frames behind its own picture, {before:.2f} without the frame after'


@pytest.mark.parametrize('speed', [4.0, 8.0])
def test_quick_motion_lies_as_near_in_the_picture_as_without_the_frame_after(kinematics, speed):
    mover = Mover(kinematics, fingers=lambda t: 0.8 - 0.8 * np.cos(speed * t / 0.8), turn=lambda t: EDGEWISE,
                  place=lambda t: AT + (0.1 * np.sin(speed * t), 0.05 * np.cos(speed * t), 0))
    *found, truth = both(mover, 2)
    aim = CAMERA.project(truth)
    fit, without, ahead = (np.linalg.norm(CAMERA.project(joints) - aim, axis=-1)[5:].mean() for joints in found)
    assert ahead < 1.05 * without and ahead < 1.1 * fit, f'{ahead:.2f} px with, {without:.2f} px without the frame after, fits {fit:.2f} px'


def test_of_all_that_comes_only_the_frame_after_counts(kinematics):
    mover = Mover(kinematics, **MOVES['waving'])
    frames, other = (list(mover.frames(1, noise=Noise(), seed=seed)) for seed in (0, 1))
    told = settled(HandSmoother(kinematics), frames)
    changed = settled(HandSmoother(kinematics), frames[:12] + other[12:])
    assert all(same(a, b) for a, b in zip(told[:11], changed[:11])), 'a frame depends on what comes after the next one'
    assert not same(told[11], changed[11]), 'the frame after says nothing'


def test_one_that_stops_waiting_goes_on_as_if_it_never_had(kinematics):
    """The filters themselves know nothing of the frame after but what its points say of the motion."""
    still = Mover(kinematics)
    frames = list(still.frames(0.5))
    waited, never = HandSmoother(kinematics), HandSmoother(kinematics)
    settled(waited, frames[:9])
    settled(never, frames[:9], ahead=False)
    for frame in frames[9:]:
        (_, there), (_, here) = waited.settle(observed(waited, frame)), never.settle(observed(never, frame))
        assert np.abs(there - here).max() < 1e-6


@pytest.mark.parametrize('after', ['another hand', 'a gap', 'a step back', 'the same time', 'no numbers', 'behind the camera'])
def test_a_frame_after_that_tells_nothing_leaves_what_is_known_without_it(kinematics, after):
    mover = Mover(kinematics, **MOVES['waving'])
    frames = list(mover.frames(0.5, noise=Noise()))
    ends = []
    for known in (False, True):
        smoother = HandSmoother(kinematics)
        for frame in frames[:-2]:
            smoother.settle(observed(smoother, frame))
        hand, time = observed(smoother, frames[-2]), frames[-2].time
        if after == 'another hand':
            smoother.reset()
        later = observed(smoother, frames[-1], **{
            'a gap': {'time': time + 1.0}, 'a step back': {'time': time - 0.5}, 'the same time': {'time': time},
            'no numbers': {'points': np.full((21, 2), np.nan)},
            'behind the camera': {'translation': np.array([0, 0, -0.2])}}.get(after, {}))
        ends.append(smoother.settle(hand, later if known else None))
        told = smoother.settle(later)
        assert all(np.isfinite(part).all() for part in told)
        if after in ('the same time', 'no numbers'):
            assert same(told, ends[-1]), 'what says nothing gives the last result again'
        elif after != 'behind the camera':
            assert same(told, (axis_angle_to_quaternion(frames[-1].pose), frames[-1].translation)), 'it does not begin anew'
    assert same(*ends)


def test_neighbours_far_away_in_time_hardly_count(kinematics):
    """At ten frames a second a fit has nearly all the say, at sixty its neighbours have most of it."""
    share = {}
    for rate in (10, 60):
        smoother, frames = HandSmoother(kinematics), list(islice(Mover(kinematics).frames(1, rate), 3))
        bent = frames[1].pose.copy()
        bent[1:] += 0.2
        hands = [observed(smoother, frame, **({'pose': bent} if i == 1 else {})) for i, frame in enumerate(frames)]
        away = smoother._leaning(*hands)
        share[rate] = float(-away[:-3] @ (hands[1].fitted - hands[0].fitted) / ((hands[1].fitted - hands[0].fitted) ** 2).sum())
    assert share[10] == pytest.approx(0.06, abs=0.01) and share[60] == pytest.approx(0.69, abs=0.01), share


def test_what_moves_moves_on_both_sides_and_what_jumps_is_known_by_its_coming_back(kinematics):
    motion, points = PointMotion(4.0, 0.005), np.random.default_rng(0).uniform(200, 300, (21, 2))
    motion.step(points, 100.0, 0.0)
    still = motion.step(points, 100.0, FRAME)
    thrown = points.copy()
    thrown[FINGERS[2]] += (0, 30)
    there, back = motion.step(thrown, 100.0, FRAME), motion.step(points, 100.0, FRAME)
    assert on_both_sides(still, there).fingers[2] == 0, 'a hand that stands still until now moves'
    assert on_both_sides(there, back).trembling[2] > there.trembling[2], 'a jump is not known when it has come back'


def test_strength_zero_is_off_and_more_is_steadier_with_the_frame_after_too(kinematics):
    left = []
    for strength in (0.0, 0.3, 0.5, 0.8):
        mover = Mover(kinematics)
        frames = list(mover.frames(3, noise=Noise()))
        before, after, _ = smoothed(mover, frames, SmoothingSettings(strength=strength), ahead=True)
        left.append(tremble(after[20:] - after[20:, :1]) / tremble(before[20:] - before[20:, :1]))
    assert left[0] == pytest.approx(1) and (np.diff(left) < 0).all(), f'trembling left at growing strength: {np.round(left, 2)}'
