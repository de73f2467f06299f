"""What the threads of the live pipeline hand to each other, and at last to the window. All of one item belongs to one frame."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from app.types import Frame, Hand, Intrinsics, Side


@dataclass(frozen=True)
class SourceInfo:
    """A source that is open."""

    spec: str  # what `Engine.open` was given
    name: str  # as a person calls it
    kind: str  # 'camera', 'video', 'folder', 'picture'
    width: int  # pixels
    height: int
    fps: float | None  # frames per second; of a camera as measured lately
    frame_count: int | None  # None for a camera, or when only the end will tell
    duration: float | None  # seconds
    seekable: bool  # files can be paused, sought and stepped; cameras only paused
    sequence: bool = True  # False: pictures that have nothing to do with each other


@dataclass(frozen=True)
class Captured:
    """A frame, as the player gives it out."""

    frame: Frame
    source: SourceInfo
    generation: int  # grows when the source changes, or time jumps (seek, loop): filters and tracks start anew
    paused: bool = False  # a still that was stepped or sought to


@dataclass(frozen=True)
class HandStatus:
    """What is known of a followed hand, for the display."""

    track: int
    side: Side
    confidence: float  # 0..1
    shape_certainty: float  # 0..1, 1 when locked
    shape_locked: bool
    texture_seen: float  # share of the vertices, 0..1
    texture_locked: float  # share of those, 0..1
    kept: bool = True  # whether one shape and skin are kept for it; if not, the rest tells what was known when they last were
    learning: bool = True  # whether its shape is learnt from the pictures: only hands that are fitted to their points tell it


@dataclass(frozen=True)
class Inferred:
    """A frame with its hands."""

    captured: Captured
    hands: tuple[Hand, ...]
    visibility: tuple[float, ...]  # 0..1 of each hand: it fades in when found and out when lost (a lost hand keeps its last place)
    intrinsics: Intrinsics
    statuses: tuple[HandStatus, ...]
    stage_ms: dict[str, float] = field(default_factory=dict)
    searched: bool = False  # the detector looked at the whole picture in this frame
    lost: int = 0  # so many of the hands, the last ones, were not found in this frame: they fade out at their last place

    @property
    def found(self) -> tuple[Hand, ...]:
        """The hands that were really found in this frame: what is written to files."""
        return self.hands[:len(self.hands) - self.lost]


@dataclass(frozen=True)
class Shown:
    """A picture for the screen."""

    inferred: Inferred
    picture: np.ndarray  # (H, W, 3) uint8 RGB: the frame with the overlay, mirrored if the settings say so
    view: np.ndarray | None  # (h, w, 3) uint8 RGB: the 3D view of the same frame's hands; None when it is switched off
    drawn: float  # time.monotonic() when it was ready
    stage_ms: dict[str, float] = field(default_factory=dict)  # of all stages of this frame

    @property
    def frame(self) -> Frame:
        """The frame that it shows."""
        return self.inferred.captured.frame

    @property
    def hands(self) -> tuple[Hand, ...]:
        """The hands on it."""
        return self.inferred.hands
