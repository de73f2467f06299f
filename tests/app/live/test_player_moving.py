"""The player and where it is in a file: paused, sought, stepped, looped. Real clips, a real clock."""
from __future__ import annotations

import time

import numpy as np
import pytest

from app.live.events import PlayStateChanged, SourceEnded
from app.live.player import Player
from app.sources.video import VideoSource
from tests.app.live.watched import PATIENCE, still
from tests.app.made_clips import write_clip


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


def test_seeking_while_paused_gives_exactly_the_frame_and_a_new_generation(tmp_path, out, player):
    times = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.2, 40)).tolist()
    player.open(write_clip(tmp_path / 'clip.mp4', 40, times), paused=True)
    still(player, out, 0)
    for index in (30, 3, 39, 0, 17):
        before = out.all[-1].generation
        player.seek(times[index] - times[0] + 0.009)
        still(player, out, index)
        assert out.all[-1].generation > before and not player.position().playing
        assert player.position().time == pytest.approx(times[index] - times[0], abs=1e-3)
    player.seek(1e6)
    still(player, out, 39)
    player.seek(-1)
    still(player, out, 0)


def test_seeking_while_playing_goes_on_from_there_at_once(tmp_path, out, player):
    player.open(write_clip(tmp_path / 'clip.mp4', 59, fps=10))
    out.wait(lambda: len(out.all) > 1)
    player.seek(4.0)
    out.wait(lambda: out.all[-1].generation > out.all[0].generation and len(out.all) > 6)
    after = [c for c in out.all if c.generation > out.all[0].generation]
    assert after[0].frame.index == 40 and not after[0].paused
    player.seek(5.5)
    out.wait_for(SourceEnded)
    assert out.numbers[-1] == 58


def test_a_slider_that_is_dragged_shows_pictures_on_the_way_and_the_right_one_in_the_end(tmp_path, out, player):
    player.open(write_clip(tmp_path / 'clip.mp4', 59), paused=True)
    still(player, out, 0)
    for place in np.linspace(0, 1.2, 200):
        player.seek(float(place))
    still(player, out, 36)


def test_steps_go_on_and_back_by_one_frame_and_stop_at_the_ends(tmp_path, out, player):
    player.open(write_clip(tmp_path / 'clip.mp4', 12), paused=True)
    still(player, out, 0)
    for steps, index in ((1, 1), (1, 2), (-1, 1), (5, 6), (-3, 3), (-9, 0), (-1, 0), (99, 11), (1, 11), (-1, 10)):
        player.step(steps)
        still(player, out, index)
    for _ in range(4):
        player.step(-1)
    still(player, out, 6)
    for _ in range(3):
        player.step(1)
    still(player, out, 9)


def test_stepping_pauses(tmp_path, out, player):
    player.open(write_clip(tmp_path / 'clip.mp4', 50), loop=True)
    out.wait(lambda: len(out.all) > 3)
    player.step(1)
    out.wait(lambda: out.all[-1].paused)
    assert not player.position().playing and not out.told(PlayStateChanged)[-1].playing


def test_stepping_back_decodes_once_for_several_frames(tmp_path, out, monkeypatch):
    jumps = []
    jump = VideoSource.from_index
    monkeypatch.setattr(VideoSource, 'from_index', lambda self, index: jumps.append(index) or jump(self, index))
    player = Player(out, out.hear)
    player.open(write_clip(tmp_path / 'clip.mp4', 59), paused=True)
    player.seek(50 / 30)
    still(player, out, 50)
    for index in range(49, 19, -1):
        player.step(-1)
        still(player, out, index)
    assert len(jumps) <= 5, f'{len(jumps)} jumps for 30 frames'
    for index in range(21, 40):
        player.step(1)
        still(player, out, index)
    count = len(out.all)
    player.play()
    out.wait_for(SourceEnded)
    after = out.numbers[count:]
    assert after == sorted(after) and after[0] >= 40 and after[-1] == 58, after
    assert player.close(PATIENCE)


def test_many_steps_at_once_lead_to_the_frame_that_is_their_sum(tmp_path, out, player):
    player.open(write_clip(tmp_path / 'clip.mp4', 59), paused=True)
    player.seek(1.0)
    still(player, out, 30)
    for steps in (-1, -1, -1, 4, -9, 2, -12, 1, 1, -1):
        player.step(steps)
    still(player, out, 13)
    player.seek(0.5)
    player.step(-2)
    player.step(1)
    still(player, out, 14)


def test_a_looped_clip_starts_again_without_a_pause_and_counts_generations(tmp_path, out, player):
    player.open(write_clip(tmp_path / 'clip.mp4', 10, fps=20), loop=True)
    out.wait(lambda: len({c.generation for c in out.all}) > 3)
    given = [(c.generation, c.frame) for c in out.all]
    turns = [(b[1].captured - a[1].captured, b) for a, b in zip(given, given[1:], strict=False) if b[0] > a[0]]
    assert all(b[1].index <= 2 for _, b in turns) and not out.told(SourceEnded)
    gap = min(seconds for seconds, _ in turns)
    assert gap < 0.15, f'{gap * 1e3:.0f} ms between the last frame and the first; they are 50 ms apart'
    player.set_loop(False)
    out.wait_for(SourceEnded)
    assert player.position().ended and not player.position().loop


def test_playing_after_the_end_starts_again(tmp_path, out, player):
    player.open(write_clip(tmp_path / 'clip.mp4', 5))
    out.wait_for(SourceEnded)
    player.play()
    out.wait_for(SourceEnded, 2)
    second = [c.frame.index for c in out.all if c.generation > out.all[0].generation]
    assert second and second == sorted(second) and second[-1] == 4
    player.step(-1)
    still(player, out, 3)
    player.play()
    out.wait_for(SourceEnded, 3)


def test_commands_right_behind_opening_are_for_what_is_opened(tmp_path, out, player):
    player.open(write_clip(tmp_path / 'clip.mp4', 40))
    player.pause()
    player.seek(1.0)
    still(player, out, 30)
    player.play()
    out.wait_for(SourceEnded)
