"""Speed and delay: everything is said, what is too slow is red with its reason, and it fits its place."""
from __future__ import annotations

from dataclasses import replace

import pytest
from PyQt5.QtCore import QRect, QSize
from PyQt5.QtWidgets import QWidget

from app.live.shown import HandStatus
from app.live.statistics import StageTime
from app.window.hud import _ROWS, _STAGES, STRIP, Hud, _grouped, fitting
from tests.app.window.made_engine import statistics

PICTURE, FOOT, NO_FOOT = QRect(16, 16, 900, 600), QRect(16, 500, 900, STRIP), QRect()
HAND = HandStatus(1, 'right', 0.97, 1.0, True, 0.6, 0.5)
BUSY = statistics(fps=12.0, latency_ms=140.0, hands=(HAND,), dropped={'camera': 0, 'network': 31},
                  dropped_lately={'camera': 0, 'network': 9.2},
                  stages=(StageTime('network', 48.0, True), StageTime('overlay', 5.0, False), StageTime('flip', 0.1, False)),
                  remarks=('The detector looks at each frame: no hand is followed.',))


@pytest.fixture
def hud(qtbot):
    hud = Hud()
    qtbot.addWidget(hud)
    hud.place(NO_FOOT, PICTURE)
    return hud


def red(hud: Hud) -> int:
    """How many pixels are red."""
    image = hud.grab().toImage()
    colours = (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()))
    return sum(c.red() > 200 and c.green() < 140 and c.blue() < 140 for c in colours)


def test_everything_is_said(hud):
    hud.show_statistics(BUSY)
    said = ' | '.join(hud.words())
    for word in ('12 fps', '140 ms', 'network 48.0 ms', 'drawing 5.0 ms', 'Right hand 97\xa0% sure', 'locked', '31 waiting for hands',
                 '9 a second', 'no hand is followed'):
        assert word in said, f'{word!r} is not among: {said}'
    assert hud.accessibleDescription(), 'it says nothing to those who cannot see it'


@pytest.mark.parametrize('values,said', [
    ({'shape_certainty': 0.0}, 'calibrating 0'), ({'shape_certainty': 0.996}, 'calibrating 99'),
    ({'shape_certainty': 1.0, 'shape_locked': True}, 'shape locked'),
    ({'shape_certainty': 1.0, 'shape_locked': True, 'kept': False}, 'shape free'),
    ({'shape_certainty': 0.4, 'learning': False}, 'not calibrating')])
def test_the_calibration_is_said_as_it_is(hud, values, said):
    usual = {'shape_certainty': 1.0, 'shape_locked': False}
    hud.show_statistics(statistics(hands=(replace(HAND, **{**usual, **values}),)))
    assert any(said in words for words in hud.words()), hud.words()


@pytest.mark.parametrize('foot', [NO_FOOT, FOOT], ids=['card', 'strip'])
def test_what_is_too_slow_is_red_and_what_is_not_is_not(hud, foot):
    hud.place(foot, PICTURE)
    hud.show_statistics(statistics())
    calm = red(hud)
    hud.show_statistics(BUSY)
    assert calm == 0 and red(hud) > 300, f'{calm} red pixels when all is well, {red(hud)} when it is not'


def test_a_picture_that_stands_still_is_not_called_slow(hud):
    hud.show_statistics(BUSY, resting='Paused')
    assert hud.words()[0] == 'paused' and not any('fps' in words for words in hud.words())
    assert not any(remark in hud.words() for remark in BUSY.remarks)


def test_each_stage_has_a_colour_of_its_own():
    colours = [colour for _, colour in _STAGES.values()]
    twice = {colour for colour in colours if colours.count(colour) > 1}
    assert not twice, [name for name, (_, colour) in _STAGES.items() if colour in twice]


def test_small_stages_count_as_one(hud):
    stages = (StageTime('network', 20.0, False), *(StageTime(name, 0.2, False) for name in ('crop', 'smooth', 'flip')))
    hud.show_statistics(statistics(stages=stages))
    assert 'network 20.0 ms' in hud.words() and 'the rest 0.6 ms' in hud.words(), hud.words()


