"""A camera that is read on a thread of its own, and opened again when it is gone."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from app.errors import InputError
from app.sources.arrivals import Arrivals
from app.sources.source import Source
from app.types import Frame

AGAIN = 1.0  # seconds between attempts to open a camera that is gone
LOOK = 0.1  # seconds between looks at whether it is still wanted
FREE = 3.0  # seconds that the last reader of the same camera gets to let it go


class _Devices:
    """One lock for each camera of this computer: two readers at once would spoil it for both."""

    def __init__(self) -> None:
        self._locks: dict[int, threading.Lock] = {}
        self._all = threading.Lock()

    def __getitem__(self, number: int) -> threading.Lock:
        with self._all:
            return self._locks.setdefault(number, threading.Lock())


DEVICES = _Devices()  # of the process, because a reader that hangs in a device outlives its player


class CameraReader:
    """Reads one camera and hands each frame on at once. Only its own thread ever touches the device.

    Frames are numbered and dated through, also when the camera was away in between.
    """

    def __init__(self, number: int, open_source: Callable[[], Source], opened: Callable[[Source | None, str], None],
                 give: Callable[[Frame, float], None], gone: Callable[[], None]):
        """On the reader's thread are called: `opened(source, '')` or `opened(None, sentence)` once; `give(frame, fps)` for each frame;
        `gone()` when the camera gives no more pictures and is to be opened anew."""
        self.number = number
        self.arrived: float | None = None  # time.monotonic() of the last frame
        self._open, self._opened, self._give, self._gone = open_source, opened, give, gone
        self._arrivals = Arrivals()
        self._stopped = threading.Event()
        self._index, self._start = 0, 0.0
        self.thread = threading.Thread(target=self._work, name=f'camera {number}', daemon=True)

    @property
    def dropped(self) -> int:
        """Frames that the camera seems to have lost."""
        return self._arrivals.dropped

    def start(self) -> None:
        """Let the thread begin."""
        self.thread.start()

    def stop(self) -> None:
        """Let the thread end after the picture in hand; it gives the camera back."""
        self._stopped.set()

    def _work(self) -> None:
        lock, until = DEVICES[self.number], time.monotonic() + FREE
        while not lock.acquire(timeout=LOOK):
            if self._stopped.is_set():
                return
            if time.monotonic() > until:
                self._opened(None, f'Camera {self.number} is still in use, or hangs; unplug it and plug it in again.')
                return
        try:
            while not self._stopped.is_set():
                try:
                    with closing(self._open()) as source:
                        self._read(source)
                except Exception as error:  # drivers raise what they like; it is tried again, or told
                    if self.arrived is None:
                        self._opened(None, str(error) if isinstance(error, InputError) else
                                     f'Camera {self.number} cannot be read ({type(error).__name__}: {error}); unplug it and plug it in.')
                        return
                if self._stopped.is_set():
                    return
                self._gone()
                self._stopped.wait(AGAIN)
        finally:
            lock.release()

    def _read(self, source: Source) -> None:
        self._arrivals.interrupted()
        for frame in source:
            if self._stopped.is_set():
                return
            first, self.arrived = self.arrived is None, time.monotonic()
            if first:
                self._start = frame.captured
                self._opened(source, '')
            self._arrivals.add(frame.captured)
            self._give(replace(frame, index=self._index, time=frame.captured - self._start), source.fps)
            self._index += 1
