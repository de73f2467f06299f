"""Asks before the window is closed while something runs in the background."""
from __future__ import annotations

from PyQt5.QtWidgets import QDialog, QLabel, QPushButton, QWidget

from app.window.dialog_layout import button_row, dialog_column
from app.window.section import words
from app.window.theme import GRID

_WIDTH = 400  # pixels


class CloseQuestion(QDialog):
    """`exec_()` is true when the person wants what runs to be stopped. Staying is what Enter and Esc do."""

    def __init__(self, running: int, parent: QWidget | None = None):
        super().__init__(parent)
        self.setWindowTitle('Close the window?')
        self.setFixedWidth(_WIDTH)
        heading = QLabel('Something still runs')
        heading.setProperty('role', 'title')
        it = 'A job in the background is not finished. What it has' if running == 1 else \
            f'{running} jobs in the background are not finished. What they have'
        self.words = words(f'{it} not written yet would be lost.', 'muted')
        self.stop, self.stay = QPushButton('Stop and close'), QPushButton('Keep the window open')
        self.stay.setProperty('kind', 'primary')
        self.stay.setDefault(True)
        self.stop.setAutoDefault(False)
        self.stop.clicked.connect(self.accept)
        self.stay.clicked.connect(self.reject)
        column = dialog_column(self)
        column.addWidget(heading)
        column.addWidget(self.words)
        column.addSpacing(2 * GRID)
        column.addLayout(button_row(self.stop, self.stay))
