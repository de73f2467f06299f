"""Recordings and snapshots of the live pipeline: begun, ended and written on a thread of their own, never on those that show."""
from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.errors import InputError
from app.live.events import Event, RecordingStarted
from app.live.shared_model import shared_model
from app.live.shown import Inferred
from app.live.troubles import Troubles

if TYPE_CHECKING:  # loads what only a recording needs
    from app.live.recorder import Recorder, RecordingSettings, RecordingState

NOTHING_YET = 'There is no picture yet; open a camera or a file first.'
ENDING = 1.5  # seconds that the end of a recording may take while the program closes


class Files:
    """Does one job after the other. All methods return at once and may be called from any thread."""

    def __init__(self, tell: Callable[[Event], None], drawn: Callable[[], tuple[Inferred, np.ndarray] | None]):
        """`drawn` gives the frame drawn last and its unmirrored overlay."""
        self._tell, self._drawn = tell, drawn
        self._troubles = Troubles(tell)
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._recorder: Recorder | None = None
        self._closing = False
        self.thread = threading.Thread(target=self._run, name='live-files', daemon=True)

    def start(self) -> None:
        """Begin to wait for jobs."""
        self.thread.start()

    def close(self) -> None:
        """End a recording that runs, then the thread; jobs that have not begun are left out."""
        self._closing = True
        self._jobs.put(None)

    def start_recording(self, settings: RecordingSettings) -> None:
        """Record from the next picture on; `RecordingStarted` or `Problem` follows."""
        self._jobs.put(partial(self._start, settings))

    def stop_recording(self) -> None:
        """End it; `RecordingStopped` follows when all is written."""
        self._jobs.put(self._stop)

    def snapshot(self, folder: Path) -> None:
        """Write what was drawn last; `SnapshotSaved` or `Problem` follows."""
        self._jobs.put(partial(self._save, folder, self._drawn()))

    def state(self) -> RecordingState | None:
        """Of the recording that runs, None when none does."""
        recorder = self._recorder
        self._end_if_broken(recorder)
        return recorder.state if recorder is not None else None

    def record(self, inferred: Inferred, overlay: np.ndarray) -> None:
        """Add a frame to the recording, if one runs."""
        recorder = self._recorder
        if recorder is not None:
            recorder.add(inferred, overlay)
            self._end_if_broken(recorder)

    def _end_if_broken(self, recorder: Recorder | None) -> None:
        if recorder is not None and recorder.problem and not self._closing:
            self._jobs.put(partial(self._stop, recorder))

    def _run(self) -> None:
        while not self._closing:
            job = self._jobs.get()
            if job is None:
                continue
            try:
                job()
            except Exception as error:  # the next job may do better
                self._troubles.report(error)
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            self._tell(recorder.stop(ENDING))

    def _start(self, settings: RecordingSettings) -> None:
        from app.live.recorder import Recorder

        drawn = self._drawn()
        if drawn is None:
            raise InputError(NOTHING_YET)
        if self._recorder is None:
            self._recorder = Recorder(settings, shared_model(), drawn[0].captured.source)
            self._tell(RecordingStarted(self._recorder.state.folder))

    def _stop(self, which: Recorder | None = None) -> None:
        """`which`: only if it is this one that runs."""
        recorder = self._recorder
        if recorder is None or which not in (None, recorder):
            return
        self._recorder = None
        self._tell(recorder.stop())

    def _save(self, folder: Path, drawn: tuple[Inferred, np.ndarray] | None) -> None:
        from app.live.snapshot import save_snapshot

        if drawn is None:
            raise InputError(NOTHING_YET)
        self._tell(save_snapshot(folder, *drawn, shared_model()))

