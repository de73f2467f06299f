"""The live pipeline as a whole, on a clip that it plays by the clock: what is shown belongs together, and nothing hangs or leaks."""
from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.errors import InputError
from app.live.engine import Engine
from app.live.events import (DrawingChanged, ModelFailed, ModelReady, PictureReady, PlayStateChanged, Problem, SourceEnded, SourceFailed,
                             SourceOpened)
from app.live.player import Player
from app.live.settings import LiveSettings, ViewSettings
from app.overlay import Overlay
from app.pipeline import Pipeline, PipelineSettings
from app.types import Intrinsics
from tests.app.live.played_camera import PlayedCamera
from tests.app.made_clips import number_of, write_clip

CAMERA = Intrinsics.from_field_of_view(640, 480)
SMALL_VIEW = ViewSettings(width=64, height=64)


@pytest.fixture
def numbered_clip(tmp_path):
    """Fifty frames whose grey tells their number."""
    return write_clip(tmp_path / 'numbered.mp4', 50)


@pytest.fixture
def hand_shown(start, demo_clip, one_hand):
    """An engine whose clip stands still at a frame with a hand in full, and that picture."""
    watched = start(settings=one_hand).prepared()
    watched.engine.open(demo_clip, paused=True)
    return watched, watched.picture(lambda shown: shown.hands and shown.view is not None, 'a still shows its hand')


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


def test_overlay_view_and_picture_belong_to_one_frame_and_agree_with_the_video_mode(start, demo_clip, demo_frames, one_hand):
    with Pipeline(PipelineSettings(mode='video', hands=1, provider='cpu')) as pipeline:
        offline = [pipeline.process(frame, CAMERA) for frame in demo_frames]
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


def test_settings_of_drawing_redraw_a_still_without_the_network(hand_shown):
    watched, before = hand_shown
    watched.engine.apply(replace(watched.engine.settings, style='skeleton'))
    drawn = watched.picture(lambda s: not np.array_equal(s.picture, before.picture), 'the still is drawn anew')
    assert drawn.inferred is before.inferred, 'the network ran again for a change of drawing'
    view = replace(watched.engine.settings.view, azimuth=60.0)
    watched.engine.apply(replace(watched.engine.settings, view=view))
    turned = watched.picture(lambda s: not np.array_equal(s.view, drawn.view), 'the 3D view is turned')
    assert turned.inferred is before.inferred
    watched.engine.apply(replace(watched.engine.settings, view=ViewSettings(width=0, height=0)))
    assert watched.picture(lambda s: s.view is None, 'the view is off') is not None


def test_settings_of_reconstruction_run_a_still_again_and_keep_the_track(hand_shown):
    watched, before = hand_shown
    watched.engine.apply(replace(watched.engine.settings, refine=False))
    after = watched.picture(lambda s: s.inferred is not before.inferred and s.hands, 'the still is reconstructed anew')
    assert after.hands[0].track == before.hands[0].track
    assert not np.array_equal(after.hands[0].vertices, before.hands[0].vertices)
    watched.engine.apply(replace(watched.engine.settings, field_of_view=40.0))
    narrow = watched.picture(lambda s: s.inferred.intrinsics.fx > 1.2 * before.inferred.intrinsics.fx, 'the camera is another')
    assert narrow.inferred.intrinsics.metric and narrow.hands[0].translation[2] > 1.2 * before.hands[0].translation[2]


def test_a_bad_camera_file_is_a_sentence_and_the_old_camera_stays(hand_shown, tmp_path):
    watched, before = hand_shown
    bad, good = tmp_path / 'bad.json', tmp_path / 'good.json'
    bad.write_text('{"fx": "wide"}')
    good.write_text(json.dumps({'fx': 500, 'fy': 500, 'cx': 320, 'cy': 240}))
    watched.engine.apply(replace(watched.engine.settings, intrinsics=bad))
    assert 'bad.json' in watched.ears.wait(Problem).sentence
    assert watched.picture().inferred.intrinsics == before.inferred.intrinsics
    watched.engine.apply(replace(watched.engine.settings, intrinsics=good))
    assert watched.picture(lambda s: s.inferred.intrinsics.fx == 500, 'the good camera is used')


def test_another_network_is_swapped_in_beside_the_old_one_and_hands_go_on(hand_shown, tmp_path):
    watched, before = hand_shown
    missing = tmp_path / 'none.onnx'
    watched.engine.apply(replace(watched.engine.settings, weights=missing))
    assert 'none.onnx' in watched.ears.wait(ModelFailed).sentence
    watched.engine.apply(replace(watched.engine.settings, weights=None, hands=2))
    watched.ears.wait(ModelReady, 2)
    after = watched.picture(lambda s: s.inferred is not before.inferred and s.hands, 'the new network sees the hand')
    assert after.hands[0].track == before.hands[0].track, 'the hand got another number'


def test_a_network_that_cannot_be_used_at_the_start_gives_way_to_the_one_that_ships(start, tmp_path):
    watched = start(settings=LiveSettings(weights=tmp_path / 'none.onnx'))
    said = watched.ears.wait(ModelFailed).sentence
    assert 'none.onnx' in said and 'the network that ships' in said, said
    assert watched.ears.wait(ModelReady).name == 's2hand-lite'


def test_a_provider_that_cannot_be_had_runs_on_the_cpu_and_says_why(start):
    ready = start(settings=LiveSettings(provider='cuda')).ears.wait(ModelReady)
    assert ready.asked == 'cuda'
    if ready.provider == 'CPU':
        assert 'CUDA was asked for' in ready.note and 'CPU' in ready.note, ready.note


