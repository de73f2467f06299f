"""The program as a person starts it: the window first, everything heavy later, and Ctrl-C ends it."""
from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

HEAVY = {'mediapipe', 'onnxruntime', 'OpenGL', 'pyrender', 'trimesh', 'torch', 'app.live.engine', 'app.pipeline'}
AT_FIRST_PAINT = f'''
import sys
from app.window import start
from app.window.canvas import Canvas
paint = Canvas.paintEvent
def painted(self, event):
    paint(self, event)
    print('FIRST', sorted({HEAVY!r} & set(sys.modules)), flush=True)
    Canvas.paintEvent = paint
Canvas.paintEvent = painted
sys.exit(start.run_window(None, {{}}, seconds=0.5))
'''


@pytest.fixture
def environment(tmp_path):
    return {**os.environ, 'S2HAND_CONFIG': str(tmp_path / 'config'), 'QT_QPA_PLATFORM': 'offscreen'}


def test_the_window_stands_before_anything_heavy_is_loaded(root, environment):
    result = subprocess.run([sys.executable, '-c', AT_FIRST_PAINT], cwd=root, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0 and 'Traceback' not in result.stderr, result.stderr[-2000:]
    first, = [line for line in result.stdout.splitlines() if line.startswith('FIRST')]
    assert first == 'FIRST []', f'loaded before the window was painted: {first}'


@pytest.mark.skipif(sys.platform == 'win32', reason='Windows knows no such signal for one process')
def test_ctrl_c_in_the_terminal_closes_the_window_cleanly(root, environment, demo_clip):
    process = subprocess.Popen([sys.executable, 'main.py', 'live', '--source', str(demo_clip)], cwd=root, env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=4)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, f'exit code {process.returncode}: {said[-2000:]}'
    assert 'Traceback' not in said, said[-2000:]


def test_no_display_is_one_sentence(root, run_main):
    environment = {name: value for name, value in os.environ.items() if name not in ('DISPLAY', 'WAYLAND_DISPLAY', 'QT_QPA_PLATFORM')}
    if sys.platform != 'linux':
        pytest.skip('there is always a display')
    result = run_main('live', env=environment)
    assert result.returncode == 2 and result.stderr.count('\n') == 1 and '--no-display' in result.stderr, result.stderr
