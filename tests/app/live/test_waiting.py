"""Frames that wait for the next one, live: each comes once, in order and with its own hands; and only where waiting is not felt."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from app.live.events import Problem, RecordingStarted, RecordingStopped, SourceEnded
from app.live.inference import Inference
from app.live.newest import Newest
from app.live.player import Player
from app.live.recorder import RecordingSettings
from app.live.settings import LiveSettings, ViewSettings
from app.live.shown import Captured, Inferred, SourceInfo
from app.live.statistics import Statistics
from app.pipeline import Pipeline
from app.types import Frame
from tests.app.made_clips import write_clip

LONG = 60.0  # seconds; what takes so long never happens
SOURCE = SourceInfo('clip.mp4', 'clip.mp4', 'video', 640, 480, 30.0, None, None, True)


class Kept(Newest[Inferred]):
    """Keeps all that is put."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Inferred] = []

    def put(self, item: Inferred) -> None:
        self.all.append(item)


class Fed:
    """The inference thread, given one frame after the other."""

    def __init__(self, settings: LiveSettings, frames: list[Frame]):
        self.frames, self.told, self.out = frames, [], Kept()
        self._in: Newest[Captured] = Newest()
        self.inference = Inference(self._in, self.out, settings, self.told.append, Statistics())
        self.inference.start()
        self.until(lambda: self.inference.ready)

    @property
    def numbers(self) -> list[int]:
        return [inferred.captured.frame.index for inferred in self.out.all]

    def until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + LONG
        while not condition():
            assert time.monotonic() < end, f'only frames {self.numbers} came; {self.told[-3:]}'
            time.sleep(0.002)

    def give(self, number: int, out: int, rate: float = 30.0, generation: int = 1, paused: bool = False, **source) -> None:
        """Frame `number`, captured in its time at `rate` frames per second; wait until `out` frames came out in all."""
        frame = replace(self.frames[number], captured=number / rate)
        self._in.put(Captured(frame, replace(SOURCE, fps=rate, **source), generation, paused))
        self.until(lambda: self._in.peek() is None and len(self.out.all) >= out)
        assert len(self.out.all) == out, f'frames {self.numbers} are out after frame {number} came, {out} should be'

    def none_comes(self, count: int) -> None:
        """End the patience with the source."""
        self._in.wake()
        self.until(lambda: len(self.out.all) >= count)

    def close(self) -> None:
        self.inference.close()
        for thread in self.inference.threads:
            thread.join(10)


@pytest.fixture
def feed(demo_frames, one_hand, monkeypatch) -> Iterator[Callable[..., Fed]]:
    """`feed(field of LiveSettings=value)`. Nothing is ever waited for in vain, until `PATIENCE` is set to less; nothing is drawn again."""
    monkeypatch.setattr('app.live.inference.PATIENCE', LONG)
    monkeypatch.setattr('app.live.inference.IDLE', LONG)
    fed: list[Fed] = []

    def begin(**settings) -> Fed:
        fed.append(Fed(replace(one_hand, **settings), demo_frames))
        return fed[-1]

    yield begin
    for one in fed:
        one.close()


def test_each_frame_waits_for_the_next_one_and_the_last_one_comes_too(feed, demo_frames, monkeypatch):
    fed = feed()
    for number in range(8):
        fed.give(number, out=number)
    monkeypatch.setattr('app.live.inference.PATIENCE', 0.02)
    fed.none_comes(8)
    assert fed.numbers == list(range(8))
    for number, inferred in enumerate(fed.out.all):
        assert inferred.captured.frame.image is demo_frames[number].image, f'frame {number} comes with another picture, or a copy of it'
        assert len(inferred.found) == 1 and abs(inferred.found[0].points.mean() - inferred.found[0].joints_2d.mean()) < 10
        assert {'wait', 'ahead', 'network', 'smooth'} <= {*inferred.stage_ms}, inferred.stage_ms
    points = [inferred.found[0].points for inferred in fed.out.all]
    assert all((a != b).any() for a, b in zip(points, points[1:])), 'the hands of a frame came twice'


def test_the_hands_are_those_of_the_pipeline_with_the_frame_after(feed, demo_frames):
    fed = feed()
    for number in range(6):
        fed.give(number, out=number)
    pipeline, camera = fed.inference._pipeline, fed.out.all[0].intrinsics
    pipeline.reset()
    there = [placed for frame in demo_frames[:6] for placed in pipeline.settle(pipeline.look(frame), camera)]
    assert len(there) == 5
    for one, inferred in zip(there, fed.out.all):
        assert (one.hands[0].joints_3d == inferred.found[0].joints_3d).all(), f'frame {one.frame.index}'


