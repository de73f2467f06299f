"""What the open hand's file promises: anatomy, skin, limits, colours."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from models.hand_model import OPEN_HAND, HandModel
from models.open_hand import anthropometry as body
from models.open_hand.shapes import REACH, proportions
from models.open_hand.skeleton import CREASE, build_skeleton

with np.load(OPEN_HAND, allow_pickle=False) as file:
    HAND = {key: file[key] for key in file.files}
MODEL = HandModel.load()
NAMES = [str(n) for n in HAND['coefficient_names']]


def bent(**degrees: float) -> np.ndarray:
    """(N, 3) millimetres, the mean hand with these angles."""
    c = torch.zeros(1, len(NAMES))
    for name, angle in degrees.items():
        c[0, NAMES.index(name)] = np.radians(angle)
    pose = torch.cat([torch.zeros(1, 1, 3), MODEL.pose_from_coefficients(c)], 1)
    return MODEL(pose, torch.zeros(1, 10)).vertices[0].numpy().astype(float) * 1e3


def all_fingers(joint: str, angle: float) -> dict[str, float]:
    return {f'{f}_{joint}': angle for f in ('index', 'middle', 'ring', 'little')}


def surface(vertices: np.ndarray) -> trimesh.Trimesh:
    return trimesh.Trimesh(vertices, HAND['faces'], process=False)


def test_the_mesh_is_one_closed_sphere_with_outward_faces_and_even_triangles():
    mesh = surface(HAND['template'] * 1e3)
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2
    assert 250e3 < mesh.volume < 550e3, f'{mesh.volume / 1e3:.0f} ml, the hand with 5 cm of forearm'
    assert 778 <= len(mesh.vertices) <= 1600
    edges = np.linalg.norm(mesh.triangles - np.roll(mesh.triangles, 1, 1), axis=-1)
    ratio = edges.max(1) / edges.min(1)
    common = np.percentile(ratio, 99)
    assert common < 2.5 and ratio.max() < 5, f'longest to shortest edge: 99 % below {common:.2f}, worst {ratio.max():.2f}'


def test_weights_are_shares_of_few_bones_and_change_gradually_over_the_skin():
    w = HAND['skin_weights']
    assert np.abs(w.sum(1) - 1).max() < 1e-5 and w.min() >= 0
    assert (w > 0).sum(1).max() <= 6
    mesh = surface(HAND['template'] * 1e3)
    edge = mesh.edges_unique
    steep = np.abs(w[edge[:, 0]] - w[edge[:, 1]]).max(1) / mesh.edges_unique_length
    assert steep.max() < .25, f'{steep.max():.2f} of a bone per mm; a finger is some 17 mm thick'


def test_finger_tips_are_rigid_and_lie_on_the_nails_before_the_fingers_ends():
    for f, tip in enumerate(HAND['tip_vertices']):
        assert HAND['skin_weights'][tip, 3 + 3 * f] == 1 and not HAND['pose_basis'][tip].any()
    skeleton = build_skeleton()
    last = 3 * np.arange(5) + 3
    off = HAND['template'][HAND['tip_vertices']] * 1e3 - skeleton.tips
    back, up = -(off * skeleton.along[last]).sum(1), (off * skeleton.dorsal[last]).sum(1)
    assert (4 < back).all() and (back < 10).all(), f'{back.round(1)} mm before the ends; detectors mean 7 to 8'
    assert (0 < up).all(), f'{up.round(1)} mm towards the nail'


def test_the_regressor_gives_the_joints_of_the_mean_and_of_every_shape():
    regressor = HAND['joint_regressor'].astype(float)
    assert np.abs(regressor.sum(1) - 1).max() < 1e-5
    error = np.abs(regressor @ HAND['template'] * 1e3 - build_skeleton().joints).max()
    assert error < .01, f'{error:.4f} mm'
    values, vectors = np.linalg.eigh(body.covariance())
    for k, value in enumerate(np.sort(values)[::-1][:HAND['shape_basis'].shape[-1]]):
        found = regressor @ HAND['shape_basis'][..., k] * 1e3
        # components of one variance may be turned among each other: which of them the builder got was its LAPACK's choice
        alike = (vectors[:, np.abs(values - value) < 1e-9 * values.max()] * np.sqrt(value)).T
        each = np.stack([moved_joints(row).ravel() for row in alike], 1)
        mix = np.linalg.lstsq(each, found.ravel(), rcond=None)[0]
        # shorter than one where the rest of the mixture moves no joint, the palm's pads for instance
        assert np.linalg.norm(mix) < 1.01, f'component {k} is {np.linalg.norm(mix):.3f} standard deviations long'
        error = np.abs(found - moved_joints(mix @ alike)).max()
        assert error < .01, f'component {k}: {error:.4f} mm'


def moved_joints(row: np.ndarray) -> np.ndarray:
    """How the joints move, in mm per standard deviation, with the hand's dimensions."""
    ends = [build_skeleton(proportions(s * REACH * row)).joints for s in (1, -1)]
    return (ends[0] - ends[1]) / (2 * REACH)


