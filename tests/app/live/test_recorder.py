"""A recording keeps what it got, whatever happens: a full disk, another source, a killed program."""
from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.errors import InputError
from app.hand_model import HandModel
from app.live import recorder as recorder_module
from app.live.recorder import Recorder, RecordingSettings
from app.live.shown import Captured, HandStatus, Inferred, SourceInfo
from app.meshes_command import write_meshes
from app.outputs.hands_file import read_hands
from app.outputs.reserve import Reserve
from app.sources import open_source
from app.types import Frame
from tests.app.lateness import Lateness
from tests.app.made_clips import number_of, numbered
from tests.app.made_hands import CAMERA, made_hand

MODEL = HandModel.load()
HAND, LEFT = made_hand(MODEL), made_hand(MODEL, 1, 1, 'left')
SIZE = 64, 48
GENEROUS = 60.0  # seconds: a machine may be slow
ROOT = Path(__file__).resolve().parents[3]


def source(spec='clip.mp4', name='clip', size=SIZE, fps=30.0) -> SourceInfo:
    return SourceInfo(spec, name, 'video', *size, fps, None, None, True)


def inferred(number, hands=(), time=None, generation=0, of=None, image=None, size=SIZE) -> Inferred:
    """Frame `number` of a source, with copies of the hands: each frame's hands are new objects."""
    image = numbered(number % 60, *size) if image is None else image
    frame = Frame(image, number, number / 30 if time is None else time, 0.0)
    hands = tuple(replace(hand) for hand in hands)
    statuses = tuple(HandStatus(h.track, h.side, h.confidence, 1.0, True, 1.0, 1.0) for h in hands)
    return Inferred(Captured(frame, of or source(size=size), generation), hands, (1.0,) * len(hands), CAMERA, statuses)


def feed(recorder: Recorder, frames) -> None:
    """Give the frames as fast as they are taken, so that none is dropped."""
    for item in frames:
        until(lambda: len(recorder._waiting) < 3 or recorder.problem)
        recorder.add(item, item.captured.frame.image)


def until(condition, seconds=GENEROUS):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f'nothing happened in {seconds} s'
        time.sleep(0.002)


def recorded(tmp_path, frames, of=None, **chosen):
    recorder = Recorder(RecordingSettings(tmp_path / 'recordings', **chosen), MODEL, of or source())
    feed(recorder, frames)
    return recorder.stop(GENEROUS)


def test_everything_chosen_lies_in_one_folder_and_belongs_together(tmp_path):
    stopped = recorded(tmp_path, [inferred(n, [HAND, LEFT] if n >= 5 else []) for n in range(20)], clean=True, meshes=True)
    assert stopped.files == ('overlay.mp4', 'clean.mp4', 'hands.npz', 'meshes', 'recording.json') and stopped.sentence == ''
    assert sorted(p.name for p in stopped.folder.iterdir()) == sorted(stopped.files), 'nothing else is left there'
    for name in ('overlay.mp4', 'clean.mp4'):
        assert [number_of(f.image) for f in open_source(stopped.folder / name)] == list(range(20))
        other = cv2.VideoCapture(str(stopped.folder / name))
        assert sum(iter(lambda: other.read()[0], False)) == 20, 'another reader'
    hands = read_hands(stopped.folder / 'hands.npz')
    assert hands.frame.tolist() == [n for n in range(5, 20) for _ in 'rl'] and hands.time[0] == pytest.approx(5 / 30)
    assert len(list((stopped.folder / 'meshes').iterdir())) == 30
    told = json.loads((stopped.folder / 'recording.json').read_text())
    assert (told['finished'], told['frames'], told['frames_with_hand'], told['dropped']) == (True, 20, 15, 0)
    assert told['source']['name'] == 'clip' and told['settings']['clean'] and told['versions']['python']
    assert stopped.seconds == pytest.approx(20 / 30)


def test_only_what_was_chosen_is_written(tmp_path):
    stopped = recorded(tmp_path, [inferred(n, [HAND]) for n in range(3)], overlay=False)
    assert stopped.files == ('hands.npz', 'recording.json')


