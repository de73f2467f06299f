"""Hands for the tests of result files, made by the real hand model."""
from __future__ import annotations

import numpy as np

from app.hand_model import HandModel
from app.rotations import axis_angle_to_quaternion
from app.types import Frame, Hand, Intrinsics

CAMERA = Intrinsics.from_field_of_view(640, 480)


def made_frame(index: int, time: float | None = None, width: int = 640, height: int = 480) -> Frame:
    """A black frame; 30 frames a second unless `time` is given."""
    return Frame(np.zeros((height, width, 3), np.uint8), index, index / 30 if time is None else time, 0.0, f'{index}.png')


def made_hand(model: HandModel, seed: int = 0, track: int = 0, side: str = 'right', camera: Intrinsics = CAMERA) -> Hand:
    """A hand in a random pose, back towards the camera, half a metre away; all its fields agree with each other."""
    rng = np.random.default_rng(seed)
    pose = np.concatenate([[[0, np.pi, 0]] + rng.normal(0, 0.5, (1, 3)), rng.normal(0, 0.25, (15, 3))])
    quaternions = axis_angle_to_quaternion(pose) * rng.choice([-1, 1], (16, 1))  # both signs are the same rotation
    shape = np.random.default_rng(track).normal(0, 1, 10)
    translation = np.array([0.1 if side == 'left' else -0.1, 0.02, 0.5]) + rng.normal(0, 0.02, 3)
    vertices, joints = model.posed(quaternions, shape, side)
    vertices, joints = vertices + translation, joints + translation
    colours = (255 * np.clip(model.albedo, 0, 1)).round().astype(np.uint8)
    points = camera.project(joints)
    return Hand(track, side, 0.9, quaternions, shape, translation, vertices, joints, points, colours, np.zeros((4, 3)), points)
