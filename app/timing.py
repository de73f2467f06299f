"""How long each stage takes: measured in every run, reported in every report."""
from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np


class StageClock:
    """Collects the milliseconds of each named stage, a figure per frame; a stage entered twice in a frame adds up."""

    now: Callable[[], Any] = staticmethod(time.perf_counter)  # seconds; what every clock reads, so that a benchmark can read more than one

    def __init__(self, keep: int | None = None) -> None:
        """`keep`: the summary is of the last so many frames of each stage; None: of all."""
        self._of_frame: dict[str, float] = defaultdict(float)
        self._all: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=keep))

    @contextmanager
    def stage(self, name: str):
        """Time what runs inside as stage `name` of the current frame."""
        start = self.now()
        try:
            yield
        finally:
            self._of_frame[name] += (self.now() - start) * 1e3

    def add(self, stage_ms: dict[str, float]) -> None:
        """Add milliseconds of stages of the current frame that another clock timed."""
        for name, ms in stage_ms.items():
            self._of_frame[name] += ms

    def end_frame(self) -> dict[str, float]:
        """Close the current frame and return its milliseconds per stage."""
        frame = dict(self._of_frame)
        for name, ms in frame.items():
            self._all[name].append(ms)
        self._of_frame.clear()
        return frame

    def summary(self) -> dict[str, dict[str, float]]:
        """{stage: {'p50': ms, 'p95': ms, 'frames': in how many it ran}} in the order in which stages first ran."""
        return {name: {'p50': round(float(np.percentile(ms, 50)), 2), 'p95': round(float(np.percentile(ms, 95)), 2), 'frames': len(ms)}
                for name, ms in self._all.items()}
