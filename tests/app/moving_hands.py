"""A right hand that moves as told, and what a fit to noisy points would say of it."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from app.kinematics import Kinematics
from app.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from app.smoothing import HAND, HandSmoother, SmoothingSettings
from app.types import Intrinsics

CAMERA = Intrinsics.from_field_of_view(640, 480)
AT = np.array([0.02, 0.05, 0.5])  # metres, the wrist
FACING = np.array([np.pi, 0.0, 0.0])  # the turn that points the fingers upwards, the palm or the back to the camera
EDGEWISE = np.array([0.0, np.pi / 2, 0.0])  # turned by this besides, the camera sees the fingers bend


class Moving(NamedTuple):
    """One frame of a moving hand."""

    time: float
    pose: np.ndarray  # (16, 3)
    translation: np.ndarray  # (3,)
    joints: np.ndarray  # (21, 3) metres, camera frame
    points: np.ndarray  # (21, 2) px


class Noise(NamedTuple):
    """Standard deviations of one frame's fit about the truth."""

    fingers: float = 0.02  # radians
    tilt: float = 0.03
    turn: float = 0.005
    distance: float = 0.01  # of its logarithm
    points: float = 0.003  # share of the hand


QUIET = Noise(0, 0, 0, 0, 0)


class Mover:
    """Frames of a hand whose coefficients, turn about camera axes and place are functions of time."""

    def __init__(self, kinematics: Kinematics, fingers: Callable[[float], float] = lambda t: 0.0,
                 turn: Callable[[float], np.ndarray] = lambda t: np.zeros(3), place: Callable[[float], np.ndarray] = lambda t: AT):
        self.kinematics, self._fingers, self._turn, self._place = kinematics, fingers, turn, place
        self._bending = [name.split('_')[1:] == ['mcp', 'flexion'] and name[:5] != 'thumb' for name in kinematics.model.coefficient_names]

    def coefficients(self, time: float) -> np.ndarray:
        """(K,) a relaxed hand whose four fingers bend at their knuckles by `fingers` radians."""
        return self.kinematics.model.coefficient_mean + self._fingers(time) * np.array(self._bending)

    def frame(self, time: float, noise: Noise = QUIET, seed: int = 0) -> Moving:
        """The truth, with noise on what a fit would tell; its joints are without."""
        draw = np.random.default_rng((seed, int(round(time * 1e6)) % 2 ** 31))
        kinematics, bones = self.kinematics, self.kinematics.bones(np.zeros(10))
        coefficients, place = self.coefficients(time), np.asarray(self._place(time), float)
        wrist = axis_angle_to_matrix(self._turn(time)) @ axis_angle_to_matrix(FACING)
        joints = kinematics.posed(coefficients, wrist, bones).points + place
        points = CAMERA.project(joints) + noise.points * HAND * CAMERA.fx / place[2] * draw.normal(size=(21, 2))
        shaken = coefficients + noise.fingers * draw.normal(size=len(coefficients))
        pose = np.empty((16, 3))
        pose[0] = matrix_to_axis_angle(axis_angle_to_matrix(np.array([noise.tilt, noise.tilt, noise.turn]) * draw.normal(size=3)) @ wrist)
        pose[1:] = (kinematics.mean + shaken @ kinematics.components).reshape(-1, 3)
        return Moving(time, pose, place * np.exp(noise.distance * draw.normal()), joints, points)

    def frames(self, seconds: float, rate: float = 30.0, noise: Noise = QUIET, seed: int = 0) -> Iterator[Moving]:
        """Evenly timed frames from 0 on."""
        return (self.frame(i / rate, noise, seed) for i in range(round(seconds * rate)))


def settled(smoother: HandSmoother, frames, ahead: bool = True):
    """-> the pose and the place of each frame; `ahead`: once the next one is observed."""
    found, waiting = [], None
    for frame in frames:
        seen = smoother.observe(frame.pose, np.zeros(10), frame.translation, frame.points, CAMERA, frame.time)
        if not ahead:
            found.append(smoother.settle(seen))
        elif waiting is not None:
            found.append(smoother.settle(waiting, seen))
        waiting = seen
    return [*found, smoother.settle(waiting)] if ahead else found


def smoothed(mover: Mover, frames, settings: SmoothingSettings = SmoothingSettings(), ahead: bool = False):
    """-> joints (T, 21, 3) before and after smoothing, and the true ones."""
    frames, before, after, truth = list(frames), [], [], []
    for frame, (pose, place) in zip(frames, settled(HandSmoother(mover.kinematics, settings), frames, ahead), strict=True):
        before.append(mover.kinematics.model.joints(frame.pose, np.zeros(10)) + frame.translation)
        after.append(mover.kinematics.model.joints(pose, np.zeros(10)) + place)
        truth.append(frame.joints)
    return np.array(before), np.array(after), np.array(truth)
