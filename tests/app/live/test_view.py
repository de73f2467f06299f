"""The 3D view: it starts as the camera sees the hand, turns the way the mouse goes, and never loses the hand."""
from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hand_model import HandModel
from app.live.settings import ViewSettings
from app.live.view import ELEVATION, SHIFT, ZOOM, HandsView, reset, shifted, turned, zoomed
from app.mirror import mirror_hand
from app.overlay import STYLES, Overlay
from app.rendering import Mesh, Renderer, device, software
from app.rendering.stage import Stage
from app.types import Hand
from tests.app.made_hands import CAMERA, made_hand

MODEL = HandModel.load()
SMALL = ViewSettings(width=240, height=200)
DRAWN = [style for style in STYLES if style != 'off']
DRAGS = st.floats(-300, 300)


def outline(view: HandsView, hand: Hand, settings: ViewSettings, time: float = 0.0) -> np.ndarray:
    """(h, w) bool: where the hand is, which is where dark and light studios look the same."""
    dark, light = (moved(view, [hand], replace(settings, dark=dark), time).astype(int) for dark in (True, False))
    return np.abs(dark - light).max(2) < 40


def placed(hand: Hand, place) -> Hand:
    off = np.array(place) - hand.vertices.mean(0)
    return replace(hand, vertices=hand.vertices + off, joints_3d=hand.joints_3d + off, translation=hand.translation + off)


def moved(view: HandsView, hands: list[Hand], settings: ViewSettings, time: float = 0.0, **options) -> np.ndarray:
    return view.draw(hands, None, settings, 'shaded', time=time, **options)


@pytest.fixture(scope='module')
def hand() -> Hand:
    return placed(made_hand(MODEL, 3), (0.05, -0.02, 0.5))


@pytest.fixture
def view() -> HandsView:
    return HandsView(MODEL)


@given(dx=DRAGS, dy=DRAGS, azimuth=st.floats(-180, 179.9), elevation=st.floats(-30, 30))
def test_dragging_back_undoes_a_drag(dx, dy, azimuth, elevation):
    start = ViewSettings(azimuth=azimuth, elevation=elevation)
    back = turned(turned(start, dx, dy / 6), -dx, -dy / 6)
    off = abs((back.azimuth - azimuth + 180) % 360 - 180), abs(back.elevation - elevation)
    assert max(off) < 1e-6, f'{off} degrees remain'
    for there, again in ((zoomed(zoomed(start, 1.7), 1 / 1.7), start), (shifted(shifted(start, 0.2, -0.1), -0.2, 0.1), start)):
        numbers = [(getattr(there, name), getattr(again, name)) for name in ('zoom', 'shift_x', 'shift_y')]
        assert np.allclose(*zip(*numbers)), numbers


@given(dx=st.floats(-1e5, 1e5), dy=st.floats(-1e5, 1e5), factor=st.floats(1e-3, 1e3))
def test_no_drag_leaves_the_limits(dx, dy, factor):
    view = shifted(zoomed(turned(ViewSettings(), dx, dy), factor), dx, dy)
    assert -180 <= view.azimuth < 180 and abs(view.elevation) <= ELEVATION
    assert ZOOM[0] <= view.zoom <= ZOOM[1] and max(abs(view.shift_x), abs(view.shift_y)) <= SHIFT
    start = reset(replace(view, width=333, dark=False))
    assert start == ViewSettings(width=333, dark=False), 'reset keeps size and ground, and nothing else'


@given(elevation=st.floats(-ELEVATION, ELEVATION), azimuth=st.floats(-180, 180), x=st.floats(-0.3, 0.3), y=st.floats(-0.2, 0.2))
def test_up_stays_up_at_any_angle(elevation, azimuth, x, y):
    stage = Stage(0.2)
    stage.follow([(np.array([x, y, 0.5]), 0.12)], [1.0], 0.0)
    turn = stage.shot((480, 480), azimuth, elevation, 1.0, (0, 0)).turn
    assert np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) > 0
    assert turn[1, 1] > 0.01 and abs(turn[0, 1]) < 1e-9, f'the vertical axis is seen along {turn[:, 1]}'


def test_a_small_turn_is_a_small_change_also_across_the_back_and_at_the_limits():
    stage = Stage(0.2)
    stage.follow([(np.array([0.2, -0.1, 0.4]), 0.12)], [1.0], 0.0)
    for azimuth, elevation in ((179.75, 0), (0, 84.5), (179.75, -84.5), (90, 60)):
        one, two = (stage.shot((480, 480), a, e, 1.0, (0, 0)).turn for a, e in ((azimuth, elevation), (azimuth + 0.5, elevation + 0.5)))
        change = np.degrees(np.arccos(np.clip((np.trace(one @ two.T) - 1) / 2, -1, 1)))
        assert change < 0.8, f'half a degree more at {azimuth}, {elevation} turns the view by {change:.1f} degrees'


