"""The thread that turns frames into hands. It never waits for the network to load: until then frames pass without hands."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import InputError
from app.live.events import Event, ModelReady, Problem
from app.live.fading import Fader
from app.live.loading import Loaded, Loader
from app.live.memory import give_back
from app.live.newest import Newest
from app.live.settings import LiveSettings
from app.live.shown import Captured, Inferred
from app.live.statistics import Statistics
from app.live.troubles import Troubles
from app.reconstruct_settings import read_intrinsics
from app.types import DEFAULT_FIELD_OF_VIEW, Hand, Intrinsics

if TYPE_CHECKING:  # loads on the loading thread
    from app.pipeline import Pipeline

RECONSTRUCTION = ('smoothing', 'refine', 'lock', 'field_of_view', 'intrinsics')  # the settings that need no new network
IDLE = 0.15  # seconds without a new frame after which the last one is gone over again, if something has changed


class Inference:
    """Takes the newest frame, gives it on with its hands. All methods return at once and may be called from any thread."""

    def __init__(self, frames: Newest[Captured], out: Newest[Inferred], settings: LiveSettings, tell: Callable[[Event], None],
                 statistics: Statistics):
        self._frames, self._out, self._tell, self._statistics = frames, out, tell, statistics
        self._troubles = Troubles(tell)
        self._lock = threading.Lock()  # of the three wishes below
        self._wanted, self._loaded, self._forget_shapes = settings, None, False
        self._settings = settings
        self._in_force: tuple[Path | None, float] = None, settings.field_of_view  # the camera, as file and field of view
        self._wish: tuple[Path | None, float] | None = None  # the one asked for last, whether it can be used or not
        self._loader = Loader(self._take_over, tell)
        self._pipeline: Pipeline | None = None
        self._provider = ''  # what the network ran on in the last frame
        self._fader = Fader()
        self._cameras: dict[tuple, Intrinsics] = {}
        self._generation: int | None = None
        self._last: Inferred | None = None
        self._again = False  # something changed that the last frame does not show yet
        self.thread = threading.Thread(target=self._run, name='live-inference', daemon=True)

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        """This one, and the one that loads networks."""
        return self.thread, self._loader.thread

    @property
    def ready(self) -> bool:
        """Whether there is a network."""
        return self._pipeline is not None

    def start(self) -> None:
        """Begin; the network begins to load."""
        self._loader.start()
        self._loader.wish(self._wanted)
        self.thread.start()

    def apply(self, settings: LiveSettings) -> None:
        """Take over other settings, with the next frame or as soon as their network is loaded."""
        with self._lock:
            before, self._wanted = self._wanted, settings
        if not settings.same_network(before):
            self._loader.wish(settings)
        self._frames.wake()

    def reset_shapes(self) -> None:
        """Forget the shapes and textures of all hands."""
        with self._lock:
            self._forget_shapes = True
        self._frames.wake()

    def close(self) -> None:
        """Tell both threads to end."""
        self._loader.close()
        self._frames.close()

    def _take_over(self, loaded: Loaded) -> None:
        """Of the loading thread: lay a new network down for the inference thread."""
        with self._lock:
            unused = loaded if self._frames.closed else self._loaded
            self._loaded = None if self._frames.closed else loaded
        if unused is not None:
            unused.pipeline.close()
        self._frames.wake()

    def _run(self) -> None:
        last = time.monotonic()
        while True:
            pending = self._last is not None and (self._again or not self._fader.settled)
            captured = self._frames.take(max(last + IDLE - time.monotonic(), 0.0) if pending else None)
            if self._frames.closed:
                break
            try:
                self._again |= self._catch_up()
                if captured is not None:
                    last, self._again = time.monotonic(), False
                    self._give(captured)
                elif pending and time.monotonic() >= last + IDLE:
                    again, self._again = self._again, False
                    self._give(self._last.captured, again=True) if again else self._settle()
            except Exception as error:  # one frame that fails must not end the thread
                self._troubles.report(error)
        with self._lock:
            loaded, self._loaded = self._loaded, None
        for pipeline in (self._pipeline, loaded and loaded.pipeline):
            if pipeline is not None:
                pipeline.close()
        self._pipeline = self._last = None
        del loaded, pipeline
        give_back()

    def _catch_up(self) -> bool:
        """Take over what was asked for since the last time; whether the last frame would look different now."""
        with self._lock:
            wanted, loaded, forget = self._wanted, self._loaded, self._forget_shapes
            self._loaded, self._forget_shapes = None, False
        changed = forget or any(getattr(wanted, name) != getattr(self._settings, name) for name in RECONSTRUCTION)
        self._settings = wanted
        if loaded is not None:
            old, self._pipeline = self._pipeline, loaded.pipeline
            if old is not None:
                self._pipeline.carry_on(old)
                old.close()
                del old
                give_back()
            self._provider = self._pipeline.regressor.provider
            self._statistics.provider(self._provider)
            changed = True
        if forget and self._pipeline is not None:
            self._pipeline.reset_shapes()
        return changed

    def _give(self, captured: Captured, again: bool = False) -> None:
        """One frame and its hands, to whoever draws. Whatever fails, the picture is given on."""
        frame, source, pipeline = captured.frame, captured.source, self._pipeline
        started = time.monotonic()
        if captured.generation != self._generation:
            self._generation = captured.generation
            self._fader.reset()
            if pipeline is not None:
                same = self._last is not None and self._last.captured.source.spec == source.spec and source.sequence
                pipeline.jump() if same else pipeline.reset()
        camera = self._camera(frame.image.shape[1], frame.image.shape[0])
        hands: list[Hand] = []
        stage_ms: dict[str, float] = {}
        statuses = ()
        if pipeline is not None:
            settings = self._settings
            pipeline.adjust(mode='live' if source.sequence else 'image', refine=settings.refine, smoothing=settings.smoothing,
                            lock=settings.lock)
            try:
                hands = pipeline.process(frame, camera)
                statuses = pipeline.statuses()
                self._look_at_provider(pipeline)
            except Exception as error:  # the picture is shown all the same
                self._troubles.report(error)
            finally:
                stage_ms = pipeline.clock.end_frame()
        still = again or captured.paused or not source.sequence
        shown, visibility = self._fader.still(hands, frame.captured) if still else self._fader.step(hands, frame.captured)
        if not still:
            stage_ms = {'wait': 1e3 * (started - frame.captured), **stage_ms}
        self._put(Inferred(replace(captured, paused=True) if again else captured, shown, visibility, camera, statuses, stage_ms,
                           'detect' in stage_ms, len(shown) - len(hands)))

    def _look_at_provider(self, pipeline: Pipeline) -> None:
        """A GPU may load a network and fail to run it: then the CPU does, from now on, and it is said."""
        regressor = pipeline.regressor
        if regressor.provider != self._provider:
            self._provider = regressor.provider
            self._statistics.provider(regressor.provider)
            self._tell(ModelReady(regressor.name, self._settings.provider, regressor.provider, regressor.note))

    def _settle(self) -> None:
        """No frame has come for a while: what was fading is as it will be."""
        last = self._last
        hands, visibility = self._fader.still(last.found, last.captured.frame.captured)
        self._put(replace(last, captured=replace(last.captured, paused=True), hands=hands, visibility=visibility, lost=0))

    def _put(self, inferred: Inferred) -> None:
        self._last = inferred
        self._statistics.inferred(inferred)
        self._out.put(inferred)

    def _camera(self, width: int, height: int) -> Intrinsics:
        """The camera of pictures of this size. One that is newly wished for and cannot be used is told, and the one before stays."""
        wish = self._settings.intrinsics, self._settings.field_of_view
        try:
            if wish != self._wish:
                self._wish = wish
                camera = camera_of(*wish, width, height)
                self._in_force, self._cameras = wish, {(width, height): camera}
            if (width, height) not in self._cameras:
                self._cameras[width, height] = camera_of(*self._in_force, width, height)
        except InputError as error:
            self._tell(Problem(str(error)))
            if (width, height) not in self._cameras:
                self._cameras[width, height] = camera_of(None, DEFAULT_FIELD_OF_VIEW, width, height)
        return self._cameras[width, height]


def camera_of(intrinsics: Path | None, field_of_view: float, width: int, height: int) -> Intrinsics:
    """The camera of pictures of this size, from a file if there is one. Raises InputError when it cannot be used."""
    if intrinsics is not None:
        return read_intrinsics(intrinsics, width, height)
    return Intrinsics.from_field_of_view(width, height, field_of_view, metric=field_of_view != DEFAULT_FIELD_OF_VIEW)