def test_a_disk_that_fills_up_ends_it_with_a_sentence_and_keeps_videos_that_play_numbers_and_meshes(tmp_path, limited_files):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (240, 320, 3), dtype=np.uint8) for _ in range(8)]
    frames = [inferred(n, [HAND], image=noise[n % 8], size=(320, 240)) for n in range(200)]
    with limited_files(4_000_000):
        stopped = recorded(tmp_path, frames, source(size=(320, 240)), meshes=True)
    assert 'disk is full' in stopped.sentence and 'kept' in stopped.sentence
    assert stopped.files == ('overlay.mp4', 'hands.npz', 'meshes', 'recording.json')
    count = len(list(open_source(stopped.folder / 'overlay.mp4')))
    assert count >= 30, f'{count} frames play; a fragment has 30'
    assert len(read_hands(stopped.folder / 'hands.npz')) >= 60
    assert json.loads((stopped.folder / 'recording.json').read_text())['stopped'] == stopped.sentence


def test_a_really_full_disk_keeps_it_too(small_disk, monkeypatch):
    """Half of the 1 MB is taken by the reserve; it is given up for the end."""
    monkeypatch.setattr(recorder_module, 'LOW_WATER', 0)
    monkeypatch.setattr(recorder_module, 'TO_BEGIN', 0)
    monkeypatch.setattr('app.live.recording_files.FIRST_RESERVE', 0)
    monkeypatch.setattr('app.outputs.reserve.STEP', 1 << 16)
    stopped = recorded(small_disk, [inferred(n, [HAND] if n >= 60 else []) for n in range(200)])
    assert 'disk is full' in stopped.sentence and stopped.files == ('overlay.mp4', 'hands.npz', 'recording.json')
    rows, frames = len(read_hands(stopped.folder / 'hands.npz')), len(list(open_source(stopped.folder / 'overlay.mp4')))
    assert rows >= 10 and frames >= 30, f'{rows} rows, {frames} frames; the last second of the video may be lost'
    assert sorted(p.name for p in stopped.folder.iterdir()) == sorted(stopped.files)


def test_it_ends_before_the_disk_is_full_and_says_so(tmp_path, monkeypatch):
    usage = recorder_module.shutil.disk_usage(tmp_path)
    free = iter([1e9] * 3)
    monkeypatch.setattr(recorder_module, 'LOOK', 0)
    monkeypatch.setattr(recorder_module.shutil, 'disk_usage', lambda _: usage._replace(free=int(next(free, 150e6))))
    stopped = recorded(tmp_path, [inferred(n, [HAND]) for n in range(20)])
    assert 'almost full' in stopped.sentence and '150 MB' in stopped.sentence and 'kept' in stopped.sentence
    assert len(list(open_source(stopped.folder / 'overlay.mp4'))) == 2 == len(read_hands(stopped.folder / 'hands.npz'))


def test_with_little_room_it_does_not_begin(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder_module, 'TO_BEGIN', 1 << 60)
    with pytest.raises(InputError, match='MB are free'):
        Recorder(RecordingSettings(tmp_path), MODEL, source())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_is_one_sentence_at_the_start(tmp_path, unprivileged):
    with unprivileged(), pytest.raises(InputError, match='choose another'):
        Recorder(RecordingSettings(tmp_path / 'new'), MODEL, source())


def test_nothing_chosen_is_one_sentence_at_the_start(tmp_path):
    with pytest.raises(InputError, match='Nothing is chosen'):
        Recorder(RecordingSettings(tmp_path, overlay=False, parameters=False), MODEL, source())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != 'posix', reason='signals')
