"""Published distances."""
import numpy as np
import pytest

from training.metrics import box_percent, pa_mpjpe, procrustes


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


def test_points_three_four_five_pixels_off_in_a_box_of_a_hundred():
    truth = np.zeros((21, 2))
    truth[1] = 100, 20
    assert box_percent(truth + (3, 4), truth) == pytest.approx(5)
