"""Frames that wait for the next one, through the whole pipeline: each comes once, in order, with its own hands, whatever happens."""
from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from app.mirror import mirror_image, mirror_points_2d
from app.outputs.hands_file import read_hands
from app.passing import Placed
from app.pipeline import Pipeline, PipelineSettings
from app.reconstruct import reconstruct
from app.reconstruct_settings import ReconstructSettings
from app.rotations import difference
from app.sources import open_source
from app.types import Frame, Intrinsics
from app.walk import walk

CAMERA = Intrinsics.from_field_of_view(640, 480)


@pytest.fixture(scope='module')
def frames(demo_clip):
    with open_source(demo_clip, stop=20) as source:
        return list(source)


@pytest.fixture(scope='module')
def pipeline():
    with Pipeline(PipelineSettings(mode='live', hands=2, threads=1, provider='cpu')) as pipeline:
        yield pipeline


def waiting(pipeline: Pipeline, frames: list[Frame], wait=lambda frame: True) -> list[Placed]:
    """All frames in the order in which they come out."""
    pipeline.reset()
    placed = [one for frame in frames for one in pipeline.settle(pipeline.look(frame), CAMERA, wait(frame))]
    return placed + pipeline.flush()


def at_once(pipeline: Pipeline, frames: list[Frame]) -> list[Placed]:
    pipeline.reset()
    return [Placed(frame, pipeline.process(frame, CAMERA), CAMERA) for frame in frames]


def blank(frame: Frame) -> Frame:
    return replace(frame, image=np.full_like(frame.image, 110))


def apart(one: Placed, other: Placed) -> float:
    """Metres between the hands of a frame, the largest of all."""
    assert [hand.track for hand in one.hands] == [hand.track for hand in other.hands]
    return max((float(np.abs(a.joints_3d - b.joints_3d).max()) for a, b in zip(one.hands, other.hands)), default=0.0)


def test_each_frame_comes_once_and_in_order_whoever_waits(pipeline, frames):
    for wait in (lambda f: True, lambda f: False, lambda f: f.index % 3 > 0):
        out = waiting(pipeline, frames[:12], wait)
        assert [one.frame.index for one in out] == list(range(12))
        assert all(one.frame is frame for one, frame in zip(out, frames)), 'a frame was copied, or comes with the picture of another'
    assert pipeline.flush() == [], 'a frame waits twice'


def test_only_the_frame_after_counts(pipeline, frames):
    whole, cut = waiting(pipeline, frames), waiting(pipeline, frames[:9])
    assert all(apart(a, b) == 0 for a, b in zip(whole[:8], cut)), 'a frame depends on what comes after the next one'
    assert apart(whole[8], cut[8]) > 1e-5, 'the frame after says nothing'


def test_hands_that_are_lost_are_settled_with_what_is_known_and_begin_anew(pipeline, frames):
    """Tracks, sides and colours are those of running at once."""
    clip = [*frames[:7], *map(blank, frames[7:10]), *frames[10:20]]
    ours, there = waiting(pipeline, clip), at_once(pipeline, clip)
    distances = [apart(a, b) for a, b in zip(ours, there, strict=True)]
    found = [bool(one.hands) for one in ours]
    first = found.index(True, 8)
    assert not any(found[7:10]) and first < 19, found
    assert distances[3] > 1e-5, 'nothing was smoothed with the frame after'
    alone = waiting(pipeline, clip[:7])
    assert apart(ours[6], alone[6]) == 0, 'the last frame before a loss is not settled with what is known'
    for hand, other in zip(ours[-1].hands, there[-1].hands):
        assert hand.side == other.side and np.abs(hand.colours.astype(int) - other.colours).mean() < 3


