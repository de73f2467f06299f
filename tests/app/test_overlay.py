"""The overlay: what it draws, what it leaves alone, what it refuses."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.hand_model import HandModel
from app.mirror import mirror_points_2d, mirror_points_3d
from app.overlay import STYLES, Overlay
from app.rendering.skeleton import FINGERS
from app.types import TIPS, Hand, Intrinsics

WIDTH, HEIGHT = 640, 480
CAMERA = Intrinsics.from_field_of_view(WIDTH, HEIGHT)
MODEL = HandModel.load()
DRAWN = [style for style in STYLES if style != 'off']


def made_hand(camera: Intrinsics = CAMERA, place=(0.0, 0.08, 0.45), **changes) -> Hand:
    pose = np.zeros((16, 3))
    pose[0] = np.pi, 0, 0.1
    vertices, joints = (values + np.array(place) for values in MODEL.posed(pose, np.zeros(10)))
    light = np.array([[0.7] * 3, [0.1] * 3, [-0.2] * 3, [-0.3] * 3], np.float32)
    hand = Hand(0, 'right', 0.95, np.zeros((16, 4)), np.zeros(10), joints[0], vertices, joints, camera.project(joints),
                np.full(vertices.shape, (200, 150, 120), np.uint8), light, camera.project(joints))
    return replace(hand, **changes)


@pytest.fixture(scope='module')
def overlay() -> Overlay:
    return Overlay(MODEL)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.mark.parametrize('style', DRAWN)
def test_each_style_draws_on_the_hand_and_nowhere_else_and_never_into_the_input(overlay, image, style):
    kept, hand = image.copy(), made_hand()
    out = overlay.draw(image, [hand], CAMERA, style)
    assert (image == kept).all(), 'the input was written to'
    changed = (out != image).any(2)
    pixels = CAMERA.project(hand.vertices)
    low, high = pixels.min(0) - 9, pixels.max(0) + 9
    v, u = np.nonzero(changed)
    assert len(u) > 1000
    assert (u > low[0]).all() and (v > low[1]).all() and (u < high[0]).all() and (v < high[1]).all(), 'pixels far from the hand changed'


def test_off_no_hands_and_no_opacity_give_the_picture_itself(overlay, image):
    for hands, style, opacity in (([made_hand()], 'off', 1.0), ([], 'textured', 1.0), ([made_hand()], 'shaded', 0.0)):
        out = overlay.draw(image, hands, CAMERA, style, opacity)
        assert (out == image).all() and out is not image


@pytest.mark.parametrize('style', DRAWN)
def test_opacity_and_confidence_make_the_hand_fainter(overlay, image, style):
    def change(hand: Hand, opacity: float) -> float:
        return float(np.abs(overlay.draw(image, [hand], CAMERA, style, opacity).astype(int) - image).sum())

    full, half, unsure = change(made_hand(), 1.0), change(made_hand(), 0.5), change(made_hand(confidence=0.3), 1.0)
    assert abs(half / full - 0.5) < 0.05, f'half opacity changes the picture {half / full:.2f} times as much'
    assert 0.2 < unsure / full < 0.8, f'a confidence of 0.3 changes it {unsure / full:.2f} times as much'


@pytest.mark.parametrize('style', DRAWN)
def test_visibility_fades_each_hand_by_itself_down_to_nothing(overlay, image, style):
    kept, fading = made_hand(place=(-0.12, 0.08, 0.5)), made_hand(place=(0.12, 0.08, 0.5))

    def change(hands: list[Hand], visibility=None) -> float:
        return float(np.abs(overlay.draw(image, hands, CAMERA, style, visibility=visibility).astype(int) - image).sum())

    alone = overlay.draw(image, [kept], CAMERA, style)
    assert (overlay.draw(image, [kept, fading], CAMERA, style, visibility=(1, 0)) == alone).all(), 'a hand of visibility 0 was drawn'
    assert (overlay.draw(image, [fading], CAMERA, style, visibility=[0.0]) == image).all()
    half = change([fading], [0.5]) / change([fading])
    assert abs(half - 0.5) < 0.05, f'half visible changes the picture {half:.2f} times as much'
    rest = change([kept, fading], (1, 0.5)) - change([kept])
    assert abs(rest / change([fading]) - 0.5) < 0.05, 'the other hand faded with it'


def test_the_textured_hand_shows_albedo_times_light(overlay, image):
    flat = np.concatenate([np.full((1, 3), 0.5), np.zeros((3, 3))]).astype(np.float32)
    hand = made_hand(light=flat)
    out = overlay.draw(image, [hand], CAMERA, 'textured')
    u, v = np.round(CAMERA.project(hand.joints_3d[[0, 9]].mean(0))).astype(int)
    # half the light of sRGB 200, 150, 120 (a floor of bounced light adds a few per cent)
    expected = np.array([146, 108, 86])
    worst = np.abs(out[v, u].astype(int) - expected).max()
    assert worst <= 6, f'{out[v, u]} instead of about {expected}'


def test_the_arm_melts_into_the_picture(overlay, image):
    hand = made_hand()
    out = overlay.draw(image, [hand], CAMERA, 'textured')
    end = hand.vertices[MODEL.template[:, 1] <= MODEL.template[:, 1].min() + 0.004]
    u, v = np.round(CAMERA.project(end).mean(0)).astype(int)
    palm = np.round(CAMERA.project(hand.joints_3d[[0, 9]].mean(0))).astype(int)[::-1]
    change = np.abs(out.astype(int) - image).mean(2)
    assert change[v - 1:v + 2, u - 3:u + 4].mean() < 0.3 * change[palm[0] - 3:palm[0] + 4, palm[1] - 3:palm[1] + 4].mean()


def test_the_skeleton_shows_each_finger_in_its_colour(overlay):
    grey = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    hand = made_hand()
    out = overlay.draw(grey, [hand], CAMERA, 'skeleton').astype(int)
    for finger, tip in enumerate(TIPS):
        u, v = np.round(0.5 * (hand.joints_2d[tip] + hand.joints_2d[tip - 1])).astype(int)
        error = np.abs(out[v, u] - FINGERS[finger]).max()
        assert error < 12, f'finger {finger}: {out[v, u]} instead of {FINGERS[finger]}'


def test_the_skeletons_strokes_follow_the_size_of_the_hand(overlay):
    grey = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)

    def area(distance: float) -> int:
        return int((overlay.draw(grey, [made_hand(place=(0, 0.05, distance))], CAMERA, 'skeleton') != 128).any(2).sum())

    ratio = area(0.45) / area(0.9)
    assert 2 < ratio < 4.5, f'twice as large, {ratio:.1f} times the ink'


def test_a_left_hand_is_drawn_as_the_mirror_image_and_in_its_own_tint(overlay):
    grey = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    right = made_hand()
    left = replace(right, side='left', vertices=mirror_points_3d(right.vertices), joints_3d=mirror_points_3d(right.joints_3d),
                   joints_2d=mirror_points_2d(right.joints_2d, WIDTH))
    a, b = (overlay.draw(grey, [hand], CAMERA, 'shaded') for hand in (right, left))
    one, other = (a != 60).any(2), (b != 60).any(2)[:, ::-1]
    differ = (one != other).mean() / one.mean()
    assert differ < 0.01, f'{100 * differ:.1f} % of the outline differs'
    assert a[one].mean(0)[0] > a[one].mean(0)[2] + 15 and b[other[:, ::-1]].mean(0)[2] > b[other[:, ::-1]].mean(0)[0] + 15


def test_the_nearer_of_two_hands_is_in_front(overlay):
    grey = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    near = made_hand(place=(0, 0.08, 0.40))
    far = made_hand(place=(0.02, 0.10, 0.55), colours=np.full((len(MODEL.template), 3), (0, 200, 0), np.uint8))
    u, v = np.round(CAMERA.project(near.joints_3d[[0, 9]].mean(0))).astype(int)
    for hands in ([near, far], [far, near]):
        pixel = overlay.draw(grey, hands, CAMERA, 'textured')[v, u].astype(int)
        assert pixel[0] > pixel[1], f'{pixel}: the green hand behind shines through'


@pytest.mark.parametrize('size', [(64, 48), (3840, 2160), (480, 640)])
@pytest.mark.parametrize('style', DRAWN)
def test_small_and_large_pictures_are_drawn_on(overlay, style, size):
    camera = Intrinsics.from_field_of_view(*size)
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    changed = (overlay.draw(picture, [made_hand(camera)], camera, style) != 90).any(2).mean()
    assert 0.004 < changed < 0.4, f'{100 * changed:.2f} % of the picture changed'


def test_a_picture_that_may_not_be_written_to_and_has_odd_strides_is_fine(overlay, image):
    view = image[:, ::-1]
    view.flags.writeable = False
    for style in DRAWN:
        assert overlay.draw(view, [made_hand()], CAMERA, style).shape == view.shape


@pytest.mark.parametrize('style', DRAWN)
def test_wrong_calls_are_refused(overlay, image, style):
    with pytest.raises(ValueError, match='style'):
        overlay.draw(image, [], CAMERA, 'glitter')
    with pytest.raises(ValueError, match='opacity'):
        overlay.draw(image, [], CAMERA, style, 1.5)
    for visibility in ([1.0], [1.5, 1], [np.nan, 1]):
        with pytest.raises(ValueError, match='visibilities'):
            overlay.draw(image, [made_hand(), made_hand()], CAMERA, style, visibility=visibility)
    broken = made_hand()
    broken.vertices[5] = np.nan
    broken.joints_3d[5] = np.nan
    with pytest.raises(ValueError, match='finite'):
        overlay.draw(image, [broken], CAMERA, style)
