"""What a camera sees: an angle, or a file with its measured numbers."""
from __future__ import annotations

from pathlib import Path

from PyQt5.QtCore import QSignalBlocker, Qt, pyqtSignal
from PyQt5.QtWidgets import QAbstractSpinBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.types import DEFAULT_FIELD_OF_VIEW
from app.window.controls import NumberBox, Segments
from app.window.file_choice import choose_file
from app.window.file_row import FileRow
from app.window.section import words
from app.window.theme import GRID

PRESETS = ((60.0, 'Webcam 60', 'A usual webcam'), (78.0, 'Wide 78', 'A wide-angle webcam'), (70.0, 'Phone 70', "A phone's main camera"))
_MEASURED = 'From a camera file: sizes and distances are in true metres.'
_STATED = 'Sizes and distances are as true as this angle is.'
_GUESSED = 'A guess: shapes are right, but sizes and distances are not true metres.'
FIELD = 136  # pixels, width of a field beside its name


class CameraRows(QWidget):
    """Tells `chosen('field_of_view', degrees)` and `chosen('intrinsics', path or None)`."""

    chosen = pyqtSignal(str, object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._file: Path | None = None
        self.angle = NumberBox()
        self.angle.setRange(1, 170)
        self.angle.setDecimals(1)
        self.angle.setSuffix(' °')
        self.angle.setKeyboardTracking(False)
        self.angle.setButtonSymbols(QAbstractSpinBox.NoButtons)
        self.angle.setFixedWidth(FIELD)
        self.angle.setAccessibleName('Field of view in degrees')
        self.angle.setToolTip('Field of view: the angle that the camera sees along the longer side of its picture. '
                              'Too small and hands seem far away, too large and they seem near.')
        self.angle.editingFinished.connect(self.angle.clearFocus)  # the window's single keys work again after Enter
        self.angle.valueChanged.connect(lambda value: self.chosen.emit('field_of_view', value))
        row = QHBoxLayout()
        row.addWidget(QLabel('Field of view'), 1)
        row.addWidget(self.angle)
        self.presets = Segments('Camera', [(value, text, f'{tip}: {value:.0f} degrees') for value, text, tip in PRESETS])
        self.presets.chosen.connect(lambda value: self.chosen.emit('field_of_view', value))
        self.file = FileRow('Camera file', 'Choose a JSON file with the focal lengths and the centre of your camera: fx, fy, cx, cy in '
                            'pixels', 'No camera file')
        self.file.choose.connect(lambda: choose_file(self, 'Choose a camera file', self._file, 'Camera files (*.json)',
                                                     lambda path: self.chosen.emit('intrinsics', path)))
        self.file.usual.connect(lambda: self.chosen.emit('intrinsics', None))
        self.meaning = words('', 'muted')
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID)
        column.addLayout(row)
        for widget in (self.presets, self.file, self.meaning):
            column.addWidget(widget)
        self.angle.setFocusPolicy(Qt.StrongFocus)

    def show_camera(self, degrees: float, file: Path | None) -> None:
        """Show it without telling; a file goes before the angle."""
        self._file = file
        measured = file is not None
        with QSignalBlocker(self.angle):
            self.angle.setValue(degrees)
        self.angle.setDisabled(measured)
        self.presets.setDisabled(measured)
        self.presets.show_value(None if measured else degrees)
        self.file.show_text(file.name if measured else 'No camera file', str(file) if measured else '', not measured)
        self.meaning.setText(_MEASURED if measured else _GUESSED if degrees == DEFAULT_FIELD_OF_VIEW else _STATED)
