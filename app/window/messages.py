"""What happened, in words on the screen: the engine's events become banners, notes on the picture, or what stands in its place."""
from __future__ import annotations

from PyQt5.QtCore import QObject

from app.live import events
from app.window.banner import FAILED, Banners
from app.window.bridge import EngineBridge
from app.window.camera_list import CameraList
from app.window.canvas import Canvas
from app.window.signs import Message


class Messages(QObject):
    """Listens to the bridge and speaks through the canvas and the banners."""

    def __init__(self, bridge: EngineBridge, canvas: Canvas, banners: Banners, cameras: CameraList, parent: QObject):
        super().__init__(parent)
        self._canvas, self._banners, self._cameras = canvas, banners, cameras
        self._network, self._opening = 'getting ready', ''  # what is waited for; the network loads from the start
        self._runs = False  # a network was loaded
        self._hint = canvas.hint  # what to do, or to know, while no hand is seen
        canvas.show_message(Message('hand', 'Getting ready…'))
        self._show_note()
        bridge.source_opening.connect(self._source_opening)
        bridge.source_opened.connect(self._source_opened)
        bridge.source_failed.connect(self._source_failed)
        bridge.source_lost.connect(self._source_lost)
        bridge.source_back.connect(self._source_back)
        bridge.source_ended.connect(self._source_ended)
        bridge.model_loading.connect(self._model_loading)
        bridge.model_ready.connect(self._model_ready)
        bridge.model_failed.connect(self._model_failed)
        bridge.drawing_changed.connect(lambda event: banners.tell(event.sentence, 'warning', key='drawing'))
        bridge.problem.connect(lambda event: banners.tell(event.sentence, 'error'))

    def _show_note(self) -> None:
        waits = [self._opening, self._network and f'Soon with hands: {self._network}']
        self._canvas.set_note('  ·  '.join(text for text in waits if text))

    def _show_hint(self) -> None:
        self._canvas.set_hint(self._hint if self._runs or self._network else 'No hands: there is no network that could look for them')

    def _source_opening(self, event: events.SourceOpening) -> None:
        name = _name(event.spec)
        if self._canvas.shown is None:
            self._canvas.show_message(Message('camera' if name.startswith('camera') else 'film', f'Opening {name}…'))
        else:
            self._opening = f'Opening {name}…'
            self._show_note()

    def _source_opened(self, event: events.SourceOpened) -> None:
        self._opening = ''
        self._show_note()
        for key in ('source', 'lost', 'ended'):
            self._banners.dismiss(key)
        self._hint = 'Show a hand to the camera' if event.info.kind == 'camera' else 'No hand in this picture'
        self._show_hint()

    def _source_failed(self, event: events.SourceFailed) -> None:
        self._opening = ''
        self._show_note()
        if self._canvas.shown is None:
            self._canvas.show_message(Message('error', f'Could not open {_name(event.spec)}', event.sentence))
        self._banners.tell(event.sentence, 'error', key=f'{FAILED} {event.spec}')

    def _source_lost(self, event: events.SourceLost) -> None:
        self._banners.tell(event.sentence, 'warning', key='lost')

    def _source_back(self, event: events.SourceBack) -> None:
        self._banners.dismiss('lost')
        self._banners.tell(f'{self._cameras.named(event.info).name} is back.', 'good', key='back', seconds=4)

    def _source_ended(self, event: events.SourceEnded) -> None:
        if event.sentence:
            self._banners.tell(event.sentence, 'warning', key='ended')

    def _model_loading(self, event: events.ModelLoading) -> None:
        self._network = event.what
        self._show_note()
        self._show_hint()

    def _model_ready(self, event: events.ModelReady) -> None:
        self._network, self._runs = '', True
        self._show_note()
        self._show_hint()
        self._banners.dismiss('model')
        if event.note:
            self._banners.tell(event.note, 'warning', key='model')

    def _model_failed(self, event: events.ModelFailed) -> None:
        self._network = ''
        self._show_note()
        self._show_hint()
        self._banners.tell(event.sentence, 'error', key='model')


def _name(spec: str) -> str:
    """What a person calls it: 'camera 1', or the file's name."""
    spec = str(spec)
    number = spec.removeprefix('camera:')
    if number.isdigit():
        return f'camera {number}'
    return spec.rstrip('/\\').replace('\\', '/').rsplit('/', 1)[-1]
