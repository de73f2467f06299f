"""The `?` sheet: every key there is, by group."""
from __future__ import annotations

from PyQt5.QtCore import QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QKeyEvent, QPainter, QShowEvent
from PyQt5.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.window.actions import ACTIONS, keys, native
from app.window.dialog_layout import Scrolled, centre, screen_room
from app.window.theme import GRID, colours

_COLUMNS = (('Look', 'Hands'), ('Playing', 'Saving'), ('Sources', 'Window'))


class KeyCap(QWidget):
    """A key as it looks on a keyboard."""

    def __init__(self, text: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.text = {'Left': '←', 'Right': '→'}.get(text, text)
        self.setAccessibleName(text)
        self.setFixedSize(self.sizeHint())

    def sizeHint(self) -> QSize:
        return QSize(max(self.fontMetrics().horizontalAdvance(self.text) + 2 * GRID, 3 * GRID + 4), 3 * GRID)

    def paintEvent(self, _) -> None:
        palette, painter = colours(), QPainter(self)
        painter.setRenderHint(QPainter.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QColor(palette.edge))
        painter.setBrush(QColor(palette.raised))
        painter.drawRoundedRect(box, 5, 5)
        painter.setPen(QColor(palette.text))
        painter.drawText(self.rect(), Qt.AlignCenter, self.text)


class ShortcutsSheet(QDialog):
    """Closed by Esc, by its button, and by `?` again. Open it with `open()`."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setWindowTitle('All shortcuts')
        self.setAttribute(Qt.WA_DeleteOnClose)
        heading = QLabel('All shortcuts')
        heading.setProperty('role', 'title')
        close = QPushButton('Close')
        close.clicked.connect(self.reject)
        foot = QHBoxLayout()
        mouse = QLabel('3D view: drag turns, right-drag moves, the wheel zooms. Files and folders can be dropped on the picture.')
        mouse.setProperty('role', 'muted')
        mouse.setWordWrap(True)  # on narrow screens
        foot.addWidget(mouse, 1)
        foot.addWidget(close)
        content = QWidget()
        columns = QHBoxLayout(content)
        columns.setContentsMargins(0, 0, 0, 0)
        columns.setSpacing(5 * GRID)
        for names in _COLUMNS:
            column = QVBoxLayout()
            column.setSpacing(3 * GRID)
            caps = {spec.id: [KeyCap(native(key)) for key in keys(spec)] for spec in ACTIONS if spec.group in names}
            widest = max(sum(cap.width() for cap in row) + GRID // 2 * (len(row) - 1) for row in caps.values())
            for name in names:
                column.addLayout(_group(name, caps, widest))
            column.addStretch(1)
            columns.addLayout(column)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(4 * GRID, 3 * GRID, 4 * GRID, 3 * GRID)
        whole.setSpacing(3 * GRID)
        whole.addWidget(heading)
        self.scroll = Scrolled(content)
        whole.addWidget(self.scroll)
        whole.addLayout(foot)
        whole.setSizeConstraint(QVBoxLayout.SetFixedSize)

    def showEvent(self, event: QShowEvent) -> None:
        wanted, bar = self.scroll.widget().sizeHint(), self.scroll.verticalScrollBar().sizeHint().width()
        self.scroll.setFixedSize(wanted)
        over = self.sizeHint() - screen_room(self)
        narrow, short = over.width() > 0, over.height() > 0
        self.scroll.setFixedSize(wanted.width() - (over.width() if narrow else -bar if short else 0),
                                 wanted.height() - (over.height() if short else -bar if narrow else 0))
        self.adjustSize()
        centre(self)
        super().showEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.text() == '?':
            self.reject()
        else:
            super().keyPressEvent(event)


def _group(name: str, caps: dict[str, list[KeyCap]], widest: int) -> QGridLayout:
    """One group's keys, `caps` by action, in a column of `widest` pixels, and what they do."""
    grid = QGridLayout()
    grid.setHorizontalSpacing(2 * GRID)
    grid.setVerticalSpacing(GRID)
    grid.setColumnMinimumWidth(0, widest)
    grid.setColumnStretch(1, 1)
    title = QLabel(name)
    title.setProperty('role', 'heading')
    grid.addWidget(title, 0, 0, 1, 2)
    for number, spec in enumerate((spec for spec in ACTIONS if spec.group == name), 1):
        row = QHBoxLayout()
        row.setSpacing(GRID // 2)
        for cap in caps[spec.id]:
            row.addWidget(cap)
        row.addStretch(1)
        grid.addLayout(row, number, 0)
        grid.addWidget(QLabel(spec.text.removesuffix('…')), number, 1)
    return grid
