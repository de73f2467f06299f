"""The end of the live pipeline, whatever it is doing: no thread, no file and little memory is left."""
from __future__ import annotations

import re
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from app.live.engine import Engine
from app.live.events import SourceOpened
from app.live.player import Player
from tests.app.lateness import Lateness
from tests.app.live.played_camera import PlayedCamera


def slow_step(monkeypatch, name: str):
    """Make a step of starting take 0.3 s, as on a slow disk."""
    import importlib

    module, _, attribute = name.rpartition('.')
    owner = importlib.import_module(module)
    real = getattr(owner, attribute)

    def slowly(*args, **kwargs):
        time.sleep(0.3)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, attribute, slowly)


@pytest.mark.parametrize('moment', [0.0, 0.1, 0.5])
def test_closing_while_the_network_loads_ends_every_thread(numbered_clip, monkeypatch, moment):
    slow_step(monkeypatch, 'app.pipeline.Regressor')
    engine = Engine()
    engine.start()
    engine.open(numbered_clip)
    threading.Event().wait(moment)
    assert engine.close(10.0), engine.still_running


def test_closing_with_a_camera_that_hangs_returns_in_time(demo_frames):
    camera = PlayedCamera([demo_frames[0].image])
    camera.hang()
    engine = Engine(player=partial(Player, open_source=camera.open_source))
    engine.start()
    engine.open(0)
    with Lateness() as machine:
        start = time.monotonic()
        ended = engine.close(1.0)
        took = time.monotonic() - start
    camera.let_go()
    assert took < 2 + machine.lost, f'closing took {took:.1f} s'
    assert not engine.still_running or not ended


def test_closing_while_recording_ends_every_thread_and_keeps_the_recording(start, demo_clip, one_hand, tmp_path):
    from app.live.events import RecordingStarted, RecordingStopped
    from app.live.recorder import RecordingSettings

    watched = start(settings=one_hand).prepared()
    watched.engine.open(demo_clip, loop=True)
    watched.picture()
    watched.engine.start_recording(RecordingSettings(tmp_path, meshes=True))
    folder = watched.ears.wait(RecordingStarted).folder
    watched.until(lambda: watched.engine.recording() and watched.engine.recording().frames > 5, 'frames are recorded')
    assert watched.engine.close(20.0), watched.engine.still_running
    assert watched.ears.wait(RecordingStopped).folder == folder
    assert (folder / 'overlay.mp4').stat().st_size > 1000 and not list(folder.glob('*unfinished*'))


def resident_memory():
    """A function that tells this process's memory in MB."""
    status = Path('/proc/self/status')
    if not status.exists():
        pytest.skip('memory is read from /proc, which this system does not have')
    return lambda: int(re.search(r'VmRSS:\s+(\d+)', status.read_text())[1]) / 1e3


@pytest.mark.slow
def test_a_hundred_starts_and_fifty_switches_leave_no_thread_and_little_memory(start, numbered_clip, demo_clip):
    memory = resident_memory()

    def started_and_stopped():
        engine = Engine()
        engine.start()
        engine.open(numbered_clip)
        assert engine.close(20.0), engine.still_running

    def switched(count):
        for _ in range(count):
            number = len(watched.ears.all(SourceOpened))
            clip = (numbered_clip, demo_clip)[number % 2]
            watched.engine.open(clip, loop=True)
            watched.ears.wait(SourceOpened, number + 1)
            watched.picture(lambda s: s.inferred.captured.source.name == clip.name)

    threads = threading.active_count()
    for _ in range(30):
        started_and_stopped()
    watched = start().prepared()
    switched(10)  # what is made once is made now
    before, running = memory(), threading.active_count()
    switched(40)
    watched.until(lambda: threading.active_count() <= running, f'no more than {running} threads run')
    assert watched.engine.close(20.0), watched.engine.still_running
    for _ in range(70):
        started_and_stopped()
    assert threading.active_count() <= threads
    grown = memory() - before
    assert grown < 100, f'memory grew by {grown:.0f} MB'
