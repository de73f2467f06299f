"""The network, what it runs on, and the camera that it assumes."""
from __future__ import annotations

import os

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QWidget

from app.live.events import ModelFailed, ModelLoading, ModelReady
from app.live.settings import LiveSettings
from app.regression import Provider
from app.window.camera_rows import FIELD, CameraRows
from app.window.controls import Choice
from app.window.file_choice import choose_file
from app.window.file_row import FileRow, ShortLabel
from app.window.hand_card import set_role
from app.window.section import Section, words
from app.window.theme import GRID

PROVIDERS: dict[Provider, str] = {'auto': 'Automatic', 'tensorrt': 'TensorRT', 'cuda': 'CUDA', 'openvino': 'OpenVINO', 'cpu': 'Processor'}
RUNNING = {  # as ONNX Runtime names them
    'tensorrt': 'TensorRT', 'nvtensorrtrtx': 'TensorRT', 'cuda': 'CUDA', 'openvino': 'OpenVINO', 'cpu': 'the processor'}


class ModelSection(Section):
    """Tells `edited(field of LiveSettings, value)`."""

    edited = pyqtSignal(str, object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__('Model', parent)
        self._settings = LiveSettings()
        self.weights = self.add(FileRow('Network', 'Choose a network that was exported as an .onnx file', 'Back to the network that ships'))
        self.weights.choose.connect(lambda: choose_file(self, 'Choose a network', self._settings.weights, 'Exported networks (*.onnx)',
                                                        lambda path: self.edited.emit('weights', path)))
        self.weights.usual.connect(lambda: self.edited.emit('weights', None))
        self.provider = Choice('Run on', [*PROVIDERS.items()], 'What the network should run on. Automatic takes the best that works.')
        self.provider.chosen.connect(lambda value: self.edited.emit('provider', value))
        self._row('Run on', self.provider)
        self.running = ShortLabel(Qt.ElideRight)
        self.running.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        self.running.setAccessibleName('What the network really runs on')
        row = QHBoxLayout()
        row.addWidget(QLabel('Really runs on'))
        row.addWidget(self.running, 1)
        self.rows.addLayout(row)
        self.loading = self.add(QProgressBar())
        self.loading.setRange(0, 0)
        self.loading.setTextVisible(False)
        self.loading.setStyleSheet('min-height: 4px; max-height: 4px; border-radius: 2px;')
        self.loading.hide()
        self.note = self.add(words('', 'warning'))
        self.threads = Choice('Processor threads', [(None, 'Automatic'), *((n, str(n)) for n in range(1, (os.cpu_count() or 1) + 1))],
                              'How many processor cores the network may use. Automatic leaves room for drawing.')
        self.threads.chosen.connect(lambda value: self.edited.emit('threads', value))
        self._row('Processor threads', self.threads)
        self.camera = self.add(CameraRows(), GRID)
        self.camera.chosen.connect(self.edited)
        self.running.show_text('not loaded yet')
        self._say('', 'muted')

    def _row(self, name: str, control: QWidget) -> None:
        control.setFixedWidth(FIELD)
        row = QHBoxLayout()
        row.addWidget(QLabel(name), 1)
        row.addWidget(control)
        self.rows.addLayout(row)

    def show_settings(self, settings: LiveSettings) -> None:
        """Show them without telling."""
        self._settings = settings
        own = settings.weights
        self.weights.show_text('The network that ships' if own is None else own.name, '' if own is None else str(own), own is None)
        self.provider.show_value(settings.provider)
        self.threads.show_value(settings.threads)
        self.camera.show_camera(settings.field_of_view, settings.intrinsics)

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
