"""Where a source is being played."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Position:
    """The last frame that was given out, and what happens next."""

    index: int = 0  # number of the frame, from 0
    time: float = 0.0  # seconds since the source's start
    playing: bool = False
    loop: bool = False
    ended: bool = False  # the last frame was reached and stays; playing on starts again
