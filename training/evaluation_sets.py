"""What is evaluated: pictures of one hand each, with what is truly known of that hand.

The readers of each kind of data stand in `evaluation_truth.py` (measured joints, stereo, manifests, FreiHAND, HO-3D) and
`evaluation_rendered.py`.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from app.crop import crop_from_points, upright_angle
from app.mirror import mirror_image, mirror_intrinsics, mirror_points_2d
from app.types import Crop, Intrinsics, Side

CLEAR_BEND = 2.0  # of `bend`: fingers bent this much tell a right hand from a left one (of 1,300 rendered hands none wrongly)


@dataclass(frozen=True)
class Sample:
    """One picture of one hand. All numbers belong to the picture as it is, left hands included."""

    name: str
    source: str
    session: str  # roughly one person or recording; bone lengths are shared within it
    side: Side
    points: np.ndarray  # (21, 2) pixels, true or detected: what the crop is cut around, and what 2D errors are measured against
    image: Callable[[], np.ndarray]  # reads the picture, (H, W, 3) uint8 RGB
    width: int
    height: int
    intrinsics: Intrinsics | None = None  # the picture's camera, if it is known
    xyz: np.ndarray | None = None  # (21, 3) metres, the picture's camera
    vertices: np.ndarray | None = None  # (V, 3) metres, the picture's camera
    mask: Callable[[Crop], np.ndarray] | None = None  # the true silhouette (S, S) bool seen through a crop of the right-handed picture
    crop: Crop | None = None  # a crop that is given; None: cut around `points`
    seen: np.ndarray = field(default_factory=lambda: np.ones(21, bool))  # (21,): which of `points` are known

    @property
    def camera(self) -> Intrinsics:
        """The picture's camera; 60 degrees of view are assumed where it is not known, as the program does."""
        return self.intrinsics or Intrinsics.from_field_of_view(self.width, self.height)

    @property
    def right_camera(self) -> Intrinsics:
        """The camera of the picture that is mirrored if the hand is a left one."""
        return mirror_intrinsics(self.camera, self.width) if self.side == 'left' else self.camera

    @property
    def hand_size(self) -> float:
        """Pixels: the longer side of the box around the known points, the hand turned upright, so that no turn changes it."""
        angle = upright_angle(self.points)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return float(np.ptp(self.points[self.seen] @ turn.T, axis=0).max())

    def right_image(self) -> np.ndarray:
        """The picture (H, W, 3) uint8 RGB, mirrored if the hand is a left one."""
        return mirror_image(self.image()) if self.side == 'left' else self.image()

    def to_right(self, pixels: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) of the picture -> of the right-handed one, and back."""
        return mirror_points_2d(pixels, self.width) if self.side == 'left' else pixels

    def right_crop(self, size: int, points: np.ndarray | None = None) -> Crop:
        """The crop of the right-handed picture, `size` pixels wide, around the sample's points or others (21, 2) of the picture."""
        if self.crop is not None and points is None:
            grow = size / self.crop.size
            matrix = self.crop.matrix * grow
            matrix[:, 2] += 0.5 * grow - 0.5  # pixel centres lie at integers
            return Crop(matrix, size, False)
        return crop_from_points(self.to_right(self.points if points is None else points), 'right', size)


@dataclass(frozen=True)
class EvaluationSet:
    """Samples that are measured together."""

    name: str
    kind: str  # 'truth', 'pictures', 'stereo', 'rendered', 'freihand' or 'ho3d'
    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()  # sentences: what was left out, what the figures cannot say

    @property
    def official(self) -> bool:
        """Whether alignment follows the official scripts, which may mirror."""
        return self.kind in ('freihand', 'ho3d')

    @property
    def has_joints(self) -> bool:
        return any(s.xyz is not None for s in self.samples)


def evenly(count: int, limit: int | None) -> np.ndarray:
    """Indices of at most `limit` of `count` things, evenly spread, in order."""
    return np.arange(count) if limit is None or count <= limit else np.linspace(0, count - 1, limit).round().astype(int)


def bend(joints: np.ndarray) -> float:
    """How the four fingers of joints (21, 3) bend about the axis from the index to the little finger's knuckle: positive for a left hand,
    negative for a right one, near 0 for a flat hand, which does not tell. A sum of eight sines."""
    axis = joints[17] - joints[5]
    axis = axis / max(np.linalg.norm(axis), 1e-12)
    base = np.array([5, 6, 9, 10, 13, 14, 17, 18])
    first, second = joints[base + 1] - joints[base], joints[base + 2] - joints[base + 1]
    unit = [v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12) for v in (first, second)]
    return float((np.cross(*unit) @ axis).sum())


def sides_of(joints: list[np.ndarray]) -> list[Side]:
    """The side of each hand of one recording from its true joints (21, 3): by its bent fingers, or, if they are straight, as most."""
    bends = np.array([bend(j) for j in joints])
    usual: Side = 'left' if (np.abs(bends) > CLEAR_BEND) @ np.sign(bends) > 0 else 'right'
    return [usual if abs(b) <= CLEAR_BEND else 'left' if b > 0 else 'right' for b in bends]
