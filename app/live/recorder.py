"""A recording of the live window: videos, numbers and meshes, in a folder of its own, on a thread of its own.

    <parent>/<source> <date> <time>/   overlay.mp4  clean.mp4  hands.npz  meshes/  recording.json

Pictures are recorded as they were taken, not mirrored. Row and picture numbers count the frames of the recording, from 0, and times its
seconds, so that videos, numbers and meshes belong together whatever was sought or looped meanwhile.

While it runs, the videos are called `overlay.unfinished.mp4`. After the program was killed they play, whole meshes lie in
`meshes.unfinished`, and of the numbers in `hands.unfinished` the command `meshes` makes `hands.npz`. The recording ends by itself, keeping
all there is, when the disk is almost full, when the source changes, or when something cannot be written.
"""
from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.hand_model import HandModel
from app.live.events import RecordingStopped
from app.live.shown import Inferred, SourceInfo
from app.outputs.atomic import FULL
from app.outputs.folder import dated_folder
from app.outputs.report import versions, write_json
from app.types import Frame

WAITING = 6  # frames that may wait for the recording's thread; more are dropped
LOW_WATER = 200_000_000  # bytes: a recording ends when fewer are free, so that it never fills somebody's disk
TO_BEGIN = LOW_WATER + 100_000_000  # bytes that must be free at the start
LOOK = 0.25  # seconds between looks at the disk
DISK_FULL = 'The recording ended because the disk is full; free some space, or choose another folder, before the next one.'
KILLED = ('The program ended before the recording did. The videos in this folder play; '
          '`main.py meshes hands.unfinished --out .` makes hands.npz of the numbers, and meshes.')
KEPT = 'What was recorded before is kept.'
FRAME = 1 / 30  # seconds: how long a frame lasts whose source does not say


@dataclass(frozen=True)
class RecordingSettings:
    """What is recorded, and where."""

    folder: Path  # in which each recording gets a folder
    overlay: bool = True  # overlay.mp4, the picture with the hands
    clean: bool = False  # clean.mp4, the picture alone
    parameters: bool = True  # hands.npz, all numbers
    meshes: bool = False  # meshes/, an OBJ file for each hand and frame


@dataclass(frozen=True)
class RecordingState:
    """How far a recording is."""

    seconds: float  # recorded
    bytes: int  # on the disk
    frames: int  # recorded
    dropped: int  # frames that were not, because the computer or the disk was too slow
    folder: Path


def title(source: SourceInfo) -> str:
    """What files of a source are named after."""
    return Path(source.name).stem if source.kind in ('video', 'picture') else source.name


