"""The player and cameras that come late, fall silent, hang, vanish and return. Only the device is faked; it plays pictures in real time."""
from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from app.live.events import SourceBack, SourceEnded, SourceFailed, SourceLost
from app.live.player import Player
from app.sources.arrivals import Arrivals
from tests.app.lateness import Lateness
from tests.app.live.played_camera import PlayedCamera
from tests.app.live.watched import PATIENCE
from tests.app.made_clips import number_of, numbered, write_clip


@pytest.fixture
def camera() -> Iterator[PlayedCamera]:
    camera = PlayedCamera([numbered(i) for i in range(20)], fps=60)
    yield camera
    camera.let_go()


@pytest.fixture
def live(out, camera) -> Iterator[Player]:
    player = Player(out, out.hear, open_source=camera.open_source)
    yield player
    camera.let_go()
    assert player.close(PATIENCE), 'a thread of the player did not end'


def test_a_camera_is_shown_as_it_comes(out, live, camera):
    live.open(0)
    out.wait(lambda: len(out.all) > 60)
    assert out.numbers == sorted(set(out.numbers)) and {c.source.kind for c in out.all} == {'camera'}
    assert not any(c.source.seekable for c in out.all) and len({c.generation for c in out.all}) == 1


def test_a_camera_that_is_unplugged_is_told_in_two_seconds_and_comes_back_by_itself(out, live, camera):
    live.open('camera:0')
    out.wait(lambda: len(out.all) > 5)
    camera.unplug()
    with Lateness() as machine:
        before = time.monotonic()
        lost = out.wait_for(SourceLost)
        seconds = time.monotonic() - before
    assert seconds < 2 + machine.lost, f'told after {seconds:.2f} s; for {machine.lost:.2f} s of that others worked'
    assert 'plug' in lost.sentence
    first = out.all[-1]
    camera.plug_in()
    out.wait_for(SourceBack)
    out.wait(lambda: len([c for c in out.all if c.generation > first.generation]) > 5)
    assert out.numbers == sorted(set(out.numbers)) and len(out.told(SourceLost)) == 1 and camera.most_handles == 1


def test_a_camera_that_falls_silent_is_told_and_goes_on_when_it_gives_pictures_again(out, live, camera):
    live.open(0)
    out.wait(lambda: len(out.all) > 5)
    camera.stall(3)
    out.wait_for(SourceLost)
    out.wait_for(SourceBack)
    count = len(out.all)
    out.wait(lambda: len(out.all) > count + 5)


def test_a_camera_that_hangs_does_not_hold_up_a_change_or_the_end(out, live, camera, tmp_path):
    live.open(0)
    out.wait(lambda: len(out.all) > 5)
    camera.hang()
    live.open(write_clip(tmp_path / 'clip.mp4', 5))
    out.wait_for(SourceEnded)
    assert live.threads == 2, 'the reader that hangs and the one of the clip'
    live.open(0)
    assert 'hangs' in out.wait_for(SourceFailed).sentence
    with Lateness() as machine:
        before = time.monotonic()
        assert not live.close(2.0), 'a thread hangs in the device'
        seconds = time.monotonic() - before
    assert seconds < 2.5 + machine.lost, f'closing took {seconds:.2f} s; for {machine.lost:.2f} s of that others worked'
    assert camera.most_handles == 1


@pytest.mark.parametrize('fault', ['busy', 'unplugged'])
def test_a_camera_that_cannot_be_had_is_told_in_a_sentence(out, live, camera, fault):
    camera.busy = fault == 'busy'
    if fault == 'unplugged':
        camera.unplug()
    live.open(0)
    sentence = out.wait_for(SourceFailed).sentence
    assert 'camera 0' in sentence.lower() and ('close' in sentence or 'plug' in sentence), sentence


