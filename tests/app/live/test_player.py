"""The player and files of all kinds: by the clock, as fast as can be, broken, changed, closed. Real clips, a real clock."""
from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.live.events import Problem, SourceEnded, SourceFailed, SourceOpened
from app.live.pacing import BEHIND, Pace
from app.live.player import Player
from app.sources import open_source
from app.sources.video import VideoSource
from tests.app.lateness import Lateness
from tests.app.live.watched import PATIENCE, still
from tests.app.made_clips import cut, number_of, numbered, write_clip


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


def test_a_change_gives_frames_of_the_new_source_only_and_a_wrong_one_changes_nothing(tmp_path, out, player):
    first, second = write_clip(tmp_path / 'first.mp4', 59), write_clip(tmp_path / 'second.mp4', 30)
    player.open(first, loop=True)
    out.wait(lambda: len(out.all) > 3)
    player.open(tmp_path / 'none.mp4')
    out.wait_for(SourceFailed)
    count = len(out.all)
    out.wait(lambda: len(out.all) > count + 3)
    player.open(second)
    out.wait_for(SourceEnded)
    names = [c.source.name for c in out.all]
    assert names == sorted(names) and names[-1] == 'second.mp4' and out.all[-1].generation > out.all[0].generation


def test_a_consumer_that_is_slow_loses_frames_but_never_falls_behind(tmp_path, out, player):
    player.open(write_clip(tmp_path / 'clip.mp4', 59, fps=50))
    late = []
    with Lateness() as machine:
        while not out.told(SourceEnded):
            captured = out.take(0.2)
            if captured is not None:
                late.append(time.monotonic() - captured.frame.captured)
                time.sleep(0.1)
    assert len(late) < 40 and out.dropped > 5
    # whoever got them one after the other would be up to 4.7 s late in the end; a frame lasts 20 ms
    assert np.median(late) < 0.06 + machine.worst, f'frames were {np.median(late) * 1e3:.0f} ms old'


def test_a_source_that_cannot_keep_up_is_played_slower_not_later(tmp_path, out):
    class Slow(VideoSource):
        def __iter__(self):
            for frame in super().__iter__():
                time.sleep(0.05)
                yield frame

    player = Player(out, out.hear, open_source=lambda spec: Slow(Path(spec)))
    player.open(write_clip(tmp_path / 'clip.mp4', 40))
    out.wait_for(SourceEnded)
    assert player.close(PATIENCE)
    gaps = np.diff([c.frame.captured for c in out.all])
    assert len(out.all) > 15 and gaps.max() < 1.5, f'{len(out.all)} of 40 frames, at most {gaps.max():.2f} s apart'


def test_as_fast_as_possible_gives_every_frame_to_whoever_takes_it(tmp_path, out):
    player = Player(out, out.hear, speed=0)
    player.open(write_clip(tmp_path / 'clip.mp4', 59, fps=1))
    start, got = time.monotonic(), []
    while len(got) < 59:
        captured = out.take(PATIENCE)
        assert captured is not None, f'{len(got)} of 59'
        got.append(captured.frame.index)
    seconds = time.monotonic() - start
    assert got == list(range(59)) and out.dropped == 0 and seconds < 30, f'{seconds:.1f} s for a clip of 59 s'
    assert player.close(PATIENCE)


def test_another_rate_plays_and_dates_the_clip_as_if_it_were_its_own(tmp_path, out):
    player = Player(out, out.hear, fps=100)
    player.open(write_clip(tmp_path / 'clip.mp4', 50, fps=10))
    out.wait_for(SourceEnded)
    last = out.all[-1]
    assert (last.frame.index, last.frame.time, last.source.fps) == (49, pytest.approx(0.49), 100)
    span = last.frame.captured - out.all[0].frame.captured
    assert 0.45 < span < 3, f'{span:.2f} s'
    assert player.close(PATIENCE)


def pictures(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), numbered(number)[:, :, ::-1])
    return folder


def test_unrelated_pictures_are_shown_one_by_one(tmp_path, out, player, monkeypatch):
    monkeypatch.setattr('app.live.file_playing.STILL', 0.2)
    player.open(pictures(tmp_path / 'photos', ['anna.png', 'bert.png', 'chris.png']))
    out.wait_for(SourceEnded)
    assert out.numbers == [0, 1, 2] and len({c.generation for c in out.all}) == 3, 'nothing is carried over from one to the next'
    assert all(c.paused and not c.source.sequence for c in out.all)
    player.step(-1)
    still(player, out, 1)


def test_a_folder_that_counts_is_a_clip(tmp_path, out, player):
    player.open(pictures(tmp_path / 'frames', [f'{i:03}.png' for i in range(12)]))
    out.wait_for(SourceEnded)
    assert out.all[-1].source.kind == 'folder' and out.all[-1].source.sequence and not out.all[-1].paused
    player.seek(0.2)
    still(player, out, 6)


def test_a_single_picture_is_shown_once(tmp_path, out, player):
    folder = pictures(tmp_path / 'photos', ['anna.png'])
    player.open(folder / 'anna.png', loop=True)
    out.wait_for(SourceEnded)
    player.play()
    player.seek(3)
    out.wait_for(SourceEnded, 2)
    assert set(out.numbers) == {0} and len(out.all) <= 2 and out.all[0].paused and out.all[0].source.kind == 'picture'


