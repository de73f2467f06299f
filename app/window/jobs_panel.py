"""What is done in the background: how far each job is, and what became of it."""
from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt5.QtCore import QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QToolButton, QVBoxLayout, QWidget

from app.window.close_question import CloseQuestion
from app.window.file_row import ShortLabel
from app.window.hand_card import set_role
from app.window.icons import icon
from app.window.open_folder import open_folder
from app.window.section import Section, words
from app.window.theme import GRID

if TYPE_CHECKING:
    from app.live.jobs import Job, Progress

_LOOK = 250  # milliseconds between looks at the jobs
_ICON = 16  # pixels
ENDED = {'done': 'Done.', 'failed': 'It did not work.'}  # when the job has nothing to say itself


class JobRow(QWidget):
    """One job."""

    removed = pyqtSignal()

    def __init__(self, job: Job, name: str, parent: QWidget | None = None):
        super().__init__(parent)
        self.job, self.state = job, 'running'
        self._folder = None
        self.name = ShortLabel(Qt.ElideMiddle)
        self.name.show_text(name)
        self.stop, self.away = QPushButton('Stop'), QToolButton()
        self.stop.setToolTip('Stop it; nothing half-written is left')
        self.stop.setAccessibleName(f'Stop {name}')
        self.stop.setStyleSheet('padding: 3px 12px;')
        self.stop.clicked.connect(self._stop)
        self.away.setProperty('kind', 'tool')
        self.away.setStyleSheet('padding: 4px;')
        self.away.setIcon(icon('close', 'muted'))
        self.away.setIconSize(QSize(_ICON, _ICON))
        self.away.setToolTip('Take this off the list')
        self.away.setAccessibleName(f'Take {name} off the list')
        self.away.clicked.connect(self.removed)
        self.stop.setFocusPolicy(Qt.TabFocus)
        self.away.setFocusPolicy(Qt.TabFocus)
        self.away.hide()
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setStyleSheet('min-height: 4px; max-height: 4px; border-radius: 2px;')
        self.bar.setAccessibleName(f'How far {name} is')
        self.words = words('', 'muted')
        self.open = QPushButton('Open folder')
        self.open.setFocusPolicy(Qt.TabFocus)
        self.open.setAccessibleName(f'Open the folder of {name}')
        self.open.setToolTip('Show the results in the file manager')
        self.open.clicked.connect(self._open)
        self.open.hide()
        head = QHBoxLayout()
        head.setSpacing(GRID // 2)
        head.addWidget(self.name, 1)
        head.addWidget(self.stop)
        head.addWidget(self.away)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, GRID)
        column.setSpacing(GRID // 2)
        column.addLayout(head)
        for widget in (self.bar, self.words, self.open):
            column.addWidget(widget)
        self.look()

    def look(self) -> None:
        """Ask the job how far it is."""
        progress = self.job.progress
        self.state = progress.state
        running = progress.state == 'running'
        self.bar.setVisible(running)
        if running:
            self.bar.setRange(0, progress.total or 0)
            self.bar.setValue(progress.done)
            if self.stop.isEnabled():
                self.words.setText(how_far(progress))
            return
        self._folder = progress.folder
        self.words.setText({'cancelled': 'Stopped.'}.get(progress.state) or progress.sentence or ENDED[progress.state])
        set_role(self.words, {'done': 'good', 'failed': 'bad'}.get(progress.state, 'muted'))
        self.stop.hide()
        self.away.show()
        self.open.setVisible(progress.state == 'done')

    def _stop(self) -> None:
        self.stop.setEnabled(False)
        self.words.setText('Stopping…')
        self.job.cancel()

    def _open(self) -> None:
        if sentence := open_folder(self._folder):
            self.words.setText(sentence)
            set_role(self.words, 'warning')


class JobsPanel(Section):
    """Hidden while there is nothing to tell. Looks at its jobs only while one runs."""

    added = pyqtSignal()
    finished = pyqtSignal(object)  # Job, when it is done, failed or stopped

    def __init__(self, parent: QWidget | None = None):
        super().__init__('In the background', parent)
        self.jobs: list[JobRow] = []
        self._clock = QTimer(self)
        self._clock.setInterval(_LOOK)
        self._clock.timeout.connect(self._look)
        self.hide()

    def add_job(self, job: Job, name: str) -> None:
        """Watch a job that was started; `name`: as a person calls it."""
        row = JobRow(job, name)
        row.removed.connect(lambda: self._remove(row))
        self.jobs.append(row)
        self.rows.addWidget(row)
        self.show()
        self.fold(False)
        self._clock.start()
        self.added.emit()

    @property
    def running(self) -> int:
        """How many jobs run."""
        return sum(row.state == 'running' for row in self.jobs)

    def may_close(self, parent: QWidget) -> bool:
        """Whether the window may be closed: at once when nothing runs, else the person is asked, and running jobs are stopped if so."""
        self._look()
        if not self.running:
            return True
        question = CloseQuestion(self.running, parent)
        agreed = bool(question.exec_())
        question.deleteLater()
        if agreed:
            self.cancel_all()
        return agreed

    def cancel_all(self) -> None:
        """Stop whatever runs."""
        for row in self.jobs:
            if row.state == 'running':
                row.job.cancel()
        self._clock.stop()

    def _look(self) -> None:
        for row in self.jobs:
            if row.state == 'running':
                row.look()
                if row.state != 'running':
                    self.finished.emit(row.job)
        if not self.running:
            self._clock.stop()

    def _remove(self, row: JobRow) -> None:
        self.jobs.remove(row)
        self.rows.removeWidget(row)
        row.hide()
        row.deleteLater()
        self.setVisible(bool(self.jobs))


def how_far(progress: Progress) -> str:
    """'120 of 300 · 24 a second · 8 s left'."""
    parts = [f'{progress.done} of {progress.total}' if progress.total else f'{progress.done} done']
    if progress.fps:
        parts.append(f'{progress.fps:.0f} a second' if progress.fps >= 10 else f'{progress.fps:.1f} a second')
        if progress.total:
            parts.append(f'{left(max(progress.total - progress.done, 0) / progress.fps)} left')
    return ' · '.join(parts) if progress.done else progress.sentence or 'Starting…'


def left(seconds: float) -> str:
    """A time to wait, as a person says it."""
    if seconds < 60:
        return f'{max(round(seconds), 1)} s'
    return f'{round(seconds / 60)} min' if seconds < 3600 else f'{seconds / 3600:.1f} h'
