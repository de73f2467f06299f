"""The torch renderer: against pyrender, a z-buffer written out, numbers worked out by hand, and finite differences."""
from __future__ import annotations

import itertools
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from app.rendering import Mesh, Renderer
from app.types import Intrinsics
from models import coverage
from models.camera import FOCAL
from models.light import linear_to_srgb, srgb_to_linear
from models.renderer import lit, render
from tests.models.drawn_hands import SIZE

# pyrender by itself, in a process of its own, because it leaves OpenGL's state as it likes
PYRENDER = '''
import sys, numpy as np
from app.boot import import_pyrender
pyrender = import_pyrender()
from pyrender import RenderFlags as Flags
data = np.load(sys.argv[1])
size, focal = int(data['size']), float(data['focal'])
renderer, pictures, masks, depths = pyrender.OffscreenRenderer(size, size), [], [], []
for vertices, colours in zip(data['vertices'], data['colours']):
    opaque = np.concatenate([colours, np.ones_like(colours[:, :1])], 1)
    scene = pyrender.Scene(bg_color=[0, 0, 0, 0])
    node = scene.add(pyrender.Mesh([pyrender.Primitive(positions=vertices, indices=data['faces'], color_0=opaque, normals=vertices, mode=4,
                                                       material=pyrender.MetallicRoughnessMaterial())]))
    # its pixel edges lie at integers; its y points up and its z backwards
    scene.add(pyrender.IntrinsicsCamera(focal, focal, size / 2, size / 2, znear=0.1, zfar=2), pose=np.diag([1, -1, -1, 1]))
    colour, depth = renderer.render(scene, Flags.FLAT)
    pictures.append(colour[..., :3]), depths.append(depth)
    masks.append(renderer.render(scene, Flags.SEG, {node: (255, 255, 255)})[0][..., 0] > 127)
np.savez(sys.argv[2], colour=pictures, mask=masks, depth=depths)
'''


def ball(radius: float = 0.05, centre=(0.0, 0.0, 0.5), subdivisions: int = 4) -> tuple[Tensor, Tensor]:
    shape = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return torch.tensor(np.array(shape.vertices) + centre, dtype=torch.float32)[None], torch.tensor(np.array(shape.faces))


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def smooth_inside(depth: np.ndarray) -> np.ndarray:
    """Pixels away from outlines and from where a finger crosses something behind it: antialiasing mixes colours there."""
    window = np.ones((5, 5), np.uint8)
    far = np.where(depth > 0, depth, 10).astype(np.float32)
    return (depth > 0) & (cv2.dilate(far, window) - cv2.erode(far, window) < 0.012)


def test_pyrender_draws_the_same_hands(hand, hands, colours, pictures, root, tmp_path):
    np.savez(tmp_path / 'in.npz', vertices=hands, colours=colours, faces=hand.faces, size=SIZE, focal=FOCAL * SIZE)
    subprocess.run([sys.executable, '-c', PYRENDER, str(tmp_path / 'in.npz'), str(tmp_path / 'out.npz')], cwd=root, check=True, timeout=300)
    theirs = np.load(tmp_path / 'out.npz')
    for i in range(4):
        mask, depth = pictures.mask[i].numpy() > 0, pictures.depth[i].numpy()
        same = iou(mask, theirs['mask'][i])
        assert same > 0.999, f'hand {i}: masks overlap by {same:.5f}'
        inside = smooth_inside(depth)
        assert inside.sum() > 0.6 * mask.sum(), f'only {inside.sum() / mask.sum():.2f} of the hand is compared'
        apart = np.abs(pictures.colour[i].permute(1, 2, 0).numpy() - theirs['colour'][i] / 255)[inside]
        # 8 bits leave half a step; where fingers touch, pyrender's samples beside the pixel's middle may lie on another one
        mean, worst = 255 * apart.mean(), 255 * np.quantile(apart, 0.999)
        assert mean < 0.5 and worst < 4, f'hand {i}: colours are {mean:.2f} steps off, worst thousandth {worst:.1f}'
        off = np.abs(depth - theirs['depth'][i])[inside]
        assert np.quantile(off, 0.99) < 1e-3, f'hand {i}: depth {1000 * np.quantile(off, 0.99):.2f} mm off'


