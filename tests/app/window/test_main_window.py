"""The whole window, played with a made engine: buttons and keys have their effect, and whatever happens it says so and goes on."""
from __future__ import annotations

from dataclasses import replace

import pytest
from PyQt5.QtCore import QMimeData, QPointF, Qt, QUrl
from PyQt5.QtGui import QDropEvent
from PyQt5.QtWidgets import QAbstractButton, QApplication, QDialog

from app.live import events
from app.live.position import Position
from app.live.recorder import RecordingState
from app.window.arrangement import LAYOUTS
from app.window.theme import theme_name
from tests.app.window.made_engine import info, shown, statistics


@pytest.mark.parametrize('name,field,value', [
    ('style_shaded', 'style', 'shaded'), ('style_wireframe', 'style', 'wireframe'), ('style_skeleton', 'style', 'skeleton'),
    ('style_off', 'style', 'off'), ('opacity_down', 'opacity', 0.9), ('mirror', 'mirror', False), ('lock', 'lock', False),
    ('refine', 'refine', False), ('hands', 'hands', 2)])
def test_each_key_of_the_look_and_the_hands_changes_its_setting_everywhere(live, name, field, value):
    live.press(name)
    live.wait(lambda: getattr(live.engine.settings, field) == value)
    assert getattr(live.window.settings, field) == value and getattr(live.window.panel.settings, field) == value


@pytest.mark.parametrize('name,method,values', [
    ('play_pause', 'pause', ()), ('step_back', 'step', (-1,)), ('step_forward', 'step', (1,)), ('seek_forward', 'seek', (8.0,)),
    ('seek_back', 'seek', (0.0,)), ('loop', 'set_loop', (True,)), ('reset_shape', 'reset_shapes', ())])
def test_each_key_of_playing_reaches_the_engine(live, name, method, values):
    live.engine.where = Position(90, 3.0, playing=True)
    live.press(name)
    live.wait(lambda: bool(live.engine.told(method)))
    assert live.engine.told(method) == [values]


def test_a_real_key_press_does_what_its_action_does(live):
    QApplication.setActiveWindow(live.window)
    live.wait(lambda: live.window.isActiveWindow())
    live.qtbot.keyClick(live.window, Qt.Key_4)
    live.qtbot.keyClick(live.window, Qt.Key_Space)
    live.wait(lambda: live.engine.settings.style == 'skeleton' and bool(live.engine.told('pause')))


def test_the_first_key_plays_and_presses_no_button(live):
    QApplication.setActiveWindow(live.window)
    live.wait(lambda: live.window.isActiveWindow())
    for when in ('at the start', 'after the panel was hidden'):
        focus = QApplication.focusWidget()
        assert focus is live.window.canvas, f'{when} the keyboard belongs to {focus!r}'
        live.engine.calls.clear()
        live.qtbot.keyClick(focus, Qt.Key_Space)
        live.wait(lambda: bool(live.engine.told('pause')))
        live.window.panel.look.header.setFocus()
        live.window.show_panel(False)
    assert not live.window.panel.look.folded, 'Space folded a section'


def test_a_message_that_is_closed_hands_the_keyboard_to_no_button(live):
    QApplication.setActiveWindow(live.window)
    live.wait(lambda: live.window.isActiveWindow())
    banner = live.window.banners.tell('Something is wrong.', 'error', (('Open', lambda: None),))
    live.wait(lambda: banner.isVisible())
    for button in banner.findChildren(QAbstractButton):
        assert not button.focusPolicy() & Qt.ClickFocus, f'a click on {button.accessibleName() or button.text()} takes the keyboard'


def test_space_plays_again_after_a_pause(live):
    live.engine.where = Position(playing=False)
    live.press('play_pause')
    live.wait(lambda: bool(live.engine.told('play')))


def test_v_goes_through_all_four_layouts_and_comes_back(live):
    met = []
    for _ in LAYOUTS:
        met.append(live.window.canvas.layout_name)
        live.press('layout')
    assert sorted(met) == sorted(LAYOUTS) and live.window.canvas.layout_name == met[0], met


def test_the_view_is_switched_off_where_it_is_not_seen(live):
    live.window.set_layout('picture')
    live.wait(lambda: live.engine.settings.view.width == 0)
    assert not live.window.actions_by_id['view_reset'].isEnabled()
    live.window.set_layout('view')
    live.wait(lambda: live.engine.settings.view.width > 100)


def test_turning_the_view_reaches_the_engine_and_the_panel_does_not_turn_it_back(live):
    live.window.canvas._change_view(replace(live.window.canvas.view, azimuth=40.0))
    live.wait(lambda: live.engine.settings.view.azimuth == 40.0)
    live.window.panel.changed.emit(replace(live.window.panel.settings, opacity=0.5))
    live.wait(lambda: live.engine.settings.opacity == 0.5)
    assert live.engine.settings.view.azimuth == 40.0
    live.press('view_reset')
    live.wait(lambda: live.engine.settings.view.azimuth == 0.0)


