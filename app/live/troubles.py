"""What goes wrong on a thread of the live pipeline is told once, and the thread goes on."""
from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable

from app.errors import InputError
from app.live.events import Event, Problem

REPEATED = 10.0  # seconds after which the same sentence may be told again: a defect strikes thirty times a second


class Troubles:
    """Turns exceptions into `Problem`s."""

    def __init__(self, tell: Callable[[Event], None]):
        self._tell, self._told, self._traced = tell, {}, set()

    def report(self, error: Exception) -> None:
        """Tell a person. An `InputError` is a sentence already; of anything else the traceback goes to stderr as well, once."""
        sentence = str(error)
        if not isinstance(error, InputError):
            thread = threading.current_thread().name
            sentence = f'Something went wrong in {thread} ({type(error).__name__}: {error}); the program goes on with the next picture.'
            if sentence not in self._traced:
                self._traced.add(sentence)
                traceback.print_exception(error, file=sys.stderr)
        now = time.monotonic()
        if now - self._told.get(sentence, -REPEATED) >= REPEATED:
            self._told[sentence] = now
            self._tell(Problem(sentence))