def test_a_killed_program_leaves_videos_that_play_and_nothing_under_a_final_name(tmp_path):
    script = ('import sys, time\nfrom pathlib import Path\nsys.path.insert(0, ".")\n'
              'from tests.app.live.test_recorder import *\n'
              f'recorder = Recorder(RecordingSettings(Path({str(tmp_path)!r}), clean=True, meshes=True), MODEL, source())\n'
              'feed(recorder, [inferred(n, [HAND]) for n in range(150)])\n'
              'until(lambda: recorder.state.frames == 150)\n'
              'folder = recorder.state.folder\n'
              'until(lambda: all((folder / n).stat().st_size > 10_000 for n in ("overlay.unfinished.mp4", "clean.unfinished.mp4")))\n'
              'print(folder, flush=True)\ntime.sleep(1000)\n')
    program = subprocess.Popen([sys.executable, '-c', script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    folder = Path(program.stdout.readline().strip())
    program.send_signal(signal.SIGKILL)
    program.wait()
    program.stdout.close()
    names = {p.name for p in folder.iterdir()}
    assert not names & {'overlay.mp4', 'clean.mp4', 'hands.npz', 'meshes'}, names
    for name in ('overlay.unfinished.mp4', 'clean.unfinished.mp4'):
        count = len(list(open_source(folder / name)))
        assert count >= 60, f'{count} of 150 frames of {name} play'
    told = json.loads((folder / 'recording.json').read_text())
    assert told['finished'] is False and 'ended before' in told['stopped']
    assert len(list((folder / 'meshes.unfinished').glob('0*.obj'))) >= 149
    made = write_meshes(folder / 'hands.unfinished', folder, 'glb')
    assert made.is_file() and len(read_hands(folder / 'hands.npz')) >= 149 and not (folder / 'hands.unfinished').exists()


def test_another_picture_size_ends_it_with_a_sentence(tmp_path):
    frames = [inferred(n, [HAND]) for n in range(5)] + [inferred(n, [HAND], size=(80, 60)) for n in range(5, 9)]
    stopped = recorded(tmp_path, frames)
    assert 'from 64 x 48 to 80 x 60' in stopped.sentence
    assert len(list(open_source(stopped.folder / 'overlay.mp4'))) == 5 == len(read_hands(stopped.folder / 'hands.npz'))


def test_another_source_ends_it_with_a_sentence(tmp_path):
    stopped = recorded(tmp_path, [inferred(0), inferred(1), inferred(2, of=source('other.mp4', 'other'))])
    assert 'changed to other' in stopped.sentence and len(list(open_source(stopped.folder / 'overlay.mp4'))) == 2


def test_frames_stand_at_their_true_times(tmp_path):
    times = [7.0, 7.04, 7.05, 7.25, 8.9]
    stopped = recorded(tmp_path, [inferred(n, [HAND], time=t) for n, t in enumerate(times)])
    expected = [t - 7 for t in times]
    assert [f.time for f in open_source(stopped.folder / 'overlay.mp4')] == pytest.approx(expected, abs=2e-5)
    assert read_hands(stopped.folder / 'hands.npz').time == pytest.approx(expected)


def test_a_loop_or_a_jump_leaves_no_gap_and_hands_before_and_after_are_different_tracks(tmp_path):
    frames = [inferred(8, [HAND]), inferred(9, [HAND]), inferred(0, [HAND], generation=1), inferred(1, [HAND], generation=1)]
    stopped = recorded(tmp_path, frames)
    hands = read_hands(stopped.folder / 'hands.npz')
    assert hands.frame.tolist() == [0, 1, 2, 3] and hands.time == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30])
    assert hands.track.tolist() == [0, 0, 1, 1]


def test_a_frame_that_is_drawn_again_is_recorded_once(tmp_path):
    stopped = recorded(tmp_path, [inferred(n, [HAND]) for n in (0, 1, 1, 1, 2)])
    assert len(list(open_source(stopped.folder / 'overlay.mp4'))) == 3


def test_a_lost_hand_that_fades_out_is_not_in_the_numbers(tmp_path):
    frames = [inferred(0, [HAND, LEFT]), replace(inferred(1, [HAND, LEFT]), lost=1)]
    hands = read_hands(recorded(tmp_path, frames).folder / 'hands.npz')
    assert list(zip(hands.frame.tolist(), hands.side.tolist())) == [(0, 'right'), (0, 'left'), (1, 'right')]


def test_a_hand_that_is_not_finite_is_left_out_and_counted(tmp_path):
    broken = replace(HAND, vertices=np.full_like(HAND.vertices, np.nan))
    stopped = recorded(tmp_path, [inferred(0, [broken, LEFT]), inferred(1, [HAND])], meshes=True)
    assert read_hands(stopped.folder / 'hands.npz').side.tolist() == ['left', 'right'] and stopped.sentence == ''
    assert json.loads((stopped.folder / 'recording.json').read_text())['hands_left_out'] == 1