def test_hud_and_panel_and_theme_can_be_switched(live):
    window = live.window
    live.wait(lambda: window.hud.isVisible())
    for name, widget in (('hud', window.hud), ('panel', window.panel)):
        before = widget.isVisible()
        live.press(name)
        assert widget.isVisible() != before, f'{name} did nothing'
    live.press('theme')
    assert theme_name() == 'light'
    live.wait(lambda: live.engine.settings.view.dark is False)


def test_full_screen_and_back(live):
    live.press('full_screen')
    live.wait(lambda: live.window.isFullScreen())
    live.qtbot.keyClick(live.window, Qt.Key_Escape)
    live.wait(lambda: not live.window.isFullScreen())


def test_recording_is_begun_shown_ended_and_its_folder_offered(live, tmp_path):
    live.press('record')
    live.wait(lambda: bool(live.engine.told('start_recording')))
    assert not live.window.transport.record.isEnabled(), 'a second press would stop what has not begun'
    assert live.engine.told('start_recording')[0][0].folder == tmp_path / 'recordings'
    live.engine.recorded = RecordingState(12.0, 5_000_000, 360, 0, tmp_path)
    live.engine.say(events.RecordingStarted(tmp_path))
    live.wait(lambda: '0:12' in live.window.transport.record.text())
    live.press('record')
    live.wait(lambda: bool(live.engine.told('stop_recording')))
    live.engine.recorded = None
    live.engine.say(events.RecordingStopped(tmp_path, ('overlay.mp4',), 12.0))
    live.wait(lambda: any('12 seconds' in sentence for sentence in live.window.banners.sentences()))
    assert live.window.transport.record.text() == 'Record' and live.window.saving.last == tmp_path


@pytest.mark.parametrize('seconds,trouble,said', [
    (0.4, '', 'Less than a second recorded.'), (1.2, '', 'One second recorded.'), (1.2, 'The disk is full.', 'The disk is full.'),
    (61.0, 'The disk is full.', 'The disk is full.')])
def test_what_was_recorded_is_said_and_what_went_wrong_before_all(live, tmp_path, seconds, trouble, said):
    live.engine.say(events.RecordingStopped(tmp_path, ('overlay.mp4',), seconds, trouble))
    live.wait(lambda: said in live.window.banners.sentences())


@pytest.mark.parametrize('playing', [False, True])
def test_who_records_a_clip_that_stands_still_is_told(live, tmp_path, playing):
    live.engine.where = Position(90, 3.0, playing=playing)
    live.engine.say(events.RecordingStarted(tmp_path))
    live.wait(lambda: live.window.saving.running)
    told = any('stands still' in sentence for sentence in live.window.banners.sentences())
    assert told is not playing, live.window.banners.sentences()


def test_a_recording_of_nothing_offers_no_folder_and_leaves_the_one_before_as_the_last(live, tmp_path):
    live.engine.say(events.RecordingStopped(tmp_path, ('overlay.mp4',), 12.0))
    live.wait(lambda: '12 seconds recorded.' in live.window.banners.sentences())
    live.engine.say(events.RecordingStopped(tmp_path / 'gone', (), 0.0, 'Nothing was recorded.'))
    live.wait(lambda: 'Nothing was recorded.' in live.window.banners.sentences())
    offered = [button.text() for button in live.window.banners.findChildren(QAbstractButton) if button.text()]
    assert not offered, f'{offered} lead to a folder that is gone'
    assert live.window.saving.last == live.window.panel.record.last == tmp_path


def test_a_recording_that_cannot_begin_is_said_and_the_button_is_as_before(live):
    live.press('record')
    live.engine.say(events.Problem('The disk is full.'))
    live.wait(lambda: 'The disk is full.' in live.window.banners.sentences())
    assert not live.window.actions_by_id['record'].isChecked()


def test_a_snapshot_goes_to_the_folder_of_recordings(live, tmp_path):
    live.press('snapshot')
    live.wait(lambda: live.engine.told('snapshot') == [(tmp_path / 'recordings',)])
    live.engine.say(events.SnapshotSaved(tmp_path, ('picture.png',)))
    live.wait(lambda: 'Snapshot saved.' in live.window.banners.sentences())


@pytest.mark.parametrize('name', ['export', 'offline', 'shortcuts'])
def test_each_dialog_opens_and_the_live_picture_goes_on(live, name):
    live.press(name)
    live.wait(lambda: any(dialog.isVisible() for dialog in live.window.findChildren(QDialog)))
    live.engine.give(shown(index=5))
    live.wait(lambda: live.engine.seen[-1].frame.index == 5)
    for dialog in live.window.findChildren(QDialog):
        dialog.close()


def test_a_file_dropped_anywhere_is_opened(live):
    for name, place in (('one.mp4', live.window.canvas), ('two.mp4', live.window)):
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(f'/films/{name}')])
        place.dropEvent(QDropEvent(QPointF(50, 50), Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier))
        live.wait(lambda: live.engine.told('open')[-1][0] == f'/films/{name}')


