"""Engines are built ahead of time where TensorRT is installed, described beside, and never half there; where it is not, that is said."""
from __future__ import annotations

import argparse
import importlib.util
import json
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from app.errors import InputError
from app.regression import WEIGHTS
from export import tensorrt_engine
from export.int8 import parts_of, quantised, ranges_of
from export.parity import check_crops
from export.tensorrt_engine import find_tensorrt, write_engine
from tests.export.tiny_graph import tiny_graph

needs_tensorrt = pytest.mark.skipif(importlib.util.find_spec('tensorrt_rtx') is None, reason='tensorrt-rtx is not installed')


def options(*words: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    tensorrt_engine.add_arguments(parser)
    return parser.parse_args([str(word) for word in words] + ['--quiet'])


def test_a_missing_tensorrt_is_one_sentence_with_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(tensorrt_engine.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(InputError, match='pip install tensorrt-rtx'):
        tensorrt_engine.run(options('--network', tiny_graph(tmp_path / 'tiny.onnx'), '--compute-capability', '8.6'))
    assert not [*tmp_path.glob('*.engine*')]


def test_a_tensorrt_that_cannot_be_loaded_is_named(monkeypatch):
    def broken(name):
        raise ImportError('libnvinfer.so.10: cannot open shared object file')

    monkeypatch.setattr(tensorrt_engine.importlib.util, 'find_spec', lambda name: name == 'tensorrt')
    monkeypatch.setattr(tensorrt_engine.importlib, 'import_module', broken)
    with pytest.raises(InputError, match='tensorrt cannot be loaded.*libnvinfer'):
        find_tensorrt(False)


def test_only_tensorrt_rtx_builds_for_other_gpus(monkeypatch):
    monkeypatch.setattr(tensorrt_engine.importlib.util, 'find_spec', lambda name: name == 'tensorrt')
    monkeypatch.setattr(tensorrt_engine.importlib, 'import_module', lambda name: SimpleNamespace(__version__='10.13', __name__=name))
    with pytest.raises(InputError, match='only for the GPU in this machine.*tensorrt-rtx'):
        find_tensorrt(True)


def test_an_engine_without_its_description_is_not_left_behind(tmp_path, monkeypatch):
    def full(path, content):
        raise InputError('The disk is full')

    monkeypatch.setattr(tensorrt_engine, 'write_json', full)
    with pytest.raises(InputError, match='full'):
        write_engine(tmp_path / 'a.engine', b'engine', {})
    assert not [*tmp_path.iterdir()], f'left: {[*tmp_path.iterdir()]}'


def test_eight_bits_need_a_measured_graph(monkeypatch):
    monkeypatch.setattr(tensorrt_engine, 'find_tensorrt', lambda ahead: SimpleNamespace(ComputeCapability=SimpleNamespace(SM86=1)))
    with pytest.raises(InputError, match='export int8'):
        tensorrt_engine.run(options('--precision', 'int8', '--compute-capability', '8.6'))


def test_without_a_gpu_it_asks_for_compute_capabilities(monkeypatch):
    monkeypatch.setattr(tensorrt_engine, 'find_tensorrt', lambda ahead: SimpleNamespace())
    monkeypatch.setattr(tensorrt_engine, 'has_nvidia_device', lambda: False)
    with pytest.raises(InputError, match='--compute-capability'):
        tensorrt_engine.run(options())


@needs_tensorrt
def test_an_engine_is_built_without_a_gpu_and_described(tmp_path, capsys):
    network = tiny_graph(tmp_path / 'tiny.onnx')
    assert tensorrt_engine.run(options('--network', network, '--compute-capability', '8.6', '8.9')) == 0
    engine, described = tmp_path / 'tiny.fp32.engine', json.loads((tmp_path / 'tiny.fp32.engine.json').read_text())
    assert engine.stat().st_size > 10_000, f'the engine has {engine.stat().st_size} bytes'
    assert described['engine_sha256'] == sha256(engine.read_bytes()).hexdigest()
    assert described['graph_sha256'] == sha256(network.read_bytes()).hexdigest()
    assert described['compute_capabilities'] == ['8.6', '8.9'] and described['precision'] == 'fp32'
    assert described['tensorrt'].startswith('tensorrt_rtx ') and 'driver' in described
    assert sorted(p.name for p in tmp_path.iterdir()) == ['tiny.fp32.engine', 'tiny.fp32.engine.json', 'tiny.onnx']


@needs_tensorrt
def test_what_tensorrt_refuses_is_one_sentence_and_no_file(tmp_path):
    network = tiny_graph(tmp_path / 'tiny.onnx')
    with pytest.raises(InputError, match='does not build for compute capability 9.0; it knows 7.5'):
        tensorrt_engine.run(options('--network', network, '--compute-capability', '9.0'))
    with pytest.raises(InputError, match='is in fp32, not fp16'):
        tensorrt_engine.run(options('--network', network, '--compute-capability', '8.6', '--precision', 'fp16'))
    model = onnx.load(str(network))
    model.graph.node[0].op_type = 'Det'
    onnx.save(model, str(network))
    with pytest.raises(InputError, match='cannot read the graph'):
        tensorrt_engine.run(options('--network', network, '--compute-capability', '8.6'))
    assert [p.name for p in tmp_path.iterdir()] == ['tiny.onnx']


@needs_tensorrt
@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.is_file(), reason='no exported network in assets/weights')
@pytest.mark.parametrize('source', [('--network', WEIGHTS), ('--precision', 'fp16')], ids=['the graph', 'the checkpoint in fp16'])
def test_the_shipped_network_becomes_an_engine(tmp_path, source):
    out = tmp_path / 'net.engine'
    assert tensorrt_engine.run(options(*source, '--compute-capability', '8.6', '8.9', '12.0', '--out', out)) == 0
    assert out.stat().st_size > 5e6, f'the engine has {out.stat().st_size / 1e6:.1f} MB'


@needs_tensorrt
@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.is_file(), reason='no exported network in assets/weights')
def test_the_shipped_network_in_eight_bits_becomes_an_engine(tmp_path):
    crops = np.round(255 * check_crops(224, 2, 2)).astype(np.uint8).transpose(0, 2, 3, 1)
    model = onnx.shape_inference.infer_shapes(onnx.load(str(WEIGHTS)))
    made = quantised(model, ranges_of(WEIGHTS, crops), parts_of(model))
    onnx.helper.set_model_props(made, {p.key: p.value for p in made.metadata_props} | {'precision': 'int8'})
    onnx.save(made, str(tmp_path / 'net.onnx'))
    out = tmp_path / 'net.engine'
    assert tensorrt_engine.run(options('--network', tmp_path / 'net.onnx', '--compute-capability', '8.6', '8.9', '12.0', '--out', out)) == 0
    assert out.stat().st_size > 5e6, f'the engine has {out.stat().st_size / 1e6:.1f} MB'