@pytest.mark.parametrize('sigma', [-3, 0, 3])
def test_hand_lengths_of_the_first_component_stay_among_people(sigma: float):
    v = (HAND['template'] + sigma * HAND['shape_basis'][..., 0]) * 1e3
    grown = (v[:, 1].max() - CREASE * v[:, 1].min() / HAND['template'][:, 1].min() / 1e3)
    low, high = body.HAND_LENGTH_RANGE
    assert low < grown < high, f'{grown:.0f} mm at {sigma} sigma, people: {low:.0f} to {high:.0f}'
    if sigma == 0:
        assert abs(grown - body.HAND_LENGTH) < 6, f'{grown:.0f} mm against the published mean {body.HAND_LENGTH:.0f}'


def test_the_mean_hand_has_the_published_breadth_and_depth():
    v = HAND['template'] * 1e3
    row = v[np.abs(v[:, 1] - 74) < 6]
    knuckles = np.ptp(row[row[:, 0] > -46][:, 0])
    depth = np.ptp(v[(np.abs(v[:, 0] + 5) < 8) & (np.abs(v[:, 1] - 66) < 10), 2])
    assert abs(knuckles - body.HAND_BREADTH) < 5, f'breadth {knuckles:.0f} mm, published {body.HAND_BREADTH:.0f}'
    assert abs(depth - body.PALM_DEPTH) < 5, f'depth {depth:.0f} mm, published {body.PALM_DEPTH:.0f}'


@pytest.mark.parametrize('k', range(10))
def test_every_component_at_three_sigma_is_still_a_sound_hand(k: int):
    volume = surface(HAND['template']).volume
    for sigma in (-3, 3):
        mesh = surface(HAND['template'] + sigma * HAND['shape_basis'][..., k])
        ratio = mesh.volume / volume
        assert (.4 if k == 0 else .7) < ratio < (2.0 if k == 0 else 1.4), f'volume x {ratio:.2f} at {sigma} sigma'
        turned = (mesh.face_normals * surface(HAND['template']).face_normals).sum(1)
        assert (turned < 0).mean() < .005, f'{(turned < 0).sum()} faces turned over at {sigma} sigma'


def test_limits_hold_for_natural_poses_and_allow_the_rest_pose():
    random = np.random.default_rng(0)
    c = HAND['coefficient_mean'] + np.clip(random.standard_normal((500, len(NAMES))), -1, 1) * HAND['coefficient_sigma']
    angles = (HAND['pose_mean'] + c @ HAND['pose_components']) @ HAND['limit_axes'].T
    beyond = np.maximum(HAND['limits'][:, 0] - angles, angles - HAND['limits'][:, 1]).max()
    assert beyond < np.radians(3), f'{np.degrees(beyond):.1f} degrees beyond a limit within one sigma'
    assert (HAND['limits'][:, 0] < 0).all() and (HAND['limits'][:, 1] > 0).all()
    assert np.linalg.matrix_rank(HAND['limit_axes']) == 45, 'every axis needs a limit'


def test_each_coefficient_is_one_angle_about_a_unit_axis():
    rows = HAND['pose_components']
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-5
    assert np.abs(rows @ rows.T - np.eye(len(rows))).max() < 1e-5, 'the axes of a joint are orthogonal'


def test_flexion_bends_towards_the_palm_and_abduction_away_from_the_middle_finger():
    rest = bent()
    tips = HAND['tip_vertices']
    for f, finger in enumerate(('index', 'middle', 'ring', 'little'), 1):
        for joint in ('mcp', 'pip', 'dip'):
            moved = bent(**{f'{finger}_{joint}_flexion': 40})[tips[f]] - rest[tips[f]]
            assert moved[2] < -3, f'{finger} {joint}: {moved.round(1)} mm'
    for finger, f, sign in (('index', 1, -1), ('ring', 3, 1), ('little', 4, 1), ('middle', 2, -1)):
        moved = bent(**{f'{finger}_mcp_abduction': 10})[tips[f]] - rest[tips[f]]
        assert sign * moved[0] > 5, f'{finger}: {moved.round(1)} mm'


@pytest.mark.parametrize('joint', ['mcp_flexion', 'pip_flexion', 'dip_flexion'])
def test_volume_is_kept_when_a_joint_bends(joint: str):
    straight = surface(bent()).volume
    angle = 90 if joint != 'dip_flexion' else 78
    ratio = surface(bent(**all_fingers(joint, angle))).volume / straight
    assert .96 < ratio < 1.04, f'{100 * (ratio - 1):.1f} % of the whole hand at {angle} degrees'


