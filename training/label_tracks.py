"""Which hands of a clip are one person's hand: the nearest box of the frames before."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from app.types import Side

REACH = 1.5  # box sides that a hand may move between two looks, and for every second of its absence beyond the first
REMEMBER = 3.0  # seconds after which a hand that comes back counts as a new one
OTHER_SIDE = 1.0  # box sides added to the distance when a hand looks like one of the other side
SAME_HAND = 0.35  # points that lie closer than this share of the box (mean) are one hand found twice
SIDE_CERTAIN = 0.8  # of a track's looks must say its side


@dataclass
class Followed:
    """One hand of a clip."""

    number: int
    points: np.ndarray  # (21, 2) pixels, last seen
    time: float  # seconds, last seen
    rights: list[float] = field(default_factory=list)  # probabilities of a right hand
    kept: np.ndarray | None = None  # (21, 2) pixels, of the last frame that became a row

    @property
    def right(self) -> float:
        """Mean probability of a right hand."""
        return float(np.mean(self.rights))

    @property
    def side(self) -> Side:
        return 'right' if self.right >= 0.5 else 'left'

    @property
    def side_is_certain(self) -> bool:
        """Whether nearly all looks, over all frames, say the same side."""
        return max(self.right, 1 - self.right) >= SIDE_CERTAIN


class Follower:
    """The hands of one clip, fed in order of time."""

    def __init__(self) -> None:
        self.hands: list[Followed] = []

    def __call__(self, points: list[np.ndarray], rights: list[float], time: float) -> list[Followed]:
        """The hand that each set of points (21, 2) of this frame belongs to, a new one where none is near; no two the same."""
        near = sorted((cost, i, hand.number) for i, p in enumerate(points) for hand in self.hands
                      if (cost := self._cost(hand, p, rights[i], time)) is not None)
        chosen: dict[int, Followed] = {}
        for _, i, number in near:
            if i not in chosen and all(hand.number != number for hand in chosen.values()):
                chosen[i] = self.hands[number]
        for i, p in enumerate(points):
            if i not in chosen:
                chosen[i] = Followed(len(self.hands), p, time)
                self.hands.append(chosen[i])
            chosen[i].points, chosen[i].time = p, time
            chosen[i].rights.append(rights[i])
        return [chosen[i] for i in range(len(points))]

    @staticmethod
    def _cost(hand: Followed, points: np.ndarray, right: float, time: float) -> float | None:
        """How unlikely it is that the points are this hand's; None: impossible."""
        away = time - hand.time
        sides = float(np.ptp(points, axis=0).max()), float(np.ptp(hand.points, axis=0).max())
        distance = float(np.linalg.norm(points.mean(0) - hand.points.mean(0))) / max(sides)
        if away > REMEMBER or distance > REACH * max(1.0, away) or not 0.4 < sides[0] / sides[1] < 2.5:
            return None
        return distance + OTHER_SIDE * abs(right - hand.right)


def distinct(points: list[np.ndarray]) -> list[int]:
    """Numbers of the sets of points (21, 2) without those that are a hand found before in the list."""
    kept: list[int] = []
    for i, p in enumerate(points):
        box = float(np.ptp(p, axis=0).max())
        if all(np.linalg.norm(p - points[j], axis=-1).mean() >= SAME_HAND * max(box, float(np.ptp(points[j], axis=0).max())) for j in kept):
            kept.append(i)
    return kept
