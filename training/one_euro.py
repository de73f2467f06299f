"""The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012) for vectors: a low pass whose cut-off frequency grows with speed.

At rest it takes the jitter out; in motion it hardly lags, 1 / (2 pi cut-off) seconds behind an even one. Time steps are the true ones.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.point_motion import SHORTEST_STEP


@dataclass(frozen=True)
class OneEuro:
    """One filter's three numbers."""

    rest: float  # Hz, cut-off at rest: lower is steadier
    gain: float  # Hz per unit of speed: higher lags less in motion
    speed: float = 1.5  # Hz, cut-off of the speed's own low pass


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
            self._time, self._raw, self._value, self._velocity = time, value, value, np.zeros(value.shape)
            return value
        if step == 0 or not finite or not np.isfinite(time):
            return self._value
        self._velocity = self._velocity + _share(self._speed, step) * (
            (value - self._raw) / max(step, SHORTEST_STEP) - self._velocity)
        speed = np.sqrt((self._velocity ** 2).sum(-1, keepdims=True)) / unit
        self._value = self._value + _share(self._rest + self._gain * speed, step) * (value - self._value)
        self._time, self._raw = time, value
        return self._value


def _share(cutoff: np.ndarray | float, step: float) -> np.ndarray | float:
    """The part of the way towards the new value that a low pass of `cutoff` Hz goes in `step` seconds."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * step))
