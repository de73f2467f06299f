"""The thread that draws: hands on the picture, the 3D view beside it, and what is recorded."""
from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from app.live.events import DrawingChanged, Event
from app.live.newest import Newest
from app.live.settings import LiveSettings, ViewSettings
from app.live.shared_model import shared_model
from app.live.shown import Inferred, Shown
from app.live.statistics import Statistics
from app.live.troubles import Troubles
from app.timing import StageClock

if TYPE_CHECKING:  # load what the first picture should not wait for
    from app.hand_model import HandModel
    from app.live.view import HandsView
    from app.overlay import Overlay

QUIET = 0.06  # seconds without a new frame after which the last one is drawn again, if the settings have changed
PRESSED = 0.15  # share of the frames lately that were dropped before drawing, from which the 3D view is drawn in every second picture only
LATELY = 30  # frames


class Drawing:
    """Takes the newest frame with its hands, gives pictures on. All methods return at once and may be called from any thread."""

    def __init__(self, inferred: Newest[Inferred], out: Newest[Shown], settings: LiveSettings, tell: Callable[[Event], None],
                 statistics: Statistics, ready: Callable[[], None], record: Callable[[Inferred, np.ndarray], None]):
        """`ready` is called for each picture; `record` gets each new frame with its unmirrored overlay, and returns at once."""
        self._inferred, self._out, self._tell, self._statistics = inferred, out, tell, statistics
        self._ready, self._record = ready, record
        self._troubles = Troubles(tell)
        self._settings = settings
        self._brushes: tuple[Overlay, HandsView] | None = None
        self._generation: int | None = None
        self._last: Inferred | None = None
        self._drawn: tuple[Inferred, np.ndarray] | None = None
        self._view: np.ndarray | None = None  # the one drawn last
        self._dropped: deque[int] = deque(maxlen=LATELY)  # how many had been dropped before each of the last frames
        self._view_turn = False
        self.thread = threading.Thread(target=self._run, name='live-drawing', daemon=True)
        self.preparation = threading.Thread(target=self._prepare, name='live-opengl', daemon=True)  # ends by itself

    @property
    def drawn(self) -> tuple[Inferred, np.ndarray] | None:
        """The frame drawn last and its unmirrored overlay (H, W, 3); both belong together."""
        return self._drawn

    def start(self) -> None:
        """Begin. OpenGL takes a second or more to start; until then pictures come without hands."""
        self.preparation.start()
        self.thread.start()

    def apply(self, settings: LiveSettings) -> None:
        """Draw with other settings from the next picture on; a picture that stands still is drawn again."""
        self._settings = settings
        self._inferred.wake()

    def close(self) -> None:
        """Tell the threads to end."""
        self._inferred.close()

    def _prepare(self) -> None:
        try:
            from app.live.view import HandsView
            from app.overlay import Overlay

            if self._inferred.closed:
                return
            model = shared_model()
            overlay, view = Overlay(model), HandsView(model)
            for step in first_drawings(model, overlay, view):
                if self._inferred.closed:
                    return
                step()
            self._brushes = overlay, view
            if overlay.note:
                self._tell(DrawingChanged(overlay.note))
            self._inferred.wake()
        except Exception as error:  # pictures without hands are still worth showing
            self._troubles.report(error)

    def _run(self) -> None:
        last, pending = time.monotonic(), False
        while True:
            inferred = self._inferred.take(max(last + QUIET - time.monotonic(), 0.0) if pending else None)
            if self._inferred.closed:
                break
            if inferred is not None:
                self._last = inferred
            elif self._last is None:
                continue
            elif time.monotonic() < last + QUIET:
                pending = True
                continue
            last, pending = time.monotonic(), False
            try:
                self._give(self._last, self._settings, again=inferred is None)
            except Exception as error:  # one picture that fails must not end the thread
                self._troubles.report(error)

    def _give(self, inferred: Inferred, settings: LiveSettings, again: bool) -> None:
        """Draw a frame and give it on. Whatever fails, the picture itself is shown."""
        clock = StageClock()
        with clock.stage('overlay'):
            picture = self._with_hands(inferred, settings)
        self._drawn = inferred, picture
        if not again and not inferred.captured.paused:
            with clock.stage('record'):
                self._record(inferred, picture)
        with clock.stage('flip'):
            shown = cv2.flip(picture, 1) if settings.mirror else picture
        with clock.stage('view'):
            view = self._viewed(inferred, settings, again)
        stage_ms = {**inferred.stage_ms, **clock.end_frame()}
        if not again:
            self._statistics.drawn(stage_ms)
        self._out.put(Shown(inferred, shown, view, time.monotonic(), stage_ms))
        self._ready()

    def _with_hands(self, inferred: Inferred, settings: LiveSettings) -> np.ndarray:
        image = inferred.captured.frame.image
        if self._brushes is None or not inferred.hands:
            return image
        overlay = self._brushes[0]
        try:
            return overlay.draw(image, inferred.hands, inferred.intrinsics, settings.style, settings.opacity, inferred.visibility)
        except Exception as error:  # the picture is worth showing without hands
            self._troubles.report(error)
            return image

    def _viewed(self, inferred: Inferred, settings: LiveSettings, again: bool) -> np.ndarray | None:
        """The 3D view; the one drawn last where drawing does not keep up and this picture's turn is to go without."""
        wanted = settings.view
        if self._brushes is None or not (wanted.width and wanted.height):
            self._view = None
            return None
        view, captured = self._brushes[1], inferred.captured
        if captured.generation != self._generation:
            self._generation = captured.generation
            view.reset()
        same_size = self._view is not None and self._view.shape[:2] == (wanted.height, wanted.width)
        if not again and self._pressed() and same_size:
            self._view_turn = not self._view_turn
            if self._view_turn:
                return self._view
        try:
            self._view = view.draw(inferred.hands, inferred.visibility, wanted, settings.style, settings.mirror, captured.frame.captured)
        except Exception as error:  # the picture is worth showing without the view
            self._troubles.report(error)
        return self._view

    def _pressed(self) -> bool:
        """Whether drawing lags behind the network."""
        self._dropped.append(self._inferred.dropped)
        pressed = self._dropped[-1] - self._dropped[0] > PRESSED * LATELY
        self._statistics.thrifty(pressed)
        return pressed


def first_drawings(model: HandModel, overlay: Overlay, view: HandsView) -> tuple[Callable[[], object], ...]:
    """Steps that draw a hand once in every way, so that shaders and tables are made before the first one is seen."""
    from app.pipeline import DEFAULT_LIGHT
    from app.types import Hand, Intrinsics

    pose = np.tile(np.array([1.0, 0, 0, 0]), (16, 1))
    vertices, joints = model.posed(pose, np.zeros(10))
    there = np.array([0.0, 0.0, 0.5])
    camera = Intrinsics.from_field_of_view(64, 48)
    points = camera.project(joints + there)
    hand = Hand(0, 'right', 1.0, pose, np.zeros(10), there, vertices + there, joints + there, points,
                np.round(255 * model.albedo).astype(np.uint8), DEFAULT_LIGHT, points)
    small = replace(ViewSettings(), width=64, height=64)
    return (lambda: overlay.draw(np.zeros((48, 64, 3), np.uint8), [hand], camera), lambda: view.draw([hand], None, small), view.reset)
