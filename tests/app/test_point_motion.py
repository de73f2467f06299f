"""Speeds of points: a move, turn or growth of the whole hand is none of a finger."""
from __future__ import annotations

import numpy as np
import pytest

from app.point_motion import FINGERS, PointMotion

FRAME, LENGTH, CUTOFF = 1 / 30, 200.0, 6.0
HAND = np.random.default_rng(0).uniform(0, LENGTH, (21, 2))


def speeds(path, frames: int = 30, jitter: float = 0.0):
    motion = PointMotion(CUTOFF, jitter)
    for i in range(frames):
        last = motion.step(path(i * FRAME), LENGTH, FRAME)
    return last


def turned(points: np.ndarray, angle: float, scale: float = 1.0) -> np.ndarray:
    matrix = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (points - points.mean(0)) @ matrix + points.mean(0)


def test_the_hand_as_a_whole_moves_turns_and_grows():
    last = speeds(lambda t: turned(HAND, 2.0 * t, np.exp(0.3 * t)) + (3.0 * LENGTH * t, 0))
    assert last.hand == pytest.approx(3.0, rel=1e-6) and last.turn == pytest.approx(2.0, rel=1e-2)
    assert last.growth == pytest.approx(0.3, rel=1e-2) and last.fingers.max() < 1e-6 and last.bent < 1e-6


def test_a_finger_that_moves_alone_is_told_from_the_others():
    def path(time: float) -> np.ndarray:
        points = HAND.copy()
        points[FINGERS[1]] += (0, 1.5 * LENGTH * time)
        return points

    last = speeds(path, 4)
    assert last.fingers.argmax() == 1 and last.fingers[1] > 2 * np.delete(last.fingers, 1).max(), np.round(last.fingers, 2)


def test_a_start_is_seen_in_its_first_frame():
    motion = PointMotion(CUTOFF, 0.0)
    for _ in range(10):
        motion.step(HAND, LENGTH, FRAME)
    assert motion.step(HAND + (LENGTH / 10, 0), LENGTH, FRAME).hand == pytest.approx(3.0)


def test_trembling_points_are_no_motion_of_a_finger():
    draw = np.random.default_rng(1)
    last = [speeds(lambda t: HAND + 0.002 * LENGTH * draw.normal(size=(21, 2)), 20, jitter=0.0043).fingers.max() for _ in range(10)]
    assert np.median(last) < 0.1, f'{np.median(last):.3f} hand lengths per second'


@pytest.mark.parametrize('far', [0.01, 0.03, 0.1])
def test_how_far_a_fingers_points_are_thrown_about_is_told(far):
    """Independent from frame to frame, `far` hand lengths about their place; mean over the second half of 4 seconds."""
    draw, motion, told = np.random.default_rng(2), PointMotion(CUTOFF, 0.0), []
    for _ in range(120):
        points = HAND.copy()
        points[FINGERS[2]] += far * LENGTH * np.sqrt(0.5) * draw.normal(size=(4, 2))
        told.append(motion.step(points, LENGTH, FRAME).trembling)
    middle = np.mean(told[60:], 0)
    found = np.sqrt(middle[2])
    assert 0.7 * far < found < 1.3 * far, f'{found:.4f} hand lengths, it is {far}'
    assert np.delete(middle, 2).max() < 0.2 * middle[2], np.round(np.sqrt(middle), 4)


def test_a_finger_that_moves_on_does_not_tremble():
    """A finger that bends and stretches once a second."""
    motion, told = PointMotion(CUTOFF, 0.005), []
    for i in range(60):
        points = HAND.copy()
        points[FINGERS[1]] += (0, 0.15 * LENGTH * np.sin(2 * np.pi * i * FRAME))
        told.append(motion.step(points, LENGTH, FRAME).trembling.max())
    assert max(told) < 0.007 ** 2, f'{np.sqrt(max(told)):.4f} hand lengths are taken for trembling'


def test_points_on_one_spot_and_timestamps_that_nearly_agree_do_no_harm():
    motion = PointMotion(CUTOFF, 0.004)
    for points, step in ((np.ones((21, 2)), 0.0), (np.ones((21, 2)), FRAME), (HAND, 1e-9), (HAND, 0.3)):
        last = motion.step(points, LENGTH, step)
        assert np.isfinite([last.hand, last.turn, last.growth, last.bent, *last.fingers]).all()
