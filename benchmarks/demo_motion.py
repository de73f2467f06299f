"""What the hand of the demo clip does: gestures between key moments, the forearm turning about an elbow below the picture."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from app.hand_model import HandModel
from app.rotations import axis_angle_to_matrix
from training.poses import PoseSampler

FPS, SECONDS = 30, 10.0
FOREARM = 0.25  # metres from the elbow to the wrist


@dataclass(frozen=True)
class Key:
    """A moment: what the fingers do, and how the forearm stands. Between keys everything eases."""

    time: float  # seconds
    gesture: str
    roll: float  # degrees, the fingers lean to the picture's right
    yaw: float  # degrees of turning about the forearm; 0 shows the palm, 180 the back
    pitch: float = 0.0  # degrees, the fingers lean to the camera


KEYS = (
    Key(0.0, 'relaxed', 4, 20, 6), Key(0.62, 'open', -2, 0), Key(1.06, 'open', -19, -6), Key(1.5, 'open', 17, 4),
    Key(1.94, 'open', -16, -6), Key(2.44, 'open', 2, 0), Key(2.88, 'point', 0, 2), Key(3.19, 'point', 0, 2),
    Key(3.5, 'two', 0, 0), Key(3.75, 'two', 1, 0), Key(4.06, 'three', 0, 0), Key(4.25, 'three', 0, 0),
    Key(4.56, 'four', 0, 2), Key(4.75, 'four', 1, 2), Key(5.06, 'open', 3, 0), Key(5.56, 'ok', 6, -14),
    Key(5.88, 'ok', 6, -14), Key(6.19, 'half_open', 6, -14), Key(6.5, 'pinch', 7, -18), Key(6.75, 'pinch', 7, -18),
    Key(7.19, 'open', 2, 0), Key(7.62, 'fist', 0, 6), Key(7.94, 'fist', 0, 10), Key(8.44, 'open', -2, 60),
    Key(8.94, 'open', -4, 150, -4), Key(9.25, 'open', -4, 165, -4), Key(9.69, 'point', -6, 160, 2),
    Key(10.0, 'point', -6, 158, 2),
)


@dataclass(frozen=True)
class Motion:
    """The hand in every frame."""

    coefficients: np.ndarray  # (T, K) radians
    rotations: np.ndarray  # (T, 3, 3) of the wrist, camera axes
    wrists: np.ndarray  # (T, 3) metres in the camera frame
    times: np.ndarray  # (T,) seconds


def demo_motion(model: HandModel, shape: np.ndarray, elbow: tuple[float, float, float] = (0.012, 0.300, 0.45)) -> Motion:
    """The whole clip's motion for a hand of `shape` (10,), the elbow resting about `elbow` (metres, camera frame)."""
    sampler = PoseSampler(model)
    gestures = {key.gesture: sampler.archetype(key.gesture, shape) for key in KEYS if key.gesture != 'half_open'}
    gestures['half_open'] = 0.45 * gestures['pinch'] + 0.55 * gestures['open']
    times = np.arange(round(FPS * SECONDS)) / FPS
    values = np.array([np.concatenate([gestures[k.gesture], np.radians([k.roll, k.yaw, k.pitch])]) for k in KEYS])
    track = _eased(times, np.array([k.time for k in KEYS]), values)
    rest = sampler.settler.rest(shape)
    fingers = np.array([sampler.settler.settled(c, rest, steps=6) for c in track[:, :-3]])
    track = np.concatenate([fingers, track[:, -3:]], 1)
    track = gaussian_filter1d(track, 1.5, axis=0, mode='nearest')
    sway = np.sin(2 * np.pi * times[:, None] * (0.31, 0.23, 0.17) + (0.3, 1.1, 2.0)) * (0.010, 0.006, 0.018)
    tremble = np.radians(np.sin(2 * np.pi * times[:, None] * (0.9, 0.7, 1.1) + (0.0, 0.8, 1.9)) * (1.2, 2.0, 1.5))
    roll, yaw, pitch = (track[:, -3:] + tremble).T
    upright = np.diag((-1.0, -1.0, 1.0))  # fingers up, palm to the camera
    rotations = np.array([axis_angle_to_matrix(np.array([0, 0, r])) @ axis_angle_to_matrix(np.array([p, 0, 0])) @ upright
                          @ axis_angle_to_matrix(np.array([0, y, 0])) for r, y, p in zip(roll, yaw, pitch)])
    wrists = np.array(elbow) + sway + FOREARM * rotations[:, :, 1]
    return Motion(np.clip(track[:, :-3], sampler.low, sampler.high), rotations, wrists, times)


def _eased(times: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (n, C) at `keys` (n,) -> (T, C) at `times`: between two keys from rest to rest, without haste in the middle."""
    at = np.clip(np.searchsorted(keys, times, side='right') - 1, 0, len(keys) - 2)
    t = np.clip((times - keys[at]) / (keys[at + 1] - keys[at]), 0, 1)[:, None]
    ease = t**2 * (3 - 2 * t)
    return (1 - ease) * values[at] + ease * values[at + 1]
