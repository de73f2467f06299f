"""What every source of pictures has in common."""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Literal

from app.errors import InputError
from app.types import Frame, Mode

Kind = Literal['camera', 'video', 'folder', 'picture']
TICK = 1e-4  # seconds: time stamps that differ by less are the same


@dataclass(frozen=True)
class Selection:
    """Which frames to take: those whose number is in range(start, stop, step)."""

    start: int = 0
    stop: int | None = None
    step: int = 1

    def __post_init__(self) -> None:
        if self.step < 1:
            raise InputError(f'A frame step of {self.step} is not possible; give 1 or more.')
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            end = 'the end' if self.stop is None else self.stop
            raise InputError(f'Frames {self.start} to {end} are no frames at all; the first must be 0 or more and the last lie behind it.')

    def __contains__(self, index: int) -> bool:
        return index >= self.start and not self.is_past(index) and (index - self.start) % self.step == 0

    def is_past(self, index: int) -> bool:
        """Whether neither frame `index` nor any later one is wanted."""
        return self.stop is not None and index >= self.stop

    def count(self, total: int) -> int:
        """How many of `total` frames are wanted."""
        return len(range(total)[self.start:self.stop:self.step])

    def check(self, total: int, name: str) -> None:
        """Raise InputError when a source of `total` frames has none of those wanted."""
        if self.start >= total:
            frames = 'only frame 0' if total == 1 else f'{total} frames, counted from 0'
            raise InputError(f'{name} has {frames}; frame {self.start}, the first one asked for, is not there.')


class Source(ABC):
    """Frames, one after the other: a context manager that can be iterated.

    `warnings` fills while frames are read: sentences about what could not be read although the rest could.
    """

    kind: ClassVar[Kind]

    def __init__(self, name: str, width: int, height: int, fps: float | None, frame_count: int | None, mode: Mode):
        self.name = name  # file, folder or camera, as a person calls it
        self.width, self.height = width, height  # pixels, upright; of the first picture where they differ
        self.fps = fps  # frames per second; None for pictures that are no sequence
        self.frame_count = frame_count  # how many frames iterating should give; None when only the end will tell
        self.mode: Mode = mode
        self.duration = frame_count / fps if frame_count and fps else None  # seconds; None when only the end will tell
        self.warnings: list[str] = []

    @property
    def is_sequence(self) -> bool:
        """Whether a frame follows from the one before; pictures that have nothing to do with each other are no sequence."""
        return self.mode != 'image'

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """The frames in order. Raises InputError when not a single one can be read."""

    def from_index(self, index: int) -> Iterator[Frame]:
        """The frames from number `index` on, or from the last one where there are fewer."""
        return self._from(lambda frame: frame.index <= index)

    def from_time(self, seconds: float) -> Iterator[Frame]:
        """The frames from the one that is to be seen at `Frame.time` `seconds`: the last that is not later."""
        return self._from(lambda frame: frame.time <= seconds + TICK)

    def _from(self, not_later: Callable[[Frame], bool]) -> Iterator[Frame]:
        """The frames from the last one that is `not_later`, the first frame if none is. This way reads all that lie before it."""
        frames = iter(self)
        last = next(frames, None)
        if last is None:
            return
        for frame in frames:
            if not not_later(frame):
                yield last
                yield frame
                break
            last = frame
        else:
            yield last
        yield from frames

    def close(self) -> None:
        """Give back the file or the camera."""

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
