"""Open the window. It stands before anything heavy is loaded; the engine begins after the first paint."""
from __future__ import annotations

import signal
import socket
import sys
from dataclasses import replace

import cv2  # noqa: F401  before Qt: it points Qt at plugins of its own
from PyQt5.QtCore import QObject, QSocketNotifier, Qt, QTimer
from PyQt5.QtWidgets import QApplication

from app.boot import free_qt_from_opencv
from app.window.bridge import EngineBridge
from app.window.main_window import MainWindow
from app.window.settings_store import SettingsStore
from app.window.theme import apply_theme

STOPPED = 130  # exit code after Ctrl-C, as shells count
_HIDDEN = 1000  # milliseconds after which the engine starts though nothing was painted: the window was started minimised


def make_application() -> QApplication:
    """The one QApplication, sharp on every screen."""
    free_qt_from_opencv()
    QApplication.setAttribute(Qt.AA_EnableHighDpiScaling)
    QApplication.setAttribute(Qt.AA_UseHighDpiPixmaps)
    QApplication.setHighDpiScaleFactorRoundingPolicy(Qt.HighDpiScaleFactorRoundingPolicy.PassThrough)
    app = QApplication(sys.argv[:1])
    app.setApplicationName('s2hand')
    app.setApplicationDisplayName('')  # titles say it themselves
    return app


def run_window(spec: str | None, asked: dict, seconds: float | None = None, picture_only: bool = False) -> int:
    """Open the window and stay until it is closed; the exit code.

    `spec`: the source to begin with, None for what the window chooses. `asked`: fields of LiveSettings from the command line, which go
    before what is remembered. `seconds`: close by itself then. `picture_only`: begin without the 3D view.
    """
    app = make_application()
    store = SettingsStore()
    stored = store.load()
    if picture_only:
        stored = replace(stored, layout='picture')
    apply_theme(app, stored.theme)
    live = replace(stored.live, **asked)
    live = replace(live, view=replace(live.view, dark=stored.theme == 'dark'))
    window = MainWindow(EngineBridge(live), store, stored)
    interrupts = Interrupts(window)
    window.canvas.stands.connect(lambda: window.begin(spec))
    QTimer.singleShot(_HIDDEN, lambda: window.begin(spec))
    window.show()
    if seconds is not None:
        QTimer.singleShot(round(1000 * seconds), window.end)
    app.setQuitOnLastWindowClosed(True)
    code = app.exec()
    interrupts.end()
    sys.stdout.flush()
    sys.stderr.flush()
    return STOPPED if interrupts.interrupted else code


class Interrupts(QObject):
    """Closes the window on Ctrl-C. Qt's loop runs no Python while it waits, so the signal wakes it through a socket."""

    def __init__(self, window: MainWindow):
        super().__init__(window)
        self.interrupted = False
        self._window = window
        self._read, self._write = socket.socketpair()
        for end in (self._read, self._write):
            end.setblocking(False)
        self._before = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        self._notifier = QSocketNotifier(self._read.fileno(), QSocketNotifier.Read, self)
        self._notifier.activated.connect(self._woken)

    def end(self) -> None:
        """As it was before."""
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(self._before)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._read.close()
        self._write.close()

    def _note(self, *_) -> None:
        self.interrupted = True

    def _woken(self) -> None:
        try:
            self._read.recv(64)
        except OSError:  # nothing there after all
            return
        if self.interrupted:
            self._window.end()
