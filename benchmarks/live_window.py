"""How fast the window is: pictures really painted, camera-to-screen latency, how long its thread stands still, and how soon it is there.

    xvfb-run -a -s '-screen 0 1600x1000x24' .venv/bin/python -m benchmarks.live_window [--clip FILE] [--seconds 10] [--json FILE]

The real window with the real engine, side panel, speed figures and 3D view, on a screen (or a virtual one). The clip comes from a played
camera: JPEGs that OpenCV decodes, by the clock. A picture counts when its paint event is done. "Stood still" is the longest time in which
the window's thread answered no timer, while all ran and, in brackets, while network and OpenGL were loaded; a busy machine adds its own
waits to it.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import app  # noqa: F401  before NumPy
import cv2  # noqa: F401  before Qt
import numpy as np
from PyQt5.QtCore import Qt, QTimer

from app.live.engine import Engine
from app.live.events import ModelReady
from app.live.settings import LiveSettings
from app.live.shown import Shown
from app.window.bridge import EngineBridge
from app.window.main_window import MainWindow
from app.window.settings_store import SettingsStore, Stored
from app.window.start import make_application
from app.window.theme import apply_theme
from benchmarks.live import DEMO, doubled, from_camera, read

SETTLE = 3.0  # seconds after the network is ready that do not count
TICK = 5  # milliseconds between two beats of the heart


class Watch:
    """Notes what a window does."""

    def __init__(self, window: MainWindow, seconds: float, started: float):
        self.window, self.seconds, self.started = window, seconds, started
        self.painted: list[float] = []  # when
        self.latency: list[float] = []  # seconds
        self.gaps: list[float] = []  # seconds between two beats
        self.loading: list[float] = []  # the same while network and OpenGL load
        self.first: dict[str, float] = {}  # seconds since the start
        self._from: float | None = None
        self._beat = time.monotonic()
        self._heart = QTimer(window)
        self._heart.setTimerType(Qt.PreciseTimer)
        self._heart.timeout.connect(self._tick)
        self._heart.start(TICK)
        window.canvas.stands.connect(lambda: self.first.setdefault('window', time.monotonic() - started))
        window.bridge.model_ready.connect(self._ready)

    def paint(self, shown: Shown) -> None:
        """A picture is on the screen."""
        when = time.monotonic()
        self.first.setdefault('picture', when - self.started)
        if shown.hands and shown.view is not None:
            self.first.setdefault('mesh', when - self.started)
        if self._from is not None and when >= self._from:
            self.painted.append(when)
            self.latency.append(when - shown.frame.captured)

    def _ready(self, event: ModelReady) -> None:
        if self._from is None:
            self._from = time.monotonic() + SETTLE
            QTimer.singleShot(round(1000 * (SETTLE + self.seconds)), Qt.PreciseTimer, self._end)

    def _end(self) -> None:
        self._heart.stop()  # closing takes its time, and nobody sees it
        self.window.end()

    def _tick(self) -> None:
        now = time.monotonic()
        if 'window' in self.first:
            (self.gaps if self._from is not None and now >= self._from else self.loading).append(now - self._beat)
        self._beat = now

    def result(self) -> dict[str, float]:
        """Pictures per second, milliseconds, seconds."""
        return {
            'painted_fps': (len(self.painted) - 1) / (self.painted[-1] - self.painted[0]) if len(self.painted) > 1 else 0.0,
            'latency_p50_ms': 1e3 * float(np.percentile(self.latency, 50)) if self.latency else 0.0,
            'latency_p95_ms': 1e3 * float(np.percentile(self.latency, 95)) if self.latency else 0.0,
            'stood_still_loading_ms': 1e3 * max(self.loading, default=0.0),
            'stood_still_ms': 1e3 * max(self.gaps, default=0.0), 'stood_still_p99_ms': 1e3 * float(np.percentile(self.gaps, 99)),
            **{f'first_{what}_s': seconds for what, seconds in self.first.items()}}


def child(clip: Path, fps: float, hands: int, ahead: bool, seconds: float, started: float) -> None:
    """One window from its start to its end; prints its figures."""
    reading = time.monotonic()
    images = read(clip)
    player = from_camera(doubled(images) if hands == 2 else images, fps)
    reading = time.monotonic() - reading  # a camera needs none
    application = make_application()
    apply_theme(application, 'dark')
    with tempfile.TemporaryDirectory() as folder:
        live = replace(LiveSettings(), hands=hands, ahead=ahead)
        bridge = EngineBridge(live, lambda settings, listener: Engine(settings, listener, player=player))
        window = MainWindow(bridge, SettingsStore(Path(folder)), replace(Stored(), live=live))
        window.resize(1440, 900)
        watch = Watch(window, seconds, started + reading)
        window.canvas.painted.connect(watch.paint)
        window.canvas.stands.connect(lambda: window.begin('camera:0'))
        window.show()
        application.exec()
    print(json.dumps(watch.result()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--clip', type=Path, default=DEMO)
    parser.add_argument('--seconds', type=float, default=10.0, help='of each run')
    parser.add_argument('--json', type=Path)
    parser.add_argument('--child', nargs=4, type=float, metavar=('FPS', 'HANDS', 'AHEAD', 'STARTED'), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.clip, options.child[0], int(options.child[1]), bool(options.child[2]), options.seconds, options.child[3])
        return
    results = {}
    print(f'{options.clip.name}, {options.seconds:.0f} s each\n')
    print(f'{"":<20}{"painted":>8}{"p50":>6}{"p95":>6} ms{"stood still":>14} ms')
    for name, fps, hands, ahead in (('one hand, 30', 30, 1, 1), ('two hands, 30', 30, 2, 1), ('one hand, 60', 60, 1, 1),
                                    ('not waiting, 30', 30, 1, 0)):
        command = [sys.executable, '-m', 'benchmarks.live_window', '--clip', str(options.clip), '--seconds', str(options.seconds),
                   '--child', str(fps), str(hands), str(ahead), str(time.monotonic())]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        r = results[name] = json.loads(done.stdout.splitlines()[-1])
        print(f'{name:<20}{r["painted_fps"]:>8.1f}{r["latency_p50_ms"]:>6.0f}{r["latency_p95_ms"]:>6.0f}{r["stood_still_ms"]:>17.0f} '
              f'({r["stood_still_loading_ms"]:.0f})', flush=True)
    r = results['one hand, 30']
    print(f'\nthe window is there after {r["first_window_s"]:.2f} s, a picture after {r["first_picture_s"]:.2f} s, '
          f'hands in 3D after {r["first_mesh_s"]:.2f} s after the start of the process (reading the clip left out)')
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == '__main__':
    main()
