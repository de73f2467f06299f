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
