"""What the torch hand model promises, for any file of its form."""
from __future__ import annotations

import numpy as np
import torch

from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix, matrix_to_axis_angle

MODEL = HandModel.load()


def random_poses(count: int, seed: int = 0, spread: float = 1.0) -> torch.Tensor:
    """(count, 16, 3): natural fingers within their limits, any wrist."""
    g = torch.Generator().manual_seed(seed)
    c = MODEL.coefficient_mean + spread * MODEL.coefficient_sigma * torch.randn(count, len(MODEL.coefficient_mean), generator=g)
    return torch.cat([torch.randn(count, 1, 3, generator=g), MODEL.pose_from_coefficients(c)], 1)


def test_the_zero_pose_and_shape_give_the_template():
    out = MODEL(torch.zeros(1, 16, 3), torch.zeros(1, 10))
    error = (out.vertices[0] - MODEL.template).abs().max().item()
    assert error < 1e-6, f'{error:.1e} m from the template; 1e-6 is float32 rounding'


def test_gradients_are_finite_and_not_all_zero_at_the_zero_pose():
    pose, shape = torch.zeros(2, 16, 3, requires_grad=True), torch.zeros(2, 10, requires_grad=True)
    MODEL(pose, shape).vertices.square().sum().backward()
    assert pose.grad.isfinite().all() and shape.grad.isfinite().all()
    assert pose.grad[:, 1:].abs().sum() > 0 and shape.grad.abs().sum() > 0


def test_the_gradient_with_respect_to_pose_agrees_with_differences():
    pose = random_poses(1)
    direction = torch.randn(1, 16, 3, generator=torch.Generator().manual_seed(1))
    pose.requires_grad_()
    MODEL(pose, torch.zeros(1, 10)).joints.sum().backward()
    exact, h = (pose.grad * direction).sum().item(), 1e-2
    with torch.no_grad():
        ends = [MODEL(pose + s * h * direction, torch.zeros(1, 10)).joints.sum().item() for s in (1, -1)]
    assert abs(exact - (ends[0] - ends[1]) / (2 * h)) < 2e-3 * max(1, abs(exact)), f'{exact} against {(ends[0] - ends[1]) / (2 * h)}'


def test_a_left_hand_is_the_mirror_image_of_the_right_hand_in_the_mirrored_pose():
    pose, shape = random_poses(8), torch.randn(8, 10, generator=torch.Generator().manual_seed(2))
    mirror = torch.tensor([-1., 1, 1])
    left = MODEL(pose, shape, 'left')
    right = MODEL(pose * torch.tensor([1., -1, -1]), shape, 'right')
    assert torch.allclose(left.vertices, right.vertices * mirror, atol=1e-7)
    assert torch.allclose(left.joints, right.joints * mirror, atol=1e-7)


def test_turning_the_wrist_turns_the_whole_hand_about_the_origin():
    pose = random_poses(4)
    still = pose.clone()
    still[:, 0] = 0
    shape = torch.zeros(4, 10)
    turned = torch.matmul(MODEL(still, shape).vertices, axis_angle_to_matrix(pose[:, 0]).mT)
    error = (MODEL(pose, shape).vertices - turned).abs().max().item()
    assert error < 1e-6, f'{error:.1e} m'


def test_the_wrist_is_the_origin_for_every_pose_and_shape():
    out = MODEL(random_poses(8), 2 * torch.randn(8, 10, generator=torch.Generator().manual_seed(3)))
    assert out.joints[:, 0].abs().max() == 0
    rest = MODEL.rest_joints(3 * torch.eye(10))[:, 0].abs().max().item()
    assert rest < 1e-6, f'{rest:.1e} m: the shapes move the wrist'


def test_bones_keep_their_length_in_every_pose_and_change_it_with_the_shape():
    def lengths(joints: torch.Tensor) -> torch.Tensor:
        first, second = [0, 1, 2, 0, 5, 6, 0, 9, 10, 0, 13, 14, 0, 17, 18], [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19]
        return (joints[:, first] - joints[:, second]).norm(dim=-1)

    shape = torch.randn(1, 10, generator=torch.Generator().manual_seed(4)).expand(16, 10)
    bones = lengths(MODEL(random_poses(16), shape).joints)
    assert (bones - bones[:1]).abs().max() < 1e-6
    large, small = (lengths(MODEL(torch.zeros(1, 16, 3), s * torch.eye(10)[:1]).joints) for s in (2., -2.))
    assert (large > small * 1.15).all(), 'the first component must lengthen every bone'


def test_a_batch_gives_what_its_members_give_alone():
    pose, shape = random_poses(5), torch.randn(5, 10, generator=torch.Generator().manual_seed(5))
    together = MODEL(pose, shape).vertices
    alone = torch.cat([MODEL(pose[i:i + 1], shape[i:i + 1]).vertices for i in range(5)])
    assert (together - alone).abs().max() < 1e-6


def test_rotation_matrices_survive_the_round_trip_near_zero_and_near_pi():
    g = torch.Generator().manual_seed(6)
    axes = torch.nn.functional.normalize(torch.randn(200, 3, generator=g, dtype=torch.float64), dim=-1)
    for angle in (0., 1e-9, 1e-5, 1e-3, .5, 2., 3.1, torch.pi - 1e-6):
        matrix = axis_angle_to_matrix(axes * angle)
        back = axis_angle_to_matrix(matrix_to_axis_angle(matrix))
        assert (back - matrix).abs().max() < 1e-7, f'angle {angle}: {(back - matrix).abs().max():.1e}'
        assert (matrix @ matrix.mT - torch.eye(3, dtype=torch.float64)).abs().max() < 1e-7


def test_rotation_matrices_agree_with_the_matrix_exponential():
    a = torch.randn(50, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    cross = torch.zeros(50, 3, 3, dtype=torch.float64)
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -a[:, 2], a[:, 1], -a[:, 0]
    cross = cross - cross.mT
    assert (axis_angle_to_matrix(a) - torch.matrix_exp(cross)).abs().max() < 1e-12


def test_torch_and_numpy_twins_agree_to_a_hundredth_of_a_millimetre():
    from app.hand_model import HandModel as Twin

    twin, pose, shape = Twin.load(), random_poses(4, 8), torch.randn(4, 10, generator=torch.Generator().manual_seed(8))
    for side in ('right', 'left'):
        out = MODEL(pose, shape, side)
        for i in range(4):
            vertices, joints = twin.posed(pose[i].numpy(), shape[i].numpy(), side)
            worst = max(np.abs(vertices - out.vertices[i].numpy()).max(), np.abs(joints - out.joints[i].numpy()).max())
            assert worst < 1e-5, f'{worst * 1e3:.4f} mm on the {side} side'


def test_size_and_place_move_the_whole_hand_in_the_camera():
    pose, shape = random_poses(4, 9), torch.randn(4, 10, generator=torch.Generator().manual_seed(9))
    scale, wrist = torch.linspace(0.7, 1.3, 4)[:, None], torch.randn(4, 3, generator=torch.Generator().manual_seed(10))
    turns = axis_angle_to_matrix(pose)
    plain, placed = MODEL.skin(turns, shape), MODEL.skin(turns, shape, scale, wrist)
    for name in ('vertices', 'joints'):
        worst = (getattr(placed, name) - (getattr(plain, name) * scale[..., None] + wrist[:, None])).abs().max().item()
        assert worst < 2e-6, f'{name}: {worst * 1e3:.5f} mm'
