"""A part of the side panel that folds."""
from __future__ import annotations

import re

from PyQt5.QtCore import QSize, Qt
from PyQt5.QtGui import QColor, QPainter
from PyQt5.QtWidgets import QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.window.icons import icon
from app.window.theme import GRID, colours

_CHEVRON = 16  # pixels
_MAY_BREAK = '\u200b'


class Section(QWidget):
    """A heading to press, and below it the body with the controls."""

    def __init__(self, title: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.title = title
        self.header = QPushButton(title)
        self.header.setProperty('kind', 'flat')
        self.header.setStyleSheet('text-align: left; font-weight: 600; padding: 7px 8px;')
        self.header.setIconSize(QSize(_CHEVRON, _CHEVRON))
        self.header.setFocusPolicy(Qt.TabFocus)
        self.header.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self.header.clicked.connect(lambda: self.fold(not self.folded))
        self.body = QWidget()
        self.rows = QVBoxLayout(self.body)
        self.rows.setContentsMargins(2 * GRID, 0, 2 * GRID, 2 * GRID)
        self.rows.setSpacing(GRID)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, GRID, 0, 1)
        column.setSpacing(0)
        holder = QVBoxLayout()
        holder.setContentsMargins(GRID, 0, GRID, GRID // 2)
        holder.addWidget(self.header)
        column.addLayout(holder)
        column.addWidget(self.body)
        self.fold(False)

    @property
    def folded(self) -> bool:
        """Whether the body is hidden."""
        return self.body.isHidden()

    def fold(self, folded: bool) -> None:
        """Hide or show the body."""
        self.body.setVisible(not folded)
        self.header.setIcon(icon('right' if folded else 'down', 'muted'))
        self.header.setAccessibleName(f'{self.title}: {"show" if folded else "hide"} these settings')
        self.header.setToolTip('Show these settings' if folded else 'Hide these settings')

    def add(self, widget: QWidget, space: int = 0) -> QWidget:
        """Another row, with `space` pixels more above it; the widget again."""
        if space:
            self.rows.addSpacing(space)
        self.rows.addWidget(widget)
        return widget

    def paintEvent(self, _) -> None:
        painter = QPainter(self)
        painter.fillRect(0, self.height() - 1, self.width(), 1, QColor(colours().line))


class Words(QLabel):
    """Plain text that wraps, also within long paths, which would make the panel wider than there is room."""

    def __init__(self, text: str):
        super().__init__()
        self.setTextFormat(Qt.PlainText)
        self.setWordWrap(True)
        self.setText(text)

    def setText(self, text: str) -> None:
        self._text = text
        super().setText(re.sub(r'(\S{24})(?=\S)|([/\\_])(?=\S)', lambda found: f'{found[0]}{_MAY_BREAK}', text))

    def text(self) -> str:
        return self._text


def words(text: str, role: str = '') -> QLabel:
    """A label of plain text that wraps; `role` as in the theme."""
    label = Words(text)
    if role:
        label.setProperty('role', role)
    return label
