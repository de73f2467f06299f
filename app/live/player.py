"""Gives out the frames of whatever is open, by the clock."""
from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from app.live.events import Event, PlayStateChanged, SourceFailed, SourceOpened, SourceOpening
from app.live.file_playing import FilePlaying, Outlet
from app.live.newest import Newest
from app.live.pacing import Pace
from app.live.position import Position
from app.live.reading import Reader
from app.live.shown import Captured, SourceInfo
from app.sources.opening import open_source as open_any
from app.sources.source import Source
from app.types import Frame

__all__ = ['Player', 'Position']

Spec = str | int | Path


class Player:
    """One source at a time, played into `out`. Every method returns at once; what comes of it, events tell.

    Commands are done in order on the player's thread, which also keeps the clock. Sources are opened and read on threads of their own,
    so neither a slow file nor a camera that hangs holds anything up.
    """

    def __init__(self, out: Newest[Captured], listener: Callable[[Event], None] = lambda event: None,
                 open_source: Callable[[Spec], Source] = open_any, speed: float = 1.0, fps: float | None = None):
        """`open_source`: what opens a source; tests give another. `speed`: of files, 1 their own, 0 as fast as frames are taken from `out`.
        `fps`: deliver files as if that were their rate."""
        self.skipped = 0  # frames of files that came too late to be given out
        self._out, self._listener, self._open_source, self._speed, self._fps = out, listener, open_source, speed, fps
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._generation = 0
        self._playing: FilePlaying | None = None
        self._opening: Reader | None = None
        self._readers: list[Reader] = []  # all whose thread may still run
        self._closing = False
        self._outlet = Outlet(self._give, lambda: out.peek() is not None, listener, self._new_generation)
        self._position = Position()
        self._thread = threading.Thread(target=self._run, name='player', daemon=True)
        self._thread.start()

    def open(self, spec: Spec, loop: bool = False, paused: bool = False) -> None:
        """Open a file, folder, picture or camera; what ran before runs on until the first frame is there."""
        self._inbox.put(partial(self._start_opening, spec, loop, paused))

    def play(self) -> None:
        """Go on; after the end of a file, from its start."""
        self._inbox.put(lambda: self._playing and self._playing.play(time.monotonic()))

    def pause(self) -> None:
        """The last frame stays. A camera's frames are thrown away meanwhile."""
        self._inbox.put(lambda: self._playing and self._playing.pause())

    def seek(self, seconds: float) -> None:
        """Go to the frame that is to be seen `seconds` after the start of a file."""
        self._inbox.put(lambda: self._playing and self._playing.seek(seconds))

    def step(self, frames: int) -> None:
        """Pause a file, and go that many frames on, or back if it is negative."""
        self._inbox.put(lambda: self._playing and self._playing.step(frames))

    def set_loop(self, on: bool) -> None:
        """Whether a file starts again at its end."""
        self._inbox.put(lambda: self._playing and self._playing.set_loop(on))

    def position(self) -> Position:
        """Of the frame that was given out last."""
        return self._position

    def close(self, timeout: float = 2.0) -> bool:
        """End all threads; whether they all did in `timeout` seconds. One that hangs in a device is left behind."""
        until = time.monotonic() + timeout
        self._inbox.put(self._stop)
        for thread in (self._thread, *(reader.thread for reader in self._readers)):
            thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive() and not any(reader.thread.is_alive() for reader in self._readers)

    def _run(self) -> None:
        due: float | None = None
        while not self._closing:
            try:
                command = self._inbox.get(timeout=None if due is None else max(0.0, due - time.monotonic()))
            except queue.Empty:
                command = None
            if command is not None:
                command()
            due = self._playing.tick(time.monotonic()) if self._playing else None
            if self._playing:
                self._position, self.skipped = self._playing.position(), self._playing.skipped

    def _stop(self) -> None:
        self._closing = True
        for reader in self._readers:
            reader.stop()

    def _start_opening(self, spec: Spec, loop: bool, paused: bool) -> None:
        self._listener(SourceOpening(str(spec)))
        if self._opening is not None:
            self._opening.stop()
        turn = self._new_generation()

        def opened(source: Source | None, sentence: str) -> None:
            self._inbox.put(partial(self._opened, reader, spec, turn, source, sentence, loop, paused))

        reader = Reader(Path(str(spec)).name, partial(self._open_source, spec), turn, opened, partial(self._inbox.put, None))
        self._opening = reader
        self._readers = [r for r in self._readers if r.thread.is_alive()] + [reader]
        reader.start()

    def _opened(self, reader: Reader, spec: Spec, turn: int, source: Source | None, sentence: str, loop: bool, paused: bool) -> None:
        if reader is not self._opening:
            return  # another one was asked for meanwhile
        self._opening = None
        if source is None:
            self._listener(SourceFailed(str(spec), sentence))
            return
        if self._playing is not None:
            self._playing.close()
        info = SourceInfo(str(spec), source.name, source.kind, source.width, source.height, self._fps or source.fps, source.frame_count,
                          source.duration, source.kind != 'camera', source.is_sequence)
        self._playing = FilePlaying(reader, source, info, self._outlet, turn, Pace(self._speed), self._fps, loop, paused)
        self._listener(SourceOpened(info))
        position = self._playing.position()
        self._listener(PlayStateChanged(position.playing, position.loop))

    def _new_generation(self) -> int:
        self._generation += 1
        return self._generation

    def _give(self, frame: Frame, info: SourceInfo, generation: int, paused: bool) -> None:
        self._out.put(Captured(replace(frame, captured=time.monotonic()), info, generation, paused))
