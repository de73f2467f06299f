"""Progress for another program: one JSON object a line on standard output, which is flushed at once.

    {"done": 12, "total": 240, "fps": 11.3}                       total is null where only the end will tell
    {"folder": "out/clip", "summary": "...", "warnings": [...]}   when an input is done

Whoever started this one ends it by closing its standard input; that also happens when the other program dies, so none is left behind.
"""
from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

EVERY = 0.1  # seconds between lines, at least
GRACE = 20.0  # seconds in which an interrupted program may clear up


class ProgressLines:
    """Says how far one input is."""

    def __init__(self, total: int | None):
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._told = -1.0
        self._tell()

    def update(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        if time.monotonic() - self._told >= EVERY or self._done == self._total:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        fps = self._done / (self._told - self._started) if self._done else None
        say(done=self._done, total=self._total, fps=None if fps is None else round(fps, 2))


def say(**values: object) -> None:
    """One line."""
    print(json.dumps(values), flush=True)


def finished(folder: Path, summary: str, warnings: Sequence[str] = ()) -> None:
    """The line that ends an input."""
    say(folder=str(folder), summary=summary, warnings=list(warnings))


def end_when_asked(by_pipe: bool) -> None:
    """From now on SIGTERM, and with `by_pipe` also the closing of a standard input that is a pipe, interrupt the program as Ctrl+C does,
    so that it clears up; where it does not within `GRACE` seconds of the latter, it ends hard. Call it on the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if by_pipe and _stdin_is_pipe():
        threading.Thread(target=_watch_stdin, name='parent-watch', daemon=True).start()


def _stdin_is_pipe() -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)
    except (AttributeError, OSError):  # there is none
        return False


def _watch_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    if os.name == 'posix':
        os.kill(os.getpid(), signal.SIGINT)  # wakes a main thread that waits, too
    else:
        import _thread

        _thread.interrupt_main()
    time.sleep(GRACE)
    os._exit(130)


class Passes:
    """One bar for several passes over one input: it runs through the input's frames once, each pass taking its share of it."""

    def __init__(self, bar: ProgressLines | None, shares: dict[str, float], total: int | None):
        """`bar` has `update(count)`; None tells nobody. `shares` of the passes, by name, sum to 1. `total` frames, None if nobody knows
        yet: then the bar moves by the passes' shares of the frames that they did."""
        self._bar, self._shares, self._total = bar, shares, total
        self._done = dict.fromkeys(shares, 0)
        self._told = 0

    def tell(self, name: str, count: int) -> None:
        """So many more frames are done of a pass."""
        self._done[name] += count
        reached = int(sum(self._shares[part] * done for part, done in self._done.items()) + 1e-6)
        if self._total is not None:
            reached = min(reached, self._total)
        if self._bar is not None and reached > self._told:
            self._bar.update(reached - self._told)
            self._told = reached
