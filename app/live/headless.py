"""`main.py live --no-display`: the live pipeline without a window, for servers and benchmarks. The source runs by its own clock."""
from __future__ import annotations

import argparse
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.live.engine import Engine, MakePlayer
from app.live.events import Event, ModelFailed, ModelReady, Problem, SourceEnded, SourceFailed, SourceLost, SourceOpened
from app.live.player import Player
from app.live.settings import LiveSettings
from app.live.shown import Shown
from app.outputs.report import stage_percentiles, versions, write_json

PATIENCE = 0.5  # seconds between looks at whether it is over
LAST_PICTURE = 1.0  # seconds that the pictures of the last frames may take


@dataclass(frozen=True)
class LiveReport:
    """The numbers of one run."""

    source: str
    size: tuple[int, int]  # pixels
    seconds: float  # from the first picture to the last
    shown: int  # pictures
    with_hand: int  # of them
    shown_fps: float | None  # pictures per second
    delivered: int  # frames that the source gave
    delivered_fps: float | None
    latency_ms: dict[str, float]  # p50, p95 from the frame in memory to the picture taken
    stage_ms: dict[str, dict[str, float]]  # stage -> p50, p95 of the pictures in which it ran
    dropped: dict[str, int]  # by cause
    cpu_ms: float | None  # processor time of the whole program for each picture, all threads together
    network: str
    provider: str
    first_hand_ms: float | None  # from the first picture to the first with a hand
    loading_ms: float  # until the network and OpenGL were ready, before the source was opened
    warnings: tuple[str, ...]
    versions: dict[str, str]


def run_headless(args: argparse.Namespace) -> int:
    """The command: `source`, `max_frames`, `seconds`, `json`, `settings`. Raises InputError for a source or network that cannot be used."""
    if args.source is None:
        raise InputError('Without a display there is nobody to choose a source; name one with --source.')
    report = run_live(args.source, args.settings, args.max_frames, args.seconds)
    print(table(report))
    if args.json:
        write_json(Path(args.json), report)
    return 0


def run_live(source: str | int | Path, settings: LiveSettings = LiveSettings(), max_frames: int | None = None, seconds: float | None = None,
             player: MakePlayer = Player, watch: Callable[[Shown], None] = lambda shown: None) -> LiveReport:
    """Play a source through the engine until its end, or until so many pictures were shown or so many seconds have passed.

    "Shown" is taken by this loop: no window draws. `watch` sees each picture. Raises InputError.
    """
    return _Run(settings, player, watch).play(source, max_frames, seconds)