def test_a_left_hand_is_a_right_one_mirrored(pipeline, frames):
    mirrored = [replace(frame, image=mirror_image(frame.image)) for frame in frames[:10]]
    for there, here in zip(waiting(pipeline, mirrored), waiting(pipeline, frames[:10])):
        assert (there.hands[0].side, here.hands[0].side) == ('left', 'right')
        off = np.linalg.norm(mirror_points_2d(there.hands[0].joints_2d, 640) - here.hands[0].joints_2d, axis=1).mean()
        assert off < 0.02 * here.hands[0].box_side, f'{off:.2f} px apart with a hand of {here.hands[0].box_side:.0f} px, allowed 2 %'


def test_a_hand_that_changes_its_side_is_not_smoothed_across_it(pipeline, frames):
    pipeline.reset()
    for frame in frames[:6]:
        pipeline.settle(pipeline.look(frame), CAMERA)
    track, = pipeline.tracker.tracks
    track.side, track.side_evidence = 'left', 100.0
    before, = pipeline.settle(pipeline.look(frames[6]), CAMERA)
    after, = pipeline.flush()
    assert (before.frame.index, before.hands[0].side, after.hands[0].side) == (5, 'right', 'left')
    alone = waiting(pipeline, frames[:6])[5]
    assert apart(before, alone) == 0, 'the hand of the other side changed it'


def test_what_is_not_smoothed_and_single_pictures_do_not_wait(frames):
    for settings in (PipelineSettings(mode='image', hands=1, threads=1), PipelineSettings(hands=1, threads=1, smoothing=0.0)):
        with Pipeline(settings) as pipeline:
            for frame in frames[:3]:
                one, = pipeline.settle(pipeline.look(frame), CAMERA)
                assert one.frame is frame and len(one.hands) == 1


def test_a_jump_or_another_source_forgets_what_waits(pipeline, frames):
    for leave in (pipeline.jump, pipeline.reset):
        pipeline.reset()
        pipeline.settle(pipeline.look(frames[0]), CAMERA)
        leave()
        assert pipeline.flush() == [] and pipeline.settle(pipeline.look(frames[5]), CAMERA) == []
        assert [one.frame.index for one in pipeline.flush()] == [5]


def test_walking_tells_the_last_frame_before_what_a_source_raises(pipeline, frames):
    def broken():
        yield from frames[:3]
        raise OSError('the disk is gone')

    pipeline.reset()
    seen = []
    with pytest.raises(OSError, match='gone'), closing(walk(pipeline, broken(), lambda frame: CAMERA)) as answers:
        for frame, hands, _ in answers:
            seen.append((frame.index, len(hands)))
    assert seen == [(0, 1), (1, 1), (2, 1)]


def test_reconstruct_fast_writes_each_frame_once_in_order_at_its_time_steadier_than_at_once(demo_clip, frames, tmp_path):
    settings = ReconstructSettings(write=('hands',), hands=1, threads=1, provider='cpu', consistent=False, stop=20)
    hands = read_hands(reconstruct(demo_clip, tmp_path / 'out', settings).folder / 'hands.npz')
    assert list(hands.frame) == list(range(20)), 'a frame is missing, twice or out of order'
    assert np.allclose(hands.time, [frame.time for frame in frames])
    with Pipeline(PipelineSettings(hands=1, threads=1, provider='cpu')) as single:
        there = [single.process(frame, CAMERA)[0] for frame in frames]
    shaking = [float(np.linalg.norm(np.diff(joints - joints[:, :1], 2, axis=0), axis=-1).mean())
               for joints in (hands.joints_3d, np.array([hand.joints_3d for hand in there]))]
    assert shaking[0] < 0.8 * shaking[1], f'steps differ by {1e3 * shaking[0]:.2f} mm, without the frame after by {1e3 * shaking[1]:.2f} mm'
    turned = max(float(np.linalg.norm(difference(a, b.pose), axis=-1).max()) for a, b in zip(hands.pose, there))
    assert turned < 0.5, f'a joint is turned by {turned:.2f} radians from where it is without the frame after'
