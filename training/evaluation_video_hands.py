"""What a contender says of one hand in one frame, and how hands are followed that nobody follows: MediaPipe names none."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from app.types import Intrinsics, Side

NEAR = 0.5  # of the hand box: points farther apart on average are another hand's
PATIENCE = 0.5  # seconds after which a hand that is seen again counts as another one
FAR = 1e6


@dataclass(frozen=True, eq=False)
class Seen:
    """One hand of one contender in one frame."""

    track: int
    side: Side
    points: np.ndarray  # (21, 2) pixels: where it says the joints are
    joints: np.ndarray  # (21, 3) metres, camera frame
    colours: np.ndarray | None = None  # (N, 3) uint8 sRGB albedo of the vertices
    visible: np.ndarray | None = None  # (N,) bool: vertices that the camera sees
    fitted: np.ndarray | None = None  # (21, 2) pixels: the detected points that the hand was fitted to
    filled: bool = False  # made up over a gap
    waited: int = 0  # frames that it waited for before it was told


def box_side(points: np.ndarray) -> np.ndarray:
    """Longer side (...,) of the boxes around points (..., 21, 2)."""
    return np.ptp(points, axis=-2).max(-1)


def nearest(points: Sequence[np.ndarray], others: Sequence[np.ndarray], near: float = NEAR) -> list[tuple[int, int]]:
    """Pairs (index in points, index in others) of the same hand: points (21, 2) nearest to each other, `near` of the larger box at most,
    each hand in one pair only."""
    if not len(points) or not len(others):
        return []
    a, b = np.stack(points), np.stack(others)
    apart = np.linalg.norm(a[:, None] - b[None], axis=-1).mean(-1) / np.maximum(np.maximum(box_side(a)[:, None], box_side(b)[None]), 1e-6)
    apart = np.where(np.isfinite(apart) & (apart < near), apart, FAR)
    return [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(apart)) if apart[i, j] < FAR]


@dataclass
class Linker:
    """Gives hands of frames in order their tracks' numbers by where they are."""

    _last: dict[int, tuple[np.ndarray, float]] = field(default_factory=dict)  # track -> points, time
    _next: int = 0

    def __call__(self, points: Sequence[np.ndarray], time: float) -> list[int]:
        """The track of each of the hands with points (21, 2) at `time` seconds."""
        self._last = {number: (p, t) for number, (p, t) in self._last.items() if time - t <= PATIENCE}
        known = list(self._last)
        pairs = dict(nearest(points, [self._last[number][0] for number in known]))
        numbers = []
        for i, hand in enumerate(points):
            if i in pairs:
                number = known[pairs[i]]
            else:
                number, self._next = self._next, self._next + 1
            self._last[number] = hand, time
            numbers.append(number)
        return numbers


def placed(world: np.ndarray, points: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """World points (21, 3) in metres about nowhere, moved to where the camera sees them nearest to points (21, 2) px: the least squares of
    x z' = x' z, which are linear in the place. NaN if they would lie behind the camera."""
    rays = (points - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    matrix, right = np.zeros((2 * len(world), 3)), np.empty(2 * len(world))
    matrix[0::2, 0] = matrix[1::2, 1] = 1
    matrix[0::2, 2], matrix[1::2, 2] = -rays[:, 0], -rays[:, 1]
    right[0::2], right[1::2] = (rays * world[:, 2:] - world[:, :2]).T
    moved = world + np.linalg.lstsq(matrix, right, rcond=None)[0]
    return moved if moved[:, 2].min() > 0 else np.full_like(world, np.nan)
