"""The off-screen renderer: where things land, what colour they get, what hides what, and what it refuses."""
from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

from app.hand_model import HandModel
from app.mirror import mirror_intrinsics, mirror_points_3d
from app.rendering import Mesh, Renderer, composite
from app.rendering import context as context_module
from app.rendering import device, software
from app.types import Intrinsics

WIDTH, HEIGHT = 320, 240
CAMERA = Intrinsics(300.0, 300.0, 150.25, 110.5)


def ball(centre=(0.0, 0.0, 0.5), radius=0.05, colour=(200, 120, 40), subdivisions=4) -> Mesh:
    shape = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return Mesh(np.asarray(shape.vertices) + centre, np.asarray(shape.faces), np.tile(np.uint8(colour), (len(shape.vertices), 1)))


@pytest.fixture(scope='module', params=['opengl', 'processor'], autouse=True)
def drawn_by(request) -> Iterator[str]:
    """All of it holds with OpenGL and without."""
    kept = device._drawing
    device._drawing = device._Drawing() if request.param == 'opengl' else software.draw
    yield request.param
    device._drawing = kept


@pytest.fixture(scope='module')
def renderer() -> Renderer:
    return Renderer(WIDTH, HEIGHT)


@pytest.fixture(scope='module')
def hand() -> Mesh:
    model = HandModel.load()
    pose = np.zeros((16, 3))
    pose[0] = 0, np.pi, 0.3
    pose[4:7, 0] = -0.6
    vertices = model.posed(pose, np.zeros(10))[0] + (0.02, 0.06, 0.45)
    return Mesh(vertices, model.faces, (model.albedo * 255).astype(np.uint8))


def test_a_ball_lands_where_the_camera_says_with_pixel_centres_at_integers(renderer):
    off, share = [], []
    true = np.pi * (CAMERA.fx * 0.05 / np.sqrt(0.5**2 - 0.05**2)) ** 2
    for shift in np.arange(8) / 8:  # one disc of pixels has a centre only to within a tenth
        camera = Intrinsics(CAMERA.fx, CAMERA.fy, CAMERA.cx + shift, CAMERA.cy + shift / 3)
        v, u = np.nonzero(renderer.silhouette([ball()], camera))
        off.append((u.mean() - camera.cx, v.mean() - camera.cy))
        share.append(len(u) / true)
    off = np.abs(np.mean(off, 0)).max()
    assert off < 0.05, f'centre off by {off:.3f} px; half a pixel would be a wrong convention'
    error = abs(np.mean(share) - 1)
    assert error < 0.01, f'area off by {100 * error:.2f} %; the ball is a polyhedron'


def test_colours_are_drawn_as_given(renderer):
    rgb, alpha = renderer.render([ball()], CAMERA)
    inside = alpha == 255
    assert inside.sum() > 2000
    worst = np.abs(rgb[inside].astype(int) - (200, 120, 40)).max()
    assert worst <= 1, f'a flat colour comes out {worst} steps off'


def test_there_is_no_dark_outline(renderer):
    rgb, alpha = renderer.render([ball()], CAMERA)
    edge = (alpha > 40) & (alpha < 255)
    assert edge.sum() > 50, 'no pixel of the edge is partly covered'
    worst = np.abs(rgb[edge].astype(int) - (200, 120, 40)).max()
    assert worst <= 4, f'colours at the edge are {worst} steps off the surface (8-bit alpha allows about 3)'


def test_edges_are_as_smooth_as_eight_samples_along_a_side(renderer, hand):
    fine = Renderer(WIDTH, HEIGHT, 8).render([hand], CAMERA)[1].astype(float)
    soft, hard = (renderer.layer([hand], CAMERA, soft=s) for s in (True, False))

    def error(layer) -> float:
        alpha = np.zeros((HEIGHT, WIDTH))
        alpha[layer.y:layer.y + layer.alpha.shape[0], layer.x:layer.x + layer.alpha.shape[1]] = layer.alpha
        # the feather lies wholly outside the outline, so compare shapes of the ramp: its roughness along the edge
        return float(np.abs(cv2.Laplacian(alpha, cv2.CV_64F)).sum())

    reference = error(renderer_layer(fine))
    assert error(soft) < 0.75 * error(hard), f'edges: {error(soft):.0f} against {error(hard):.0f} without antialiasing'
    assert error(soft) < 1.35 * reference, f'edges: {error(soft):.0f} against {reference:.0f} with 64 samples a pixel'


def test_the_corners_of_a_coarse_mesh_are_rounded_at_its_outline(renderer):
    coarse, fine = ball(subdivisions=2), ball(subdivisions=5)
    sharp, curved, true = (renderer.layer([mesh], CAMERA).alpha.sum() for mesh in (coarse, replace(coarse, curved=True), fine))
    missing, before = 1 - curved / true, 1 - sharp / true
    assert 0 <= missing < 0.7 * before, f'{100 * missing:.2f} % of the disc is missing, {100 * before:.2f} % of the polygon'


