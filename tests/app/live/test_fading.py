"""Hands fade in and out by a clock that the tests hold; and the promise of 200 ms, through the real pipeline."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.live.fading import FALL, RISE, Fader
from app.pipeline import DEFAULT_LIGHT, Pipeline, PipelineSettings
from app.types import Hand, Intrinsics

FRAME = 1 / 30


def hand(track=0, confidence=1.0, at=(100.0, 100.0), side='right') -> Hand:
    """A hand of 60 pixels at a place in the picture; what fading does not look at is empty."""
    points = np.linspace((0, 0), (60, 60), 21) + at
    nothing = np.zeros((0, 3))
    return Hand(track, side, confidence, np.zeros((16, 4)), np.zeros(10), np.zeros(3), nothing, nothing, points, nothing, DEFAULT_LIGHT,
                points)


def levels(fader: Fader, frames: list[list[Hand]], start=10.0, step=FRAME) -> list[dict[int, float]]:
    """What the fader says of each frame: visibility by track."""
    told = []
    for number, hands in enumerate(frames):
        shown, visibility = fader.step(hands, start + number * step)
        told.append({h.track: v for h, v in zip(shown, visibility, strict=True)})
    return told


@pytest.mark.parametrize('fps', [10, 25, 30, 60, 120])
def test_a_hand_that_is_found_rises_to_full_within_120_ms_and_does_not_pop(fps):
    told = [t[0] for t in levels(Fader(), [[hand()]] * fps, step=1 / fps)]
    full = next(n for n, level in enumerate(told) if level == 1) / fps
    assert full <= RISE + 1e-9, f'full after {1e3 * full:.0f} ms, allowed {1e3 * RISE:.0f}'
    assert told == sorted(told)
    if fps >= 25:
        assert 0 < told[0] < 0.5, f'the first picture shows {told[0]:.2f} of it'


@pytest.mark.parametrize('fps', [10, 25, 30, 60])
def test_a_hand_that_is_lost_is_gone_within_150_ms_at_its_last_place(fps):
    fader = Fader()
    levels(fader, [[hand()]] * fps, step=1 / fps)
    start = 10 + 1.0
    gone = None
    for number in range(fps):
        now = start + number / fps
        shown, visibility = fader.step([], now)
        if not shown:
            gone = now - (start - 1 / fps)
            break
        assert np.array_equal(shown[0].points, hand().points), 'the fading hand moved'
        assert 0 < visibility[0] < 1
    assert gone is not None and gone <= FALL + 1 / fps + 1e-9, f'gone after {gone} s, allowed {FALL} s and a frame'


def test_a_hand_that_comes_back_while_it_fades_goes_on_from_where_it_was():
    fader = Fader()
    told = levels(fader, [[hand()]] * 10 + [[]] * 2 + [[hand()]] * 3)
    assert told[11][0] < told[10][0] < 1
    assert told[11][0] < told[12][0], 'it went on fading after it was found'
    assert told[12][0] - told[11][0] <= FRAME / RISE + 1e-9, f'it jumped from {told[11][0]:.2f} to {told[12][0]:.2f}'


def test_the_same_hand_under_a_new_number_takes_the_fading_ones_place():
    fader = Fader()
    told = levels(fader, [[hand(0)]] * 10 + [[]] + [[hand(1)]])
    assert set(told[-1]) == {1}, 'the hand is drawn twice'
    assert told[-1][1] > told[-2][0], 'it began anew'


def test_another_hand_elsewhere_fades_in_by_itself_while_the_first_fades_out():
    told = levels(Fader(), [[hand(0)]] * 10 + [[hand(1, at=(400.0, 100.0))]])
    assert 0 < told[-1][0] < 1 and 0 < told[-1][1] < 0.5


def test_doubtful_hands_are_fainter_and_confidence_does_not_flicker():
    sure, doubtful = (levels(Fader(), [[hand(confidence=c)]] * 20)[-1][0] for c in (0.95, 0.5))
    assert sure == 1 and 0.35 <= doubtful < 0.8, f'a doubtful hand shows {doubtful:.2f}'
    flicker = [t[0] for t in levels(Fader(), [[hand(confidence=0.95 if n % 2 else 0.55)] for n in range(40)])][10:]
    assert np.abs(np.diff(flicker)).max() <= FRAME / RISE + 1e-9, f'it jumps by {np.abs(np.diff(flicker)).max():.2f} a frame'


def test_two_hands_fade_one_by_one():
    left = hand(1, at=(400.0, 100.0), side='left')
    told = levels(Fader(), [[hand(0), left]] * 10 + [[left]] * 2)
    assert told[-1][1] == 1 and told[-1][0] < 1


def test_a_still_picture_shows_what_was_found_at_once():
    fader = Fader()
    levels(fader, [[hand(0)]] * 3)
    shown, visibility = fader.still([hand(1, at=(300.0, 300.0))], 20.0)
    assert [h.track for h in shown] == [1] and visibility == (1.0,)


def test_nothing_is_left_to_do_once_all_is_faded():
    fader = Fader()
    assert fader.settled
    fader.step([hand()], 1.0)
    assert not fader.settled, 'it rises'
    levels(fader, [[hand()]] * 10)
    assert fader.settled
    fader.step([], 20.0)
    assert fader.settled, 'after a long time nothing is left of it'


def test_a_reset_forgets_all_hands_at_once():
    fader = Fader()
    levels(fader, [[hand()]] * 10)
    fader.reset()
    assert fader.step([], 10.4) == ((), ())


@pytest.mark.parametrize('hands', [1, 2])
def test_a_hand_that_vanishes_is_gone_in_200_ms_and_back_200_ms_after_it_reappears(demo_frames, hands):
    camera = Intrinsics.from_field_of_view(640, 480)
    wall = np.full((480, 640, 3), 120, np.uint8)
    fader, told = Fader(), []
    with Pipeline(PipelineSettings(mode='live', hands=hands, provider='cpu')) as pipeline:
        for number, frame in enumerate(demo_frames):
            if 15 <= number < 30:
                frame = replace(frame, image=wall)
            found = pipeline.process(frame, camera)
            _, visibility = fader.step(found, frame.time)
            told.append((frame.time, max(visibility, default=0.0)))
    vanished, reappeared = demo_frames[15].time, demo_frames[30].time
    assert told[14][1] > 0.9, f'before it vanishes {told[14][1]:.2f} of it shows'
    gone = next(time for time, level in told[15:30] if level == 0) - vanished
    back = next(time for time, level in told[30:] if level > 0.9) - reappeared
    assert gone <= 0.2, f'gone {1e3 * gone:.0f} ms after it vanished'
    assert back <= 0.2, f'back {1e3 * back:.0f} ms after it reappeared'
