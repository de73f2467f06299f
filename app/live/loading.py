"""Load the network beside everything that runs, on a thread of its own: the newest wish counts, and the old network runs on until then."""
from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.errors import InputError
from app.live.events import Event, ModelFailed, ModelLoading, ModelReady
from app.live.memory import give_back
from app.live.newest import Newest
from app.live.settings import LiveSettings
from app.live.shared_model import shared_model, undisturbed

if TYPE_CHECKING:  # loads OpenCV and half of the program, which the window should not wait for
    from app.pipeline import Pipeline


@dataclass(frozen=True)
class Loaded:
    """A network that can run."""

    pipeline: Pipeline
    settings: LiveSettings  # what it was made for


class Loader:
    """Builds pipelines one after the other. `ready` gets each, on this thread, and owns it."""

    def __init__(self, ready: Callable[[Loaded], None], tell: Callable[[Event], None]):
        self._ready, self._tell = ready, tell
        self._wishes: Newest[LiveSettings] = Newest()
        self._any = False  # a network was loaded
        self.thread = threading.Thread(target=self._run, name='live-loading', daemon=True)

    def start(self) -> None:
        """Begin to wait for wishes."""
        self.thread.start()

    def wish(self, settings: LiveSettings) -> None:
        """Load the network of these settings; returns at once. An older wish that has not begun is forgotten."""
        self._wishes.put(settings)

    def close(self) -> None:
        """End the thread after the step in hand; nothing is handed over any more."""
        self._wishes.close()

    def _run(self) -> None:
        while not self._wishes.closed:
            settings = self._wishes.take()
            if settings is None:
                continue
            self._tell(ModelLoading('loading the network'))
            try:
                loaded = undisturbed(lambda: load(settings, lambda: self._wishes.closed, lambda what: self._tell(ModelLoading(what))))
            except InputError as error:
                if self._any or settings.weights is None:
                    self._tell(ModelFailed(str(error)))
                else:  # at the start there is no older network that could run on
                    self._tell(ModelFailed(f'{str(error).rstrip(".")}. Until then the network that ships is used.'))
                    if self._wishes.peek() is None:
                        self._wishes.put(replace(settings, weights=None))
                continue
            except Exception as error:  # whatever a driver or a damaged package throws must not end the thread
                traceback.print_exc(file=sys.stderr)
                self._tell(ModelFailed(f'The network could not be loaded ({type(error).__name__}: {error}); choose another one.'))
                continue
            if loaded is None or self._wishes.closed:
                if loaded is not None:
                    loaded.pipeline.close()
                continue
            regressor = loaded.pipeline.regressor
            self._any = True
            self._ready(loaded)
            self._tell(ModelReady(regressor.name, settings.provider, regressor.provider, regressor.note))
            del loaded, regressor  # the inference thread's from now on, which may close it
            give_back()


def load(settings: LiveSettings, stopped: Callable[[], bool] = lambda: False,
         tell: Callable[[str], None] = lambda what: None) -> Loaded | None:
    """The network of these settings, warm. `tell` gets a sentence before something that takes minutes.

    None when `stopped()` became true on the way. Raises InputError when the network or the detector cannot be used at all.
    """
    import onnxruntime  # noqa: F401  one step at a time, so that closing does not have to wait for all of them

    if stopped():
        return None
    import mediapipe  # noqa: F401

    if stopped():
        return None
    from app.pipeline import Pipeline, PipelineSettings

    if stopped():
        return None
    pipeline = Pipeline(PipelineSettings(
        mode='live', hands=settings.hands, weights=settings.weights, provider=settings.provider, threads=settings.threads or live_threads(),
        refine=settings.refine, smoothing=settings.smoothing, lock=settings.lock), model=shared_model(), tell=tell)
    if not stopped():
        pipeline.warm_up()
    if stopped():
        pipeline.close()
        return None
    return Loaded(pipeline, settings)


def live_threads() -> int:
    """Threads of the network in live running: one core is left to drawing, the window and the camera; more than 4 bring nothing."""
    return max(1, min(4, (os.cpu_count() or 1) - 1))
