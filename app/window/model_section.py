"""The network, what it runs on, and the camera that it assumes."""
from __future__ import annotations

import os
from pathlib import Path

from PyQt5.QtCore import QEvent, QSignalBlocker, Qt, QTimer, pyqtSignal
from PyQt5.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel, QProgressBar, QSpinBox, QWidget

from app.live.events import ModelFailed, ModelLoading, ModelReady
from app.live.settings import LiveSettings
from app.regression import Provider
from app.window.controls import Segments
from app.window.file_choice import choose_file
from app.window.file_row import FileRow, ShortLabel
from app.window.hand_card import set_role
from app.window.section import Section, words
from app.window.theme import GRID

PROVIDERS: dict[Provider, str] = {'auto': 'Automatic', 'tensorrt': 'TensorRT', 'cuda': 'CUDA', 'cpu': 'Processor'}
RUNNING = {'tensorrt': 'TensorRT', 'nvtensorrtrtx': 'TensorRT', 'cuda': 'CUDA', 'cpu': 'the processor'}  # as ONNX Runtime names them
PRESETS = ((60.0, 'Webcam 60', 'A usual webcam'), (78.0, 'Wide 78', 'A wide-angle webcam'), (70.0, 'Phone 70', "A phone's main camera"))
_SETTLED = 600  # milliseconds without another change, before a network is made for another number of threads
_FIELD = 120  # pixels


class ModelSection(Section):
    """Tells `edited(field of LiveSettings, value)`."""

    edited = pyqtSignal(str, object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__('Model', parent)
        self._settings = LiveSettings()
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(_SETTLED)
        self._wait.timeout.connect(lambda: self.edited.emit('threads', self.threads.value() or None))
        self._network_rows()
        self._camera_rows()

    def _network_rows(self) -> None:
        self.weights = self.add(FileRow('Network', 'Choose a network that was exported as an .onnx file', 'Back to the network that ships'))
        self.weights.choose.connect(self._choose_weights)
        self.weights.usual.connect(lambda: self.edited.emit('weights', None))
        self.provider = QComboBox()
        for value, text in PROVIDERS.items():
            self.provider.addItem(text, value)
        self.provider.setToolTip('What the network should run on. Automatic takes the best that works.')
        self.provider.activated.connect(lambda number: self.edited.emit('provider', self.provider.itemData(number)))
        self._row('Run on', self.provider)
        self.running = ShortLabel(Qt.ElideRight)
        self.running.setProperty('role', 'muted')
        self.running.setAccessibleName('What the network really runs on')
        self._row('Really runs on', self.running)
        self.loading = self.add(QProgressBar())
        self.loading.setRange(0, 0)
        self.loading.setTextVisible(False)
        self.loading.setStyleSheet('min-height: 4px; max-height: 4px; border-radius: 2px;')
        self.note = self.add(words('', 'warning'))
        self.threads = QSpinBox()
        self.threads.setRange(0, max(os.cpu_count() or 1, 1))
        self.threads.setSpecialValueText('Automatic')
        self.threads.setKeyboardTracking(False)
        self.threads.setToolTip('How many processor cores the network may use. Automatic leaves room for drawing.')
        self.threads.valueChanged.connect(lambda _: self._wait.start())
        self._row('Processor threads', self.threads)
        self.loading.hide()
        self.note.hide()

    def _camera_rows(self) -> None:
        self.field_of_view = QDoubleSpinBox()
        self.field_of_view.setRange(1, 170)
        self.field_of_view.setDecimals(1)
        self.field_of_view.setSuffix(' °')
        self.field_of_view.setKeyboardTracking(False)
        self.field_of_view.setToolTip('How much the camera sees along the longer side of its picture, as an angle. '
                                      'Too small and hands seem far away, too large and they seem near.')
        self.field_of_view.valueChanged.connect(lambda value: self.edited.emit('field_of_view', value))
        self._row('Camera sees', self.field_of_view, GRID)
        self.presets = self.add(Segments('Camera', [(value, text, f'{tip}: {value:.0f} degrees') for value, text, tip in PRESETS]))
        self.presets.chosen.connect(lambda value: self.edited.emit('field_of_view', value))
        self.camera = self.add(FileRow('Camera file', 'Choose a JSON file with the focal lengths and the centre of your camera: fx, fy, cx, cy in '
                                       'pixels', 'No camera file'))
        self.camera.choose.connect(self._choose_camera)
        self.camera.usual.connect(lambda: self.edited.emit('intrinsics', None))
        self.meaning = self.add(words('', 'muted'))

    def _row(self, name: str, control: QWidget, space: int = 0) -> None:
        if space:
            self.rows.addSpacing(space)
        row = QHBoxLayout()
        label = QLabel(name)
        label.setBuddy(control)
        if not control.accessibleName():
            control.setAccessibleName(name)
        control.setFixedWidth(_FIELD)
        if not isinstance(control, QLabel):
            control.setFocusPolicy(Qt.StrongFocus if isinstance(control, (QSpinBox, QDoubleSpinBox)) else Qt.TabFocus)
        row.addWidget(label, 1)
        row.addWidget(control)
        self.rows.addLayout(row)

    def show_settings(self, settings: LiveSettings) -> None:
        """Show them without telling."""
        self._settings = settings
        shipped = settings.weights is None
        self.weights.show_text('The network that ships' if shipped else settings.weights.name, '' if shipped else str(settings.weights), shipped)
        self.provider.setCurrentIndex(self.provider.findData(settings.provider))  # `activated` is for persons only
        if not self._wait.isActive():
            with QSignalBlocker(self.threads):
                self.threads.setValue(settings.threads or 0)
        with QSignalBlocker(self.field_of_view):
            self.field_of_view.setValue(settings.field_of_view)
        measured = settings.intrinsics is not None
        self.field_of_view.setDisabled(measured)
        self.presets.setDisabled(measured)
        self.presets.show_value(None if measured else settings.field_of_view)
        self.camera.show_text(settings.intrinsics.name if measured else 'No camera file', str(settings.intrinsics) if measured else '', not measured)
        self.meaning.setText('From a camera file: sizes and distances are in true metres.' if measured else
                             'Assumed: shapes are right, but sizes and distances are not true metres. A camera file makes them so.')

    def show_model(self, event: ModelReady | ModelLoading | ModelFailed) -> None:
        """What became of the network."""
        self.loading.setVisible(isinstance(event, ModelLoading))
        if isinstance(event, ModelLoading):
            self._say(f'{event.what[:1].upper()}{event.what[1:]}…', 'muted')
        elif isinstance(event, ModelFailed):
            self._say(event.sentence, 'bad')
        else:
            running = RUNNING.get(event.provider.lower(), event.provider)
            self.running.show_text(running, f'The network {event.name} runs on {running}.')
            set_role(self.running, 'warning' if event.note else 'good')
            self._say(event.note, 'warning')

    def _say(self, sentence: str, role: str) -> None:
        self.note.setText(sentence)
        set_role(self.note, role)
        self.note.setVisible(bool(sentence))

    def _choose_weights(self) -> None:
        choose_file(self, 'Choose a network', self._settings.weights, 'Exported networks (*.onnx)', lambda path: self.edited.emit('weights', path))

    def _choose_camera(self) -> None:
        choose_file(self, 'Choose a camera file', self._settings.intrinsics, 'Camera files (*.json)',
                    lambda path: self.edited.emit('intrinsics', path))

    def hideEvent(self, event: QEvent) -> None:
        """What was typed last still counts when the panel is closed."""
        if self._wait.isActive():
            self._wait.stop()
            self._wait.timeout.emit()
        super().hideEvent(event)
