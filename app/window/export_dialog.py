"""'Export sequence': a recording's hands, or the current video's, as meshes in files or as one animated scene."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QAbstractSpinBox, QHBoxLayout, QLabel, QSpinBox, QWidget

from app.live.settings import LiveSettings
from app.window.controls import Segments, Switch
from app.window.file_choice import choose_file, choose_folder
from app.window.file_row import FileRow
from app.window.job_dialog import JobDialog, being_written, replaced_sentence
from app.window.offline_dialog import camera_options, network_options
from app.window.record_section import from_home
from app.window.theme import GRID

if TYPE_CHECKING:
    from app.live.jobs import Job

KINDS = (('obj', 'OBJ files', 'An OBJ file for each hand and picture: for any 3D program'),
         ('ply', 'PLY files', 'A PLY file for each hand and picture: for MeshLab, CloudCompare and scripts'),
         ('glb', 'Animated GLB', 'One moving scene: for Blender, Unity and browsers'))
_PRODUCT = {'obj': 'meshes', 'ply': 'ply', 'glb': 'glb'}  # as `reconstruct --write` calls them
_RESULT = {'obj': 'meshes', 'ply': 'meshes', 'glb': 'hands.glb'}
TO_THE_END, _MOST = -1, 10_000_000  # frames; nobody has a longer video


class ExportDialog(JobDialog):
    """Starts `main.py meshes`, or `main.py reconstruct` when the hands are not known yet."""

    def __init__(self, recording: Path | None, video: Path | None, live: LiveSettings, folder: Path, parent: QWidget | None = None):
        """`recording`: the last one's folder; `video`: the file or folder of pictures that is open; None where there is none.
        `folder`: where recordings go."""
        super().__init__('Export sequence', 'The hands of each picture, for other 3D programs. It runs in the background, and you can go '
                         'on here.', 'Export', parent)
        self._live, self.video = live, video
        self.last = recording / 'hands.npz' if recording is not None else None
        self.numbers: Path | None = None  # chosen by hand
        self.folder: Path | None = None  # chosen by hand
        self._usual_folder = folder
        self.heading('Whose hands')
        self.source_of = Segments('Whose hands', (
            ('last', 'Last recording', 'The hands of the last recording'), ('video', 'Open video', 'The open video, reconstructed first'),
            ('file', 'Other numbers', 'A hands.npz that a recording or a reconstruction wrote')))
        self.source_of.chosen.connect(self._check)
        self.rows.addWidget(self.source_of)
        self.file = FileRow('Numbers', 'Choose a hands.npz that a recording or a reconstruction wrote')
        self.file.choose.connect(lambda: choose_file(self, 'Choose the numbers', self.numbers or folder, 'Numbers (*.npz)',
                                                     self.set_numbers))
        self.rows.addWidget(self.file)
        recorded = self.last is not None and self.last.is_file()
        no_last = 'nothing was recorded yet' if self.last is None else 'it was recorded without numbers'
        for name, possible, why_not in (('last', recorded, no_last), ('video', video is not None, 'no video is open')):
            button = self.source_of.button(name)
            button.setEnabled(possible)
            if not possible:
                button.setToolTip(f'{button.toolTip()}: {why_not}')
        self.source_of.show_value('last' if recorded else 'video' if video is not None else 'file')
        self.heading('As')
        self.kind = Segments('Kind of files', KINDS)
        self.kind.show_value('glb')
        self.kind.chosen.connect(self._check)
        self.rows.addWidget(self.kind)
        self.textured = Switch('With a picture for the skin', 'OBJ files get a texture picture each, instead of a colour at each vertex')
        self.textured.chosen.connect(self._check)
        self.rows.addWidget(self.textured)
        self.heading('Which pictures')
        self.first, self.end, self.step = _frames('First picture', 0), _frames('Last picture', TO_THE_END, 'the last'), _frames('Step', 1)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        for text, box in (('from', self.first), ('to', self.end), ('every', self.step)):
            label = QLabel(text)
            label.setBuddy(box)
            row.addWidget(label)
            row.addWidget(box, 1)
            box.valueChanged.connect(self._check)
        self.rows.addLayout(row)
        self.heading('Into the folder')
        self.out = FileRow('Folder for the files', 'Choose the folder for the files')
        self.out.choose.connect(lambda: choose_folder(self, 'Folder for the files', self._target, self.set_folder))
        self.rows.addWidget(self.out)
        self._check()

    @property
    def source(self) -> str:
        """'last', 'video' or 'file'."""
        return self.source_of.value

    def set_numbers(self, file: Path) -> None:
        """The hands of this file."""
        self.numbers = file
        self.source_of.show_value('file')
        self._check()

    def set_folder(self, folder: Path) -> None:
        """Where the files go."""
        self.folder = folder
        self._check()

    @property
    def _hands(self) -> Path | None:
        return {'last': self.last, 'file': self.numbers}.get(self.source)

    @property
    def _target(self) -> Path:
        """Where the files will lie: beside the numbers, or for a video in a folder of its own, if no other was chosen."""
        if self.source == 'video':
            from app.outputs.folder import result_folders

            return result_folders(self.folder or self._usual_folder, [self.video])[0]
        return self.folder or (self._hands.parent if self._hands is not None else self._usual_folder)

    def _check(self) -> None:
        """Show what follows from the choices, and whether it can be started."""
        kind, video = self.kind.value, self.source == 'video'
        hands = self._hands
        self.file.button.setVisible(self.source == 'file')
        self.file.show_text(f'{self.video.name}, reconstructed first' if video else 'No file chosen' if hands is None else
                            f'{hands.parent.name}/{hands.name}', str(self.video if video else hands or ''))
        self.textured.setEnabled(kind == 'obj' and not video)
        self.out.show_text(from_home(self._target), str(self._target))
        if not video and hands is None:
            self.say('Choose a file of numbers: the hands.npz of a recording or a reconstruction.', possible=False)
        elif TO_THE_END < self.end.value() < self.first.value():
            self.say('The last picture comes before the first; choose them the other way round.', possible=False)
        elif being_written(self._target):
            self.say('A job that still runs writes into this folder; wait for it, or choose another one.', possible=False)
        elif video:
            self.say(replaced_sentence(self._target))
        else:
            there = (self._target / _RESULT[kind]).exists()
            self.say(f'An earlier {_RESULT[kind]} lies in this folder and will be replaced.' if there else '')

    def make_job(self) -> tuple[Job, str]:
        from app.live.jobs import meshes_job, reconstruct_job

        kind = self.kind.value
        stop = None if self.end.value() == TO_THE_END else self.end.value() + 1
        frames = {'start': self.first.value(), 'stop': stop, 'step': self.step.value()}
        if self.source == 'video':
            live = self._live
            job = reconstruct_job(self.video, self.folder or self._usual_folder, write=('hands', _PRODUCT[kind]), hands=live.hands,
                                  **frames, **camera_options(live.field_of_view, live.intrinsics), **network_options(live))
            return job, f'Export {self.video.name}'
        job = meshes_job(self._hands, self._target, kind, textured=self.textured.isEnabled() and self.textured.isChecked(), **frames)
        return job, f'Export {self._hands.parent.name}'


def _frames(name: str, least: int, special: str = '') -> QSpinBox:
    box = QSpinBox()
    box.setRange(least, _MOST)
    box.setValue(least)
    box.setSpecialValueText(special)
    box.setButtonSymbols(QAbstractSpinBox.NoButtons)
    box.setAlignment(Qt.AlignLeft)
    box.setAccessibleName(name)
    box.setToolTip('1: every picture, 2: every second one, and so on' if least == 1 else f'{name}, counted from 0')
    return box
