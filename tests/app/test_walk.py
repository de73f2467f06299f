"""The two halves of a frame on two threads: the same hands, in order; errors arrive, and nothing runs on."""
from __future__ import annotations

import sys
import threading
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from app.errors import InputError
from app.pipeline import Pipeline, PipelineSettings
from app.sources import open_source
from app.types import Intrinsics
from app.walk import walk

CAMERA = Intrinsics.from_field_of_view(640, 480)


@pytest.fixture(scope='module')
def frames(demo_clip):
    with open_source(demo_clip, stop=24) as source:
        return list(source)


@pytest.fixture(scope='module')
def pipeline():
    with Pipeline(PipelineSettings(hands=2, threads=1)) as pipeline:
        yield pipeline


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == 'ahead']


def both_sides(frames):
    """Two hands: the half of each picture with the hand, and its mirror image."""
    return [replace(frame, image=np.ascontiguousarray(np.hstack([half, half[:, ::-1]])))
            for frame in frames for half in [frame.image[:, 160:480]]]


@pytest.mark.parametrize('hands', [1, 2])
def test_two_threads_give_the_same_hands_as_one(frames, pipeline, hands):
    clip = frames if hands == 1 else both_sides(frames[:12])
    pipeline.reset()
    alone = [placed.hands for frame in clip for placed in pipeline.settle(pipeline.look(frame), CAMERA)]
    alone += [placed.hands for placed in pipeline.flush()]
    pipeline.reset()
    with closing(walk(pipeline, clip, lambda frame: CAMERA)) as answers:
        shared = list(answers)
    assert [frame.index for frame, _, _ in shared] == [frame.index for frame in clip] and len(alone[-1]) == hands
    for (frame, there, _), here in zip(shared, alone, strict=True):
        assert [hand.track for hand in there] == [hand.track for hand in here]
        for one, other in zip(there, here):
            for name in ('vertices', 'joints_2d', 'shape', 'colours', 'light', 'pose'):
                apart = np.abs(getattr(one, name).astype(float) - getattr(other, name)).max()
                assert apart == 0, f'{name} of frame {frame.index} differ by {apart}'
    assert threads() == []


def test_what_a_source_raises_arrives_after_the_frames_before_it(frames, pipeline):
    def broken():
        yield from frames[:4]
        raise InputError('the file ends in the middle of a frame')

    pipeline.reset()
    seen = []
    with pytest.raises(InputError, match='middle of a frame'), closing(walk(pipeline, broken(), lambda frame: CAMERA)) as answers:
        for frame, _, _ in answers:
            seen.append(frame.index)
    assert seen == [0, 1, 2, 3] and threads() == []


def test_one_who_leaves_early_leaves_no_thread_and_reads_no_more_than_a_few_frames(frames, pipeline):
    taken = []

    def watched():
        for frame in frames:
            taken.append(frame.index)
            yield frame

    pipeline.reset()
    with closing(walk(pipeline, watched(), lambda frame: CAMERA)) as answers:
        next(answers)
    assert sys.getswitchinterval() <= 1e-3, 'a thread that comes back from the network waits milliseconds for one that reckons in Python'
    assert threads() == [] and len(taken) <= 7, f'{len(taken)} frames were taken for one that was used'
