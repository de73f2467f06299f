"""TensorRT's engines are kept and never loaded when they do not fit; a GPU that is missing or full costs a sentence, not the program.

There is no GPU where these tests run: ONNX Runtime's sessions on it are played by a session on the CPU that writes an engine file as
TensorRT would, or fails as a full GPU does.
"""
from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from app import engine_cache, regression
from app.engine_cache import ABANDONED, LIST, EngineCache, Facts
from app.errors import InputError
from app.regression import Regressor
from tests.app.test_regression import META, tiny_network

FACTS = Facts('a' * 64, '1.28.0', '10.13.3', 'NVIDIA Test', '580.1')
OUT_OF_MEMORY = 'CUDA failure 2: out of memory ; GPU=0'
CROPS = np.full((3, 32, 32, 3), 51, np.uint8)


def build(cache: EngineCache, content: bytes = b'engine') -> Path:
    """What TensorRT does on the first run."""
    (cache.folder / 'TensorrtExecutionProvider_1.engine').write_bytes(content)
    cache.seal()
    return cache.folder


def test_an_engine_is_built_once_and_then_found(tmp_path):
    first = EngineCache(FACTS, tmp_path)
    assert not first.kept and not (tmp_path / FACTS.key).exists(), 'the engine has its name before it is whole'
    folder = build(first)
    again = EngineCache(FACTS, tmp_path)
    assert again.kept and again.folder == folder == tmp_path / FACTS.key and again.note == ''
    assert [p.name for p in tmp_path.iterdir()] == [FACTS.key], 'something was left beside the engine'


@pytest.mark.parametrize('change', [{'graph': 'b' * 64}, {'runtime': '1.29.0'}, {'tensorrt': '10.14.0'}, {'gpu': 'NVIDIA Other'},
                                    {'driver': '590.2'}, {'options': 'fp16'}])
def test_another_graph_version_gpu_or_driver_has_another_engine(tmp_path, change):
    build(EngineCache(FACTS, tmp_path))
    assert not EngineCache(replace(FACTS, **change), tmp_path).kept, f'the engine of another {change} was taken'


def spoil(folder: Path, how: str) -> None:
    engine, listed = folder / 'TensorrtExecutionProvider_1.engine', folder / LIST
    if how == 'cut':
        engine.write_bytes(b'eng')
    elif how == 'removed':
        engine.unlink()
    elif how == 'added':
        (folder / 'foreign.engine').write_bytes(b'foreign')
    elif how == 'no list':
        listed.unlink()
    elif how == 'half a list':
        listed.write_text(listed.read_text()[:40])
    elif how == 'a list of something else':
        listed.write_text('[1, 2]')
    elif how == 'of another driver':
        listed.write_text(json.dumps(json.loads(listed.read_text()) | {'facts': {'driver': '1'}}))


@pytest.mark.parametrize('how', ['cut', 'removed', 'added', 'no list', 'half a list', 'a list of something else', 'of another driver'])
def test_an_engine_that_is_not_whole_or_not_ours_is_put_aside_and_built_anew(tmp_path, how):
    spoil(build(EngineCache(FACTS, tmp_path)), how)
    cache = EngineCache(FACTS, tmp_path)
    assert not cache.kept and cache.folder != tmp_path / FACTS.key, f'an engine ({how}) was loaded'
    assert 'put aside' in cache.note and (tmp_path / f'{FACTS.key}.aside').is_dir()
    build(cache, b'new')
    assert EngineCache(FACTS, tmp_path).kept
    spoil(tmp_path / FACTS.key, 'cut')
    assert 'put aside' in EngineCache(FACTS, tmp_path).note, 'a second one could not be put aside'


def test_two_threads_that_build_at_once_never_write_into_one_folder(tmp_path):
    first = EngineCache(FACTS, tmp_path)
    (first.folder / 'half.engine').write_bytes(b'half')
    with ThreadPoolExecutor(1) as other:
        second = other.submit(EngineCache, FACTS, tmp_path).result()
    assert (first.folder / 'half.engine').exists(), 'what another thread is building was removed'
    assert build(second) == build(first).with_name(FACTS.key) and not second.note + first.note


