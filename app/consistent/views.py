"""Which frames show the most of a hand's skin: near, facing, still, and together every side of it that is ever seen."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from app.rendering.topology import Topology
from app.types import Intrinsics, Side

CANDIDATES = 240  # frames of a hand that are considered, evenly spread
FEWEST, MOST = 6, 40  # frames that are taken
SHARE = 0.5  # of the candidates, that are taken at most
ENOUGH = 3.0  # views of a vertex, of full worth, after which one more is worth nothing
STILL = 0.02  # of the hand's box a frame, at which motion blurs a view to half its worth
LONGEST = 448  # pixels of a cut-out's longer side
MARGIN = 0.25  # of the hand's box around it


@dataclass(frozen=True, eq=False)
class View:
    """A cut-out of a frame that shows a hand."""

    picture: np.ndarray  # (h, w, 3) uint8 sRGB
    camera: Intrinsics  # of the cut-out
    vertices: np.ndarray  # (N, 3) metres
    others: list[tuple[np.ndarray, Side]]
    confidence: float
    worth: float  # how sharp and near it is, against the others
    light: np.ndarray  # (11,) the network's idea


def worth_of(pixels_per_metre: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """How much a view tells, 0..1, of views (n,): nearness, and stillness by `motion` in boxes a frame."""
    near = pixels_per_metre / max(float(np.percentile(pixels_per_metre, 90)), 1e-9)
    return np.minimum(near, 1) ** 2 / (1 + (motion / STILL) ** 2)


def chosen(facing: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Cosines (n, N) to the camera of each vertex in each view, worth (n,) -> numbers of the views to take, best first."""
    scores = np.clip(facing, 0, 1).astype(np.float32) ** 2 * worth[:, None].astype(np.float32)
    count = min(len(scores), int(np.clip(SHARE * len(scores), FEWEST, MOST)))
    seen, taken = np.zeros(scores.shape[1], np.float32), []
    left = np.ones(len(scores), bool)
    for _ in range(count):
        gain = np.minimum(seen + scores, ENOUGH).sum(1) - np.minimum(seen, ENOUGH).sum()
        gain = np.where(left, gain + 1e-3 * worth, -1)  # when all is seen well enough, the best views are taken again
        best = int(gain.argmax())
        taken.append(best)
        left[best] = False
        seen += scores[best]
    return np.array(taken, int)


def facing(vertices: Sequence[np.ndarray], topology: Topology) -> np.ndarray:
    """(n, N) cosines between the normals and the directions to the camera, what may stand in front left aside."""
    out = []
    for places in vertices:
        rays = places / np.linalg.norm(places, axis=1, keepdims=True)
        out.append(-np.einsum('na,na->n', topology.normals(places), rays))
    return np.array(out, np.float32)


def cut_out(image: np.ndarray, vertices: np.ndarray, camera: Intrinsics) -> tuple[np.ndarray, Intrinsics] | None:
    """The part of an image (H, W, 3) around a hand, no larger than needed, and its camera; None if the hand is outside."""
    pixels = camera.project(vertices)
    margin = MARGIN * np.ptp(pixels, axis=0).max()
    low = np.maximum(np.floor(pixels.min(0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(pixels.max(0) + margin) + 1, image.shape[1::-1]).astype(int)
    if (high - low).min() < 8:
        return None
    picture = image[low[1]:high[1], low[0]:high[0]]
    ratio = min(LONGEST / max(picture.shape[:2]), 1.0)
    if ratio < 1:
        size = np.maximum(np.round((high - low) * ratio), 1).astype(int)
        picture = cv2.resize(picture, tuple(size.tolist()), interpolation=cv2.INTER_AREA)
    x, y = np.array(picture.shape[1::-1]) / (high - low)
    moved = Intrinsics(camera.fx * x, camera.fy * y, (camera.cx - low[0] + 0.5) * x - 0.5, (camera.cy - low[1] + 0.5) * y - 0.5)
    return np.ascontiguousarray(picture), moved
