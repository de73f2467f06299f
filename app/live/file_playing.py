"""A file, a folder or a picture that is played by the clock."""
from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from app.live.events import PlayStateChanged, Problem, SourceEnded
from app.live.outlet import Outlet
from app.live.pacing import Pace
from app.live.position import Position
from app.live.reading import Read, Reader, Where
from app.live.shown import SourceInfo
from app.live.strip import Strip
from app.sources.source import Source
from app.types import Frame

STILL = 2.0  # seconds that each of some unrelated pictures is shown
FULL = 0.001  # seconds between looks at whether the consumer took the last frame; only when playing as fast as it takes them


class FilePlaying:
    """Gives out what a reader has read when it is due. All methods are called on the player's thread; `tick` does what is due."""

    number = None  # of a camera

    def __init__(self, name: str, open_source: Callable[[], Source], opened: Callable[[Source | None, str], None], outlet: Outlet,
                 speed: float = 1.0, fps: float | None = None):
        """`opened`: as of `Reader`. `fps`: deliver and date the frames as if this were the clip's rate."""
        self.info: SourceInfo | None = None
        self.skipped = self.dropped = 0
        self._reader = Reader(name, open_source, opened, outlet.wake)
        self._strip = Strip(self._reader)
        self._outlet, self._pace, self._fps = outlet, Pace(speed), fps
        self._generation = 0
        self._playing = self._loop = self._ended = False
        self._warned = False  # of what could not be read, which a loop comes to again and again
        self._last: Frame | None = None
        self._wanted: int | None = None  # number of the frame that was stepped to and is not there yet
        self._ahead = 0  # steps forward that are still to be done
        self._sought: int | None = None  # turn of a seek whose frame is not there yet,
        self._after = 0  # and steps to be done from that frame

    @property
    def thread(self) -> threading.Thread:
        """The one that may hang in the file."""
        return self._reader.thread

    def start(self) -> None:
        """Let the file be opened; nothing is given out yet."""
        self._reader.start()

    def begin(self, info: SourceInfo, generation: int, loop: bool, paused: bool) -> None:
        """Give its frames out from now on; if `paused`, only the first one."""
        self.info, self._generation, self._loop = info, generation, loop
        self._playing = not paused and not self._is_still

    def position(self) -> Position:
        """Where it is."""
        last = self._last
        return Position(last.index if last else 0, self._moment(last) if last else 0.0, self._playing, self._loop, self._ended)

    def play(self, now: float) -> None:
        """Go on, or start again after the end."""
        if self._playing or self._is_still:
            return
        if self._ended:
            self._ended = False
            self._generation = self._outlet.new_generation()
            self._pace.anchor(0.0, now)
        elif self._last is not None:
            self._pace.anchor(self._moment(self._last), now)
        self._ahead, self._playing = 0, True
        self._tell_state()

    def pause(self) -> None:
        """Stop; the last frame stays."""
        if self._playing:
            self._playing = False
            self._tell_state()

    def set_loop(self, on: bool) -> None:
        """Whether the end is followed by the start."""
        if on != self._loop:
            self._loop = on
            self._tell_state()

    def seek(self, seconds: float) -> None:
        """Go to the frame that is to be seen at `seconds`."""
        seconds = max(0.0, seconds)
        if not self.info.sequence:
            self._jump(lambda source: source.from_index(int(seconds / STILL)))
        elif self._fps:
            self._jump(lambda source: source.from_index(int(seconds * self._fps + 1e-6)))
        else:
            self._jump(lambda source: source.from_time(seconds))

    def step(self, frames: int) -> None:
        """Pause, and go that many frames on or back."""
        self.pause()
        if self._last is None or not frames:
            return
        if self._sought is not None:
            self._after += frames
        elif self._wanted is None and frames > 0:
            left = self.info.frame_count - 1 - self._last.index if self.info.frame_count else self._ahead + frames
            self._ahead = 0 if self._ended else min(self._ahead + frames, left)
        elif self._wanted is None and not self._ahead and not self._ended and (frame := self._strip.back(-frames)) is not None:
            self._generation = self._outlet.new_generation()
            self._show(frame, still=True)
        else:
            self._step_to((self._last.index + self._ahead if self._wanted is None else self._wanted) + frames)

    def close(self) -> None:
        """Let the reader end by itself."""
        self._reader.stop()

    def tick(self, now: float) -> float | None:
        """Do what is due. When to come back, by the clock; None: when the reader has something new, or after a command."""
        while (item := self._strip.peek()) is not None:
            if item.jumped:
                self._strip.pop()
                self._arrive(item, now)
            elif item.failure:
                self._strip.pop()
                self._outlet.tell(Problem(item.failure))
                self._end(())
            elif self._playing:
                due = self._due(item, now)
                if now < due:
                    return due
                self._strip.pop()
                self._play(item, due, now)
            elif self._ahead and item.frame is not None:
                self._strip.pop()
                self._ahead -= 1
                self._show(item.frame, still=True)
            else:
                self._ahead = 0
                return None
        return None

    def _step_to(self, index: int) -> None:
        index = max(0, index if not self.info.frame_count else min(index, self.info.frame_count - 1))
        if self._wanted is None or not self._strip.redirect(index):
            self._strip.jump_to(self._outlet.new_generation(), index)
        self._ended, self._ahead, self._wanted, self._sought = False, 0, index, None

    def _jump(self, where: Where) -> None:
        self._ended, self._ahead, self._wanted, self._after = False, 0, None, 0
        self._sought = self._outlet.new_generation()
        self._strip.jump(self._sought, where)

    def _arrive(self, item: Read, now: float) -> None:
        """The first frame after a jump: shown at once, and the clock goes on from it."""
        self._generation, self._wanted = item.turn or self._generation, None
        self._pace.anchor(self._moment(item.frame), now)
        self._show(item.frame, still=not self._playing)
        if self._is_still:
            self._end(())
        if item.turn == self._sought:
            self._sought = None
            if self._after:
                self.step(self._after)

    def _due(self, item: Read, now: float) -> float:
        if not self._pace.speed:
            return now + FULL if self._outlet.is_full() else now
        if item.frame is not None:
            return self._pace.due(self._moment(item.frame))
        period = STILL if not self.info.sequence else 1 / (self._fps or self.info.fps or 30)
        return self._pace.due(self._moment(self._last) + period if self._last else 0.0)

    def _play(self, item: Read, due: float, now: float) -> None:
        """An item whose time has come."""
        if item.frame is None:
            if self._loop and self._last is not None and self._last.index > 0:
                if item.warnings and not self._warned:
                    self._warned = True
                    self._outlet.tell(Problem(SourceEnded(item.warnings).sentence))
                self._generation = self._outlet.new_generation()
                self._pace.anchor(0.0, due)
            else:
                self._end(item.warnings)
            return
        after = self._strip.peek()
        if self._pace.speed and after is not None and after.frame is not None and self._pace.due(self._moment(after.frame)) <= now:
            self.skipped += 1  # the next one is due as well
            return
        self._pace.catch_up(self._moment(item.frame), now)
        self._show(item.frame, still=False)

    def _show(self, frame: Frame, still: bool) -> None:
        if not self.info.sequence and self._last is not None:
            self._generation = max(self._generation, self._outlet.new_generation())  # they have nothing to do with each other
        self._last = frame
        if self._fps and self.info.sequence:
            frame = replace(frame, time=self._moment(frame))
        self._outlet.give(frame, self.info, self._generation, still or not self.info.sequence)

    def _end(self, warnings: tuple[str, ...]) -> None:
        self._ended, self._playing, self._sought, self._wanted = True, False, None, None
        self._outlet.tell(SourceEnded(warnings))
        self._tell_state()

    def _moment(self, frame: Frame) -> float:
        """When in the clip the frame is to be seen, seconds."""
        if not self.info.sequence:
            return frame.index * STILL
        return frame.index / self._fps if self._fps else frame.time

    @property
    def _is_still(self) -> bool:
        return self.info.kind == 'picture'

    def _tell_state(self) -> None:
        self._outlet.tell(PlayStateChanged(self._playing, self._loop))
