"""Each loss term against values worked out by hand."""
import math

import numpy as np
import pytest
import torch
import trimesh

from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix
from training import losses
from training.metrics import pa_mpjpe

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


def test_points_that_are_not_there_have_no_weight():
    assert losses.confidence(torch.tensor([torch.inf, torch.nan])).tolist() == [0, 0]


def test_a_picture_counts_by_its_mean_confidence_if_all_joints_are_seen():
    weight = torch.full((3, 21), 0.5)
    weight[0, :7] = 0.8
    weight[1, 4] = 0.05
    weight[2] = 0
    seen = losses.picture_confidence(weight)
    close(seen[0], (7 * 0.8 + 14 * 0.5) / 21)
    close(seen[1], 0)
    close(seen[2], 0)


def test_location_of_joints_all_ten_pixels_off_is_their_part_of_the_box():
    moved = POINTS + torch.tensor([6.0, 8.0])
    close(losses.keypoint_location(moved, POINTS, SURE, BOX, delta=0.02)[0], 0.1 - 0.01)


def test_a_point_without_weight_does_not_count_in_the_location():
    moved, weight = POINTS.clone(), SURE.clone()
    moved[0, 3] += 50
    weight[0, 3] = 0
    close(losses.keypoint_location(moved, POINTS, weight, BOX)[0], 0)


def test_a_point_counts_by_its_weight_in_the_location_and_not_by_the_weights_square():
    moved, weight = POINTS.clone(), SURE.clone()
    moved[0, 3, 0] += 10  # a tenth of the box
    weight[0, 3] = 0.5
    close(losses.keypoint_location(moved, POINTS, weight, BOX, delta=0.02)[0], 0.5 * (0.1 - 0.01) / 20.5)


def test_location_has_a_finite_gradient_where_joints_lie_on_their_points():
    joints = POINTS.clone().requires_grad_()
    losses.keypoint_location(joints, POINTS, SURE, BOX).sum().backward()
    assert torch.isfinite(joints.grad).all()


def test_bones_turned_by_a_right_angle_cost_two():
    turned = torch.stack([POINTS[..., 1], -POINTS[..., 0]], -1)
    close(losses.bone_orientation(turned, POINTS, SURE, BOX)[0], 2.0, 1e-3)


def test_bones_of_another_length_cost_nothing():
    close(losses.bone_orientation(POINTS * 3, POINTS, SURE, BOX)[0], 0.0, 1e-6)


def test_a_bone_counts_by_both_of_its_ends_and_less_where_it_is_seen_short():
    turned, weight, points = POINTS.clone(), SURE.clone(), POINTS.clone()
    turned[0, 20, :] = turned[0, 19] + torch.tensor([5.0, 0.0])  # the last bone is turned by a right angle: it costs 2, the others nothing
    close(losses.bone_orientation(turned, points, weight, BOX)[0], 2 / 20, 1e-4)
    for end in (19, 20):
        weight = SURE.clone()
        weight[0, end] = 0.5
        counted = 20 - 0.5 * (2 if end == 19 else 1)  # the point before is the end of the bone before, too
        close(losses.bone_orientation(turned, points, weight, BOX)[0], 2 * 0.5 / counted, 1e-4)
    points[0, 20] = points[0, 19] + torch.tensor([0.0, 1.0])  # a fifth of the 5 % of the box from which on a bone counts in full
    close(losses.bone_orientation(turned, points, SURE, BOX)[0], 2 * 0.2 / 19.2, 1e-4)


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


def hands(seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, 21, 3, generator=generator)


def test_aligned_3d_sees_no_move_turn_or_size():
    truth = hands()
    turn = axis_angle_to_matrix(torch.tensor([0.3, -1.2, 2.0]))
    close(losses.aligned_3d(truth @ turn.T * 1.7 + 0.4, truth, delta=0.01).max(), 0)


def test_aligned_3d_sees_a_mirrored_hand():
    truth = hands()
    off = losses.aligned_3d(truth * torch.tensor([-1.0, 1.0, 1.0]), truth).min()
    assert off > 0.3, f'a mirrored hand costs {off:.3f} only'


def test_aligned_3d_is_the_pa_mpjpe_where_distances_are_far_beyond_delta():
    truth, points = hands(), hands(4)
    for off, a, b in zip(losses.aligned_3d(points, truth, delta=1e-6), points, truth):
        close(off, pa_mpjpe(a.numpy().astype(float), b.numpy().astype(float)), 1e-4)


def test_aligned_3d_is_nan_for_the_example_with_points_that_are_no_numbers_only():
    points = hands(4)
    points[1, 2] = torch.nan
    assert losses.aligned_3d(points, hands()).isnan().tolist() == [False, True, False, False]


def test_aligned_3d_falls_along_its_gradient():
    truth, points = hands(), hands(4).requires_grad_()
    before = losses.aligned_3d(points, truth)
    before.sum().backward()
    after = losses.aligned_3d(points.detach() - 0.1 * points.grad, truth)
    assert (after < before).all(), f'{before.tolist()} became {after.tolist()}'



def test_the_branch_pays_its_weighted_mean_distance():
    seen, weight = POINTS.clone(), SURE.clone()
    seen[0, 2] += torch.tensor([3.0, 4.0])  # 5 px: 5 % of the box
    seen[0, 7] += torch.tensor([0.0, 30.0])
    weight[0, 7] = 0.5
    close(losses.keypoint_branch(seen, POINTS, weight, BOX)[0], (0.05 + 0.5 * 0.3) / 20.5)