def test_straight_on_the_hand_has_the_outline_that_it_has_in_the_picture(view, hand):
    picture = Renderer(640, 480).silhouette([Mesh(hand.vertices, MODEL.faces, hand.colours)], CAMERA)
    settings = ViewSettings(width=640, height=480)

    def normal(mask: np.ndarray) -> np.ndarray:
        v, u = np.nonzero(mask)
        scale = 120 / np.sqrt(mask.sum())
        canvas = np.zeros((300, 300), bool)
        grid = np.mgrid[0:300, 0:300] - 150
        rows, columns = (np.round(g / scale + c.mean()).astype(int) for g, c in zip(grid, (v, u)))
        inside = (rows >= 0) & (columns >= 0) & (rows < mask.shape[0]) & (columns < mask.shape[1])
        canvas[inside] = mask[rows[inside], columns[inside]]
        return canvas

    a, b = normal(picture), normal(outline(view, hand, settings))
    iou = (a & b).sum() / (a | b).sum()
    assert iou > 0.95, f'overlap {iou:.3f} once both are equally large'


@pytest.mark.parametrize('azimuth', range(-180, 180, 60))
@pytest.mark.parametrize('elevation', [-85, -30, 0, 40, 85])
def test_the_hand_stays_in_view_at_any_angle_wherever_it_moves(view, hand, azimuth, elevation):
    settings = ViewSettings(width=160, height=120, azimuth=azimuth, elevation=elevation)
    for step, place in enumerate([(0, 0, 0.5), (0.25, 0.1, 0.5), (-0.25, -0.1, 0.35), (0, 0, 1.2), (0.1, 0, 0.3)]):
        time = step / 10  # metres in a tenth of a second
        at = placed(hand, place)
        view.draw([at], None, settings, 'skeleton', time=time)
        shot = view._stage.shot((160, 120), azimuth, elevation, 1.0, (0, 0))
        pixels = shot.camera.project(shot.seen(at.vertices))
        assert (pixels > -1).all() and (pixels < (160, 120)).all(), f'at {place} the hand reaches {pixels.min(0)} to {pixels.max(0)}'


def test_two_hands_far_apart_are_both_in_view(view, hand):
    hands = [placed(hand, (-0.3, 0, 0.6)), placed(made_hand(MODEL, 5, 1, 'left'), (0.3, 0, 0.6))]
    for azimuth in range(0, 360, 45):
        view.draw(hands, None, SMALL, 'skeleton', time=0.0)
        shot = view._stage.shot((240, 200), azimuth, 10, 1.0, (0, 0))
        for each in hands:
            pixels = shot.camera.project(shot.seen(each.vertices))
            assert (pixels > -1).all() and (pixels < (240, 200)).all(), f'turned by {azimuth} a hand is cut'


def test_the_hands_motion_is_seen_and_the_stage_follows_slowly(view, hand):
    def middle(place, time: float) -> float:
        return float(np.nonzero(outline(view, placed(hand, place), SMALL, time))[1].mean())

    first = middle((0, 0, 0.5), 0.0)
    soon = middle((0.03, 0, 0.5), 1 / 30)
    later = middle((0.03, 0, 0.5), 5.0)
    true = 0.03 / 0.38 * 200
    assert 0.6 * true < soon - first < 1.6 * true, f'3 cm to the right is {soon - first:.1f} px right'
    assert abs(later - first) < 0.15 * true, f'after five seconds it is {later - first:.1f} px off the middle'
    again = middle((0.03, 0, 0.5), 5.0)
    assert again == later, 'the stage moved while time stood still'


def test_a_hand_that_comes_back_elsewhere_is_in_the_middle_at_once(view, hand):
    middles = []
    for time, place in ((0.0, (-0.2, 0, 0.5)), (3.0, (0.2, 0, 0.5))):
        view.draw([], [], SMALL, time=time - 0.01)
        middles.append(np.nonzero(outline(view, placed(hand, place), SMALL, time))[1].mean())
    assert abs(middles[0] - middles[1]) < 12, f'first at {middles[0]:.0f}, then at {middles[1]:.0f} px'


def test_dragging_to_the_right_brings_the_near_side_to_the_right(view, hand):
    for mirror in (False, True):
        view.draw([hand], None, SMALL, time=0.0)
        settings = turned(SMALL, 40, 0)
        side = -1 if mirror else 1
        shot = view._stage.shot((240, 200), side * settings.azimuth, 0, 1.0, (0, 0))
        near = view._stage.centre * 0.9
        u = shot.camera.project(shot.seen(near[None]))[0, 0] - 119.5
        assert side * u > 5, f'mirror {mirror}: the near side is {side * u:.0f} px right of the middle'
    above = view._stage.shot((240, 200), 0, turned(SMALL, 0, 40).elevation, 1.0, (0, 0))
    assert above.camera.project(above.seen(near[None]))[0, 1] > 99.5 + 5, 'dragging down shows the hand from above'


