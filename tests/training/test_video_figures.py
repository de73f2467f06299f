"""The figures of motion against values worked out by hand, and the properties that keep them from being fooled."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.types import JOINT_PARENTS
from training.video_figures import (
    WINDOW, acceleration_error, bone_spread, high_pass, high_pass_rms, lag, stretches, texture_spread, tremble)


def motion(frames: int, seed: int = 0, joints: int = 21, size: int = 2, noise: float = 0.0) -> np.ndarray:
    """Smooth motion (frames, joints, size) of a few slow waves, a hand's size 100, and noise of that deviation."""
    random = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None]
    waves = sum(random.normal(0, 15, (1, joints, size)) * np.sin(2 * np.pi * rate * time + random.uniform(0, 6, (1, joints, size)))
                for rate in (0.01, 0.023, 0.05))
    return waves + random.normal(0, noise, (frames, joints, size)) if noise else waves


@settings(max_examples=40)
@given(st.floats(-50, 50), st.floats(-1e4, 1e4), st.integers(0, 1000))
def test_a_constant_velocity_and_a_place_change_nothing_of_the_high_pass(velocity, place, seed):
    series = np.random.default_rng(seed).normal(0, 1, (30, 4, 2))
    moved = series + place + velocity * np.arange(30)[:, None, None]
    assert high_pass_rms(moved) == pytest.approx(high_pass_rms(series), rel=1e-6, abs=1e-9)


def test_the_high_pass_of_a_single_spike_is_what_it_is_by_hand():
    series = np.zeros((21, 1, 1))
    series[10] = 11.0  # the moving mean is 1 wherever the window reaches the spike: 11 - 1 = 10 there, -1 at the 10 frames around it
    rest = high_pass(series)[:, 0, 0]
    assert np.isnan(rest[:5]).all() and np.isnan(rest[-5:]).all(), 'the edges must be left out'
    assert rest[10] == pytest.approx(10) and rest[5:10] == pytest.approx(-1) and rest[11:16] == pytest.approx(-1)
    assert high_pass_rms(series) == pytest.approx(np.sqrt((100 + 10) / 11))


def test_white_noise_of_one_pixel_a_coordinate_has_the_rms_that_theory_says():
    series = np.random.default_rng(0).normal(0, 1, (4000, 21, 2))
    wanted = np.sqrt(2 * (1 - 1 / WINDOW))
    assert high_pass_rms(series) == pytest.approx(wanted, rel=0.01), f'{high_pass_rms(series)} instead of {wanted}'


@given(st.floats(-3, 3), st.floats(-50, 50))
@settings(max_examples=40)
def test_even_acceleration_changes_nothing_of_the_tremble(acceleration, velocity):
    series, time = np.random.default_rng(0).normal(0, 1, (30, 4, 2)), np.arange(30)[:, None, None]
    assert tremble(series + velocity * time + 0.5 * acceleration * time ** 2) == pytest.approx(tremble(series), rel=1e-6)


def test_the_tremble_of_white_noise_is_its_size_and_that_of_a_wave_is_small():
    series = np.random.default_rng(0).normal(0, 1, (4000, 21, 2))
    assert tremble(series) == pytest.approx(np.sqrt(2), rel=0.01), f'{tremble(series)} instead of the root of 2'
    wave = 10 * np.sin(2 * np.pi * np.arange(300) / 30)[:, None, None]  # once in 30 frames: a hand waving once a second
    by_hand = 10 / np.sqrt(2) * (2 * np.sin(np.pi / 30)) ** 3 / np.sqrt(20)
    assert tremble(wave) == pytest.approx(by_hand, rel=0.01)
    assert tremble(wave) < 0.02 * high_pass_rms(wave), 'the motion that the high pass is full of'
    gap = series[:40].copy()
    gap[20] = np.nan
    assert tremble(gap) < 2 and np.isnan(tremble(series[:3])) and tremble(series[:4]) > 0


def test_nothing_is_measured_across_a_missing_frame():
    series = np.random.default_rng(0).normal(0, 1, (40, 3, 2))
    jumped = series.copy()
    jumped[20:] += 1000  # another place after the gap
    series[19], jumped[19] = np.nan, np.nan
    assert high_pass_rms(jumped) == pytest.approx(high_pass_rms(series)), 'a jump over a gap was counted as jitter'
    assert np.isnan(high_pass(series)[14:25]).all(), 'a window with a missing frame was used'
    assert [(s.start, s.stop) for s in stretches(np.isfinite(series[:, 0, 0]))] == [(0, 19), (20, 40)]


@pytest.mark.parametrize('frames', [0, 1, 2, 5, 10])
def test_clips_shorter_than_the_window_have_no_figures_and_make_no_noise(frames):
    series = np.ones((frames, 21, 3))
    with np.errstate(all='raise'):
        assert np.isnan(high_pass_rms(series)) and np.isnan(lag(series, series))
        assert np.isnan(acceleration_error(series, series, 30)) == (frames < 3)
        assert np.isnan(bone_spread(series)) == (frames < 2)
        assert np.isnan(texture_spread(np.ones((frames, 7, 3)), np.ones((frames, 7), bool))) == (frames < 2)


def test_a_window_that_is_not_odd_is_refused():
    with pytest.raises(ValueError, match='odd'):
        high_pass_rms(np.zeros((30, 1)), 10)


