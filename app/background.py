"""Work before and behind the main loop, each on a thread of its own, in order, with a short queue: decoding ahead, writing behind."""
from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar('Item')
DEPTH = 3  # items that may wait: enough to even out a slow one, few enough that nothing piles up
PATIENCE = 0.1  # seconds between looks at whether the other side has given up
_END = object()


class Ahead(Generic[Item]):
    """Iterates `items` on a thread, up to `DEPTH` items ahead. A context manager; leaving it ends the thread after the item in hand.

    What the iteration raises is raised here, after the items before it.
    """

    def __init__(self, items: Iterable[Item]):
        self._items = items
        self._queue: queue.Queue = queue.Queue(DEPTH)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name='ahead', daemon=True)

    def __enter__(self) -> Ahead[Item]:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        while True:
            item, error = self._queue.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item

    def _work(self) -> None:
        try:
            for item in self._items:
                if not self._put((item, None)):
                    return
            self._put((_END, None))
        except BaseException as error:  # whatever it is belongs to the thread that iterates
            self._put((None, error))

    def _put(self, entry: tuple) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(entry, timeout=PATIENCE)
                return True
            except queue.Full:
                continue
        return False


class Behind(Generic[Item]):
    """Calls `work(item)` for each item put, in order, on a thread. A context manager; leaving it well waits until all is done.

    What `work` raises is raised by the next `put`, or on leaving; the items behind it are dropped. So are all when it is left by an error.
    """

    def __init__(self, work: Callable[[Item], None]):
        self._task = work
        self._queue: queue.Queue = queue.Queue(DEPTH)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name='behind', daemon=True)

    def put(self, item: Item) -> None:
        """Hand an item over; waits while the queue is full."""
        self._raise()
        self._queue.put(item)

    def __enter__(self) -> Behind[Item]:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None and self._error is None:
            self._error = error
        self._queue.put(_END)
        self._thread.join()
        if kind is None:
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (item := self._queue.get()) is not _END:
            if self._error is not None:
                continue  # keep emptying the queue, so that `put` never waits for ever
            try:
                self._task(item)
            except BaseException as error:  # raised where the items come from
                self._error = error
