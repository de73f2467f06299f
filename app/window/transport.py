"""The bar below the picture: play, step and seek for files, pause for cameras, and always the snapshot and the record button."""
from __future__ import annotations

from PyQt5.QtCore import QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtWidgets import QAction, QHBoxLayout, QLabel, QPushButton, QSlider, QStyle, QToolButton, QWidget

from app.live.position import Position
from app.live.shown import SourceInfo
from app.window.arrangement import LAYOUTS, NAMES, Layout
from app.window.file_row import ShortLabel
from app.window.icons import icon
from app.window.theme import GRID

_BUTTON, _ICON = 40, 20  # pixels
_STEPS = 10000  # of the slider
_SEEKS = 80  # milliseconds from one seek to the next while the slider is dragged


class SeekSlider(QSlider):
    """A slider that jumps to where it is clicked."""

    def mousePressEvent(self, event) -> None:
        if event.button() == Qt.LeftButton:
            self.setValue(QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), event.x() - 8, max(self.width() - 16, 1)))
            self.sliderMoved.emit(self.value())
        super().mousePressEvent(event)


class Transport(QWidget):
    """Its buttons press the window's actions; the slider says `seek`."""

    seek = pyqtSignal(float)  # seconds
    layout_chosen = pyqtSignal(str)

    def __init__(self, actions: dict[str, QAction], parent: QWidget | None = None):
        super().__init__(parent)
        self.setObjectName('bar')
        self.setAttribute(Qt.WA_StyledBackground)
        self.setFixedHeight(8 * GRID)
        self._duration = 0.0
        self._actions = actions
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID, 0, 2 * GRID, 0)
        row.setSpacing(GRID // 2)
        self.play = _tool('pause', actions['play_pause'])
        self.back, self.forward = _tool('step_back', actions['step_back']), _tool('step_forward', actions['step_forward'])
        self.time, self.length = _time_label(), _time_label()
        self.slider = SeekSlider(Qt.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setFocusPolicy(Qt.NoFocus)  # the arrow keys seek by seconds, wherever one has clicked
        self.slider.setMinimumWidth(80)
        self.slider.setAccessibleName('Place in the clip')
        self.slider.sliderMoved.connect(self._slid)
        self._rest = QTimer(self, singleShot=True, interval=_SEEKS)
        self._rest.timeout.connect(self._seek_on)
        self._wanted: float | None = None  # seconds, not yet sought
        self.loop = _tool('loop', actions['loop'])
        self.name = ShortLabel(Qt.ElideRight)
        self.name.setIndent(GRID)
        for widget, stretch in ((self.play, 0), (self.back, 0), (self.forward, 0), (self.time, 0), (self.slider, 1), (self.length, 0),
                                (self.loop, 0), (self.name, 1)):
            row.addWidget(widget, stretch)
        row.addSpacing(GRID)
        self.layouts = {name: self._layout_button(name) for name in LAYOUTS}
        for button in self.layouts.values():
            row.addWidget(button)
        row.addSpacing(GRID)
        self.snapshot = _tool('snapshot', actions['snapshot'])
        self.record = QPushButton(icon('record', 'on_record'), 'Record')
        self.record.setProperty('kind', 'record')
        self.record.setFixedHeight(_BUTTON)
        self.record.setMinimumWidth(120)
        self.record.setFocusPolicy(Qt.TabFocus)
        self.record.setToolTip(actions['record'].toolTip())
        self.record.clicked.connect(actions['record'].trigger)
        self.panel = _tool('panel', actions['panel'])
        for widget in (self.snapshot, self.record):
            row.addWidget(widget)
            row.addSpacing(GRID // 2)
        row.addWidget(self.panel)
        self._source: SourceInfo | None = None
        self.show_source(None)
        actions['record'].changed.connect(lambda: self.record.setEnabled(actions['record'].isEnabled()))
        self.record.setEnabled(actions['record'].isEnabled())
        self.show_recording(None)

    def show_source(self, info: SourceInfo | None) -> None:
        """Files get all buttons, cameras pause only; None: nothing is open."""
        self._source = info
        film = info is not None and info.seekable and info.kind != 'picture'
        self._duration = (info.duration or 0.0) if film else 0.0
        timed = film and self._duration > 0
        for widget in (self.back, self.forward, self.loop):
            widget.setVisible(film)
        for widget in (self.slider, self.time, self.length):
            widget.setVisible(timed)
        self.length.setText(clock(self._duration))
        self.name.setVisible(not timed)
        self.name.show_text('' if info is None else info.name)
        self.play.setVisible(info is not None and info.kind != 'picture')

    def show_position(self, position: Position) -> None:
        """Where the source is, a few times a second."""
        self.play.setIcon(icon('pause' if position.playing else 'play'))
        words = 'Pause' if position.playing else 'Play'
        if self.play.accessibleName() != words:
            self.play.setAccessibleName(words)
            self.play.setToolTip(f'{words} ({self._actions["play_pause"].shortcut().toString()})')
        if self._duration > 0:
            self.time.setText(clock(position.time))
            if not self.slider.isSliderDown() and not self._rest.isActive():
                share = 1 if position.ended else min(position.time / self._duration, 1)  # the last picture begins before the end
                self.slider.setValue(round(_STEPS * share))

    def show_recording(self, state) -> None:
        """RecordingState while it records, else None."""
        running = state is not None
        self.record.setIcon(icon('stop', 'record') if running else icon('record', 'on_record'))
        self.record.setProperty('kind', '' if running else 'record')
        self.record.setText(f'{clock(state.seconds)}  ·  {size(state.bytes)}' if running else 'Record')
        self.record.setAccessibleName('Stop the recording' if running else 'Record')
        if self.record.property('running') != running:
            self.record.setProperty('running', running)
            self.record.style().unpolish(self.record)
            self.record.style().polish(self.record)

    def show_layout(self, layout: str) -> None:
        """Which layout is on."""
        for name, button in self.layouts.items():
            button.setChecked(name == layout)

    def _slid(self, value: int) -> None:
        """Seek at once, but not again before the last one had its time: opening a place in a film is work."""
        self._wanted = value / _STEPS * self._duration
        if not self._rest.isActive():
            self._seek_on()

    def _seek_on(self) -> None:
        if self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            self.seek.emit(wanted)
            self._rest.start()

    def _layout_button(self, name: Layout) -> QToolButton:
        button = _tool(f'layout_{name}', None)
        button.setCheckable(True)
        button.setToolTip(f'{NAMES[name]} ({self._actions["layout"].shortcut().toString()} for the next one)')
        button.setAccessibleName(NAMES[name])
        button.clicked.connect(lambda: self.layout_chosen.emit(name))
        return button


def clock(seconds: float) -> str:
    """1:05, or 1:02:05."""
    whole = max(int(seconds), 0)
    hours, minutes = divmod(whole // 60, 60)
    return f'{hours}:{minutes:02}:{whole % 60:02}' if hours else f'{minutes}:{whole % 60:02}'


def size(count: float) -> str:
    """Bytes as a person says them."""
    for unit in ('B', 'kB', 'MB'):
        if count < 1000:
            break
        count /= 1000
    else:
        unit = 'GB'
    return f'{count:.0f} {unit}' if unit in ('B', 'kB') or count >= 100 else f'{count:.1f} {unit}'


def _tool(name: str, action: QAction | None) -> QToolButton:
    """A square button with an icon. It follows its action: its tooltip, whether it is on, and whether it may be pressed."""
    button = QToolButton()
    button.setProperty('kind', 'tool')
    button.setFixedSize(_BUTTON, _BUTTON)
    button.setIconSize(QSize(_ICON, _ICON))
    button.setIcon(icon(name))
    button.setFocusPolicy(Qt.TabFocus)
    if action is None:
        return button
    button.setCheckable(action.isCheckable())

    def follow() -> None:
        button.setEnabled(action.isEnabled())
        button.setChecked(action.isChecked())
        if action.toolTip():
            button.setToolTip(action.toolTip())
        button.setAccessibleName(action.text())

    action.changed.connect(follow)
    button.clicked.connect(lambda: (action.trigger(), follow()))
    follow()
    return button


def _time_label() -> QLabel:
    label = QLabel('0:00')
    label.setProperty('role', 'number')
    label.setMinimumWidth(48)
    label.setAlignment(Qt.AlignCenter)
    return label
