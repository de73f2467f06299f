"""The truth beside a rendered picture is the picture's truth."""
from __future__ import annotations

import numpy as np
import pytest

from app.crop import to_crop
from app.crop_camera import crop_to_frame_rotation, wrist_in_frame
from app.rotations import axis_angle_to_matrix
from app.types import Crop, Intrinsics
from training.backgrounds import Backgrounds, free_strips, room
from training.rasteriser import rasterise
from training.renders import FOCAL, SIZE, RenderSampler, main, stacked
from training.shading import Light, linear_to_srgb, shadow_lookup, srgb_to_linear

COUNT = 24


@pytest.fixture(scope='module')
def sampler() -> RenderSampler:
    return RenderSampler()


@pytest.fixture(scope='module')
def rows(sampler) -> dict[str, np.ndarray]:
    return stacked([sampler.sample(np.random.default_rng((9, k))) for k in range(COUNT)])


def camera_of(row: np.ndarray) -> Intrinsics:
    return Intrinsics(*(float(v) for v in row), True)


def test_rows_have_the_shapes_and_types_that_are_promised(sampler, rows):
    model = sampler.model
    shapes = {
        'image': (SIZE, SIZE, 3), 'pose': (16, 3), 'shape': (10,), 'translation': (3,), 'joints_3d': (21, 3), 'joints_2d': (21, 2),
        'albedo': (len(model.template), 3), 'light': (11,), 'skin': (len(model.skin_sigma),), 'visible': (21,), 'camera_pose0': (3,),
        'camera_translation': (3,), 'camera_intrinsics': (4,), 'crop': (2, 3), 'gesture': (), 'view': ()}
    assert {k: v.shape[1:] for k, v in rows.items()} == shapes
    assert rows['image'].dtype == np.uint8 and all(v.dtype == np.float32 for k, v in rows.items() if k not in ('image', 'gesture', 'view'))
    assert all(np.isfinite(v).all() for v in rows.values() if v.dtype == np.float32)


def test_the_model_in_the_real_camera_falls_on_the_2d_joints(sampler, rows):
    worst = 0.0
    for k in range(COUNT):
        pose = rows['pose'][k].copy()
        pose[0] = rows['camera_pose0'][k]
        joints = sampler.model.joints(pose, rows['shape'][k]) + rows['camera_translation'][k]
        pixels = to_crop(camera_of(rows['camera_intrinsics'][k]).project(joints), Crop(rows['crop'][k], SIZE, False))
        worst = max(worst, np.abs(pixels - rows['joints_2d'][k]).max())
    assert worst < 0.05, f'{worst:.3f} px between the model in the real camera and joints_2d (float32 allows 0.05)'


def test_the_model_in_the_canonical_camera_is_joints_3d(sampler, rows):
    again = np.array([sampler.model.joints(pose, shape) for pose, shape in zip(rows['pose'], rows['shape'])]) + rows['translation'][:, None]
    errors = np.abs(again - rows['joints_3d']).max((1, 2))
    assert max(errors) < 1e-5, f'{1e3 * max(errors):.4f} mm between pose, shape, translation and joints_3d (rounding allows 0.01)'


def test_the_canonical_camera_sees_the_wrist_in_the_same_place_and_the_joints_nearly(rows):
    flat = rows['joints_3d'][..., :2] / rows['joints_3d'][..., 2:] * FOCAL + (SIZE - 1) / 2
    apart = np.linalg.norm(flat - rows['joints_2d'], axis=2)
    assert apart[:, 0].max() < 0.05, f'the wrist is {apart[:, 0].max():.3f} px off; it must be exact'
    depths = rows['joints_3d'][..., 2] - rows['translation'][:, None, 2]
    same = np.abs(rows['camera_translation'][:, 2] - rows['translation'][:, 2]) < 0.1  # cameras at like distances have like perspectives
    assert np.median(apart) < 5 and np.median(apart[same]) < 1.5, (
        f'median {np.median(apart):.2f} px over all, {np.median(apart[same]):.2f} px where the real camera is as far as the canonical one; '
        f'depths up to {np.abs(depths).max():.2f} m explain the rest')


