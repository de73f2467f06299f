"""What the panels are made of: a switch, a choice of a few words or out of a list, a number, and a slider with words at its ends.

Each has `chosen`, which tells what a person did and nothing else, and `show_value`, which does not tell. They take the keyboard when one
tabs to them, but not when they are clicked: the window's single keys go on working.
"""
from __future__ import annotations

from collections.abc import Sequence

from PyQt5.QtCore import QEvent, QLocale, QObject, QRectF, QSignalBlocker, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QPainter, QPen, QValidator
from PyQt5.QtWidgets import (QAbstractButton, QButtonGroup, QCheckBox, QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel, QSizePolicy,
                             QSlider, QStyle, QStyleOptionSlider, QToolButton, QVBoxLayout, QWidget)

from app.window.icons import icon
from app.window.theme import GRID, colours

_TRACK = QSize(32, 18)  # pixels, of a switch
_ROW = 28  # pixels, height of a row with a switch
STEPS = 100  # of a slider


class Switch(QCheckBox):
    """Words on the left, a switch on the right; all of it can be clicked."""

    chosen = pyqtSignal(bool)

    def __init__(self, text: str, tip: str, parent: QWidget | None = None):
        super().__init__(text, parent)
        self.setToolTip(tip)
        self.setAccessibleName(text)
        self.setAccessibleDescription(tip)
        self.setFocusPolicy(Qt.TabFocus)
        self.setMinimumHeight(_ROW)
        self.setCursor(Qt.PointingHandCursor)
        self.clicked.connect(self.chosen)

    def show_value(self, on: bool) -> None:
        """On or off, without telling."""
        with QSignalBlocker(self):
            self.setChecked(on)

    def sizeHint(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self.text()) + 2 * GRID + _TRACK.width(), _ROW)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def hitButton(self, point) -> bool:
        return self.rect().contains(point)

    def paintEvent(self, _) -> None:
        palette, painter = colours(), QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        painter.setPen(QColor(palette.text if self.isEnabled() else palette.faint))
        painter.drawText(self.rect().adjusted(0, 0, -_TRACK.width() - GRID, 0), Qt.AlignLeft | Qt.AlignVCenter, self.text())
        track = QRectF(self.width() - _TRACK.width() - 2, (self.height() - _TRACK.height()) / 2, _TRACK.width(), _TRACK.height())
        on, usable = self.isChecked(), self.isEnabled()
        fill = QColor(palette.accent if on and usable else palette.line if on else palette.raised)
        if self.underMouse() and usable:
            fill = QColor(palette.accent_hover if on else palette.hover)
        painter.setPen(QPen(QColor(palette.accent if on and usable else palette.edge if usable else palette.line), 1))
        painter.setBrush(fill)
        painter.drawRoundedRect(track.adjusted(0.5, 0.5, -0.5, -0.5), track.height() / 2, track.height() / 2)
        if self.hasFocus():
            painter.setPen(QPen(QColor(palette.text), 1))
            painter.setBrush(Qt.NoBrush)
            painter.drawRoundedRect(track.adjusted(-1.5, -1.5, 1.5, 1.5), track.height() / 2 + 2, track.height() / 2 + 2)
        knob = track.height() - 6
        left = track.right() - 3 - knob if on else track.left() + 3
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor((palette.on_accent if on else palette.edge) if usable else palette.faint))
        painter.drawEllipse(QRectF(left, track.top() + 3, knob, knob))


class Segments(QWidget):
    """A few words in a row, one of them chosen."""

    chosen = pyqtSignal(object)

    def __init__(self, name: str, choices: Sequence[tuple[object, str, str]], parent: QWidget | None = None):
        """`choices`: value, words, tooltip."""
        super().__init__(parent)
        self.setAccessibleName(name)
        self.values = [value for value, _, _ in choices]
        self.group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID)
        for number, (value, text, tip) in enumerate(choices):
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setAccessibleName(f'{name}: {text}')
            button.setCheckable(True)
            button.setFocusPolicy(Qt.TabFocus)
            button.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Fixed)  # as wide as there is room, whatever the words
            button.setStyleSheet('padding: 6px 4px;')
            self.group.addButton(button, number)
            row.addWidget(button, 1)
        self.group.buttonClicked[int].connect(lambda number: self.chosen.emit(self.values[number]))

    @property
    def value(self) -> object:
        """What is chosen; None if nothing is."""
        number = self.group.checkedId()
        return None if number < 0 else self.values[number]

    def button(self, value: object) -> QAbstractButton:
        """The button of a value."""
        return self.group.button(self.values.index(value))

    def show_value(self, value: object) -> None:
        """Choose without telling; none if it is not among the choices."""
        self.group.setExclusive(False)
        for number, own in enumerate(self.values):
            self.group.button(number).setChecked(own == value)
        self.group.setExclusive(True)


