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

REAL_NAMES = {'tensorrt': 'Tensorrt', 'cuda': 'CUDA', 'cpu': 'CPU'}  # as `Regressor.provider` says it


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
                loaded, note = undisturbed(lambda: load(settings, lambda: self._wishes.closed))
            except InputError as error:
                self._tell(ModelFailed(str(error)))
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
            self._ready(loaded)
            self._tell(ModelReady(regressor.name, settings.provider, regressor.provider, note))
            del loaded, regressor  # the inference thread's from now on, which may close it
            give_back()


def load(settings: LiveSettings, stopped: Callable[[], bool] = lambda: False) -> tuple[Loaded | None, str]:
    """The network of these settings, warm, and a sentence when it runs on something else than asked for.

    None when `stopped()` became true on the way. Raises InputError when the network or the detector cannot be used at all.
    """
    import onnxruntime

    if stopped():
        return None, ''
    import mediapipe  # noqa: F401  one step at a time, so that closing does not have to wait for all of them

    if stopped():
        return None, ''
    from app.pipeline import Pipeline, PipelineSettings

    if stopped():
        return None, ''
    wanted = PipelineSettings(mode='live', hands=settings.hands, weights=settings.weights, provider=settings.provider,
                              threads=settings.threads or live_threads(), refine=settings.refine, smoothing=settings.smoothing,
                              lock=settings.lock)
    failure = ''
    try:
        pipeline = Pipeline(wanted, model=shared_model())
    except InputError as error:
        if settings.provider == 'cpu':
            raise
        try:
            pipeline = Pipeline(replace(wanted, provider='cpu'), model=shared_model())
        except InputError:  # it is not the provider's fault
            raise error from None
        failure = ' '.join(str(error.__cause__ or error).split())[:160]
    if not stopped():
        pipeline.warm_up()
    if stopped():
        pipeline.close()
        return None, ''
    return Loaded(pipeline, settings), provider_note(settings.provider, pipeline.regressor.provider, failure, onnxruntime)


def live_threads() -> int:
    """Threads of the network in live running: one core is left to drawing, the window and the camera; more than 4 bring nothing."""
    return max(1, min(4, (os.cpu_count() or 1) - 1))


def provider_note(asked: str, real: str, failure: str, onnxruntime) -> str:
    """A sentence when the network does not run on what was asked for, and why; '' when it does. `failure`: what loading it said."""
    from app.regression import EXECUTION_PROVIDERS, has_nvidia_device

    if failure:
        return f'The GPU could not be used ({failure}); the network runs on the {real} instead.'
    if asked == 'auto' or REAL_NAMES.get(asked) == real:
        return ''
    name = {'cuda': 'CUDA', 'tensorrt': 'TensorRT'}[asked]
    if not has_nvidia_device():
        why = 'no NVIDIA driver shows a GPU on this machine'
    elif EXECUTION_PROVIDERS[asked] not in onnxruntime.get_available_providers():
        why = 'the installed onnxruntime was built without it; install onnxruntime-gpu in its place'
    else:
        why = 'its libraries do not fit this driver or are missing'
    return f'{name} was asked for, but {why}; the network runs on the {real}.'
