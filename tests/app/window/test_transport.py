"""The bar below the picture: what it offers for which source, and what its buttons do."""
from __future__ import annotations

from pathlib import Path

import pytest
from PyQt5.QtCore import QPoint, Qt
from PyQt5.QtWidgets import QMainWindow

from app.live.position import Position
from app.live.recorder import RecordingState
from app.window.actions import make_actions
from app.window.arrangement import LAYOUTS
from app.window.transport import Transport, clock, size
from tests.app.window.made_engine import info


@pytest.fixture
def transport(qtbot):
    window = QMainWindow()
    qtbot.addWidget(window)
    transport = Transport(make_actions(window))
    window.setCentralWidget(transport)
    window.resize(1000, 64)
    window.show()
    yield transport
    window.close()


def test_a_film_can_be_played_stepped_sought_and_looped(transport):
    transport.show_source(info('video'))
    for name in ('play', 'back', 'forward', 'slider', 'time', 'length', 'loop'):
        assert getattr(transport, name).isVisible(), f'{name} is hidden for a film'
    assert transport.length.text() == '0:10'


def test_a_camera_can_only_be_paused_and_has_its_name(transport):
    transport.show_source(info('camera'))
    assert transport.play.isVisible() and 'Front camera' in transport.name.full
    for name in ('back', 'forward', 'slider', 'loop'):
        assert not getattr(transport, name).isVisible(), f'{name} is shown for a camera'


def test_a_picture_cannot_be_played(transport):
    transport.show_source(info('picture', duration=None, frame_count=1))
    assert not transport.play.isVisible() and not transport.slider.isVisible()


def test_record_and_snapshot_are_always_there(transport):
    for source in (None, info('video'), info('camera'), info('picture')):
        transport.show_source(source)
        assert transport.record.isVisible() and transport.snapshot.isVisible(), f'missing with {source}'


@pytest.mark.parametrize('button,action', [('play', 'play_pause'), ('back', 'step_back'), ('forward', 'step_forward'), ('loop', 'loop'),
                                           ('record', 'record'), ('snapshot', 'snapshot'), ('panel', 'panel')])
def test_each_button_does_its_action(qtbot, transport, button, action):
    transport.show_source(info('video'))
    done = []
    transport._actions[action].triggered.connect(lambda: done.append(action))
    qtbot.mouseClick(getattr(transport, button), Qt.LeftButton)
    assert done == [action]


def test_a_button_is_off_when_its_action_is_and_says_why(transport):
    action = transport._actions['snapshot']
    action.setEnabled(False)
    action.setToolTip('Snapshot (S): nothing is open yet')
    assert not transport.snapshot.isEnabled() and 'nothing is open' in transport.snapshot.toolTip()


def test_a_click_on_the_slider_seeks_there(qtbot, transport):
    transport.show_source(info('video', duration=10.0))
    sought = []
    transport.seek.connect(sought.append)
    slider = transport.slider
    qtbot.mouseClick(slider, Qt.LeftButton, pos=QPoint(slider.width() // 2, slider.height() // 2))
    assert sought and sought[0] == pytest.approx(5.0, abs=0.3), f'a click in the middle of 10 s sought {sought}'


def test_dragging_the_slider_seeks_now_and_then_and_at_last_where_it_rests(qtbot, transport):
    transport.show_source(info('video', duration=10.0))
    sought = []
    transport.seek.connect(sought.append)
    steps = transport.slider.maximum()
    for tenth in range(1, 10):
        transport.slider.sliderMoved.emit(tenth * steps // 10)
    assert sought == [1.0], f'nine moves at once sought {sought}'
    qtbot.waitUntil(lambda: sought == [1.0, 9.0], timeout=10_000)
    qtbot.waitUntil(lambda: not transport._rest.isActive(), timeout=10_000)


def test_the_slider_follows_the_film(transport):
    transport.show_source(info('video', duration=10.0))
    transport.show_position(Position(75, 2.5, playing=True))
    assert transport.time.text() == '0:02' and transport.slider.value() == transport.slider.maximum() // 4
    assert transport.play.accessibleName() == 'Pause'
    transport.show_position(Position(75, 2.5, playing=False))
    assert transport.play.accessibleName() == 'Play'
    transport.show_position(Position(4, 8.0, False, False, ended=True))
    assert transport.slider.value() == transport.slider.maximum(), 'at the end it stands before the end'


def test_the_record_button_shows_how_long_and_how_large(transport):
    transport.show_recording(RecordingState(65.0, 34_000_000, 1950, 0, Path('out')))
    assert '1:05' in transport.record.text() and '34.0 MB' in transport.record.text(), transport.record.text()
    transport.show_recording(None)
    assert transport.record.text() == 'Record'


@pytest.mark.parametrize('name', LAYOUTS)
def test_each_layout_has_a_button(qtbot, transport, name):
    chosen = []
    transport.layout_chosen.connect(chosen.append)
    qtbot.mouseClick(transport.layouts[name], Qt.LeftButton)
    transport.show_layout(name)
    assert chosen == [name] and [n for n, button in transport.layouts.items() if button.isChecked()] == [name]


@pytest.mark.parametrize('seconds,words', [(0, '0:00'), (9.9, '0:09'), (65, '1:05'), (3725, '1:02:05'), (-1, '0:00')])
def test_times_read_as_on_a_clock(seconds, words):
    assert clock(seconds) == words


@pytest.mark.parametrize('count,words', [(0, '0 B'), (999, '999 B'), (1500, '2 kB'), (34_000_000, '34.0 MB'), (340_000_000, '340 MB'),
                                         (2_500_000_000, '2.5 GB')])
def test_sizes_read_as_a_person_says_them(count, words):
    assert size(count) == words