@pytest.mark.parametrize('loop', [False, True])
def test_a_video_of_one_frame_is_shown_and_ends(tmp_path, out, player, loop):
    player.open(write_clip(tmp_path / 'clip.mp4', 1), loop=loop)
    out.wait_for(SourceEnded)
    assert out.numbers == [0]


@pytest.mark.parametrize('rotation', [90, -90, 180])
def test_a_turned_phone_video_comes_upright(tmp_path, out, player, rotation):
    player.open(write_clip(tmp_path / 'clip.mp4', 5, rotation=rotation), paused=True)
    out.wait(lambda: bool(out.all))
    height, width = out.all[0].frame.image.shape[:2]
    assert (width, height) == (out.all[0].source.width, out.all[0].source.height) == ((64, 48) if rotation == 180 else (48, 64))


def test_a_cut_video_is_played_as_far_as_it_goes_and_says_so(tmp_path, out, player):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(30)]
    path = write_clip(tmp_path / 'clip.mp4', 30, images=noise, options={'movflags': 'faststart'})
    player.open(cut(path, 0.6, 'cut.mp4'))
    warnings = out.wait_for(SourceEnded).warnings
    assert len(warnings) == 1 and 'cut' in warnings[0], warnings


def test_a_cut_video_that_is_looped_says_so_once(tmp_path, out, player):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(30)]
    path = write_clip(tmp_path / 'clip.mp4', 30, images=noise, options={'movflags': 'faststart'})
    player.open(cut(path, 0.6, 'cut.mp4'), loop=True)
    assert 'cut' in out.wait_for(Problem).sentence
    out.wait(lambda: len({c.generation for c in out.all}) > 3)
    assert len(out.told(Problem)) == 1 and not out.told(SourceEnded), out.told(Problem)


def test_a_file_that_is_deleted_while_it_plays_is_told_when_it_is_needed_again(tmp_path, out, player):
    path = write_clip(tmp_path / 'clip.mp4', 30)
    player.open(path, loop=True)
    out.wait(lambda: len(out.all) > 3)
    path.unlink()
    assert 'clip.mp4' in out.wait_for(Problem).sentence
    out.wait_for(SourceEnded)
    assert len(out.all) > 3 and player.position().ended


@pytest.mark.parametrize(('name', 'make', 'word'), [
    ('notes.mp4', lambda path: path.write_text('no video\n' * 100), 'not a video'), ('empty.mp4', Path.touch, 'empty'),
    ('folder', Path.mkdir, 'no pictures'), ('missing.mp4', lambda path: None, 'no file')])
def test_what_cannot_be_played_is_told_in_one_sentence(tmp_path, out, player, name, make, word):
    make(tmp_path / name)
    player.open(tmp_path / name)
    failed = out.wait_for(SourceFailed)
    assert word in failed.sentence and name in failed.sentence and '\n' not in failed.sentence and failed.spec == str(tmp_path / name)


def test_an_error_that_nobody_foresaw_is_told_and_the_player_lives_on(tmp_path, out):
    def broken(spec):
        if Path(spec).name == 'odd':
            raise RuntimeError('what is this')
        return open_source(spec)

    player = Player(out, out.hear, open_source=broken)
    player.open('odd')
    assert 'what is this' in out.wait_for(SourceFailed).sentence
    player.open(write_clip(tmp_path / 'clip.mp4', 3))
    out.wait_for(SourceEnded)
    assert player.close(PATIENCE)


def open_files() -> int:
    return len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else 0


def test_fifty_changes_leave_no_thread_and_no_open_file_behind(tmp_path, out, player):
    clips = [write_clip(tmp_path / f'{i}.mp4', 20) for i in range(2)] + [pictures(tmp_path / 'photos', ['a.png', 'b.png'])]
    gc.collect()
    threads, files = threading.active_count(), open_files()
    for turn in range(50):
        player.open(clips[turn % 3], loop=bool(turn % 2))
        if turn % 5:
            out.wait_for(SourceOpened, len(out.told(SourceOpened)) + 1)
        if turn % 4 == 0:
            player.seek(0.3)
    player.open(clips[2])
    out.wait(lambda: bool(out.all) and out.all[-1].source.name == 'photos' and player.position().ended is not None)
    assert player.close(PATIENCE)
    assert threading.active_count() <= threads, [t.name for t in threading.enumerate()]
    gc.collect()
    assert open_files() <= files, f'{open_files() - files} files are still open'


def test_closing_ends_everything_whatever_it_is_doing(tmp_path, out):
    path = write_clip(tmp_path / 'clip.mp4', 50)
    what: list[Callable[[Player], None]] = [lambda p: None, lambda p: p.open(path), lambda p: (p.open(path), p.seek(1)),
                                            lambda p: (p.open(path, paused=True), p.step(1)), lambda p: [p.open(path) for _ in range(9)]]
    for begin in what:
        player = Player(out, out.hear)
        begin(player)
        assert player.close(PATIENCE)
        assert player.close(PATIENCE), 'closing twice does no harm'
        player.play()


def test_the_clock_is_given_up_only_when_it_is_far_behind():
    pace = Pace(2.0)
    pace.anchor(10.0, 100.0)
    assert pace.due(14.0) == 102.0
    pace.catch_up(14.0, 102.0 + 0.9 * BEHIND)
    assert pace.due(14.0) == 102.0
    pace.catch_up(14.0, 102.0 + 1.1 * BEHIND)
    assert pace.due(14.0) == 102.0 + 1.1 * BEHIND
    with pytest.raises(ValueError, match='speed'):
        Pace(-1)
