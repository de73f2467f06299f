"""The cameras by name, asked for on a thread of its own: the system may take its time to answer."""
from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from PyQt5.QtCore import QObject, Qt, pyqtSignal

from app.live.shown import SourceInfo


class CameraList(QObject):
    """Ask with `refresh`, hear it with `listed`; `cameras` is the last answer, None before the first."""

    listed = pyqtSignal(list)
    _found = pyqtSignal(object)

    def __init__(self, list_cameras: Callable[[], list] | None = None, parent: QObject | None = None):
        super().__init__(parent)
        self.cameras: list | None = None
        self._list = list_cameras or _listed
        self._thread: threading.Thread | None = None
        self._found.connect(self._answered, Qt.QueuedConnection)

    def named(self, info: SourceInfo) -> SourceInfo:
        """The source with the name that its maker gave the camera, where that is known; else as it is."""
        if info.kind != 'camera':
            return info
        number = str(info.spec).removeprefix('camera:')
        name = next((camera.name for camera in self.cameras or () if str(camera.index) == number), info.name)
        return replace(info, name=name[:1].upper() + name[1:])

    def refresh(self) -> None:
        """Look again, unless a look is under way."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name='window-cameras', daemon=True)
            self._thread.start()

    def close(self, timeout: float = 0.5) -> None:
        """Wait for a look that is under way, not for long."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _look(self) -> None:
        cameras = self._list()
        try:
            self._found.emit(cameras)
        except RuntimeError:  # the window has gone meanwhile: nobody wants to know any more
            self.cameras = cameras

    def _answered(self, cameras: list) -> None:
        self.cameras = cameras
        self.listed.emit(cameras)


def _listed() -> list:
    from app.sources.cameras import list_cameras

    return list_cameras()
