"""How a hand moves before a camera: random natural motion as smooth functions of time, by seed.

Key poses follow each other as people move: they rest, go on, now and then in a stretch of a fifth of a second. Between them the fingers'
angles are monotone splines, so that no limit of the hand is left, and the wrist turns along a rotation spline. Time runs through the key
poses unevenly (a pause: time stands still), and everything is smoothed over `SMOOTH` seconds, so that velocities have no jumps.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, RotationSpline

from app.hand_model import HandModel
from app.types import Intrinsics
from training.appearance import ARM
from training.poses import PoseSampler, sample_shape, sample_view

DENSE = 240  # samples a second; frames are taken from between them
SMOOTH = 0.035  # seconds, standard deviation of the smoothing
PACES = {'pause': (0.25, (0.2, 0.7)), 'quick': (0.25, (0.16, 0.32)), 'usual': (0.5, (0.4, 1.2))}  # share, and seconds from to
DEPTHS = 0.3, 0.75  # metres from the camera
TURN = 0.45  # radians, spread of the wrist's turn about each axis from one key pose to the next
FARTHEST = 1.4  # radians that it turns at most
ANOTHER_VIEW = 0.25  # share of the key poses that show another side of the hand, if that is not further
SAME_POSE = 0.3  # share of the key poses in which the fingers only shift a little
PASS_THROUGH = 0.012  # metres by which fingers may pass through each other half-way between two key poses
HIDDEN = 0.08  # metres: an arm that ends so near to the wrist, as the camera sees it, is behind the hand
TRIES = 40


@dataclass(frozen=True)
class Key:
    """A key pose."""

    coefficients: np.ndarray  # (K,) of the hand model
    rotation: Rotation  # of the wrist, model axes -> camera axes
    wrist: np.ndarray  # (3,) metres, camera axes


@dataclass(frozen=True)
class Motion:
    """One right hand's motion, sampled `DENSE` times a second from time 0; rows between samples are interpolated."""

    shape: np.ndarray  # (10,)
    coefficients: np.ndarray  # (D, K)
    quaternions: np.ndarray  # (D, 4) of the wrist, (x, y, z, w), neighbours of the same sign
    wrist: np.ndarray  # (D, 3) metres

    def at(self, time: float) -> Key:
        """The hand at a time in seconds."""
        place = np.clip(time * DENSE, 0, len(self.wrist) - 1.001)
        low, part = int(place), place - int(place)
        row = [(1 - part) * values[low] + part * values[low + 1] for values in (self.coefficients, self.quaternions, self.wrist)]
        return Key(row[0], Rotation.from_quat(row[1]), row[2])


