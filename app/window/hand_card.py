"""What is known of one followed hand: which it is, how sure, and how far its shape and skin are settled."""
from __future__ import annotations

from PyQt5.QtCore import QEvent, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QPainter
from PyQt5.QtWidgets import QFrame, QGridLayout, QLabel, QProgressBar, QWidget

from app.live.shown import HandStatus
from app.window.icons import icon
from app.window.section import words
from app.window.theme import GRID, RADIUS, colours

_ICON = 16  # pixels
_MEANING = ('Calibrating: the program learns how long the fingers are, best from an open hand that turns. Locked: they stay that long.\n'
            'Skin: how much of the hand was seen so far, and how much of that so often that its colour is kept as well.')
_SURE, _UNSURE = 0.7, 0.4  # confidence: from which on it is good, below which it is bad


class HandCard(QFrame):
    """Keeps its height whether there is a hand or not, so that nothing jumps when one comes or goes."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self._shown: tuple | None = None
        self.name, self.confidence, self.state = QLabel(), QLabel(), words('', 'muted')
        self.state.setWordWrap(False)
        self.state.setToolTip(_MEANING)
        self.picture = QLabel()
        self.picture.setFixedSize(QSize(_ICON, _ICON))
        self.bar = QProgressBar()
        self.bar.setRange(0, 100)
        self.bar.setTextVisible(False)
        self.bar.setStyleSheet('min-height: 4px; max-height: 4px; border-radius: 2px;')
        keeps_room = self.bar.sizePolicy()
        keeps_room.setRetainSizeWhenHidden(True)
        self.bar.setSizePolicy(keeps_room)
        self.confidence.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        self.confidence.ensurePolished()  # it has the theme's letters now
        self.confidence.setMinimumWidth(self.confidence.fontMetrics().horizontalAdvance('100 % sure'))  # so that nothing jumps either
        grid = QGridLayout(self)
        grid.setContentsMargins(GRID, GRID, GRID, GRID)
        grid.setHorizontalSpacing(GRID)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.picture, 0, 0)
        grid.addWidget(self.name, 0, 1)
        grid.addWidget(self.confidence, 0, 2)
        grid.addWidget(self.bar, 1, 0, 1, 3)
        grid.addWidget(self.state, 2, 0, 1, 3)
        self.show_hand(None, True)

    def paintEvent(self, _) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        painter.setPen(QColor(colours().line))
        painter.setBrush(QColor(colours().ground))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.PaletteChange and self._shown is not None:  # another theme: the picture has its colour inside
            self._show(*self._shown)

    def show_hand(self, hand: HandStatus | None, lock: bool) -> None:
        """The hand, or None; `lock`: whether one shape and skin is to be kept at all."""
        if hand is None:
            shown = 'No hand in the picture', '', 'hand', 0, '', 'muted', ''
        else:
            sure = round(100 * hand.confidence)
            percent, state, picture = calibration(hand, lock)
            role = 'good' if hand.confidence >= _SURE else 'warning' if hand.confidence >= _UNSURE else 'bad'
            settled = 'good' if picture == 'lock' else 'muted'
            shown = f'{hand.side.capitalize()} hand', f'{sure} % sure', picture, percent, state, settled, role
        if shown != self._shown:
            self._shown = shown
            self._show(*shown)

    def _show(self, name: str, confidence: str, picture: str, percent: int, state: str, state_role: str, role: str) -> None:
        self.name.setText(name)
        set_role(self.name, '' if confidence else 'muted')
        self.confidence.setText(confidence)
        self.confidence.setToolTip('How sure the program is that this is a hand, and that it follows it well')
        set_role(self.confidence, role)
        self.picture.setPixmap(icon(picture, 'good' if picture == 'lock' else 'muted').pixmap(_ICON, _ICON))
        self.bar.setValue(percent)
        self.bar.setVisible(bool(confidence))
        self.state.setText(state or ' ')
        set_role(self.state, state_role)
        self.setAccessibleName(', '.join(part for part in (name, confidence, state) if part))


def calibration(hand: HandStatus, lock: bool) -> tuple[int, str, str]:
    """Per cent of the way, in words, and an icon."""
    if not lock or not hand.kept:
        return 0, 'shape and skin are free in each picture', 'unlocked'
    skin = f'skin {round(100 * hand.texture_seen)} % seen'
    if hand.shape_locked:
        return 100, f'locked · {skin}, {round(100 * hand.texture_seen * hand.texture_locked)} % kept', 'lock'
    percent = min(round(100 * hand.shape_certainty), 99)  # 100 is for the lock alone
    return percent, f'calibrating {percent} % · {skin}' if hand.learning else 'not calibrating: the fit is off', 'hand'


def set_role(label: QLabel, role: str) -> None:
    """Another role of the theme, restyled only when it changes."""
    if label.property('role') != role:
        label.setProperty('role', role)
        label.style().unpolish(label)
        label.style().polish(label)
