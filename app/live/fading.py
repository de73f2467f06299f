"""Hands fade in when they are found and out when they are lost, instead of popping."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.types import Hand

RISE, FALL = 0.12, 0.15  # seconds from nothing to all, and back
FIRST_STEP = 1 / 30  # seconds; how long a hand was there before the very first picture of it
LONGEST_STEP = 0.1  # seconds; after a stall a hand that was never seen does not stand there in full at once
CERTAIN, DOUBTFUL, FAINTEST = 0.7, 0.3, 0.35  # confidence of a full hand, confidence of the faintest, and how visible that one is
SAME_PLACE = 0.5  # of a hand's box: a new track this near to a fading one is the same hand, and goes on from where that one was


@dataclass
class _Seen:
    """A hand that is visible: where it was last, and how much of it shows."""

    hand: Hand
    level: float  # 0..1


class Fader:
    """How visible each hand is. Feed it the hands of each frame in order, with the moment of its capture."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all hands, at once: another source, or a jump in time."""
        self._seen: dict[int, _Seen] = {}
        self._last: float | None = None
        self._following: set[int] = set()

    @property
    def settled(self) -> bool:
        """Whether nothing would change without a new frame."""
        return all(n in self._following and s.level == _wanted(s.hand) for n, s in self._seen.items())

    def step(self, hands: Sequence[Hand], now: float) -> tuple[tuple[Hand, ...], tuple[float, ...]]:
        """The hands found in a frame captured at `now` (seconds of `time.monotonic()`) -> those to draw, and how visible each is, 0..1.

        Hands that are found come first, in their order; lost ones follow, at their last place, until they are gone. A lost hand that is
        found again in that time goes on from where it was.
        """
        passed = FIRST_STEP if self._last is None else float(np.clip(now - self._last, 0, LONGEST_STEP))
        gone = passed if self._last is None else max(now - self._last, 0)
        self._last = now
        self._following = {hand.track for hand in hands}
        lost = {number: seen for number, seen in self._seen.items() if number not in self._following}
        now_seen = {}
        for hand in hands:
            before = self._seen.get(hand.track) or self._takes_over(hand, lost)
            level, wanted = before.level if before else 0.0, _wanted(hand)
            level = min(level + passed / RISE, wanted) if level < wanted else max(level - passed / FALL, wanted)
            now_seen[hand.track] = _Seen(hand, level)
        for number, seen in lost.items():
            level = seen.level - gone / FALL
            if level > 0:
                now_seen[number] = _Seen(seen.hand, level)
        self._seen = now_seen
        return tuple(s.hand for s in now_seen.values()), tuple(s.level for s in now_seen.values())

    def still(self, hands: Sequence[Hand], now: float) -> tuple[tuple[Hand, ...], tuple[float, ...]]:
        """The same for a picture that stands still: what was found shows as it is, nothing fades."""
        self._last = now
        self._following = {hand.track for hand in hands}
        self._seen = {hand.track: _Seen(hand, _wanted(hand)) for hand in hands}
        return tuple(hands), tuple(s.level for s in self._seen.values())

    @staticmethod
    def _takes_over(hand: Hand, lost: dict[int, _Seen]) -> _Seen | None:
        """The fading hand in whose place the new track stands, taken out of `lost`."""
        for number, seen in lost.items():
            apart = np.linalg.norm(hand.points.mean(0) - seen.hand.points.mean(0))
            if hand.side == seen.hand.side and apart < SAME_PLACE * max(hand.box_side, seen.hand.box_side):
                return lost.pop(number)
        return None


def _wanted(hand: Hand) -> float:
    """How visible a hand of this confidence is in the end."""
    share = (hand.confidence - DOUBTFUL) / (CERTAIN - DOUBTFUL)
    return float(np.clip(FAINTEST + (1 - FAINTEST) * share, FAINTEST, 1))
