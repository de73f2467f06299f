"""A texture out of the colours of the vertices: each pixel of the model's atlas gets the colour of its place on the mesh.

Where each pixel lies is worked out once for a model (`texture_map`, a third of a second); a texture then takes milliseconds.
Pixels around the charts take the colour of the nearest place on one, so that no seam shows when a viewer filters or shrinks the picture.
"""
from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from app.hand_model import HandModel

SIZE = 1024  # pixels of a side
PADDING = 12  # pixels around the charts


class TextureMap:
    """Which three vertices a pixel lies between, and how near to each."""

    def __init__(self, faces: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray, size: int = SIZE, padding: int = PADDING):
        """`faces` (F, 3) of the mesh; `uv` (T, 2), origin bottom-left, and `uv_faces` (F, 3) of its atlas. Raises ValueError when no
        pixel lies in a face."""
        from scipy import sparse  # 0.1 s, and the window needs none of it to start

        self.size = size
        corners = (uv[uv_faces].astype(np.float64) * (size, -size)) + (-0.5, size - 0.5)  # (F, 3, 2) pixels, origin top-left
        owner = _owners(corners, size)
        if (owner < 0).all():
            raise ValueError('no pixel of the atlas lies in a face')
        distance, nearest = cv2.distanceTransformWithLabels((owner < 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        of_label = np.zeros(nearest.max() + 1, np.int64)
        of_label[nearest[owner >= 0]] = owner[owner >= 0]
        self.covered = owner >= 0  # (size, size) pixels inside a face
        y, x = np.nonzero(distance <= padding)
        self._pixels = y * size + x
        face = of_label[nearest[y, x]]
        weights = np.clip(_barycentric(corners[face], np.stack([x, y], -1)), 0, None)
        weights /= weights.sum(1, keepdims=True)
        self._face, self._weights = face, weights.astype(np.float32)
        rows = np.repeat(np.arange(len(face)), 3)
        self._mix = sparse.csr_matrix((weights.ravel().astype(np.float32), (rows, faces[face].ravel())), (len(face), int(faces.max()) + 1))

    def texels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pixels on the charts and their padding, as numbers row by row (P,); the face (P,) they lie in; how near its corners (P, 3)."""
        return self._pixels, self._face, self._weights

    def bake(self, colours: np.ndarray) -> np.ndarray:
        """Colours (N, 3) uint8 of the vertices -> the texture (size, size, 3) uint8 RGB; far from all charts it has their mean colour."""
        colours = np.asarray(colours, np.float32)
        texture = np.empty((self.size * self.size, 3), np.uint8)
        texture[:] = np.round(colours.mean(0))
        texture[self._pixels] = self._mix @ colours + np.float32(0.5)
        return texture.reshape(self.size, self.size, 3)


def texture_map(model: HandModel, size: int = SIZE) -> TextureMap:
    """The map of a model, worked out at the first call."""
    return _cached(*(array.tobytes() for array in (model.faces, model.uv, model.uv_faces)), size)


@lru_cache(maxsize=2)
def _cached(faces: bytes, uv: bytes, uv_faces: bytes, size: int) -> TextureMap:
    """Told apart by what they hold: each part of the program loads the model for itself."""
    faces, uv_faces = (np.frombuffer(data, np.int32).reshape(-1, 3) for data in (faces, uv_faces))
    return TextureMap(faces, np.frombuffer(uv, np.float32).reshape(-1, 2), uv_faces, size)


def _owners(corners: np.ndarray, size: int) -> np.ndarray:
    """The face (size, size) that covers each pixel, -1 for none; `corners` (F, 3, 2) in pixels."""
    owner = np.full((size, size), -1, np.int32)
    sixteenths = np.round(corners * 16).astype(np.int32)
    for face, points in enumerate(sixteenths):
        cv2.fillConvexPoly(owner, points, face, cv2.LINE_8, shift=4)
    return owner


def _barycentric(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (P, 2) in triangles (P, 3, 2) -> their weights (P, 3), which sum to 1; faces without area give the
    first corner."""
    a, b, c = (corners[:, i] for i in range(3))
    area = _cross(b - a, c - a)
    area = np.where(area == 0, np.inf, area)
    second, third = _cross(points - a, c - a) / area, _cross(b - a, points - a) / area
    return np.stack([1 - second - third, second, third], -1)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
