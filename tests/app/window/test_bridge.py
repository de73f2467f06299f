"""The engine as the window sees it: signals on the window's thread, commands that never wait."""
from __future__ import annotations

import threading
import time

import pytest

from app.errors import InputError
from app.live.events import Problem, SourceOpening
from app.live.settings import LiveSettings
from app.window.bridge import EngineBridge
from tests.app.lateness import Lateness
from tests.app.window.made_engine import MadeEngine, shown

PATIENCE = 10_000  # milliseconds


@pytest.fixture
def started(qtbot):
    """A bridge with its made engine."""
    engines = []

    def make(settings, listener):
        engines.append(MadeEngine(settings, listener))
        return engines[0]

    bridge = EngineBridge(LiveSettings(), make)
    with qtbot.waitSignal(bridge.ready, timeout=PATIENCE):
        bridge.start()
    yield bridge, engines[0]
    bridge.close()


def test_what_the_engine_says_on_its_threads_arrives_on_the_windows_thread(qtbot, started):
    bridge, engine = started
    heard = []
    bridge.source_opening.connect(lambda event: heard.append((event, threading.current_thread())))
    bridge.happened.connect(lambda event: heard.append((event, threading.current_thread())))
    engine.say(SourceOpening('clip.mp4'))
    assert not heard, 'a signal was delivered on the thread of the engine'
    qtbot.waitUntil(lambda: len(heard) == 2, timeout=PATIENCE)
    assert all(event == SourceOpening('clip.mp4') and thread is threading.current_thread() for event, thread in heard), heard


def test_of_several_pictures_only_the_newest_is_shown(qtbot, started):
    bridge, engine = started
    given = []
    bridge.picture.connect(given.append)
    pictures = [shown(index=index) for index in range(3)]
    for picture in pictures:
        engine.give(picture)
    qtbot.waitUntil(lambda: bool(given), timeout=PATIENCE)
    qtbot.wait(20)
    assert [s.frame.index for s in given] == [2], f'pictures {[s.frame.index for s in given]} were shown, not the newest alone'


def slowly_made() -> tuple[EngineBridge, list[MadeEngine], threading.Event]:
    """A bridge that was started, the engine that it makes, in a list, and what lets it be made."""
    go, engines = threading.Event(), []

    def make(settings, listener):
        go.wait(10)
        engines.append(MadeEngine(settings, listener))
        return engines[0]

    bridge = EngineBridge(LiveSettings(), make)
    bridge.start()
    return bridge, engines, go


def test_what_is_asked_before_the_engine_is_there_is_done_in_order_when_it_is(qtbot):
    bridge, engines, go = slowly_made()
    with Lateness() as machine:
        began = time.monotonic()
        bridge.open('clip.mp4', loop=True)
        bridge.pause()
        bridge.apply(LiveSettings(style='skeleton'))
        asked = time.monotonic() - began
    assert bridge.statistics() is None and bridge.position() is None and bridge.recording() is None
    go.set()
    qtbot.waitUntil(lambda: bool(engines) and len(engines[0].calls) == 4, timeout=PATIENCE)
    assert [call[0] for call in engines[0].calls] == ['start', 'open', 'pause', 'apply'], engines[0].calls
    assert engines[0].told('open') == [('clip.mp4', True, False)]
    assert asked < 0.5 + machine.lost, f'asking an engine that is not there yet took {asked:.2f} s'
    bridge.close()


def test_closing_while_the_engine_is_made_does_not_wait_for_it_and_ends_it(qtbot):
    bridge, engines, go = slowly_made()
    with Lateness() as machine:
        began = time.monotonic()
        ended = bridge.close(timeout=0.3)
        took = time.monotonic() - began
    assert not ended and took < 2 + machine.lost, f'closing took {took:.2f} s and said {ended}'
    go.set()
    qtbot.waitUntil(lambda: bool(engines) and engines[0].closed, timeout=PATIENCE)


def test_an_engine_that_cannot_be_made_is_told_in_a_sentence(qtbot):
    def make(settings, listener):
        raise InputError('The hand model is missing.')

    bridge = EngineBridge(LiveSettings(), make)
    with qtbot.waitSignal(bridge.problem, timeout=PATIENCE) as heard:
        bridge.start()
    assert heard.args == [Problem('The hand model is missing.')]
    assert bridge.close()


def test_a_command_that_fails_is_told_and_the_next_one_is_done(qtbot, started):
    bridge, engine = started

    def refuse(*_, **__):
        raise InputError('There is no such file.')

    engine.open = refuse
    with qtbot.waitSignal(bridge.problem, timeout=PATIENCE) as heard:
        bridge.open('nothing')
    bridge.pause()
    qtbot.waitUntil(lambda: engine.told('pause') == [()], timeout=PATIENCE)
    assert heard.args == [Problem('There is no such file.')]


def test_settings_that_stay_as_they_are_are_not_applied_again(qtbot, started):
    bridge, engine = started
    bridge.apply(LiveSettings())
    bridge.apply(LiveSettings(opacity=0.5))
    bridge.pause()
    qtbot.waitUntil(lambda: bool(engine.told('pause')), timeout=PATIENCE)
    assert [settings.opacity for settings, in engine.told('apply')] == [0.5]


def test_after_closing_nothing_is_told_any_more(qtbot, started):
    bridge, engine = started
    heard = []
    bridge.happened.connect(heard.append)
    engine.say(SourceOpening('late'))
    bridge.close()
    engine.say(SourceOpening('later'))
    qtbot.wait(20)
    assert not heard and engine.closed
