"""How long a new process needs to its first hand, and how much memory it takes: each in a process of its own.

    python -m benchmarks.bench.fresh KIND SETTINGS    (the child; JSON in and out)
"""
from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

KINDS = ('mediapipe', 'mesh', 'overlay')
LONGEST = 300.0  # seconds


@dataclass(frozen=True)
class Start:
    """One new process that played the clip's first frames."""

    kind: str
    imported_ms: float  # from the start of the process until everything is imported
    first_ms: float  # from the start of the process to the first frame with a hand, done
    first_cpu_ms: float  # processor time until then
    memory_mb: float  # at the end
    peak_mb: float
    heavy: tuple[str, ...]  # packages that the program must do without and were loaded all the same


def start_anew(kind: str, clip: Path, start: int, frames: int, threads: int, provider: str, weights: Path | None) -> Start:
    """Play so many frames of a clip, one hand, in a new process. Raises RuntimeError with its last words if it fails."""
    settings = {'clip': str(clip), 'start': start, 'frames': frames, 'threads': threads, 'provider': provider,
                'weights': weights and str(weights), 'started': time.monotonic()}  # the same clock in both processes
    child = subprocess.run([sys.executable, '-m', __name__, kind, json.dumps(settings)], capture_output=True, text=True, timeout=LONGEST,
                           cwd=Path(__file__).resolve().parent.parent.parent)
    if child.returncode:
        raise RuntimeError(f'the new process for {kind!r} failed: {child.stderr.strip()[-300:]}')
    told = json.loads(child.stdout.splitlines()[-1])
    return Start(**told | {'heavy': tuple(told['heavy'])})


def measure(kind: str, settings: dict) -> Start:
    """The child's part."""
    import app  # noqa: F401  before NumPy
    from app.sources import open_source

    make = worker_of(kind)
    imported = time.monotonic() - settings['started']
    clip, one, first, cpu = Path(settings['clip']), None, None, 0.0
    begin, end = settings['start'], settings['start'] + settings['frames']
    with open_source(clip, start=begin, stop=end, sequence=True if clip.is_dir() else None) as source:
        for frame in source:
            one = one or make(frame.image.shape, settings)
            if one(frame) and first is None:
                first, cpu = time.monotonic() - settings['started'], time.process_time()
    if first is None:
        raise RuntimeError(f'no hand in the first {settings["frames"]} frames')
    heavy = tuple(sorted({'torch', 'PyQt5', 'matplotlib', 'onnx'} & set(sys.modules)))
    return Start(kind, 1e3 * imported, 1e3 * first, 1e3 * cpu, *memory(), heavy)


def worker_of(kind: str) -> Callable[[tuple[int, ...], dict], Callable[[Any], int]]:
    """What makes, out of the shape of the pictures and the settings, what does a frame and says how many hands it found."""
    if kind == 'mediapipe':
        import mediapipe.tasks.python  # noqa: F401  here, where imports are timed

        from app.detection import landmarker, mediapipe_image

        def make(_, settings: dict):
            marker = landmarker(1, video=True)
            return lambda frame: len(marker.detect_for_video(mediapipe_image(frame.image), round(1e3 * frame.time)).hand_landmarks)

        return make
    from app.overlay import Overlay
    from app.pipeline import Pipeline, PipelineSettings
    from app.types import Intrinsics

    def make(shape: tuple[int, ...], settings: dict):
        weights = settings['weights'] and Path(settings['weights'])
        pipeline = Pipeline(PipelineSettings(hands=1, threads=settings['threads'], provider=settings['provider'], weights=weights))
        intrinsics = Intrinsics.from_field_of_view(shape[1], shape[0])
        overlay = Overlay(pipeline.model) if kind == 'overlay' else None

        def one(frame) -> int:
            hands = pipeline.process(frame, intrinsics)
            if overlay is not None:
                overlay.draw(frame.image, hands, intrinsics)
            return len(hands)

        return one

    return make


def memory() -> tuple[float, float]:
    """Megabytes of this process in memory, now and at most so far."""
    try:  # not ru_maxrss: a new process begins with its parent's
        lines = Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == 'darwin' else 1e3)
        return peak, peak
    of = {line.split(':')[0]: line.split()[1] for line in lines if line.startswith('Vm')}
    return int(of['VmRSS']) * 1.024e-3, int(of['VmHWM']) * 1.024e-3


if __name__ == '__main__':
    print(json.dumps(asdict(measure(sys.argv[1], json.loads(sys.argv[2])))))
    sys.stdout.flush()
