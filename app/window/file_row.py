"""A row that names a file or folder, with a button to choose another and, if wanted, one to go back to the usual."""
from __future__ import annotations

from PyQt5.QtCore import QSize, Qt, pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QWidget

from app.window.icons import icon
from app.window.theme import GRID

_ICON = 16  # pixels


class ShortLabel(QLabel):
    """One line that leaves out its middle or its end when there is no room; the tooltip has all of it."""

    def __init__(self, mode: Qt.TextElideMode = Qt.ElideMiddle, parent: QWidget | None = None):
        super().__init__(parent)
        self.mode, self.full = mode, ''
        self.setTextFormat(Qt.PlainText)
        self.setSizePolicy(QSizePolicy.Ignored, QSizePolicy.Preferred)

    def show_text(self, text: str, tip: str | None = None) -> None:
        """The text, and what the tooltip says if not the same."""
        self.full = text
        self.setToolTip(text if tip is None else tip)
        self._fit()

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setText(self.fontMetrics().elidedText(self.full, self.mode, max(self.width() - 1, 0)))


class FileRow(QWidget):
    """The name on the left, the buttons on the right."""

    choose = pyqtSignal()
    usual = pyqtSignal()

    def __init__(self, name: str, tip: str, usual_tip: str = '', button: str = 'Choose…', parent: QWidget | None = None):
        """`usual_tip`: what the button says that goes back to the usual; empty: there is none."""
        super().__init__(parent)
        self.label = ShortLabel()
        self.button = QPushButton(button)
        self.button.setToolTip(tip)
        self.button.setAccessibleName(f'{name}: {button.removesuffix("…").lower()}')
        self.button.setStyleSheet('padding: 6px 12px;')
        self.back = QToolButton()
        self.back.setIcon(icon('close', 'muted'))
        self.back.setIconSize(QSize(_ICON, _ICON))
        self.back.setProperty('kind', 'tool')
        self.back.setToolTip(usual_tip)
        self.back.setAccessibleName(f'{name}: {usual_tip}')
        self.back.hide()
        self._returns = bool(usual_tip)
        self.setMinimumHeight(4 * GRID)  # also without its buttons
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GRID // 2)
        row.addWidget(self.label, 1)
        row.addWidget(self.back)
        row.addWidget(self.button)
        for widget, signal in ((self.button, self.choose), (self.back, self.usual)):
            widget.setFocusPolicy(Qt.TabFocus)
            widget.clicked.connect(signal)

    def show_text(self, text: str, tip: str | None = None, usual: bool = True) -> None:
        """What is chosen; `usual`: it is what one would go back to."""
        self.label.show_text(text, tip)
        self.back.setVisible(self._returns and not usual)
