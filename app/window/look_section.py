"""How the hands look on the picture, and the 3D view."""
from __future__ import annotations

from dataclasses import replace

from PyQt5.QtCore import QSize, Qt, pyqtSignal
from PyQt5.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from app.live.settings import LiveSettings, LiveStyle, ViewSettings
from app.window.actions import ACTIONS, STYLE_PREFIX, hint, key_text
from app.window.controls import Switch, WordedSlider
from app.window.section import Section, words
from app.window.style_pictures import style_icon
from app.window.theme import GRID

_NAMES: dict[LiveStyle, str] = {spec.id.removeprefix(STYLE_PREFIX): spec.text for spec in ACTIONS if spec.id.startswith(STYLE_PREFIX)}
_SHORT = {'off': 'Nothing'}  # where there is little room
_TILE, _PICTURE = 48, 32  # pixels


class LookSection(Section):
    """Tells `edited(field of LiveSettings, value)`."""

    edited = pyqtSignal(str, object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__('Look', parent)
        self._view = ViewSettings()
        by_id = {spec.id: spec for spec in ACTIONS}
        self.style_name = QLabel()
        self.style_name.setProperty('role', 'number')
        head = QHBoxLayout()
        head.addWidget(QLabel('Hands drawn as'), 1)
        head.addWidget(self.style_name)
        self.rows.addLayout(head)
        self.styles: dict[LiveStyle, QToolButton] = {}
        self._group = QButtonGroup(self)
        tiles = QHBoxLayout()
        tiles.setSpacing(GRID)
        for style in _NAMES:
            tile = QToolButton()
            tile.setIcon(style_icon(style))
            tile.setIconSize(QSize(_PICTURE, _PICTURE))
            tile.setFixedHeight(_TILE)
            tile.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
            tile.setStyleSheet('padding: 0;')
            tile.setCheckable(True)
            tile.setFocusPolicy(Qt.TabFocus)
            tile.setToolTip(hint(by_id[f'{STYLE_PREFIX}{style}']))
            tile.setAccessibleName(f'Hands drawn as: {_NAMES[style]}')
            tile.clicked.connect(lambda _, style=style: self._style_chosen(style))
            self._group.addButton(tile)
            self.styles[style] = tile
            tiles.addWidget(tile)
        self.rows.addLayout(tiles)
        self.opacity = self.add(WordedSlider(
            'Opacity', 'see-through', 'solid', f'How much of the picture shows through the drawn hands '
            f'({key_text(by_id["opacity_down"])} and {key_text(by_id["opacity_up"])}).'), GRID)
        self.opacity.chosen.connect(lambda value: self.edited.emit('opacity', value))
        self.mirror = self.add(Switch('Show as in a mirror', 'Left and right are swapped on the screen, as in a mirror. Recordings and '
                                      f'snapshots are never mirrored ({key_text(by_id["mirror"])}).'), GRID)
        self.mirror.chosen.connect(lambda on: self.edited.emit('mirror', on))
        self.add(words('3D view: drag to turn it, right-drag to move it, wheel to zoom. '
                       f'{key_text(by_id["layout"])} changes where it stands.', 'muted'), GRID)
        self.reset = self.add(QPushButton('Reset the 3D view'))
        self.reset.setToolTip(f'Look at the hands from where the camera is again ({key_text(by_id["view_reset"])})')
        self.reset.setAccessibleName('Reset the 3D view')
        self.reset.setFocusPolicy(Qt.TabFocus)
        self.reset.clicked.connect(self._reset)

    def show_settings(self, settings: LiveSettings) -> None:
        """Show them without telling."""
        self._view = settings.view
        self.styles[settings.style].setChecked(True)
        self.style_name.setText(_SHORT.get(settings.style, _NAMES[settings.style]))
        self.opacity.show_value(settings.opacity)
        self.opacity.setEnabled(settings.style != 'off')
        self.mirror.show_value(settings.mirror)
        self.reset.setEnabled(_straight(settings.view) != settings.view)

    def _style_chosen(self, style: LiveStyle) -> None:
        self.edited.emit('style', style)

    def _reset(self) -> None:
        self.edited.emit('view', _straight(self._view))


def _straight(view: ViewSettings) -> ViewSettings:
    """The view as the real camera sees it."""
    return replace(ViewSettings(), width=view.width, height=view.height, dark=view.dark)