def test_the_branch_learns_nothing_from_a_picture_without_points():
    seen = (POINTS + 3).requires_grad_()
    cost = losses.keypoint_branch(seen, POINTS, torch.zeros(1, 21), BOX)
    cost.sum().backward()
    assert float(cost.detach()) == 0 and not seen.grad.any()


def test_consistency_pulls_both_together_and_one_if_the_other_is_held():
    joints, seen = (POINTS + torch.tensor([6.0, 8.0])).requires_grad_(), POINTS.clone().requires_grad_()
    cost = losses.consistency(joints, seen, BOX, delta=0.02)
    close(cost[0].detach(), 0.1 - 0.01)
    cost.sum().backward()
    assert torch.allclose(joints.grad, -seen.grad) and joints.grad.abs().min() > 0
    joints.grad = seen.grad = None
    losses.consistency(joints, seen.detach(), BOX).sum().backward()
    assert seen.grad is None and joints.grad.any()


def test_outliers_of_a_texture_pay_their_distance_from_the_mean():
    texture = torch.full((2, 100, 3), 0.5)
    texture[0, ::2, 0], texture[0, 1::2, 0] = 0.4, 0.6
    texture[0, 0, 0] = 0.9
    mean = (0.9 + 49 * 0.4 + 50 * 0.6) / 100
    deviation = math.sqrt(((0.9 - mean) ** 2 + 49 * (0.4 - mean) ** 2 + 50 * (0.6 - mean) ** 2) / 100)
    assert 0.9 - mean > 2 * deviation > 0.6 - mean, 'the example has one outlier'
    cost = losses.texture_outliers(texture)
    close(cost[0], (0.9 - mean) / 300)
    close(cost[1], 0)


def test_a_textures_outliers_are_its_own_and_only_they_move():
    one, other = torch.rand(1, 200, 3) * 0.1 + 0.2, torch.rand(1, 200, 3) * 0.1 + 0.7
    one[0, 5] = 0.9
    one.requires_grad_()
    both = losses.texture_outliers(torch.cat([one, other]))
    assert torch.allclose(both[0], losses.texture_outliers(one)[0]), 'another picture of the batch changes what an outlier is'
    both.sum().backward()
    assert one.grad[0, 5].min() > 0 and one.grad.count_nonzero() == 3, 'colours that are no outliers have gradients'


def pyramid(height: float) -> tuple[torch.Tensor, torch.Tensor]:
    """An apex over the middle of a square of side 2."""
    points = torch.tensor([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0], [0, 0, height]])[None]
    return points, torch.tensor([[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]])


def test_smoothness_is_the_mean_distance_to_the_middle_of_the_neighbours():
    points, faces = pyramid(3.0)
    # the apex has its four neighbours' middle 3 below; a corner's neighbours are two corners and the apex
    corner = math.sqrt((1 - 0) ** 2 + (1 - 0) ** 2 + 1 ** 2)
    cost = losses.mesh_smoothness(points, faces)
    close(cost[0], (3 + 4 * corner) / 5)
    close(losses.mesh_smoothness(points, faces, rest=points[0])[0], 0, 1e-6)


def test_smoothness_about_the_rest_shape_is_free_for_a_turned_hand_and_not_for_a_dent():
    hand = HandModel.load()
    pose = torch.zeros(2, 16, 3)
    pose[1, 0] = torch.tensor([0.4, 2.0, -1.0])
    turned = hand(pose, torch.zeros(2, 10)).vertices
    cost = losses.mesh_smoothness(turned, hand.faces, turned[0])
    close(cost[1], 0, 1e-6)
    dent = turned.clone()
    dent[0, 700] += 0.01
    assert losses.mesh_smoothness(dent, hand.faces, turned[0])[0] > 1e-5
    both = losses.mesh_smoothness(turned, hand.faces)
    assert torch.allclose(both[0], both[1]) and both[0] > 5e-4, f'{both}: the hand itself is not smooth, so the plain term would shrink it'


def test_smoothness_takes_a_spike_out_of_a_ball():
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.05)
    faces, points = torch.tensor(np.array(ball.faces)), torch.tensor(np.array(ball.vertices), dtype=torch.float32)[None]
    spike = points.clone()
    spike[0, 100] *= 1.5
    spike.requires_grad_()
    losses.mesh_smoothness(spike, faces, points[0]).sum().backward()
    inwards = -(spike.grad[0, 100] * points[0, 100]).sum()
    assert inwards < 0, 'the gradient would pull the spike out further'


@pytest.mark.parametrize('weight', [0.0, 1.0])
def test_every_keypoint_term_is_one_finite_number_for_each_example_whatever_is_missing(weight):
    joints = (torch.rand(5, 21, 2) * 100).requires_grad_()
    points, box, sure = torch.rand(5, 21, 2) * 100, torch.full((5,), 100.0), torch.full((5, 21), weight)
    for term in (losses.keypoint_location, losses.bone_orientation, losses.keypoint_branch):
        cost = term(joints, points, sure, box)
        cost.sum().backward()
        assert cost.shape == (5,) and torch.isfinite(cost).all() and torch.isfinite(joints.grad).all(), term.__name__