def test_a_source_that_fails_is_said_and_what_ran_before_runs_on(live):
    live.engine.say(events.SourceOpening('/films/broken.mp4'))
    live.engine.say(events.SourceFailed('/films/broken.mp4', 'broken.mp4 is not a video that can be read.'))
    live.wait(lambda: 'broken.mp4 is not a video that can be read.' in live.window.banners.sentences())
    assert live.window.canvas.shown is not None and len(live.engine.told('open')) == 1
    assert live.window.canvas.note == ''


def test_all_that_could_not_be_read_of_a_source_is_said_in_one_sentence(live):
    live.engine.say(events.SourceEnded(('a.jpg could not be read and was left out', 'b.jpg could not be read and was left out')))
    live.wait(lambda: live.window.banners.sentences() == [
        'a.jpg could not be read and was left out; b.jpg could not be read and was left out.'])
    live.engine.say(events.SourceEnded(('the video is cut',)))
    live.wait(lambda: live.window.banners.sentences() == ['The video is cut.'])
    live.engine.say(events.SourceEnded(tuple(f'{number}.jpg could not be read' for number in range(200))))
    live.wait(lambda: live.window.banners.sentences() == [
        '0.jpg could not be read; 1.jpg could not be read; 2.jpg could not be read; and 197 more like that.'])


def test_what_could_not_be_opened_is_forgotten_when_something_else_is_asked_for(live):
    live.engine.say(events.SourceFailed('/films/broken.mp4', 'broken.mp4 is not a video that can be read.'))
    live.wait(lambda: live.window.banners.sentences() == ['broken.mp4 is not a video that can be read.'])
    live.window.chooser.open_paths(['/films/good.mp4'])
    assert live.window.banners.sentences() == []
    live.engine.say(events.SourceFailed('/films/good.mp4', 'There is no file good.mp4.'))
    live.wait(lambda: live.window.banners.sentences() == ['There is no file good.mp4.'])
    live.press('open_demo')
    assert live.window.banners.sentences() == []


def test_a_camera_that_goes_and_comes_back_is_said_each_time(live):
    live.engine.say(events.SourceLost('The camera was unplugged; it is looked for.'))
    live.wait(lambda: 'The camera was unplugged; it is looked for.' in live.window.banners.sentences())
    live.engine.say(events.SourceBack(info('camera')))
    live.wait(lambda: live.window.banners.sentences() == ['Front camera is back.'])


def test_an_error_stays_and_can_be_closed(live):
    banner = live.window.banners.tell('Something is wrong.', 'error')
    live.qtbot.wait(50)
    assert banner.isVisible()
    banner.close()
    assert live.window.banners.sentences() == [] and not live.window.banners.isVisible()


def test_no_more_than_three_sentences_stand_over_the_picture(live):
    for number in range(5):
        live.window.banners.tell(f'Sentence {number}.', 'error')
    assert live.window.banners.sentences() == ['Sentence 2.', 'Sentence 3.', 'Sentence 4.']


def test_what_has_no_effect_is_off_and_says_why(play):
    played = play()
    act = played.window.actions_by_id
    for name in ('record', 'snapshot', 'step_forward', 'offline'):
        assert not act[name].isEnabled() and ':' in act[name].toolTip(), f'{name}: {act[name].toolTip()}'
    engine = played.begin('camera:0')
    engine.say(events.SourceOpened(info('camera')))
    played.wait(lambda: act['record'].isEnabled())
    assert not act['step_forward'].isEnabled() and not act['loop'].isEnabled() and not act['offline'].isEnabled()


def test_ending_from_the_terminal_asks_nothing(live, monkeypatch):
    monkeypatch.setattr(live.window.panel.jobs, 'may_close', lambda parent: pytest.fail('a question that nobody can answer'))
    live.window.end()
    assert live.engine.closed and not live.window.isVisible()


def test_a_person_who_wants_background_work_to_go_on_keeps_the_window(live, monkeypatch):
    monkeypatch.setattr(live.window.panel.jobs, 'may_close', lambda parent: False)
    assert not live.window.close() and live.window.isVisible() and not live.engine.closed
    monkeypatch.undo()


def test_statistics_reach_hud_and_panel(live):
    live.engine.numbers = statistics(fps=17.0, remarks=('The picture is shown 200 ms late.',))
    live.wait(lambda: '17 fps' in live.window.hud.words())


@pytest.mark.parametrize('source,position,said', [
    (info(), Position(playing=True), '30 fps'), (info(), Position(playing=False), 'paused'),
    (info(), Position(playing=False, ended=True), 'at the end'),
    (info('picture', sequence=False, duration=None), Position(playing=False, ended=True), 'still picture'),
    (info('folder', sequence=False), Position(playing=True), 'still picture')])
def test_the_speed_is_told_of_what_moves_only(live, source, position, said):
    live.engine.say(events.SourceOpened(source))
    live.engine.where = position
    live.wait(lambda: said in live.window.hud.words())
