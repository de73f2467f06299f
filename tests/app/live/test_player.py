"""The player: files by the clock, pausing, seeking, stepping; cameras that stall and vanish. Only the camera's device is faked."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.live.events import Event, SourceBack, SourceEnded, SourceFailed, SourceLost, SourceOpened
from app.live.newest import Newest
from app.live.player import Player
from app.live.shown import Captured
from tests.app.live.played_camera import PlayedCamera
from tests.app.made_clips import number_of, numbered, write_clip

PATIENCE = 20.0  # seconds for what takes a fraction of one on a machine that has nothing else to do


class Watched(Newest[Captured]):
    """Keeps all that is put; waits for what a test expects."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Captured] = []
        self.events: list[Event] = []
        self.news = threading.Condition()

    def put(self, item: Captured) -> None:
        super().put(item)
        with self.news:
            self.all.append(item)
            self.news.notify_all()

    def hear(self, event: Event) -> None:
        with self.news:
            self.events.append(event)
            self.news.notify_all()

    def told(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    def wait(self, what: Callable[[], bool], seconds: float = PATIENCE) -> None:
        with self.news:
            assert self.news.wait_for(what, seconds), f'did not happen in {seconds} s; {self.numbers} frames, {self.events}'

    def wait_for(self, kind: type, count: int = 1, seconds: float = PATIENCE) -> Event:
        self.wait(lambda: len(self.told(kind)) >= count, seconds)
        return self.told(kind)[count - 1]

    @property
    def numbers(self) -> list[int]:
        return [captured.frame.index for captured in self.all]


@pytest.fixture
def out() -> Watched:
    return Watched()


@pytest.fixture
def player(out) -> Iterator[Player]:
    player = Player(out, out.hear)
    yield player
    assert player.close(PATIENCE), 'a thread of the player did not end'


def test_a_file_is_played_at_its_own_speed_and_its_last_frame_stays(tmp_path, out, player):
    times = [0.0, 0.1, 0.15, 0.4, 0.5, 0.9, 1.0]
    player.open(write_clip(tmp_path / 'clip.mp4', 7, times))
    assert out.wait_for(SourceEnded).warnings == ()
    given = [c.frame for c in out.all]
    assert all(number_of(f.image) == f.index for f in given)
    start = given[0].captured - given[0].time
    early = min(f.captured - start - f.time for f in given)
    assert early > -0.005, f'a frame came {-early * 1e3:.0f} ms before its time'
    assert given[-1].index == 6 and player.position().ended and not player.position().playing


def test_a_file_that_cannot_be_opened_is_told_in_a_sentence(tmp_path, out, player):
    player.open(tmp_path / 'none.mp4')
    assert 'none.mp4' in out.wait_for(SourceFailed).sentence and not out.told(SourceOpened)


def test_pausing_holds_the_frame_and_playing_goes_on_behind_it(tmp_path, out, player):
    player.open(write_clip(tmp_path / 'clip.mp4', 30))
    out.wait(lambda: len(out.all) > 3)
    player.pause()
    out.wait(lambda: not player.position().playing)
    count = len(out.all)
    time.sleep(0.3)
    assert len(out.all) == count, 'frames came while paused'
    player.play()
    out.wait_for(SourceEnded)
    assert out.numbers == sorted(set(out.numbers)) and out.numbers[-1] == 29


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
    before = time.monotonic()
    lost = out.wait_for(SourceLost)
    seconds = time.monotonic() - before
    assert seconds < 2, f'told after {seconds:.1f} s'
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
    before = time.monotonic()
    assert not live.close(2.0), 'a thread hangs in the device'
    seconds = time.monotonic() - before
    assert seconds < 2.5, f'closing took {seconds:.1f} s'
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
