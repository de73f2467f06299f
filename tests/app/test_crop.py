"""Cutting a hand out of a frame and coming back."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.crop import crop_from_points, cut, to_crop, to_frame, upright_angle
from app.crop_camera import crop_to_frame_rotation, ray_rotation, unmirrored, wrist_in_frame
from app.mirror import mirror_intrinsics, mirror_points_2d
from app.types import Intrinsics

RNG = np.random.default_rng(0)
OPEN_HAND = np.array([  # a right hand held up, palm to the camera, pixels
    (320, 300), (290, 285), (265, 260), (250, 238), (238, 220), (295, 215), (290, 180), (287, 158), (285, 140), (318, 210), (318, 170),
    (318, 145), (318, 125), (340, 215), (344, 178), (346, 156), (347, 138), (360, 228), (368, 200), (373, 184), (377, 170)], float)


def turned(angle: float, scale: float = 1.0, shift=(0, 0)) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return (OPEN_HAND - 320) @ np.array([[c, s], [-s, c]]) * scale + 320 + shift


@settings(max_examples=60, deadline=None)
@given(angle=st.floats(-3.1, 3.1), scale=st.floats(0.1, 4), x=st.floats(-200, 200), side=st.sampled_from(['right', 'left']))
def test_points_survive_the_way_into_a_crop_and_back(angle, scale, x, side):
    points = turned(angle, scale, (x, 0))
    crop = crop_from_points(points, side, 224)
    error = np.abs(to_frame(to_crop(points, crop), crop) - points).max()
    assert error < 1e-6, f'round trip is off by {error} px, allowed 1e-6'


@settings(max_examples=60, deadline=None)
@given(angle=st.floats(-3.1, 3.1), scale=st.floats(0.2, 4), side=st.sampled_from(['right', 'left']))
def test_a_hand_stands_upright_and_whole_in_its_crop_however_it_was_held(angle, scale, side):
    inside = to_crop(turned(angle, scale), crop_from_points(turned(angle, scale), side, 224))
    assert abs(upright_angle(inside)) < 1e-6, f'the hand leans by {upright_angle(inside)} rad in its crop'
    assert inside.min() > 0 and inside.max() < 223, f'points at {inside.min():.0f}..{inside.max():.0f} leave the crop of 0..223'


def test_a_left_hands_crop_is_the_crop_of_the_mirrored_picture():
    image = RNG.integers(0, 255, (480, 640, 3), np.uint8)
    left = cut(image, crop_from_points(OPEN_HAND, 'left', 224))
    right = cut(np.ascontiguousarray(image[:, ::-1]), crop_from_points(mirror_points_2d(OPEN_HAND, 640), 'right', 224))
    difference = np.abs(left.astype(int) - right).mean()
    assert difference < 1.0, f'crops differ by {difference} grey levels (interpolation alone gives under 1)'


def test_a_mirrored_crop_seen_from_the_mirrored_frame_shows_the_same_points():
    crop = crop_from_points(OPEN_HAND, 'left', 224)
    error = np.abs(to_crop(mirror_points_2d(OPEN_HAND, 640), unmirrored(crop, 640)) - to_crop(OPEN_HAND, crop)).max()
    assert error < 1e-6, f'{error} px apart'


@pytest.mark.parametrize('points', [np.zeros((21, 2)), np.full((21, 2), np.nan), np.zeros((20, 2))])
def test_points_that_show_no_hand_are_refused(points):
    with pytest.raises(ValueError):
        crop_from_points(points, 'right', 224)


@settings(max_examples=50, deadline=None)
@given(st.tuples(st.floats(-2, 2), st.floats(-2, 2)))
def test_the_ray_rotation_turns_the_axis_onto_the_ray_and_is_a_rotation(xy):
    direction = np.array([*xy, 1.0])
    rotation = ray_rotation(direction)
    assert np.allclose(rotation @ (0, 0, 1), direction / np.linalg.norm(direction), atol=1e-9)
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9) and np.linalg.det(rotation) > 0


@pytest.mark.parametrize('roll', [-2.0, 0.0, 0.7, 3.0])
def test_a_small_far_hand_seen_by_the_crop_camera_projects_to_the_same_pixels_in_the_frames_camera(roll):
    camera = Intrinsics(600, 600, 319.5, 239.5)
    focal, size = 560.0, 224
    crop = crop_from_points(turned(roll, 0.2, (150, -90)), 'right', size)
    hand = RNG.normal(0, 0.02, (21, 3))  # metres about the wrist, in the crop camera's axes
    hand[0] = 0
    wrist, scale = np.array([0.02, 0.05, 3.0]), 0.9
    in_crop = (hand * scale + wrist)
    in_crop = in_crop[:, :2] / in_crop[:, 2:] * focal + (size - 1) / 2
    in_frame = camera.project(hand @ crop_to_frame_rotation(crop, camera).T + wrist_in_frame(wrist, scale, focal, crop, camera))
    error = np.linalg.norm(in_frame - to_frame(in_crop, crop), axis=1)
    assert error[0] < 1e-6, f'the wrist moved by {error[0]} px'
    reach = np.linalg.norm(in_frame - in_frame[0], axis=1).max()
    assert error.max() < 0.08 * reach, f'joints are off by {error.max():.2f} px of {reach:.1f} (perspective and obliqueness explain 8 %)'


def test_a_mirrored_crop_has_no_rotation_to_the_frame():
    with pytest.raises(ValueError, match='mirror'):
        crop_to_frame_rotation(crop_from_points(OPEN_HAND, 'left', 224), mirror_intrinsics(Intrinsics(600, 600, 320, 240), 640))
