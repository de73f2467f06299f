"""How every dialog is laid out: one column with even margins, and the buttons at its lower right."""
from __future__ import annotations

from PyQt5.QtWidgets import QDialog, QHBoxLayout, QPushButton, QVBoxLayout

from app.window.theme import GRID


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
