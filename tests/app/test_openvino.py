"""OpenVINO is a choice for those who have it: named where it is missing, left where it fails, silent on the network."""
from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from app.regression import Regressor
from tests.export.tiny_graph import SIZE, tiny_graph

ROOT = Path(__file__).resolve().parent.parent.parent
CROPS = np.random.default_rng(0).integers(0, 255, (3, SIZE, SIZE, 3), np.uint8)
needs_openvino = pytest.mark.skipif(importlib.util.find_spec('openvino') is None, reason='openvino is not installed')


@pytest.fixture
def network(tmp_path) -> Path:
    return tiny_graph(tmp_path / 'tiny.onnx')


def test_where_it_is_not_installed_the_package_is_named(network, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    regressor = Regressor(network, 'openvino', 1)
    assert regressor.provider == 'CPU' and len(regressor(CROPS)) == 3
    assert 'pip install openvino' in regressor.note, f'the note says {regressor.note!r}'


@pytest.mark.parametrize('when', ['creation', 'run'])
def test_where_it_fails_the_processor_goes_on_and_that_is_said(network, monkeypatch, when):
    def fail(*args, **more):
        raise RuntimeError('no such kernel')

    request = SimpleNamespace(infer=fail)
    compiled = SimpleNamespace(outputs=[], create_infer_request=lambda: request)
    core = SimpleNamespace(read_model=lambda graph: SimpleNamespace(reshape=lambda shape: None),
                           compile_model=fail if when == 'creation' else lambda *args: compiled)
    monkeypatch.setitem(sys.modules, 'openvino', SimpleNamespace(Core=lambda: core))
    regressor = Regressor(network, 'openvino', 1)
    assert regressor.provider == ('CPU' if when == 'creation' else 'OpenVINO')
    assert len(regressor(CROPS)) == 3 and regressor.provider == 'CPU'
    assert 'OpenVINO could not be used (no such kernel)' in regressor.note, f'the note says {regressor.note!r}'


@needs_openvino
def test_it_answers_what_onnx_runtime_answers_but_for_rounding(network):
    regressor = Regressor(network, 'openvino', 1)
    assert regressor.provider == 'OpenVINO' and not regressor.note
    for found, expected in zip(regressor(CROPS), Regressor(network, 'cpu', 1)(CROPS)):
        apart = float(np.abs(found.points - expected.points).max() / np.abs(expected.points).max())
        assert apart < 0.03, f'points are {apart:.3f} of the largest apart; bfloat16 has eight bits'
        assert found.texture.shape == expected.texture.shape


@needs_openvino
@pytest.mark.slow
def test_it_makes_no_network_call():
    program = """
import sys
import numpy as np
from app.regression import Regressor
regressor = Regressor(provider='openvino', threads=1)
assert len(regressor(np.zeros((2, 224, 224, 3), np.uint8))) == 2
assert sys.modules['openvino_telemetry'] is None  # it would call from a process of its own
print(regressor.provider)
"""
    environment = {name: value for name, value in os.environ.items() if name != 'ORT_DISABLE_TELEMETRY'}
    paths = os.pathsep.join([str(ROOT), environment.get('PYTHONPATH', '')])
    result = subprocess.run([sys.executable, str(ROOT / 'tests' / 'network_guard.py'), sys.executable, '-c', program], timeout=300,
                            env={**environment, 'PYTHONPATH': paths}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode == 77:
        pytest.skip('this system takes no seccomp filter, so programs cannot be watched')
    assert result.returncode != -signal.SIGSYS, f'OpenVINO opened a network socket: {result.stderr[-1000:]}'
    assert (result.returncode, result.stdout.strip()) == (0, 'OpenVINO'), result.stderr[-1000:]
