"""How every dialog is laid out: one column with even margins, and the buttons at its lower right. On small screens its middle scrolls."""
from __future__ import annotations

from PyQt5.QtCore import QPoint, QRect, QSize, Qt
from PyQt5.QtWidgets import QDialog, QFrame, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from app.window.theme import GRID

_FRAME = QSize(2 * GRID, 6 * GRID)  # pixels that the system puts around a dialog


def dialog_column(dialog: QDialog) -> QVBoxLayout:
    """The dialog's column, empty."""
    column = QVBoxLayout(dialog)
    column.setContentsMargins(3 * GRID, 3 * GRID, 3 * GRID, 3 * GRID)
    column.setSpacing(GRID)
    return column


def button_row(*buttons: QPushButton) -> QHBoxLayout:
    """The buttons, from left to right, moved to the right."""
    row = QHBoxLayout()
    row.setSpacing(GRID)
    row.addStretch(1)
    for button in buttons:
        row.addWidget(button)
    return row


def screen_room(dialog: QDialog) -> QSize:
    """How large the dialog can be on its screen."""
    return dialog.screen().availableGeometry().size() - _FRAME


def centre(dialog: QDialog) -> None:
    """Move it to the middle of the window that it belongs to, as far as the screen has room there."""
    room = dialog.screen().availableGeometry()
    place = QRect(QPoint(), dialog.size() + _FRAME)
    place.moveCenter((dialog.parentWidget().window().geometry() if dialog.parentWidget() else room).center())
    dialog.move(max(min(place.left(), room.right() + 1 - place.width()), room.left()),
                max(min(place.top(), room.bottom() + 1 - place.height()), room.top()))


class Scrolled(QScrollArea):
    """The part of a dialog that scrolls where the screen has no room for all of it."""

    def __init__(self, content: QWidget):
        super().__init__()
        self.setFrameShape(QFrame.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.NoFocus)
        self.setWidget(content)
        content.setAutoFillBackground(False)  # which the scroll area has just switched on
        self.viewport().setAutoFillBackground(False)
