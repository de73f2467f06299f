"""A file that is read ahead on a thread of its own, so that decoding delays nothing."""
from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from app.errors import InputError
from app.sources.source import Source
from app.types import Frame

FRAMES, BYTES = 4, 64_000_000  # how far ahead, whichever is reached first; one frame always

Where = Callable[[Source], Iterator[Frame]]


@dataclass(frozen=True)
class Read:
    """A frame, the end of the source, or why reading failed."""

    turn: int  # which jump it comes behind; 0: the start
    frame: Frame | None = None  # None: the end; behind it the source starts again
    jumped: bool = False  # the first one after a jump
    warnings: tuple[str, ...] = ()  # at the end: what could not be read
    failure: str = ''  # a sentence; nothing comes behind it before the next jump


class Reader:
    """Opens a source and reads it round and round; `jump` goes elsewhere. Only its own thread ever touches the source.

    A jump that was overtaken by another still gives its first frame if it was already on its way, so that there is something to see.
    """

    def __init__(self, name: str, open_source: Callable[[], Source], opened: Callable[[Source | None, str], None],
                 changed: Callable[[], None]):
        """`opened(source, '')` or `opened(None, sentence)` is called once, on the reader's thread, when the first frame is there or cannot
        be had; `changed()` whenever `peek` may have something new."""
        self._name, self._open, self._opened, self._changed = name, open_source, opened, changed
        self._items: deque[Read] = deque()
        self._room = threading.Condition()
        self._jump: tuple[int, Where] | None = 0, iter
        self._stopped = False
        self.thread = threading.Thread(target=self._work, name=f'reading {name}', daemon=True)

    def start(self) -> None:
        """Let the thread begin."""
        self.thread.start()

    def stop(self) -> None:
        """Let the thread end after the frame in hand; it closes the source."""
        with self._room:
            self._stopped = True
            self._items.clear()
            self._room.notify()

    def jump(self, turn: int, where: Where) -> None:
        """Forget what was read ahead and go on with `where(source)`, the items being of that `turn`."""
        with self._room:
            self._items.clear()
            self._jump = turn, where
            self._room.notify()

    def peek(self) -> Read | None:
        """The next item, which stays; None if it is not there yet."""
        with self._room:
            return self._items[0] if self._items else None

    def pop(self) -> Read | None:
        """The next item; None if a jump has thrown it away meanwhile."""
        with self._room:
            item = self._items.popleft() if self._items else None
            self._room.notify()
            return item

    def _work(self) -> None:
        try:
            source = self._open()
        except Exception as error:  # whatever it is, a person is told, and the thread must not end in silence
            self._opened(None, self._sentence(error))
            return
        with closing(source):
            turn, where = 0, iter
            while not self._stopped:
                with self._room:
                    fresh, self._jump = self._jump, None
                turn, where = fresh or (turn, iter)
                self._pass(source, turn, where(source), fresh is not None)

    def _pass(self, source: Source, turn: int, frames: Iterator[Frame], jumped: bool) -> None:
        """Read to the end, or until there is a jump or a stop."""
        try:
            for frame in frames:
                if self._opened is not None:
                    self._opened(source, '')
                    self._opened = None
                if not self._put(Read(turn, frame, jumped)):
                    return
                jumped = False
            self._put(Read(turn, warnings=tuple(source.warnings)))
        except Exception as error:
            self._fail(turn, self._sentence(error))
        finally:
            if hasattr(frames, 'close'):
                frames.close()

    def _fail(self, turn: int, sentence: str) -> None:
        if self._opened is not None:
            self._opened(None, sentence)
            self._stopped = True
        elif self._put(Read(turn, failure=sentence)):
            with self._room:
                self._room.wait_for(lambda: self._stopped or self._jump)

    def _put(self, item: Read) -> bool:
        """Lay an item down as soon as there is room; False when it is not wanted any more."""
        with self._room:
            self._room.wait_for(lambda: self._stopped or self._jump or self._has_room())
            if self._stopped or (self._jump and not item.jumped):
                return False
            self._items.append(item)
            wanted = not self._jump
        self._changed()
        return wanted

    def _has_room(self) -> bool:
        size = sum(item.frame.image.nbytes for item in self._items if item.frame)
        return not self._items or (len(self._items) < FRAMES and size < BYTES)

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, InputError):
            return str(error)
        reason = getattr(error, 'strerror', None) or f'{type(error).__name__}: {error}'
        return f'{self._name} cannot be read any more ({reason}); check whether it is still there and whole.'