@pytest.mark.parametrize('style', DRAWN)
def test_the_mirrored_view_is_the_mirror_image_and_turns_the_way_the_mouse_goes(hand, style):
    view = replace(SMALL, azimuth=30, elevation=10, shift_x=0.1)
    there = replace(view, azimuth=-30, shift_x=-0.1)
    mirrored, plain = (HandsView(MODEL).draw([hand], None, v, style, mirror=m, time=0.0) for v, m in ((view, True), (there, False)))
    assert (mirrored == plain[:, ::-1]).all()


def test_a_left_hand_looks_as_the_mirror_image_of_a_right_one(hand):
    one = outline(HandsView(MODEL), hand, replace(SMALL, azimuth=25))
    other = outline(HandsView(MODEL), mirror_hand(hand, 640), replace(SMALL, azimuth=-25))[:, ::-1]
    differ = (one != other).sum() / one.sum()
    assert differ < 0.06, f'{100 * differ:.1f} % of the outline differs'


@pytest.mark.parametrize('style', STYLES)
@pytest.mark.parametrize('dark', [True, False])
def test_each_style_shows_the_hand_and_invisible_ones_leave_the_studio_empty(view, hand, style, dark):
    settings = replace(SMALL, dark=dark)
    empty = view.draw([], [], settings, style, time=0.0)
    assert empty.shape == (200, 240, 3) and empty.dtype == np.uint8
    assert (empty.mean() < 60) if dark else (empty.mean() > 190)
    assert (view.draw([hand], [0.0], settings, style, time=0.0) == empty).all()
    full, half = (view.draw([hand], [share], settings, style, time=0.0).astype(int) for share in (1.0, 0.5))
    ratio = np.abs(half - empty).sum() / np.abs(full - empty).sum()
    assert (np.abs(full - empty).max(2) > 20).mean() > 0.01
    assert 0.35 < ratio < 0.7, f'half visible changes the view {ratio:.2f} times as much (its shadow is not linear)'


def test_drawing_twice_gives_the_same_picture_and_never_the_same_array(hand):
    pictures = [HandsView(MODEL).draw([hand], [0.8], SMALL, 'textured', time=1.0) for _ in range(2)]
    assert (pictures[0] == pictures[1]).all()
    view = HandsView(MODEL)
    first = view.draw([], [], SMALL, time=0.0)
    kept = first.copy()
    first[:] = 0
    assert (view.draw([], [], SMALL, time=0.0) == kept).all(), 'a picture given out is written to, and the studio changed'


def test_overlay_and_view_can_be_drawn_in_threads_of_their_own(hand):
    overlay, view, image = Overlay(MODEL), HandsView(MODEL), np.zeros((480, 640, 3), np.uint8)
    settings = replace(SMALL, azimuth=200)
    tasks = {'overlay': lambda: overlay.draw(image, [hand], CAMERA), 'view': lambda: view.draw([hand], None, settings, time=0.0)}
    expected, wrong = {name: task() for name, task in tasks.items()}, []

    def work(name: str) -> None:
        for _ in range(8):
            if not (tasks[name]() == expected[name]).all():
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,), name=name, daemon=True) for name in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), f'{thread.name} hangs'
    assert not wrong, f'other pictures came out of threads: {wrong}'


@pytest.mark.parametrize('style', DRAWN)
def test_without_opengl_the_view_looks_the_same(hand, monkeypatch, style):
    one = HandsView(MODEL).draw([hand], None, SMALL, style, time=0.0).astype(int)
    monkeypatch.setattr(device, '_drawing', software.draw)
    other = HandsView(MODEL).draw([hand], None, SMALL, style, time=0.0)
    differ = np.abs(one - other).mean()
    assert differ < 0.05, f'the pictures differ by {differ:.3f} steps on average'


@pytest.mark.parametrize('size', [(1, 1), (64, 900), (1280, 720)])
def test_any_size_can_be_drawn(view, hand, size):
    settings = ViewSettings(width=size[0], height=size[1], azimuth=70, elevation=-40, zoom=4, shift_x=0.9)
    assert moved(view, [hand], settings).shape == (size[1], size[0], 3)


def test_wrong_calls_are_refused(view, hand):
    with pytest.raises(ValueError, match='pixels'):
        view.draw([hand], None, ViewSettings(width=0))
    with pytest.raises(ValueError, match='visibilities'):
        view.draw([hand], [1, 1], SMALL)
    broken = replace(hand, vertices=np.full_like(hand.vertices, np.nan))
    with pytest.raises(ValueError, match='finite'):
        view.draw([broken], None, SMALL)
