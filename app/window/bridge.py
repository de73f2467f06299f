"""The engine as the window sees it: its events become Qt signals on the window's thread, and what the window asks for never waits.

The engine is made on a thread of its own, for loading it takes longer than a window may stand still; what is asked of it before is kept.
Commands go through one more thread, in order, because opening and closing files may take a while.
"""
from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject, Qt, pyqtSignal

from app.errors import InputError
from app.live import events
from app.live.settings import LiveSettings
from app.live.shown import Shown

if TYPE_CHECKING:
    from app.live.engine import Engine
    from app.live.recorder import RecordingSettings, RecordingState
    from app.live.statistics import LiveStatistics

_CLOSE = 2.0  # seconds


class EngineBridge(QObject):
    """Owns an engine. All signals arrive on the thread that the bridge lives on."""

    happened = pyqtSignal(object)  # every event but PictureReady; `event` is what Qt itself calls
    picture = pyqtSignal(object)  # Shown, the newest
    source_opening = pyqtSignal(object)
    source_opened = pyqtSignal(object)
    source_failed = pyqtSignal(object)
    source_lost = pyqtSignal(object)
    source_back = pyqtSignal(object)
    source_ended = pyqtSignal(object)
    play_state_changed = pyqtSignal(object)
    model_loading = pyqtSignal(object)
    model_ready = pyqtSignal(object)
    model_failed = pyqtSignal(object)
    drawing_changed = pyqtSignal(object)
    recording_started = pyqtSignal(object)
    recording_stopped = pyqtSignal(object)
    snapshot_saved = pyqtSignal(object)
    problem = pyqtSignal(object)
    ready = pyqtSignal()  # the engine runs

    _heard = pyqtSignal(object)  # on any thread; carries an event over to ours
    _made = pyqtSignal()

    def __init__(self, settings: LiveSettings = LiveSettings(), make_engine: Callable[..., Engine] | None = None,
                 parent: QObject | None = None):
        """`make_engine(settings, listener)`: what makes it; tests give another. Nothing starts before `start`."""
        super().__init__(parent)
        self.settings = settings
        self._make = make_engine or _engine
        self._engine: Engine | None = None
        self._commands: queue.SimpleQueue[Callable[[Engine], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._heard.connect(self._tell, Qt.QueuedConnection)
        self._made.connect(self.ready, Qt.QueuedConnection)
        self._signals = {getattr(events, ''.join(word.capitalize() for word in name.split('_'))): getattr(self, name) for name in (
            'source_opening', 'source_opened', 'source_failed', 'source_lost', 'source_back', 'source_ended', 'play_state_changed',
            'model_loading', 'model_ready', 'model_failed', 'drawing_changed', 'recording_started', 'recording_stopped', 'snapshot_saved',
            'problem')}

    # life

    def start(self) -> None:
        """Make the engine and start it, elsewhere; `ready` follows."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name='window-commands', daemon=True)
            self._thread.start()

    def close(self, timeout: float = _CLOSE) -> bool:
        """Stop the engine and our thread. True: all of them ended in time."""
        deadline = time.monotonic() + timeout
        self._closed.set()
        self._commands.put(None)
        engine, ended = self._engine, True
        if engine is not None:
            ended = engine.close(timeout)
        if self._thread is not None:
            self._thread.join(max(deadline - time.monotonic(), 0.05))
            ended = ended and not self._thread.is_alive()
        return ended

    @property
    def running(self) -> bool:
        """Whether the engine is there."""
        return self._engine is not None and not self._closed.is_set()

    def _run(self) -> None:
        try:
            engine = self._engine = self._make(self.settings, self._listen)  # before it starts: its first picture must find it
            engine.start()
        except InputError as error:
            self._listen(events.Problem(str(error)))
            return
        if self._closed.is_set():  # closed while it was made
            engine.close(_CLOSE)
            return
        self._emit(self._made)
        while (command := self._commands.get()) is not None and not self._closed.is_set():
            try:
                command(engine)
            except (InputError, OSError) as error:
                self._listen(events.Problem(str(error)))

    def _listen(self, event: events.Event) -> None:
        """On the engine's threads."""
        self._emit(self._heard, event)

    def _emit(self, signal, *values) -> None:
        if self._closed.is_set():
            return
        try:
            signal.emit(*values)
        except RuntimeError:  # the window has gone in this very moment
            self._closed.set()

    def _tell(self, event: events.Event) -> None:
        if self._closed.is_set():
            return
        if isinstance(event, events.PictureReady):
            shown = self._engine.take() if self._engine is not None else None
            if shown is not None:
                self.picture.emit(shown)
            return
        self.happened.emit(event)
        signal = self._signals.get(type(event))
        if signal is not None:
            signal.emit(event)

    # what the window asks for; returns at once

    def open(self, spec: str | int | Path, loop: bool = False, paused: bool = False) -> None:
        """Another source; events tell how it went."""
        self._commands.put(lambda engine: engine.open(spec, loop=loop, paused=paused))

    def play(self) -> None:
        self._commands.put(lambda engine: engine.play())

    def pause(self) -> None:
        self._commands.put(lambda engine: engine.pause())

    def seek(self, seconds: float) -> None:
        self._commands.put(lambda engine: engine.seek(seconds))

    def step(self, frames: int) -> None:
        self._commands.put(lambda engine: engine.step(frames))

    def set_loop(self, on: bool) -> None:
        self._commands.put(lambda engine: engine.set_loop(on))

    def apply(self, settings: LiveSettings) -> None:
        """Other settings, from the next picture on."""
        if settings != self.settings:
            self.settings = settings
            self._commands.put(lambda engine: engine.apply(settings))

    def reset_shapes(self) -> None:
        """Another person: forget what hands look like."""
        self._commands.put(lambda engine: engine.reset_shapes())

    def start_recording(self, settings: RecordingSettings) -> None:
        self._commands.put(lambda engine: engine.start_recording(settings))

    def stop_recording(self) -> None:
        self._commands.put(lambda engine: engine.stop_recording())

    def snapshot(self, folder: Path) -> None:
        self._commands.put(lambda engine: engine.snapshot(folder))

    # what the window looks at; None while there is no engine

    def painted(self, shown: Shown) -> None:
        """The picture is on the screen now."""
        if self.running:
            self._engine.painted(shown, time.monotonic())

    def statistics(self) -> LiveStatistics | None:
        return self._engine.statistics() if self.running else None

    def position(self):
        return self._engine.position() if self.running else None

    def recording(self) -> RecordingState | None:
        return self._engine.recording() if self.running else None


def _engine(settings: LiveSettings, listener: Callable[[events.Event], None]) -> Engine:
    from app.live.engine import Engine  # slow to load: not before the window stands

    return Engine(settings, listener)
