"""Published distances."""
import numpy as np
import pytest

from training.metrics import (
    align_officially, align_scale_and_place, area_under_curve, bone_length_percent, distances, f_score, mask_iou, pa_mpjpe, procrustes)


def test_a_moved_turned_and_scaled_hand_is_the_same_hand():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(21, 3))
    q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    assert pa_mpjpe(0.3 * truth @ q + 5, truth) < 1e-9


def test_a_mirrored_hand_is_another_hand():
    truth = np.random.default_rng(1).normal(size=(21, 3))
    assert pa_mpjpe(truth * (-1, 1, 1), truth) > 0.1


def test_alignment_never_makes_the_distance_larger_than_the_spread():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(21, 3)), rng.normal(size=(21, 3))
    assert ((procrustes(a, b) - b) ** 2).sum() <= ((b - b.mean(0)) ** 2).sum()


def turn(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def test_the_official_alignment_equals_ours_for_a_good_answer_and_may_mirror_a_bad_one():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(21, 3))
    near = 2 * (truth + rng.normal(size=(21, 3)) * 0.05) @ turn(50) + 1
    assert np.allclose(align_officially(near, truth), procrustes(near, truth), atol=1e-9)
    mirrored = truth * (-1, 1, 1)
    assert distances(align_officially(mirrored, truth), truth).max() < 1e-9, 'the official script sets a mirrored hand right'
    assert distances(procrustes(mirrored, truth), truth).mean() > 0.1


def test_the_official_alignment_of_four_points_by_hand():
    truth = np.array([(0, 0, 0), (2, 0, 0), (0, 2, 0), (2, 2, 0)], float)
    square = np.array([(0, 0, 0), (0, 1, 0), (-1, 0, 0), (-1, 1, 0)], float)  # the same square, half as large and turned by 90 degrees
    square[:, 2] = (1, -1, -1, 1)  # and bent
    # centred: a = (+-1/2, +-1/2, +-1), |a|^2 = 4 * 1.5 = 6; a.b over the plane = 4 * (1/2 + 1/2) = 4; scale = 4 / 6
    aligned = align_officially(square, truth)
    assert np.allclose(aligned[:, :2], 1 + (truth[:, :2] - 1) / 3, atol=1e-9), aligned
    assert np.allclose(np.abs(aligned[:, 2]), 2 / 3, atol=1e-9), aligned


def test_scale_and_place_bring_wrist_and_middle_knuckle_together():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(21, 3))
    assert distances(align_scale_and_place(truth * 0.5 + 7, truth), truth).max() < 1e-9
    other = truth.copy()
    other[5] += (3, 4, 0)
    assert distances(align_scale_and_place(other, truth), truth).sum() == pytest.approx(5)


def test_the_curve_of_constant_errors_is_a_step():
    steps = np.linspace(0, 0.05, 100)
    assert area_under_curve(np.zeros((3, 21))) == pytest.approx(1)
    assert area_under_curve(np.full((3, 21), 0.06)) == 0
    first = int(np.ceil(0.02 / steps[1]))  # the first threshold not below 20 mm; the trapezoid before it counts half
    assert area_under_curve(np.full((3, 21), 0.02)) == pytest.approx((99 - first + 0.5) / 99)
    half = np.concatenate([np.zeros((1, 21)), np.full((1, 21), 1.0)])
    assert area_under_curve(half) == pytest.approx(0.5)


def test_the_f_score_of_a_surface_half_of_which_is_far_off():
    truth = np.stack([np.arange(10) * 0.1, np.zeros(10), np.zeros(10)], 1)
    assert f_score(truth[::-1], truth, 0.005) == 1, 'the order of the points must not matter'
    half = truth.copy()
    half[5:] += (0, 9, 0)
    assert f_score(half, truth, 0.005) == pytest.approx(0.5)  # precision 5 / 10, recall 5 / 10
    assert f_score(truth[:5], truth, 0.005) == pytest.approx(2 * 1 * 0.5 / 1.5)  # precision 1, recall 1 / 2
    assert f_score(truth + (0, 9, 0), truth, 0.005) == 0
    assert f_score(truth + (0, 0.006, 0), truth, 0.005) == 0 and f_score(truth + (0, 0.006, 0), truth, 0.015) == 1


def test_bones_ten_per_cent_too_long_are_right_once_scaled():
    truth = np.random.default_rng(5).normal(size=(21, 3))
    assert bone_length_percent(1.1 * truth, truth) == pytest.approx(10)
    assert bone_length_percent(1.1 * truth, truth, scaled=True) == pytest.approx(0, abs=1e-9)
    tip = truth.copy()
    tip[4] += 0.5 * (truth[4] - truth[3])  # one of twenty bones half longer
    assert bone_length_percent(tip, truth) == pytest.approx(50 / 20)


def test_two_squares_that_share_a_third():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    a[:, :2], b[:, 1:3] = True, True
    assert mask_iou(a, b) == pytest.approx(1 / 3)
    assert mask_iou(a, a) == 1 and mask_iou(a & False, a & False) == 1