@pytest.mark.parametrize('why, settings, given', [
    ('a slow source', {}, {'rate': 20.0}), ('single pictures', {}, {'kind': 'folder', 'sequence': False}), ('stills', {}, {'paused': True}),
    ('it is switched off', {'ahead': False}, {}), ('hands that are not smoothed', {'smoothing': 0.0}, {})])
def test_where_waiting_would_be_felt_or_bring_nothing_each_frame_comes_at_once(feed, why, settings, given):
    fed = feed(**settings)
    for number in range(4):
        fed.give(number, out=number + 1, **given)
        assert 'ahead' not in fed.out.all[-1].stage_ms, why
    assert fed.numbers == [0, 1, 2, 3]


def test_one_late_frame_does_not_end_the_waiting_and_a_source_that_has_become_slow_does(feed):
    fed = feed()
    for number in range(3):
        fed.give(number, out=number)
    fed.give(4, out=3)  # one was lost
    for number, out in ((5, 4), (6, 5), (9, 7), (12, 8), (15, 9)):
        fed.give(number, out)
    assert fed.numbers == [0, 1, 2, 4, 5, 6, 9, 12, 15]


def test_a_frame_waits_no_longer_than_its_patience(feed, monkeypatch):
    monkeypatch.setattr('app.live.inference.PATIENCE', 0.06)
    fed = feed()
    began = time.monotonic()
    fed.give(0, out=0)
    fed.until(lambda: len(fed.out.all) == 1)
    assert time.monotonic() - began >= 0.05, 'it did not wait'
    fed.give(1, out=1)
    fed.until(lambda: len(fed.out.all) == 2)
    assert fed.numbers == [0, 1] and all(inferred.found for inferred in fed.out.all)


def test_a_jump_and_a_still_give_what_waited_first(feed):
    fed = feed()
    fed.give(0, out=0)
    fed.give(1, out=1)
    fed.give(20, out=2, generation=2)  # sought, and playing on
    fed.give(21, out=3, generation=2)
    fed.give(22, out=5, generation=2, paused=True)  # stepped
    fed.give(3, out=6, generation=3, paused=True)
    assert fed.numbers == [0, 1, 20, 21, 22, 3]
    assert [inferred.captured.generation for inferred in fed.out.all] == [1, 1, 2, 2, 2, 3]


def test_a_frame_that_fails_comes_without_hands_and_the_one_that_waited_with_its_own(feed, monkeypatch):
    fed, look = feed(), Pipeline.look

    def broken(self, frame):
        if frame.index == 2:
            raise ZeroDivisionError('made by the test')
        return look(self, frame)

    monkeypatch.setattr(Pipeline, 'look', broken)
    for number, out in enumerate((0, 1, 3, 3, 4)):
        fed.give(number, out)
    assert fed.numbers == [0, 1, 2, 3] and [len(inferred.found) for inferred in fed.out.all] == [1, 1, 0, 1]
    assert any(isinstance(event, Problem) for event in fed.told)


def test_a_network_that_is_exchanged_keeps_the_frame_that_waits(feed):
    fed = feed()
    fed.give(0, out=0)
    old = fed.inference._pipeline
    fed.inference.apply(LiveSettings(provider='cpu', hands=2))
    fed.until(lambda: fed.inference._pipeline is not old)
    fed.give(1, out=1)
    assert fed.numbers == [0] and len(fed.out.all[0].found) == 1


def test_a_recording_has_every_frame_that_played_also_the_last(start, demo_frames, one_hand, tmp_path):
    clip = write_clip(tmp_path / 'clip.mp4', 20, size=(640, 480), images=[frame.image for frame in demo_frames[:20]])
    watched = start(settings=replace(one_hand, view=ViewSettings(64, 64)), player=partial(Player, speed=0)).prepared()
    watched.engine.open(clip, paused=True)
    watched.picture(lambda shown: shown.hands)
    watched.engine.start_recording(RecordingSettings(tmp_path, overlay=False))
    watched.ears.wait(RecordingStarted)
    watched.engine.play()
    watched.ears.wait(SourceEnded)

    def recorded() -> bool:
        left_out = watched.engine.dropped()  # by a machine that is too slow
        return watched.engine.recording().frames + left_out['network'] + left_out['drawing'] + left_out['recording'] == 19

    watched.until(recorded, 'all frames but the still are recorded')
    watched.engine.stop_recording()
    assert watched.ears.wait(RecordingStopped).files
