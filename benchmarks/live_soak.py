"""Whether the live pipeline can run for hours: memory, threads and open files after the first minute and at the end; starts, stops,
other sources.

    python -m benchmarks.live_soak [--clip FILE] [--minutes 30] [--starts 100] [--switches 50] [--json FILE]

A minute is 1,800 frames through the whole pipeline, taken as fast as it can. One hand, textured, with the 3D view, from the second
minute on also a recording of everything if `--record` is given. Memory is what the process holds (VmRSS), so this runs on Linux.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

from app.live.engine import Engine
from app.live.events import Event, PictureReady, SourceOpened
from app.live.player import Player
from app.live.settings import LiveSettings

DEMO = Path(__file__).parent.parent / 'assets' / 'demo' / 'demo.mp4'
MINUTE = 1800  # frames
LOOKS = 30  # lines printed


def memory() -> float:
    """Megabytes that this process holds."""
    return int(re.search(r'VmRSS:\s+(\d+)', Path('/proc/self/status').read_text())[1]) / 1e3


def held() -> dict[str, float]:
    """What grows if something leaks: megabytes, threads, open files."""
    return {'memory_mb': round(memory(), 1), 'threads': threading.active_count(), 'files': len(os.listdir('/proc/self/fd'))}


def told(row: dict[str, float]) -> str:
    """The same in words."""
    return f'{row["memory_mb"]:7.1f} MB   {row["threads"]} threads   {row["files"]} files'


class Watch:
    """An engine and the loop that takes its pictures."""

    def __init__(self, speed: float = 1.0):
        self._ready, self.opened = threading.Event(), 0
        self.engine = Engine(LiveSettings(hands=1), self._hear, partial(Player, speed=speed))
        self.engine.start()

    def _hear(self, event: Event) -> None:
        if isinstance(event, PictureReady):
            self._ready.set()
        self.opened += isinstance(event, SourceOpened)

    def picture(self):
        """The next one."""
        while True:
            self._ready.wait(0.5)
            self._ready.clear()
            shown = self.engine.take()
            if shown is not None:
                self.engine.painted(shown)
                return shown


def run_long(clip: Path, minutes: float, record: bool) -> list[dict]:
    """Memory and threads as the minutes go by."""
    watch, rows, frames, last, start = Watch(speed=0), [], 0, None, time.monotonic()
    folder = tempfile.TemporaryDirectory()
    while not watch.engine.prepared:
        time.sleep(0.05)
    watch.engine.open(clip, loop=True)
    marks = [1 + n * max((minutes - 1) / LOOKS, 1e-3) for n in range(LOOKS + 1)]
    while marks:
        shown = watch.picture()
        key = shown.inferred.captured.generation, shown.frame.index
        frames += 1 if last is None or key[0] != last[0] else max(key[1] - last[1], 0)  # those that were dropped went through the network
        last = key
        if frames >= marks[0] * MINUTE:
            if record and not rows:
                from app.live.recorder import RecordingSettings

                watch.engine.start_recording(RecordingSettings(Path(folder.name)))
            rows.append({'minute': round(frames / MINUTE, 2), **held(), 'frames_per_second': round(frames / (time.monotonic() - start), 1),
                         'dropped': watch.engine.dropped()})
            print(f'minute {rows[-1]["minute"]:6.2f}   {told(rows[-1])}   {rows[-1]["frames_per_second"]} frames per second', flush=True)
            marks.pop(0)
            statistics = watch.engine.statistics()
            assert statistics.hands is not None
    if not watch.engine.close(20):
        print(f'these threads did not end: {watch.engine.still_running}')
    folder.cleanup()
    return rows


def start_and_stop(clip: Path, count: int) -> list[dict]:
    """Memory and threads after each tenth start."""
    rows = []
    for number in range(1, count + 1):
        watch = Watch()
        watch.engine.open(clip)
        began = time.monotonic()
        ended = watch.engine.close(20)
        if number % max(count // 10, 1) == 0 or not ended:
            rows.append({'starts': number, **held(), 'ended': ended, 'close_s': round(time.monotonic() - began, 2)})
            print(f'{number:4d} starts   {told(rows[-1])}   '
                  f'closed in {rows[-1]["close_s"]} s', flush=True)
    return rows


def switch(clips: list[Path], count: int) -> list[dict]:
    """Memory and threads after each tenth switch of the source."""
    watch, rows = Watch(), []
    for number in range(1, count + 1):
        clip = clips[number % len(clips)]
        before = watch.opened
        watch.engine.open(clip, loop=True)
        while watch.opened == before or watch.picture().inferred.captured.source.spec != str(clip):
            time.sleep(0.002)
        if number % max(count // 10, 1) == 0:
            rows.append({'switches': number, **held()})
            print(f'{number:4d} switches {told(rows[-1])}', flush=True)
    watch.engine.close(20)
    return rows


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--clip', type=Path, default=DEMO)
    parser.add_argument('--minutes', type=float, default=30.0)
    parser.add_argument('--starts', type=int, default=100)
    parser.add_argument('--switches', type=int, default=50)
    parser.add_argument('--record', action='store_true', help='record from the end of the first minute on')
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    results: dict[str, object] = {}
    if args.minutes:
        rows = results['long'] = run_long(args.clip, args.minutes, args.record)
        print(f'memory grew by {rows[-1]["memory_mb"] - rows[0]["memory_mb"]:.1f} MB after the first minute, '
              f'threads by {rows[-1]["threads"] - rows[0]["threads"]}, open files by {rows[-1]["files"] - rows[0]["files"]}\n')
    if args.starts:
        results['starts'] = start_and_stop(args.clip, args.starts)
    if args.switches:
        results['switches'] = switch([DEMO, args.clip if args.clip != DEMO else DEMO.parent.parent / 'open_hand_albedo.png'], args.switches)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
