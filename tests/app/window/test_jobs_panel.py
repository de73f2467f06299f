"""The list of background jobs: how far they are, how they end, and that nobody loses one by closing the window."""
from __future__ import annotations

from pathlib import Path

import pytest
from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtWidgets import QApplication

from app.live.jobs import Progress, meshes_job
from app.window import jobs_panel
from app.window.close_question import CloseQuestion
from app.window.jobs_panel import JobsPanel, how_far, left

PATIENCE = 60_000  # milliseconds, for a process to start and end on a busy machine


class MadeJob:
    """A job that a test moves on by hand."""

    def __init__(self, folder: Path):
        self.progress = Progress(0, None, None, 'Starting.', 'running', folder)
        self.cancelled = 0

    def move(self, **values) -> None:
        self.progress = Progress(**{**vars(self.progress), **values})

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.fixture
def panel(qtbot) -> JobsPanel:
    made = JobsPanel()
    qtbot.addWidget(made)
    made.resize(320, 400)
    return made


def test_it_is_hidden_without_jobs_and_looks_only_while_one_runs(panel: JobsPanel, qtbot, tmp_path: Path):
    clock = panel.findChild(QTimer)
    assert panel.isHidden() and not clock.isActive()
    job, ended = MadeJob(tmp_path), []
    panel.finished.connect(ended.append)
    panel.add_job(job, 'Reconstruct clip.mp4')
    row = panel.jobs[0]
    assert panel.isVisible() and clock.isActive() and panel.running == 1
    assert (row.bar.maximum(), row.words.text()) == (0, 'Starting.'), 'before the first frame the bar only moves'
    job.move(done=120, total=300, fps=24.4)
    qtbot.waitUntil(lambda: row.bar.value() == 120, timeout=10_000)
    assert row.words.text() == '120 of 300 · 24 a second · 7 s left'
    job.move(state='done', sentence='300 of 300 frames have a hand.')
    qtbot.waitUntil(lambda: ended == [job], timeout=10_000)
    assert not clock.isActive() and panel.running == 0
    assert row.open.isVisible() and not row.bar.isVisible() and not row.stop.isVisible() and '300' in row.words.text()
    row.away.click()
    assert panel.isHidden() and panel.jobs == []


def test_a_job_is_stopped_once_and_says_so_when_it_has(panel: JobsPanel, qtbot, tmp_path: Path):
    job = MadeJob(tmp_path)
    panel.add_job(job, 'Export clip')
    row = panel.jobs[0]
    row.stop.click()
    row.stop.click()
    assert job.cancelled == 1 and row.words.text() == 'Stopping…'
    job.move(done=3, total=9)
    row.look()
    assert row.words.text() == 'Stopping…', 'it still runs for a moment'
    job.move(state='cancelled', sentence='Cancelled.')
    qtbot.waitUntil(lambda: row.words.text() == 'Stopped.', timeout=10_000)
    assert not row.open.isVisible() and row.away.isVisible()


def test_a_job_that_fails_says_why(panel: JobsPanel, qtbot, tmp_path: Path):
    job = MadeJob(tmp_path)
    panel.add_job(job, 'Export clip')
    job.move(state='failed', sentence='The disk is full: free some space.')
    row = panel.jobs[0]
    qtbot.waitUntil(lambda: row.words.text() == 'The disk is full: free some space.', timeout=10_000)
    assert row.words.property('role') == 'bad' and not row.open.isVisible()


def test_the_folder_of_a_finished_job_is_opened(panel: JobsPanel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    job, opened = MadeJob(tmp_path), []
    job.move(state='done', folder=tmp_path / 'clip')
    panel.add_job(job, 'Export clip')
    monkeypatch.setattr(jobs_panel, 'open_folder', lambda folder: opened.append(folder) or f'No file manager; the folder is {folder}')
    panel.jobs[0].open.click()
    assert opened == [tmp_path / 'clip'] and str(tmp_path) in panel.jobs[0].words.text()


@pytest.mark.parametrize(('press', 'closes'), [('Stop and close', True), ('Keep the window open', False), (None, False)])
def test_closing_asks_while_jobs_run(panel: JobsPanel, qtbot, tmp_path: Path, press: str | None, closes: bool):
    assert panel.may_close(panel), 'nothing runs: nobody is asked'
    job = MadeJob(tmp_path)
    panel.add_job(job, 'Export clip')
    asked = []

    def answer() -> None:
        question = QApplication.activeModalWidget()
        assert isinstance(question, CloseQuestion)
        asked.append(question.words.text())
        if press is None:
            qtbot.keyClick(question, Qt.Key_Escape)
        else:
            next(button for button in (question.stop, question.stay) if button.text() == press).click()

    QTimer.singleShot(0, answer)
    assert panel.may_close(panel) is closes and 'not finished' in asked[0]
    assert job.cancelled == closes
    job.move(state='cancelled')
    panel.cancel_all()


def test_times_and_rates_are_said_as_a_person_says_them(tmp_path: Path):
    assert [left(s) for s in (0, 1.4, 59, 61, 600, 3500, 5400)] == ['1 s', '1 s', '59 s', '1 min', '10 min', '58 min', '1.5 h']
    told = Progress(30, None, 4.32, '', 'running', tmp_path)
    assert how_far(told) == '30 done · 4.3 a second'


def test_a_real_job_that_cannot_work_ends_with_its_sentence(panel: JobsPanel, qtbot, tmp_path: Path):
    file = tmp_path / 'hands.npz'
    file.write_bytes(b'nothing of the kind')
    job = meshes_job(file, tmp_path / 'out', 'obj')
    job.start()
    panel.add_job(job, 'Export clip')
    qtbot.waitUntil(lambda: panel.running == 0, timeout=PATIENCE)
    assert panel.jobs[0].state == 'failed' and 'hands.npz' in panel.jobs[0].words.text(), panel.jobs[0].words.text()
    assert job.wait(10)
