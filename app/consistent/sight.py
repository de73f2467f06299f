"""What a camera sees of a hand, finely enough for a texture: a depth picture drawn face by face."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from app.rendering.topology import Topology
from app.types import Intrinsics

SIDE = 224  # pixels of the depth picture's longer side
SHADOW = 5  # pixels around what stands in front that are not believed either: the fit is that exact
TOLERANCE = 0.006  # metres behind the nearest surface that still count as on it
FAR = np.float32(1e3)


@dataclass(frozen=True, eq=False)
class Sight:
    """A view of one hand."""

    camera: Intrinsics  # of the depth picture
    nearest: np.ndarray  # (h, w) metres, the nearest surface around each pixel
    inside: np.ndarray  # (h, w) distance from the hand's outline, as a share of the picture's longer side

    def of(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (3, P) metres -> whether nothing stands in front (P,), and how far inside the outline they are (P,)."""
        u, v = ((column + 0.5).astype(np.intp) for column in projected(points, self.camera))
        height, width = self.inside.shape
        within = (u >= 0) & (v >= 0) & (u < width) & (v < height)
        at = np.where(within, v * width + u, 0)
        free = within & (points[2] <= self.nearest.ravel().take(at) + np.float32(TOLERANCE))
        return free, np.where(within, self.inside.ravel().take(at), 0)


def projected(points: np.ndarray, camera: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """Points (3, P) -> columns and rows (P,) in pixels."""
    x, y, z = points
    return x / z * np.float32(camera.fx) + np.float32(camera.cx), y / z * np.float32(camera.fy) + np.float32(camera.cy)


def sight_of(vertices: np.ndarray, topology: Topology, camera: Intrinsics, others: list[tuple[np.ndarray, Topology]] = ()) -> Sight:
    """Of vertices (N, 3) in the frame of `camera`; `others` may stand in front."""
    pixels = camera.project(vertices)
    low, high = pixels.min(0) - 2, pixels.max(0) + 2
    scale = SIDE / float((high - low).max())
    small = Intrinsics(camera.fx * scale, camera.fy * scale, (camera.cx - low[0]) * scale, (camera.cy - low[1]) * scale)
    width, height = (int(np.ceil(side)) + 1 for side in (high - low) * scale)
    depth = drawn_depth(vertices, topology, small, (height, width))
    inside = cv2.distanceTransform((depth < FAR).astype(np.uint8), cv2.DIST_L2, 3) / SIDE
    for other, shape in others:
        if other[:, 2].min() > 0.02:
            depth = np.minimum(depth, drawn_depth(other, shape, small, (height, width)))
    return Sight(small, cv2.erode(depth, np.ones((SHADOW, SHADOW), np.uint8)), inside)


def drawn_depth(vertices: np.ndarray, topology: Topology, camera: Intrinsics, size: tuple[int, int]) -> np.ndarray:
    """(h, w) float32 distance of the nearest face, `FAR` where there is none: far faces are drawn first."""
    pixels = camera.project(vertices).astype(np.float32)
    faces = topology.faces[topology.front(pixels)]
    distance = vertices[:, 2][faces].mean(1)
    order = np.argsort(-distance)
    corners = np.clip(np.round(pixels[faces[order]] * 16), -1e6, 1e6).astype(np.int32)
    out = np.full(size, FAR, np.float32)
    for corner, far in zip(corners, distance[order].tolist()):
        cv2.fillConvexPoly(out, corner, far, cv2.LINE_8, shift=4)
    return out
