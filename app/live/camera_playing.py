"""A camera that is shown as it comes, watched for silence."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from app.live.camera_reading import CameraReader
from app.live.events import PlayStateChanged, SourceBack, SourceLost
from app.live.outlet import Outlet
from app.live.position import Position
from app.live.shown import SourceInfo
from app.sources.source import Source
from app.types import Frame

STALLED, LOST = 1.0, 1.8  # seconds without a picture
LOOK = 0.1  # seconds between looks at whether pictures come
FRESH = 1.0  # seconds between updates of the measured rate


class CameraPlaying:
    """Gives out a camera's frames on its reader's thread, without delay. All methods are called on the player's."""

    def __init__(self, number: int, open_source: Callable[[], Source], opened: Callable[[Source | None, str], None], outlet: Outlet):
        self.number = number
        self.info: SourceInfo | None = None
        self.skipped = 0
        self.stalls = 0  # times that no picture came for a second
        self._reader = CameraReader(number, open_source, opened, self._give, self._gone)
        self._outlet, self._generation = outlet, 0
        self._changing = threading.Lock()  # held while a frame is given out
        self._giving = self._playing = False
        self._stalled = self._lost = False
        self._measured = time.monotonic()
        self._last: Frame | None = None

    @property
    def thread(self) -> threading.Thread:
        """The one that may hang in the device."""
        return self._reader.thread

    @property
    def dropped(self) -> int:
        """Frames that the camera seems to have lost."""
        return self._reader.dropped

    def start(self) -> None:
        """Let the camera be opened; nothing is given out yet."""
        self._reader.start()

    def begin(self, info: SourceInfo, generation: int, loop: bool, paused: bool) -> None:
        """Give its frames out from now on; if `paused`, only the next one. A camera has no end, so nothing is looped."""
        with self._changing:
            self.info, self._generation, self._playing, self._giving = info, generation, not paused, True

    def position(self) -> Position:
        """Of the frame that was given out last."""
        last = self._last
        return Position(last.index if last else 0, last.time if last else 0.0, self._playing)

    def play(self, now: float) -> None:
        """Show its frames again."""
        self._set_playing(True)

    def pause(self) -> None:
        """Throw its frames away; the last one stays."""
        self._set_playing(False)

    def set_loop(self, on: bool) -> None:
        """A camera has no end."""

    def seek(self, seconds: float) -> None:
        """A camera has only now."""

    def step(self, frames: int) -> None:
        """A camera has only now."""

    def close(self) -> None:
        """Give out nothing more, and let the reader end by itself."""
        with self._changing:
            self._giving = False
        self._reader.stop()

    def tick(self, now: float) -> float | None:
        """Look whether pictures come. When to look again, by the clock."""
        silent = now - self._reader.arrived
        with self._changing:
            if silent > STALLED and not self._stalled:
                self._stalled = True
                self.stalls += 1
            if silent > LOST:
                self._lose()
        return now + LOOK

    def _give(self, frame: Frame, fps: float) -> None:
        """Hand a frame on, unless it is not wanted."""
        with self._changing:
            if not self._giving:
                return
            if self._lost:
                self._back(frame)
            self._stalled = False
            if frame.captured - self._measured > FRESH:
                self.info, self._measured = replace(self.info, fps=round(fps, 2)), frame.captured
            if self._playing or self._last is None:
                self._last = frame
                self._outlet.give(frame, self.info, self._generation, False)

    def _gone(self) -> None:
        """The camera gives no more pictures."""
        with self._changing:
            self._lose()

    def _set_playing(self, on: bool) -> None:
        if on != self._playing:
            with self._changing:
                self._playing = on
            self._outlet.tell(PlayStateChanged(on, False))

    def _lose(self) -> None:
        if not self._lost and self._giving:
            self._lost = True
            name = self.info.name[:1].upper() + self.info.name[1:]
            self._outlet.tell(SourceLost(f'{name} gives no pictures any more; plug it in again and it goes on by itself.'))

    def _back(self, frame: Frame) -> None:
        self._lost = False
        self._generation = self._outlet.new_generation()
        height, width = frame.image.shape[:2]
        self.info = replace(self.info, width=width, height=height)
        self._outlet.tell(SourceBack(self.info))
