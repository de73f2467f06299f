"""The side panel: a control changes its setting and no other, what is set from outside is shown and not told, and states are in words."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from PyQt5.QtCore import QLocale, QPoint, QPointF, Qt
from PyQt5.QtGui import QWheelEvent
from PyQt5.QtWidgets import (QAbstractButton, QAbstractSlider, QAbstractSpinBox, QApplication, QComboBox, QFileDialog, QLabel, QMainWindow,
                             QPushButton, QToolButton)

from app.live.events import ModelFailed, ModelLoading, ModelReady, RecordingStopped
from app.live.recorder import RecordingSettings
from app.live.settings import LiveSettings, ViewSettings
from app.live.shown import HandStatus
from app.window import record_section
from app.window.actions import make_actions
from app.window.open_folder import open_folder
from app.window.panel import SidePanel
from app.window.theme import apply_theme
from tests.app.window.words_fit import assert_words_fit

TURNED = ViewSettings(width=320, height=200, azimuth=40.0, zoom=2.0, shift_x=0.5, dark=False)
ODD = LiveSettings(style='skeleton', opacity=0.123, mirror=False, view=TURNED, smoothing=0.777, ahead=False, refine=False, lock=False,
                   field_of_view=61.25, provider='cuda', threads=1, hands=2)


@pytest.fixture
def panel(qtbot, tmp_path: Path) -> SidePanel:
    made = SidePanel(None, LiveSettings(), RecordingSettings(tmp_path / 'films'))
    qtbot.addWidget(made)
    made.resize(320, 1500)
    with qtbot.waitExposed(made):
        made.show()
    made.told = []
    made.changed.connect(made.told.append)
    return made


def press(widget: QAbstractButton) -> None:
    widget.click()


def pick(box: QComboBox, value: object) -> None:
    box.setCurrentIndex(box.findData(value))
    box.activated.emit(box.currentIndex())


def answer(name: Path) -> None:
    """Choose this in the file dialog that is open."""
    dialog = QApplication.activeModalWidget()
    assert isinstance(dialog, QFileDialog), f'a file dialog should be open, not {dialog}'
    dialog.fileSelected.emit(str(name))
    dialog.reject()


CONTROLS = [
    ('style', 'wireframe', lambda p: press(p.look.styles['wireframe'])),
    ('style', 'off', lambda p: press(p.look.styles['off'])),
    ('opacity', 0.4, lambda p: p.look.opacity.slider.setValue(40)),
    ('mirror', False, lambda p: press(p.look.mirror)),
    ('hands', 2, lambda p: press(p.hands.hands.button(2))),
    ('smoothing', 0.9, lambda p: p.hands.smoothing.slider.setValue(90)),
    ('ahead', False, lambda p: press(p.hands.ahead)),
    ('refine', False, lambda p: press(p.hands.refine)),
    ('lock', False, lambda p: press(p.hands.lock)),
    ('provider', 'tensorrt', lambda p: pick(p.model.provider, 'tensorrt')),
    ('threads', 1, lambda p: pick(p.model.threads, 1)),
    ('field_of_view', 78.0, lambda p: press(p.model.camera.presets.button(78.0))),
    ('field_of_view', 91.5, lambda p: p.model.camera.angle.setValue(91.5)),
    ('intrinsics', Path('/some/camera.json'), lambda p: (press(p.model.camera.file.button), answer('/some/camera.json'))),
    ('weights', Path('/some/mine.onnx'), lambda p: (press(p.model.weights.button), answer('/some/mine.onnx'))),
]


@pytest.mark.parametrize('before', [LiveSettings(), replace(ODD, mirror=True, ahead=True, refine=True, lock=True, hands=1, threads=None)],
                         ids=['usual', 'odd'])
def test_a_control_changes_its_setting_once_and_no_other(panel: SidePanel, before: LiveSettings):
    for name, value, do in CONTROLS:  # `before` has values that no slider can show exactly: they must survive
        panel.set_settings(before)
        panel.told.clear()
        do(panel)
        assert panel.told == [replace(before, **{name: value})], f'{name} to {value}: told {panel.told}'
        assert panel.settings == panel.told[-1]


def test_every_setting_has_a_control():
    assert {name for name, _, _ in CONTROLS} == {*LiveSettings.names()} - {'view'}, 'the view is reset by its button'


def test_what_is_set_from_outside_is_shown_and_not_told(panel: SidePanel):
    files = replace(ODD, weights=Path('/some/mine.onnx'), intrinsics=Path('/some/camera.json'), style='off', threads=63)
    for settings in (ODD, files, LiveSettings(), files, ODD):
        panel.set_settings(settings)
        shown = {'style': next(s for s, tile in panel.look.styles.items() if tile.isChecked()), 'mirror': panel.look.mirror.isChecked(),
                 'ahead': panel.hands.ahead.isChecked(), 'refine': panel.hands.refine.isChecked(),
                 'lock': panel.hands.lock.isChecked(), 'hands': panel.hands.hands.value,
                 'provider': panel.model.provider.currentData(), 'threads': panel.model.threads.currentData()}
        assert shown == {name: getattr(settings, name) for name in shown}
        assert panel.look.opacity.slider.value() == round(100 * settings.opacity)
        assert panel.hands.smoothing.slider.value() == round(100 * settings.smoothing)
        assert panel.settings == settings
    assert panel.told == []


def test_the_view_is_reset_and_keeps_its_size_and_ground(panel: SidePanel):
    assert not panel.look.reset.isEnabled(), 'there is nothing to reset yet'
    panel.set_settings(replace(LiveSettings(), view=TURNED))
    press(panel.look.reset)
    assert [s.view for s in panel.told] == [ViewSettings(width=320, height=200, dark=False)]


def test_files_can_be_taken_back(panel: SidePanel):
    panel.set_settings(replace(LiveSettings(), weights=Path('/some/mine.onnx'), intrinsics=Path('/some/camera.json')))
    assert panel.model.weights.label.full == 'mine.onnx' and 'true metres' in panel.model.camera.meaning.text()
    assert not panel.model.camera.angle.isEnabled(), 'a camera file goes before the angle'
    press(panel.model.weights.back)
    press(panel.model.camera.file.back)
    assert panel.told[-1] == LiveSettings()
    assert not panel.model.weights.back.isVisible() and panel.model.camera.angle.isEnabled()


def test_it_says_how_true_sizes_are(panel: SidePanel):
    meaning = panel.model.camera.meaning
    assert 'not true metres' in meaning.text(), meaning.text()
    panel.set_settings(replace(LiveSettings(), field_of_view=78.0))
    assert 'as true as this angle' in meaning.text(), meaning.text()
    panel.set_settings(replace(LiveSettings(), intrinsics=Path('/some/camera.json')))
    assert 'in true metres' in meaning.text(), meaning.text()


def test_a_file_dialog_that_is_cancelled_changes_nothing(panel: SidePanel):
    press(panel.model.weights.button)
    QApplication.activeModalWidget().reject()
    assert panel.told == []


def test_shapes_are_forgotten_by_the_bridge(qtbot, tmp_path: Path):
    class Signal(list):
        def connect(self, to):
            self.append(to)

    calls = []
    bridge = SimpleNamespace(reset_shapes=lambda: calls.append('reset'), recording_started=Signal(), recording_stopped=Signal())
    panel = SidePanel(bridge, LiveSettings(), RecordingSettings(tmp_path))
    qtbot.addWidget(panel)
    press(panel.hands.reset)
    assert calls == ['reset']
    bridge.recording_started[0](None)
    assert not panel.record.parts['overlay'].isEnabled(), 'what is recorded cannot be changed in the middle'
    bridge.recording_stopped[0](RecordingStopped(tmp_path / 'clip', ('overlay.mp4',), 3.0))
    assert panel.record.parts['overlay'].isEnabled() and panel.record.last == tmp_path / 'clip'


def hand(**values) -> HandStatus:
    usual = {'track': 1, 'side': 'right', 'confidence': 0.93, 'shape_certainty': 0.43, 'shape_locked': False, 'texture_seen': 0.62,
             'texture_locked': 0.1}
    return HandStatus(**{**usual, **values})


@pytest.mark.parametrize('country', ['C', 'de_DE', 'fr_FR'])
def test_an_angle_can_be_typed_with_a_point_or_a_comma_in_every_country(qtbot, request, tmp_path: Path, country):
    request.addfinalizer(lambda before=QLocale(): QLocale.setDefault(before))
    QLocale.setDefault(QLocale(country))
    panel = SidePanel(None, LiveSettings(), RecordingSettings(tmp_path))
    qtbot.addWidget(panel)
    with qtbot.waitExposed(panel):
        panel.show()
    angle = panel.model.camera.angle
    for typed, meant in (('70.5', 70.5), ('71,5', 71.5), ('62', 62.0)):
        angle.setFocus()
        angle.selectAll()
        qtbot.keyClicks(angle, typed)
        qtbot.keyClick(angle, Qt.Key_Return)
        assert panel.settings.field_of_view == meant and angle.text() == f'{meant:.1f} °', f'{typed} became {angle.text()}'


def test_the_lock_of_a_hand_is_said(panel: SidePanel):
    card = panel.hands.cards[0]
    for status, lock, bar, words in (
            (hand(), True, 43, 'calibrating 43 %'), (hand(shape_certainty=0.999), True, 99, 'calibrating 99 %'),
            (hand(shape_certainty=1, shape_locked=True), True, 100, 'locked · skin 62 % seen, 6 % kept'),
            (hand(learning=False), True, 43, 'not calibrating'), (hand(), False, 0, 'free in each picture'),
            (hand(shape_certainty=1, shape_locked=True, kept=False), True, 0, 'free in each picture')):
        panel.set_settings(replace(LiveSettings(), lock=lock))
        panel.show_statistics(SimpleNamespace(hands=(status,)))
        assert (card.bar.value(), card.name.text(), card.confidence.text()) == (bar, 'Right hand', '93 % sure')
        assert words in card.state.text() and card.bar.isVisible(), card.state.text()


def test_the_confidence_has_its_room_before_it_needs_it(panel: SidePanel):
    card = panel.hands.cards[0]
    panel.show_statistics(SimpleNamespace(hands=(hand(confidence=0.99),)))
    QApplication.sendPostedEvents()
    panel.show_statistics(SimpleNamespace(hands=(hand(confidence=1.0),)))
    assert card.confidence.text() == '100 % sure'
    assert_words_fit([card.confidence], card)


def test_hands_that_come_and_go_do_not_move_the_panel(panel: SidePanel):
    def places():
        QApplication.sendPostedEvents()
        return panel.hands.reset.mapTo(panel, QPoint()).y(), panel.record.mapTo(panel, QPoint()).y()

    before = places()
    panel.show_statistics(SimpleNamespace(hands=(hand(),)))
    with_hand = places()
    panel.show_statistics(SimpleNamespace(hands=()))
    assert before == with_hand == places(), 'a card changed its height'
    assert 'No hand' in panel.hands.cards[0].name.text()
    assert not panel.hands.cards[1].isVisible(), 'only one hand is asked for'
    panel.set_settings(replace(LiveSettings(), hands=2))
    panel.show_statistics(SimpleNamespace(hands=(hand(track=5, side='left'), hand(track=2))))
    assert [card.name.text() for card in panel.hands.cards] == ['Right hand', 'Left hand'], 'cards keep the order of the tracks'


def test_the_provider_that_really_runs_is_said(panel: SidePanel):
    model = panel.model
    panel.show_model(ModelLoading('loading the network'))
    assert model.loading.isVisible() and model.note.text() == 'Loading the network…'
    panel.show_model(ModelReady('s2hand-lite', 'auto', 'CPU'))
    assert not model.loading.isVisible() and not model.note.isVisible() and model.running.full == 'the processor'
    note = 'TensorRT could not be loaded, so the processor is used.'
    panel.show_model(ModelReady('s2hand-lite', 'tensorrt', 'CPU', note))
    assert model.note.text() == note and model.running.property('role') == 'warning'
    panel.show_model(ModelFailed('mine.onnx is not a network that can be run.'))
    assert 'mine.onnx' in model.note.text() and model.running.full == 'the processor', 'the old network runs on'


def test_the_last_thing_to_record_cannot_be_taken_away_and_it_says_why(panel: SidePanel):
    told = []
    panel.recording_changed.connect(told.append)
    record = panel.record
    press(record.parts['parameters'])
    assert [(r.overlay, r.parameters) for r in told] == [(True, False)] and not record.refusal.isVisible()
    press(record.parts['overlay'])
    assert len(told) == 1 and record.parts['overlay'].isChecked() and record.refusal.isVisible()
    press(record.parts['meshes'])
    assert told[-1].meshes and not record.refusal.isVisible()


def test_the_folder_of_recordings_is_chosen_and_shown(panel: SidePanel, tmp_path: Path):
    told = []
    panel.recording_changed.connect(told.append)
    press(panel.record.folder.button)
    answer(tmp_path)
    assert told == [RecordingSettings(tmp_path)] and panel.record.folder.label.toolTip() == str(tmp_path)
    panel.set_recording(RecordingSettings(tmp_path / 'other', meshes=True))
    assert len(told) == 1 and panel.record.parts['meshes'].isChecked()


def test_the_last_recording_is_opened(panel: SidePanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert not panel.record.last_row.button.isEnabled()
    panel.show_stopped(RecordingStopped(tmp_path, ('overlay.mp4',), 2.0))
    opened = []
    monkeypatch.setattr(record_section, 'open_folder', lambda folder: opened.append(folder) or 'No file manager could be opened here.')
    press(panel.record.last_row.button)
    assert opened == [tmp_path] and panel.record.told.isVisible()


def test_a_folder_that_cannot_be_shown_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr('app.window.open_folder.QDesktopServices.openUrl', lambda url: False)
    assert str(tmp_path) in open_folder(tmp_path)
    assert 'no longer there' in open_folder(tmp_path / 'gone')
    monkeypatch.setattr('app.window.open_folder.QDesktopServices.openUrl', lambda url: url.toLocalFile() == str(tmp_path.resolve()))
    assert open_folder(tmp_path) == ''


def test_every_control_has_a_name_a_hint_and_the_keyboard(panel: SidePanel):
    panel.set_settings(replace(LiveSettings(), weights=Path('/some/mine.onnx'), intrinsics=Path('/some/camera.json')))
    panel.set_settings(LiveSettings())
    kinds = QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox
    controls = [w for kind in kinds for w in panel.findChildren(kind) if not w.objectName().startswith('qt_') and w.isVisible()]
    controls = [w for w in controls if 'ScrollBar' not in type(w).__name__]
    assert len(controls) > 25
    for control in controls:
        assert control.accessibleName() or getattr(control, 'text', str)(), f'{control} has no name'
        assert control.toolTip() or control.parentWidget().toolTip(), f'{control.accessibleName()} has no hint'
        assert control.focusPolicy() & Qt.TabFocus, f'{control.accessibleName()} is not reached with the tab key'


@pytest.mark.parametrize('theme', ['dark', 'light'])
def test_the_control_with_the_keyboard_looks_like_no_other(panel: SidePanel, qtbot, qapp, theme: str):
    apply_theme(qapp, theme)
    panel.activateWindow()
    qtbot.waitUntil(panel.isActiveWindow, timeout=10_000)
    kinds = QAbstractButton, QAbstractSlider, QAbstractSpinBox, QComboBox
    controls = [w for kind in kinds for w in panel.findChildren(kind) if w.isVisible() and w.isEnabled() and w.focusPolicy() & Qt.TabFocus]
    assert any(w.isChecked() for w in controls if isinstance(w, QAbstractButton)) and len(controls) > 20
    for control in controls:
        panel.setFocus()
        without = control.grab().toImage()
        control.setFocus(Qt.TabFocusReason)
        assert control.grab().toImage() != without, f'{control.accessibleName() or control.text()} shows not that it has the keyboard'


def test_the_control_with_the_keyboard_keeps_its_keys_from_the_shortcuts(qtbot, qapp, tmp_path: Path):
    window = QMainWindow()
    qtbot.addWidget(window)
    heard = []
    for id, action in make_actions(window).items():
        action.triggered.connect(lambda _, id=id: heard.append(id))
    panel = SidePanel(None, LiveSettings(), RecordingSettings(tmp_path))
    window.setCentralWidget(panel)
    with qtbot.waitExposed(window):
        window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=10_000)
    panel.hands.refine.setFocus()
    qtbot.keyClick(panel.hands.refine, Qt.Key_Space)
    assert heard == [] and not panel.settings.refine, f'space went to {heard}'
    panel.hands.smoothing.slider.setFocus()
    qtbot.keyClick(panel.hands.smoothing.slider, Qt.Key_Right)
    assert heard == [] and panel.settings.smoothing == 0.51, f'the arrow went to {heard}'
    qtbot.keyClick(panel.hands.smoothing.slider, Qt.Key_S)
    assert heard == ['snapshot'], 'letters are shortcuts everywhere'
    panel.model.camera.angle.setFocus()
    panel.model.camera.angle.selectAll()
    qtbot.keyClicks(panel.model.camera.angle, '75')
    qtbot.keyClick(panel.model.camera.angle, Qt.Key_Return)
    assert heard == ['snapshot'] and panel.settings.field_of_view == 75, f'digits went to {heard}'
    qtbot.keyClick(window, Qt.Key_R)
    assert heard == ['snapshot', 'record'], 'after Enter single keys are shortcuts again'


def test_clicking_leaves_the_keyboard_where_it_was(panel: SidePanel, qtbot):
    panel.model.camera.angle.setFocus()
    before = QApplication.focusWidget()
    qtbot.mouseClick(panel.look.mirror, Qt.LeftButton)
    qtbot.mouseClick(panel.look.styles['shaded'], Qt.LeftButton)
    assert QApplication.focusWidget() is before and len(panel.told) == 2


def test_the_wheel_is_left_to_scrolling_and_changes_nothing(panel: SidePanel):
    panel.setFocus()
    for control in (panel.look.opacity.slider, panel.hands.smoothing.slider, panel.model.provider, panel.model.threads,
                    panel.model.camera.angle):
        centre = control.rect().center()
        event = QWheelEvent(QPointF(centre), QPointF(control.mapToGlobal(centre)), QPoint(), QPoint(0, -120), Qt.NoButton, Qt.NoModifier,
                            Qt.NoScrollPhase, False)
        QApplication.sendEvent(control, event)
        assert not event.isAccepted(), f'{control} keeps the wheel for itself'
    assert panel.told == []


def test_a_section_folds_and_unfolds(panel: SidePanel, qtbot):
    assert panel.look.mirror.isVisible()
    qtbot.mouseClick(panel.look.header, Qt.LeftButton)
    assert not panel.look.mirror.isVisible() and panel.hands.refine.isVisible()
    qtbot.mouseClick(panel.look.header, Qt.LeftButton)
    assert panel.look.mirror.isVisible()


def test_no_words_are_cut_off(panel: SidePanel, qapp, tmp_path: Path):
    panel.set_settings(replace(LiveSettings(), hands=2))
    long = f'{tmp_path}/{"a-very-long-name_" * 6}.onnx'
    panel.show_model(ModelReady('mine', 'tensorrt', 'CPU', f'TensorRT could not load {long}, so the network runs on the processor.'))
    panel.show_stopped(RecordingStopped(Path(long), ('overlay.mp4',), 1.0))
    panel.show_statistics(SimpleNamespace(hands=(hand(), hand(track=2, side='left', shape_locked=True, texture_seen=1.0))))
    for width in (304, 320):
        panel.setFixedWidth(width)
        qapp.processEvents()
        assert panel.look.width() <= width, f'the panel is {width} pixels wide and its content {panel.look.width()}'
        assert_words_fit(panel.findChildren(QLabel) + panel.findChildren(QPushButton) + panel.findChildren(QToolButton), panel)
