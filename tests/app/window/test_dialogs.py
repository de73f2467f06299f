"""The dialogs start the job that was asked for, refuse what cannot work, and say what would be replaced."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PyQt5.QtCore import QCoreApplication, QEvent, QRect, QSize, Qt
from PyQt5.QtWidgets import QApplication, QDialog, QFileDialog, QLabel, QPushButton, QWidget

from app.live.settings import LiveSettings
from app.window.actions import ACTIONS, keys, native
from app.window.export_dialog import ExportDialog
from app.window.file_choice import choose_file, choose_folder
from app.window.job_dialog import JobDialog
from app.window.jobs_panel import JobsPanel
from app.window.offline_dialog import OfflineDialog
from app.window.shortcuts_sheet import KeyCap, ShortcutsSheet
from tests.app.window.words_fit import assert_words_fit


def command(dialog: JobDialog) -> list[str]:
    """What the job would run, after `main.py`."""
    job, _ = dialog.make_job()
    return job._command[2:]


@pytest.fixture
def kept(qtbot) -> Iterator[Callable[[QDialog], None]]:
    """The dialog outlives its own closing, and goes with the test. A dialog without a parent is Python's: nobody may forget it while it
    is painted."""
    dialogs = []

    def keep(dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WA_DeleteOnClose, False)
        dialogs.append(dialog)

    yield keep
    for dialog in dialogs:
        dialog.close()
        dialog.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.DeferredDelete)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / 'demo 2026-11-21'
    folder.mkdir()
    (folder / 'hands.npz').write_bytes(b'')
    return folder


def test_the_offline_dialog_asks_for_what_is_chosen(kept, demo_clip: Path, tmp_path: Path):
    dialog = OfflineDialog(demo_clip, LiveSettings(), tmp_path)
    kept(dialog)
    assert command(dialog) == ['reconstruct', str(demo_clip), '--out', str(tmp_path), '--write', 'overlay,hands,glb,textures',
                               '--hands', '1', '--progress-lines'], 'all but the many meshes'
    dialog.mirrored.click()
    dialog.hands.button(2).click()
    dialog.products['meshes'].click()
    dialog.products['overlay'].click()
    dialog.camera.presets.button(78.0).click()
    assert command(dialog) == ['reconstruct', str(demo_clip), '--out', str(tmp_path), '--write', 'hands,meshes,glb,textures',
                               '--mirror', '--fov', '78.0', '--progress-lines'], 'two hands are what `reconstruct` does by itself'
    assert dialog.make_job()[0].progress.folder == tmp_path / 'demo'


def a_dialog(kind: type[QDialog], video: Path, folder: Path, parent: QWidget | None = None) -> QDialog:
    if kind is ShortcutsSheet:
        return ShortcutsSheet(parent)
    return OfflineDialog(video, LiveSettings(), folder, parent) if kind is OfflineDialog else ExportDialog(
        None, video, LiveSettings(), folder, parent)


@pytest.mark.parametrize('kind', [OfflineDialog, ExportDialog, ShortcutsSheet])
def test_on_a_small_screen_a_dialog_scrolls_and_its_buttons_stay_in_sight(qtbot, kept, monkeypatch, demo_clip: Path, tmp_path: Path, kind):
    """1366 x 768 is what many laptops have; 800 x 600 is the least."""
    for width, height in ((1350, 700), (784, 552), (2000, 2000)):
        for module in ('job_dialog', 'shortcuts_sheet'):
            monkeypatch.setattr(f'app.window.{module}.screen_room', lambda dialog: QSize(width, height))
        dialog = a_dialog(kind, demo_clip, tmp_path)
        kept(dialog)
        dialog.show()
        qtbot.waitUntil(dialog.isVisible, timeout=10_000)
        QCoreApplication.processEvents()
        assert dialog.width() <= width and dialog.height() <= height, f'{dialog.size()} where there is room for {width} x {height}'
        inside = QRect(0, 0, dialog.width(), dialog.height())
        for button in (b for b in dialog.findChildren(QPushButton) if b.parent() is dialog):
            assert inside.contains(button.geometry()), f'{button.text()} stands at {button.geometry()} in {inside}'
        content, seen = dialog.scroll.widget(), dialog.scroll.viewport()
        hidden = content.height() - seen.height(), content.width() - seen.width()
        assert hidden == (0, 0) or (width, height) != (2000, 2000), f'{hidden} pixels can only be scrolled to where there is room for all'
        dialog.close()


@pytest.mark.parametrize('kind', [OfflineDialog, ExportDialog, ShortcutsSheet])
def test_a_dialog_opens_in_the_middle_of_its_window(qtbot, kept, demo_clip: Path, tmp_path: Path, kind):
    window = QWidget()
    qtbot.addWidget(window)
    window.setGeometry(100, 60, 600, 480)
    with qtbot.waitExposed(window):
        window.show()
    dialog = a_dialog(kind, demo_clip, tmp_path, window)
    kept(dialog)
    dialog.open()
    qtbot.waitUntil(dialog.isVisible, timeout=10_000)
    QCoreApplication.processEvents()
    place = dialog.geometry()
    dialog.setParent(None)  # the window goes first
    off = place.center() - window.geometry().center()
    assert abs(off.x()) < 40 and abs(off.y()) < 50, f'it stands {off.x()}, {off.y()} pixels off the middle, {place}'


def test_the_offline_dialog_takes_camera_network_and_look_from_the_window(kept, demo_clip: Path, tmp_path: Path):
    live = LiveSettings(style='wireframe', intrinsics=tmp_path / 'camera.json', field_of_view=90.0, weights=tmp_path / 'mine.onnx',
                        provider='cuda', hands=2, smoothing=0.0, refine=False, lock=False, opacity=0.2)
    dialog = OfflineDialog(demo_clip, live, tmp_path)
    kept(dialog)
    assert command(dialog)[6:] == ['--intrinsics', str(tmp_path / 'camera.json'), '--weights', str(tmp_path / 'mine.onnx'),
                                   '--provider', 'cuda', '--style', 'wireframe', '--progress-lines'], 'what was off for speed is on again'
    dialog.camera.file.back.click()
    assert '--intrinsics' not in command(dialog) and command(dialog)[6:8] == ['--fov', '90.0']


def test_the_offline_dialog_refuses_nothing_and_warns_of_earlier_results(kept, demo_clip: Path, tmp_path: Path):
    (tmp_path / 'demo').mkdir()
    (tmp_path / 'demo' / 'hands.npz').write_bytes(b'')
    dialog = OfflineDialog(demo_clip, LiveSettings(), tmp_path)
    kept(dialog)
    dialog.open()
    assert 'replaced' in dialog.note.text() and dialog.go.isEnabled()
    dialog.set_folder(tmp_path / 'other')
    assert not dialog.note.isVisible()
    for switch in dialog.products.values():
        if switch.isChecked():
            switch.click()
    assert not dialog.go.isEnabled() and 'at least one' in dialog.note.text()
    dialog.products['glb'].click()
    dialog.set_video(tmp_path / 'gone.mp4')
    assert not dialog.go.isEnabled() and 'gone.mp4' in dialog.note.text()


def test_the_last_recording_is_exported_beside_its_numbers(kept, recording: Path, tmp_path: Path):
    dialog = ExportDialog(recording, None, LiveSettings(), tmp_path)
    kept(dialog)
    start = ['meshes', str(recording / 'hands.npz'), '--out', str(recording), '--format']
    assert command(dialog) == [*start, 'glb', '--start', '0', '--step', '1', '--progress-lines']
    dialog.kind.button('obj').click()
    dialog.textured.click()
    dialog.first.setValue(10), dialog.end.setValue(20), dialog.step.setValue(2)
    assert command(dialog) == [*start, 'obj', '--start', '10', '--step', '2', '--stop', '21', '--textured', '--progress-lines']
    dialog.kind.button('ply').click()
    of_frames = ['--start', '10', '--step', '2', '--stop', '21', '--progress-lines']
    assert command(dialog) == [*start, 'ply', *of_frames], 'PLY files have no texture'
    dialog.set_folder(tmp_path / 'elsewhere')
    assert command(dialog)[3] == str(tmp_path / 'elsewhere')
    assert not dialog.source_of.button('video').isEnabled() and 'no video' in dialog.source_of.button('video').toolTip()


@pytest.mark.parametrize(('kind', 'product'), [('obj', 'meshes'), ('ply', 'ply'), ('glb', 'glb')])
def test_the_open_video_is_reconstructed_for_its_export(kept, demo_clip: Path, tmp_path: Path, kind: str, product: str):
    dialog = ExportDialog(None, demo_clip, LiveSettings(hands=2, field_of_view=70.0), tmp_path)
    kept(dialog)
    dialog.kind.button(kind).click()
    dialog.end.setValue(0)
    assert command(dialog) == ['reconstruct', str(demo_clip), '--out', str(tmp_path), '--write', f'hands,{product}', '--stop', '1',
                               '--fov', '70.0', '--progress-lines']
    assert str(tmp_path / 'demo') in dialog.out.label.toolTip()


@pytest.mark.parametrize('kind', ['obj', 'ply', 'glb'])
def test_an_export_of_the_open_video_says_which_earlier_results_it_does_away_with(kept, demo_clip: Path, tmp_path: Path, kind: str):
    (tmp_path / 'demo').mkdir()
    for name in ('overlay.mp4', 'texture_0_right.png', 'report.json', 'mine.txt'):
        (tmp_path / 'demo' / name).write_bytes(b'')
    dialog = ExportDialog(None, demo_clip, LiveSettings(), tmp_path)
    kept(dialog)
    dialog.kind.button(kind).click()
    assert dialog.note.text() == 'An earlier result lies in demo and will be replaced: overlay.mp4, texture_0_right.png.'
    assert dialog.go.isEnabled()


def test_numbers_are_chosen_by_hand(kept, recording: Path, tmp_path: Path):
    dialog = ExportDialog(None, None, LiveSettings(), tmp_path)
    kept(dialog)
    dialog.open()
    assert dialog.source == 'file' and not dialog.go.isEnabled() and 'hands.npz' in dialog.note.text()
    dialog.file.button.click()
    asked = QApplication.activeModalWidget()
    assert isinstance(asked, QFileDialog)
    asked.fileSelected.emit(str(recording / 'hands.npz'))
    asked.reject()
    assert dialog.go.isEnabled() and command(dialog)[1] == str(recording / 'hands.npz')
    dialog.first.setValue(5), dialog.end.setValue(4)
    assert not dialog.go.isEnabled() and 'before the first' in dialog.note.text()


def test_a_recording_without_numbers_is_not_offered(kept, tmp_path: Path, demo_clip: Path):
    dialog = ExportDialog(tmp_path, demo_clip, LiveSettings(), tmp_path)
    kept(dialog)
    assert dialog.source == 'video' and not dialog.source_of.button('last').isEnabled()
    assert 'without numbers' in dialog.source_of.button('last').toolTip()


def test_cancelling_starts_nothing(qtbot, kept, demo_clip: Path, tmp_path: Path):
    dialog = OfflineDialog(demo_clip, LiveSettings(), tmp_path / 'out')
    kept(dialog)
    started = []
    dialog.started.connect(lambda *job: started.append(job))
    dialog.open()
    qtbot.keyClick(dialog, Qt.Key_Escape)
    assert started == [] and not (tmp_path / 'out').exists()


def test_two_jobs_never_write_into_one_folder(kept, demo_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr('app.live.jobs.Job.start', lambda job: None)  # it counts as running, and no process is needed to see it
    first = OfflineDialog(demo_clip, LiveSettings(), tmp_path)
    started = []
    first.started.connect(lambda job, name: started.append(job))
    kept(first)
    first.open()
    first.go.click()
    for second in (OfflineDialog(demo_clip, LiveSettings(), tmp_path), ExportDialog(None, demo_clip, LiveSettings(), tmp_path)):
        kept(second)
        assert not second.go.isEnabled() and 'still runs' in second.note.text(), second.note.text()
        second.set_folder(tmp_path / 'other')
        assert second.go.isEnabled(), second.note.text()
    started[0].cancel()
    again = OfflineDialog(demo_clip, LiveSettings(), tmp_path)
    kept(again)
    assert again.go.isEnabled()


@pytest.mark.slow
def test_a_real_video_is_exported_from_the_dialog_to_the_finished_file(qtbot, kept, demo_clip: Path, tmp_path: Path):
    panel = JobsPanel()
    qtbot.addWidget(panel)
    dialog = ExportDialog(None, demo_clip, LiveSettings(), tmp_path)
    kept(dialog)
    dialog.started.connect(panel.add_job)
    dialog.open()
    dialog.first.setValue(20), dialog.end.setValue(31), dialog.step.setValue(2)
    qtbot.mouseClick(dialog.go, Qt.LeftButton)
    assert panel.running == 1 and panel.jobs[0].name.full == 'Export demo.mp4'
    qtbot.waitUntil(lambda: panel.running == 0, timeout=500_000)
    row = panel.jobs[0]
    assert row.state == 'done', row.words.text()
    assert (tmp_path / 'demo' / 'hands.glb').stat().st_size > 10_000
    with np.load(tmp_path / 'demo' / 'hands.npz') as hands:
        assert set(hands['frame'].tolist()) <= {*range(20, 32, 2)} and len(hands['frame']) > 3, hands['frame']
    assert row.open.isVisibleTo(panel)


def test_the_sheet_shows_every_shortcut_and_closes(qtbot, kept):
    for key in (Qt.Key_Escape, Qt.Key_Question):
        sheet = ShortcutsSheet()
        kept(sheet)
        sheet.open()
        shown, words = [cap.accessibleName() for cap in sheet.findChildren(KeyCap)], [label.text() for label in sheet.findChildren(QLabel)]
        assert sorted(shown) == sorted(native(key) for spec in ACTIONS for key in keys(spec))
        assert not {spec.text.removesuffix('…') for spec in ACTIONS} - {*words}
        qtbot.keyClick(sheet, key)
        qtbot.waitUntil(lambda sheet=sheet: not sheet.isVisible(), timeout=10_000)


def test_no_words_of_the_dialogs_are_cut_off(kept, demo_clip: Path, recording: Path, tmp_path: Path):
    live = replace(LiveSettings(), intrinsics=tmp_path / 'a_camera_with_a_rather_long_name.json')
    for dialog in (OfflineDialog(demo_clip, live, tmp_path), ExportDialog(recording, demo_clip, live, tmp_path),
                   ExportDialog(None, None, live, tmp_path)):
        kept(dialog)
        dialog.open()
        QApplication.processEvents()
        assert_words_fit(dialog.findChildren(QLabel) + dialog.findChildren(QPushButton), dialog)
        assert dialog.height() <= 720, f'{dialog.windowTitle()} is {dialog.height()} pixels high; small screens have 768'
        dialog.close()


def test_a_file_dialog_starts_where_the_last_file_was_and_answers_once(qtbot, tmp_path: Path):
    parent, answers = QWidget(), []
    qtbot.addWidget(parent)
    parent.show()
    dialog = choose_file(parent, 'Choose a network', tmp_path / 'gone' / 'mine.onnx', 'Networks (*.onnx)', answers.append)
    assert Path(dialog.directory().path()) == tmp_path, 'the nearest folder that is there'
    dialog.fileSelected.emit(str(tmp_path / 'mine.onnx'))
    dialog.reject()
    folder = choose_folder(parent, 'Choose a folder', None, answers.append)
    assert Path(folder.directory().path()) == Path.home()
    folder.reject()
    assert answers == [tmp_path / 'mine.onnx']