def test_the_program_finds_the_real_camera_again_from_the_canonical_one(rows):
    for k in range(COUNT):
        camera, crop = camera_of(rows['camera_intrinsics'][k]), Crop(rows['crop'][k].astype(float), SIZE, False)
        wrist = wrist_in_frame(rows['translation'][k], 1.0, FOCAL, crop, camera)
        assert np.abs(wrist - rows['camera_translation'][k]).max() < 1e-4, f'the wrist is {wrist}, not {rows["camera_translation"][k]}'
        turned = crop_to_frame_rotation(crop, camera) @ axis_angle_to_matrix(rows['pose'][k, 0])
        assert np.abs(turned - axis_angle_to_matrix(rows['camera_pose0'][k])).max() < 1e-4


def test_the_drawn_hand_covers_the_projected_joints(sampler):
    inside, total = 0, 0
    for k in range(12):
        random = np.random.default_rng((3, k))
        camera = Intrinsics.from_field_of_view(320, 240, 60.0)
        hand = sampler.hand(random, camera, (320, 240), (0.3, 0.5))
        points = np.concatenate([camera.project(hand.vertices), hand.vertices[:, 2:]], 1)
        mask = rasterise(points, sampler.model.faces, 320, 240).mask(320, 240)
        x, y = np.round(camera.project(hand.joints)).astype(int).T
        near = [mask[max(b - 1, 0):b + 2, max(a - 1, 0):a + 2].any() for a, b in zip(x, y)]
        inside, total = inside + sum(near), total + 21
    assert inside >= 0.99 * total, f'{inside} of {total} joints lie on the silhouette (99 %: a bent joint may peep out)'


def test_the_rasteriser_and_the_overlay_s_renderer_see_the_same_silhouette(sampler):
    from app.rendering.renderer import Mesh, Renderer

    camera, renderer = Intrinsics.from_field_of_view(320, 240, 60.0), Renderer(320, 240)
    for k in range(4):
        hand = sampler.hand(np.random.default_rng((8, k)), camera, (320, 240), (0.3, 0.5))
        points = np.concatenate([camera.project(hand.vertices), hand.vertices[:, 2:]], 1)
        ours = rasterise(points, sampler.model.faces, 320, 240).mask(320, 240)
        theirs = renderer.silhouette([Mesh(hand.vertices, sampler.model.faces, np.ones_like(hand.vertices))], camera)
        iou = (ours & theirs).sum() / (ours | theirs).sum()
        assert iou > 0.99, f'the two silhouettes overlap by {iou:.4f}; both take covered pixel centres, OpenGL rounds to 1/256 px'


def test_a_picture_depends_on_its_seed_and_number_alone(sampler, rows):
    again = sampler.sample(np.random.default_rng((9, 5)))
    assert np.array_equal(again['image'], rows['image'][5]) and not np.array_equal(rows['image'][4], rows['image'][5])


def test_the_hands_are_of_many_colours_and_under_many_lights(rows):
    tones = rows['albedo'].mean((1, 2))
    assert np.ptp(tones) > 0.15, f'the mean skin tones span only {np.ptp(tones):.2f} of sRGB'
    levels = rows['image'].mean((1, 2, 3))
    assert np.ptp(levels) > 60, f'the pictures\' mean levels span only {np.ptp(levels):.0f} of 255'


def test_the_single_light_explains_the_lamps(rows):
    lengths = np.linalg.norm(rows['light'][:, 8:], axis=1)
    assert np.allclose(lengths, 1, atol=1e-4), 'the direction of light is a unit vector'
    assert (rows['light'][:, :8] >= 0).all() and rows['light'][:, :2].max() < 30
    assert np.allclose(rows['light'][:, 2:5].mean(1), 1, atol=1e-3), 'the ambient colour carries no intensity of its own'


def test_joints_outside_the_crop_are_not_called_visible(rows):
    outside = ((rows['joints_2d'] < -0.5) | (rows['joints_2d'] >= SIZE - 0.5)).any(2)
    assert not rows['visible'][outside].any()
    assert rows['visible'].mean() > 0.7, f'only {100 * rows["visible"].mean():.0f} % of the joints are visible'


def test_the_command_writes_one_file_or_shards_under_their_final_names(tmp_path):
    assert main(['--count', '2', '--seed', '5', '--out', str(tmp_path / 'a.npz'), '--no-photos']) == 0
    assert main(['--count', '3', '--seed', '5', '--shard', '2', '--out', str(tmp_path / 'b'), '--no-photos']) == 0
    assert sorted(p.name for p in tmp_path.rglob('*') if p.is_file()) == ['a.npz', 'renders-5-000.npz', 'renders-5-001.npz']
    with np.load(tmp_path / 'a.npz') as one, np.load(tmp_path / 'b' / 'renders-5-000.npz') as shard:
        assert np.array_equal(one['image'], shard['image']), 'the shard size must not change the pictures'


