"""The texture of a hand: right in tone and place, without the background, whole where nothing was seen; and which views it takes."""
from __future__ import annotations

import numpy as np
import pytest

from app.consistent.lights import fitted_light
from app.consistent.sight import sight_of
from app.consistent.skin_texture import atlas_of, skin_texture
from app.consistent.views import View, chosen, cut_out, worth_of
from app.hand_model import HandModel
from app.mirror import mirror_pose
from app.rendering.light import shaded, shading
from app.rendering.renderer import Mesh, Renderer
from app.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from app.types import Intrinsics

MODEL = HandModel.load()
CAMERA = Intrinsics.from_field_of_view(320, 320, 40)
GREEN = np.array([30, 200, 40], np.uint8)
LIGHT = np.array([[0.7, 0.7, 0.7], [0.1, 0.1, 0.1], [-0.2, -0.2, -0.2], [-0.3, -0.3, -0.3]], np.float32)


def person():
    """(N, 3) uint8: the model's skin in a dark tone, with a mark on the back of the hand."""
    colours = np.clip(MODEL.albedo + 1.5 * MODEL.skin_sigma[0] * MODEL.skin_basis[0], 0.05, 0.95)
    middle = np.where((MODEL.template[:, 1] > 0.04) & (MODEL.template[:, 1] < 0.06), MODEL.template[:, 2], -1).argmax()
    mark = np.linalg.norm(MODEL.template - MODEL.template[middle], axis=1) < 0.012
    colours[mark] *= (0.85, 0.8, 0.8)
    return np.round(255 * colours).astype(np.uint8), mark


def views_of(colours, side='right', turns=(0.0, 0.35, -0.35, 0.2, 2.9, 3.14, 3.4, 1.5), off=0.0):
    """The hand turned about its length before a green wall, drawn `off` metres beside where it is said to be."""
    atlas, renderer = atlas_of(MODEL), Renderer(320, 320)
    topology, views = atlas.topology[side], []
    for turn in turns:
        wrist = axis_angle_to_matrix(np.array([0.0, turn, 0.0])) @ np.diag([1.0, -1.0, -1.0])
        pose = MODEL.pose_of(0.3 * MODEL.coefficient_mean, matrix_to_axis_angle(wrist))
        place = np.array([0.0, 0.09, 0.5])
        vertices = MODEL.posed(mirror_pose(pose) if side == 'left' else pose, np.zeros(10), side)[0] + place
        drawn = Mesh(vertices + np.array([off, 0, 0], np.float32), topology.faces, shaded(colours, topology.normals(vertices), LIGHT))
        picture = renderer.render([drawn], CAMERA, np.broadcast_to(GREEN, (320, 320, 3)).copy())[0]
        views.append(View(*cut_out(picture, vertices, CAMERA), vertices, [], 0.95, 1.0, np.zeros(11, np.float32)))
    return views


@pytest.mark.parametrize('side', ['right', 'left'])
def test_a_dark_hand_gets_its_own_tone_and_its_mark_in_its_place(side):
    colours, mark = person()
    made = skin_texture(MODEL, side, views_of(colours, side))
    ratio = np.log((made.colours + 1.0) / (colours + 1.0)).mean(1)  # light and skin cannot be told apart in brightness, only in parts
    spread = np.std(ratio[~mark])
    assert spread < 0.12, f'the skin differs by {spread:.2f} (log) from place to place, allowed 0.12'
    near = np.linalg.norm(MODEL.template - MODEL.template[mark].mean(0), axis=1) < 0.035
    seen, true = (np.log(c[mark].mean() / c[near & ~mark].mean()) for c in (made.colours.astype(float), colours.astype(float)))
    assert seen < 0.45 * true, f'the mark is {seen:.2f} (log) darker than the skin around it, in truth {true:.2f}'


def test_a_hand_that_lies_beside_its_fit_is_not_smeared_with_the_background():
    colours, _ = person()
    made = skin_texture(MODEL, 'right', views_of(colours, off=0.004))
    green = made.picture[..., 1].astype(int) - made.picture[..., 0]
    share = float((green > 0).mean())
    assert share < 1e-3, f'{100 * share:.2f} % of the texture is greener than red; no skin is, the wall is'