class _Run:
    """One run, and what was noted of it."""

    def __init__(self, settings: LiveSettings, player: MakePlayer, watch: Callable[[Shown], None]):
        self._news = threading.Event()
        self._events: list[Event] = []
        self._opened = self._cpu = 0.0  # when the source was, and the processor time until then
        self._watch = watch
        self._engine = Engine(settings, self._hear, player)
        self._times: list[float] = []
        self._latency: list[float] = []
        self._stages: dict[str, list[float]] = defaultdict(list)
        self._hands: list[bool] = []
        self._last: Shown | None = None

    def play(self, source: str | int | Path, max_frames: int | None, seconds: float | None) -> LiveReport:
        began = time.monotonic()
        engine = self._engine
        engine.start()
        try:
            self._wait(lambda: engine.prepared)
            loading = time.monotonic() - began
            engine.open(source)
            self._wait(lambda: self._first(SourceOpened))
            self._cpu = time.process_time()
            until = np.inf if seconds is None else time.monotonic() + seconds
            while time.monotonic() < until and len(self._times) < (max_frames or np.inf):
                if self._first(SourceEnded) is not None:
                    until = min(until, time.monotonic() + LAST_PICTURE)  # what is under way still comes
                self._news.wait(min(PATIENCE, max(until - time.monotonic(), 0.0)))
                self._news.clear()
                self._take()
            return self._report(loading)
        except KeyboardInterrupt:
            if not self._times:
                raise
            return self._report(loading)
        finally:
            engine.close()

    def _hear(self, event: Event) -> None:
        if type(event).__name__ != 'PictureReady':
            self._events.append(event)
        if isinstance(event, SourceOpened):
            self._opened = time.monotonic()
        self._news.set()

    def _first(self, kind: type[Event]) -> Event | None:
        return next((event for event in self._events if isinstance(event, kind)), None)

    def _wait(self, done: Callable[[], object]) -> None:
        """Until `done()`; raises InputError for what makes going on useless."""
        while not done():
            for event in self._events:
                if isinstance(event, (SourceFailed, ModelFailed)):
                    raise InputError(event.sentence)
            self._news.wait(0.05)
            self._news.clear()

    def _take(self) -> None:
        shown = self._engine.take()
        if shown is None:
            return
        now = time.monotonic()
        self._engine.painted(shown, now)
        self._watch(shown)
        self._last = shown
        self._times.append(now)
        self._latency.append(1e3 * (now - shown.frame.captured))
        self._hands.append(bool(shown.inferred.found))
        for stage, ms in shown.stage_ms.items():
            self._stages[stage].append(ms)

    def _report(self, loading: float) -> LiveReport:
        opened, model = self._first(SourceOpened), self._first(ModelReady)
        dropped = self._engine.dropped()
        times = self._times
        span = times[-1] - times[0] if times else 0.0
        delivering = self._last.frame.captured - self._opened if self._last else 0.0
        delivered = len(times) + sum(dropped[cause] for cause in ('network', 'drawing', 'screen'))
        warnings = [w for event in self._events if isinstance(event, SourceEnded) for w in event.warnings]
        warnings += [event.sentence for event in self._events if isinstance(event, (Problem, SourceLost))]
        if model.note:
            warnings.append(model.note)
        return LiveReport(
            source=opened.info.name, size=(opened.info.width, opened.info.height), seconds=round(span, 3),
            shown=len(times), with_hand=sum(self._hands), shown_fps=round((len(times) - 1) / span, 2) if span else None,
            delivered=delivered, delivered_fps=round((delivered - 1) / delivering, 2) if span and delivering > 0 else None,
            latency_ms={f'p{q}': round(float(np.percentile(self._latency, q)), 1) for q in (50, 95)} if times else {},
            stage_ms=stage_percentiles(self._stages), dropped=dropped,
            cpu_ms=round(1e3 * (time.process_time() - self._cpu) / len(times), 1) if times else None,
            network=model.name, provider=model.provider,
            first_hand_ms=round(1e3 * (times[self._hands.index(True)] - times[0]), 1) if any(self._hands) else None,
            loading_ms=round(1e3 * loading, 1), warnings=tuple(dict.fromkeys(warnings)), versions=versions())


def table(report: LiveReport) -> str:
    """What is printed at the end."""
    width, height = report.size
    dropped = ', '.join(f'{cause} {count}' for cause, count in report.dropped.items())
    pictures = 'picture' if report.shown == 1 else 'pictures'
    lines = [f'{report.source}, {width} x {height}: {report.shown} {pictures} in {report.seconds:.1f} s, {report.with_hand} with a hand; '
             f'{report.network} on {report.provider}']
    if report.shown_fps is not None and report.delivered_fps is not None:
        lines += [f'shown      {report.shown_fps:.1f} per second of {report.delivered_fps:.1f} delivered',
                  f'latency    {report.latency_ms["p50"]:.0f} ms, 95 % within {report.latency_ms["p95"]:.0f} ms']
    if report.cpu_ms is not None:
        lines.append(f'processor  {report.cpu_ms} ms for each picture, all threads together')
    lines += [f'dropped    {dropped}', '', f'{"stage":<10} {"p50":>7} {"p95":>7}  ms']
    lines += [f'{stage:<10} {ms["p50"]:>7.1f} {ms["p95"]:>7.1f}' for stage, ms in report.stage_ms.items()]
    return '\n'.join([*lines, *(['', *report.warnings] if report.warnings else [])])
