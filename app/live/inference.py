"""The thread that turns frames into hands. It never waits for the network to load: until then frames pass without hands."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
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
from app.types import DEFAULT_FIELD_OF_VIEW, Intrinsics

if TYPE_CHECKING:  # loads on the loading thread
    from app.passing import Placed
    from app.pipeline import Pipeline

RECONSTRUCTION = ('smoothing', 'refine', 'lock', 'field_of_view', 'intrinsics')  # the settings that need no new network
IDLE = 0.15  # seconds without a new frame after which the last one is gone over again, if something has changed
SLOWEST = 0.045  # seconds from frame to frame, of a source whose frames may wait for the next one: a longer wait would be felt
PATIENCE = 0.06  # seconds for which a frame waits, at most, when no other one comes
RECENT = 0.2  # share of the last step in the mean step from frame to frame


@dataclass(frozen=True)
class _Waiting:
    """A frame whose hands wait for the next one."""

    captured: Captured
    stage_ms: dict[str, float]  # so far
    since: float  # time.monotonic()

    def ended(self, settling: dict[str, float]) -> dict[str, float]:
        """Its milliseconds now that it does not wait any more; `settling`: of what was done for it alone."""
        told = {**self.stage_ms, 'ahead': 1e3 * (time.monotonic() - self.since) - sum(settling.values())}
        return told | {name: ms + told.get(name, 0.0) for name, ms in settling.items()}


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
        self._waiting: _Waiting | None = None
        self._step: float | None = None  # seconds from frame to frame, lately
        self._taken: Captured | None = None  # the frame before
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
            until = last + PATIENCE if self._waiting is not None else last + IDLE if pending else None
            captured = self._frames.take(None if until is None else max(until - time.monotonic(), 0.0))
            if self._frames.closed:
                break
            try:
                self._again |= self._catch_up()
                if captured is not None:
                    last, self._again = time.monotonic(), False
                    self._give(captured)
                elif self._waiting is not None:
                    if time.monotonic() >= last + PATIENCE:
                        self._flush()
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
        """A frame and its hands, to whoever draws: the one that waited for this one, and this one, unless it waits for the next. Whatever
        fails, the pictures are given on."""
        frame, source = captured.frame, captured.source
        started = time.monotonic()
        if again or captured.generation != self._generation:
            self._flush()
        pipeline = self._pipeline
        if captured.generation != self._generation:
            self._generation = captured.generation
            self._fader.reset()
            if pipeline is not None:
                same = self._last is not None and self._last.captured.source.spec == source.spec and source.sequence
                pipeline.jump() if same else pipeline.reset()
        wait = not again and self._may_wait(captured)
        camera = self._camera(frame.image.shape[1], frame.image.shape[0])
        placed, stage_ms = [], {}
        if pipeline is not None:
            settings = self._settings
            pipeline.adjust(mode='live' if source.sequence else 'image', refine=settings.refine, smoothing=settings.smoothing,
                            lock=settings.lock)
            try:
                placed = pipeline.settle(pipeline.look(frame), camera, wait)
                wait = wait and all(one.frame is not frame for one in placed)
                self._look_at_provider(pipeline)
            except Exception as error:  # the picture is shown all the same
                self._troubles.report(error)
                placed, wait = self._settled_so_far(), False
            finally:
                stage_ms = pipeline.clock.end_frame()
        still = again or captured.paused or not source.sequence
        if not still:
            stage_ms = {'wait': 1e3 * (started - frame.captured), **stage_ms}
        waited, self._waiting = self._waiting, _Waiting(captured, stage_ms, time.monotonic()) if wait and pipeline is not None else None
        if waited is not None:
            self._put(waited.captured, placed, waited.ended({}))
        if self._waiting is None:
            self._put(replace(captured, paused=True) if again else captured, placed, stage_ms, still)

    def _flush(self) -> None:
        """Give the frame that waits, if one does, with what is known of it."""
        waited, self._waiting = self._waiting, None
        if waited is None:
            return
        placed = self._settled_so_far()
        self._put(waited.captured, placed, waited.ended(self._pipeline.clock.end_frame()))

    def _settled_so_far(self) -> list[Placed]:
        """The frame that waits, without the next one; nothing where that fails."""
        try:
            return self._pipeline.flush()
        except Exception as error:  # the picture is shown all the same
            self._troubles.report(error)
            return []

    def _may_wait(self, captured: Captured) -> bool:
        """Whether a frame may wait for the next one: it plays, and the next one comes soon."""
        before, self._taken = self._taken, captured
        if before is None or before.generation != captured.generation:
            self._step = 1 / captured.source.fps if captured.source.fps else None
        else:
            step = captured.frame.captured - before.frame.captured
            self._step = step if self._step is None else self._step + RECENT * (step - self._step)
        return (self._settings.ahead and captured.source.sequence and not captured.paused
                and self._step is not None and self._step <= SLOWEST)

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
        self._tell_drawing(replace(last, captured=replace(last.captured, paused=True), hands=hands, visibility=visibility, lost=0))

    def _put(self, captured: Captured, placed: list[Placed], stage_ms: dict[str, float], still: bool = False) -> None:
        """Give a frame on, with its hands if they are among the `placed`; those of a `still` picture do not fade."""
        frame, pipeline = captured.frame, self._pipeline
        one = next((one for one in placed if one.frame is frame), None)
        hands = [] if one is None else one.hands
        camera = self._camera(frame.image.shape[1], frame.image.shape[0]) if one is None else one.intrinsics
        shown, visibility = self._fader.still(hands, frame.captured) if still else self._fader.step(hands, frame.captured)
        self._tell_drawing(Inferred(captured, shown, visibility, camera, pipeline.statuses() if pipeline is not None else (), stage_ms,
                                    'detect' in stage_ms, len(shown) - len(hands)))

    def _tell_drawing(self, inferred: Inferred) -> None:
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
