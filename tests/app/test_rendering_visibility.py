"""The coarse depth picture against rays."""
from __future__ import annotations

import numpy as np
import pytest
import trimesh

from app.hand_model import HandModel
from app.rendering.topology import topology_of
from app.rendering.visibility import visibility
from app.types import Intrinsics

CAMERA = Intrinsics.from_field_of_view(640, 480)


def free_of_hits(vertices: np.ndarray, faces: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Whether the ray from the camera to each vertex meets no face more than 2 mm before it (Moeller, Trumbore 1997)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    e1, e2 = b - a, c - a
    free = []
    for target in vertices[which]:
        h = np.cross(target, e2)
        det = (e1 * h).sum(1)
        with np.errstate(divide='ignore', invalid='ignore'):
            u = (-a * h).sum(1) / det
            q = np.cross(-a, e1)
            v, t = (target * q).sum(1) / det, (e2 * q).sum(1) / det
        hit = (np.abs(det) > 1e-14) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
        free.append(not (hit & (t * np.linalg.norm(target) < np.linalg.norm(target) - 0.002)).any())
    return np.array(free)


@pytest.mark.parametrize('seed', range(4))
def test_visible_vertices_of_posed_hands_agree_with_rays(seed):
    model = HandModel.load()
    rng = np.random.default_rng(seed)
    coefficients = model.coefficient_mean + rng.normal(size=len(model.coefficient_mean)) * model.coefficient_sigma
    pose = model.pose_of(coefficients, rng.normal(size=3) * 1.5)
    vertices = model.posed(pose, np.zeros(10))[0]
    vertices = vertices - vertices.mean(0) + (0.03, -0.02, 0.5)
    topology = topology_of(model.faces, len(vertices))
    seen = visibility(vertices, topology.normals(vertices), topology, CAMERA)
    which = rng.choice(len(vertices), 300, replace=False)
    truth = free_of_hits(vertices.astype(float), model.faces, which)
    called = seen.visible[which]
    precision = truth[called & (seen.facing[which] > 0.15)].mean()
    recall = called[truth & (seen.facing[which] > 0.3)].mean()
    assert precision >= 0.94, f'{100 * precision:.1f} % of the vertices called visible are (touching skin is not told apart)'
    assert recall >= 0.75, f'{100 * recall:.1f} % of the visible vertices are found; those beside a nearer outline are left out on purpose'


def test_another_hand_in_front_hides():
    near, far = (trimesh.creation.icosphere(subdivisions=3, radius=0.05) for _ in range(2))
    faces, vertices = np.asarray(near.faces), np.asarray(near.vertices, np.float32)
    topology = topology_of(faces, len(vertices))
    behind, front = vertices + (0, 0, 0.6), vertices + (0, 0, 0.4)
    normals = topology.normals(vertices)
    alone = visibility(behind, normals, topology, CAMERA)
    hidden = visibility(behind, normals, topology, CAMERA, [(front, topology)])
    assert alone.visible.mean() > 0.35
    assert hidden.visible.sum() == 0, f'{hidden.visible.sum()} vertices are seen through a larger ball'


def test_inside_grows_from_the_silhouette_to_the_middle():
    ball = trimesh.creation.icosphere(subdivisions=3, radius=0.05)
    vertices = np.asarray(ball.vertices, np.float32) + (0, 0, 0.5)
    topology = topology_of(np.asarray(ball.faces), len(vertices))
    seen = visibility(vertices, topology.normals(vertices), topology, CAMERA)
    middle, rim = seen.inside[seen.facing > 0.95], seen.inside[np.abs(seen.facing) < 0.1]
    assert abs(np.median(middle) - 0.45) < 0.1, f'{np.median(middle):.2f} of the size in the middle'
    assert rim.mean() < 0.06, f'{rim.mean():.2f} of the size at the rim'
    assert middle.min() > 0.1, f'a hole in the coarse picture: {middle.min():.2f} in the middle'


def test_numbers_that_are_not_finite_are_refused_and_a_hand_behind_the_camera_is_not_seen():
    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.05)
    vertices = np.asarray(ball.vertices, np.float32)
    topology = topology_of(np.asarray(ball.faces), len(vertices))
    assert not visibility(vertices - (0, 0, 1), topology.normals(vertices), topology, CAMERA).visible.any()
    vertices[0, 0] = np.nan
    with pytest.raises(ValueError, match='finite'):
        visibility(vertices, topology.normals(vertices), topology, CAMERA)