def test_a_build_that_was_killed_is_never_loaded_and_removed_later(tmp_path):
    cache = EngineCache(FACTS, tmp_path)
    (cache.folder / 'half.engine').write_bytes(b'half')
    left = cache.folder.rename(cache.folder.with_name(cache.folder.name + '9'))  # another process's
    assert not EngineCache(FACTS, tmp_path).kept and left.exists(), 'what another process is building was taken or removed'
    EngineCache(FACTS, tmp_path, now=lambda: left.stat().st_mtime + ABANDONED + 1)
    assert not left.exists(), 'what a killed process left is never removed'


def test_where_nothing_can_be_written_engines_are_built_at_every_start_and_that_is_said(tmp_path):
    blocked = tmp_path / 'file'
    blocked.write_text('not a folder')
    cache = EngineCache(FACTS, blocked / 'engines')
    assert cache.folder is None and 'cannot be kept' in cache.note and str(blocked) in cache.note
    cache.seal()
    if os.geteuid() != 0:  # root may write everywhere
        closed = tmp_path / 'closed'
        closed.mkdir(mode=0o500)
        assert 'cannot be kept' in EngineCache(FACTS, closed / 'engines').note


def test_two_programs_that_build_at_once_leave_one_whole_engine(tmp_path, monkeypatch):
    first = EngineCache(FACTS, tmp_path)
    monkeypatch.setattr(engine_cache.os, 'getpid', lambda: 1)
    second = EngineCache(FACTS, tmp_path)
    build(first)
    (second.folder / 'x.engine').write_bytes(b'x')
    second.seal()
    assert second.note == '' and EngineCache(FACTS, tmp_path).kept


def test_nvidia_smi_tells_gpu_and_driver(monkeypatch):
    answer = SimpleNamespace(stdout='NVIDIA GeForce RTX 4090, 580.65.06\n')
    monkeypatch.setattr(engine_cache.subprocess, 'run', lambda *args, **options: answer)
    engine_cache.gpu_and_driver.cache_clear()
    assert engine_cache.gpu_and_driver() == ('NVIDIA GeForce RTX 4090', '580.65.06')
    engine_cache.gpu_and_driver.cache_clear()


class PlayedSession:
    """A session on a GPU that is not there."""

    def __init__(self, graph: bytes, options, providers, fails: str, asked: list) -> None:
        self.names, self.options = [name for name, _ in providers], dict(providers)
        asked.append(self.options)
        if fails == 'creation':
            raise RuntimeError(OUT_OF_MEMORY)
        self.fails, self.real = fails, onnxruntime.InferenceSession(graph, options, providers=['CPUExecutionProvider'])

    def get_providers(self) -> list[str]:
        return self.names

    def run(self, names, inputs):
        if self.fails == 'run':
            raise RuntimeError(OUT_OF_MEMORY)
        if folder := self.options.get('TensorrtExecutionProvider', {}).get('trt_engine_cache_path'):
            Path(folder, 'played.engine').write_bytes(b'engine')
        return self.real.run(names, inputs)


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """Call it with how the GPU fails ('' if it works); a list of the options that sessions on the GPU were opened with."""
    def play(fails: str = '', available=('TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider'), tensorrt='10.13.3'):
        asked: list[dict] = []

        def session(graph, options, providers, **more):
            if providers == ['CPUExecutionProvider']:
                return onnxruntime.InferenceSession(graph, options, providers=providers)
            return PlayedSession(graph, options, providers, fails, asked)

        played = SimpleNamespace(__version__=onnxruntime.__version__, SessionOptions=onnxruntime.SessionOptions, InferenceSession=session,
                                 get_available_providers=lambda: list(available))
        monkeypatch.setitem(sys.modules, 'onnxruntime', played)
        monkeypatch.setattr(regression, 'has_nvidia_device', lambda: True)
        monkeypatch.setattr(regression, 'openvino_pays', lambda: False)
        for module in (regression, engine_cache):
            monkeypatch.setattr(module, 'tensorrt_version', lambda: tensorrt)
        monkeypatch.setattr(engine_cache, 'gpu_and_driver', lambda: ('NVIDIA Test', '580.1'))
        monkeypatch.setenv('S2HAND_CACHE', str(tmp_path / 'cache'))
        return asked

    return play


@pytest.fixture
def network(tmp_path) -> Path:
    return tiny_network(tmp_path / 'tiny.onnx')


