"""What the arrival times of a camera's pictures tell: its real rate, and how many pictures it lost."""
from __future__ import annotations

from collections import deque
from statistics import median

REMEMBERED = 21  # arrivals; few, so that a camera that slows down in the dark is soon taken as it is
LATE = 1.5  # gaps longer than this many usual ones may mean that a picture is missing


class Arrivals:
    """Fed with the arrival of each picture. A picture that is only late makes the gap behind it shorter, so two gaps together decide."""

    def __init__(self) -> None:
        self.dropped = 0  # pictures that seem to be missing
        self._times: deque[float] = deque(maxlen=REMEMBERED)
        self._doubtful: tuple[float, float] | None = None  # a long gap and the usual one then

    def add(self, when: float) -> None:
        """A picture arrived, seconds."""
        gap = when - self._times[-1] if self._times else 0.0
        usual = self.period
        self._times.append(when)
        if self._doubtful is not None:
            long, then = self._doubtful
            self.dropped += max(0, round((long + min(gap, then)) / then) - 2)
            self._doubtful = None
        if usual and gap > LATE * usual:
            self._doubtful = gap, usual

    def interrupted(self) -> None:
        """What comes next has nothing to do with what came before."""
        self._times.clear()
        self._doubtful = None

    @property
    def period(self) -> float | None:
        """The usual seconds between two pictures; None until ten arrived."""
        if len(self._times) < 10:
            return None
        times = list(self._times)
        return median(b - a for a, b in zip(times, times[1:], strict=False)) or None
