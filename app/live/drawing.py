"""The thread that draws: hands on the picture, the 3D view beside it, and what is recorded."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable

import cv2
import numpy as np

from app.errors import InputError
from app.live.events import DrawingChanged, Event
from app.live.newest import Newest
from app.live.settings import LiveSettings
from app.live.shown import Inferred, Shown
from app.live.statistics import Statistics
from app.live.troubles import Troubles
from app.timing import StageClock

QUIET = 0.06  # seconds without a new frame after which the last one is drawn again, if the settings have changed


class Drawing:
    """Takes the newest frame with its hands, gives pictures on. All methods return at once and may be called from any thread."""

    def __init__(self, inferred: Newest[Inferred], out: Newest[Shown], settings: LiveSettings, tell: Callable[[Event], None],
                 statistics: Statistics, ready: Callable[[], None], record: Callable[[Inferred, np.ndarray], None]):
        """`ready` is called for each picture; `record` gets each new frame with its unmirrored overlay, and returns at once."""
        self._inferred, self._out, self._tell, self._statistics = inferred, out, tell, statistics
        self._ready, self._record = ready, record
        self._troubles = Troubles(tell)
        self._settings = settings
        self._model = None
        self._overlay = self._view = None
        self._noted = False
        self._last: Inferred | None = None
        self._drawn: tuple[Inferred, np.ndarray] | None = None
        self.thread = threading.Thread(target=self._run, name='live-drawing', daemon=True)

    @property
    def drawn(self) -> tuple[Inferred, np.ndarray] | None:
        """The frame drawn last and its unmirrored overlay (H, W, 3); both belong together."""
        return self._drawn

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def apply(self, settings: LiveSettings) -> None:
        """Draw with other settings from the next picture on; a picture that stands still is drawn again."""
        self._settings = settings
        self._inferred.wake()

    def use(self, model) -> None:
        """Draw hands of this model from now on."""
        self._model = model

    def close(self) -> None:
        """Tell the thread to end."""
        self._inferred.close()

    def _run(self) -> None:
        last, pending = time.monotonic(), False
        settings = self._settings
        while True:
            inferred = self._inferred.take(max(last + QUIET - time.monotonic(), 0.0) if pending else None)
            if self._inferred.closed:
                break
            if inferred is not None:
                last, pending, self._last = time.monotonic(), False, inferred
            elif self._last is None:
                continue
            elif time.monotonic() < last + QUIET:
                pending = True
                continue
            else:
                pending = False
            settings = self._settings
            try:
                self._give(self._last, settings, again=inferred is None)
            except Exception as error:  # one picture that fails must not end the thread
                self._troubles.report(error)

    def _give(self, inferred: Inferred, settings: LiveSettings, again: bool) -> None:
        """Draw a frame and give it on. Whatever fails, the picture itself is shown."""
        clock = StageClock()
        image = inferred.captured.frame.image
        with clock.stage('overlay'):
            picture = self._with_hands(inferred, settings)
        self._drawn = inferred, picture
        if not again and not inferred.captured.paused:
            with clock.stage('record'):
                self._record(inferred, picture)
        with clock.stage('flip'):
            shown = cv2.flip(picture, 1) if settings.mirror else picture
        with clock.stage('view'):
            view = self._viewed(inferred, settings)
        stage_ms = {**inferred.stage_ms, **clock.end_frame()}
        if not again:
            self._statistics.drawn(stage_ms)
        self._out.put(Shown(inferred, shown, view, time.monotonic(), stage_ms))
        self._ready()

    def _with_hands(self, inferred: Inferred, settings: LiveSettings) -> np.ndarray:
        image = inferred.captured.frame.image
        if self._model is None or not inferred.hands or settings.style == 'off':
            return image
        try:
            if self._overlay is None:
                from app.overlay import Overlay

                self._overlay = Overlay(self._model)
            return self._overlay.draw(image, inferred.hands, inferred.intrinsics, settings.style, settings.opacity, inferred.visibility)
        except Exception as error:  # the picture is worth showing without hands
            self._troubles.report(error)
            return image

    def _viewed(self, inferred: Inferred, settings: LiveSettings) -> np.ndarray | None:
        return None