def test_a_pale_cuff_that_covers_the_wrist_is_no_skin_however_often_it_is_seen():
    colours, _ = person()
    joints = MODEL.joint_regressor @ MODEL.template
    along = (MODEL.template - joints[0]) @ (joints[4] - joints[0]) / np.linalg.norm(joints[4] - joints[0])  # metres from the wrist
    cuffed, cuff = colours.copy(), (along > 0) & (along < 0.018)
    cuffed[cuff] = 170, 165, 160
    turns = [float(turn) for middle in (0.0, 3.14) for turn in np.linspace(middle - 0.4, middle + 0.4, 12)]
    made = skin_texture(MODEL, 'right', views_of(cuffed, turns=turns)).colours.astype(float)
    ruddy = np.log(made[cuff, 0] / made[cuff, 2]).mean() / np.log(made[~cuff, 0] / made[~cuff, 2]).mean()
    assert ruddy > 0.74, f'the skin below the cuff is {100 * ruddy:.0f} % as ruddy as elsewhere, wanted at least 74 %'


def test_where_nothing_was_seen_there_is_skin_of_the_same_tone():
    colours, _ = person()
    made = skin_texture(MODEL, 'right', views_of(colours, turns=(0.0, 0.2, -0.2)))  # the back of the hand only
    back = MODEL.template[:, 2] > np.median(MODEL.template[:, 2])
    both = [np.log(made.colours[part].astype(float) / colours[part]).mean() for part in (back, ~back)]
    assert 0.2 < made.seen < 0.7, f'{made.seen:.2f} of the hand was seen'
    assert abs(both[0] - both[1]) < 0.25, f'the palm was guessed {both[1] - both[0]:+.2f} (log) brighter than the back, against the truth'


def test_without_a_view_it_is_the_models_own_skin():
    made = skin_texture(MODEL, 'right', [])
    apart = np.abs(made.colours - 255 * MODEL.albedo).mean()
    assert apart < 4 and made.seen == 0, f'{apart:.1f} grey levels from the model\'s own'


def test_what_is_hidden_by_another_hand_is_not_seen():
    topology = atlas_of(MODEL).topology['right']
    vertices = MODEL.template + np.array([0, 0, 0.5], np.float32)
    front = vertices - np.array([0, 0, 0.15], np.float32)
    free = sight_of(vertices, topology, CAMERA).of(vertices.T)[0]
    hidden = sight_of(vertices, topology, CAMERA, [(front, topology)]).of(vertices.T)[0]
    assert free.mean() > 0.3 and hidden.mean() < 0.1 * free.mean(), f'{free.mean():.2f} seen alone, {hidden.mean():.2f} behind a hand'


@pytest.mark.parametrize('strength', [1.0, 0.4, 0.06, 2.5])
def test_the_light_is_found_although_a_fifth_is_no_skin_and_the_room_is_dark_or_bright(strength):
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(400, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals[:, 2] = -np.abs(normals[:, 2])
    albedo = np.tile([0.4, 0.25, 0.18], (400, 1))
    colours = strength * albedo * shading(normals, LIGHT)
    colours[:80] = (0.02 * strength, 0.3 * strength, 0.02 * strength)
    found = fitted_light(colours, albedo, normals, np.ones(400), LIGHT * 0.8 + 0.1 * np.eye(4, 3), rounds=6)
    apart = np.abs(shading(normals, found) / shading(normals, strength * LIGHT) - 1).mean()
    assert apart < 0.08, f'the light is {100 * apart:.0f} % off, allowed 8 %'


def test_views_are_chosen_from_all_sides_and_sharp_ones_first():
    facing = np.zeros((40, 200))
    facing[:38, :100] = 1.0  # nearly all show one half...
    facing[38:, 100:] = 1.0  # ...and two the other
    worth = np.linspace(0.1, 1, 40)
    taken = chosen(facing, worth)
    assert {38, 39} <= set(taken[:6].tolist()), f'the rare side is not among the first views: {taken[:6]}'
    assert 37 in taken and len(set(taken.tolist())) == len(taken) == 20
    assert worth_of(np.array([500.0, 500.0]), np.array([0.0, 0.1]))[1] < 0.1, 'a blurred view is worth as much as a still one'


def test_a_hand_outside_the_picture_gives_no_view():
    assert cut_out(np.zeros((320, 320, 3), np.uint8), MODEL.template + np.array([5.0, 0, 0.5]), CAMERA) is None
