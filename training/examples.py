"""Training examples: a crop, and what is known of the hand in it, in the crop's camera."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.crop import to_crop
from app.crop_camera import crop_to_frame_rotation
from app.types import Crop, Intrinsics

Row = dict[str, np.ndarray]
# What a batch holds beside its crops, one row per example; pixels are those of the crop, lengths metres in the crop's camera:
# points (21, 2), uncertainty (21,), depth (21,) relative to the wrist in pixels, depth_known, rotation (3, 3), fingers (15, 3) axis-angle,
# shape (S,), joints (21, 3) about the wrist, trust 0..1 of the last four, exact: 1 if rendered (all is true), hand: 1 if there is one whose
# points are known, presence and right: 1 or 0


@dataclass(frozen=True)
class Subject:
    """What is known of one right hand (left ones mirrored) in one picture, in the picture's own camera."""

    points: np.ndarray  # (21, 2) pixels
    uncertainty: np.ndarray  # (21,) pixels, inf: not seen
    depth: np.ndarray  # (21,) relative depth in pixels, wrist = 0
    intrinsics: Intrinsics
    rotation: np.ndarray  # (3, 3) of the wrist
    fingers: np.ndarray  # (15, 3) axis-angle
    shape: np.ndarray  # (S,)
    joints: np.ndarray  # (21, 3) metres, wrist at the origin
    trust: float  # in 0..1, of rotation, fingers, shape and joints; 0: there is no fit
    depth_known: float = 1.0  # 0: the depths mean nothing


def in_crop(subject: Subject, crop: Crop) -> Row:
    """What is known of the subject, seen through `crop` (not mirrored) by the network's camera."""
    turn = crop_to_frame_rotation(crop, subject.intrinsics).T
    row = {'points': to_crop(subject.points, crop), 'uncertainty': subject.uncertainty * crop.scale, 'depth': subject.depth * crop.scale,
           'depth_known': subject.depth_known, 'rotation': turn @ subject.rotation, 'fingers': subject.fingers, 'shape': subject.shape,
           'joints': subject.joints @ turn.T, 'trust': subject.trust, 'exact': 0.0, 'hand': 1.0, 'presence': 1.0, 'right': 1.0}
    return {key: np.float32(value) for key, value in row.items()}


def nothing_known(size: int, shapes: int, presence: float, right: float) -> Row:
    """The row of a crop without a hand, or with a left one: only presence and side count."""
    corners = np.linspace(0.25, 0.75, 21)[:, None].repeat(2, 1) * size  # a box that is not empty, so that nothing divides by zero
    row = {'points': corners, 'uncertainty': np.full(21, np.inf), 'depth': np.zeros(21), 'depth_known': 0.0, 'rotation': np.eye(3),
           'fingers': np.zeros((15, 3)), 'shape': np.zeros(shapes), 'joints': np.zeros((21, 3)), 'trust': 0.0, 'exact': 0.0, 'hand': 0.0,
           'presence': presence, 'right': right}
    return {key: np.float32(value) for key, value in row.items()}