def test_two_hands_of_one_side_are_both_kept(tmp_path):
    stopped = recorded(tmp_path, [inferred(0, [HAND, made_hand(MODEL, 1, 1)])], meshes=True)
    assert len(read_hands(stopped.folder / 'hands.npz')) == 2
    assert sorted(p.name for p in (stopped.folder / 'meshes').iterdir()) == ['000000_right_0.obj', '000000_right_1.obj']


def test_without_a_picture_there_is_no_folder(tmp_path):
    recorder = Recorder(RecordingSettings(tmp_path), MODEL, source())
    stopped = recorder.stop(GENEROUS)
    assert stopped.files == () and 'no picture' in stopped.sentence and list(tmp_path.iterdir()) == []


def test_two_recordings_in_one_second_do_not_meet(tmp_path):
    recorders = [Recorder(RecordingSettings(tmp_path), MODEL, source(name='a/b: c?')) for _ in range(3)]
    for recorder in recorders:
        feed(recorder, [inferred(0)])
    assert len({recorder.stop(GENEROUS).folder for recorder in recorders}) == 3 == len(list(tmp_path.iterdir()))


def test_adding_never_waits_and_what_does_not_fit_is_counted(tmp_path, monkeypatch):
    hold = threading.Event()
    real = recorder_module.shutil.disk_usage

    def hanging(path):
        if threading.current_thread().name == 'recording':
            hold.wait(GENEROUS)
        return real(path)

    monkeypatch.setattr(recorder_module.shutil, 'disk_usage', hanging)
    recorder = Recorder(RecordingSettings(tmp_path), MODEL, source())
    frames = [inferred(n) for n in range(40)]
    with Lateness() as machine:
        started = time.monotonic()
        for item in frames:
            recorder.add(item, item.captured.frame.image)
        took = time.monotonic() - started
    assert took < 0.5 + machine.lost, f'40 frames took {1e3 * took:.0f} ms while the disk hung'
    assert recorder.state.dropped >= 40 - recorder_module.WAITING - 1
    late = recorder.stop(0.05)
    assert 'still being written' in late.sentence
    hold.set()
    stopped = recorder.stop(GENEROUS)
    told = json.loads((stopped.folder / 'recording.json').read_text())
    assert told['frames'] + told['dropped'] == 40 and len(list(open_source(stopped.folder / 'overlay.mp4'))) == told['frames']


def test_stopping_twice_adding_after_the_end_and_the_state_are_fine_and_no_thread_is_left(tmp_path):
    before = set(threading.enumerate())
    recorder = Recorder(RecordingSettings(tmp_path, clean=True), MODEL, source())
    feed(recorder, [inferred(n, [HAND]) for n in range(10)])
    first = recorder.stop(GENEROUS)
    recorder.add(inferred(10), numbered(10))
    assert recorder.stop(GENEROUS) == first
    assert (recorder.state.frames, recorder.state.dropped, recorder.problem) == (10, 0, '')
    size = sum(p.stat().st_size for p in first.folder.iterdir() if p.name != 'recording.json')
    assert abs(recorder.state.bytes - size) < 60_000, f'{recorder.state.bytes} bytes were told, {size} are there'
    assert set(threading.enumerate()) <= before


def test_a_mistake_of_the_program_keeps_what_was_recorded_and_says_so(tmp_path):
    recorder = Recorder(RecordingSettings(tmp_path), MODEL, source())
    feed(recorder, [inferred(n, [HAND]) for n in range(5)])
    recorder.add(inferred(5), np.zeros((3, 3, 3), np.uint8))
    until(lambda: recorder.problem)
    stopped = recorder.stop(GENEROUS)
    assert 'mistake' in stopped.sentence and len(list(open_source(stopped.folder / 'overlay.mp4'))) == 5


def test_room_is_kept_and_given_up_also_where_the_system_cannot_promise_any(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, 'not supported')

    for change in (lambda: None, lambda: monkeypatch.setattr(os, 'posix_fallocate', refuse, raising=False),
                   lambda: monkeypatch.delattr(os, 'posix_fallocate')):
        change()
        reserve = Reserve(tmp_path, 3_000_000)
        taken = os.fstat(reserve._file.fileno()).st_blocks * 512
        assert taken >= 3_000_000, f'{taken} bytes are taken on the disk'
        reserve.release()
        reserve.release()
    assert list(tmp_path.iterdir()) == []
