"""The terms of clips, against values worked out by hand."""
from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from app.crop import crop_from_points
from app.crop_camera import wrist_in_frame
from app.types import Intrinsics
from models.camera import FOCAL
from models.rotations import axis_angle_to_matrix
from training import video_losses as video
from training.video_terms import only_turned


def turns(angles: list[float]) -> torch.Tensor:
    """Quaternions (1, T, 1, 4) of turns about z by these angles."""
    half = torch.tensor(angles, dtype=torch.float32)[None, :, None] / 2
    return torch.stack([torch.cos(half), 0 * half, 0 * half, torch.sin(half)], -1)


def every(*times: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Times and weights (1, T)."""
    return torch.tensor([times]), torch.ones(1, len(times))


def test_an_even_turn_costs_nothing_also_at_uneven_times():
    time, weight = every(0.0, 0.1, 0.4, 0.5)
    cost = float(video.motion_rotation(turns([0.0, 0.2, 0.8, 1.0]), time, weight))
    assert cost < 1e-9, f'{cost:.2e} for a turn of 2 rad/s, seen at uneven times; rounding allows 1e-9'


def test_a_jerk_costs_its_angle_from_the_slerp_over_the_scale():
    time, weight = every(0.0, 0.05, 0.1)
    scale = math.hypot(video.TURN_NOISE, video.TURN_RATE * 0.05 * 0.05 / 2)
    wanted = (0.1 / scale) ** 2 / (1 + (0.1 / scale) ** 2)  # 0.3 where the slerp has 0.2
    assert float(video.motion_rotation(turns([0.0, 0.3, 0.4]), time, weight)) == pytest.approx(wanted, rel=1e-4)


def test_a_quaternion_and_its_negative_are_the_same_turn():
    time, weight = every(0.0, 0.1, 0.2)
    some = turns([0.1, 0.5, 0.6])
    flipped = some * torch.tensor([1.0, -1.0, 1.0])[None, :, None, None]
    assert torch.allclose(video.motion_rotation(some, time, weight), video.motion_rotation(flipped, time, weight), atol=1e-6)
    past_pi = turns([3.0, 3.2, 3.4])
    assert float(video.motion_rotation(past_pi, time, weight)) < 1e-6


def test_what_is_really_quick_counts_at_most_one():
    time, weight = every(0.0, 1 / 30, 2 / 30)
    cost = float(video.motion_rotation(turns([0.0, 1.5, 0.0]), time, weight))
    assert 0.9 < cost <= 1, f'{cost:.2f} for a jerk of 86 degrees; the term is bounded by 1'


@pytest.mark.parametrize('times', [(0.0, 0.1, 0.1), (0.2, 0.1, 0.3), (0.0, math.nan, 0.2)])
def test_frames_without_time_between_them_have_no_motion(times):
    time, weight = every(*times)
    some = turns([0.0, 0.9, 0.1]).requires_grad_()
    points = torch.rand(1, 3, 21, 3, requires_grad=True)
    cost = video.motion_rotation(some, time, weight) + video.motion_translation(points, time, weight)
    cost.sum().backward()
    assert float(cost.detach()) == 0 and torch.isfinite(some.grad).all() and not points.grad.any()


def test_a_clip_of_one_or_two_frames_costs_nothing():
    for count in (1, 2):
        time, weight = torch.arange(count)[None] / 30, torch.ones(1, count)
        points = torch.rand(1, count, 21, 3)
        assert not video.motion_rotation(torch.rand(1, count, 15, 4), time, weight).any()
        assert not video.motion_translation(points, time, weight).any() and not video.true_motion(points, points + 1, time, weight).any()
    assert not video.same_shape(torch.rand(1, 1, 10), torch.ones(1, 1)).any()
    assert not video.same_bones(torch.rand(1, 1, 21, 3), torch.ones(1, 1)).any()


def test_a_frame_without_a_hand_takes_its_neighbours_motion_away():
    time, weight = every(0.0, 0.1, 0.2, 0.3)
    points = torch.zeros(1, 4, 1, 3)
    points[0, 3] = 0.5  # a jump into the frame that shows no hand
    weight[0, 3] = 0
    assert float(video.motion_translation(points, time, weight)) < 1e-8
    assert not video.motion_translation(points, time, 0 * weight).any(), 'no frame with a hand: 0, not NaN'


def test_a_jump_costs_its_distance_from_the_line_over_the_scale():
    time, weight = every(0.0, 0.02, 0.06)
    points = torch.zeros(1, 3, 1, 3)
    points[0, 1, 0, 0], points[0, 2, 0, 0] = 0.02, 0.03  # the line has 0.01 there
    scale = math.hypot(video.MOVE_NOISE, video.MOVE_RATE * 0.02 * 0.04 / 2)
    wanted = (0.01 / scale) ** 2 / (1 + (0.01 / scale) ** 2)
    assert float(video.motion_translation(points, time, weight)) == pytest.approx(wanted, rel=1e-4)


def test_with_truth_only_what_the_true_hand_did_not_do_counts():
    time, weight = every(0.0, 0.1, 0.2)
    truth = torch.zeros(1, 3, 1, 3)
    truth[0, 1, 0, 0] = 0.1
    assert float(video.true_motion(truth + 0.3, truth, time, weight)) == pytest.approx(0, abs=1e-7)
    shaky = truth.clone()
    shaky[0, 1, 0, 1] = 0.012
    assert float(video.true_motion(shaky, truth, time, weight, delta=0.002)) == pytest.approx(0.011, abs=1e-6)


def test_even_acceleration_is_on_the_curve_also_at_uneven_times():
    time, _ = every(0.0, 0.03, 0.1, 0.12, 0.2)
    points = (0.3 + 2 * time - 7 * time ** 2)[..., None, None].expand(1, 5, 2, 3)
    off = float(video.off_the_curve(points, time).abs().max())
    assert off < 1e-6, f'{off:.1e} m off the curve for a hand that slows down evenly; rounding allows 1e-6'


def test_what_trembles_costs_its_third_difference_over_the_root_of_twenty():
    time, weight = every(0.0, 0.1, 0.2, 0.3)
    points = torch.zeros(1, 4, 1, 3)
    points[0, 1, 0, 2] = 0.02
    assert float(video.off_the_curve(points, time).norm()) == pytest.approx(3 * 0.02 / math.sqrt(20), rel=1e-4)
    assert float(video.tremble(points, time, weight, delta=0.002)) == pytest.approx(3 * 0.02 / math.sqrt(20) - 0.001, rel=1e-4)
    weight[0, 3] = 0
    assert not video.tremble(points, time, weight).any(), 'one of the four frames shows no hand'


def test_of_frames_whose_times_do_not_rise_nothing_trembles():
    for time in ((0.0, 0.1, 0.1, 0.2), (math.nan,) * 4):
        points = torch.rand(1, 4, 21, 3, requires_grad=True)
        cost = video.tremble(points, every(*time)[0], torch.ones(1, 4))
        cost.sum().backward()
        assert float(cost.detach()) == 0 and not points.grad.any()
    three = video.tremble(torch.rand(1, 3, 21, 3), *every(0.0, 0.1, 0.2))
    assert not three.any(), 'three frames have no third difference'


def test_crops_of_one_picture_cost_how_far_their_joints_are_from_their_mean():
    joints = torch.zeros(5, 21, 3)
    joints[1, :, 0], joints[2] = 0.02, 7.0  # 0.01 m from the mean of the first two; the third is alone
    picture = torch.tensor([4, 4, -1, 9, 9])
    cost = float(video.same_joints(joints, picture, torch.ones(5), delta=0.005))
    assert cost == pytest.approx(2 * (0.01 - 0.0025) / 4, rel=1e-5)
    assert float(video.same_joints(joints, picture, torch.tensor([1.0, 0, 1, 0, 0]))) < 1e-9, 'a crop without a hand does not count'
    assert float(video.same_joints(joints, torch.full((5,), -1), torch.ones(5))) == 0


def test_shape_scale_and_bones_cost_their_variance():
    weight = torch.tensor([[1.0, 1.0, 0.0]])
    shape = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [100.0, 100.0]]])  # variances 1 and 0; the third frame has no weight
    assert float(video.same_shape(shape, weight)) == pytest.approx(0.5)
    scale = torch.tensor([[[1.0], [math.e**2], [1.0]]])
    assert float(video.same_scale(scale, weight)) == pytest.approx(1.0, rel=1e-5)
    joints = torch.rand(1, 1, 21, 3)
    larger = torch.cat([joints, joints * math.exp(0.2), joints], 1)
    assert float(video.same_bones(larger, weight)) == pytest.approx(0.01, rel=1e-3)


def test_texture_agrees_where_two_frames_see_a_vertex():
    texture = torch.full((1, 2, 3, 3), 0.5)
    texture[0, 1, 0] = 0.7  # seen by both: each 0.1 from the mean
    texture[0, 1, 1] = 0.0  # seen by one
    seen = torch.tensor([[[1.0, 1, 0], [1, 0, 0]]])
    assert float(video.same_texture(texture, seen, delta=0.02)) == pytest.approx(0.1 - 0.01, rel=1e-4)
    assert not video.same_texture(texture, 0 * seen).any()


def test_the_wrist_is_placed_as_the_program_places_it():
    random = np.random.default_rng(3)
    camera = Intrinsics(610.0, 610.0, 319.5, 239.5)
    for _ in range(5):
        crop = crop_from_points(random.uniform((200, 100), (400, 300), (21, 2)), 'right', 224)
        wrist, scale = np.array([0.02, 0.05, random.uniform(0.5, 0.9)]), random.uniform(0.8, 1.2)
        wanted = wrist_in_frame(wrist, scale, FOCAL * 224, crop, camera)
        made = video.frame_wrist(*(torch.tensor(np.array([v]), dtype=torch.float64) for v in (
            wrist, [scale], crop.matrix, [camera.fx, camera.fy, camera.cx, camera.cy])), 224)[0].numpy()
        assert np.abs(made - wanted).max() < 1e-9, f'{1000 * np.abs(made - wanted).max():.5f} mm from app.crop_camera.wrist_in_frame'


def test_the_cross_term_at_pixels_is_the_mean_difference_to_the_other_frames_skin():
    texture = torch.full((1, 2, 3, 3), 0.5)
    texture[:, 1] = 0.8
    corners = torch.tensor([0, 1, 2]).expand(1, 2, 30, 3)
    weights = torch.full((1, 2, 30, 3), 1 / 3)
    pixels = torch.full((1, 2, 3, 30), 0.5)
    cost = video.cross_pixels(texture, torch.ones(1, 2, 3, 3), pixels, corners, weights, torch.ones(1, 2, 3))
    assert cost[0].tolist() == pytest.approx([0.3, 0.0], abs=1e-3), 'each frame is drawn with the skin of the other'


def test_joints_that_are_only_turned_stand_where_they_are_and_ask_nothing_of_the_pose():
    axis = torch.tensor([[0.3, -0.4, 0.5]], requires_grad=True)
    own = torch.randn(1, 21, 3, requires_grad=True)

    def gradients(steered: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        rotation = axis_angle_to_matrix(axis)
        joints = torch.matmul(own, rotation.transpose(1, 2))
        used = only_turned(joints, rotation) if steered else joints
        return used.detach(), *torch.autograd.grad((used ** 3).sum(), (axis, own), allow_unused=True, materialize_grads=True)

    (plain, turn, bend), (steered, steered_turn, steered_bend) = gradients(False), gradients(True)
    assert torch.allclose(plain, steered, atol=1e-6) and torch.allclose(turn, steered_turn, atol=1e-3), 'the turn counts in full'
    assert bend.abs().max() > 0 and not steered_bend.any(), 'the pose does not count'


def test_gradients_are_finite_at_rest():
    time, weight = every(0.0, 0.1, 0.2)
    still = turns([0.0, 0.0, 0.0]).requires_grad_()
    points = torch.zeros(1, 3, 21, 3, requires_grad=True)
    moved = video.motion_rotation(still, time, weight) + video.motion_translation(points, time, weight)
    (moved + video.same_bones(points, weight)).sum().backward()
    assert torch.isfinite(still.grad).all() and torch.isfinite(points.grad).all()