class MotionSampler:
    """Draws motions for one hand model."""

    def __init__(self, model: HandModel, poses: PoseSampler) -> None:
        self.model, self.poses = model, poses

    def sample(self, random: np.random.Generator, seconds: float, camera: Intrinsics, frame: tuple[int, int]) -> Motion:
        """A motion of so many seconds, its joints at the key poses inside the frame (width, height)."""
        shape = sample_shape(random)
        keys, times, places = [self._first(random, shape, camera, frame)], [0.0], [0.0]
        while times[-1] < seconds + 0.5 or len(keys) < 3:
            pace = random.choice(list(PACES), p=[share for share, _ in PACES.values()])
            times.append(times[-1] + random.uniform(*PACES[pace][1]))
            if pace != 'pause':
                keys.append(self._next(random, keys[-1], shape, camera, frame))
            places.append(len(keys) - 1.0)
        time = np.arange(0, seconds + 0.2, 1 / DENSE)
        place = PchipInterpolator(times, places)(time)
        number = np.arange(len(keys))
        coefficients = PchipInterpolator(number, np.stack([k.coefficients for k in keys]))(place)
        wrist = PchipInterpolator(number, np.stack([k.wrist for k in keys]))(place)
        turns = RotationSpline(number, Rotation.concatenate([k.rotation for k in keys]))(place).as_quat()
        turns *= np.cumprod(np.where(np.concatenate([[1], (turns[1:] * turns[:-1]).sum(1)]) < 0, -1, 1))[:, None]
        tremor = gaussian_filter1d(random.normal(0, 1, (len(time), 3)), 0.12 * DENSE, axis=0)
        wrist = wrist + 0.0012 * tremor / max(tremor.std(), 1e-9)  # a hand is never quite still
        smooth = [gaussian_filter1d(values, SMOOTH * DENSE, axis=0, mode='nearest') for values in (coefficients, turns, wrist)]
        return Motion(shape, smooth[0], smooth[1] / np.linalg.norm(smooth[1], axis=1, keepdims=True), smooth[2])

    def _first(self, random: np.random.Generator, shape: np.ndarray, camera: Intrinsics, frame: tuple[int, int]) -> Key:
        coefficients = self.poses.sample(random, shape)[0]
        upright = Rotation.from_matrix(np.diag((-1.0, -1.0, 1.0)))  # palm to the camera
        key = self._placed(coefficients, upright, DEPTHS[0], np.zeros(2), shape, camera, frame)
        for _ in range(TRIES):
            rotation, depth = Rotation.from_matrix(sample_view(random)[0]), np.exp(random.uniform(*np.log(DEPTHS)))
            wanted = self._placed(coefficients, rotation, depth, random.uniform(-0.7, 0.7, 2), shape, camera, frame)
            if arm_is_right(wanted, camera, frame):
                return wanted
        return key

    def _next(self, random: np.random.Generator, last: Key, shape: np.ndarray, camera: Intrinsics, frame: tuple[int, int]) -> Key:
        """A key pose that a hand can go over to: no finger through another half-way, the forearm where an arm can be."""
        rest = self.poses.settler.rest(shape)
        coefficients = last.coefficients
        for _ in range(TRIES):
            if random.random() < SAME_POSE:
                wanted = np.clip(last.coefficients + random.normal(0, 0.06, len(coefficients)), self.poses.low, self.poses.high)
            else:
                wanted = self.poses.sample(random, shape)[0]
            if self.poses.settler.overlap((wanted + last.coefficients) / 2, rest) < PASS_THROUGH:
                coefficients = wanted
                break
        middle = 2 * (camera.project(last.wrist) - (camera.cx, camera.cy)) / np.array(frame)
        for _ in range(TRIES):
            turn = Rotation.from_rotvec(random.normal(0, TURN, 3))
            if random.random() < ANOTHER_VIEW:
                turn = Rotation.from_matrix(sample_view(random)[0]) * last.rotation.inv()
            half = Rotation.from_rotvec(turn.as_rotvec() / 2) * last.rotation
            depth = np.clip(last.wrist[2] * np.exp(random.normal(0, 0.18)), *DEPTHS)
            place = np.clip(middle + random.normal(0, 0.25, 2), -1, 1)
            wanted = self._placed(coefficients, turn * last.rotation, depth, place, shape, camera, frame)
            if turn.magnitude() < FARTHEST and all(arm_is_right(Key(coefficients, rotation, (wanted.wrist + wrist) / 2), camera, frame)
                                                   for rotation, wrist in ((wanted.rotation, wanted.wrist), (half, last.wrist))):
                return wanted
        return Key(coefficients, last.rotation, last.wrist)

    def _placed(self, coefficients: np.ndarray, rotation: Rotation, depth: float, place: np.ndarray, shape: np.ndarray, camera: Intrinsics,
                frame: tuple[int, int]) -> Key:
        """The hand with its middle at `place` (-1..1 of the room there is), further away if it does not fit."""
        joints = self.model.joints(self.model.pose_of(coefficients, rotation.as_rotvec()), shape)
        low, high = joints.min(0), joints.max(0)
        span = 1.15 * camera.fx * (high - low)[:2]
        depth = max(depth, (span / frame).max() - low[2])
        room = np.maximum(np.array(frame) - span / (depth + low[2]), 0) / 2
        middle = (low + high) / 2
        pixel = (np.array(frame) - 1) / 2 + place * room
        return Key(coefficients, rotation, camera.unproject(pixel, np.float64(depth + middle[2])) - middle)


def arm_is_right(key: Key, camera: Intrinsics, frame: tuple[int, int]) -> bool:
    """Whether the forearm does not come at the camera, where it would hide the hand, and does not end inside the frame (width, height)."""
    along = key.rotation.as_matrix()[:, 1]  # from the wrist to the fingers
    if along[2] > min(0.65, (key.wrist[2] - 0.12) / ARM):
        return False
    wrist, end = camera.project(np.stack([key.wrist, key.wrist - ARM * along]))
    hidden = np.linalg.norm(end - wrist) < HIDDEN * camera.fx / key.wrist[2]
    return bool(hidden or ((end < 0) | (end > np.array(frame) - 1)).any())
