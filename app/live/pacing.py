"""When a frame of a file is due: its own time stamps, laid onto the clock."""
from __future__ import annotations

BEHIND = 0.5  # seconds: frames that are later than this are not caught up with; the clip goes on from there


class Pace:
    """Ties a moment of the clip to a moment of the clock (`time.monotonic()`); the clip's other moments follow from it."""

    def __init__(self, speed: float = 1.0):
        """`speed`: seconds of the clip per second; 0: every frame is due at once. Raises ValueError when it is negative."""
        if speed < 0:
            raise ValueError(f'a speed of {speed} is not possible')
        self.speed = speed
        self._clip = self._clock = 0.0

    def anchor(self, clip: float, clock: float) -> None:
        """The clip's moment `clip` is due at `clock`."""
        self._clip, self._clock = clip, clock

    def due(self, clip: float) -> float:
        """When the clip's moment is due, by the clock."""
        return self._clock if not self.speed else self._clock + (clip - self._clip) / self.speed

    def catch_up(self, clip: float, now: float) -> None:
        """Whoever delivers the moment `clip` now and is far behind gives up the time that was lost."""
        if self.speed and now - self.due(clip) > BEHIND:
            self.anchor(clip, now)
