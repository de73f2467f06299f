"""What is kept: recordings, snapshots, exports, and videos reconstructed in the background."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import QObject

from app.live.events import RecordingStopped, SnapshotSaved
from app.live.recorder import RecordingSettings
from app.live.shown import SourceInfo
from app.window.open_folder import open_folder

if TYPE_CHECKING:
    from app.window.main_window import MainWindow


class Saving(QObject):
    """The window's part that leads to files. Whatever takes time happens elsewhere; this only asks and tells."""

    def __init__(self, window: MainWindow, recording: RecordingSettings):
        super().__init__(window)
        self._window, self.recording = window, recording
        self.running = False  # a recording
        self.last: Path | None = None  # folder of the last recording
        bridge = window.bridge
        bridge.recording_started.connect(self._started)
        bridge.recording_stopped.connect(self._stopped)
        bridge.snapshot_saved.connect(self._snapshot_saved)
        bridge.problem.connect(lambda _: self._show_running())  # such as that it could not begin
        window.panel.jobs.finished.connect(self._job_finished)

    def set_recording(self, recording: RecordingSettings) -> None:
        """What the next recording shall hold, and where."""
        self.recording = recording

    def toggle_recording(self) -> None:
        """Begin one, or end the one that runs. Until that is done the button is off, for a second press would undo it."""
        if self.running:
            self._window.bridge.stop_recording()
        else:
            self._window.bridge.start_recording(self.recording)
        self._show_running(waiting=True)

    def snapshot(self) -> None:
        """Keep the picture that is seen now."""
        self._window.bridge.snapshot(self.recording.folder)

    def export(self) -> None:
        """Ask what shall be exported."""
        from app.window.export_dialog import ExportDialog

        dialog = ExportDialog(self.last, self._film(), self._window.settings, self.recording.folder, parent=self._window)
        dialog.started.connect(self._job_started)
        dialog.open()

    def reconstruct_offline(self) -> None:
        """Ask how the open video shall be reconstructed."""
        from app.window.offline_dialog import OfflineDialog

        film = self._film()
        if film is not None:
            dialog = OfflineDialog(film, self._window.settings, self.recording.folder, parent=self._window)
            dialog.started.connect(self._job_started)
            dialog.open()

    def look(self) -> None:
        """A few times a second."""
        self._window.transport.show_recording(self._window.bridge.recording())

    def why_not_offline(self, info: SourceInfo | None) -> str:
        """'' when the open source can be reconstructed offline."""
        if info is None or info.kind not in ('video', 'folder'):
            return 'open a video or a folder of pictures first'
        return ''

    def may_close(self) -> bool:
        """Whether the person agrees that what runs in the background ends."""
        return self._window.panel.jobs.may_close(self._window)

    def close(self) -> None:
        """End what runs in the background."""
        self._window.panel.jobs.cancel_all()

    def _film(self) -> Path | None:
        """The video or folder that is open."""
        info = self._window.chooser.info
        return None if self.why_not_offline(info) else Path(info.spec)

    def _started(self, _) -> None:
        self.running = True
        self._show_running()
        position, info = self._window.bridge.position(), self._window.chooser.info
        if info is not None and info.kind in ('video', 'folder') and position is not None and not position.playing:
            self._window.banners.tell('Nothing is recorded while it stands still; Space plays it.', key='recording', seconds=8)

    def _stopped(self, event: RecordingStopped) -> None:
        self.running = False
        if event.files:  # else the folder is gone again, and the recording before is still the last one
            self.last = event.folder
        self._show_running()
        broken = bool(event.sentence)
        seconds = round(event.seconds)
        length = f'{seconds} seconds' if seconds > 1 else 'One second' if seconds else 'Less than a second'
        words = event.sentence or f'{length} recorded.'
        self._window.banners.tell(words, 'error' if broken else 'good', self._opens(event.folder) if event.files else (), key='recording',
                                  seconds=0 if broken else 12)

    def _snapshot_saved(self, event: SnapshotSaved) -> None:
        self._window.banners.tell('Snapshot saved.', 'good', self._opens(event.folder), key='snapshot')

    def _job_started(self, job, name: str) -> None:
        self._window.panel.jobs.add_job(job, name)
        self._window.show_panel(True)

    def _job_finished(self, job) -> None:
        progress = job.progress
        if progress.state == 'done':
            self._window.banners.tell(progress.sentence or 'Done.', 'good', self._opens(progress.folder), seconds=12)
        elif progress.state == 'failed':
            self._window.banners.tell(progress.sentence, 'error')

    def _opens(self, folder: Path) -> tuple:
        """The button of a banner that shows a folder."""
        return ('Open folder', lambda: self._open(folder)),

    def _open(self, folder: Path) -> None:
        problem = open_folder(folder)
        if problem:
            self._window.banners.tell(problem, 'warning', key='open folder')

    def _show_running(self, waiting: bool = False) -> None:
        action = self._window.actions_by_id['record']
        action.setChecked(self.running)
        action.setEnabled(not waiting and self._window.chooser.info is not None)
        self.look()
