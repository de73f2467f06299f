"""Which source plays: the last one at the start, else the first camera, else the demo clip, so that the window is never empty."""
from __future__ import annotations

from functools import partial
from pathlib import Path

from PyQt5.QtCore import QObject, QTimer, pyqtSignal
from PyQt5.QtWidgets import QWidget

from app.live.events import PlayStateChanged, SourceFailed, SourceOpened
from app.live.shown import SourceInfo
from app.window.banner import FAILED, Banners
from app.window.bridge import EngineBridge
from app.window.camera_list import CameraList
from app.window.file_choice import choose_file, choose_folder

DEMO = Path(__file__).resolve().parent.parent.parent / 'assets' / 'demo' / 'demo.mp4'
NO_CAMERA = 'No camera was found, so the demo clip plays. Plug a camera in and choose it under File > Camera, or drop a video here.'
_WATCH = 3000  # milliseconds between looks for a camera while the demo clip stands in for one
_FILMS = 'Videos and pictures (*.mp4 *.mov *.MOV *.mkv *.avi *.webm *.m4v *.jpg *.jpeg *.png *.bmp *.tif *.tiff *.webp);;All files (*)'


class SourceChooser(QObject):
    """Opens sources and remembers what is open. `spec` is '' until something is."""

    opened = pyqtSignal(object)  # SourceInfo

    def __init__(self, bridge: EngineBridge, cameras: CameraList, banners: Banners, window: QWidget):
        super().__init__(window)
        self._bridge, self._cameras, self._banners, self._window = bridge, cameras, banners, window
        self.info: SourceInfo | None = None
        self.loop = False  # what a person asked for last; the demo clip always loops
        self._folder: Path | None = None  # where the last file dialog was
        self._waiting = False  # for the first list of cameras
        self._network = False  # there is one, or there will be none
        self._held = False  # a file stands on its first picture until then, lest a short one be over before it has hands
        self._tried: set[str] = set()
        self._known: set[int] = set()  # cameras that were there when the demo clip had to step in
        self._watch = QTimer(self, interval=_WATCH)
        self._watch.timeout.connect(cameras.refresh)
        bridge.source_opened.connect(self._source_opened)
        bridge.source_back.connect(self._source_opened)
        bridge.source_failed.connect(self._source_failed)
        bridge.play_state_changed.connect(self._play_state_changed)
        bridge.model_ready.connect(self._network_settled)
        bridge.model_failed.connect(self._network_settled)
        cameras.listed.connect(self._cameras_listed)

    @property
    def spec(self) -> str:
        """What is open, as it can be opened again; '' for the demo clip, which is only ever a stopgap."""
        if self.info is None or self.is_demo:
            return ''
        spec = self.info.spec
        if self.info.kind == 'camera':
            return f'camera:{spec.removeprefix("camera:")}'
        return str(Path(spec).resolve())

    @property
    def is_demo(self) -> bool:
        return self.info is not None and self.info.kind != 'camera' and Path(self.info.spec) == DEMO

    def begin(self, spec: str) -> None:
        """Open the first source: `spec`, or what is best when it is ''."""
        self._cameras.refresh()
        if spec:
            self._open(spec)
        else:
            self._waiting = True

    def close(self) -> None:
        """Look for nothing any more."""
        self._watch.stop()

    def open(self, spec: str) -> None:
        """Open what a person asks for: a path, or a camera by its number or as 'camera:0'."""
        self._banners.dismiss_all(FAILED)
        self._open(spec)

    def _open(self, spec: str) -> None:
        spec = f'camera:{spec}' if spec.isdigit() else spec
        self._waiting = False
        self._watch.stop()
        self._tried.add(spec)
        self._banners.dismiss('no camera')
        self._held = not self._network and not spec.startswith('camera:')
        self._bridge.open(spec, loop=self.loop, paused=self._held)

    def open_camera(self, index: int) -> None:
        self.open(f'camera:{index}')

    def open_demo(self) -> None:
        """The clip that every copy of the program has."""
        self._banners.dismiss_all(FAILED)
        self._open_demo()

    def _open_demo(self) -> None:
        self._waiting = False
        self._watch.stop()
        self._tried.add(str(DEMO))
        self._held = False
        self._bridge.open(str(DEMO), loop=True)

    def next_camera(self) -> None:
        """The camera after the one that is open, by the list."""
        indices = [camera.index for camera in self._cameras.cameras or []]
        if not indices:
            self._cameras.refresh()
            self._banners.tell('No camera was found. Plug one in and try again.', 'warning', key='no camera', seconds=8)
            return
        current = self.spec.removeprefix('camera:')
        place = indices.index(int(current)) + 1 if current.isdigit() and int(current) in indices else 0
        self.open_camera(indices[place % len(indices)])

    def ask_for_video(self) -> None:
        choose_file(self._window, 'Open a video or picture', self._folder, _FILMS, self._chosen)

    def ask_for_folder(self) -> None:
        choose_folder(self._window, 'Open a folder of pictures', self._folder, self._chosen)

    def open_paths(self, paths: list[str]) -> None:
        """What was dropped: the first of it."""
        if len(paths) > 1:
            self._banners.tell(f'One at a time: only {Path(paths[0]).name} is opened. Drop a folder to play many pictures.', key='dropped')
        self.open(paths[0])

    def _chosen(self, path: Path) -> None:
        self._folder = path.parent
        self.open(str(path))

    def _cameras_listed(self, cameras: list) -> None:
        if self.info is not None and self._cameras.named(self.info) != self.info:
            self.info = self._cameras.named(self.info)
            self.opened.emit(self.info)
        if self._waiting:
            self._open_best(cameras)
        elif self._watch.isActive():
            for camera in cameras:
                if camera.index not in self._known:
                    self._banners.tell(f'{camera.name} was plugged in.', 'good', (('Use it', partial(self.open_camera, camera.index)),),
                                       key='no camera', seconds=0)
            self._known = {camera.index for camera in cameras}

    def _open_best(self, cameras: list) -> None:
        """The first camera that was not tried in vain, else the demo clip."""
        for camera in cameras:
            if f'camera:{camera.index}' not in self._tried:
                self._open(f'camera:{camera.index}')
                return
        self._open_demo()
        self._known = {camera.index for camera in cameras}
        self._watch.start()
        if not cameras:
            self._banners.tell(NO_CAMERA, 'info', (('Open a video', self.ask_for_video),), key='no camera', seconds=0)

    def _source_opened(self, event: SourceOpened) -> None:
        self.info = self._cameras.named(event.info)
        self._tried.clear()
        self.opened.emit(self.info)

    def _play_state_changed(self, event: PlayStateChanged) -> None:
        """Somebody did not want to wait, and may pause again."""
        self._held = self._held and not event.playing

    def _network_settled(self, _) -> None:
        self._network = True
        if self._held:
            self._held = False
            self._bridge.play()

    def _source_failed(self, event: SourceFailed) -> None:
        """Nothing plays and this failed too: something must play."""
        if self.info is None and event.spec != str(DEMO):
            if self._cameras.cameras is None:
                self._waiting = True
            else:
                self._open_best(self._cameras.cameras)
