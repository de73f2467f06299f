"""The window with the real engine on the demo clip: it never stands still for long, and what it shows belongs together."""
from __future__ import annotations

import time

import numpy as np
import pytest
from PyQt5.QtCore import QTimer

from app.live.engine import Engine
from app.window.settings_store import Stored
from tests.app.lateness import Lateness

LOADING = 120_000  # milliseconds that a very busy machine may take for the network
BEAT = 5  # milliseconds


class Heart:
    """Measures for how long the window's thread does not come round, and how much of that is work of its own, in milliseconds."""

    def __init__(self, parent):
        self.gaps: list[float] = []
        self.work: list[float] = []
        self._last, self._worked = time.perf_counter(), time.thread_time()
        self._timer = QTimer(parent, interval=BEAT)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now, worked = time.perf_counter(), time.thread_time()
        self.gaps.append(1e3 * (now - self._last) - BEAT)
        self.work.append(1e3 * (worked - self._worked))
        self._last, self._worked = now, worked

    def stop(self) -> None:
        self._timer.stop()


@pytest.fixture
def real(play, demo_clip):
    """The window with a hand on the screen, and all that was painted so far."""
    played = play(Stored(), make_engine=lambda settings, listener: Engine(settings, listener))
    painted = []
    played.window.canvas.painted.connect(painted.append)
    played.window.chooser.loop = True
    played.window.begin(str(demo_clip))
    played.qtbot.waitUntil(lambda: bool(painted) and any(v > 0.9 for v in painted[-1].inferred.visibility) and painted[-1].view is not None,
                           timeout=LOADING)
    return played.window, painted, played.qtbot


@pytest.mark.slow
def test_live_running_never_holds_the_window_up_and_picture_and_hands_belong_together(real, capsys):
    window, painted, qtbot = real
    act, heart = window.actions_by_id, Heart(window)
    del painted[:]
    for name in ('style_shaded', 'layout', 'layout', 'style_wireframe', 'layout', 'layout', 'hud', 'panel', 'theme', 'style_textured',
                 'mirror', 'seek_back', 'mirror', 'panel', 'hud', 'theme', 'play_pause', 'opacity_down', 'play_pause'):
        act[name].trigger()
        qtbot.wait(200)
    qtbot.wait(1000)
    qtbot.waitUntil(lambda: sum(bool(shown.hands) for shown in painted) > 10, timeout=LOADING)
    heart.stop()
    worst, late, work = max(heart.gaps), np.percentile(heart.gaps, 99), max(heart.work)
    with capsys.disabled():
        print(f'\nthe window stood still for {worst:.0f} ms at most, 99 of 100 times for less than {late:.0f} ms, and worked for '
              f'{work:.0f} ms at most; {len(painted)} pictures were painted')
    # 50 ms are promised on a machine of one's own; here others may hold the thread up, so its own work counts, at half the speed
    assert work < 100, f'the window worked for {work:.0f} ms without coming round'
    assert worst < 3000, f'the window stood still for {worst:.0f} ms, which no busy machine explains'
    for shown in painted:
        if not shown.hands:
            continue
        image = shown.frame.image
        picture = min((shown.picture, shown.picture[:, ::-1]), key=lambda p: float(np.abs(p.astype(int) - image).mean()))
        clear = np.ones(image.shape[:2], bool)
        for hand in shown.hands:
            points = shown.inferred.intrinsics.project(hand.vertices)
            low, high = np.floor(points.min(0)).astype(int) - 8, np.ceil(points.max(0)).astype(int) + 9
            clear[max(low[1], 0):max(high[1], 0), max(low[0], 0):max(high[0], 0)] = False
        changed = int((picture != image)[clear].any(-1).sum()) if clear.any() else 0
        assert changed == 0, f'frame {shown.frame.index}: {changed} pixels away from the hand are not those of its frame'


@pytest.mark.slow
def test_closing_while_it_runs_and_records_ends_every_thread_in_two_seconds(real, tmp_path):
    window, painted, qtbot = real
    window.saving.set_recording(window.saving.recording.__class__(tmp_path / 'out'))
    window.actions_by_id['record'].trigger()
    qtbot.waitUntil(lambda: window.bridge.recording() is not None and window.bridge.recording().frames > 3, timeout=LOADING)
    with Lateness() as machine:
        began = time.monotonic()
        window.close()
        took = time.monotonic() - began
    assert window.ended_in_time or machine.lost > 0.5, 'a thread did not end in two seconds'
    assert took < 3 + machine.lost, f'closing took {took:.2f} s; for {machine.lost:.2f} s of that others worked'
    assert [path.name for path in (tmp_path / 'out').glob('*/overlay.mp4')], 'the recording was not kept'
