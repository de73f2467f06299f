"""The One-Euro filter for vectors: true time steps, no harm from odd timestamps."""
from __future__ import annotations

import numpy as np
import pytest

from training.one_euro import OneEuro, VectorFilter

FRAME = 1 / 30


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


def test_noise_at_rest_shrinks_and_quick_motion_hardly_lags():
    draw, smoother, seen = np.random.default_rng(0), VectorFilter(OneEuro(rest=1.0, gain=4.0)), []
    for i in range(200):
        seen.append(smoother(0.01 * draw.normal(size=(1, 2)), i * FRAME))
    left = np.std(seen[20:]) / 0.01
    assert left < 0.45, f'{left:.2f} of the noise is left'
    smoother.reset()
    for i in range(60):
        value = smoother(np.array([5.0 * i * FRAME]), i * FRAME)
    lag = (5.0 * 59 * FRAME - value.item()) / 5.0 / FRAME
    assert lag < 0.5, f'{lag:.2f} frames behind'


def test_timestamps_a_microsecond_apart_do_not_look_like_speed():
    smoother = VectorFilter(OneEuro(rest=1.0, gain=1.0))
    smoother(np.zeros(3), 0.0)
    smoother(np.full(3, 0.01), FRAME)
    assert np.abs(smoother(np.full(3, 0.02), FRAME + 1e-6)).max() < 0.011


def test_a_repeated_timestamp_changes_nothing_and_a_gap_or_another_shape_begins_anew():
    smoother = VectorFilter([OneEuro(rest=1.0, gain=0.0), OneEuro(rest=2.0, gain=0.0)])
    smoother(np.zeros((2, 3)), 0.0)
    first = smoother(np.ones((2, 3)), FRAME)
    assert (first[1] > first[0]).all(), 'each vector has its own cut-off'
    assert (smoother(np.full((2, 3), 5.0), FRAME) == first).all()
    for time in (10.0, -1.0):
        assert (smoother(np.full((2, 3), time), time) == time).all()
    assert (smoother(np.full((2, 2), 7.0), -0.9) == 7).all()


def test_values_that_are_not_finite_are_passed_over():
    smoother = VectorFilter(OneEuro(rest=1.0, gain=1.0))
    with pytest.raises(ValueError, match='finite'):
        smoother(np.array([np.nan]), 0.0)
    kept = smoother(np.array([1.0]), 0.0)
    assert smoother(np.array([np.nan]), FRAME) == kept and smoother(np.array([1.0]), np.nan) == kept
    assert smoother(np.array([1.0]), 2 * FRAME) == 1.0


def test_strength_0_is_off():
    smoother = VectorFilter(OneEuro(rest=1.0, gain=1.0), strength=0.0)
    assert [smoother(np.array([float(i % 2)]), i * FRAME).item() for i in range(4)] == [0, 1, 0, 1]


def test_near_and_far_things_are_smoothed_alike_in_units_of_their_own():
    ends = []
    for length in (50.0, 400.0):
        smoother = VectorFilter(OneEuro(rest=2.0, gain=4.0))
        for i in range(30):
            points = smoother(np.array([[0.0, 0.0], [2.0 * i * FRAME, 1.0]]) * length, i * FRAME, length)
        ends.append(points / length)
    assert np.abs(ends[0] - ends[1]).max() < 1e-12
