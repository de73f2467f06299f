"""Who runs: MediaPipe Hands alone, our pipeline, the same with the textured overlay, and both on threads as the program has them.

Each plays the clip from its first frame to its last, again and again; a hand is looked for anew when the clip begins again, while shape and
texture, once learned, stay. The first play, in which they are learned and everything is slow once, does not count with the others.
"""
from __future__ import annotations

import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.background import Behind
from app.detection import landmarker, mediapipe_image, quiet_native_stderr
from app.overlay import Overlay
from app.pipeline import Pipeline, PipelineSettings
from app.reconstruct import reconstruct
from app.reconstruct_settings import ReconstructSettings
from app.timing import StageClock
from app.types import Frame, Hand
from app.walk import walk
from benchmarks.bench.clip import Clip

KINDS = {  # name: what it is
    'mediapipe': 'MediaPipe Hands alone, 21 points',
    'mesh': 'our pipeline, textured mesh',
    'halves': 'the same, looking and placing on two threads',
    'overlay': 'our pipeline and overlay',
    'overlapped': 'the same, looking, placing and drawing on threads',
    'fast': 'reconstruct --fast, overlay video',
    'consistent': 'reconstruct --consistent, all files',
}


@dataclass(frozen=True)
class Play:
    """What one play of the clip took."""

    frames: int
    full: int  # frames in which all hands were found
    wall: float  # seconds
    cpu: float  # seconds of processor time, all threads
    frame_ms: np.ndarray  # (frames,) from one finished frame to the next; none where single frames are not seen

    @property
    def fps(self) -> float:
        return self.frames / self.wall

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor time a frame."""
        return 1e3 * self.cpu / self.frames


class Contender(ABC):
    """Something that does all frames of a clip. Close it when done."""

    kind: str
    threads: int | None = None  # of the network; None: not ours to choose

    def __init__(self, clip: Clip):
        self.clip = clip

    @property
    def key(self) -> str:
        return f'{self.kind}, {self.clip.hands} hands' + (f', {self.threads} threads' if self.threads else '')

    @abstractmethod
    def one(self, frame: Frame) -> int:
        """Do one frame; how many hands were found."""

    def begin(self) -> None:
        """The clip begins again."""

    def close(self) -> None:
        """Free what is held."""

    def all_frames(self) -> tuple[list[int], list[float]]:
        """Do every frame: the hands that were found in each, and when each was finished (`time.perf_counter`)."""
        found, finished = [], []
        for frame in self.clip.frames:
            found.append(self.one(frame))
            finished.append(time.perf_counter())
        return found, finished

    def play(self) -> Play:
        """The whole clip once."""
        self.begin()
        cpu, wall = time.process_time(), time.perf_counter()
        found, finished = self.all_frames()
        end, cpu = time.perf_counter(), time.process_time() - cpu
        full = sum(count >= self.clip.hands for count in found)
        return Play(len(finished), full, end - wall, cpu, 1e3 * np.diff([wall, *finished]))


class MediaPipe(Contender):
    """MediaPipe's hand landmarker in its video mode, as its own users run it on frames that they have."""

    kind = 'mediapipe'

    def __init__(self, clip: Clip):
        super().__init__(clip)
        self._clock, self._step, self._landmarker = 0, max(1, round(1e3 / clip.fps)), landmarker(clip.hands, video=True)
        with quiet_native_stderr():
            self.one(clip.frames[0])  # the first picture prints lines too

    def one(self, frame: Frame) -> int:
        self._clock += self._step  # milliseconds; it refuses a time that is not later
        return len(self._landmarker.detect_for_video(mediapipe_image(frame.image), self._clock).hand_landmarks)

    def close(self) -> None:
        self._landmarker.close()


class Mesh(Contender):
    """Our pipeline: find, follow, cut, regress, refine, smooth, colour. Nothing is drawn."""

    kind = 'mesh'

    def __init__(self, clip: Clip, pipeline: Pipeline):
        """`pipeline` may be shared by contenders that play one after the other: it would take 200 MB each time."""
        super().__init__(clip)
        self.threads, self.pipeline, self.intrinsics = pipeline.settings.threads, pipeline, clip.intrinsics
        self.stages: list[dict[str, np.ndarray]] = []  # of each frame: stage -> (2,) milliseconds, wall clock and processor time

    def begin(self) -> None:
        self.pipeline.jump()

    def one(self, frame: Frame) -> int:
        hands = self.pipeline.process(frame, self.intrinsics)
        self.stages.append(self.pipeline.clock.end_frame())
        return len(hands)


