"""Builds assets/open_hand.npz and its texture: `python -m models.open_hand.build`.

About two minutes of one core. Nothing in it is random: a second run on the same machine gives the same mesh and weights to float32's last
digit. Other processors may round differently somewhere; the mesh is then cut otherwise, and everything that refers to vertices with it,
so the file in assets/ is the reference.
"""
from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import trimesh

from models.open_hand.correctives import pose_basis
from models.open_hand.limits import pose_space
from models.open_hand.meshing import polygonise, project, remesh_closed
from models.open_hand.shapes import shape_space
from models.open_hand.skeleton import JOINT_MAP, JOINT_NAMES, PARENTS, Skeleton
from models.open_hand.skinning import joint_regressor, skin_weights, tip_vertices
from models.open_hand.surface import Hand
from models.open_hand.texture import texture, vertex_colours, write_texture
from models.open_hand.unwrap import unwrap

ASSETS = Path(__file__).resolve().parents[2] / 'assets'
LOW, HIGH = np.array([-100., -72, -60]), np.array([70., 195, 40])  # mm, a box around the mean hand
VERTICES = 1590
KNUCKLES = .7  # how much longer the knuckles' part of the palm is seen, when the mesh's density is chosen


def neighbour_mean(faces: np.ndarray, n: int) -> sp.csr_matrix:
    """Row-normalised adjacency (n, n)."""
    e = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    w = sp.coo_matrix((np.ones(2 * len(e)), (np.r_[e[:, 0], e[:, 1]], np.r_[e[:, 1], e[:, 0]])), (n, n)).tocsr()
    w.data[:] = 1
    return (sp.diags(1 / np.asarray(w.sum(1)).ravel()) @ w).tocsr()


def exaggerated(vertices: np.ndarray, weights: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """The hand with huge finger tips and a small forearm (V, 3): where it is larger, the mesh will be finer."""
    scale = np.array([1., 1.15, 1.5, 1.9] + [1.5, 1.75, 2.15] * 4)
    joints = skeleton.joints.copy()
    for j in range(1, 16):  # the fingers also move apart, or they would run into each other
        apart = np.array([.9 * (skeleton.joints[j, 0] + 5), KNUCKLES * (skeleton.joints[j, 1] - 50), 0]) if PARENTS[j] == 0 and j > 1 else 0
        joints[j] = apart + joints[PARENTS[j]] + (skeleton.joints[j] - skeleton.joints[PARENTS[j]]) * scale[PARENTS[j]]
    palm = vertices.copy()
    arm = np.minimum(palm[:, 1] + 10, 0)
    palm[:, 1] += KNUCKLES * np.maximum(palm[:, 1] - 50, 0) - .45 * arm
    palm[:, [0, 2]] *= (1 + .006 * arm)[:, None]
    out = weights[:, :1] * palm
    for j in range(1, 16):
        out += weights[:, j:j + 1] * ((vertices - skeleton.joints[j]) * scale[j] + joints[j])
    return out


def template_mesh(hand: Hand, count: int, step: float = 1.3) -> tuple[trimesh.Trimesh, trimesh.Trimesh]:
    """The coarse mesh (the template) and the fine one it came from."""
    fine = polygonise(hand.distance, LOW, HIGH, step)
    seen = exaggerated(fine.vertices, skin_weights(fine.vertices, fine, hand), hand.skeleton)
    mesh = remesh_closed(fine, count, seen)
    mean = neighbour_mean(mesh.faces, len(mesh.vertices))
    v = project(mesh.vertices, hand.distance)
    for _ in range(2):  # evens the triangles along the skin
        v = project(v + .3 * (mean @ v - v), hand.distance, steps=3)
    for tip in project(hand.skeleton.tips, hand.distance):  # a vertex exactly at each finger tip
        v[np.linalg.norm(v - tip, axis=-1).argmin()] = tip
    return trimesh.Trimesh(v, mesh.faces, process=False), fine


def build(count: int = VERTICES) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """All arrays of the model file, and the texture (1024, 1024, 3) uint8."""
    hand = Hand.build()
    mesh, fine = template_mesh(hand, count)
    v, f = np.asarray(mesh.vertices, float), np.asarray(mesh.faces)
    weights = skin_weights(v, fine, hand)
    tips = tip_vertices(v, weights, hand.skeleton)
    shapes, points = shape_space(v, weights, hand)
    regressor = joint_regressor(v, shapes, hand.skeleton.joints, points[:16])
    correctives = pose_basis(v, weights, hand, neighbour_mean(f, len(v)), tips)
    uv, uv_faces = unwrap(v, f)
    albedo, skin = vertex_colours(mesh, weights, hand.skeleton)
    picture = texture(mesh, weights, hand.skeleton, uv, uv_faces)
    arrays = {
        'name': np.array('open'), 'template': v / 1e3, 'faces': f.astype(np.int32), 'shape_basis': shapes / 1e3,
        'pose_basis': correctives / 1e3, 'joint_regressor': regressor, 'skin_weights': weights, 'parents': PARENTS,
        'joint_names': np.array(JOINT_NAMES), 'tip_vertices': tips, 'joint_map': JOINT_MAP, **pose_space(hand.skeleton),
        'uv': uv, 'uv_faces': uv_faces, 'albedo': albedo, 'skin_basis': skin, 'skin_sigma': np.ones(len(skin)),
    }
    return {k: a.astype(np.float32) if a.dtype == np.float64 else a for k, a in arrays.items()}, picture


def write(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Writes the file under a temporary name and renames it when whole."""
    temporary = path.with_name(path.stem + '.part.npz')
    np.savez_compressed(temporary, **arrays)
    os.replace(temporary, path)


if __name__ == '__main__':
    start = time.perf_counter()
    model, skin_picture = build()
    write(model, ASSETS / 'open_hand.npz')
    write_texture(skin_picture, ASSETS / 'open_hand_albedo.png')
    print(f'{len(model["template"])} vertices, {len(model["faces"])} faces, {time.perf_counter() - start:.0f} s')
