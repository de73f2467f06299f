"""What is kept: recordings, snapshots, exports, and videos reconstructed in the background."""
from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject

from app.live.events import RecordingStopped, SnapshotSaved
from app.live.recorder import RecordingSettings
from app.live.shown import SourceInfo
from app.window.actions import ACTIONS, hint

if TYPE_CHECKING:
    from app.window.main_window import MainWindow

_SPECS = {spec.id: spec for spec in ACTIONS}


class Saving(QObject):
    """The window's part that leads to files."""

    def __init__(self, window: MainWindow, recording: RecordingSettings):
        super().__init__(window)
        self._window, self.recording = window, recording
        self._running = False
        self._stopping = False
        bridge = window.bridge
        bridge.recording_started.connect(self._started)
        bridge.recording_stopped.connect(self._stopped)
        bridge.snapshot_saved.connect(self._snapshot_saved)
        bridge.problem.connect(lambda event: self._sync())

    def set_recording(self, recording: RecordingSettings) -> None:
        """What the next recording shall hold, and where."""
        self.recording = recording

    def allow(self, name: str, why_not: str) -> None:
        """Switch an action on ('') or off, saying why it would have no effect."""
        action, spec = self._window.actions_by_id[name], _SPECS[name]
        action.setEnabled(not why_not)
        words = hint(spec) + (f': {why_not}' if why_not else '')
        action.setToolTip(words)
        action.setStatusTip(words)

    def toggle_recording(self) -> None:
        bridge = self._window.bridge
        if self._running:
            self._stopping = True
            bridge.stop_recording()
        else:
            bridge.start_recording(self.recording)
        self._sync()

    def snapshot(self) -> None:
        self._window.bridge.snapshot(self.recording.folder)

    def look(self) -> None:
        """A few times a second."""
        self._window.transport.show_recording(self._window.bridge.recording())

    def _started(self, event) -> None:
        self._running = True
        self._sync()
        self.look()

    def _stopped(self, event: RecordingStopped) -> None:
        self._running = self._stopping = False
        self._sync()
        self.look()
        words = event.sentence or f'Recorded {event.seconds:.0f} s to {event.folder.name}.'
        self._window.banners.tell(words, 'error' if event.sentence else 'good', (('Open folder', lambda: self._open(event.folder)),),
                                  key='recording', seconds=0 if event.sentence else 12)

    def _snapshot_saved(self, event: SnapshotSaved) -> None:
        self._window.banners.tell(f'Snapshot saved to {event.folder.name}.', 'good', (('Open folder', lambda: self._open(event.folder)),),
                                  key='snapshot')

    def _sync(self) -> None:
        self._window.actions_by_id['record'].setChecked(self._running)

    def export(self) -> None: ...
    def reconstruct_offline(self) -> None: ...
    def show_shortcuts(self) -> None: ...
    def show_possible(self, info) -> None: ...
    def may_close(self) -> bool: return True
    def close(self) -> None: ...
    def _open(self, folder) -> None: ...
