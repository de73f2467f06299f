"""Where what is played goes."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.live.events import Event
from app.live.shown import SourceInfo
from app.types import Frame


@dataclass(frozen=True)
class Outlet:
    """What a source that is played needs of its player. All of it may be called on any thread."""

    give: Callable[[Frame, SourceInfo, int, bool], None]  # frame, source, generation, paused
    is_full: Callable[[], bool]  # the last frame was not taken yet
    tell: Callable[[Event], None]
    new_generation: Callable[[], int]
    wake: Callable[[], None]  # have `tick` called