@pytest.mark.parametrize('when', ['creation', 'run'])
@pytest.mark.parametrize('provider', ['auto', 'cuda', 'tensorrt'])
def test_a_gpu_without_memory_is_left_for_the_cpu_and_that_is_said(gpu, network, when, provider):
    gpu(when)
    regressor = Regressor(network, provider, 1)
    assert regressor.provider == ('CPU' if when == 'creation' else 'Tensorrt' if provider == 'tensorrt' else 'CUDA')
    presence = [p.presence for p in regressor(CROPS)]
    assert np.allclose(presence, 0.2, atol=1e-6) and regressor.provider == 'CPU'
    assert 'not enough free memory' in regressor.note and 'CPU' in regressor.note, f'the note says {regressor.note!r}'


def test_tensorrt_keeps_its_engine_between_starts(gpu, network, tmp_path):
    asked, told = gpu(), []
    regressor = Regressor(network, 'tensorrt', 1, tell=told.append)
    assert len(regressor(CROPS)) == 3 and regressor.note == '' and 'builds its engine' in told[0]
    options = asked[0]['TensorrtExecutionProvider']
    assert options['trt_profile_max_shapes'] == 'crop:16x3x32x32' and options['trt_engine_cache_enable'] == '1'
    kept = [p for p in (tmp_path / 'cache' / 'engines').iterdir()]
    assert len(kept) == 1 and (kept[0] / 'played.engine').is_file(), f'kept: {kept}'
    Regressor(network, 'tensorrt', 1, tell=told.append)
    assert asked[1]['TensorrtExecutionProvider']['trt_engine_cache_path'] == str(kept[0]) and len(told) == 1, 'it was built again'


def test_a_damaged_engine_is_named_in_the_note(gpu, network, tmp_path):
    gpu()
    Regressor(network, 'tensorrt', 1)(CROPS)
    folder = next((tmp_path / 'cache' / 'engines').iterdir())
    (folder / 'played.engine').write_bytes(b'half')
    regressor = Regressor(network, 'tensorrt', 1)
    regressor(CROPS)
    assert 'put aside' in regressor.note and regressor.provider == 'Tensorrt'


def test_without_a_writable_cache_tensorrt_runs_all_the_same(gpu, network, tmp_path, monkeypatch):
    asked = gpu()
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('S2HAND_CACHE', str(tmp_path / 'file'))
    regressor = Regressor(network, 'tensorrt', 1)
    assert len(regressor(CROPS)) == 3 and 'cannot be kept' in regressor.note
    assert 'trt_engine_cache_path' not in asked[0]['TensorrtExecutionProvider']


def test_more_crops_than_an_engine_takes_are_run_in_parts(gpu, network):
    gpu()
    assert len(Regressor(network, 'tensorrt', 1)(np.zeros((35, 32, 32, 3), np.uint8))) == 35


@pytest.mark.parametrize(('provider', 'options', 'package'), [
    ('cuda', {'available': ('CPUExecutionProvider',)}, 'onnxruntime-gpu'),
    ('tensorrt', {'available': ('CUDAExecutionProvider', 'CPUExecutionProvider')}, 'onnxruntime-gpu'),
    ('tensorrt', {'tensorrt': ''}, 'tensorrt-cu13')])
def test_what_is_not_installed_is_named(gpu, network, provider, options, package):
    gpu(**options)
    regressor = Regressor(network, provider, 1)
    assert len(regressor(CROPS)) == 3
    assert package in regressor.note and 'was asked for' in regressor.note, f'the note says {regressor.note!r}'


def test_here_without_a_gpu_the_note_says_so_and_automatic_says_nothing(network, monkeypatch):
    monkeypatch.setattr(regression, 'has_nvidia_device', lambda: False)
    asked = Regressor(network, 'cuda', 1)
    assert asked.provider == 'CPU' and 'CUDA was asked for' in asked.note
    assert Regressor(network, 'auto', 1).note == Regressor(network, 'cpu', 1).note == ''


def test_a_network_of_another_version_is_named_and_refused(tmp_path):
    with pytest.raises(InputError, match="'tiny'.*version 7.*version 1.*export it anew"):
        Regressor(tiny_network(tmp_path / 'a.onnx', meta=META | {'version': '7'}), 'cpu')
    with pytest.raises(InputError, match="'other'.*lacks"):
        Regressor(tiny_network(tmp_path / 'b.onnx', outputs=('points',), meta={'name': 'other'}), 'cpu')
    with pytest.raises(InputError, match='size'):
        Regressor(tiny_network(tmp_path / 'c.onnx', meta=META | {'size': 'big'}), 'cpu')
