"""How fast `reconstruct` is, beside MediaPipe Hands alone on the same clip, in turn, in one run.

    python -m benchmarks.speed [CLIP] [--rounds 3] [--json FILE]

The machine may be busy with other things: look at the ratio, and at the best round.
"""
from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from app.reconstruct import reconstruct
from app.reconstruct_settings import ReconstructSettings
from app.sources import open_source
from benchmarks.clips import MediaPipeVideo

DEMO = Path(__file__).parent.parent / 'assets' / 'demo' / 'demo.mp4'


def mediapipe_fps(clip: Path) -> float:
    """Frames per second of decoding and MediaPipe's 21 points, one hand."""
    peer = MediaPipeVideo(1)
    start, count = time.perf_counter(), 0
    with open_source(clip) as source:
        for frame in source:
            peer(frame.image, frame.time)
            count += 1
    seconds = time.perf_counter() - start
    peer.close()
    return count / seconds


def reconstruct_report(clip: Path, write: tuple[str, ...]) -> dict:
    """Frames per second and stages of `reconstruct`, one hand."""
    with tempfile.TemporaryDirectory() as folder:
        report = reconstruct(clip, Path(folder) / 'run', ReconstructSettings(hands=1, write=write)).report
    return {'fps': report.fps, 'stage_ms': report.stage_ms, 'provider': report.provider}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('clip', nargs='?', type=Path, default=DEMO)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    kinds = {'overlay': ('overlay',), 'everything': ('overlay', 'hands', 'meshes', 'glb')}
    rounds: dict[str, list] = {'mediapipe': [], **{k: [] for k in kinds}}
    stages = {}
    for _ in range(args.rounds):
        rounds['mediapipe'].append(mediapipe_fps(args.clip))
        for kind, write in kinds.items():
            result = reconstruct_report(args.clip, write)
            rounds[kind].append(result['fps'])
            stages[kind] = result['stage_ms']
    print(f'{args.clip.name}, {args.rounds} rounds in turn\n')
    print(f'{"":<34}{"best fps":>9}{"median":>9}{"of MediaPipe":>14}')
    names = {'mediapipe': 'MediaPipe Hands alone, 21 points', 'overlay': 'reconstruct, overlay video', 'everything': 'reconstruct, all files'}
    for kind, fps in rounds.items():
        ratio = np.median([a / b for a, b in zip(fps, rounds['mediapipe'])])
        print(f'{names[kind]:<34}{max(fps):>9.1f}{np.median(fps):>9.1f}{ratio:>13.2f}x')
    listed = ', '.join(f'{k} {v["p50"]} / {v["p95"]}' for k, v in stages['overlay'].items())
    print(f'\nstages of the overlay run, ms (p50 / p95): {listed}')
    if args.json:
        args.json.write_text(json.dumps({'clip': args.clip.name, 'fps': rounds, 'stage_ms': stages}, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
