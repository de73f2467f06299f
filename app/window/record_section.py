"""What a recording holds, where it goes, and where the last one is."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QLabel, QWidget

from app.live.events import RecordingStopped
from app.live.recorder import RecordingSettings
from app.window.controls import Switch
from app.window.file_choice import choose_folder
from app.window.file_row import FileRow
from app.window.open_folder import open_folder
from app.window.section import Section, words
from app.window.theme import GRID

_PARTS = (  # field of RecordingSettings, words, tooltip
    ('overlay', 'Video with the hands', 'overlay.mp4: the picture as you see it, with the hands drawn on it, never mirrored'),
    ('clean', 'Video without them', 'clean.mp4: the picture alone, as the camera gave it'),
    ('parameters', 'Numbers', 'hands.npz: pose, shape, joints and mesh of each hand in each picture; for scripts and "Export sequence"'),
    ('meshes', 'Meshes', 'meshes: an OBJ file for each hand and picture; many files'))


class RecordSection(Section):
    """Tells `chosen(RecordingSettings)`."""

    chosen = pyqtSignal(object)

    def __init__(self, recording: RecordingSettings, parent: QWidget | None = None):
        super().__init__('Record', parent)
        self._recording = recording
        self.last: Path | None = None  # the last recording's folder
        self.parts: dict[str, Switch] = {}
        for name, text, tip in _PARTS:
            switch = self.parts[name] = self.add(Switch(text, tip))
            switch.chosen.connect(lambda on, name=name: self._part_chosen(name, on))
        self.refusal = self.add(words('One thing must be recorded: choose another before you take this one away.', 'warning'))
        self.refusal.hide()
        self._heading('Into the folder')
        self.folder = self.add(FileRow('Folder for recordings', 'Choose the folder in which each recording gets a folder of its own'))
        self.folder.choose.connect(lambda: choose_folder(
            self, 'Folder for recordings', self._recording.folder, lambda path: self._choose(replace(self._recording, folder=path))))
        self._heading('Last recording')
        self.last_row = self.add(FileRow('Last recording', 'Show it in the file manager', button='Open folder'))
        self.last_row.choose.connect(self._open_last)
        self.told = self.add(words('', 'warning'))
        self.told.hide()
        self._show_last()
        self.show_recording(recording)

    def show_recording(self, recording: RecordingSettings) -> None:
        """Show it without telling."""
        self._recording = recording
        for name, switch in self.parts.items():
            switch.show_value(getattr(recording, name))
        self.folder.show_text(from_home(recording.folder), str(recording.folder))

    def show_stopped(self, event: RecordingStopped) -> None:
        """A recording has ended and lies there now, unless nothing came into it."""
        self.last = event.folder if event.files else self.last
        self._tell('')
        self._show_last()

    def set_enabled(self, on: bool) -> None:
        """Off while it records: what is recorded cannot be changed in the middle."""
        for switch in self.parts.values():
            switch.setEnabled(on)
        self.folder.button.setEnabled(on)

    def _part_chosen(self, name: str, on: bool) -> None:
        wanted = replace(self._recording, **{name: on})
        if not any(getattr(wanted, part) for part in self.parts):
            self.parts[name].show_value(True)
            self.refusal.show()
            return
        self.refusal.hide()
        self._choose(wanted)

    def _choose(self, recording: RecordingSettings) -> None:
        self.show_recording(recording)
        self.chosen.emit(recording)

    def _show_last(self) -> None:
        there = self.last is not None
        self.last_row.show_text(self.last.name if there else 'None yet', str(self.last) if there else '')
        self.last_row.button.setEnabled(there)

    def _open_last(self) -> None:
        self._tell(open_folder(self.last))

    def _tell(self, sentence: str) -> None:
        self.told.setText(sentence)
        self.told.setVisible(bool(sentence))

    def _heading(self, text: str) -> None:
        label = QLabel(text)
        label.setProperty('role', 'muted')
        label.setTextInteractionFlags(Qt.NoTextInteraction)
        self.add(label, GRID // 2)


def from_home(folder: Path) -> str:
    """~/Videos for a folder at home. A user whom nobody knows, as in a container, has none."""
    try:
        home = Path.home()
    except RuntimeError:
        return str(folder)
    return f'~/{folder.relative_to(home)}' if folder != home and folder.is_relative_to(home) else str(folder)
