"""Windows without a screen, a made engine that a test plays by hand, and a watch for what is left behind."""
from __future__ import annotations

import gc
import os
import sys
import threading
import time

import cv2  # noqa: F401  before Qt, as in the program
import pytest

if sys.platform.startswith('linux') and not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
    os.environ.setdefault('QT_QPA_PLATFORM', 'offscreen')

from PyQt5 import sip  # noqa: E402
from PyQt5.QtCore import QCoreApplication, QEvent, QTimer  # noqa: E402
from PyQt5.QtWidgets import QApplication  # noqa: E402

from app.boot import free_qt_from_opencv  # noqa: E402
from app.live import events  # noqa: E402
from app.live.recorder import RecordingSettings  # noqa: E402
from app.window.bridge import EngineBridge  # noqa: E402
from app.window.main_window import MainWindow  # noqa: E402
from app.window.settings_store import SettingsStore, Stored  # noqa: E402
from app.window.theme import apply_theme  # noqa: E402
from tests.app.window.made_engine import MadeEngine, info, shown  # noqa: E402

free_qt_from_opencv()
PATIENCE = 10_000  # milliseconds: a busy machine takes its time
OURS = 'window', 'live', 'player', 'recording', 'reader', 'camera', 'job', 'made'  # how names of our threads begin


@pytest.fixture(autouse=True)
def nothing_left_behind(request):
    """Fails a test of something on the screen that leaves a thread, a running timer or a window behind, and says which."""
    if not {'qtbot', 'qapp'} & {*request.fixturenames}:
        yield
        return
    app = request.getfixturevalue('qapp')
    if app.property('theme') != 'dark':
        apply_theme(app, 'dark')
    threads, windows = set(threading.enumerate()), QApplication.topLevelWidgets()
    yield
    until = time.monotonic() + 5
    while True:
        QCoreApplication.sendPostedEvents(None, QEvent.DeferredDelete)
        app.processEvents()
        left = [f'thread {t.name}' for t in threading.enumerate() if t not in threads and t.name.startswith(OURS)]
        if not left or time.monotonic() > until:
            break
        time.sleep(0.02)
    left += [f'window {w!r}' for w in QApplication.topLevelWidgets() if w not in windows and w.isVisible()]
    left += [f'timer of {t.parent()!r}' for t in gc.get_objects() if type(t) is QTimer and not sip.isdeleted(t) and t.isActive()]
    assert not left, f'left behind: {", ".join(left)}'


class Play:
    """A window with its made engine."""

    def __init__(self, window: MainWindow, engines: list[MadeEngine], qtbot):
        self.window, self._engines, self.qtbot = window, engines, qtbot

    @property
    def engine(self) -> MadeEngine:
        return self._engines[0]

    def begin(self, spec: str | None = None) -> MadeEngine:
        self.window.begin(spec)
        self.qtbot.waitUntil(lambda: bool(self._engines) and self.window.bridge.running, timeout=PATIENCE)
        return self.engine

    def press(self, name: str) -> None:
        """Do an action as its key does."""
        action = self.window.actions_by_id[name]
        assert action.isEnabled(), f'{name} is off: {action.toolTip()}'
        action.trigger()

    def wait(self, condition) -> None:
        self.qtbot.waitUntil(condition, timeout=PATIENCE)


@pytest.fixture
def play(qtbot, tmp_path):
    """`play(stored, cameras)` makes a window that is shown; `Play.begin` starts it."""
    windows: list[MainWindow] = []

    def make(stored: Stored | None = None, cameras: tuple = (), make_engine=None) -> Play:
        engines: list[MadeEngine] = []

        def made(settings, listener):
            engines.append(MadeEngine(settings, listener))
            return engines[0]

        stored = stored or Stored()
        store = SettingsStore(tmp_path / 'config')
        window = MainWindow(EngineBridge(stored.live, make_engine or made), store, stored, lambda: list(cameras))
        window.resize(1280, 800)
        window.show()
        windows.append(window)
        return Play(window, engines, qtbot)

    yield make
    for window in windows:
        window.close()
        window.deleteLater()


@pytest.fixture
def live(play, tmp_path):
    """A window that plays a film, with its first picture painted."""
    stored = Stored(recording=RecordingSettings(tmp_path / 'recordings'))
    played = play(stored)
    engine = played.begin('/films/clip.mp4')
    engine.say(events.SourceOpened(info()))
    engine.say(events.ModelReady('s2hand-lite', 'auto', 'CPU'))
    engine.give(shown(visibility=(1.0,)))
    played.wait(lambda: bool(engine.seen))
    return played
