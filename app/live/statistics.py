"""What the live pipeline did lately: rates, latency, milliseconds of each stage, drops by cause, and in plain words what is too slow."""
from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from app.live.shown import HandStatus, Inferred, Shown

WINDOW = 2.0  # seconds that count as lately
THREADS = {'reconstruction': ('detect', 'crop', 'network', 'refine', 'smooth', 'texture'),
           'drawing': ('overlay', 'record', 'flip', 'view')}  # which stages run one after the other on one thread
STAGE_NAMES = {'detect': 'finding hands in the whole picture', 'crop': 'cutting the hands out', 'network': 'the network',
               'refine': 'refinement', 'smooth': 'smoothing', 'texture': 'the texture', 'overlay': 'drawing the hands',
               'record': 'recording', 'flip': 'mirroring', 'view': 'the 3D view'}
CAUSES = ('camera', 'network', 'drawing', 'screen', 'recording')
NOTICED = 0.1  # share of the pictures; fewer drops are not worth a word
SEARCHING = 0.6  # share of the frames in which the detector looked, from which it is worth a word
LATE = 0.1  # seconds from camera to screen that a person begins to feel


@dataclass(frozen=True)
class StageTime:
    """What a stage takes of each picture, on average."""

    name: str
    ms: float
    slow: bool  # its thread does not keep up with the source, and this stage takes the most of it


@dataclass(frozen=True)
class LiveStatistics:
    """The last two seconds or so."""

    fps: float  # pictures on the screen per second
    source_fps: float | None  # of the source, as it says or as measured
    latency_ms: float  # from the picture in memory to the screen, median
    latency_p95_ms: float
    stages: tuple[StageTime, ...]
    dropped: dict[str, int]  # since the start, by cause: camera, network, drawing, screen, recording
    dropped_lately: dict[str, float]  # the same per second
    confidence: float | None  # 0..1, mean of the hands; None without a hand
    hands: tuple[HandStatus, ...]
    remarks: tuple[str, ...]  # plain words: what is too slow, and why
    provider: str = ''  # what the network really runs on


@dataclass
class _Lately:
    """Values with their times; old ones go."""

    items: deque = field(default_factory=deque)

    def add(self, now: float, value) -> None:
        self.items.append((now, value))
        self.since(now)

    def since(self, now: float) -> Iterator:
        while self.items and now - self.items[0][0] > WINDOW:
            self.items.popleft()
        return (value for _, value in self.items)

    def rate(self, now: float) -> float:
        """Items per second, over the time between the first and the last of them."""
        self.since(now)
        if len(self.items) < 2:
            return 0.0
        gaps = len(self.items) - 1
        span = max(self.items[-1][0] - self.items[0][0], 1e-3)
        overdue = max(now - self.items[-1][0] - span / gaps, 0)  # the rate falls when nothing comes any more
        return gaps / (span + overdue)


