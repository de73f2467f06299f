"""Gives out the frames of whatever is open, by the clock."""
from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from app.live.camera_playing import CameraPlaying
from app.live.events import Event, PlayStateChanged, SourceFailed, SourceOpened, SourceOpening
from app.live.file_playing import FilePlaying
from app.live.newest import Newest
from app.live.outlet import Outlet
from app.live.position import Position
from app.live.shown import Captured, SourceInfo
from app.sources.opening import camera_number, open_source as open_any
from app.sources.source import Source
from app.types import Frame

__all__ = ['Player', 'Position']

Spec = str | int | Path
Playing = FilePlaying | CameraPlaying
OPENING = 10.0  # seconds that a source gets for its first picture


class Player:
    """One source at a time, played into `out`. Every method returns at once; what comes of it, events tell.

    Commands are done in order on the player's thread, which also keeps the clock. Sources are opened and read on threads of their own,
    so neither a slow file nor a camera that hangs holds anything up.
    """

    def __init__(self, out: Newest[Captured], listener: Callable[[Event], None] = lambda event: None,
                 open_source: Callable[[Spec], Source] = open_any, speed: float = 1.0, fps: float | None = None):
        """`open_source`: what opens a source; tests give another. `speed`: of files, 1 their own, 0 as fast as frames are taken from `out`.
        `fps`: deliver files as if that were their rate."""
        self._out, self._listener, self._open_source, self._speed, self._fps = out, listener, open_source, speed, fps
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._generations = itertools.count(1)
        self._outlet = Outlet(self._give, lambda: out.peek() is not None, listener, self._generations.__next__,
                              partial(self._inbox.put, None))
        self._playing: Playing | None = None
        self._opening: Playing | None = None
        self._later: list[Callable[[], None]] = []  # commands for what is being opened
        self._give_up = 0.0  # when what is being opened has had its time
        self._too_slow: Callable[[], None] = lambda: None  # what is to be done then
        self._threads: list[threading.Thread] = []  # of all sources, as long as they run
        self._before = {'skipped': 0, 'dropped': 0}  # of the sources before this one
        self._closing = False
        self._thread = threading.Thread(target=self._run, name='player', daemon=True)
        self._thread.start()

    def open(self, spec: Spec, loop: bool = False, paused: bool = False) -> None:
        """Open a file, folder, picture or camera; what ran before runs on until the first frame is there."""
        self._inbox.put(partial(self._start_opening, spec, loop, paused))

    def play(self) -> None:
        """Go on; after the end of a file, from its start."""
        self._steer(lambda playing: playing.play(time.monotonic()))

    def pause(self) -> None:
        """The last frame stays. A camera's frames are thrown away meanwhile."""
        self._steer(lambda playing: playing.pause())

    def seek(self, seconds: float) -> None:
        """Go to the frame that is to be seen `seconds` after the start of a file."""
        self._steer(lambda playing: playing.seek(seconds))

    def step(self, frames: int) -> None:
        """Pause a file, and go that many frames on, or back if it is negative."""
        self._steer(lambda playing: playing.step(frames))

    def set_loop(self, on: bool) -> None:
        """Whether a file starts again at its end."""
        self._steer(lambda playing: playing.set_loop(on))

    def position(self) -> Position:
        """Of the frame that was given out last."""
        playing = self._playing
        return playing.position() if playing else Position()

    @property
    def skipped(self) -> int:
        """Frames of files that could not be given out in time, all together."""
        return self._before['skipped'] + (self._playing.skipped if self._playing else 0)

    @property
    def camera_dropped(self) -> int:
        """Frames that cameras seem to have lost, all together."""
        return self._before['dropped'] + (self._playing.dropped if self._playing else 0)

    @property
    def camera_stalls(self) -> int:
        """How often the camera that is open gave no picture for a second."""
        return getattr(self._playing, 'stalls', 0)

    @property
    def threads(self) -> int:
        """How many threads of sources still run: one for what is open, more for a moment after a change or if a device hangs."""
        return sum(thread.is_alive() for thread in self._threads)

    def close(self, timeout: float = 2.0) -> bool:
        """End all threads; whether they all did in `timeout` seconds. One that hangs in a device is left behind."""
        until = time.monotonic() + timeout
        self._inbox.put(self._stop)
        self._thread.join(timeout)
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not self._thread.is_alive() and not self.threads

    def _steer(self, command: Callable[[Playing], None]) -> None:
        """Have it done to what is open; to what is being opened, when it is."""
        def steer() -> None:
            if self._opening is not None:
                self._later.append(steer)
            elif self._playing is not None:
                command(self._playing)

        self._inbox.put(steer)

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
            if self._opening is not None:
                due = self._give_up if due is None else min(due, self._give_up)
                if time.monotonic() > self._give_up:
                    self._too_slow()

    def _stop(self) -> None:
        self._closing = True
        for one in (self._playing, self._opening):
            if one is not None:
                one.close()

    def _start_opening(self, spec: Spec, loop: bool, paused: bool) -> None:
        self._listener(SourceOpening(str(spec)))
        if self._opening is not None:
            self._opening.close()
        self._later = []
        number, open_source = camera_number(spec), partial(self._open_source, spec)

        def opened(source: Source | None, sentence: str) -> None:
            self._inbox.put(partial(self._opened, new, spec, source, sentence, loop, paused))

        if number is None:
            new = FilePlaying(Path(str(spec)).name, open_source, opened, self._outlet, self._speed, self._fps)
        else:
            new = CameraPlaying(number, open_source, opened, self._outlet)
            if self._playing is not None and self._playing.number == number:
                self._leave()  # a camera can be opened once only
        self._opening, self._give_up = new, time.monotonic() + OPENING
        self._too_slow = partial(opened, None, f'{Path(str(spec)).name if number is None else f"Camera {number}"} gives no picture within '
                                               f'{OPENING:.0f} seconds; try again, or choose another source.')
        self._threads = [thread for thread in self._threads if thread.is_alive()] + [new.thread]
        new.start()

    def _opened(self, new: Playing, spec: Spec, source: Source | None, sentence: str, loop: bool,
                paused: bool) -> None:
        if new is not self._opening:
            return  # something else was asked for meanwhile
        self._opening = None
        if source is None:
            new.close()
            self._listener(SourceFailed(str(spec), sentence))
        else:
            if self._playing is not None:
                self._leave()
            self._begin(new, spec, source, loop, paused)
        for command in self._later:
            command()

    def _begin(self, new: Playing, spec: Spec, source: Source, loop: bool, paused: bool) -> None:
        file = source.kind != 'camera'
        info = SourceInfo(str(spec), source.name, source.kind, source.width, source.height, self._fps if self._fps and file else source.fps,
                          source.frame_count, source.duration, file, source.is_sequence)
        self._listener(SourceOpened(info))
        new.begin(info, self._outlet.new_generation(), loop, paused)
        self._playing = new
        position = new.position()
        self._listener(PlayStateChanged(position.playing, position.loop))

    def _leave(self) -> None:
        old = self._playing
        old.close()
        self._before = {'skipped': self.skipped, 'dropped': self.camera_dropped}
        self._playing = None

    def _give(self, frame: Frame, info: SourceInfo, generation: int, paused: bool) -> None:
        if info.kind != 'camera':
            frame = replace(frame, captured=time.monotonic())
        self._out.put(Captured(frame, info, generation, paused))
