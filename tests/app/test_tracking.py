"""Following hands, on scripted detections."""
import numpy as np
import pytest

from app.tracking import Tracker, TrackingSettings
from app.types import Detection
from tests.app.test_crop import OPEN_HAND

STEP = 1 / 30


def detection(x: float = 0, side: str = 'right', score: float = 0.97, scale: float = 1.0) -> Detection:
    points = (OPEN_HAND - 320) * scale + 320 + (x, 0)
    return Detection(points, None, np.full(21, score), score, side, score)


def follow(tracker: Tracker, track, frames: int, start: float, agreement: float = 0.95, presence: float = 0.99, shift: float = 0.0) -> bool:
    """Observe the track for some frames, moving `shift` pixels a frame; False once it was lost."""
    for i in range(frames):
        if not tracker.observe(track, track.points + (shift, 0), presence, agreement, start + i * STEP):
            return False
    return True


def test_the_detector_runs_only_while_a_hand_is_missing():
    tracker = Tracker(TrackingSettings(hands=1))
    assert tracker.wants_search(0.0), 'nothing is followed, so a search is due'
    track, = tracker.searched([detection()], 0.0)
    searches = sum(tracker.wants_search(i * STEP) for i in range(1, 300) if tracker.observe(track, track.points, 0.99, 0.9, i * STEP))
    assert searches == 0, f'{searches} searches in 299 frames although the one wanted hand was followed'


def test_a_second_hand_is_looked_for_only_now_and_then():
    tracker = Tracker(TrackingSettings(hands=2, search_every=0.4))
    track, = tracker.searched([detection()], 0.0)
    searches = 0
    for i in range(1, 301):
        tracker.observe(track, track.points, 0.99, 0.9, i * STEP)
        if tracker.wants_search(i * STEP):
            searches += 1
            tracker.searched([detection()], i * STEP)
    assert 20 <= searches <= 26, f'{searches} searches in 10 s, one every 0.4 s makes 25'
    assert len(tracker.tracks) == 1, 'the followed hand was taken for a second one'


@pytest.mark.parametrize('flicker', [0.5, 0.3])
def test_a_flickering_side_does_not_flip_a_hand(flicker):
    tracker, rng = Tracker(TrackingSettings(hands=1)), np.random.default_rng(1)
    track, = tracker.searched([detection(side='right')], 0.0)
    sides = set()
    for i in range(600):
        tracker.observe(track, track.points, 0.99, 0.02 if rng.random() < flicker else 0.98, i * STEP)
        sides.add(track.side)
    assert sides == {'right'}, f'the side became {sides} under {flicker:.0%} contrary looks'


def test_a_hand_that_started_on_the_wrong_side_is_mended_within_a_second():
    tracker = Tracker(TrackingSettings(hands=1))
    track, = tracker.searched([detection(side='left', score=0.7)], 0.0)
    frames = next(i for i in range(200) if tracker.observe(track, track.points, 0.99, 0.02, i * STEP) and track.side == 'right')
    assert frames < 30, f'the wrong side lasted {frames} frames'


def test_a_hand_of_doubtful_side_beside_a_sure_one_of_that_side_becomes_the_other_hand_and_a_sure_one_does_not():
    for agreement, sides in ((0.45, ['right', 'left']), (0.95, ['left', 'left'])):
        tracker = Tracker()
        began_wrong, = tracker.searched([detection(side='left')], 0.0)
        follow(tracker, began_wrong, 60, STEP, agreement=0.7)
        sure, = tracker.searched([detection(x=300, side='left')], 2.1)
        frames = next((i for i in range(90) if tracker.observe(sure, sure.points, 0.99, 0.95, 2.1 + i * STEP) and tracker.observe(
            began_wrong, began_wrong.points, 0.99, agreement, 2.1 + i * STEP) and began_wrong.side == 'right'), None)
        assert [began_wrong.side, sure.side] == sides, f'two left hands, one left to {agreement}, are {began_wrong.side}, {sure.side}'
        assert agreement > 0.5 or frames < 45, f'it took {frames} frames'


def test_a_hand_found_again_soon_keeps_its_number_and_later_gets_a_new_one():
    tracker = Tracker(TrackingSettings(hands=1, remember=0.7))
    track, = tracker.searched([detection()], 0.0)
    follow(tracker, track, 3, 0.0)
    assert not follow(tracker, track, 1, 0.1, presence=0.1) and not tracker.tracks
    again, = tracker.searched([detection(x=10)], 0.4)
    assert again.number == track.number, 'a hand back after 0.3 s at the same place became another hand'
    follow(tracker, again, 2, 0.4)
    follow(tracker, again, 1, 0.5, presence=0.1)
    later, = tracker.searched([detection()], 2.0)
    assert later.number != track.number


def test_a_hand_far_from_where_one_was_lost_is_another_hand():
    tracker = Tracker(TrackingSettings(hands=1))
    track, = tracker.searched([detection()], 0.0)
    follow(tracker, track, 3, 0.0)
    follow(tracker, track, 1, 0.1, presence=0.1)
    other, = tracker.searched([detection(x=600)], 0.2)
    assert other.number != track.number


def test_the_other_hand_of_a_person_does_not_inherit_a_lost_hands_number():
    for side_score, same in ((0.97, False), (0.6, True)):
        tracker = Tracker(TrackingSettings(hands=1))
        track, = tracker.searched([detection(side='right')], 0.0)
        follow(tracker, track, 3, 0.0)
        follow(tracker, track, 1, 0.1, presence=0.1)
        found, = tracker.searched([detection(x=10, side='left', score=side_score)], 0.2)
        assert (found.number == track.number) == same, f'a left hand of score {side_score} near a lost right one'


def test_points_that_leap_or_collapse_lose_the_hand():
    for bad in (lambda p: p + 1000, lambda p: p * 0.1 + 300, lambda p: p * np.nan):
        tracker = Tracker(TrackingSettings(hands=1))
        track, = tracker.searched([detection()], 0.0)
        assert not tracker.observe(track, bad(track.points), 0.99, 0.95, STEP), 'impossible points were followed'


def test_two_tracks_on_one_hand_become_the_older_one():
    tracker = Tracker()
    first, second = tracker.searched([detection(), detection(x=400)], 0.0)
    tracker.observe(first, first.points, 0.99, 0.9, STEP)
    second.points = first.points + 3
    assert tracker.drop_duplicates() == [second] and tracker.tracks == [first]


def test_both_hands_of_a_person_are_followed_with_their_sides():
    tracker = Tracker()
    tracks = tracker.searched([detection(), detection(x=300, side='left')], 0.0)
    for i in range(60):
        for t in tracks:
            assert tracker.observe(t, t.points + (2, 0), 0.99, 0.95, i * STEP)
        assert not tracker.drop_duplicates()
    assert [t.side for t in tracks] == ['right', 'left']


def test_the_next_cut_leads_a_moving_hand_but_never_overshoots_its_step():
    tracker = Tracker(TrackingSettings(hands=1))
    track, = tracker.searched([detection()], 0.0)
    follow(tracker, track, 10, STEP, shift=8)
    ahead = (tracker.expected_points(track, 11 * STEP) - track.points).mean(0)[0]
    assert 0 < ahead <= 8.0, f'the cut leads by {ahead:.1f} px of a step of 8'


def test_no_hand_at_all_cannot_be_asked_for():
    with pytest.raises(ValueError, match='at least one'):
        Tracker(TrackingSettings(hands=0))
