"""What the dialogs share that start work in the background: a title, what it does, rows, a note, and the buttons."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtGui import QShowEvent
from PyQt5.QtWidgets import QComboBox, QDialog, QLabel, QLayout, QPushButton, QVBoxLayout, QWidget

from app.window.controls import WheelGuard
from app.window.dialog_layout import Scrolled, button_row, centre, dialog_column, screen_room
from app.window.hand_card import set_role
from app.window.section import words
from app.window.theme import GRID

if TYPE_CHECKING:
    from app.live.jobs import Job

WIDTH = 480  # pixels
_jobs: WeakSet[Job] = WeakSet()  # all that were started from dialogs


class JobDialog(QDialog):
    """Fill `rows`, give `make_job`; `started(job, name)` follows when the person agrees. Open it with `open()`."""

    started = pyqtSignal(object, str)  # Job, its name for people

    def __init__(self, title: str, what: str, go: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setModal(True)
        self.setAttribute(Qt.WA_DeleteOnClose)
        heading = QLabel(title)
        heading.setProperty('role', 'title')
        heading.setWordWrap(True)
        content = QWidget()
        self.rows = QVBoxLayout(content)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.setSpacing(GRID)
        self.scroll = Scrolled(content)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        self.note = words('', 'warning')
        self.cancel, self.go = QPushButton('Cancel'), QPushButton(go)
        self.go.setProperty('kind', 'primary')
        self.go.setDefault(True)
        self.cancel.setAutoDefault(False)
        self.cancel.clicked.connect(self.reject)
        self.go.clicked.connect(self.accept)
        column = dialog_column(self)
        column.addWidget(heading)
        column.addWidget(words(what, 'muted'))
        column.addSpacing(GRID)
        column.addWidget(self.scroll)
        column.addWidget(self.note)
        column.addSpacing(GRID)
        column.addLayout(button_row(self.cancel, self.go))
        column.setSizeConstraint(QLayout.SetNoConstraint)  # `fit` does it
        self.setFixedWidth(WIDTH)
        self._guard = WheelGuard(self)

    def make_job(self) -> tuple[Job, str]:
        """The job as it is asked for, not yet started, and its name."""
        raise NotImplementedError

    def heading(self, text: str) -> None:
        """A word above the rows that follow."""
        self.rows.addSpacing(GRID)
        label = QLabel(text)
        label.setProperty('role', 'heading')
        self.rows.addWidget(label)

    def say(self, sentence: str, possible: bool = True) -> None:
        """A note below the rows; `possible`: whether it can be started all the same."""
        self.note.setText(sentence)
        self.note.setVisible(bool(sentence))
        set_role(self.note, 'warning' if possible else 'bad')
        self.go.setEnabled(possible)
        self.fit()

    def fit(self) -> None:
        """As high as the rows need; where the screen has no room for that, they scroll."""
        if not self.isVisible():
            return
        margins, bar = self.layout().contentsMargins(), self.scroll.verticalScrollBar().sizeHint().width()
        self.rows.setContentsMargins(0, 0, 0, 0)
        wanted = self.rows.totalSizeHint().height()
        if self.rows.hasHeightForWidth():
            wanted = self.rows.totalHeightForWidth(self.width() - margins.left() - margins.right())
        self.scroll.setFixedHeight(wanted)
        over = self.layout().totalHeightForWidth(self.width()) - screen_room(self).height()
        if over > 0:
            self.rows.setContentsMargins(0, 0, bar, 0)
            self.scroll.setFixedHeight(max(wanted - over, bar))
        self.layout().activate()
        self.resize(self.width(), self.layout().totalHeightForWidth(self.width()))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        for box in self.findChildren(QComboBox):
            box.installEventFilter(self._guard)
        self.fit()
        centre(self)  # Qt did it before it knew the size

    def accept(self) -> None:
        job, name = self.make_job()
        job.start()
        _jobs.add(job)
        super().accept()
        self.started.emit(job, name)


def being_written(folder: Path) -> bool:
    """Whether a job that still runs writes into this folder: two at once would spoil each other's files."""
    return any(job.progress.state == 'running' and job.progress.folder == folder.absolute() for job in _jobs)


def replaced_sentence(folder: Path) -> str:
    """What a new reconstruction into this folder does away with; '' where there is nothing."""
    from app.outputs.folder import earlier_results

    names = [name for name in earlier_results(folder) if not name.endswith('.json')]
    return f'An earlier result lies in {folder.name} and will be replaced: {", ".join(names)}.' if names else ''