def test_a_paused_camera_is_read_on_and_shows_the_present_when_it_goes_on(out, live, camera):
    live.open(0)
    out.wait(lambda: len(out.all) > 5)
    live.pause()
    out.wait(lambda: not live.position().playing)
    count, given = len(out.all), camera.given
    out.wait(lambda: True)
    while camera.given < given + 30:
        time.sleep(0.02)
    assert len(out.all) <= count + 1
    live.play()
    out.wait(lambda: len(out.all) > count + 3)
    gap = out.all[-1].frame.index - out.all[count - 1].frame.index
    assert gap >= 30, f'{gap} frames went by'


def test_pictures_arrive_whole_and_in_the_order_of_the_camera(out, live, camera):
    live.open(0)
    out.wait(lambda: len(out.all) > 10)
    frames = [c.frame for c in list(out.all)]
    assert all(number_of(f.image) in range(20) and f.image[0, 0, 0] > 200 > f.image[0, 0, 2] for f in frames), 'red is red'
    for a, b in zip(frames, frames[1:], strict=False):
        assert 0 < b.captured - a.captured == pytest.approx(b.time - a.time, abs=1e-6)


def test_another_camera_number_is_another_camera_and_the_same_one_is_opened_anew(out, live, camera):
    live.open(0)
    out.wait(lambda: len(out.all) > 5)
    live.open(0)
    out.wait(lambda: len({c.generation for c in out.all}) == 2)
    assert camera.opened == 2 and camera.most_handles == 1, 'never two at once on one device'


def test_what_ran_before_runs_on_while_a_camera_hangs_on_opening(out, live, camera, tmp_path):
    live.open(write_clip(tmp_path / 'clip.mp4', 20), loop=True)
    out.wait(lambda: len(out.all) > 5)
    camera.hang()
    live.open(0)
    count = len(out.all)
    out.wait(lambda: len(out.all) > count + 10)
    live.open(tmp_path / 'clip.mp4')
    out.wait_for(SourceEnded)


def test_a_camera_that_vanishes_while_it_hangs_comes_back(out, live, camera):
    live.open(0)
    out.wait(lambda: len(out.all) > 5)
    camera.hang()
    out.wait_for(SourceLost)
    camera.unplug()
    camera.let_go()
    camera.plug_in()
    out.wait_for(SourceBack)
    assert camera.most_handles == 1 and len(out.told(SourceLost)) == 1


def test_pictures_that_the_camera_loses_are_estimated(out):
    camera = PlayedCamera([numbered(i) for i in range(20)], fps=20, jitter=0.005, loss=0.3, seed=3)
    player = Player(out, out.hear, open_source=camera.open_source)
    player.open(0)
    out.wait(lambda: player.camera_dropped > 3)
    assert player.close(PATIENCE)


def test_the_estimate_is_near_the_truth_when_pictures_are_late_and_lost_at_random():
    chance, times, lost = np.random.default_rng(0), [], 0
    for number in range(2000):
        if chance.random() < 0.1:
            lost += 1
        else:
            times.append(number / 30 + chance.random() * 0.01)
    counted = arrivals(np.diff(times).tolist())
    assert abs(counted - lost) < 0.1 * lost, f'{counted} counted, {lost} lost'


def arrivals(gaps: list[float]) -> int:
    watch, now = Arrivals(), 0.0
    for gap in gaps:
        now += gap
        watch.add(now)
    return watch.dropped


@pytest.mark.parametrize(('gaps', 'dropped', 'why'), [
    ([0.03] * 50, 0, 'all there'),
    ([0.03] * 20 + [0.06] + [0.03] * 20, 1, 'one is missing'),
    ([0.03] * 20 + [0.15] + [0.03] * 20, 4, 'four are missing'),
    ([0.03] * 20 + [0.05, 0.01] + [0.03] * 20, 0, 'one was only late'),
    ([0.03] * 5 + [0.3] + [0.03] * 5, 0, 'too early to tell'),
    ([0.028, 0.032] * 30, 0, 'an uneven clock'),
])
def test_a_missing_picture_is_told_from_a_late_one(gaps, dropped, why):
    assert arrivals(gaps) == dropped, why


def test_a_camera_that_slows_down_in_the_dark_loses_hardly_any():
    assert arrivals([0.033] * 40 + [0.066] * 200) <= 12
