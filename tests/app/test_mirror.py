"""A left hand is a right hand in the mirror, in space, in the picture and in its rotations."""
from __future__ import annotations

import numpy as np
import pytest

from app import mirror
from app.hand_model import HandModel
from app.rotations import axis_angle_to_matrix, axis_angle_to_quaternion, quaternion_to_matrix
from app.types import Hand, Intrinsics

WIDTH = 641


@pytest.fixture(scope='module')
def hand() -> Hand:
    model, generator = HandModel.load(), np.random.default_rng(3)
    pose = model.pose_of(model.coefficient_mean, (0.3, 2.0, -0.5))
    shape, translation = generator.normal(size=10), np.array([0.05, -0.02, 0.5])
    vertices, joints = model.posed(pose, shape)
    camera = Intrinsics(600, 610, 300, 200)
    points = camera.project(joints + translation)
    return Hand(1, 'right', 0.9, axis_angle_to_quaternion(pose), shape, translation, vertices + translation, joints + translation, points,
                np.zeros((len(vertices), 3), np.uint8), generator.normal(size=(4, 3)), points + 1)


def test_a_mirrored_pose_is_the_rotation_seen_in_the_mirror():
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    flip = np.diag([-1.0, 1, 1])
    expected = flip @ axis_angle_to_matrix(vectors) @ flip
    assert np.allclose(axis_angle_to_matrix(mirror.mirror_pose(vectors)), expected, atol=1e-14)
    assert np.allclose(quaternion_to_matrix(mirror.mirror_pose(axis_angle_to_quaternion(vectors))), expected, atol=1e-14)


def test_mirroring_twice_changes_nothing(hand):
    twice = mirror.mirror_hand(mirror.mirror_hand(hand, WIDTH), WIDTH)
    assert twice.side == hand.side
    for name in ('pose', 'translation', 'vertices', 'joints_3d', 'joints_2d', 'points', 'light'):
        assert np.allclose(getattr(twice, name), getattr(hand, name), atol=1e-12), name
    image = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)
    assert (mirror.mirror_image(mirror.mirror_image(image)) == image).all()


def test_a_mirrored_hand_is_the_left_hand_of_the_model(hand):
    flipped = mirror.mirror_hand(hand, WIDTH)
    vertices, joints = HandModel.load().posed(flipped.pose, flipped.shape, flipped.side)
    error = np.abs(vertices + flipped.translation - flipped.vertices).max()
    assert flipped.side == 'left' and error < 1e-6, f'{error:.1e} m; both are float32 sums'
    assert np.abs(joints + flipped.translation - flipped.joints_3d).max() < 1e-6


def test_projection_in_the_mirrored_camera_is_the_mirrored_projection(hand):
    camera = Intrinsics(600, 610, 300, 200)
    seen = mirror.mirror_intrinsics(camera, WIDTH).project(mirror.mirror_points_3d(hand.joints_3d))
    assert np.allclose(seen, mirror.mirror_points_2d(camera.project(hand.joints_3d), WIDTH), atol=1e-9)


def test_a_pixel_and_its_mirrored_place_hold_the_same_colour():
    image = np.arange(6 * 9).reshape(6, 9)
    x, y = mirror.mirror_points_2d(np.array([2.0, 3.0]), 9)
    assert mirror.mirror_image(image)[int(y), int(x)] == image[3, 2]


def test_light_follows_the_mirror(hand):
    normals = np.random.default_rng(1).normal(size=(30, 3))
    light = mirror.mirror_light(hand.light)
    assert np.allclose(light[0] + mirror.mirror_points_3d(normals) @ light[1:], hand.light[0] + normals @ hand.light[1:])


def test_a_mirrored_mesh_still_faces_outwards():
    model = HandModel.load()

    def volume(vertices, faces):
        a, b, c = (vertices[faces[:, i]] for i in range(3))
        return float(np.einsum('ij,ij->i', a, np.cross(b, c)).sum() / 6)

    right = volume(model.template, model.faces)
    left = volume(mirror.mirror_points_3d(model.template), mirror.mirror_faces(model.faces))
    assert right > 0 and abs(left - right) < 1e-9 + 1e-5 * right, f'{right} and {left} m^3'


@pytest.mark.parametrize('call,values', [
    (mirror.mirror_pose, np.zeros((16, 2))), (mirror.mirror_points_3d, np.zeros((4, 2))), (mirror.opposite, 'Right'),
])
def test_what_cannot_be_mirrored_is_refused(call, values):
    with pytest.raises(ValueError):
        call(values)
