"""The frames around the one that is seen. Those seen last stay at hand: stepping back need not decode from the last keyframe each time."""
from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from app.live.reading import BYTES, Read, Reader, Where
from app.sources.source import Source
from app.types import Frame

BEFORE = 8  # frames before the one that is seen; fewer of large ones


class Strip:
    """A reader that can be gone back in. Belongs to the player's thread."""

    def __init__(self, reader: Reader):
        self._reader = reader
        self._seen: deque[Read] = deque()  # the last one is seen now
        self._again: deque[Read] = deque()  # stepped back from: they come before what the reader has
        self._turn = 0
        self._first = 0  # number of the frame that the last jump goes to,
        self._until: int | None = None  # and of the one that it is for; those in between only fill the strip
        self._may_be_old = False  # what an overtaken jump gave may be seen, too

    def peek(self) -> Read | None:
        """The next item, which stays; None if it is not there yet."""
        if not self._again and self._until is not None:
            self._fill()
        if not self._again and not self._may_be_old:
            while (item := self._reader.peek()) is not None and item.turn != self._turn:
                self._reader.pop()
        return self._again[0] if self._again else None if self._until is not None else self._reader.peek()

    def pop(self) -> None:
        """The next item is done: it is the one that is seen, or the end of what was."""
        self._keep(self._again.popleft() if self._again else self._reader.pop())

    def back(self, frames: int) -> Frame | None:
        """The frame that was seen so many before, which is seen now; None if it is not at hand any more."""
        if frames >= len(self._seen):
            return None
        for _ in range(frames):
            self._again.appendleft(replace(self._seen.pop(), jumped=False))
        return self._seen[-1].frame

    def jump(self, turn: int, where: Where) -> None:
        """Go elsewhere, as `Reader.jump`."""
        self._may_be_old, self._until = self._until is None, None
        self._leave(turn)
        self._reader.jump(turn, where)

    def jump_to(self, turn: int, index: int) -> None:
        """Go to frame number `index`, and have those before it at hand."""
        self._may_be_old = False
        self._first, self._until = max(0, index - BEFORE), index
        self._leave(turn)

        def where(source: Source, first: int = self._first) -> Iterator[Frame]:
            return source.from_index(first)

        self._reader.jump(turn, where)

    def redirect(self, index: int) -> bool:
        """Let a jump that has not arrived lead to another frame, if that lies on its way."""
        if self._until is None or not self._first <= index <= self._until + BEFORE:
            return False
        self._until = index
        return not self._seen or self._seen[-1].frame.index < index

    def _leave(self, turn: int) -> None:
        self._turn = turn
        self._seen.clear()
        self._again.clear()

    def _fill(self) -> None:
        while (item := self._reader.peek()) is not None:
            if item.turn == self._turn and (item.frame is None or item.frame.index >= self._until):
                self._until = None
                if item.frame is not None:
                    self._again.append(replace(self._reader.pop(), jumped=True))
                elif self._seen:  # there are fewer frames: the last one is as near as can be
                    self._again.append(replace(self._seen.pop(), jumped=True))
                return
            item = self._reader.pop()
            if item.turn == self._turn:
                self._keep(item)

    def _keep(self, item: Read) -> None:
        if item.frame is None:
            self._seen.clear()
            return
        self._seen.append(item)
        while len(self._seen) > BEFORE + 1 or (len(self._seen) > 1 and len(self._seen) * item.frame.image.nbytes > BYTES):
            self._seen.popleft()
