"""The live pipeline as a whole, on a clip that it plays by the clock: what is shown belongs together, and what fails is told."""
from __future__ import annotations

from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from app.errors import InputError
from app.live.events import PlayStateChanged, Problem, SourceEnded, SourceFailed
from app.live.player import Player
from app.live.settings import LiveSettings, ViewSettings
from app.overlay import Overlay
from app.pipeline import Pipeline, PipelineSettings
from app.types import Intrinsics
from tests.app.live.played_camera import PlayedCamera
from tests.app.made_clips import number_of, write_clip

CAMERA = Intrinsics.from_field_of_view(640, 480)
SMALL_VIEW = ViewSettings(width=64, height=64)


def test_pictures_come_before_the_network_and_each_is_the_frame_that_it_says(start, numbered_clip):
    watched = start()
    watched.engine.open(numbered_clip, loop=True)
    first = watched.picture()
    assert not watched.engine.prepared or not first.hands
    for _ in range(20):
        shown = watched.picture()
        assert number_of(shown.picture) == shown.frame.index, f'frame {shown.frame.index} shows {number_of(shown.picture)}'


def test_the_picture_is_mirrored_only_for_the_screen(start, numbered_clip):
    watched = start(settings=LiveSettings(mirror=True))
    watched.engine.open(numbered_clip, paused=True)
    shown = watched.picture()
    assert np.array_equal(shown.picture, cv2.flip(shown.frame.image, 1))
    watched.engine.apply(LiveSettings(mirror=False))
    assert np.array_equal(watched.picture().picture, shown.frame.image)


def test_overlay_view_and_picture_belong_to_one_frame_and_agree_with_the_video_mode(start, demo_clip, demo_frames, one_hand, monkeypatch):
    monkeypatch.setattr('app.live.inference.SLOWEST', 60.0)  # however slow this machine is, each frame waits for the next one
    monkeypatch.setattr('app.live.inference.PATIENCE', 60.0)
    with Pipeline(PipelineSettings(mode='video', hands=1, provider='cpu')) as pipeline:
        offline = [placed.hands for frame in demo_frames for placed in pipeline.settle(pipeline.look(frame), CAMERA)]
        overlay = Overlay(pipeline.model)
    watched = start(settings=replace(one_hand, view=SMALL_VIEW), player=partial(Player, speed=0)).prepared()
    watched.engine.open(demo_clip)
    compared = 0
    while compared < 10:
        shown = watched.picture(lambda s: s.frame.index < len(offline), 'a frame of the beginning is shown')
        index = shown.frame.index
        assert np.array_equal(shown.frame.image, demo_frames[index].image)
        drawn = overlay.draw(shown.frame.image, shown.hands, shown.inferred.intrinsics, 'textured', 1.0, shown.inferred.visibility)
        assert np.array_equal(shown.picture, cv2.flip(drawn, 1)), f'frame {index} is shown with hands that are not its own'
        assert len(shown.inferred.found) == len(offline[index]) == 1
        if not watched.engine.dropped()['network']:
            apart = 1e3 * np.abs(shown.inferred.found[0].vertices - offline[index][0].vertices).max()
            assert apart < 0.5, f'frame {index}: the live mesh is {apart:.2f} mm from the video mode, allowed 0.5 (order of sums)'
        compared += 1
        if index > 35:
            watched.engine.seek(0)
            break
    assert compared >= 3, f'only {compared} pictures of the first {len(offline)} frames were shown'


def test_an_exception_in_a_frame_is_told_and_the_next_frames_come(start, numbered_clip, monkeypatch, capfd):
    watched = start().prepared()

    def broken(self, looked, intrinsics, wait):
        raise ZeroDivisionError('made by the test')

    monkeypatch.setattr(Pipeline, 'settle', broken)
    watched.engine.open(numbered_clip, loop=True)
    for _ in range(10):
        watched.picture()
    assert 'ZeroDivisionError' in watched.ears.wait(Problem).sentence
    assert len(watched.ears.all(Problem)) == 1, 'the same sentence was told for each frame'
    assert capfd.readouterr().err.count('Traceback') == 1


def test_what_a_person_can_mend_is_told_as_it_is(start, numbered_clip, monkeypatch):
    watched = start().prepared()

    def broken(self, looked, intrinsics, wait):
        raise InputError('The lens cap is on; take it off.')

    monkeypatch.setattr(Pipeline, 'settle', broken)
    watched.engine.open(numbered_clip, loop=True)
    assert watched.ears.wait(Problem).sentence == 'The lens cap is on; take it off.'


