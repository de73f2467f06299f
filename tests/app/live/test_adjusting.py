"""What the live window changes in a running pipeline, on frames of the demo clip."""
from __future__ import annotations

import numpy as np
import pytest

from app.pipeline import Pipeline, PipelineSettings
from app.tracking import TrackingSettings
from app.types import Frame, Intrinsics

CAMERA = Intrinsics.from_field_of_view(640, 480)
LIVE = PipelineSettings(mode='live', hands=1, provider='cpu')


@pytest.fixture
def followed(demo_frames):
    """A pipeline that has followed the clip's hand for twenty frames."""
    with Pipeline(LIVE) as pipeline:
        for frame in demo_frames[:20]:
            pipeline.process(frame, CAMERA)
        yield pipeline


def test_the_status_tells_how_far_the_calibration_is(demo_frames):
    with Pipeline(LIVE) as pipeline:
        assert pipeline.statuses() == ()
        certain, seen = [], []
        for frame in demo_frames:
            hand, = pipeline.process(frame, CAMERA)
            status, = pipeline.statuses()
            assert (status.track, status.side, status.confidence) == (hand.track, hand.side, hand.confidence)
            assert status.shape_locked == (status.shape_certainty == 1)
            certain.append(status.shape_certainty)
            seen.append(status.texture_seen)
    assert certain[0] < 0.2 and certain[-1] > 0.5 and certain == sorted(certain), certain[::10]
    assert seen[-1] > 0.3, f'only {seen[-1]:.2f} of the skin was seen'


@pytest.mark.parametrize('change', [{'smoothing': 0.0}, {'refine': False}, {'lock': False}, {'mode': 'live'}])
def test_a_change_keeps_the_track_the_shape_and_the_texture(followed, demo_frames, change):
    before, = followed.statuses()
    followed.adjust(**change)
    hand, = followed.process(demo_frames[20], CAMERA)
    after, = followed.statuses()
    assert hand.track == before.track and after.shape_certainty >= before.shape_certainty
    assert after.texture_seen >= 0.9 * before.texture_seen
    assert all(getattr(followed.settings, name) == value for name, value in change.items())


def test_another_camera_moves_the_hand_and_holds_nothing_back(followed, demo_frames):
    narrow = Intrinsics.from_field_of_view(640, 480, 30)
    far, = followed.process(demo_frames[20], narrow)
    with Pipeline(LIVE) as fresh:
        alone, = fresh.process(demo_frames[20], narrow)
    share = far.translation[2] / alone.translation[2]
    assert share == pytest.approx(1, abs=0.15), f'the distance is {share:.2f} of that which the new camera alone gives'
    assert np.linalg.norm(far.joints_2d - alone.joints_2d, axis=1).mean() < 0.05 * far.box_side


def test_another_person_begins_anew_while_the_hand_is_followed(followed, demo_frames):
    before, = followed.statuses()
    followed.reset_shapes()
    hand, = followed.process(demo_frames[20], CAMERA)
    after, = followed.statuses()
    assert hand.track == before.track
    assert after.shape_certainty < 0.5 * before.shape_certainty, f'{before.shape_certainty:.2f} -> {after.shape_certainty:.2f}'


def test_a_jump_in_time_follows_nothing_on_but_knows_the_person(followed, demo_frames):
    before, = followed.statuses()
    followed.jump()
    hand, = followed.process(demo_frames[0], CAMERA)
    after, = followed.statuses()
    assert hand.track != before.track, 'the track goes on across a jump'
    assert after.shape_certainty >= before.shape_certainty, 'the shape is forgotten'
    followed.reset()
    followed.process(demo_frames[0], CAMERA)
    assert followed.statuses()[0].shape_certainty < 0.5 * before.shape_certainty, 'another source knows the person'


def test_a_new_pipeline_carries_on_what_the_old_one_followed(followed, demo_frames):
    before, = followed.statuses()
    with Pipeline(PipelineSettings(mode='live', hands=2, provider='cpu'), model=followed.model) as other:
        other.carry_on(followed)
        hand, = other.process(demo_frames[20], CAMERA)
        after, = other.statuses()
    assert hand.track == before.track and after.shape_certainty >= before.shape_certainty


def test_hours_of_running_keep_the_timings_of_the_last_frames_only(followed, demo_frames):
    for _ in range(700):
        with followed.clock.stage('crop'):
            pass
        followed.clock.end_frame()
    assert followed.clock.summary()['crop']['frames'] <= 600


def test_after_a_loss_the_second_hand_is_looked_for_more_often_for_a_while():
    from app.tracking import Tracker
    from app.types import Detection

    def seen(x):
        points = np.linspace((0, 0), (60, 60), 21) + (x, 100)
        return Detection(points, None, np.ones(21), 0.9, 'right', 0.9)

    tracker, settings = Tracker(TrackingSettings(hands=2)), TrackingSettings()
    tracks = tracker.searched([seen(50), seen(400)], 0.0)
    for track in list(tracks):
        assert tracker.observe(track, track.points, 0.9, 0.9, 0.03)
    assert not tracker.observe(tracks[1], tracks[1].points, 0.1, 0.9, 1.0)
    searches, time = [], 1.0
    while time < 4:
        tracker.observe(tracks[0], tracks[0].points, 0.9, 0.9, time)
        if tracker.wants_search(time):
            searches.append(time)
            tracker.searched([], time)
        time += 1 / 30
    soon = np.diff([t for t in searches if t < 1.0 + settings.soon])
    late = np.diff([t for t in searches if t > 1.1 + settings.soon])
    assert soon.max() <= 0.2, f'after the loss it looks every {soon.max():.2f} s'
    assert late.min() >= settings.search_every - 0.05, f'later it still looks every {late.min():.2f} s'


def test_an_empty_wall_has_no_status():
    with Pipeline(LIVE) as pipeline:
        pipeline.process(Frame(np.full((480, 640, 3), 120, np.uint8), 0, 0.0, 0.0), CAMERA)
        assert pipeline.statuses() == ()
