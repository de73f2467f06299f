"""The program makes no network call. Each run stands under `network_guard.py`, where the kernel kills it at its first socket."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.detector_file import cache_folder

ROOT = Path(__file__).resolve().parent.parent
GUARD = [sys.executable, str(ROOT / 'tests' / 'network_guard.py')]
KILLED, UNSUPPORTED = -signal.SIGSYS if sys.platform == 'linux' else None, 77

# Everything that the program loads, used once, then kept waiting: onnxruntime 1.31.1 calls home 9 s after its import, mediapipe 0.10.35
# when a task is closed (both measured with this guard; the pinned versions do neither), OpenVINO's telemetry when it is imported, which
# it is not.
PARTS = '''
import time
import numpy as np
import app
from app.boot import import_pyrender
from app.detector_file import detector_path
import av, cv2, mediapipe, onnx, onnxruntime, trimesh
from onnx import TensorProto, helper
started = time.monotonic()
value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
graph = helper.make_graph([helper.make_node('Abs', ['a'], ['b'])], 'g', [value('a')], [value('b')])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=10)
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
assert session.run(None, {'a': np.array([-1], np.float32)})[0] == 1
from app.regression import Regressor
assert len(Regressor()(np.zeros((2, 224, 224, 3), np.uint8))) == 2  # OpenVINO, where it is installed and pays
vision, base = mediapipe.tasks.vision, mediapipe.tasks.BaseOptions(model_asset_path=str(detector_path()))
with vision.HandLandmarker.create_from_options(vision.HandLandmarkerOptions(base_options=base)) as landmarker:
    landmarker.detect(mediapipe.Image(mediapipe.ImageFormat.SRGB, np.zeros((480, 640, 3), np.uint8)))
pyrender = import_pyrender()
scene = pyrender.Scene()
scene.add(pyrender.PerspectiveCamera(1.0))
assert pyrender.OffscreenRenderer(64, 48).render(scene)[0].shape == (48, 64, 3)
time.sleep(max(0, 12 - (time.monotonic() - started)))
print('ended by itself')
'''


@pytest.fixture(scope='module', autouse=True)
def watched() -> None:
    """Skip where this kernel takes no filter: then nothing here would prove anything."""
    if sys.platform != 'linux' or subprocess.run([*GUARD, 'true']).returncode == UNSUPPORTED:
        pytest.skip('this system takes no seccomp filter, so programs cannot be watched')


@pytest.fixture
def lonely(tmp_path: Path) -> dict[str, str]:
    """An environment with an empty home, so that no earlier answer of a call home is remembered there, and no X server."""
    kept = {name: value for name, value in os.environ.items() if name not in ('DISPLAY', 'WAYLAND_DISPLAY', 'ORT_DISABLE_TELEMETRY')}
    return {**kept, 'HOME': str(tmp_path), 'S2HAND_CACHE': str(cache_folder()), 'PYTHONPATH': str(ROOT)}


def guarded(command: list[str], **options) -> subprocess.CompletedProcess:
    return subprocess.run([*GUARD, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, **options)


@pytest.mark.parametrize('command', [
    [sys.executable, '-c', 'import socket; socket.create_connection(("127.0.0.1", 9))'],
    [sys.executable, '-c', 'import socket; socket.getaddrinfo("example.org", 80)'],
    [sys.executable, '-c', 'import subprocess; raise SystemExit(subprocess.run(["getent", "hosts", "example.org"]).returncode == -31)'],
    ['bash', '-c', ': > /dev/tcp/127.0.0.1/9'],
], ids=['connects', 'looks a name up', 'its child looks a name up', 'is not Python'])
def test_a_program_that_does_use_the_network_is_caught(command):
    code = guarded(command).returncode
    assert code == (1 if 'subprocess' in command[-1] else KILLED), f'exit code {code}; the guard let a network call through'


def test_a_program_that_does_not_use_the_network_is_left_alone():
    result = guarded([sys.executable, '-c', 'import socket; socket.socketpair(); socket.socket(socket.AF_UNIX); print("fine")'])
    assert (result.returncode, result.stdout) == (0, 'fine\n'), result.stderr


@pytest.mark.slow
def test_no_library_of_the_program_calls_home(lonely):
    result = guarded([sys.executable, '-c', PARTS], env=lonely)
    assert result.returncode != KILLED, \
        f'a library opened a network socket; `strace -f -e trace=network` tells which: {result.stderr[-2000:]}'
    assert (result.returncode, result.stdout) == (0, 'ended by itself\n'), result.stderr[-2000:]


@pytest.mark.slow
def test_a_whole_reconstruction_uses_no_network(demo_clip, lonely, tmp_path):
    command = [sys.executable, str(ROOT / 'main.py'), 'reconstruct', str(demo_clip), '--stop', '30', '--out', str(tmp_path / 'out')]
    result = guarded(command, env=lonely)
    assert result.returncode != KILLED, f'the program opened a network socket: {result.stderr[-2000:]}'
    assert result.returncode == 0, result.stderr[-2000:]
    assert list(tmp_path.glob('out/*/report.json')), 'the run wrote no report, so it proves nothing'
