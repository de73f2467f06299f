"""How fast the live pipeline is: pictures shown, latency, stages, and how long starting takes.

    python -m benchmarks.live [--clip FILE] [--seconds 10] [--threads N] [--json FILE]

The clip is delivered by the clock in three ways: decoded while it is played (`file`); from memory (`memory`), which costs nothing; and as
JPEGs that OpenCV decodes (`camera`), which is what a webcam costs. "Shown" is taken by a loop: no window draws. The two hands are the
half of the clip's picture with the hand in it, and its mirror image beside it. The machine may be busy with other things: `cpu`, the
processor time of the whole program for each picture, is hardly touched by that.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import app  # noqa: F401  before NumPy: says that its linear algebra shall not use threads, which only wait for each other
import numpy as np

from app.detection import Detector
from app.live.engine import Engine
from app.live.events import Event, PictureReady
from app.live.headless import LiveReport, run_live
from app.live.player import Player
from app.live.settings import LiveSettings, ViewSettings
from app.live.shown import Shown
from app.live.statistics import THREADS
from app.sources import Source, open_source
from app.types import Frame

DEMO = Path(__file__).parent.parent / 'assets' / 'demo' / 'demo.mp4'
MOST = 300  # frames that are kept in memory
LONGEST_START = 60.0  # seconds


class Preloaded(Source):
    """Frames that are in memory, as if from a file."""

    kind = 'video'

    def __init__(self, images: list[np.ndarray], fps: float):
        self.images = images
        height, width = images[0].shape[:2]
        super().__init__('memory', width, height, fps, len(images), 'video')

    def __iter__(self):
        for index, image in enumerate(self.images):
            yield Frame(image, index, index / self.fps, time.monotonic())


def read(clip: Path) -> list[np.ndarray]:
    """The pictures of a clip, to and fro, so that playing them again and again never jumps."""
    with open_source(clip, stop=MOST, sequence=True if clip.is_dir() else None) as source:
        images = [frame.image for frame in source]
    return images + images[-2:0:-1]


def doubled(images: list[np.ndarray]) -> list[np.ndarray]:
    """The half of each picture in which the hand is, and its mirror image beside it: two hands where one was."""
    half = images[0].shape[1] // 2
    with Detector(1) as detector:
        found = [d.points[:, 0].mean() for image in images[::len(images) // 10] for d in detector.detect(image)]
    left = int(np.clip(np.median(found) - half / 2, 0, half)) if found else half // 2
    halves = [image[:, left:left + half] for image in images]
    return [np.ascontiguousarray(np.hstack([h, h[:, ::-1]])) for h in halves]


def from_memory(images: list[np.ndarray], fps: float) -> Callable[..., Player]:
    return partial(Player, open_source=lambda spec: Preloaded(images, fps))


def from_camera(images: list[np.ndarray], fps: float) -> Callable[..., Player]:
    from tests.app.live.played_camera import PlayedCamera

    return partial(Player, open_source=PlayedCamera(images, fps).open_source)


def measured(player: Callable[..., Player], source: str | int | Path, settings: LiveSettings, seconds: float) -> tuple[LiveReport, float]:
    """One run -> its report, and the share of its pictures with all the hands that were asked for."""
    full: list[bool] = []

    def watch(shown: Shown) -> None:
        full.append(len(shown.inferred.found) >= settings.hands)

    report = run_live(source, settings, seconds=seconds, player=player, watch=watch)
    return report, float(np.mean(full)) if full else 0.0


def thread_ms(report: LiveReport, thread: str) -> float:
    """Milliseconds of a thread for each picture, medians added."""
    return sum(report.stage_ms[stage]['p50'] for stage in THREADS[thread] if stage in report.stage_ms and stage != 'detect')


def start_times(clip: Path) -> dict[str, float]:
    """Milliseconds from the start of a new process to its first picture and its first mesh."""
    command = [sys.executable, '-m', 'benchmarks.live', '--started', str(time.monotonic()), '--clip', str(clip)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def started(clip: Path, at: float) -> None:
    """The child of `start_times`."""
    import threading

    ready = threading.Event()

    def hear(event: Event) -> None:
        if isinstance(event, PictureReady):
            ready.set()

    engine = Engine(LiveSettings(), hear)
    engine.start()
    engine.open(clip, loop=True)
    times: dict[str, float] = {}
    while 'first_mesh_ms' not in times and time.monotonic() - at < LONGEST_START:
        ready.wait(1)
        ready.clear()
        shown = engine.take()
        if shown is None:
            continue
        now = round(1e3 * (time.monotonic() - at))
        times.setdefault('first_picture_ms', now)
        if shown.hands and shown.view is not None:
            times['first_mesh_ms'] = now
    engine.close()
    print(json.dumps(times))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--clip', type=Path, default=DEMO)
    parser.add_argument('--seconds', type=float, default=10.0, help='of each run')
    parser.add_argument('--threads', type=int, help='of the network')
    parser.add_argument('--only', nargs='*', help='words of the runs to do; all if not given')
    parser.add_argument('--json', type=Path)
    parser.add_argument('--started', type=float, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.started is not None:
        started(args.clip, args.started)
        return 0
    images = read(args.clip)
    two = doubled(images)
    base = LiveSettings(threads=args.threads)
    no_view = replace(base, view=ViewSettings(width=0, height=0))
    runs = {
        'one hand, file, 30': (Player, args.clip, base),
        'one hand, memory, 30': (from_memory(images, 30), 'memory', base),
        'one hand, camera, 30': (from_camera(images, 30), 0, base),
        'one hand, not waiting, camera, 30': (from_camera(images, 30), 0, replace(base, ahead=False)),
        'one hand without 3D view, camera, 30': (from_camera(images, 30), 0, no_view),
        'two hands, camera, 30': (from_camera(two, 30), 0, replace(base, hands=2)),
        'one hand, memory, 60': (from_memory(images, 60), 'memory', base),
        'one hand, camera, 60': (from_camera(images, 60), 0, base),
    }
    results = {}
    print(f'{args.clip.name}, {args.seconds:.0f} s each\n')
    print(f'{"":<38}{"given":>7}{"shown":>7}{"p50":>7}{"p95":>7} ms{"hands":>7}{"network":>9}{"drawing":>9}{"cpu":>7} ms   dropped')
    for name, (player, source, settings) in runs.items():
        if args.only and not any(word in name for word in args.only):
            continue
        report, full = measured(player, source, settings, args.seconds)
        results[name] = {**asdict(report), 'share_with_all_hands': full}
        dropped = ', '.join(f'{cause} {count}' for cause, count in report.dropped.items() if count) or 'none'
        latency, busy = report.latency_ms, [thread_ms(report, thread) for thread in THREADS]
        print(f'{name:<38}{report.delivered_fps:>7.1f}{report.shown_fps:>7.1f}{latency["p50"]:>7.0f}{latency["p95"]:>7.0f}   '
              f'{100 * full:>6.0f}%{busy[0]:>9.1f}{busy[1]:>9.1f}{report.cpu_ms:>7.1f}      {dropped}', flush=True)
    if not args.only:
        results['start'] = start_times(args.clip)
        print(f'\na new process shows its first picture after {results["start"]["first_picture_ms"]} ms, '
              f'its first mesh after {results["start"]["first_mesh_ms"]} ms')
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