@pytest.mark.parametrize('joint, level', [('mcp_flexion', 0), ('pip_flexion', 1), ('dip_flexion', 2)])
def test_bent_skin_lies_on_the_implicit_surface_of_the_bent_hand(joint: str, level: int):
    from models.open_hand.correctives import pose_skeleton
    from models.open_hand.surface import Hand

    angle = 90 if level < 2 else 78
    hand, at = Hand.build(), 5 * 3 - 14 + 3 * 1 + level  # the index finger's joint of that level
    turns = np.zeros((15, 3))
    turns[at - 1] = np.radians(angle) * hand.skeleton.flexion[at]
    near = np.linalg.norm(HAND['template'] * 1e3 - hand.skeleton.joints[at], axis=-1) < 16
    finger = HAND['skin_weights'][:, 4:7].sum(1) > .3
    d = np.abs(hand.distance(bent(**{f'index_{joint}': angle})[near & finger], pose_skeleton(hand.skeleton, turns)))
    assert np.median(d) < .8 and np.percentile(d, 90) < 2.5, f'median {np.median(d):.2f} mm, 90 % within {np.percentile(d, 90):.2f} mm'


def test_skin_tones_run_from_dark_to_very_light():
    from skimage.color import rgb2lab

    back = (HAND['skin_weights'][:, 0] > .9) & (HAND['template'][:, 1] > .02) & (HAND['template'][:, 2] > .005)

    def typology(c: float) -> float:
        lab = rgb2lab(np.clip(HAND['albedo'] + c * HAND['skin_sigma'][0] * HAND['skin_basis'][0], 0, 1)[back]).mean(0)
        return float(np.degrees(np.arctan2(lab[0] - 50, lab[2])))

    assert 28 < typology(0) < 41, f'mean ITA {typology(0):.0f}: not intermediate'
    assert typology(2) > 50 and typology(-2) < -20, f'{typology(-2):.0f} to {typology(2):.0f} degrees'


def test_the_palm_is_lighter_and_redder_than_the_back():
    front = HAND['template'][:, 2] < np.median(HAND['template'][:, 2])
    hand = HAND['template'][:, 1] > .02
    palm, back = HAND['albedo'][front & hand].mean(0), HAND['albedo'][~front & hand].mean(0)
    assert palm.sum() > back.sum() and (palm - back)[0] > (palm - back)[1]


def test_no_two_faces_share_a_place_in_the_texture():
    from models.open_hand.texture import texels

    assert HAND['uv'].min() >= 0 and HAND['uv'].max() <= 1
    row, column, _, barycentric = texels(HAND['uv'], HAND['uv_faces'], 512)
    inside = barycentric.min(1) > .02  # not on an edge, which two faces rightly share
    place = row[inside] * 512 + column[inside]
    twice = 1 - len(np.unique(place)) / len(place)
    assert twice < .002, f'{100 * twice:.2f} % of the texels belong to two faces'
    assert .3 < len(place) / 512**2, f'only {100 * len(place) / 512**2:.0f} % of the picture is used'
    with Image.open(Path(OPEN_HAND).with_name('open_hand_albedo.png')) as picture:
        assert picture.size == (1024, 1024) and picture.mode == 'RGB'


def test_the_file_is_what_the_builder_in_this_folder_makes():
    """The build takes minutes; here its parts that are quick are compared with the file."""
    from models.open_hand.limits import pose_space
    from models.open_hand.surface import Hand

    hand = Hand.build()
    away = np.abs(hand.distance(HAND['template'].astype(float) * 1e3))
    assert away.max() < .3, f'a vertex lies {away.max():.2f} mm off the surface: run python -m models.open_hand.build'
    for key, value in pose_space(hand.skeleton).items():
        if value.dtype.kind == 'U':
            assert list(value) == list(HAND[key])
        else:
            assert np.abs(value - HAND[key]).max() < 1e-6, f'{key} differs: run python -m models.open_hand.build'


def test_ten_components_carry_nearly_all_of_the_correlated_dimensions():
    covariance = body.covariance()
    values = np.linalg.eigvalsh(covariance)[::-1]
    assert values[:10].sum() / values.sum() > .9, f'they carry {100 * values[:10].sum() / values.sum():.0f} %'
    spread = np.sqrt(covariance.diagonal())
    r = covariance / np.outer(spread, spread)
    r = r[body.DIMENSIONS.index('palm_length'), body.DIMENSIONS.index('palm_breadth')]
    assert .5 < r < .95, f'palm length and breadth correlate by {r:.2f}: long hands are mostly broad ones'
