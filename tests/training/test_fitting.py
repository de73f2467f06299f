"""The batched fit finds hands again that the model made, and the examples made of it agree with the crop they belong to."""
import numpy as np
import pytest
import torch

from app.crop import to_crop
from app.types import Intrinsics
from models.camera import project
from models.rotations import axis_angle_to_matrix
from training.augment import Jitter, jittered_crop
from training.examples import Subject, in_crop
from training.fitting import depth_in_pixels, fit
from models.skeleton import Skeleton

FOCAL = 560.0


@pytest.fixture(scope='module')
def made(hand):
    """Twenty natural hands, seen by a pinhole camera: joints in metres about the wrist, the wrist, points in pixels."""
    torch.manual_seed(4)
    n = 20
    coefficients = hand.coefficient_mean + 0.7 * hand.coefficient_sigma * torch.randn(n, len(hand.coefficient_mean))
    root = axis_angle_to_matrix(torch.tensor([0.0, 0.0, torch.pi]) + 0.4 * torch.randn(n, 3))
    shape = 0.5 * torch.randn(1, hand.shape_rows.shape[0]).repeat(n, 1)
    relative = Skeleton(hand).from_pose(root, hand.pose_from_coefficients(coefficients), shape)
    wrist = torch.tensor([0.02, 0.08, 0.7]).repeat(n, 1)
    joints = relative + wrist[:, None]
    points = joints[..., :2] / joints[..., 2:] * FOCAL
    return relative.numpy(), joints.numpy(), points.numpy(), root.numpy()


def test_the_skeleton_is_the_hand_models(hand):
    torch.manual_seed(0)
    pose, shape = 0.5 * torch.randn(5, 16, 3), torch.randn(5, hand.shape_rows.shape[0])
    joints = Skeleton(hand).from_pose(axis_angle_to_matrix(pose[:, 0]), pose[:, 1:], shape)
    worst = float((joints - hand(pose, shape).joints).norm(dim=-1).max())
    assert worst < 1e-5, f'joints differ by {1000 * worst:.4f} mm'


def test_a_fit_finds_the_hand_again(hand, made):
    relative, joints, points, _ = made
    depth = (joints[..., 2] - joints[:, :1, 2]) * FOCAL / joints[:, :1, 2]
    fits = fit(hand, points, np.full(points.shape[:2], 1.0), depth, np.zeros(len(points), int), np.full(len(points), FOCAL), steps=150)
    assert fits.error.mean() < 0.02, f'{100 * fits.error.mean():.2f} % of the box; the priors cost a little, 2 % is allowed'
    with torch.no_grad():
        found = Skeleton(hand).from_pose(torch.as_tensor(fits.rotation), hand.pose_from_coefficients(torch.as_tensor(fits.coefficients)),
                                         torch.as_tensor(fits.shape)).numpy()
    size = np.linalg.norm(found[:, 9], axis=-1) / np.linalg.norm(relative[:, 9], axis=-1)
    apart = 1000 * np.linalg.norm(found / size[:, None, None] - relative, axis=-1).mean()
    assert apart < 6, f'joints are {apart:.1f} mm off (size apart, which one view does not tell); 6 mm is allowed'


def test_a_fit_does_not_lean_on_the_wrists_depth(hand, made):
    """The detector is less sure of the wrist than of the rest; what all depths have in common says nothing."""
    _, joints, points, _ = made
    depth = (joints[..., 2] - joints[:, :1, 2]) * FOCAL / joints[:, :1, 2]
    shifted = depth + 0.3 * np.ptp(points, axis=1).max(-1)[:, None]
    args = np.full(points.shape[:2], 1.0), np.zeros(len(points), int), np.full(len(points), FOCAL)
    a, b = (fit(hand, points, args[0], d, *args[1:], steps=40) for d in (depth, shifted))
    worst = np.abs(a.coefficients - b.coefficients).max()
    assert worst < 0.02, f'a common depth changes the pose by {worst:.3f} rad; rounding is allowed 0.02'


def test_depth_in_pixels_takes_the_size_from_the_picture(made):
    _, joints, points, _ = made
    depth = depth_in_pixels(points, joints * 1.3)  # the detector's idea of the size does not matter
    expected = (joints[..., 2] - joints[:, :1, 2]) * FOCAL / joints[:, :1, 2]
    box = np.ptp(points, axis=1).max(-1)
    worst = (np.abs(depth - expected).mean(1) / box).max()
    assert worst < 0.1, f'{100 * worst:.1f} % of the box; perspective alone makes some, 10 % is allowed'


def test_a_subject_seen_through_a_jittered_crop_projects_onto_its_points(made):
    relative, joints, points, root = made
    rng = np.random.default_rng(0)
    camera = Intrinsics(FOCAL, FOCAL, 127.5, 127.5)
    worst = 0.0
    for i in range(len(points)):
        pixels = points[i] + 127.5
        subject = Subject(pixels, np.ones(21), np.zeros(21), camera, root[i], np.zeros((15, 3)), np.zeros(10), relative[i], 1.0)
        crop = jittered_crop(pixels, 'right', 224, Jitter(), rng)
        row = in_crop(subject, crop)
        wrist_depth = 0.7 * 560 / (FOCAL * crop.scale)  # the network's camera has another focal length: distance makes up for it
        wrist = np.append((to_crop(pixels[0], crop) - 111.5) / 560, 1) * wrist_depth
        seen = project(torch.as_tensor(row['joints'] + wrist), 224).numpy()
        worst = max(worst, np.linalg.norm(seen - row['points'], axis=-1).mean() / np.ptp(row['points'], axis=0).max())
    assert worst < 0.03, f'{100 * worst:.2f} % of the box; the difference of perspective is allowed 3 %'
