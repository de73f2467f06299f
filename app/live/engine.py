"""The live pipeline as one object: give it a source and settings, take pictures. Nothing in here waits for anything."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.live.drawing import Drawing
from app.live.events import Event, PictureReady, SourceOpened
from app.live.memory import share_arenas
from app.live.files import Files
from app.live.inference import Inference
from app.live.newest import Newest
from app.live.player import Player
from app.live.position import Position
from app.live.settings import LiveSettings
from app.live.shown import Captured, Inferred, Shown
from app.live.statistics import LiveStatistics, Statistics
from app.turns import quick_turns

if TYPE_CHECKING:  # loads what only a recording needs
    from app.live.recorder import RecordingSettings, RecordingState

MakePlayer = Callable[[Newest[Captured], Callable[[Event], None]], Player]


class Engine:
    """Threads that play, reconstruct, draw and write. Every method returns at once; what comes of it, the `listener` hears.

    The listener is called on the engine's threads, must return at once and never raise.
    """

    def __init__(self, settings: LiveSettings = LiveSettings(), listener: Callable[[Event], None] | None = None,
                 player: MakePlayer = Player):
        """`player`: what plays sources; tests and benchmarks give another."""
        self._listener = listener or (lambda event: None)
        self._settings, self._make_player = settings, player
        self._captured: Newest[Captured] = Newest()
        self._inferred: Newest[Inferred] = Newest()
        self._shown: Newest[Shown] = Newest()
        self._statistics = Statistics()
        self._files = Files(self._listener, lambda: self._drawing.drawn)
        self._drawing = Drawing(self._inferred, self._shown, settings, self._listener, self._statistics, self._announce, self._files.record)
        self._inference = Inference(self._captured, self._inferred, settings, self._listener, self._statistics)
        self._player: Player | None = None
        self._announced, self._source_ended = False, True

    def start(self) -> None:
        """Begin. The network loads beside the pictures, which are shown without hands until it is ready."""
        share_arenas()
        quick_turns()
        self._player, self._source_ended = self._make_player(self._captured, self._player_says), False
        self._files.start()
        self._drawing.start()
        self._inference.start()

    def close(self, timeout: float = 2.0) -> bool:
        """End everything; whether every thread did in `timeout` seconds. `still_running` names those that did not."""
        until = time.monotonic() + timeout
        self._inference.close()
        self._drawing.close()
        self._shown.close()
        self._files.close()
        self._source_ended = self._player is None or self._player.close(max(until - time.monotonic(), 0.0))
        for thread in self._threads():
            if thread.ident is not None:
                thread.join(max(until - time.monotonic(), 0.0))
        return not self.still_running

    @property
    def prepared(self) -> bool:
        """Whether network and OpenGL are ready: from now on pictures come with hands."""
        return self._inference.ready and not self._drawing.preparation.is_alive()

    @property
    def still_running(self) -> tuple[str, ...]:
        """Names of the threads that run; after `close` of those that did not end in time."""
        names = tuple(thread.name for thread in self._threads() if thread.is_alive())
        return names if self._source_ended else (*names, 'source')

    def open(self, spec: str | int | Path, loop: bool = False, paused: bool = False) -> None:
        """Play a video, a picture, a folder or a camera (a number, or 'camera:1'); what runs now runs on until it is there."""
        self._player.open(spec, loop, paused)

    def play(self) -> None:
        """Go on."""
        self._player.play()

    def pause(self) -> None:
        """The last picture stays."""
        self._player.pause()

    def seek(self, seconds: float) -> None:
        """Go to that moment of a file."""
        self._player.seek(seconds)

    def step(self, frames: int) -> None:
        """Pause, and go that many frames on, or back."""
        self._player.step(frames)

    def set_loop(self, on: bool) -> None:
        """Whether a file starts again at its end."""
        self._player.set_loop(on)

    def position(self) -> Position:
        """Where the source is being played."""
        return self._player.position() if self._player else Position()

    @property
    def settings(self) -> LiveSettings:
        """What was asked for last."""
        return self._settings

    def apply(self, settings: LiveSettings) -> None:
        """Change settings: drawing at once, reconstruction with the next frame, a network when it is loaded."""
        before, self._settings = self._settings, settings
        if not settings.same_drawing(before):
            self._drawing.apply(settings)
        self._inference.apply(settings)

    def reset_shapes(self) -> None:
        """Forget shape and texture of all hands: another person."""
        self._inference.reset_shapes()

    def start_recording(self, settings: RecordingSettings) -> None:
        """Record from the next picture on; `RecordingStarted` or `Problem` follows."""
        self._files.start_recording(settings)

    def stop_recording(self) -> None:
        """End it; `RecordingStopped` follows."""
        self._files.stop_recording()

    def recording(self) -> RecordingState | None:
        """How far the recording is, None when none runs."""
        return self._files.state()

    def snapshot(self, folder: Path) -> None:
        """Write the picture drawn last, its hands and numbers; `SnapshotSaved` or `Problem` follows."""
        self._files.snapshot(folder)

    def take(self) -> Shown | None:
        """The newest picture, if there is one that was not taken yet."""
        self._announced = False
        return self._shown.take(0)

    def painted(self, shown: Shown, when: float | None = None) -> None:
        """Tell when a picture was on the screen (`time.monotonic()`; None: now)."""
        self._statistics.painted(shown, time.monotonic() if when is None else when)

    def statistics(self) -> LiveStatistics:
        """What happened lately. Call it a few times a second."""
        return self._statistics.summary(self.dropped())

    def dropped(self) -> dict[str, int]:
        """Frames and pictures left out since the start, by cause."""
        recording, player = self._files.state(), self._player
        return {'camera': player.camera_dropped + player.skipped if player else 0, 'network': self._captured.dropped,
                'drawing': self._inferred.dropped, 'screen': self._shown.dropped, 'recording': recording.dropped if recording else 0}

    def _threads(self) -> tuple[threading.Thread, ...]:
        return *self._inference.threads, self._drawing.thread, self._drawing.preparation, self._files.thread

    def _player_says(self, event: Event) -> None:
        if isinstance(event, SourceOpened):
            self._statistics.restart()
        self._listener(event)

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            self._listener(PictureReady())