class Recorder:
    """One recording, from its making to `stop`. `add` never blocks; everything else happens on the recording's thread."""

    def __init__(self, settings: RecordingSettings, model: HandModel, source: SourceInfo):
        """Makes the folder and starts. Raises InputError when that cannot be: nothing chosen, folder not writable, disk almost full."""
        if not (settings.overlay or settings.clean or settings.parameters or settings.meshes):
            raise InputError('Nothing is chosen to be recorded; choose at least one of the videos, the numbers or the meshes.')
        self.settings, self.source = settings, source
        self.problem = ''  # a sentence when it ended by itself
        self._model = model
        self._folder = dated_folder(Path(settings.folder), title(source), TO_BEGIN)
        self._started = datetime.now().astimezone()
        self._waiting: deque[tuple[Inferred, np.ndarray]] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._state = RecordingState(0.0, 0, 0, 0, self._folder)
        self._dropped = 0
        self._files: tuple[str, ...] = ()
        self._thread = threading.Thread(target=self._work, name='recording', daemon=True)
        self._thread.start()

    @property
    def state(self) -> RecordingState:
        """How far it is now."""
        return replace(self._state, dropped=self._dropped)

    def add(self, inferred: Inferred, overlay: np.ndarray) -> None:
        """Record a frame; `overlay` (H, W, 3) uint8 RGB is the frame with its hands, not mirrored, and stays as it is from now on.

        Returns at once; a frame for which there is no room is dropped and counted. After the end nothing happens.
        """
        with self._changed:
            if self._ending:
                return
            if len(self._waiting) >= WAITING:
                self._dropped += 1
                return
            self._waiting.append((inferred, overlay))
            self._changed.notify()

    def stop(self, timeout: float = 10.0) -> RecordingStopped:
        """End it: what waits is still written. Waits at most `timeout` seconds. May be called again."""
        self._end()
        self._thread.join(timeout)
        state = self.state
        if self._thread.is_alive():
            sentence = f'The recording is still being written; soon it lies in {self._folder}.'
            return RecordingStopped(self._folder, (), state.seconds, sentence)
        return RecordingStopped(self._folder, self._files, state.seconds, self.problem)

    def _end(self, sentence: str = '') -> None:
        with self._changed:
            self.problem = self.problem or sentence
            self._ending = True
            self._changed.notify_all()

    def _next(self) -> tuple[Inferred, np.ndarray] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending)
            return self._waiting.popleft() if self._waiting else None

    def _work(self) -> None:
        from app.live.recording_files import RecordingFiles  # the encoder's library loads here, not when the window opens

        files = RecordingFiles(self._folder, self.settings, self._model, self.source)
        clock, looked, with_hand = _RecordingClock(self.source.fps), -np.inf, 0
        try:
            files.open()
            self._describe(KILLED)
            while (item := self._next()) is not None:
                inferred, overlay = item
                captured = inferred.captured
                self._check_source(captured.source, captured.frame, files)
                now = clock.tick(captured.generation, captured.frame)
                if now is None:
                    continue
                if time.monotonic() - looked > LOOK:
                    looked = time.monotonic()
                    self._check_disk()
                files.write(replace(captured.frame, index=self._state.frames, time=now), inferred.found, captured.generation,
                            inferred.intrinsics, overlay)
                with_hand += bool(inferred.found)
                self._state = replace(self._state, frames=self._state.frames + 1, seconds=now + clock.step, bytes=files.bytes)
        except InputError as error:
            full = isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL
            self._end(f'{DISK_FULL if full else error} {KEPT if self._state.frames else ""}'.rstrip())
        except Exception as error:  # a mistake of the program must not cost what was recorded
            self._end(f'The recording ended by a mistake of the program ({type(error).__name__}: {error}). {KEPT}')
        self._finish(files, with_hand)

    def _check_source(self, source: SourceInfo, frame: Frame, files) -> None:
        height, width = frame.image.shape[:2]
        if files.size not in (None, (width, height)):
            raise InputError(f'The recording ended because the picture changed from {files.size[0]} x {files.size[1]} to '
                             f'{width} x {height} pixels; press record again to record the new one.')
        if source.spec != self.source.spec:
            raise InputError(f'The recording ended because the source changed to {source.name}; press record again to record that one.')

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self._folder).free
        if free < LOW_WATER:
            raise InputError(f'The recording ended because the disk is almost full ({free / 1e6:.0f} MB are left); '
                             'free some space, or choose another folder, before the next one.')

    def _finish(self, files, with_hand: int) -> None:
        """Give everything its name; what fails is told, the others stay."""
        for sentence in files.finish():
            self._end(sentence)
        self._end('' if self._state.frames else 'Nothing was recorded, because no picture came in that time.')
        names = files.names()
        if not names:
            with suppress(OSError):
                shutil.rmtree(self._folder)
        else:
            self._describe(self.problem, finished=True, files=names, frames_with_hand=with_hand, hands_left_out=files.left_out)
            names = (*names, 'recording.json') if (self._folder / 'recording.json').exists() else names
        self._state = replace(self._state, bytes=files.bytes)
        self._files = names

    def _describe(self, stopped: str, finished: bool = False, **more) -> None:
        """recording.json; one that cannot be written any more stays as it was."""
        state = self.state
        with suppress(InputError):
            write_json(self._folder / 'recording.json', {
                'finished': finished, 'stopped': stopped or 'by hand', 'started': self._started.isoformat(timespec='seconds'),
                'source': asdict(self.source), 'frames': state.frames, 'seconds': round(state.seconds, 3), 'dropped': state.dropped, **more,
                'settings': asdict(self.settings), 'hand_model': self._model.name, 'versions': versions()})


class _RecordingClock:
    """The recording's own time: as the source's, but without gaps where it was paused, sought or looped."""

    def __init__(self, fps: float | None):
        self.step = 1 / fps if fps else FRAME
        self._now = 0.0
        self._last: tuple[int, int, float] | None = None  # generation, frame number, source time

    def tick(self, generation: int, frame: Frame) -> float | None:
        """When the frame is, in seconds of the recording; None for one that was recorded already (drawn again while paused)."""
        last, self._last = self._last, (generation, frame.index, frame.time)
        if last is None:
            return self._now
        if last[:2] == (generation, frame.index):
            return None
        passed = frame.time - last[2] if generation == last[0] else self.step
        self._now += passed if passed > 0 else self.step
        return self._now