def test_the_legend_of_a_strip_ends_above_its_edge(hud):
    stages = tuple(StageTime(name, 5.0 + number, name == 'wait') for number, name in enumerate(_STAGES))
    for count in range(1, len(stages) + 1):
        told = _grouped(stages[:count], 2 * _ROWS)
        assert sum(ms for _, ms, _ in told) == pytest.approx(sum(s.ms for s in stages[:count])), f'{count} stages: {told}'
        assert told[0][0] == 'waiting', f'{count} stages: what is too slow is not told apart: {told}'
    hud.show_statistics(replace(BUSY, stages=stages))
    hud.place(FOOT, PICTURE)
    image = hud.grab(QRect(160, STRIP - 6, 400, 6)).toImage()
    colours = {image.pixel(x, y) for x in range(image.width()) for y in range(image.height())}
    assert len(colours) == 1, 'the legend runs over the lower edge of the strip'


def test_it_stands_in_its_strip_or_inside_the_picture(hud):
    for numbers in (statistics(), BUSY, statistics(hands=(HAND, HAND), remarks=BUSY.remarks * 2)):
        hud.show_statistics(numbers)
        hud.place(FOOT, PICTURE)
        assert hud.geometry() == FOOT
        hud.place(NO_FOOT, PICTURE)
        assert PICTURE.contains(hud.geometry()), f'the card stands at {hud.geometry()}, the picture at {PICTURE}'
        small = QRect(16, 16, 200, 150)
        hud.place(NO_FOOT, small)
        assert small.contains(hud.geometry()), f'the card stands at {hud.geometry()}, the picture at {small}'


@pytest.mark.parametrize('picture,view', [
    (QRect(16, 16, 900, 600), QRect(630, 330, 270, 270)), (QRect(100, 16, 236, 420), QRect(192, 292, 128, 128)),
    (QRect(100, 16, 400, 600), QRect(364, 480, 120, 120))])
def test_its_card_leaves_the_3d_view_in_the_corner_free(hud, picture, view):
    for numbers in (statistics(), BUSY):
        hud.show_statistics(numbers)
        hud.place(NO_FOOT, picture, view)
        assert picture.contains(hud.geometry()) and not hud.geometry().intersects(view), f'the card stands at {hud.geometry()}, {view = }'


def test_it_tells_what_its_card_covers(qtbot):
    below, told = QWidget(), []
    qtbot.addWidget(below)
    hud = Hud(below)
    hud.covers.connect(told.append)
    hud.place(NO_FOOT, PICTURE)
    hud.show_statistics(BUSY)
    below.show()
    hud.show()
    assert told[-1] == hud.geometry()
    hud.place(FOOT, PICTURE)
    assert told[-1].isEmpty(), 'a strip covers nothing'
    hud.place(NO_FOOT, PICTURE)
    hud.hide()
    assert told[-1].isEmpty(), 'what is hidden covers nothing'


def test_a_text_that_does_not_fit_ends_in_dots_and_never_in_half_a_line(hud):
    text = 'Left out: 2 by the source, 368 waiting for hands (8 a second), 17 waiting for drawing, 20 by the window'
    metrics = hud.fontMetrics()
    line = metrics.height()
    for lines in (1, 2, 3, 20):
        room = QSize(200, lines * metrics.lineSpacing())
        shown, height = fitting(text, metrics, room)
        assert line <= height <= max(room.height(), line), f'{height} pixels high where there are {room.height()}: {shown}'
        assert shown == text or shown.endswith('…') and text.startswith(shown[:-1]), shown
    assert fitting(text, metrics, QSize(200, 400))[0] == text, 'dots where there is room for all'


def test_it_can_be_shown_before_there_is_anything_to_say(hud):
    hud.show()
    hud.grab()
    assert hud.words() == []
