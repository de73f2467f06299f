"""What the live pipeline does when something in it is slow: the newest frame wins, nothing queues up, nobody waits, and it is said."""
from __future__ import annotations

import threading
import time
from dataclasses import replace

from app.live.events import PictureReady
from app.live.settings import ViewSettings
from app.live.statistics import THREADS
from app.overlay import Overlay
from app.pipeline import Pipeline

SMALL_VIEW = ViewSettings(width=64, height=64)
SLOW = 0.2  # seconds


def test_whoever_takes_late_gets_the_newest_picture_and_one_announcement(start, numbered_clip):
    watched = start()
    watched.engine.open(numbered_clip, loop=True)
    watched.ears.wait(PictureReady)
    watched.until(lambda: watched.engine.dropped()['screen'] > 3, 'pictures nobody took are dropped')
    assert len(watched.ears.all(PictureReady)) == 1, 'it was announced again before it was taken'
    shown = watched.engine.take()
    watched.until(lambda: len(watched.ears.all(PictureReady)) == 2, 'the next picture is announced')
    assert watched.engine.take().frame.captured > shown.frame.captured


def test_a_slow_network_drops_frames_and_the_statistics_say_so(start, demo_clip, one_hand, monkeypatch):
    watched = start(settings=replace(one_hand, view=SMALL_VIEW)).prepared()
    settle = Pipeline.settle

    def slow(self, looked, intrinsics, wait):
        with self.clock.stage('network'):
            threading.Event().wait(SLOW)
        return settle(self, looked, intrinsics, wait)

    monkeypatch.setattr(Pipeline, 'settle', slow)
    watched.engine.open(demo_clip, loop=True)
    took = []
    for _ in range(12):
        shown = watched.picture()
        took.append(shown.stage_ms)
    told = watched.engine.statistics()
    assert watched.engine.dropped()['network'] > 10
    waited = shown.stage_ms['wait']  # while the frame before was in work, but not while all those before were: that would be seconds
    assert waited < 3 * max(stages['network'] for stages in took), f'{waited:.0f} ms: frames queued up before the network'
    too_slow = [s.name for s in told.stages if s.slow and s.name in THREADS['reconstruction']]
    assert too_slow == ['network'], told.stages
    assert any('the network takes' in remark for remark in told.remarks), told.remarks


def test_where_drawing_lags_the_3d_view_is_drawn_in_every_second_picture_and_it_is_said(start, demo_clip, one_hand, monkeypatch):
    from app.live.view import HandsView

    drawn = {'picture': 0, 'view': 0}

    def counted(kind, name, wait):
        draw = kind.draw

        def slow(self, *args, **kwargs):
            drawn[name] += 1
            threading.Event().wait(wait)
            return draw(self, *args, **kwargs)

        monkeypatch.setattr(kind, 'draw', slow)

    watched = start(settings=replace(one_hand, view=SMALL_VIEW)).prepared()
    counted(Overlay, 'picture', 0)
    counted(HandsView, 'view', 0.15)
    watched.engine.open(demo_clip, loop=True)

    def thrifty():
        shown = watched.engine.take()
        if shown is not None:
            watched.engine.painted(shown)
        return any('every second picture' in remark for remark in watched.engine.statistics().remarks)

    watched.until(thrifty, 'a remark says that the view is drawn less often')
    before = dict(drawn)
    watched.until(lambda: thrifty() and drawn['picture'] - before['picture'] > 8, 'pictures come')
    pictures, views = (drawn[name] - before[name] for name in ('picture', 'view'))
    assert pictures / 3 <= views <= 2 * pictures / 3, f'{views} views were drawn for {pictures} pictures'


def test_commands_return_at_once_while_everything_is_busy(start, demo_clip, one_hand):
    watched = start(settings=one_hand)
    engine, settings = watched.engine, one_hand
    slowest = 0.0
    commands = [lambda: engine.open(demo_clip, loop=True), engine.pause, engine.play, lambda: engine.seek(1.0), lambda: engine.step(1),
                lambda: engine.apply(replace(settings, hands=2)), lambda: engine.apply(settings), engine.reset_shapes, engine.statistics,
                engine.take, engine.position, engine.recording, lambda: engine.set_loop(False)]
    for _ in range(5):
        for command in commands:
            begun = time.thread_time()
            command()
            slowest = max(slowest, time.thread_time() - begun)
    assert slowest < 0.02, f'a command took {1e3 * slowest:.0f} ms of its caller'
