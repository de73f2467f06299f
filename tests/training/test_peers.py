"""What the network is measured against."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from app.hand_model import HandModel
from app.types import Intrinsics
from training.evaluation_sets import Sample
from training.metrics import bone_lengths, pa_mpjpe
from training.peers import LandmarkPeer, fit_skeleton, points_in_picture, world_in_picture
from training.poses import PoseSampler

FOCAL = 600.0


@pytest.fixture(scope='module')
def hands() -> np.ndarray:
    """(16, 21, 3) joints in metres of one person's hand in many poses, before a camera."""
    torch.set_num_threads(1)
    model, random = HandModel.load(), np.random.default_rng(0)
    poses, shape = PoseSampler(model), np.zeros(10)
    drawn = [model.pose_of(poses.sample(random, shape)[0], random.normal(0, 0.5, 3) + (np.pi, 0, 0)) for _ in range(16)]
    return np.stack([model.joints(pose, shape) for pose in drawn]).astype(float) + (0, 0, 0.6)


def fitted_error(hands: np.ndarray, depth: np.ndarray | None) -> tuple[float, np.ndarray]:
    """PA-MPJPE in mm of the skeleton fitted to the exact projections, and the joints."""
    flat = hands[..., :2] / hands[..., 2:] * FOCAL
    joints = fit_skeleton(flat, depth, np.full(len(hands), FOCAL), np.zeros(len(hands), int))
    return 1000 * float(np.mean([pa_mpjpe(a, b) for a, b in zip(joints, hands)])), joints


def test_true_depths_give_the_true_skeleton_and_overstated_ones_are_scaled_back(hands):
    depth = (hands[..., 2] - hands[:, :1, 2]) * FOCAL / hands[:, :1, 2]
    error, joints = fitted_error(hands, depth)
    assert error < 2.5, f'{error:.2f} mm; the Huber fit to exact data is good to about 1 mm'
    lengths = bone_lengths(joints)
    assert np.ptp(lengths, 0).max() < 1e-5, 'a session has one set of bone lengths'
    overstated, _ = fitted_error(hands, 1.4 * depth)
    assert overstated < 3.5, f'{overstated:.2f} mm with depths overstated by 40 %'


def test_without_depths_the_skeleton_is_much_worse(hands):
    depth = (hands[..., 2] - hands[:, :1, 2]) * FOCAL / hands[:, :1, 2]
    with_depths, without = fitted_error(hands, depth)[0], fitted_error(hands, None)[0]
    assert without > 2 * with_depths, f'{without:.1f} mm without, {with_depths:.1f} mm with depths'


def test_sessions_have_bone_lengths_of_their_own(hands):
    long = hands.copy()
    long[8:, 4] = long[8:, 3] + 3 * (long[8:, 4] - long[8:, 3])  # the second person's thumb tip is three times as long
    flat = long[..., :2] / long[..., 2:] * FOCAL
    depth = (long[..., 2] - long[:, :1, 2]) * FOCAL / long[:, :1, 2]
    lengths = bone_lengths(fit_skeleton(flat, depth, np.full(16, FOCAL), np.repeat([0, 1], 8)))
    share = lengths[:, 3] / lengths.sum(1)
    assert share[8] / share[0] == pytest.approx(3 * lengths[0].sum() / lengths[0].sum(), rel=0.25), share[[0, 8]]


def sample_of(side: str) -> Sample:
    points = np.array([(100, 180), *[(60 + 20 * f, 140 - 20 * k) for f in range(5) for k in range(4)]], float)
    return Sample('a', 'b', 'c', side, points, lambda: np.zeros((200, 220, 3), np.uint8), 220, 200, Intrinsics(FOCAL, FOCAL, 109.5, 99.5))


@pytest.mark.parametrize('side', ['right', 'left'])
def test_points_and_world_of_a_crop_come_back_to_the_picture(side):
    sample = sample_of(side)
    crop = sample.right_crop(224)
    corner = np.array([(10.0, 20.0)])
    there = sample.to_right(corner) @ crop.matrix[:, :2].T + crop.matrix[:, 2]
    assert np.allclose(points_in_picture(there, crop, sample), corner)
    up = np.array([(0.0, -1.0, 0.0)])  # in the crop
    back = world_in_picture(up, crop, sample)[0]
    pixels = points_in_picture(np.array([(112, 112.0), (112, 102.0)]), crop, sample)
    step = (pixels[1] - pixels[0]) / np.linalg.norm(pixels[1] - pixels[0])
    assert np.allclose(back[:2] / np.linalg.norm(back[:2]), step, atol=0.05), 'up in the crop is the same way in the picture'


def test_the_landmark_network_sees_the_same_in_a_batch_and_alone():
    crops = np.random.default_rng(1).integers(0, 255, (3, 224, 224, 3), np.uint8)
    peer = LandmarkPeer()
    points, worlds = peer(crops)
    alone, world = peer(crops[1:2])
    assert points.shape == worlds.shape == (3, 21, 3)
    assert np.abs(alone - points[1:2]).max() < 0.05 and np.abs(world - worlds[1:2]).max() < 1e-3