def test_a_gpu_that_breaks_while_loading_falls_back_to_the_cpu(start, monkeypatch):
    import app.regression

    monkeypatch.setattr(app.regression, 'wanted_providers', lambda provider, ort: ['CUDAExecutionProvider', 'CPUExecutionProvider'])
    ready = start(settings=LiveSettings(provider='cuda')).ears.wait(ModelReady)
    if ready.provider == 'CPU':
        assert 'CPU' in ready.note, ready


def test_a_gpu_that_loads_but_does_not_run_is_left_for_the_cpu(start, demo_clip, one_hand):
    watched = start(settings=replace(one_hand, view=SMALL_VIEW)).prepared()
    regressor = watched.engine._inference._pipeline.regressor

    class BrokenSession:
        def run(self, *_):
            raise RuntimeError('CUDA failure 700: an illegal memory access was encountered')

    regressor.session, regressor.provider, watched.engine._inference._provider = BrokenSession(), 'CUDA', 'CUDA'
    watched.engine.open(demo_clip, loop=True)
    ready = watched.ears.wait(ModelReady, 2)
    assert ready.provider == 'CPU' and 'CPU' in ready.note, ready
    assert watched.picture(lambda s: s.hands, 'hands are found').hands


def test_without_opengl_hands_are_still_drawn_and_it_is_said_why(start, demo_clip, one_hand, monkeypatch):
    from app.rendering import device

    monkeypatch.setenv('S2HAND_DRAW', 'software')
    monkeypatch.setattr(device, '_drawing', device._Drawing())
    watched = start(settings=replace(one_hand, view=SMALL_VIEW)).prepared()
    assert 'by the processor' in watched.ears.wait(DrawingChanged).sentence
    watched.engine.open(demo_clip, paused=True)
    shown = watched.picture(lambda s: s.hands and s.view is not None)
    assert not np.array_equal(shown.picture, cv2.flip(shown.frame.image, 1)), 'no hand is drawn'


def test_forgetting_the_person_keeps_following_the_hand(hand_shown):
    watched, before = hand_shown
    watched.engine.play()
    certain = watched.picture(lambda s: s.inferred.statuses and s.inferred.statuses[0].shape_certainty > 0.3, 'the shape becomes certain')
    watched.engine.reset_shapes()
    fresh = watched.picture(lambda s: s.inferred.statuses and s.inferred.statuses[0].shape_certainty < 0.15, 'the shape is forgotten')
    assert fresh.inferred.statuses[0].track == certain.inferred.statuses[0].track
    assert fresh.inferred.visibility[0] > 0.5, 'the hand went away with its shape'


def test_an_exception_in_a_frame_is_told_and_the_next_frames_come(start, numbered_clip, monkeypatch, capfd):
    watched = start().prepared()

    def broken(self, frame, intrinsics):
        raise ZeroDivisionError('made by the test')

    monkeypatch.setattr(Pipeline, 'process', broken)
    watched.engine.open(numbered_clip, loop=True)
    for _ in range(10):
        watched.picture()
    assert 'ZeroDivisionError' in watched.ears.wait(Problem).sentence
    assert len(watched.ears.all(Problem)) == 1, 'the same sentence was told for each frame'
    assert capfd.readouterr().err.count('Traceback') == 1


def test_what_a_person_can_mend_is_told_as_it_is(start, numbered_clip, monkeypatch):
    watched = start().prepared()

    def broken(self, frame, intrinsics):
        raise InputError('The lens cap is on; take it off.')

    monkeypatch.setattr(Pipeline, 'process', broken)
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
    process = Pipeline.process

    def slow(self, frame, intrinsics):
        with self.clock.stage('network'):
            threading.Event().wait(0.1)
        return process(self, frame, intrinsics)

    monkeypatch.setattr(Pipeline, 'process', slow)
    watched.engine.open(demo_clip, loop=True)
    for _ in range(12):
        shown = watched.picture()
    told = watched.engine.statistics()
    assert watched.engine.dropped()['network'] > 10
    assert shown.drawn - shown.frame.captured < 1.0, 'frames queued up before the network'
    assert [s.name for s in told.stages if s.slow] == ['network'], told.stages
    assert any('the network takes' in remark for remark in told.remarks), told.remarks


def test_where_drawing_lags_the_3d_view_is_drawn_in_every_second_picture_and_it_is_said(start, demo_clip, one_hand, monkeypatch):
    from app.live.view import HandsView
    from app.overlay import Overlay

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


def test_a_hand_that_was_fading_when_the_clip_ended_goes_all_the_same(start, demo_frames, one_hand, tmp_path):
    images = [frame.image for frame in demo_frames[:12]] + [np.full((480, 640, 3), 120, np.uint8)]
    watched = start(settings=replace(one_hand, view=SMALL_VIEW), player=partial(Player, fps=10.0)).prepared()
    watched.engine.open(write_clip(tmp_path / 'vanishing.mp4', len(images), size=(640, 480), images=images))
    ghost = watched.picture(lambda s: s.inferred.lost, 'the lost hand still fades')
    assert ghost.hands and not ghost.inferred.found
    watched.picture(lambda s: s.frame.index == 12 and not s.hands, 'the hand is gone from the last picture')


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
    start = time.monotonic()
    ended = engine.close(1.0)
    took = time.monotonic() - start
    camera.let_go()
    assert took < 5, f'closing took {took:.1f} s'
    assert not engine.still_running or not ended


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


def test_playing_and_pausing_is_heard(start, numbered_clip):
    watched = start()
    watched.engine.open(numbered_clip, loop=True)
    watched.picture()
    watched.engine.pause()
    watched.until(lambda: not watched.ears.all(PlayStateChanged)[-1].playing, 'it stands still')
    watched.engine.play()
    watched.until(lambda: watched.ears.all(PlayStateChanged)[-1].playing, 'it plays')
