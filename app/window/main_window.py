"""The window: picture and 3D view, the bar below, the panel beside, and every action's effect."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PyQt5.QtCore import QByteArray, QEvent, QTimer, Qt, pyqtSignal
from PyQt5.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from app.live.events import PlayStateChanged
from app.live.position import Position
from app.live.settings import LiveSettings
from app.live.shown import Shown, SourceInfo
from app.window.actions import ACTIONS, hint, make_actions
from app.window.arrangement import LAYOUTS
from app.window.banner import Banners
from app.window.bridge import EngineBridge
from app.window.camera_list import CameraList
from app.window.canvas import Canvas
from app.window.choosing import SourceChooser
from app.window.hud import STRIP, Hud
from app.window.menus import Menus
from app.window.messages import Messages
from app.window.panel import SidePanel
from app.window.saving import Saving
from app.window.settings_store import SettingsStore, Stored
from app.window.theme import apply_theme, theme_name
from app.window.transport import Transport

TITLE = 'S2HAND live'
TICK = 200  # milliseconds between two looks at statistics, position and recording
SEEK = 5.0  # seconds of the arrow keys
_OPACITY_STEP = 0.1
_HINTS = {spec.id: hint(spec) for spec in ACTIONS}


class MainWindow(QMainWindow):
    """Show it, then call `begin`, which starts the engine: what takes long happens behind a window that stands."""

    closed = pyqtSignal()

    def __init__(self, bridge: EngineBridge, store: SettingsStore, stored: Stored, list_cameras: Callable[[], list] | None = None):
        super().__init__()
        self.setObjectName('window')
        self.bridge, self._store, self._stored = bridge, store, stored
        self.settings: LiveSettings = bridge.settings
        self.actions_by_id = make_actions(self)
        self._closing = self._unasked = False
        self._settled = False  # the network is there: before, the figures only say that it is being loaded
        self.canvas = Canvas()
        self.hud = Hud(self.canvas)
        self.banners = Banners(self.canvas)
        self.cameras = CameraList(list_cameras, self)
        self.transport = Transport(self.actions_by_id)
        self.panel = SidePanel(bridge, self.settings, stored.recording)
        self._build()
        self.chooser = SourceChooser(bridge, self.cameras, self.banners, self)
        self.messages = Messages(bridge, self.canvas, self.banners, self.cameras, self)
        self.saving = Saving(self, stored.recording)
        self.menus = Menus(self, self.actions_by_id, self.chooser.open_camera, self.set_layout)
        self.menus.file.aboutToShow.connect(self.cameras.refresh)
        self.cameras.listed.connect(self._show_cameras)
        self._tick = QTimer(self, interval=TICK)
        self._tick.timeout.connect(self._look)
        self._connect()
        self._restore()

    # building

    def _build(self) -> None:
        middle = QWidget()
        across = QHBoxLayout(middle)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(0)
        across.addWidget(self.canvas, 1)
        across.addWidget(self.panel)
        central = QWidget()
        down = QVBoxLayout(central)
        down.setContentsMargins(0, 0, 0, 0)
        down.setSpacing(0)
        down.addWidget(middle, 1)
        down.addWidget(self.transport)
        self.setCentralWidget(central)
        self.setMinimumSize(832, 520)
        self.setAcceptDrops(True)
        self.setWindowTitle(TITLE)
        self.canvas.setFocus()

    def _connect(self) -> None:
        bridge, canvas, act = self.bridge, self.canvas, self.actions_by_id
        bridge.picture.connect(self._show_picture)
        canvas.painted.connect(bridge.painted)
        canvas.view_changed.connect(lambda view: self.change(view=view))
        canvas.arranged.connect(self._place_hud)
        self.hud.covers.connect(canvas.set_taken)
        canvas.dropped.connect(self.chooser.open_paths)
        self.chooser.opened.connect(self._source_opened)
        bridge.play_state_changed.connect(self._play_state_changed)
        self.transport.seek.connect(bridge.seek)
        self.transport.layout_chosen.connect(self.set_layout)
        self.panel.changed.connect(self.apply)
        self.panel.recording_changed.connect(self.saving.set_recording)
        bridge.model_loading.connect(self.panel.show_model)
        bridge.model_ready.connect(self.panel.show_model)
        bridge.model_failed.connect(self.panel.show_model)
        bridge.model_ready.connect(self._settle)
        bridge.model_failed.connect(self._settle)
        for style in ('textured', 'shaded', 'wireframe', 'skeleton', 'off'):
            act[f'style_{style}'].triggered.connect(lambda _=False, style=style: self.change(style=style))
        effects = {
            'opacity_down': lambda: self._change_opacity(-_OPACITY_STEP), 'opacity_up': lambda: self._change_opacity(_OPACITY_STEP),
            'mirror': lambda: self.change(mirror=not self.settings.mirror), 'layout': self.next_layout, 'view_reset': canvas.reset_view,
            'play_pause': self.play_or_pause, 'step_back': lambda: bridge.step(-1), 'step_forward': lambda: bridge.step(1),
            'seek_back': lambda: self.seek_by(-SEEK), 'seek_forward': lambda: self.seek_by(SEEK), 'loop': self._toggle_loop,
            'record': self.saving.toggle_recording, 'snapshot': self.saving.snapshot, 'export': self.saving.export,
            'offline': self.saving.reconstruct_offline, 'reset_shape': self._reset_shape,
            'lock': lambda: self.change(lock=not self.settings.lock), 'refine': lambda: self.change(refine=not self.settings.refine),
            'hands': lambda: self.change(hands=3 - self.settings.hands), 'hud': lambda: self.show_hud(act['hud'].isChecked()),
            'panel': lambda: self.show_panel(act['panel'].isChecked()),
            'theme': lambda: self.set_theme('light' if theme_name() == 'dark' else 'dark'), 'full_screen': self._toggle_full_screen,
            'open_video': self.chooser.ask_for_video, 'open_folder': self.chooser.ask_for_folder, 'open_demo': self.chooser.open_demo,
            'next_camera': self.chooser.next_camera, 'shortcuts': self._show_shortcuts, 'quit': self.close}
        for name, effect in effects.items():
            act[name].triggered.connect(lambda _=False, effect=effect: effect())

    def _restore(self) -> None:
        stored = self._stored
        if not stored.geometry or not self.restoreGeometry(QByteArray(stored.geometry)):
            room = QApplication.primaryScreen().availableGeometry()
            self.resize(min(1280, room.width()), min(800, room.height()))
        self.set_layout(stored.layout)
        self.show_hud(stored.hud)
        self.show_panel(stored.panel)
        self.canvas.set_view(self.settings.view)
        self._show_settings()
        self._show_possible()
        if stored.note:
            self.banners.tell(stored.note, 'warning', key='settings')

    def begin(self, spec: str | None = None) -> None:
        """Start the engine and open the first source: `spec`, else the last one, else a camera, else the demo clip. Once."""
        if self._tick.isActive() or self._closing:
            return
        self.bridge.start()
        self._tick.start()
        self.chooser.begin(spec or self._stored.source)

    # settings

    def change(self, **values) -> None:
        """Change some of the live settings."""
        self.apply(replace(self.settings, **values))

    def apply(self, settings: LiveSettings) -> None:
        """These settings from now on, everywhere."""
        if settings == self.settings:
            self._show_settings()
            return
        self.settings = settings
        self.bridge.apply(settings)
        self.panel.set_settings(settings)
        self.canvas.set_view(settings.view)
        self._show_settings()

    def _show_settings(self) -> None:
        settings, act = self.settings, self.actions_by_id
        act[f'style_{settings.style}'].setChecked(True)
        for name, on in (('mirror', settings.mirror), ('lock', settings.lock), ('refine', settings.refine), ('hands', settings.hands == 2)):
            act[name].setChecked(on)

    def _change_opacity(self, step: float) -> None:
        self.change(opacity=round(min(max(self.settings.opacity + step, 0.0), 1.0), 2))

    def _reset_shape(self) -> None:
        self.bridge.reset_shapes()
        self.banners.tell('Shape and skin are forgotten; they are learned anew.', key='reset', seconds=3)

    def set_layout(self, name: str) -> None:
        """'beside', 'corner', 'picture' or 'view'."""
        self.canvas.set_layout(name)
        self.transport.show_layout(self.canvas.layout_name)
        self.menus.show_layout(self.canvas.layout_name)
        self._show_possible()

    def next_layout(self) -> None:
        self.set_layout(LAYOUTS[(LAYOUTS.index(self.canvas.layout_name) + 1) % len(LAYOUTS)])

    def show_hud(self, on: bool) -> None:
        self.actions_by_id['hud'].setChecked(on)
        self.hud.setVisible(on and self.hud.statistics is not None and self.canvas.shown is not None)
        self.canvas.set_foot(STRIP if on else 0)
        self._place_hud()

    def show_panel(self, on: bool) -> None:
        self.actions_by_id['panel'].setChecked(on)
        if not on:
            self.canvas.setFocus()  # else a button of the bar would take the keyboard from what is hidden
        self.panel.setVisible(on)

    def set_theme(self, name: str) -> None:
        """'dark' or 'light'."""
        apply_theme(QApplication.instance(), name)
        self.change(view=replace(self.settings.view, dark=name == 'dark'))

    def _toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowFullScreen)

    # playing

    def play_or_pause(self) -> None:
        position = self.bridge.position()
        if position is not None:
            (self.bridge.pause if position.playing else self.bridge.play)()

    def seek_by(self, seconds: float) -> None:
        position = self.bridge.position()
        if position is not None:
            self.bridge.seek(max(position.time + seconds, 0.0))

    def _toggle_loop(self) -> None:
        self.chooser.loop = self.actions_by_id['loop'].isChecked()
        self.bridge.set_loop(self.chooser.loop)

    def _play_state_changed(self, event: PlayStateChanged) -> None:
        self.actions_by_id['loop'].setChecked(event.loop)
        self._look()

    def _source_opened(self, info: SourceInfo) -> None:
        self.transport.show_source(info)
        self.setWindowTitle(f'{info.name} – {TITLE}')
        self._show_cameras(self.cameras.cameras)
        self._show_possible()

    def _show_cameras(self, cameras: list | None) -> None:
        self.menus.show_cameras(cameras, self.chooser.spec)

    def _show_possible(self) -> None:
        """Switch off what would have no effect now, and say why."""
        info = self.chooser.info
        is_open = info is not None
        timed = is_open and info.seekable and info.kind != 'picture'
        self._allow(('step_back', 'step_forward', 'seek_back', 'seek_forward', 'loop'), timed, 'only for videos and folders of pictures')
        self._allow(('play_pause',), is_open and info.kind != 'picture', 'nothing is playing')
        self._allow(('record', 'snapshot'), is_open, 'nothing is open yet')
        self._allow(('view_reset',), self.canvas.layout_name != 'picture', 'the 3D view is not shown')
        why_not = self.saving.why_not_offline(info)
        self._allow(('offline',), not why_not, why_not)

    def _allow(self, names: tuple[str, ...], possible: bool, why_not: str) -> None:
        for name in names:
            action = self.actions_by_id[name]
            action.setEnabled(possible)
            action.setToolTip(_HINTS[name] + ('' if possible else f': {why_not}'))

    def _show_shortcuts(self) -> None:
        from app.window.shortcuts_sheet import ShortcutsSheet

        ShortcutsSheet(self).open()

    # every picture, and every tick

    def _settle(self, _) -> None:
        self._settled = True

    def _show_picture(self, shown: Shown) -> None:
        self.canvas.show_picture(shown)

    def _look(self) -> None:
        statistics, position = self.bridge.statistics(), self.bridge.position()
        if statistics is not None:
            self.panel.show_statistics(statistics)
            if self._settled and self.actions_by_id['hud'].isChecked() and self.canvas.shown is not None and not self.isMinimized():
                self.hud.show_statistics(statistics, _resting(self.chooser.info, position))
                if not self.hud.isVisible():
                    self.show_hud(True)
        if position is not None:
            self.transport.show_position(position)
        self.saving.look()

    def _place_hud(self) -> None:
        canvas = self.canvas
        if canvas.picture_place.isEmpty():
            self.hud.place(canvas.foot_place, canvas.view_place)
        else:
            self.hud.place(canvas.foot_place, canvas.picture_place, canvas.view_place)

    # files let go anywhere over the window

    def dragEnterEvent(self, event) -> None:
        self.canvas.dragEnterEvent(event)

    def dragLeaveEvent(self, event) -> None:
        self.canvas.dragLeaveEvent(event)

    def dropEvent(self, event) -> None:
        self.canvas.dropEvent(event)

    # the end

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.WindowStateChange:
            full = bool(self.windowState() & Qt.WindowFullScreen)
            self.actions_by_id['full_screen'].setChecked(full)
            self.menuBar().setVisible(not full)
        super().changeEvent(event)

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key_Escape and self.isFullScreen():
            self._toggle_full_screen()
        else:
            super().keyPressEvent(event)

    def remembered(self) -> Stored:
        """What the next start should find."""
        act = self.actions_by_id
        return Stored(live=self.settings, recording=self.saving.recording, source=self.chooser.spec, layout=self.canvas.layout_name,
                      theme=theme_name(), hud=act['hud'].isChecked(), panel=act['panel'].isChecked(), geometry=bytes(self.saveGeometry()))

    def end(self) -> None:
        """Close without asking whether what runs in the background may end: nobody is there to answer."""
        self._unasked = True
        self.close()

    def closeEvent(self, event) -> None:
        if self._closing:
            event.accept()
            return
        if not self._unasked and not self.saving.may_close():
            event.ignore()
            return
        self._closing = True
        self._tick.stop()
        problem = self._store.save(self.remembered())
        if problem:
            print(problem, flush=True)
        self.hide()
        self.saving.close()
        self.chooser.close()
        self.cameras.close()
        self.ended_in_time = self.bridge.close()
        event.accept()
        self.closed.emit()


def _resting(info: SourceInfo | None, position: Position | None) -> str:
    """Why the picture stands still; '' if it does not."""
    if info is None or position is None:
        return ''
    if not info.sequence:
        return 'Still picture'
    return '' if position.playing else 'At the end' if position.ended else 'Paused'
