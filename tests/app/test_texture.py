"""The skin's colours, gathered from renders whose albedo and light are known."""
from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from app.hand_model import HandModel
from app.mirror import mirror_points_3d
from app.rendering import Mesh, Renderer
from app.rendering.light import shaded, srgb_to_linear
from app.rendering.topology import topology_of
from app.rendering.visibility import visibility
from app.texture import TextureMemory
from app.types import Intrinsics

WIDTH, HEIGHT = 640, 480
CAMERA = Intrinsics.from_field_of_view(WIDTH, HEIGHT)
MODEL = HandModel.load()
RIGHT = topology_of(MODEL.faces, len(MODEL.template))
LIGHT = np.array([[0.65, 0.62, 0.55], [-0.2, -0.25, -0.25], [-0.3, -0.28, -0.25], [-0.35, -0.3, -0.3]], np.float32)
PERSONS = {'light': -0.8, 'default': 0.0, 'dark': 1.5}  # standard deviations along the model's darkest skin tone


def skin(person: str) -> np.ndarray:
    """(N, 3) uint8: the person's albedo, with some variation of its own that no tone explains."""
    tone = MODEL.skin_basis[np.abs(MODEL.skin_basis.mean((1, 2))).argmax()]
    wave = 1 + 0.12 * np.sin(MODEL.template @ (90, 70, 110))[:, None]
    return (np.clip((MODEL.albedo - PERSONS[person] * np.sign(tone.mean()) * tone) * wave, 0.02, 0.98) * 255).astype(np.uint8)


def posed(turn: float = 0.0) -> np.ndarray:
    """The open right hand, its back to the camera, turned about the vertical."""
    pose = np.zeros((16, 3))
    pose[0] = np.pi, turn, 0.1
    return (MODEL.posed(pose, np.zeros(10))[0] + (0, 0.08, 0.42)).astype(np.float32)


@lru_cache(maxsize=64)
def _picture(person: str, turn: float, brightness: float) -> np.ndarray:
    vertices = posed(turn)
    background = np.full((HEIGHT, WIDTH, 3), (40, 110, 170), np.uint8)
    colours = shaded(skin(person), RIGHT.normals(vertices), LIGHT * brightness)
    return Renderer(WIDTH, HEIGHT, 2).render([Mesh(vertices, MODEL.faces, colours)], CAMERA, background)[0]


def picture(person: str, turn: float = 0.0, brightness: float = 1.0) -> np.ndarray:
    return _picture(person, turn, brightness).copy()


def well_seen(vertices: np.ndarray) -> np.ndarray:
    seen = visibility(vertices, RIGHT.normals(vertices), RIGHT, CAMERA)
    return seen.visible & (seen.facing > 0.4) & (seen.inside > 0.03)