def test_a_file_that_is_no_video_leaves_what_runs(start, numbered_clip, tmp_path):
    watched = start()
    watched.engine.open(numbered_clip, loop=True)
    watched.picture()
    nonsense = tmp_path / 'nonsense.mp4'
    nonsense.write_bytes(b'not a video' * 100)
    watched.engine.open(nonsense)
    assert 'nonsense.mp4' in watched.ears.wait(SourceFailed).sentence
    assert watched.picture().frame is not None


def test_the_end_of_a_file_is_told_and_its_last_picture_stays_changeable(start, tmp_path):
    watched = start()
    watched.engine.open(write_clip(tmp_path / 'short.mp4', 10))
    watched.ears.wait(SourceEnded)
    watched.until(lambda: watched.engine.position().ended, 'the player says that it ended')
    watched.engine.apply(LiveSettings(mirror=False))
    last = watched.picture(lambda s: np.array_equal(s.picture, s.frame.image), 'the last picture is drawn unmirrored')
    assert last.frame.index == 9


def test_a_hand_that_was_fading_when_the_clip_ended_goes_all_the_same(start, demo_frames, one_hand, tmp_path, monkeypatch):
    # slowly, so that the picture in between is not missed on a machine that has more to do
    monkeypatch.setattr('app.live.fading.FALL', 60.0)
    monkeypatch.setattr('app.live.inference.IDLE', 1.0)
    images = [frame.image for frame in demo_frames[:12]] + [np.full((480, 640, 3), 120, np.uint8)]
    watched = start(settings=replace(one_hand, view=SMALL_VIEW), player=partial(Player, fps=10.0)).prepared()
    watched.engine.open(write_clip(tmp_path / 'vanishing.mp4', len(images), size=(640, 480), images=images))
    ghost = watched.picture(lambda s: s.inferred.lost, 'the lost hand still fades')
    assert ghost.hands and not ghost.inferred.found
    watched.picture(lambda s: s.frame.index == 12 and not s.hands, 'the hand is gone from the last picture')


def test_playing_and_pausing_is_heard(start, numbered_clip):
    watched = start()
    watched.engine.open(numbered_clip, loop=True)
    watched.picture()
    watched.engine.pause()
    watched.until(lambda: not watched.ears.all(PlayStateChanged)[-1].playing, 'it stands still')
    watched.engine.play()
    watched.until(lambda: watched.ears.all(PlayStateChanged)[-1].playing, 'it plays')


def test_a_camera_is_shown_and_its_loss_does_not_stop_the_threads(start, demo_frames, one_hand):
    from app.live.events import SourceBack, SourceLost

    camera = PlayedCamera([frame.image for frame in demo_frames[:10]])
    watched = start(settings=one_hand, player=partial(Player, open_source=camera.open_source))
    watched.engine.open(0)
    assert watched.picture().inferred.captured.source.kind == 'camera'
    camera.unplug()
    watched.ears.wait(SourceLost)
    camera.plug_in()
    watched.ears.wait(SourceBack)
    assert watched.picture() is not None


def test_a_recording_and_a_snapshot_are_written_beside_everything(start, demo_clip, one_hand, tmp_path):
    from app.live.events import RecordingStarted, RecordingStopped, SnapshotSaved
    from app.live.recorder import RecordingSettings

    watched = start(settings=one_hand).prepared()
    watched.engine.start_recording(RecordingSettings(tmp_path))
    assert 'open a camera' in watched.ears.wait(Problem).sentence
    watched.engine.open(demo_clip, loop=True)
    watched.picture(lambda s: s.hands)
    watched.engine.start_recording(RecordingSettings(tmp_path))
    watched.ears.wait(RecordingStarted)
    watched.until(lambda: watched.engine.recording() and watched.engine.recording().frames > 5, 'frames are recorded')
    watched.engine.snapshot(tmp_path)
    assert watched.ears.wait(SnapshotSaved).files
    watched.engine.stop_recording()
    stopped = watched.ears.wait(RecordingStopped)
    assert {'overlay.mp4', 'hands.npz'} <= set(stopped.files) and not stopped.sentence, stopped
    assert watched.engine.recording() is None
