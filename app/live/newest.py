"""A place for one item between two threads: a newer item takes the place of one that nobody took, and that is counted."""
from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar('Item')


class Newest(Generic[Item]):
    """Any number of threads may put, take and look. Nothing ever waits in a queue, so whoever takes gets the newest there is."""

    def __init__(self) -> None:
        self.dropped = 0  # items that were replaced before anyone took them
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._woken = self._closed = False

    def put(self, item: Item) -> None:
        """Lay the item down; one that still lies there is dropped. After `close` nothing happens."""
        with self._changed:
            if self._closed:
                return
            self.dropped += self._item is not None
            self._item = item
            self._changed.notify()

    def take(self, timeout: float | None = None) -> Item | None:
        """The item, which is gone from here then; waits for one at most `timeout` seconds (None: for ever, 0: not at all).

        None when there was none in that time, when somebody called `wake`, or after `close`.
        """
        with self._changed:
            if self._item is None:
                self._changed.wait_for(lambda: self._item is not None or self._woken or self._closed, timeout)
            item, self._item = self._item, None
            self._woken = False
            return item

    def peek(self) -> Item | None:
        """The item, which stays here; None if there is none."""
        with self._changed:
            return self._item

    def clear(self) -> None:
        """Take the item away without counting it as dropped: it is out of date, not late."""
        with self._changed:
            self._item = None

    def wake(self) -> None:
        """Let one `take` that waits, or else the next one, come back at once, so that its thread looks at what else there is to do."""
        with self._changed:
            self._woken = True
            self._changed.notify()

    def close(self) -> None:
        """End all waiting, now and from now on; what lay here is gone."""
        with self._changed:
            self._closed, self._item = True, None
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed
