"""How 21 points move from frame to frame: the whole hand's way, growth and turn in the picture, and what each finger does besides.

Points are several times steadier than the pose that is fitted to them, so they tell sooner, and surer, what moves and what only trembles.
What moves goes on the way it went; what trembles goes back: a hidden finger's points may jump to and fro, farther than any finger moves.
"""
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

FINGERS = np.arange(1, 21).reshape(5, 4)  # the points of each finger, thumb first
QUARTERS = np.full(4, 0.25)
SHORTEST_STEP = 1 / 240  # seconds; two timestamps closer than that say nothing about speed
MEMORY = 0.3  # seconds over which trembling is averaged
STILL = 0.06  # the same of the steps: what has not moved for so long does not tremble any more
HEED = 0.2  # share of the mean square step in the estimate of trembling, which is unbiased with any


class Motion(NamedTuple):
    """Speeds of one frame. A hand length is the hand's own in the picture."""

    hand: float  # of the points' mean, hand lengths per second
    turn: float  # in the picture, radians per second, without sign
    growth: float  # of the logarithm of the hand's size in the picture, per second, without sign
    fingers: np.ndarray  # (5,) root mean square over a finger's points, of what no move, turn and growth of the whole hand explains
    bent: float  # the same over all points
    trembling: np.ndarray  # (5,) variance by which a finger's points go to and fro, beyond their usual jitter; hand lengths squared


def on_both_sides(before: Motion, after: Motion) -> Motion:
    """The motion of a frame, of which the steps to it and from it are known: what moves goes on, so both count, as their geometric mean;
    whether points go to and fro is told by the later one, which has seen them come back."""
    return Motion(math.sqrt(before.hand * after.hand), math.sqrt(before.turn * after.turn), before.growth,
                  np.sqrt(before.fingers * after.fingers), math.sqrt(before.bent * after.bent), after.trembling)


class PointMotion:
    """Feed it the points of each frame in order."""

    def __init__(self, cutoff: float, jitter: float):
        """`cutoff` Hz of the speeds' low pass; `jitter`: share of the hand by which points tremble from one frame to the next."""
        self._cutoff, self._jitter = cutoff, jitter
        self._before: tuple[np.ndarray, np.ndarray] | None = None

    def step(self, points: np.ndarray, length: float, step: float) -> Motion:
        """Points (21, 2) px of a hand `length` px long, `step` seconds after the ones before; the first ones stand still.

        A speed is the larger of its low pass and of what the last step says, so that a start is seen at once and a stop believed later.
        """
        middle = np.add.reduce(points) * (1 / 21)  # the ufunc itself: `mean` takes twice as long
        now = points - middle
        if self._before is None:
            self._before = middle, now
            self._hand, self._growth, self._turn, self._rest = np.zeros(2), 0.0, 0.0, np.zeros((21, 2))
            self._way, self._trembling, self._steps = np.zeros((21, 2)), np.zeros(5), np.zeros(5)
            return Motion(0.0, 0.0, 0.0, np.zeros(5), 0.0, np.zeros(5))
        old_middle, old = self._before
        self._before = middle, now
        seconds = max(step, SHORTEST_STEP)
        size = max(float(np.vdot(old, old)), 1e-9)
        along = float(np.vdot(old, now)) / size
        across = float(old[:, 0] @ now[:, 1] - old[:, 1] @ now[:, 0]) / size
        scale = 1 / (length * seconds)
        way = (now - old @ np.array(((along, across), (-across, along)))) * (1 / length)
        rest = way * (1 / seconds)
        hand = (middle - old_middle) * scale
        share = 1 / (1 + 1 / (2 * math.pi * self._cutoff * step))
        self._rest += share * (rest - self._rest)
        self._hand += share * (hand - self._hand)
        self._growth += share * (math.log(max(math.hypot(along, across), 1e-3)) / seconds - self._growth)
        self._turn += share * (math.atan2(across, along) / seconds - self._turn)
        squares = np.maximum(np.einsum('ij,ij->i', rest, rest), np.einsum('ij,ij->i', self._rest, self._rest))
        trembling = self._jumping(way, step)
        still = (self._jitter ** 2 + 4 * trembling) / seconds ** 2  # twice what such points would seem to move
        return Motion(
            math.sqrt(max(hand @ hand, self._hand @ self._hand)), abs(self._turn), max(abs(self._growth) - self._jitter / 4 / seconds, 0.0),
            np.sqrt(np.maximum(squares[FINGERS] @ QUARTERS - still, 0)),
            math.sqrt(max(float(np.add.reduce(squares)) / 21 - float(np.add.reduce(still)) / 5, 0)), trembling)

    def _jumping(self, way: np.ndarray, step: float) -> np.ndarray:
        """(5,) `Motion.trembling`, after a step in which the points went `way` (21, 2), hand lengths, against the hand.

        Of points that are thrown about by a variance v, neighbouring steps have the mean product -v and the mean square 2 v; of points
        that move evenly, both are alike and positive.
        """
        steps, products = np.einsum('ij,ij->i', way, way), np.einsum('ij,ij->i', way, self._way)
        self._way = way
        steps, products = steps[FINGERS] @ QUARTERS, products[FINGERS] @ QUARTERS
        self._steps += (steps - self._steps) / (1 + STILL / step)
        self._trembling += ((HEED * steps - products) * (1 / (1 + 2 * HEED)) - self._trembling) / (1 + MEMORY / step)
        self._trembling = np.maximum(self._trembling, 0)
        return np.maximum(np.minimum(self._trembling, self._steps) - self._jitter ** 2, 0)
