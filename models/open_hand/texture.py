"""The skin as a picture in the texture's coordinates, and its means at the vertices."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from scipy.ndimage import distance_transform_edt

from models.open_hand import anthropometry as body
from models.open_hand.albedo import SkinPoints, colours, paint
from models.open_hand.skeleton import Skeleton


def points_on(mesh: trimesh.Trimesh, weights: np.ndarray, face: np.ndarray, barycentric: np.ndarray) -> SkinPoints:
    """Skin points inside the given faces (P,) at barycentric coordinates (P, 3)."""
    corners = mesh.faces[face]

    def mix(values: np.ndarray) -> np.ndarray:
        return (values[corners] * barycentric[..., None]).sum(1)

    normal = mix(np.asarray(mesh.vertex_normals))
    return SkinPoints(mix(np.asarray(mesh.vertices)), normal / np.linalg.norm(normal, axis=-1, keepdims=True), mix(weights))


def texels(uv: np.ndarray, uv_faces: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which face covers each covered texel: rows, columns and face (P,), barycentric (P, 3). Row 0 is the top, v = 1."""
    corners = uv[uv_faces].astype(float) * size - .5
    rows, columns, faces, weights = [], [], [], []
    for face, triangle in enumerate(corners):
        low, high = np.floor(triangle.min(0)).astype(int), np.ceil(triangle.max(0)).astype(int)
        x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
        p = np.stack([x.ravel(), y.ravel()], -1)
        (a, b, c) = triangle
        det = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if abs(det) < 1e-9:
            continue
        q = p - a
        s = (q[:, 0] * (c[1] - a[1]) - q[:, 1] * (c[0] - a[0])) / det
        t = (q[:, 1] * (b[0] - a[0]) - q[:, 0] * (b[1] - a[1])) / det
        inside = (s >= -1e-6) & (t >= -1e-6) & (s + t <= 1 + 1e-6) & (p >= 0).all(1) & (p < size).all(1)
        rows.append(size - 1 - p[inside, 1])
        columns.append(p[inside, 0])
        faces.append(np.full(inside.sum(), face))
        weights.append(np.stack([1 - s - t, s, t], -1)[inside])
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(faces), np.concatenate(weights)


def texture(mesh: trimesh.Trimesh, weights: np.ndarray, skeleton: Skeleton, uv: np.ndarray, uv_faces: np.ndarray,
            size: int = 1024) -> np.ndarray:
    """(size, size, 3) uint8 sRGB; the ground between the charts continues their colours, so that seams do not show."""
    row, column, face, barycentric = texels(uv, uv_faces, size)
    lab, pigmented = paint(points_on(mesh, weights, face, barycentric), skeleton, body.FINGER_BREADTH)
    picture, covered = np.zeros((size, size, 3)), np.zeros((size, size), bool)
    picture[row, column], covered[row, column] = colours(lab, pigmented)[0], True
    nearest = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return (np.clip(picture[tuple(nearest)], 0, 1) * 255 + .5).astype(np.uint8)


def vertex_colours(mesh: trimesh.Trimesh, weights: np.ndarray, skeleton: Skeleton, per_face: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """sRGB (N, 3) and skin tones (M, N, 3): means over the faces around each vertex, heavier towards it, so that thin lines stay faint."""
    random = np.random.default_rng(0)
    face = np.repeat(np.arange(len(mesh.faces)), per_face)
    barycentric = random.dirichlet((1, 1, 1), len(face))
    lab, pigmented = paint(points_on(mesh, weights, face, barycentric), skeleton, body.FINGER_BREADTH)
    mean, total = np.zeros((len(mesh.vertices), 4)), np.zeros(len(mesh.vertices))
    for corner in range(3):
        weight = barycentric[:, corner]**2
        index = mesh.faces[face, corner]
        for k, values in enumerate((*lab.T, pigmented)):
            mean[:, k] += np.bincount(index, weight * values, len(mean))
        total += np.bincount(index, weight, len(total))
    mean /= total[:, None]
    return colours(mean[:, :3], mean[:, 3])


def write_texture(picture: np.ndarray, path: Path) -> None:
    """Writes the PNG under a temporary name and renames it when whole."""
    temporary = path.with_name(path.stem + '.part.png')
    Image.fromarray(picture).save(temporary, optimize=True)
    temporary.replace(path)
