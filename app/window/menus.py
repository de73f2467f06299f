"""The menu bar: all actions in their places, and the cameras by name."""
from __future__ import annotations

from PyQt5.QtWidgets import QAction, QActionGroup, QMainWindow, QMenu

from app.window.arrangement import LAYOUTS, NAMES


class Menus:
    """Builds the menus of a window. `cameras` and `layouts` change while it runs."""

    def __init__(self, window: QMainWindow, actions: dict[str, QAction], camera_chosen, layout_chosen):
        """`camera_chosen(index)` and `layout_chosen(name)` are called when one is picked."""
        bar = window.menuBar()
        self._camera_chosen = camera_chosen
        file = bar.addMenu('&File')
        self.cameras: QMenu = file.addMenu('Camera')
        self.cameras.setToolTipsVisible(True)
        self._add(file, actions, 'open_video', 'open_folder', 'open_demo', None, 'snapshot', 'record', None, 'offline', 'export',
                  None, 'quit')
        self.file = file
        look = bar.addMenu('&View')
        self._add(look, actions, 'style_textured', 'style_shaded', 'style_wireframe', 'style_skeleton', 'style_off', None,
                  'opacity_up', 'opacity_down', 'mirror', None)
        layouts = look.addMenu('Layout')
        group = QActionGroup(window)
        self.layouts: dict[str, QAction] = {}
        for name in LAYOUTS:
            action = layouts.addAction(NAMES[name])
            action.setCheckable(True)
            action.triggered.connect(lambda _=False, name=name: layout_chosen(name))
            group.addAction(action)
            self.layouts[name] = action
        layouts.addSeparator()
        layouts.addAction(actions['layout'])
        self._add(look, actions, 'view_reset', None, 'hud', 'panel', 'theme', 'full_screen')
        hands = bar.addMenu('&Hands')
        self._add(hands, actions, 'hands', 'refine', 'lock', None, 'reset_shape')
        play = bar.addMenu('&Playing')
        self._add(play, actions, 'play_pause', 'step_back', 'step_forward', 'seek_back', 'seek_forward', None, 'loop')
        self._add(bar.addMenu('H&elp'), actions, 'shortcuts')
        self.show_cameras(None, '')

    def show_cameras(self, cameras: list | None, current: str) -> None:
        """`cameras`: with `index` and `name` each; None: still being looked for. `current`: what is open, as 'camera:0'."""
        self.cameras.clear()
        if not cameras:
            action = self.cameras.addAction('Looking for cameras…' if cameras is None else 'No camera was found: plug one in')
            action.setEnabled(False)
            return
        for camera in cameras:
            action = self.cameras.addAction(camera.name)
            action.setCheckable(True)
            action.setChecked(current == f'camera:{camera.index}')
            action.triggered.connect(lambda _=False, index=camera.index: self._camera_chosen(index))

    def show_layout(self, name: str) -> None:
        """Check the layout that is on."""
        self.layouts[name].setChecked(True)

    @staticmethod
    def _add(menu: QMenu, actions: dict[str, QAction], *ids: str | None) -> None:
        """Add actions in order; None is a line between."""
        menu.setToolTipsVisible(True)
        for name in ids:
            menu.addSeparator() if name is None else menu.addAction(actions[name])