def pattern_error(colours: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Mean error of the log albedo once the overall gain per channel is taken out: no picture tells bright skin from bright light."""
    error = np.log(srgb_to_linear(colours[where]) + 1e-3) - np.log(srgb_to_linear(truth[where]) + 1e-3)
    return float(np.abs(error - np.median(error, 0)).mean())


@pytest.mark.parametrize('person', PERSONS)
def test_one_picture_gives_the_albedo_of_what_it_shows(person):
    vertices = posed()
    colours, _ = TextureMemory(MODEL).update(picture(person), vertices, CAMERA, 'right', 0.95)
    error = pattern_error(colours, skin(person), well_seen(vertices))
    assert error < 0.12, f'albedo off by {100 * error:.1f} % (mean; a smooth part of it passes for light)'


@pytest.mark.parametrize('person', PERSONS)
def test_albedo_times_light_gives_the_picture_back(person):
    vertices = posed()
    colours, light = TextureMemory(MODEL).update(picture(person), vertices, CAMERA, 'right', 0.95)
    again = shaded(colours, RIGHT.normals(vertices), light).astype(int)
    truth = shaded(skin(person), RIGHT.normals(vertices), LIGHT).astype(int)
    where = well_seen(vertices)
    error = np.abs(again - truth)[where].mean()
    assert error < 5, f'{error:.1f} of 255 steps (mean)'


def test_several_views_agree_and_fill_more_of_the_hand():
    memory = TextureMemory(MODEL)
    first = None
    for step in range(16):
        vertices = posed(0.7 * np.sin(step / 2.5))
        colours, _ = memory.update(picture('dark', 0.7 * np.sin(step / 2.5)), vertices, CAMERA, 'right', 0.95)
        first = first or memory.state
    assert memory.state.seen > first.seen + 0.03, f'{first.seen:.2f} seen in one view, {memory.state.seen:.2f} in sixteen'
    error = pattern_error(colours, skin('dark'), well_seen(posed()))
    assert error < 0.09, f'albedo off by {100 * error:.1f} %'


def test_the_unseen_side_takes_the_persons_tone():
    results = {}
    for person in PERSONS:
        vertices = posed()
        colours, _ = TextureMemory(MODEL).update(picture(person), vertices, CAMERA, 'right', 0.95)
        hidden = RIGHT.normals(vertices)[:, 2] > 0.5
        results[person] = colours[hidden].mean(), colours[well_seen(vertices)].mean()
        ratio = results[person][0] / results[person][1]
        expected = skin(person)[hidden].mean() / skin(person)[well_seen(vertices)].mean()
        assert abs(ratio / expected - 1) < 0.15, f'{person}: unseen to seen brightness {ratio:.2f}, truly {expected:.2f}'
    assert results['dark'][0] < 0.9 * results['light'][0]


def test_there_is_no_seam_between_seen_and_unseen():
    vertices = posed()
    colours, _ = TextureMemory(MODEL).update(picture('dark'), vertices, CAMERA, 'right', 0.95)
    a, b = RIGHT.edges.T
    step = np.abs(colours[a].astype(int) - colours[b]).max(1)
    true_step = np.abs(skin('dark')[a].astype(int) - skin('dark')[b]).max(1)
    where = well_seen(vertices)
    border = where[a] != where[b]
    assert np.percentile(step[border], 95) < np.percentile(true_step[border], 95) + 12, \
        f'95 % of the border steps are below {np.percentile(step[border], 95):.0f}, truly {np.percentile(true_step[border], 95):.0f}'


def test_an_object_in_front_of_the_hand_leaves_no_stain():
    vertices, truth = posed(), skin('default')
    memory, clean = TextureMemory(MODEL), TextureMemory(MODEL)
    spoilt = picture('default')
    u, v = CAMERA.project(vertices[MODEL.tip_vertices[2]]).astype(int)
    box = slice(v - 5, v + 90), slice(u - 45, u + 45)
    spoilt[box] = (20, 60, 200)
    for _ in range(3):
        got, _ = memory.update(spoilt, vertices, CAMERA, 'right', 0.95)
        want, _ = clean.update(picture('default'), vertices, CAMERA, 'right', 0.95)
    pixels = CAMERA.project(vertices)
    under = well_seen(vertices) & (np.abs(pixels - (u, v + 42)) < (43, 45)).all(1)
    assert under.sum() > 20
    error = np.abs(got[under].astype(int) - want[under]).mean()
    box_error = np.abs(want[under] - [20.0, 60, 200]).mean()
    assert error < 18, f'{error:.1f} of 255 steps under the box, {box_error:.0f} for the box itself (the pattern there is unknown)'
    assert truth.shape == got.shape


def test_a_change_of_brightness_goes_into_the_light_once_the_skin_is_known():
    memory, vertices = TextureMemory(MODEL, every=1), posed()
    for _ in range(40):
        before, dim = memory.update(picture('default'), vertices, CAMERA, 'right', 1.0)
    for _ in range(20):
        after, bright = memory.update(picture('default', 0.0, 0.6), vertices, CAMERA, 'right', 1.0)
    ratio = float(bright[0].mean() / dim[0].mean())
    assert abs(ratio - 0.6) < 0.08, f'the light went down to {ratio:.2f}, truly 0.60'
    drift = np.abs(after.astype(int) - before)[well_seen(vertices)].mean()
    assert drift < 6, f'the skin changed by {drift:.1f} steps'


def test_colours_lock_and_can_be_reset():
    memory, vertices = TextureMemory(MODEL, every=1), posed()
    memory.update(picture('default'), vertices, CAMERA, 'right', 1.0)
    assert memory.state.locked < 0.2
    for _ in range(60):
        locked, _ = memory.update(picture('default'), vertices, CAMERA, 'right', 1.0)
    assert memory.state.locked > 0.4, f'{100 * memory.state.locked:.0f} % locked after 60 views'
    for _ in range(10):
        other, _ = memory.update(picture('light'), vertices, CAMERA, 'right', 1.0)
    sure = well_seen(vertices) & (RIGHT.normals(vertices)[:, 2] < -0.8)
    assert np.abs(other[sure].astype(int) - locked[sure]).max() <= 6, 'a locked colour changed'
    memory.reset()
    assert memory.state.seen == 0 and memory.state.locked == 0
    new, _ = memory.update(picture('dark'), vertices, CAMERA, 'right', 1.0)
    assert new[sure].mean() < locked[sure].mean() - 20


def test_colours_do_not_flicker():
    memory = TextureMemory(MODEL)
    rng = np.random.default_rng(0)
    last, steps = None, []
    for frame in range(12):
        vertices = posed(0.02 * frame)
        noisy = np.clip(picture('default', 0.02 * frame).astype(int) + rng.normal(0, 6, (HEIGHT, WIDTH, 3)), 0, 255).astype(np.uint8)
        jitter = vertices + rng.normal(0, 0.001, 3).astype(np.float32)
        colours, light = memory.update(noisy, jitter, CAMERA, 'right', 0.9)
        shown = shaded(colours, RIGHT.normals(vertices), light).astype(int)
        if last is not None and frame > 3:
            steps.append(np.abs(shown - last)[well_seen(vertices)].mean())
        last = shown
    assert np.mean(steps) < 2.5, f'the drawn colours change by {np.mean(steps):.2f} steps a frame'


def test_after_the_first_frames_only_every_third_is_read():
    memory, vertices, changes, last = TextureMemory(MODEL), posed(), [], None
    for frame in range(24):
        colours, _ = memory.update(picture('default', 0.0, 0.7 + 0.01 * frame), vertices, CAMERA, 'right', 1.0)
        changes.append(colours is not last)
        last = colours
    assert all(changes[:8]) and sum(changes[8:]) == 6, f'read {sum(changes[8:])} of the last 16'


def test_once_the_tone_is_known_half_as_many_frames_are_read():
    memory, vertices, read = TextureMemory(MODEL), posed(), []
    while memory.hears_network:
        memory.update(picture('default'), vertices, CAMERA, 'right', 1.0)
    last = memory.update(picture('default'), vertices, CAMERA, 'right', 1.0)
    for _ in range(24):
        result = memory.update(picture('default'), vertices, CAMERA, 'right', 1.0)
        read.append(result is not last)
        last = result
    assert sum(read) == 4, f'{sum(read)} of 24 frames were read, not each sixth'


def test_a_left_hand_learns_as_a_right_one_does():
    vertices = posed()
    right, light = TextureMemory(MODEL).update(picture('default'), vertices, CAMERA, 'right', 0.95)
    flipped = np.ascontiguousarray(picture('default')[:, ::-1])
    left, other = TextureMemory(MODEL).update(flipped, mirror_points_3d(vertices), CAMERA, 'left', 0.95)
    assert np.abs(left.astype(int) - right).mean() < 1.5
    assert np.abs(other - light * np.array([1, -1, 1, 1])[:, None]).max() < 0.05, 'mirrored light comes from the other side'


def test_the_network_may_help_and_may_be_wrong():
    vertices, memory = posed(), TextureMemory(MODEL)
    network_light = np.array([0.8, 0.6, 1, 1, 1, 1, 1, 1, 0.3, 0.5, 0.8], np.float32)
    helped, _ = memory.update(picture('dark'), vertices, CAMERA, 'right', 0.95, skin('dark') / 255, network_light)
    assert pattern_error(helped, skin('dark'), well_seen(vertices)) < 0.12
    nonsense, light = TextureMemory(MODEL).update(
        picture('dark'), vertices, CAMERA, 'right', 0.95, np.full(vertices.shape, np.nan), np.full(11, np.nan))
    assert np.isfinite(light).all() and pattern_error(nonsense, skin('dark'), well_seen(vertices)) < 0.12


@pytest.mark.parametrize('case', ['black', 'white', 'grey', 'tiny', 'away', 'behind', 'no confidence'])
def test_hopeless_pictures_give_usable_colours(case):
    grey = np.repeat(picture('default').mean(2, keepdims=True).astype(np.uint8), 3, 2)
    image = {'black': grey * 0, 'white': grey * 0 + 255, 'grey': grey, 'tiny': np.full((8, 8, 3), 90, np.uint8)}.get(case)
    image = picture('default') if image is None else image
    vertices = posed() + np.float32({'away': (3, 0, 0), 'behind': (0, 0, -2)}.get(case, (0, 0, 0)))
    memory = TextureMemory(MODEL)
    for _ in range(3):
        colours, light = memory.update(image, vertices, CAMERA, 'right', 0.0 if case == 'no confidence' else 0.9)
    assert colours.shape == vertices.shape and colours.dtype == np.uint8 and light.shape == (4, 3) and np.isfinite(light).all()


def test_broken_vertices_are_refused():
    vertices = posed()
    with pytest.raises(ValueError, match='vertices'):
        TextureMemory(MODEL).update(picture('default'), vertices[:-1], CAMERA, 'right', 0.9)
    vertices[0, 0] = np.inf
    with pytest.raises(ValueError, match='finite'):
        TextureMemory(MODEL).update(picture('default'), vertices, CAMERA, 'right', 0.9)
