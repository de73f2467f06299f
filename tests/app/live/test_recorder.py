"""A recording keeps what it got, whatever happens: a full disk, another source, a killed program."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.errors import InputError
from app.hand_model import HandModel
from app.live import recorder as recorder_module
from app.live.recorder import Recorder, RecordingSettings
from app.live.shown import Captured, HandStatus, Inferred, SourceInfo
from app.outputs.hands_file import read_hands
from app.sources import open_source
from app.types import Frame
from tests.app.made_clips import number_of, numbered
from tests.app.made_hands import CAMERA, made_hand

MODEL = HandModel.load()
HAND, LEFT = made_hand(MODEL), made_hand(MODEL, 1, 1, 'left')
SIZE = 64, 48
GENEROUS = 60.0  # seconds: a machine may be slow


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