def test_the_overlay_draws_the_same_hands(hand, hands, colours, pictures):
    camera = Intrinsics(FOCAL * SIZE, FOCAL * SIZE, (SIZE - 1) / 2, (SIZE - 1) / 2)
    overlay = Renderer(SIZE, SIZE)
    for i in range(4):
        mesh = Mesh(hands[i].numpy(), hand.faces.numpy(), colours[i].numpy())
        same = iou(pictures.mask[i].numpy() > 0, overlay.silhouette([mesh], camera))
        assert same > 0.999, f'hand {i}: masks overlap by {same:.5f}'
        inside = smooth_inside(pictures.depth[i].numpy())
        apart = np.abs(pictures.colour[i].permute(1, 2, 0).numpy() - overlay.render([mesh], camera)[0] / 255)[inside]
        mean, worst = 255 * apart.mean(), 255 * np.quantile(apart, 0.999)
        assert mean < 0.5 and worst < 4, f'hand {i}: colours are {mean:.2f} steps off, worst thousandth {worst:.1f}'


def test_a_ball_is_lit_as_the_formula_says():
    radius, albedo, light = 0.05, (0.7, 0.5, 0.4), torch.tensor([[0.3, 0.5, 1, 0.9, 0.8, 0.8, 1, 1, 1, 2, 2.0]])
    vertices, faces = ball(radius, subdivisions=5)
    drawn = render(vertices, faces, lit(torch.tensor(albedo).expand_as(vertices), vertices, faces, light), size=96, focal=400)
    v, u = np.nonzero(drawn.mask[0].numpy())
    z = drawn.depth[0].numpy()[v, u]
    normal = (np.stack([(u - 47.5) * z / 400, (v - 47.5) * z / 400, z], 1) - (0, 0, 0.5)) / radius
    facing = np.clip(-normal @ np.array([1, 2, 2]) / 3, 0, None)  # the light travels right, down and away from the camera
    linear = srgb_to_linear(torch.tensor(albedo)).numpy() * (0.3 * np.array([1, 0.9, 0.8]) + 0.5 * np.array([0.8, 1, 1]) * facing[:, None])
    wanted = linear_to_srgb(torch.tensor(linear.clip(0, 1))).numpy()
    apart = np.abs(drawn.colour[0].permute(1, 2, 0).numpy()[v, u] - wanted)
    assert facing.max() > 0.99 and apart.max() < 0.01, f'{255 * apart.max():.1f} steps off; the ball is a polyhedron'


def brute_force(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray, size: int, focal: float) -> tuple[np.ndarray, ...]:
    """Every pixel against every face by the intersection of its ray with the face's plane, in space."""
    colour, depth, seen = np.zeros((3, size, size)), np.full((size, size), np.inf), np.full((size, size), -1)
    for y, x in itertools.product(range(size), repeat=2):
        ray = np.array([(x - (size - 1) / 2) / focal, (y - (size - 1) / 2) / focal, 1])
        for f, corners in enumerate(faces):
            weights = np.linalg.solve(vertices[corners].T, ray)  # ray = sum of weights * corners
            if (weights >= 0).all() and 1 / weights.sum() < depth[y, x]:
                depth[y, x], seen[y, x] = 1 / weights.sum(), f
                colour[:, y, x] = weights @ colours[corners] / weights.sum()
    return colour, np.where(seen >= 0, depth, 0), seen