def test_a_triangle_covers_the_pixel_centres_inside_it_and_the_nearer_one_wins():
    square = np.array([(1.5, 1.5, 2.0), (1.5, 6.5, 2.0), (6.5, 6.5, 2.0), (6.5, 1.5, 2.0)])
    faces = np.array([(0, 1, 2), (0, 2, 3)])  # counter-clockwise with y up is clockwise with y down
    nearer = square - (0, 0, 1)
    both = rasterise(np.concatenate([square, nearer]), np.concatenate([faces, faces + 4]), 9, 8)
    mask = both.mask(9, 8)
    assert mask[2:7, 2:7].all() and mask.sum() == 25, f'{mask.sum()} pixels instead of 25'
    assert (both.faces >= 2).all(), 'the nearer square hides the other one'
    assert rasterise(square, faces[:, ::-1], 9, 8).mask(9, 8).sum() == 0, 'faces seen from behind are not drawn'


def test_interpolation_is_perspective_correct():
    corners = np.array([(0.0, 0.0, 1.0), (0.0, 2.0, 1.0), (2.0, 2.0, 3.0), (2.0, 0.0, 3.0)])
    camera = Intrinsics(60, 60, 2, 2)
    points = np.concatenate([camera.project(corners), corners[:, 2:]], 1)
    faces = np.array([(0, 1, 2), (0, 2, 3)])
    fragments = rasterise(points, faces, 140, 140)
    found = fragments.interpolate(corners.astype(np.float32), faces)
    again = camera.project(found)
    pixels = np.stack([fragments.pixels % 140, fragments.pixels // 140], 1)
    assert np.abs(again - pixels).max() < 0.02, f'an interpolated point projects {np.abs(again - pixels).max():.3f} px from its own pixel'


def test_a_wall_shades_what_is_behind_it():
    wall = np.array([(-1.0, -1, 1), (-1, 1, 1), (1, 1, 1), (1, -1, 1), (-3, -3, 2), (-3, 3, 2), (3, 3, 2), (3, -3, 2)])
    faces = np.array([(0, 1, 2), (0, 2, 3), (4, 5, 6), (4, 6, 7)])
    light = Light(np.array([0.0, 0, -1]), np.ones(3), True, 0.005)
    seen = shadow_lookup(wall, faces, light, np.array([(0.0, 0, 2), (2.5, 0, 2), (0, 0, 1)], np.float32).T)
    assert seen[0] < 0.05 and seen[1] > 0.95 and seen[2] > 0.95, f'light behind, beside and on the wall: {seen}'


def test_srgb_and_linear_light_undo_each_other():
    values = np.linspace(0, 1, 256)
    worst = np.abs(linear_to_srgb(srgb_to_linear(values)) - values).max()
    assert worst < 1 / 255, f'{255 * worst:.2f} of 255 lost on the way to linear light and back'


def test_real_backgrounds_come_from_open_training_pictures_and_leave_the_hand_out(shared_data):
    import json

    backgrounds = Backgrounds(shared_data)
    rows = {row['file']: row for row in map(json.loads, (shared_data / 'pictures.jsonl').read_text().splitlines())}
    assert backgrounds.strips, 'no backgrounds were found'
    for file, (x0, y0, x1, y1) in backgrounds.strips:
        assert rows[file]['open'] and rows[file]['split'] == 'train', f'{file} is not open for training'
        x, y = np.array(rows[file]['keypoints']).T
        assert not ((x > x0) & (x < x1) & (y > y0) & (y < y1)).any(), f'the hand of {file} is in its background'


def test_free_strips_stay_clear_of_the_box():
    for strip in free_strips(np.array([100.0, 120.0]), np.array([170.0, 240.0])):
        x0, y0, x1, y1 = strip
        assert x1 <= 100 or x0 >= 170 or y1 <= 120 or y0 >= 240, f'{strip} touches the hand'


def test_rooms_are_pictures():
    image = room(np.random.default_rng(1), 100, 60)
    assert image.shape == (60, 100, 3) and image.min() >= 0 and image.max() <= 1 and image.std() > 0.005
