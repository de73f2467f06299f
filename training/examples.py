"""Training examples: the trunk's features of a jittered crop, and what is known of the hand in it, in the crop's camera.

Features are worked out once and kept, because the trunk is most of the work and does not change while the heads learn. They do not depend
on the hand model; what is known of the hand does, and is worked out anew each time.
"""
from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from app.crop import to_crop
from app.crop_camera import crop_to_frame_rotation
from app.types import Crop, Intrinsics


@dataclass(frozen=True)
class Subject:
    """What is known of one right hand (left ones mirrored) in one picture, in the picture's own camera."""

    points: np.ndarray  # (21, 2) pixels
    uncertainty: np.ndarray  # (21,) pixels
    depth: np.ndarray  # (21,) relative depth in pixels, wrist = 0
    intrinsics: Intrinsics
    rotation: np.ndarray  # (3, 3) of the wrist
    fingers: np.ndarray  # (15, 3) axis-angle
    shape: np.ndarray  # (S,)
    joints: np.ndarray  # (21, 3) metres, wrist at the origin
    trust: float  # in 0..1, of rotation, fingers, shape and joints


@dataclass(frozen=True)
class Features:
    """The trunk's answers for jittered crops of pictures."""

    features: np.ndarray  # (n, F) float16
    matrices: np.ndarray  # (n, 2, 3) picture pixels (of the right hand) -> crop pixels
    owner: np.ndarray  # (n,) number of the picture

    def save(self, path: Path) -> None:
        """Write to `path` (.npz), whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix('.part.npz')
        np.savez(unfinished, **vars(self))
        unfinished.rename(path)

    @staticmethod
    def load(path: Path) -> Features:
        with np.load(path) as file:
            return Features(**{f.name: file[f.name] for f in fields(Features)})


@dataclass(frozen=True)
class Examples:
    """Arrays with one row per example; pixels are those of the crop, lengths metres in the crop's camera."""

    features: np.ndarray  # (n, F) float16
    points: np.ndarray  # (n, 21, 2)
    uncertainty: np.ndarray  # (n, 21)
    depth: np.ndarray  # (n, 21)
    rotation: np.ndarray  # (n, 3, 3)
    fingers: np.ndarray  # (n, 15, 3)
    shape: np.ndarray  # (n, S)
    joints: np.ndarray  # (n, 21, 3)
    trust: np.ndarray  # (n,)
    exact: np.ndarray  # (n,) 1 if rendered: everything above is true; 0 if it is a fit

    def __len__(self) -> int:
        return len(self.points)

    @staticmethod
    def join(parts: list[Examples]) -> Examples:
        return Examples(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Examples)})


def in_crop(subject: Subject, crop: Crop) -> dict[str, np.ndarray]:
    """What is known of the subject, seen through `crop` (not mirrored) by the network's camera: the rows of `Examples`."""
    turn = crop_to_frame_rotation(crop, subject.intrinsics).T
    return {'points': to_crop(subject.points, crop), 'uncertainty': subject.uncertainty * crop.scale, 'depth': subject.depth * crop.scale,
            'rotation': turn @ subject.rotation, 'fingers': subject.fingers, 'shape': subject.shape, 'joints': subject.joints @ turn.T,
            'trust': subject.trust, 'exact': 0.0}


def examples_of(features: Features, subjects: list[Subject], size: int) -> Examples:
    """Features with what is known of their subjects. Subject i is the owner called i."""
    rows = [in_crop(subjects[owner], Crop(matrix, size, False)) for matrix, owner in zip(features.matrices, features.owner)]
    return Examples(features.features, **{key: np.stack([np.float32(row[key]) for row in rows]) for key in rows[0]})
