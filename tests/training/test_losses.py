"""Each loss term against values worked out by hand."""
import math

import pytest
import torch

from training import losses

POINTS = torch.zeros(1, 21, 2)
POINTS[0, :, 1] = torch.arange(21) * 5.0  # a column of points, the box's side is 100
BOX = torch.tensor([100.0])
SURE = torch.ones(1, 21)


def close(value, expected, tolerance=1e-5):
    value = float(value)
    assert value == pytest.approx(expected, abs=tolerance), f'{value} instead of {expected}'


def test_huber_is_quadratic_then_linear():
    close(losses.huber(torch.tensor(0.01), 0.02), 0.01 ** 2 / 0.04)
    close(losses.huber(torch.tensor(0.05), 0.02), 0.04)


def test_confidence_is_one_half_at_the_usual_uncertainty():
    close(losses.confidence(torch.tensor(0.02)), 0.5)
    close(losses.confidence(torch.tensor(0.0)), 1.0)


def test_location_of_joints_all_ten_pixels_off_is_their_part_of_the_box():
    moved = POINTS + torch.tensor([6.0, 8.0])
    close(losses.keypoint_location(moved, POINTS, SURE, BOX, delta=0.02)[0], 0.1 - 0.01)


def test_a_point_without_weight_does_not_count_in_the_location():
    moved, weight = POINTS.clone(), SURE.clone()
    moved[0, 3] += 50
    weight[0, 3] = 0
    close(losses.keypoint_location(moved, POINTS, weight, BOX)[0], 0)


def test_location_has_a_finite_gradient_where_joints_lie_on_their_points():
    joints = POINTS.clone().requires_grad_()
    losses.keypoint_location(joints, POINTS, SURE, BOX).sum().backward()
    assert torch.isfinite(joints.grad).all()


def test_bones_turned_by_a_right_angle_cost_two():
    turned = torch.stack([POINTS[..., 1], -POINTS[..., 0]], -1)
    close(losses.bone_orientation(turned, POINTS, SURE, BOX)[0], 2.0, 1e-3)


def test_bones_of_another_length_cost_nothing():
    close(losses.bone_orientation(POINTS * 3, POINTS, SURE, BOX)[0], 0.0, 1e-6)


def test_limits_are_free_inside_and_quadratic_outside():
    axes, limits = torch.eye(2, 45), torch.tensor([[-0.1, 0.5], [-0.2, 0.2]])
    fingers = torch.zeros(2, 45)
    fingers[1, 0], fingers[1, 1] = 0.8, -0.6
    cost = losses.joint_limits(fingers, axes, limits)
    close(cost[0], 0)
    close(cost[1], 0.3 ** 2 + 0.4 ** 2)


def test_scale_is_free_at_one_and_the_same_for_half_and_double():
    cost = losses.scale_near_one(torch.tensor([[1.0], [2.0], [0.5]]))
    close(cost[0], 0)
    close(cost[1], math.log(2) ** 2)
    close(cost[2], math.log(2) ** 2)


def test_shape_and_pose_priors_are_mean_squares_of_deviations():
    close(losses.shape_prior(torch.tensor([[1.0, 3.0]]))[0], 5.0)
    close(losses.pose_prior(torch.tensor([[1.0, 2.0]]), torch.tensor([0.0, 1.0]), torch.tensor([0.5, 1.0]))[0], (4 + 1) / 2)


def test_relative_depth_is_free_of_distance_and_linear_far_off():
    joints = torch.zeros(1, 21, 3)
    joints[..., 2] = 0.5
    joints[0, 1, 2] = 0.55  # 5 cm behind the wrist: 56 px at 560 px focal length and half a metre
    depth = torch.zeros(1, 21)
    depth[0, 1] = 0.05 * 560 / 0.5
    close(losses.relative_depth(joints, depth, SURE, BOX, 560.0)[0], 0)
    close(losses.relative_depth(joints, torch.zeros(1, 21), SURE, BOX, 560.0)[0], (0.56 - 0.05) / 21, 1e-4)


def test_rotation_distance_is_the_squared_angle_of_small_rotations():
    angle = 0.05
    c, s = math.cos(angle), math.sin(angle)
    turned = torch.tensor([[[[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]]])
    close(losses.rotation_distance(turned, torch.eye(3)[None, None])[0, 0], angle ** 2, 1e-5)


def test_points_3d_three_four_zero_centimetres_off():
    close(losses.points_3d(torch.tensor([[[0.03, 0.04, 0.0]]]), torch.zeros(1, 1, 3), delta=0.01)[0], 0.05 - 0.005)
