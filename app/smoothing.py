"""Steady at rest, quick in motion: the One-Euro filter (Casiez, Roussel, Vogel, CHI 2012) for vectors, rotations and whole hands.

A low pass whose cut-off frequency grows with speed: at rest it takes the jitter out, in motion it hardly lags. Its lag behind an even motion
is 1 / (2 pi cut-off) seconds. Time steps are the true ones between timestamps. A hand's place is filtered as the ray to its wrist and the
logarithm of its distance, because distance is several times noisier than the ray, and must not blur where the hand is drawn.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.rotations import aligned, axis_angle_to_quaternion, difference, multiply, normalised

HAND = 0.18  # metres, a hand's length: the unit of speed for places, so that near and far hands are treated alike
SHORTEST_STEP = 1 / 240  # seconds; two timestamps closer than that say nothing about speed


@dataclass(frozen=True)
class OneEuro:
    """One filter's three numbers."""

    rest: float  # Hz, cut-off at rest: lower is steadier
    gain: float  # Hz per unit of speed: higher lags less in motion
    speed: float = 1.5  # Hz, cut-off of the speed's own low pass


@dataclass(frozen=True)
class SmoothingSettings:
    """How a hand is smoothed. Speeds in radians, hand lengths, or e-folds of distance per second."""

    strength: float = 0.5  # 0 off, 0.5 as the filters below say, 1 eight times as steady at rest
    fingers: OneEuro = OneEuro(rest=1.0, gain=4.0, speed=2.5)  # of the joints' rotations, per radian per second
    wrist: OneEuro = OneEuro(rest=1.0, gain=6.0, speed=3.0)  # of the whole hand's turn, per radian per second
    place: OneEuro = OneEuro(rest=2.0, gain=16.0, speed=3.0)  # of the wrist in the picture, per hand length per second
    distance: OneEuro = OneEuro(rest=0.5, gain=5.0)  # of the logarithm of the distance, per e-fold per second
    points: OneEuro = OneEuro(rest=2.0, gain=4.0)  # of points in the picture, per hand length per second
    gap: float = 0.3  # seconds without a frame after which the past is forgotten

    def __post_init__(self):
        if not 0 <= self.strength <= 1:
            raise ValueError(f'the strength of smoothing lies between 0 and 1, not {self.strength}')


class VectorFilter:
    """One-Euro for vectors (..., d): one speed, and so one cut-off, per vector."""

    def __init__(self, numbers: OneEuro | Sequence[OneEuro], strength: float = 0.5, gap: float = 0.3):
        """One set of numbers for all vectors, or one for each of vectors (n, d)."""
        if isinstance(numbers, OneEuro):
            rest, self._gain, self._speed = numbers.rest, numbers.gain, numbers.speed
        else:
            rest, self._gain, self._speed = (np.array([[getattr(n, name)] for n in numbers]) for name in ('rest', 'gain', 'speed'))
        self._rest = rest * 8 ** (1 - 2 * strength) if strength > 0 else np.inf
        self.gap = gap
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next value passes unchanged."""
        self._time = self._raw = self._value = None
        self._velocity = 0.0

    def __call__(self, value: np.ndarray, time: float, unit: float = 1.0) -> np.ndarray:
        """Take in `value` (..., d) at `time` seconds; the smoothed value. Speed is measured in `unit` per second.

        A timestamp that does not advance, or a value that is not finite, leaves the filter and its last result as they are; a step back
        in time, a gap, or a new shape begins anew. Raises ValueError if there is nothing finite to begin with.
        """
        value = np.asarray(value, np.float64)
        finite = bool(np.isfinite(value).all())
        step = None if self._time is None else time - self._time
        if step is None or step < 0 or step > self.gap or self._value.shape != value.shape:
            if not (finite and np.isfinite(time)):
                raise ValueError('the first value of a filter, and its time, must be finite')
            self._time, self._raw, self._value, self._velocity = time, value, value, np.zeros(self._velocity_shape(value))
            return value
        if step == 0 or not finite or not np.isfinite(time):
            return self._value
        value = self._towards(value)
        self._velocity = self._velocity + _share(self._speed, step) * (
            self._change(self._raw, value) / max(step, SHORTEST_STEP) - self._velocity)
        speed = np.sqrt((self._velocity ** 2).sum(-1, keepdims=True)) / unit
        self._value = self._between(self._value, value, _share(self._rest + self._gain * speed, step))
        self._time, self._raw = time, value
        return self._value

    def _velocity_shape(self, value: np.ndarray) -> tuple[int, ...]:
        return value.shape

    def _towards(self, value: np.ndarray) -> np.ndarray:
        return value

    def _change(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return second - first

    def _between(self, first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
        return first + share * (second - first)


class RotationFilter(VectorFilter):
    """One-Euro on rotations: unit quaternions (..., 4), speed = angular velocity in radians per second; q and -q are the same."""

    def _velocity_shape(self, value: np.ndarray) -> tuple[int, ...]:
        return value.shape[:-1] + (3,)

    def _towards(self, value: np.ndarray) -> np.ndarray:
        return aligned(normalised(value), self._raw)

    def _change(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return difference(first, second)

    def _between(self, first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
        return normalised(multiply(first, axis_angle_to_quaternion(share * difference(first, second))))


class HandSmoother:
    """The filters of one track. A new track, or one found again, gets a new one (or `reset`)."""

    def __init__(self, settings: SmoothingSettings = SmoothingSettings()):
        self.settings = settings
        strength, gap = settings.strength, settings.gap
        self._turns = RotationFilter([settings.wrist] + 15 * [settings.fingers], strength, gap)
        self._place = VectorFilter(settings.place, strength, gap)
        self._distance = VectorFilter(settings.distance, strength, gap)
        self._points = VectorFilter(settings.points, strength, gap)

    def reset(self) -> None:
        """Forget the past."""
        for part in (self._turns, self._place, self._distance, self._points):
            part.reset()

    def smooth(self, pose: np.ndarray, translation: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Pose (16, 4) unit quaternions and the wrist's translation (3,) in metres at `time` seconds -> the same, smoothed."""
        pose, translation = np.asarray(pose, np.float64), np.asarray(translation, np.float64)
        if pose.shape != (16, 4) or translation.shape != (3,):
            raise ValueError(f'a pose (16, 4) and a translation (3,) are needed, not {pose.shape} and {translation.shape}')
        turned = self._turns(pose, time)
        distance = max(float(translation[2]), 1e-3)
        far = float(np.exp(self._distance(np.log([distance]), time)[0]))
        ray = self._place(translation[:2] / distance, time, HAND / far)
        return turned, np.append(ray * far, far)

    def smooth_points(self, points: np.ndarray, time: float, hand_length: float) -> np.ndarray:
        """Points (n, 2) in pixels at `time` -> smoothed, each by its own speed; `hand_length` is the hand's length in pixels."""
        return self._points(points, time, max(hand_length, 1.0))


def _share(cutoff: np.ndarray | float, step: float) -> np.ndarray | float:
    """The part of the way towards the new value that a low pass of `cutoff` Hz goes in `step` seconds."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))
