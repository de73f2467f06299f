"""How late threads wake on this machine just now: what a claim about seconds may be late because others work, and nothing more."""
from __future__ import annotations

import threading
import time

STEP = 0.01  # seconds


class Lateness:
    """A thread that only sleeps, in small steps, inside `with`; `lost` are the seconds that all its steps together took too long,
    `worst` those of the worst one.

    On a machine of one's own that is a few thousandths of a second, so that a claim holds there as it stands.
    """

    def __init__(self) -> None:
        self.lost = self.worst = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sleep, name='lateness', daemon=True)

    def __enter__(self) -> Lateness:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._ended.set()
        self._thread.join()

    def _sleep(self) -> None:
        while not self._ended.is_set():
            begun = time.monotonic()
            time.sleep(STEP)
            late = max(time.monotonic() - begun - STEP, 0.0)
            self.lost, self.worst = self.lost + late, max(self.worst, late)
