"""What the display is told about speed, by a clock that the tests hold."""
from __future__ import annotations

import numpy as np
import pytest

from app.live.shown import Captured, Inferred, Shown, SourceInfo
from app.live.statistics import Statistics
from app.types import Frame, Intrinsics

NOTHING = dict.fromkeys(('camera', 'network', 'drawing', 'screen', 'recording'), 0)
SOURCE = SourceInfo('clip', 'clip', 'video', 64, 48, 30.0, 100, 3.3, True)


class Clock:
    """Time stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(captured: float, index: int = 0, searched: bool = False, paused: bool = False) -> Shown:
    frame = Frame(np.zeros((48, 64, 3), np.uint8), index, index / 30, captured)
    inferred = Inferred(Captured(frame, SOURCE, 1, paused), (), (), Intrinsics.from_field_of_view(64, 48), (), {}, searched)
    return Shown(inferred, frame.image, None, captured)


def run(seconds: float, fps: float, stages: dict[str, float], latency: float = 0.03, searched: bool = False):
    """A statistics after so much time of even running -> it, and its clock."""
    clock = Clock()
    statistics = Statistics(clock)
    for number in range(round(seconds * fps)):
        clock.now = 100 + number / fps
        picture = shown(clock.now - latency, number, searched)
        statistics.inferred(picture.inferred)
        statistics.drawn(stages)
        statistics.painted(picture, clock.now)
    return statistics, clock


@pytest.mark.parametrize('fps', [5, 24, 30, 60])
def test_the_rate_and_the_latency_are_those_of_the_pictures(fps):
    told = run(4, fps, {'network': 9.0})[0].summary(NOTHING)
    assert told.fps == pytest.approx(fps, rel=0.01)
    assert told.latency_ms == pytest.approx(30, abs=0.1) and told.latency_p95_ms == pytest.approx(30, abs=0.1)
    assert told.source_fps == 30.0


def test_the_rate_falls_when_no_more_pictures_come():
    statistics, clock = run(4, 30, {})
    rates = []
    for _ in range(6):
        clock.now += 0.4
        rates.append(statistics.summary(NOTHING).fps)
    assert rates == sorted(rates, reverse=True) and rates[0] < 29 and rates[-1] == 0, rates


def test_a_stage_that_runs_in_every_third_picture_counts_a_third():
    clock = Clock()
    statistics = Statistics(clock)
    for number in range(30):
        clock.now += 1 / 30
        statistics.drawn({'network': 9.0, **({'detect': 12.0} if number % 3 == 0 else {})})
    stages = {stage.name: stage for stage in statistics.summary(NOTHING).stages}
    assert stages['detect'].ms == pytest.approx(4.0) and stages['network'].ms == pytest.approx(9.0)
    assert [s.name for s in statistics.summary(NOTHING).stages] == ['detect', 'network'], 'not in the order in which they run'


def test_only_the_largest_stage_of_a_thread_that_does_not_keep_up_is_slow_and_a_remark_names_it():
    told = run(3, 20, {'crop': 1.0, 'network': 31.0, 'refine': 6.0, 'overlay': 3.0, 'view': 8.0})[0].summary(NOTHING)
    assert {stage.name for stage in told.stages if stage.slow} == {'network'}
    assert any('the network takes 31 ms' in remark and '38 ms' in remark and '33 ms' in remark for remark in told.remarks), told.remarks


def test_nothing_is_slow_and_nothing_is_remarked_when_all_keeps_up():
    told = run(3, 30, {'crop': 1.0, 'network': 10.0, 'refine': 3.0, 'overlay': 3.0, 'view': 8.0})[0].summary(NOTHING)
    assert not any(stage.slow for stage in told.stages) and told.remarks == ()


def test_a_detector_that_looks_at_each_frame_is_explained_by_the_lost_hand():
    told = run(3, 30, {'detect': 12.0}, searched=True)[0].summary(NOTHING)
    assert any('no hand is followed' in remark for remark in told.remarks), told.remarks


def test_a_picture_that_comes_late_is_said_to_whatever_the_source_is():
    told = run(2.0, 30.0, {}, latency=0.25)[0].summary(NOTHING)
    assert 'The picture is shown 250 ms late.' in told.remarks, told.remarks


def test_drops_are_told_in_total_and_per_second_lately():
    statistics, clock = run(3, 30, {})
    statistics.summary({**NOTHING, 'network': 100})
    clock.now += 1
    told = statistics.summary({**NOTHING, 'network': 110, 'screen': 20})
    assert told.dropped['network'] == 110
    assert told.dropped_lately['network'] == pytest.approx(10) and told.dropped_lately['screen'] == pytest.approx(20)
    assert any('window is slow' in remark for remark in told.remarks)


def test_a_picture_that_stands_still_says_nothing_about_latency():
    clock = Clock()
    statistics = Statistics(clock)
    statistics.painted(shown(clock.now - 60, paused=True), clock.now)
    assert statistics.summary(NOTHING).latency_ms == 0


def test_before_anything_happened_everything_is_zero():
    told = Statistics(Clock()).summary(NOTHING)
    assert (told.fps, told.source_fps, told.latency_ms, told.stages, told.confidence, told.hands) == (0, None, 0, (), None, ())


def test_old_values_go_so_that_hours_of_running_keep_no_more_than_seconds():
    statistics, _ = run(120, 30, {'network': 1.0})
    kept = max(len(part.items) for part in (statistics._shown, statistics._latency, statistics._stages, statistics._searched))
    assert kept <= 2.1 * 30, f'{kept} values are kept of 3600'