def renderer_layer(alpha: np.ndarray):
    from app.rendering import Layer

    return Layer(np.zeros((*alpha.shape, 3), np.uint8), alpha, 0, 0)


def test_a_background_shows_through_where_nothing_was_drawn_and_is_not_written_to(renderer):
    background = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    kept = background.copy()
    rgb, alpha = renderer.render([ball()], CAMERA, background)
    assert (background == kept).all()
    assert (rgb[alpha == 0] == kept[alpha == 0]).all()


def test_the_nearer_mesh_hides_the_farther_in_either_order(renderer):
    near, far = ball((0.01, 0, 0.4), colour=(255, 0, 0)), ball((-0.01, 0, 0.6), colour=(0, 0, 255))
    one, two = renderer.render([near, far], CAMERA)[0], renderer.render([far, near], CAMERA)[0]
    at = tuple(np.round(CAMERA.project(np.array([0.01, 0, 0.4]))).astype(int)[::-1])
    assert tuple(one[at]) == (255, 0, 0)
    changed = (one != two).any(2).mean()
    assert changed < 0.002, f'{100 * changed:.2f} % of the pixels depend on the order; only blended edges may'


def test_interpenetrating_meshes_meet_where_they_cut(renderer):
    left, right = ball((-0.02, 0, 0.5), colour=(255, 0, 0)), ball((0.02, 0, 0.5), colour=(0, 0, 255))
    rgb = renderer.render([left, right], CAMERA)[0]
    row = rgb[round(CAMERA.cy)]
    boundary = np.nonzero(row[:, 2] > row[:, 0])[0].min()
    assert abs(boundary - CAMERA.cx) <= 1.5, f'the cut lies at {boundary}, not at {CAMERA.cx}'


def test_a_left_hand_is_the_mirror_image_of_the_right(renderer, hand):
    right = renderer.silhouette([hand], CAMERA)
    left = renderer.silhouette([Mesh(mirror_points_3d(hand.vertices), hand.faces[:, ::-1], hand.colours)], mirror_intrinsics(CAMERA, WIDTH))
    differ = (left[:, ::-1] != right).sum()
    assert differ <= 0.005 * right.sum(), f'{differ} of {right.sum()} pixels differ'


def test_a_hand_half_out_of_the_picture_is_the_cut_of_the_whole(hand):
    whole = Renderer(WIDTH, HEIGHT).render([hand], CAMERA)[0]
    moved = Intrinsics(CAMERA.fx, CAMERA.fy, CAMERA.cx - 160, CAMERA.cy - 100)
    part = Renderer(WIDTH - 160, HEIGHT - 100).render([hand], moved)[0]
    worst = np.abs(part.astype(int) - whole[100:, 160:]).mean()
    assert worst < 0.2, f'mean difference {worst:.3f} steps'


@pytest.mark.parametrize('centre', [(5, 0, 0.5), (0, -5, 0.5), (0, 0, -0.5)])
def test_nothing_is_drawn_of_what_is_out_of_sight(renderer, centre):
    rgb, alpha = renderer.render([ball(centre)], CAMERA)
    assert not rgb.any() and not alpha.any()
    assert not renderer.layer([], CAMERA).alpha.size


def test_a_mesh_that_reaches_behind_the_camera_is_drawn_and_does_no_harm(renderer):
    alpha = renderer.render([ball((0.03, 0, 0.02), 0.05)], CAMERA)[1]
    assert alpha.shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize('spoil', ['vertices', 'colours', 'short colours', 'faces', 'no faces'])
def test_broken_meshes_are_refused(renderer, spoil):
    mesh = ball(subdivisions=1)
    vertices, faces, colours = mesh.vertices.copy(), mesh.faces.copy(), mesh.colours / 255
    if spoil == 'vertices':
        vertices[3, 1] = np.nan
    elif spoil == 'colours':
        colours[0, 0] = np.inf
    elif spoil == 'short colours':
        colours = colours[:-1]
    elif spoil == 'faces':
        faces[0, 0] = len(vertices)
    else:
        faces = faces[:0]
    with pytest.raises(ValueError):
        renderer.render([Mesh(vertices, faces, colours)], CAMERA)


@pytest.mark.parametrize('size', [(64, 48), (3840, 2160), (1, 1), (64, 64), (641, 479)])
def test_any_picture_size_works_one_after_the_other(size, hand):
    camera = Intrinsics.from_field_of_view(*size)
    rgb, alpha = Renderer(*size).render([hand], camera)
    assert rgb.shape == (size[1], size[0], 3) and alpha.shape == (size[1], size[0])
    share = (alpha > 127).mean()
    assert size == (1, 1) or 0.02 < share < 0.4, f'the hand covers {100 * share:.1f} % of the picture'


def test_lines_are_thin_and_the_far_side_stays_hidden(renderer):
    mesh = ball(subdivisions=2)
    lines = Mesh(mesh.vertices, mesh.faces, mesh.colours, line_width=1.0)
    alpha = renderer.render([lines], CAMERA)[1]
    filled = renderer.silhouette([mesh], CAMERA)
    share = (alpha[filled] > 127).mean()
    assert 0.1 < share < 0.6, f'lines cover {100 * share:.0f} % of the ball'
    both = renderer.render([lines, ball((0, 0, 0.7), 0.04, (0, 255, 0))], CAMERA)[0]
    assert (both[filled & (alpha > 200)][:, 1] < 140).all(), 'a ball behind shines through the lines'