def test_the_acceleration_of_a_known_fall_is_what_it_is_by_hand():
    fps, still = 25.0, np.zeros((20, 21, 3))
    falling = still.copy()
    falling[..., 1] = 0.5 * 9.81 * (np.arange(20)[:, None] / fps) ** 2
    assert acceleration_error(falling, still, fps) == pytest.approx(9.81)
    assert acceleration_error(falling, falling + (1, 2, 3), fps) == pytest.approx(0, abs=1e-9), 'another place is no acceleration'
    assert acceleration_error(falling, still, fps, rooted=True) == pytest.approx(0, abs=1e-9), 'relative to the wrist nothing falls'
    curled = still.copy()
    curled[:, 8] = falling[:, 8]  # one of 21 joints
    assert acceleration_error(curled, still, fps, rooted=True) == pytest.approx(9.81 / 21)


def chain(lengths: np.ndarray) -> np.ndarray:
    """Joints (T, 21, 3) whose bones have lengths (T, 20), in changing directions."""
    random, joints = np.random.default_rng(1), np.zeros((len(lengths), 21, 3))
    for joint in range(1, 21):
        direction = random.normal(size=(len(lengths), 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        joints[:, joint] = joints[:, JOINT_PARENTS[joint]] + lengths[:, joint - 1:joint] * direction
    return joints


def test_bones_that_change_by_a_known_share_have_that_spread():
    lengths = np.tile(np.linspace(0.02, 0.09, 20), (10, 1))
    assert bone_spread(chain(lengths)) == pytest.approx(0, abs=1e-12), 'turning bones keep their lengths'
    lengths[::2] *= 1.1
    lengths[1::2] *= 0.9
    assert bone_spread(chain(lengths)) == pytest.approx(0.1)
    assert bone_spread(3 * chain(lengths)) == pytest.approx(0.1), 'the size of the hand must not matter'
    one = np.tile(np.linspace(0.02, 0.09, 20), (10, 1))
    one[::2, 4] *= 1.2
    assert bone_spread(chain(one)) == pytest.approx(0.1 / 1.1 / 20), 'one bone of twenty, half of the time 1.2 times as long'


def test_only_vertices_that_are_seen_count_for_the_texture():
    colours = np.full((6, 3, 3), 100, np.uint8)
    colours[::2, 0] = 110  # deviation 5 in all channels
    colours[:, 1] = np.arange(6)[:, None] * 40  # wild, but never seen
    seen = np.ones((6, 3), bool)
    seen[:, 1] = False
    assert texture_spread(colours, seen) == pytest.approx(np.sqrt((5 ** 2 + 0) / 2))
    seen[1::2, 0] = False  # seen only while it has one colour
    assert texture_spread(colours, seen) == pytest.approx(0)
    seen[:] = False
    seen[0] = True
    assert np.isnan(texture_spread(colours, seen)), 'what one frame sees has no spread'


def test_the_texture_of_many_vertices_is_that_of_all_at_once():
    random = np.random.default_rng(0)
    colours, seen = random.integers(0, 256, (12, 600, 3)).astype(np.uint8), random.random((12, 600)) < 0.9
    values = np.where(seen[..., None], colours, np.nan)
    assert texture_spread(colours, seen) == pytest.approx(np.sqrt(np.nanvar(values, axis=0).mean()))


@pytest.mark.parametrize('late', [-3, -1, 0, 1, 2, 5])
def test_a_copy_that_comes_late_by_whole_frames_has_exactly_that_lag(late):
    whole = motion(120)
    found = lag(whole[10 - late:110 - late], whole[10:110])
    assert found == pytest.approx(late, abs=1e-3), f'{found} frames instead of {late}'


@settings(max_examples=25)
@given(st.floats(-3, 3), st.integers(0, 200))
def test_parts_of_a_frame_are_told(late, seed):
    random = np.random.default_rng(seed)
    rates, phases, sizes = random.uniform(0.005, 0.06, 5), random.uniform(0, 6, (5, 21, 2)), random.normal(0, 10, (5, 21, 2))

    def at(time: np.ndarray) -> np.ndarray:
        return sum(size * np.sin(2 * np.pi * rate * time[:, None, None] + phase) for rate, phase, size in zip(rates, phases, sizes))

    frames = np.arange(80.0)
    found = lag(at(frames - late), at(frames))
    assert found == pytest.approx(late, abs=0.01), f'{found} frames instead of {late}'


def test_a_causal_mean_over_five_frames_is_two_frames_late_though_the_reference_jitters():
    seen = motion(200, noise=1.0)
    filtered = np.stack([seen[t - 4:t + 1].mean(0) for t in range(4, 200)])
    found = lag(filtered, seen[4:])
    assert found == pytest.approx(2, abs=0.1), f'{found} frames: the jitter of the reference must not hide the lag of its filter'


def test_noise_on_either_side_moves_the_lag_by_little():
    whole = motion(220)
    random = np.random.default_rng(3)
    noisy = whole + random.normal(0, 2, whole.shape), whole + random.normal(0, 2, whole.shape)
    found = lag(noisy[0][9:209], noisy[1][10:210])
    assert found == pytest.approx(1, abs=0.05), f'{found} frames instead of 1'


def test_what_stands_still_has_no_lag():
    assert np.isnan(lag(np.ones((60, 21, 2)), np.ones((60, 21, 2))))
    random = np.random.default_rng(0)
    found = lag(random.normal(0, 1, (90, 21, 2)), random.normal(0, 1, (90, 21, 2)))
    assert np.isnan(found), f'two still hands that jitter have a lag of {found}'


def test_another_size_and_place_are_no_lag():
    whole = motion(120)
    found = lag(0.7 * whole[9:109] + 55, whole[10:110])
    assert found == pytest.approx(1, abs=1e-3), f'{found} frames instead of 1'


def test_a_gap_splits_the_clip_but_leaves_the_lag():
    whole = motion(160)
    late, reference = whole[9:159].copy(), whole[10:160].copy()
    late[70:75] = np.nan
    assert lag(late, reference) == pytest.approx(1, abs=1e-3)