class Halves(Mesh):
    """The same as `reconstruct --fast` does it: the network looks at a frame while another thread places the hands of the frame before."""

    kind = 'halves'

    def all_frames(self) -> tuple[list[int], list[float]]:
        found, finished = [], []
        with closing(walk(self.pipeline, self.clip.frames, lambda frame: self.intrinsics)) as answers:
            for _, hands, _ in answers:
                self.pipeline.clock.end_frame()
                found.append(len(hands))
                finished.append(time.perf_counter())
        return found, finished


class WithOverlay(Mesh):
    """The whole pipeline on one thread, and the hands drawn on the picture."""

    kind = 'overlay'

    def __init__(self, clip: Clip, pipeline: Pipeline):
        super().__init__(clip, pipeline)
        self.overlay = Overlay(pipeline.model)

    def one(self, frame: Frame) -> int:
        hands = self.pipeline.process(frame, self.intrinsics)
        with self.pipeline.clock.stage('overlay'):
            self.overlay.draw(frame.image, hands, self.intrinsics)
        self.stages.append(self.pipeline.clock.end_frame())
        return len(hands)


class Overlapped(Mesh):
    """The same as `reconstruct --fast` does it, but for its files: hands are drawn behind, on a third thread."""

    kind = 'overlapped'

    def __init__(self, clip: Clip, pipeline: Pipeline):
        super().__init__(clip, pipeline)
        self.overlay = Overlay(pipeline.model)

    def all_frames(self) -> tuple[list[int], list[float]]:
        found, finished = [], []

        def draw(done: tuple[Frame, list[Hand]]) -> None:
            frame, hands = done
            self.overlay.draw(frame.image, hands, self.intrinsics)
            finished.append(time.perf_counter())

        with Behind(draw) as drawer, closing(walk(self.pipeline, self.clip.frames, lambda frame: self.intrinsics)) as answers:
            for frame, hands, _ in answers:
                self.pipeline.clock.end_frame()
                found.append(len(hands))
                drawer.put((frame, hands))
        return found, finished


class Command(Contender):
    """The video command itself with its files, as its report counts: without loading the network. What processor time that takes is
    measured by loading once more. (The network for two crops is loaded while frames run, 0.3 s: that is in the time, but not in processor
    time.)"""

    def __init__(self, clip: Clip, kind: str, settings: ReconstructSettings):
        super().__init__(clip)
        self.kind, self.threads = kind, settings.threads
        self.settings = replace(settings, hands=clip.hands, start=clip.start, stop=clip.start + len(clip.frames),
                                sequence=True if clip.path.is_dir() else None)
        self._loaded = PipelineSettings(hands=clip.hands, threads=settings.threads, provider=settings.provider, weights=settings.weights)
        self._full: int | None = None  # frames with all hands, counted in the first play, which writes the numbers for it

    def one(self, frame: Frame) -> int:
        raise NotImplementedError('the command takes whole clips')

    def play(self) -> Play:
        counts = self._full is None
        settings = replace(self.settings, write=tuple({*self.settings.write, 'hands'})) if counts else self.settings
        clock = [time.process_time()]
        with Pipeline(self._loaded) as pipeline:
            if self.clip.hands > 1:
                size = pipeline.regressor.size
                pipeline.regressor(np.zeros((self.clip.hands, size, size, 3), np.uint8), textured=False)
                pipeline.regressor.settle()
            clock.append(time.process_time())
        with tempfile.TemporaryDirectory() as folder:
            clock.append(time.process_time())
            report = reconstruct(self.clip.path, Path(folder) / 'run', settings).report
            clock.append(time.process_time())
            if counts:
                rows = np.load(Path(folder) / 'run' / 'hands.npz')['frame'] if report.frames_with_hand else np.empty(0)
                self._full = int((np.unique(rows, return_counts=True)[1] >= self.clip.hands).sum())
        loading, _, both = np.diff(clock)
        return Play(report.frames, self._full, report.frames / report.fps, both - loading, np.empty(0))


@contextmanager
def both_clocks() -> Iterator[None]:
    """Inside, every stage clock reads wall clock and processor time of all threads, so that a stage's figure is an array of the two."""
    before = StageClock.now
    StageClock.now = staticmethod(lambda: np.array((time.perf_counter(), time.process_time())))
    try:
        yield
    finally:
        StageClock.now = staticmethod(before)