def test_pictures_can_be_drawn_in_several_threads():
    results, expected = {}, Renderer(WIDTH, HEIGHT).render([ball()], CAMERA)[0]

    def work(number: int) -> None:
        results[number] = [Renderer(WIDTH, HEIGHT).render([ball()], CAMERA)[0] for _ in range(5)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == 3 and all((picture == expected).all() for pictures in results.values() for picture in pictures)


def test_the_processor_draws_what_opengl_draws(hand):
    front = ball((0.02, 0.02, 0.4), 0.02, colour=(60, 90, 220))
    lines = Mesh(hand.vertices, hand.faces, hand.colours, 0.8, line_width=1.2, ground=(0.1, 0.1, 0.2, 0.4))
    for name, meshes, most in (('hand', [hand], 0.1), ('hand behind a ball', [hand, front], 0.1), ('lines', [lines], 0.8)):
        points: list = []

        def both(*arguments) -> np.ndarray:
            points.append(arguments)
            return software.draw(*arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(device, '_drawing', both)
            Renderer(WIDTH, HEIGHT).layer(meshes, CAMERA)
        one, other = device._Drawing()(*points[0]).astype(int), software.draw(*points[0]).astype(int)
        a, b = one[..., 3] > 127, other[..., 3] > 127
        iou, colour = (a & b).sum() / (a | b).sum(), np.abs(one - other)[a | b].mean()
        assert name == 'lines' or iou >= 0.998, f'{name}: overlap {iou:.4f}'
        assert colour <= most, f'{name}: colours differ by {colour:.2f} steps on average; {most} is allowed'


def test_drawing_loads_little_and_leaves_the_real_pyrender_to_others():
    code = ('import sys, numpy as np\nfrom app.rendering import Mesh, Renderer, device\nfrom app.types import Intrinsics\n'
            'mesh = Mesh(np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1.0]]), np.array([[0, 1, 2]]), np.ones((3, 3)))\n'
            'print(Renderer(64, 48).layer([mesh], Intrinsics.from_field_of_view(64, 48)).alpha.any())\n'
            'print([name for name in ("pyrender", "trimesh", "scipy") if name in sys.modules])\n'
            'from app.boot import import_pyrender\nprint(hasattr(import_pyrender(), "Scene"))')
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert result.stdout.split('\n')[:3] == ['True', '[]', 'True'], result.stdout + result.stderr


def test_without_opengl_one_sentence_says_what_to_install(monkeypatch):
    def missing():
        raise ImportError('Unable to load EGL library')

    monkeypatch.setattr(context_module, '_platform_class', missing)
    monkeypatch.setattr(device, 'context', context_module._Context())
    monkeypatch.setattr(device, '_drawing', device._Drawing())
    assert device.note() == '', 'nothing was drawn yet'
    for _ in range(2):
        alpha = Renderer(WIDTH, HEIGHT).layer([ball()], CAMERA).alpha
        assert (alpha == 255).sum() > 2000, 'without OpenGL nothing was drawn'
    assert 'by the processor' in device.note() and 'EGL' in device.note() and 'install' in device.note() and '\n' not in device.note()


@pytest.mark.skipif(sys.platform != 'linux', reason='EGL is only used on Linux')
@pytest.mark.parametrize('how', ['no driver', 'asked for'])
def test_a_program_on_a_machine_without_opengl_draws_and_says_so(tmp_path, drawn_by, how):
    if drawn_by == 'processor':
        pytest.skip('the same in both')
    code = ('import numpy as np\nfrom app.rendering import Mesh, Renderer, device\nfrom app.types import Intrinsics\n'
            'mesh = Mesh(np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1.0]]), np.array([[0, 1, 2]]), np.ones((3, 3)))\n'
            'print(Renderer(64, 48).layer([mesh], Intrinsics.from_field_of_view(64, 48)).alpha.any(), device.note())')
    extra = {'S2HAND_DRAW': 'software'} if how == 'asked for' else {'__EGL_VENDOR_LIBRARY_FILENAMES': str(tmp_path / 'none.json')}
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2],
                            env={**os.environ, **extra})
    expected = ['S2HAND_DRAW'] if how == 'asked for' else ['EGL finds no driver', 'apt-get install']
    assert result.stdout.startswith('True Hands are drawn by the processor') and all(part in result.stdout for part in expected), \
        result.stdout + result.stderr


def test_compositing_with_half_opacity_is_half_way(renderer):
    layer = renderer.layer([ball()], CAMERA)
    image = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    composite(image, layer, 0.5)
    middle = image[round(CAMERA.cy), round(CAMERA.cx)].astype(int)
    assert np.abs(middle - (150, 110, 70)).max() <= 1, f'{middle} instead of (150, 110, 70)'
