"""Builds assets/open_hand.npz and its texture: `python -m models.open_hand.build`."""
from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import trimesh
from PIL import Image

from models.open_hand import albedo
from models.open_hand.correctives import pose_basis
from models.open_hand.limits import pose_space
from models.open_hand.meshing import polygonise, project, remesh_closed
from models.open_hand.shapes import shape_space
from models.open_hand.skeleton import JOINT_MAP, JOINT_NAMES, PARENTS
from models.open_hand.skinning import joint_regressor, skin_weights, tip_vertices
from models.open_hand.surface import Hand
from models.open_hand.unwrap import unwrap

ASSETS = Path(__file__).resolve().parents[2] / 'assets'
LOW, HIGH = np.array([-100., -72, -60]), np.array([70., 195, 40])  # mm, a box around the mean hand
VERTICES = 1400


def neighbour_mean(faces: np.ndarray, n: int) -> sp.csr_matrix:
    """Row-normalised adjacency (n, n)."""
    e = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    w = sp.coo_matrix((np.ones(2 * len(e)), (np.r_[e[:, 0], e[:, 1]], np.r_[e[:, 1], e[:, 0]])), (n, n)).tocsr()
    w.data[:] = 1
    return (sp.diags(1 / np.asarray(w.sum(1)).ravel()) @ w).tocsr()


def density(vertices: np.ndarray, hand: Hand) -> np.ndarray:
    """(V,) how much finer than elsewhere the mesh shall be: fingers, and their joints most of all; the forearm least."""
    joints = np.linalg.norm(vertices[:, None] - hand.skeleton.joints[1:], axis=-1)
    small = np.delete(joints, [0], 1).min(1)
    fingers = np.min([s.distance(vertices, hand.at_rest()) for part in (*hand.fingers, hand.thumb[1:]) for s, _ in part], 0) < 2
    return 1 + 1.6 * fingers + 1.2 * np.exp(-(small / 11)**2) - .45 * (vertices[:, 1] < -15)


def template_mesh(hand: Hand, count: int, step: float = 1.5) -> tuple[trimesh.Trimesh, trimesh.Trimesh]:
    """The coarse mesh (the template) and the fine one it came from."""
    fine = polygonise(hand.distance, LOW, HIGH, step)
    mesh = remesh_closed(fine, count, density(fine.vertices, hand))
    mean = neighbour_mean(mesh.faces, len(mesh.vertices))
    v = project(mesh.vertices, hand.distance)
    for _ in range(3):  # evens the triangles along the skin
        v = project(v + .4 * (mean @ v - v), hand.distance, steps=3)
    return trimesh.Trimesh(v, mesh.faces, process=False), fine


def build(count: int = VERTICES) -> dict[str, np.ndarray]:
    """All arrays of the model file."""
    hand = Hand.build()
    mesh, fine = template_mesh(hand, count)
    v, f = np.asarray(mesh.vertices, float), np.asarray(mesh.faces)
    weights = skin_weights(v, fine, hand)
    tips = tip_vertices(v, weights, hand.skeleton)
    shapes, points = shape_space(v, weights, hand)
    regressor = joint_regressor(v, shapes, hand.skeleton.joints, points[:16])
    correctives = pose_basis(v, weights, hand, neighbour_mean(f, len(v)), tips)
    uv, uv_faces = unwrap(v, f)
    colours = albedo.vertex_colours(v, mesh.vertex_normals)
    skin = np.zeros((3, len(v), 3))
    skin[:] = np.array([[-.16, -.16, -.15], [.02, -.02, -.03], [.03, .01, -.03]])[:, None]
    arrays = {
        'name': np.array('open'), 'template': v / 1e3, 'faces': f.astype(np.int32), 'shape_basis': shapes / 1e3,
        'pose_basis': correctives / 1e3, 'joint_regressor': regressor, 'skin_weights': weights, 'parents': PARENTS,
        'joint_names': np.array(JOINT_NAMES), 'tip_vertices': tips, 'joint_map': JOINT_MAP, **pose_space(hand.skeleton),
        'uv': uv, 'uv_faces': uv_faces, 'albedo': colours, 'skin_basis': skin, 'skin_sigma': np.ones(3),
    }
    return {k: a.astype(np.float32) if a.dtype == np.float64 else a for k, a in arrays.items()}


def write(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Writes the file under a temporary name and renames it when whole."""
    temporary = path.with_name(path.stem + '.part.npz')
    np.savez_compressed(temporary, **arrays)
    os.replace(temporary, path)


if __name__ == '__main__':
    start = time.perf_counter()
    model = build()
    write(model, ASSETS / 'open_hand.npz')
    print(f'{len(model["template"])} vertices, {len(model["faces"])} faces, {time.perf_counter() - start:.0f} s')
