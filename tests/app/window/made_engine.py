"""An engine that a test plays by hand, and pictures, sources and numbers as the real one gives them."""
from __future__ import annotations

import threading
import time

import numpy as np

from app.live.events import Event, PictureReady
from app.live.position import Position
from app.live.settings import LiveSettings
from app.live.shown import Captured, Inferred, Shown, SourceInfo
from app.live.statistics import LiveStatistics, StageTime
from app.types import Frame, Intrinsics


class MadeEngine:
    """Has the methods of `Engine`; writes down what it is told. A test gives it pictures and events."""

    def __init__(self, settings: LiveSettings, listener):
        self.settings, self.listener = settings, listener
        self.calls: list[tuple] = []
        self.newest: Shown | None = None
        self.seen: list[Shown] = []
        self.where = Position(playing=True)
        self.numbers = statistics()
        self.recorded = None
        self.closed = False

    def start(self) -> None:
        self.calls.append(('start',))

    def close(self, timeout: float = 2.0) -> bool:
        self.closed = True
        return True

    def give(self, shown: Shown) -> None:
        """A picture is ready."""
        self.newest = shown
        self.say(PictureReady())

    def say(self, event: Event) -> None:
        """From a thread of the engine's."""
        thread = threading.Thread(target=self.listener, args=(event,), name='made-engine')
        thread.start()
        thread.join()

    def take(self) -> Shown | None:
        newest, self.newest = self.newest, None
        return newest

    def painted(self, shown: Shown, when: float | None = None) -> None:
        self.seen.append(shown)

    def apply(self, settings: LiveSettings) -> None:
        self.settings = settings
        self.calls.append(('apply', settings))

    def statistics(self) -> LiveStatistics:
        return self.numbers

    def position(self) -> Position:
        return self.where

    def recording(self):
        return self.recorded

    def __getattr__(self, name: str):
        if name not in ('open', 'play', 'pause', 'seek', 'step', 'set_loop', 'reset_shapes', 'start_recording', 'stop_recording',
                        'snapshot'):
            raise AttributeError(name)
        return lambda *values, **options: self.calls.append((name, *values, *options.values()))

    def told(self, name: str) -> list[tuple]:
        """What it was told by this method, the values alone."""
        return [call[1:] for call in self.calls if call[0] == name]


def info(kind: str = 'video', **values) -> SourceInfo:
    """A source that is open."""
    film = kind == 'video'
    usual = {'spec': '/films/clip.mp4' if film else 'camera:0', 'name': 'clip.mp4' if film else 'Front camera', 'kind': kind, 'width': 64,
             'height': 48, 'fps': 30.0, 'frame_count': 300 if film else None, 'duration': 10.0 if film else None, 'seekable': film}
    return SourceInfo(**{**usual, **values})


def shown(picture: np.ndarray | None = None, view: np.ndarray | None = None, visibility: tuple[float, ...] = (), index: int = 0,
          source: SourceInfo | None = None) -> Shown:
    """A picture as the engine gives it; usually 64 x 48 and grey, with a green view."""
    picture = np.full((48, 64, 3), 128, np.uint8) if picture is None else picture
    view = np.full((40, 40, 3), (0, 160, 0), np.uint8) if view is None else view
    height, width = picture.shape[:2]
    captured = Captured(Frame(picture, index, index / 30, time.monotonic()), source or info(), 1)
    inferred = Inferred(captured, (), visibility, Intrinsics.from_field_of_view(width, height), ())
    return Shown(inferred, picture, view, time.monotonic())


def statistics(**values) -> LiveStatistics:
    """Numbers of a program that keeps up."""
    usual = {'fps': 30.0, 'source_fps': 30.0, 'latency_ms': 52.0, 'latency_p95_ms': 63.0,
             'stages': (StageTime('network', 14.0, False), StageTime('overlay', 5.0, False)), 'dropped': {'camera': 0, 'network': 0},
             'dropped_lately': {'camera': 0.0, 'network': 0.0}, 'confidence': None, 'hands': (), 'remarks': ()}
    return LiveStatistics(**{**usual, **values})