class Statistics:
    """Collects from all threads; each call takes microseconds. `summary` does the sums."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock, self._lock = clock, threading.Lock()
        self._shown, self._latency, self._stages, self._searched = _Lately(), _Lately(), _Lately(), _Lately()
        self._totals: deque[tuple[float, dict[str, int]]] = deque()
        self._last: Inferred | None = None
        self._provider, self._thrifty = '', False

    def inferred(self, inferred: Inferred) -> None:
        """A frame went through the network (or past it, while there is none)."""
        now = self._clock()
        with self._lock:
            self._last = inferred
            self._searched.add(now, inferred.searched)

    def drawn(self, stage_ms: dict[str, float]) -> None:
        """A picture is ready; milliseconds of all its stages."""
        with self._lock:
            self._stages.add(self._clock(), stage_ms)

    def painted(self, shown: Shown, when: float) -> None:
        """A picture was on the screen at `when`. One of a still tells nothing about latency."""
        with self._lock:
            self._shown.add(when, shown.frame.index)
            if not shown.inferred.captured.paused:
                self._latency.add(when, 1e3 * (when - shown.frame.captured))

    def provider(self, name: str) -> None:
        """What the network runs on from now on."""
        self._provider = name

    def thrifty(self, thrifty: bool) -> None:
        """Whether the 3D view is drawn in every second picture only."""
        self._thrifty = thrifty

    def restart(self) -> None:
        """Another source: what was measured of the last one says nothing about it. Totals of drops go on."""
        with self._lock:
            for part in (self._shown, self._latency, self._stages, self._searched):
                part.items.clear()

    def summary(self, dropped: dict[str, int]) -> LiveStatistics:
        """All of it; `dropped` are the totals by cause now."""
        now = self._clock()
        with self._lock:
            fps = self._shown.rate(now)
            latency = np.fromiter(self._latency.since(now), float)
            stages = _means(self._stages.since(now))
            searched = list(self._searched.since(now))
            last = self._last
            while self._totals and now - self._totals[0][0] > WINDOW:
                self._totals.popleft()
            before = self._totals[0] if self._totals else None
            self._totals.append((now, dict(dropped)))
        source_fps = last.captured.source.fps if last else None
        passed = now - before[0] if before else 0.0
        lately = {cause: (count - before[1].get(cause, 0)) / passed if passed > 0 else 0.0 for cause, count in dropped.items()}
        hands = last.found if last else ()
        timed = tuple(_judged(stages, source_fps))
        median, late = (float(v) for v in np.percentile(latency, (50, 95))) if len(latency) else (0.0, 0.0)
        remarks = [*_remarks(timed, source_fps, lately, searched, median, bool(hands))]
        if self._thrifty:
            remarks.append('The 3D view is drawn in every second picture only, so that drawing keeps up.')
        return LiveStatistics(
            fps, source_fps, median, late, timed, dict(dropped), lately, float(np.mean([h.confidence for h in hands])) if hands else None,
            last.statuses if last else (), tuple(remarks), self._provider)


def _means(frames: Iterable[dict[str, float]]) -> dict[str, float]:
    """Milliseconds per picture of each stage; one that ran in every third picture counts a third."""
    sums: dict[str, float] = {}
    count = 0
    for stage_ms in frames:
        count += 1
        for name, ms in stage_ms.items():
            sums[name] = sums.get(name, 0.0) + ms
    return {name: total / count for name, total in sums.items()}


def _judged(stages: dict[str, float], source_fps: float | None) -> Iterator[StageTime]:
    """The stages in the order in which they run; the largest of a thread that does not keep up is slow."""
    slow = set()
    for names in THREADS.values():
        own = {n: stages[n] for n in names if n in stages}
        if own and source_fps and sum(own.values()) > 1e3 / source_fps:
            slow.add(max(own, key=own.get))
    order = [n for names in THREADS.values() for n in names]
    for name in sorted(stages, key=lambda n: order.index(n) if n in order else -1):
        yield StageTime(name, stages[name], name in slow)


def _remarks(stages: tuple[StageTime, ...], source_fps: float | None, lately: dict[str, float], searched: list[bool], latency_ms: float,
             hands: bool) -> Iterator[str]:
    """Sentences for a person, the most telling first."""
    searching = len(searched) > 5 and np.mean(searched) > SEARCHING
    for stage in stages:
        if not stage.slow or (stage.name == 'detect' and searching):  # that is said below, with its reason
            continue
        rest = f'{STAGE_NAMES.get(stage.name, stage.name)} takes {stage.ms:.0f} ms of it'
        thread = next(t for t, names in THREADS.items() if stage.name in names)
        total = sum(s.ms for s in stages if s.name in THREADS[thread])
        yield f'{thread.capitalize()} takes {total:.0f} ms for each picture, and one comes every {1e3 / source_fps:.0f} ms; {rest}.'
    if searching:
        yield ('The detector looks at each frame: a hand is not always found again.' if hands else
               'The detector looks at each frame: no hand is followed.')
    noticed = NOTICED * (source_fps or 30.0)
    if lately.get('screen', 0) > noticed:
        yield 'The window is slow to show the pictures that are ready.'
    if lately.get('camera', 0) > noticed:
        yield 'The source gives pictures late or leaves some out.'
    if lately.get('recording', 0) > 0:
        yield 'The disk or the encoder does not keep up: the recording leaves pictures out.'
    if latency_ms > 1e3 * LATE:
        yield f'The picture is shown {latency_ms:.0f} ms late.'