def made_triangles(seed: int = 0, count: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    """Triangles in space that cross and hide each other: vertices (1, 3 count, 3), faces, colours."""
    rng = np.random.default_rng(seed)
    centre = np.repeat(rng.uniform((-0.05, -0.05, 0.4), (0.05, 0.05, 0.8), (count, 3)), 3, 0)
    vertices = torch.tensor(centre + rng.normal(0, 0.05, (3 * count, 3)))[None]
    return vertices, torch.arange(3 * count).view(count, 3), torch.tensor(rng.random((1, 3 * count, 3)))


@pytest.mark.parametrize('seed', range(3))
def test_each_pixel_shows_where_its_ray_first_meets_a_face(seed):
    vertices, faces, colours = made_triangles(seed)
    colour, depth, seen = brute_force(vertices[0].numpy(), faces.numpy(), colours[0].numpy(), 32, 90.0)
    drawn = render(vertices, faces, colours, size=32, focal=90.0, both_sides=True)
    assert (seen >= 0).sum() > 100, 'too little is drawn to say anything'
    assert (drawn.face[0].numpy() == seen).all(), f'{(drawn.face[0].numpy() != seen).sum()} pixels show another face'
    for name, ours, theirs in (('colour', drawn.colour[0], colour), ('depth', drawn.depth[0], depth)):
        off = np.abs(ours.numpy() - theirs).max()
        assert off < 1e-9, f'{name} is {off:.2e} off'


def test_colours_are_linear_on_the_face_not_in_the_picture():
    # an edge from x = -8 px at 1 m (black) to x = +8 px at 3 m (white): the pixel in the middle is at 1.5 m, a quarter of the way
    vertices = torch.tensor([[[-0.8, -1, 1], [-0.8, 1, 1], [2.4, -3, 3], [2.4, 3, 3.0]]])
    faces, colours = torch.tensor([[0, 1, 2], [2, 1, 3]]), torch.tensor([0, 0, 1, 1.0]).view(1, 4, 1)
    drawn = render(vertices, faces, colours, size=21, focal=10.0)
    assert float(drawn.colour[0, 0, 10, 10]) == pytest.approx(0.25, abs=1e-5)
    assert float(drawn.depth[0, 10, 10]) == pytest.approx(1.5, abs=1e-5)


def test_a_face_has_its_own_colour_and_two_channels_will_do():
    vertices = torch.tensor([[[-1, -1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, 1.0]]])
    drawn = render(vertices, torch.tensor([[0, 1, 2], [2, 1, 3]]), face_colours=torch.tensor([[[0.1, 0.2], [0.3, 0.4]]]), size=8, focal=4.0)
    assert drawn.colour.shape == (1, 2, 8, 8)
    wanted = torch.tensor([[0.1, 0.2], [0.3, 0.4]])[drawn.face[0]].permute(2, 0, 1)
    assert torch.equal(drawn.colour[0], wanted) and sorted(drawn.face.unique().tolist()) == [0, 1]


def test_of_two_faces_in_one_place_the_first_is_seen():
    vertices = torch.tensor([[[-1, -1, 1], [-1, 1, 1], [1, -1, 1.0]]])
    assert set(render(vertices, torch.tensor([[0, 1, 2], [0, 1, 2]]), size=8, focal=4.0).face.unique().tolist()) == {-1, 0}


def test_faces_are_drawn_from_outside_only_unless_asked():
    vertices = torch.tensor([[[-1, -1, 1], [-1, 1, 1], [1, -1, 1.0]]])
    away = torch.tensor([[0, 2, 1]])
    assert render(vertices, away, size=8, focal=4.0).mask.sum() == 0
    assert render(vertices, away, size=8, focal=4.0, both_sides=True).mask.sum() > 10


@pytest.mark.parametrize('subdivisions, size', [(0, 64), (3, 64), (5, 48)])
def test_a_closed_surface_has_no_holes(subdivisions, size):
    rng = np.random.default_rng(subdivisions)
    vertices, faces = ball(subdivisions=subdivisions)
    many = torch.cat([vertices + torch.tensor(rng.normal(0, 0.003, 3), dtype=torch.float32) for _ in range(20)])
    whole = render(many, faces, size=size, focal=3.0 * size).mask.numpy().astype(np.uint8)
    for mask in whole:
        outside = cv2.connectedComponents(1 - mask, connectivity=4)[0] - 1
        assert mask.sum() > 200 and outside == 1, f'{outside - 1} holes'


def test_a_grid_whose_vertices_lie_on_pixels_is_covered_once_and_whole():
    steps = torch.arange(-10, 11) / 10.0
    y, x = torch.meshgrid(steps, steps, indexing='ij')
    vertices = torch.stack([x, y, torch.ones_like(x)], 2).view(1, -1, 3)
    at = torch.arange(441).view(21, 21)
    a, b, c, d = (k.flatten() for k in (at[:-1, :-1], at[1:, :-1], at[:-1, 1:], at[1:, 1:]))
    drawn = render(vertices, torch.cat([torch.stack([a, b, c], 1), torch.stack([c, b, d], 1)]), size=25, focal=10.0)
    assert drawn.mask.sum() == 21 * 21 and drawn.mask[0, 2:23, 2:23].all()


def test_a_batch_is_its_pictures_one_by_one(hand, hands, colours, pictures):
    for i in range(4):
        one = render(hands[i:i + 1], hand.faces, colours[i:i + 1], size=SIZE, focal=FOCAL * SIZE)
        for name in ('colour', 'mask', 'silhouette', 'depth', 'face'):
            assert torch.equal(getattr(one, name)[0], getattr(pictures, name)[i]), f'{name} of hand {i} depends on the batch'


def test_work_in_pieces_gives_the_same_picture(hand, hands, colours, pictures, monkeypatch):
    monkeypatch.setattr(coverage, 'CHUNK', 5000)
    pieces = render(hands, hand.faces, colours, size=SIZE, focal=FOCAL * SIZE)
    assert all(torch.equal(getattr(pieces, k), getattr(pictures, k)) for k in ('colour', 'silhouette', 'depth', 'face'))


def test_intrinsics_and_a_picture_that_is_not_square(hand, hands, colours, pictures):
    k = torch.tensor([[FOCAL * SIZE, 0, (SIZE - 1) / 2 - 30], [0, FOCAL * SIZE, (SIZE - 1) / 2 - 20], [0, 0, 1]])
    part = render(hands, hand.faces, colours, size=(150, 190), intrinsics=k.expand(4, 3, 3))
    differ = (part.mask != pictures.mask[:, 20:170, 30:220]).float().mean()
    assert part.colour.shape == (4, 3, 150, 190) and differ < 1e-4, f'{differ:.5f} of the pixels differ from the cut picture'


def test_half_the_size_shows_the_same_places(hand, hands, colours):
    large = render(hands, hand.faces, colours, size=SIZE, focal=FOCAL * SIZE, soft=False)
    small = render(hands, hand.faces, colours, size=SIZE // 2, focal=FOCAL * SIZE // 2, soft=False)
    # u' = (u + 0.5) / 2 - 0.5: a small pixel is the middle of four large ones
    mean = torch.nn.functional.avg_pool2d(large.mask, 2)
    sure = (mean == 0) | (mean == 1)
    off = (small.mask - mean)[sure].abs().mean()
    assert off < 2e-3, f'{off:.4f} of the pixels that are clearly in or out are not so at half the size'


def test_gradients_are_those_of_finite_differences():
    for seed in range(3):
        vertices, faces, colours = made_triangles(seed, 3)
        intrinsics = torch.tensor([[70.0, 0, 13.2], [0, 66, 11.1], [0, 0, 1]], dtype=torch.float64)[None]
        rng = torch.Generator().manual_seed(seed)

        def out(v: Tensor, c: Tensor) -> Tensor:
            drawn = render(v, faces, c, size=24, intrinsics=intrinsics, both_sides=True)
            return torch.stack([(w * k).sum() for w, k in zip(weights, (drawn.colour, drawn.silhouette, drawn.depth))])

        inputs = vertices.requires_grad_(), colours.requires_grad_()
        weights = [torch.randn(shape, generator=rng, dtype=torch.float64) for shape in ((3, 24, 24), (24, 24), (24, 24))]
        exact = torch.autograd.functional.jacobian(out, inputs)
        for which in range(2):
            way = torch.randn(inputs[which].shape, generator=rng, dtype=torch.float64)
            up, down = ([k + sign * 1e-7 * way if i == which else k for i, k in enumerate(inputs)] for sign in (1, -1))
            with torch.no_grad():
                numeric = (out(*up) - out(*down)) / 2e-7
            along = (exact[which] * way).flatten(1).sum(1)
            off = ((numeric - along).abs() / along.abs().clamp(min=1e-3)).max()
            assert (along[:1] if which else along).abs().min() > 0.1, f'seed {seed}: no gradient to speak of, {along}'
            assert off < 1e-5, f'seed {seed}: gradients to input {which} are off by {off:.1e}'


def gradients_of_all(vertices: Tensor, faces: Tensor, size: int = 32) -> tuple:
    vertices = vertices.clone().requires_grad_()
    colours = torch.rand(vertices.shape).requires_grad_()
    drawn = render(vertices, faces, colours, size=size, focal=FOCAL * size)
    (drawn.colour.sum() + drawn.silhouette.sum() + drawn.depth.sum()).backward()
    return drawn, vertices.grad, colours.grad


@pytest.mark.parametrize('place', [(0, 0, -1.2), (5, 0, 0), (0, 0, -0.6), (0, -3, 0.3)])
def test_a_hand_out_of_sight_gives_zeros_and_gradients_of_zero(hand, hands, place):
    drawn, *gradients = gradients_of_all(hands[:2] + torch.tensor(place), hand.faces)
    if place != (0, 0, -0.6):
        for name in ('colour', 'mask', 'silhouette', 'depth'):
            assert not getattr(drawn, name).any(), f'{name} is not empty'
        assert (drawn.face == -1).all() and not any(g.any() for g in gradients)
    assert all(torch.isfinite(g).all() for g in gradients), 'a camera inside of the hand must do no harm'


@pytest.mark.parametrize('depth', [-0.5, 0.0, 0.005, 0.0099])
def test_a_face_with_a_corner_behind_or_nearer_than_a_centimetre_is_not_drawn(depth):
    faces, vertices = torch.tensor([[0, 1, 2]]), torch.tensor([[[-0.5, -0.5, 1], [-0.5, 0.5, 1], [0.5, 0.0, 1.0]]])
    assert render(vertices, faces, size=16, focal=16.0, both_sides=True).mask.any(), 'the face cannot be seen at all'
    vertices[0, 2] *= depth
    assert not render(vertices, faces, size=16, focal=16.0, both_sides=True).mask.any(), f'drawn with a corner at {depth} m'


def test_a_surface_that_fills_the_picture_has_no_outline():
    vertices = torch.tensor([[[-1, -1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, 1.0]]]) * 5
    drawn, *gradients = gradients_of_all(vertices, torch.tensor([[0, 1, 2], [2, 1, 3]]))
    assert drawn.mask.all() and (drawn.silhouette == 1).all() and all(torch.isfinite(g).all() for g in gradients)


def test_gradients_stay_finite_on_degenerate_faces():
    rng = torch.Generator().manual_seed(0)
    vertices = torch.randn(8, 300, 3, generator=rng) * torch.tensor([0.1, 0.1, 0.001]) + torch.tensor([0, 0, 0.5])
    vertices[:, 100:200] = vertices[:, :100] + 1e-7 * torch.randn(8, 100, 3, generator=rng)  # slivers and points
    faces = torch.randint(0, 300, (400, 3), generator=rng)
    _, *gradients = gradients_of_all(vertices, faces)
    assert all(torch.isfinite(g).all() for g in gradients)
    assert gradients[0].abs().max() < 1e6, f'{gradients[0].abs().max():.1e}'


def test_numbers_that_are_not_finite_are_refused_with_their_rows(hand, hands, colours):
    spoilt = hands.clone()
    spoilt[2, 5, 1] = torch.nan
    with pytest.raises(ValueError, match=r'vertices.*\[2\]'):
        render(spoilt, hand.faces, colours, size=16, focal=40.0)
    with pytest.raises(ValueError, match=r'colours.*\[0, 1, 2, 3\]'):
        render(hands, hand.faces, colours * torch.inf, size=16, focal=40.0)


@pytest.mark.parametrize('change', [{'focal': None}, {'intrinsics': torch.eye(3)}, {'colours': torch.zeros(4, 3, 3)},
                                    {'vertices': torch.zeros(4, 2)}, {'face_colours': torch.zeros(4, 7, 3)}])
def test_calls_that_do_not_fit_are_refused(hand, hands, colours, change):
    call = {'vertices': hands, 'faces': hand.faces, 'colours': colours, 'size': 16, 'focal': 40.0} | change
    with pytest.raises(ValueError):
        render(**call)


def test_autocast_does_not_coarsen_the_picture(hand, hands, colours, pictures):
    with torch.autocast('cpu', torch.bfloat16):
        drawn = render(hands, hand.faces, colours, size=SIZE, focal=FOCAL * SIZE)
    assert drawn.colour.dtype == torch.float32 and torch.equal(drawn.colour, pictures.colour)


def test_what_was_kept_while_evaluating_serves_in_training(hand, hands):
    faces = hand.faces.clone()
    with torch.inference_mode():
        render(hands, faces, size=32, focal=FOCAL * 32)
    drawn, gradient, _ = gradients_of_all(hands, faces)
    assert torch.isfinite(gradient).all() and gradient.any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason='this machine has no CUDA GPU')
def test_cuda_draws_the_same_picture_bit_for_bit(hand, hands, colours, pictures):
    there = render(hands.cuda(), hand.faces.cuda(), colours.cuda(), size=SIZE, focal=FOCAL * SIZE)
    assert torch.equal(there.face.cpu(), pictures.face)
    for name in ('colour', 'silhouette', 'depth'):
        off = (getattr(there, name).cpu() - getattr(pictures, name)).abs().max()
        assert off < 1e-5, f'{name} is {off:.1e} off'
    gradients = []
    for device in ('cpu', 'cuda'):
        v, c = (k.to(device).clone().requires_grad_() for k in (hands, colours))
        drawn = render(v, hand.faces.to(device), c, size=SIZE, focal=FOCAL * SIZE)
        (drawn.colour.mean() + drawn.silhouette.mean()).backward()
        gradients.append(torch.cat([v.grad.cpu().flatten(), c.grad.cpu().flatten()]))
    off = (gradients[0] - gradients[1]).abs().max() / gradients[0].abs().max()
    assert off < 1e-3, f'gradients are {off:.1e} of the largest off'
