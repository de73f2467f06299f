"""Colour spaces and shading."""
from __future__ import annotations

import numpy as np
import trimesh

from app.rendering import Mesh
from app.rendering.closing import closed
from app.rendering.harmonics import _SHIFT, _Layers, harmonics
from app.rendering.light import linear_to_srgb, shaded, shading, srgb_to_linear
from app.rendering.rounding import rounded
from app.rendering.studio import openness, porcelain
from app.rendering.topology import topology_of

BALL = trimesh.creation.icosphere(subdivisions=3)
TOPOLOGY = topology_of(np.asarray(BALL.faces), len(BALL.vertices))


def test_every_srgb_byte_comes_back_from_linear_light():
    values = np.arange(256, dtype=np.uint8)
    assert (linear_to_srgb(srgb_to_linear(values)) == values).all()
    assert abs(float(srgb_to_linear(np.array(0.5))) - 0.21404) < 1e-4


def test_normals_of_a_ball_point_outwards():
    normals = TOPOLOGY.normals(np.asarray(BALL.vertices))
    worst = 1 - (normals * BALL.vertices).sum(1).min()
    assert worst < 2e-3, f'worst cosine {1 - worst:.4f}'


def test_shading_is_linear_in_the_light_where_light_falls_and_never_black():
    light = np.array([[1.0] * 3, [0.3] * 3, [0.0] * 3, [-1.4] * 3], np.float32)
    normals = TOPOLOGY.normals(np.asarray(BALL.vertices))
    result = shading(normals, light)
    straight = 1 + 0.3 * normals[:, :1] - 1.4 * normals[:, 2:]
    lit = straight[:, 0] > 1
    worst = np.abs(result[lit] / straight[lit] - 1).max()
    assert worst < 0.03, f'{100 * worst:.1f} % off the straight law where the light falls'
    assert result.min() > 0.05, 'the far side is black'


def test_white_under_unit_light_stays_white():
    albedo = np.full((len(BALL.vertices), 3), 255, np.uint8)
    light = np.concatenate([np.ones((1, 3)), np.zeros((3, 3))]).astype(np.float32)
    assert shaded(albedo, np.asarray(BALL.vertices, np.float32), light).min() >= 253


def test_the_studio_look_keeps_sides_apart_and_burns_nothing_out():
    vertices = (np.asarray(BALL.vertices) * 0.1 + (0, 0, 0.6)).astype(np.float32)
    normals = TOPOLOGY.normals(vertices)
    joints = np.random.default_rng(0).normal(0, 0.01, (21, 3)) + (0, 0, 0.6)  # inside the ball: they take no light
    right, left = (porcelain(vertices, normals, joints, side) for side in ('right', 'left'))
    seen = normals[:, 2] < -0.2
    assert (right[seen].mean(0) - left[seen].astype(float).mean(0))[[0, 2]] @ (1, -1) > 50, 'right is warm, left is cool'
    assert (right[seen].min(1) == 255).mean() < 0.02


def test_harmonics_are_orthogonal_and_ordered_from_smooth_to_rough():
    fields, roughness = harmonics(TOPOLOGY, 16)
    gram = fields.T @ fields / len(fields)
    assert np.abs(gram - np.eye(16)).max() < 1e-3
    assert roughness[0] == 0 and (np.diff(roughness) > -1e-3).all()
    assert np.ptp(fields[:, 0]) < 1e-3, 'the first field is constant'
    # on a ball the next three are x, y, z, alike in roughness
    assert abs(roughness[3] / roughness[1] - 1) < 0.02


def test_layers_solve_the_mesh_exactly_also_in_separate_parts_and_with_loose_vertices():
    faces, count = np.asarray(BALL.faces), len(BALL.vertices)
    topology = topology_of(np.concatenate([faces, faces + count]), 2 * count + 1)  # two balls and a vertex without faces
    matrix = np.diag(np.bincount(topology.edges.ravel(), minlength=topology.vertices) + _SHIFT)
    matrix[tuple(topology.edges.T)] = matrix[tuple(topology.edges.T[::-1])] = -1
    solution = np.random.default_rng(0).standard_normal((topology.vertices, 3))
    error = np.abs(_Layers(topology)(matrix @ solution) - solution).max()
    assert error < 1e-7, f'the solution is {error:.2g} off'


def test_rounding_a_coarse_ball_brings_it_nearer_to_the_ball_and_leaves_no_crack():
    coarse = trimesh.creation.icosphere(subdivisions=2)
    vertices = np.asarray(coarse.vertices, np.float32)
    topology = topology_of(np.asarray(coarse.faces), len(vertices))
    mesh = Mesh(vertices, topology.faces, np.full(vertices.shape, 90, np.uint8), np.linspace(0, 1, len(vertices)).astype(np.float32))
    fine = rounded(mesh, topology.normals(vertices), topology)
    before = 1 - np.linalg.norm(vertices[topology.edges].mean(1), axis=1).min()
    after = np.abs(np.linalg.norm(fine.vertices, axis=1) - 1).max()
    assert after < 0.2 * before, f'middle vertices lie {after:.5f} radii off the ball, {before:.5f} before (normals come from the faces)'
    shape = topology_of(fine.faces, len(fine.vertices))
    assert len(fine.faces) == 4 * len(mesh.faces) and not shape.rim.any()
    assert (fine.colours == 90).all() and len(fine.opacity) == len(fine.vertices)
    outward = (shape.normals(fine.vertices) * fine.vertices).sum(1).min()
    assert outward > 0.99


def test_a_finger_over_the_skin_takes_light_and_the_bones_below_take_none():
    joints = np.zeros((21, 3), np.float32)
    joints[:, 1] = np.linspace(0, 0.18, 21)
    joints[9] = 0, 0.1, 0
    normal = np.array([[0, 0, 1]], np.float32)
    above, below = (openness(np.array([[0, 0.09, z]], np.float32), normal, joints)[0] for z in (-0.012, 0.012))
    assert below == 1 and above < 0.75, f'{above:.2f} of the sky is left under the fingers, {below:.2f} over them'


def test_holes_are_closed_and_whole_meshes_stay_as_they_are():
    faces, count = np.asarray(BALL.faces), len(BALL.vertices)
    assert (closed(faces, count) == faces).all()
    away = np.asarray(BALL.triangles_center)
    for open_faces in (faces[away[:, 2] > -0.8], faces[np.abs(away[:, 2]) < 0.8], faces[:, ::-1][away[:, 0] < 0.5]):
        mended = closed(open_faces, count)
        mesh = trimesh.Trimesh(BALL.vertices, mended)
        assert not topology_of(mended, count).rim.any(), 'a hole is left'
        assert mesh.is_winding_consistent, 'a fan faces inwards'
        assert (mended[:len(open_faces)] == open_faces).all()
