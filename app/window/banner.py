"""Sentences over the picture: what happened, and buttons for what to do about it. Errors stay until closed, the rest fades."""
from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from PyQt5.QtCore import QAbstractAnimation, QEvent, QPropertyAnimation, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QPainter
from PyQt5.QtWidgets import QGraphicsOpacityEffect, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.window.icons import icon
from app.window.theme import COLOURS, GRID, RADIUS, translucent

Severity = Literal['info', 'good', 'warning', 'error']

_ICONS = {'info': ('info', 'text'), 'good': ('check', 'good'), 'warning': ('warning', 'warning'), 'error': ('error', 'bad')}
_STAYS = {'info': 6000, 'good': 8000, 'warning': 0, 'error': 0}  # milliseconds; 0: until it is closed
_WIDEST = 640  # pixels
FAILED = 'failed'  # how the keys of sources that could not be opened begin
_FADE = 200  # milliseconds
_AT_ONCE = 3  # more would hide the picture: the oldest goes
_BUTTON = '''QPushButton {{ background: transparent; color: {accent}; border: 1px solid transparent; padding: 4px 8px; font-weight: 600; }}
QPushButton:hover {{ background: {hover}; }} QPushButton:focus {{ border-color: {accent}; }}'''
_CLOSE = '''QToolButton {{ background: transparent; border: 1px solid transparent; padding: 4px; }}
QToolButton:hover {{ background: {hover}; }}'''


class Banner(QWidget):
    """One sentence with its buttons, on dark glass in both themes. It closes itself unless it warns."""

    closed = pyqtSignal()

    def __init__(self, sentence: str, severity: Severity = 'info', buttons: tuple[tuple[str, Callable[[], None]], ...] = (),
                 seconds: float | None = None, parent: QWidget | None = None):
        """`buttons`: a word and what it does; the banner closes then. `seconds`: how long it stays, 0 until it is closed."""
        super().__init__(parent)
        self.sentence, self.severity = sentence, severity
        palette = COLOURS['dark']
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        row.setSpacing(GRID)
        sign = QLabel()
        sign.setPixmap(icon(*_ICONS[severity], glass=True).pixmap(QSize(20, 20)))
        text = QLabel(sentence)
        text.setWordWrap(True)
        text.setTextFormat(Qt.PlainText)
        text.setTextInteractionFlags(Qt.TextSelectableByMouse)
        text.setStyleSheet(f'color: {palette.on_glass}')
        text.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Preferred)
        text.setMinimumHeight(24)
        row.addWidget(sign, 0, Qt.AlignVCenter)
        row.addWidget(text, 1)
        for word, action in buttons:
            button = QPushButton(word)
            button.setStyleSheet(_BUTTON.format(accent=palette.accent, hover=palette.hover))
            button.setCursor(Qt.PointingHandCursor)
            button.setFocusPolicy(Qt.TabFocus)
            button.clicked.connect(lambda _=False, act=action: (self.close(), act()))
            row.addWidget(button, 0, Qt.AlignVCenter)
        close = QToolButton()
        close.setIcon(icon('close', 'muted', glass=True))
        close.setStyleSheet(_CLOSE.format(hover=palette.hover))
        close.setToolTip('Close')
        close.setAccessibleName('Close this message')
        close.setFocusPolicy(Qt.TabFocus)
        close.clicked.connect(self.close)
        row.addWidget(close, 0, Qt.AlignVCenter)
        self.setAttribute(Qt.WA_DeleteOnClose)
        self.setAccessibleName(sentence)
        margins = row.contentsMargins()
        others = [row.itemAt(place).widget() for place in range(row.count()) if place != 1]
        fixed = margins.left() + margins.right() + sum(widget.sizeHint().width() + GRID for widget in others)
        self._wanted = fixed + text.fontMetrics().horizontalAdvance(sentence) + 2 * GRID  # pixels, in one line
        self.fit(_WIDEST)
        stays = _STAYS[severity] if seconds is None else round(1000 * seconds)
        if stays:
            timer = QTimer(self, singleShot=True)
            timer.timeout.connect(self.fade)
            timer.start(stays)

    def fit(self, widest: int) -> None:
        """Be as wide as the sentence needs, but not wider than so many pixels; then it takes several lines."""
        self.setFixedWidth(max(min(self._wanted, _WIDEST, widest), 24 * GRID))
        self.setFixedHeight(max(self.layout().heightForWidth(self.width()), 5 * GRID))

    def fade(self) -> None:
        """Go, softly."""
        effect = QGraphicsOpacityEffect(self)
        self.setGraphicsEffect(effect)
        animation = QPropertyAnimation(effect, b'opacity', self)
        animation.setDuration(_FADE)
        animation.setStartValue(1.0)
        animation.setEndValue(0.0)
        animation.finished.connect(self.close)
        animation.start(QAbstractAnimation.DeleteWhenStopped)

    def closeEvent(self, event) -> None:
        self.closed.emit()
        super().closeEvent(event)

    def paintEvent(self, event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        painter.setPen(Qt.NoPen)
        painter.setBrush(translucent(COLOURS['dark'].glass, 0.84))
        painter.drawRoundedRect(self.rect(), RADIUS, RADIUS)


class Banners(QWidget):
    """The banners over a widget, newest at the bottom. One per key: a new one with the same key takes the old one's place."""

    def __init__(self, over: QWidget):
        super().__init__(over)
        self._over = over
        self._banners: dict[str, Banner] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(GRID)
        self._column.setSizeConstraint(QVBoxLayout.SetFixedSize)
        over.installEventFilter(self)
        self.hide()

    def tell(self, sentence: str, severity: Severity = 'info', buttons: tuple[tuple[str, Callable[[], None]], ...] = (), key: str = '',
             seconds: float | None = None) -> Banner:
        """Show a sentence; see `Banner`. Without a key it stands for itself."""
        key = key or sentence
        self.dismiss(key)
        while len(self._banners) >= _AT_ONCE:
            self.dismiss(next(iter(self._banners)))
        banner = Banner(sentence, severity, buttons, seconds, self)
        self._banners[key] = banner
        banner.closed.connect(lambda: self._gone(key, banner))
        self._column.addWidget(banner, 0, Qt.AlignHCenter)
        banner.show()
        self.show()
        self.raise_()
        self._place()
        return banner

    def dismiss(self, key: str) -> None:
        """Take the banner with this key away, if there is one."""
        banner = self._banners.pop(key, None)
        if banner is not None:
            banner.close()

    def dismiss_all(self, beginning: str) -> None:
        """Take all away whose keys begin so."""
        for key in [key for key in self._banners if key.startswith(beginning)]:
            self.dismiss(key)

    def sentences(self) -> list[str]:
        """What stands there."""
        return [banner.sentence for banner in self._banners.values()]

    def _gone(self, key: str, banner: Banner) -> None:
        if self._banners.get(key) is banner:
            del self._banners[key]
        self._column.removeWidget(banner)
        self._place()

    def _place(self) -> None:
        self.setVisible(bool(self._banners))
        for banner in self._banners.values():
            banner.fit(self._over.width() - 4 * GRID)
        self.adjustSize()
        self.move((self._over.width() - self.width()) // 2, 4 * GRID)

    def eventFilter(self, watched, event: QEvent) -> bool:
        if watched is self._over and event.type() == QEvent.Resize:
            self._place()
        return False