class Choice(QComboBox):
    """One out of a list."""

    chosen = pyqtSignal(object)

    def __init__(self, name: str, choices: Sequence[tuple[object, str]], tip: str, parent: QWidget | None = None):
        """`choices`: value, words."""
        super().__init__(parent)
        for value, text in choices:
            self.addItem(text, value)
        self.setToolTip(tip)
        self.setAccessibleName(name)
        self.setAccessibleDescription(tip)
        self.setFocusPolicy(Qt.TabFocus)
        self.activated.connect(lambda number: self.chosen.emit(self.itemData(number)))  # by a person only

    def show_value(self, value: object) -> None:
        """Choose without telling; a value that is not in the list is added."""
        if self.findData(value) < 0:
            self.addItem(str(value), value)
        self.setCurrentIndex(self.findData(value))

    def paintEvent(self, event) -> None:
        super().paintEvent(event)
        side = 2 * GRID
        icon('down', 'muted').paint(QPainter(self), self.width() - side - GRID, (self.height() - side) // 2, side, side)


class NumberBox(QDoubleSpinBox):
    """A number with a point, as everywhere in this program; who writes a comma means the same."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setLocale(QLocale.c())

    def validate(self, text: str, place: int) -> tuple[QValidator.State, str, int]:
        return super().validate(text.replace(',', '.'), place)

    def valueFromText(self, text: str) -> float:
        return super().valueFromText(text.replace(',', '.'))


class RingSlider(QSlider):
    """Shows with a ring that it has the keyboard."""

    def paintEvent(self, event) -> None:
        super().paintEvent(event)
        if not self.hasFocus():
            return
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        handle = QRectF(self.style().subControlRect(QStyle.CC_Slider, option, QStyle.SC_SliderHandle, self))
        centre, radius = handle.center(), 10.0
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        painter.setPen(QPen(QColor(colours().accent), 1.5))
        painter.drawEllipse(centre, radius, radius)


class WordedSlider(QWidget):
    """A heading with the value beside it, a slider from 0 to 1, and a word at each end."""

    chosen = pyqtSignal(float)

    def __init__(self, name: str, low: str, high: str, tip: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.value = QLabel()
        self.value.setProperty('role', 'number')
        self.slider = RingSlider(Qt.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setPageStep(10)
        self.slider.setFocusPolicy(Qt.TabFocus)
        self.slider.setAccessibleName(name)
        self.slider.setAccessibleDescription(tip)
        self.setToolTip(tip)
        head, ends = QHBoxLayout(), QHBoxLayout()
        head.addWidget(QLabel(name), 1)
        head.addWidget(self.value)
        for text, stretch in ((low, 1), (high, 0)):
            label = QLabel(text)
            label.setProperty('role', 'muted')
            ends.addWidget(label, stretch)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self.slider)
        column.addLayout(ends)
        self.slider.valueChanged.connect(self._moved)
        self._tell(0)

    def show_value(self, value: float) -> None:
        """0..1, without telling. A slider that is being dragged stays under the hand."""
        if self.slider.isSliderDown():
            return
        with QSignalBlocker(self.slider):
            self.slider.setValue(round(value * STEPS))
        self._tell(self.slider.value())

    def _moved(self, steps: int) -> None:
        self._tell(steps)
        self.chosen.emit(steps / STEPS)

    def _tell(self, steps: int) -> None:
        self.value.setText(f'{100 * steps // STEPS} %')


class WheelGuard(QObject):
    """Keeps the wheel for scrolling: a control under the mouse that does not have the keyboard must not change by it."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False

