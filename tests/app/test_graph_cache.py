"""A network's optimised form is kept and opened; one that is cut, damaged, foreign or another's is made anew, never loaded."""
from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from app import graph_cache, regression
from app.graph_cache import ABANDONED, BUILDING, MOST, KeptGraph
from app.regression import WEIGHTS, Regressor
from tests.app.test_regression import tiny_network

GRAPH = b'graph' * 10
CROPS = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3), np.uint8)


def build(folder: Path, graph: bytes = GRAPH, runtime: str = '1', processor: str = 'some', content: bytes = b'optimised') -> None:
    kept = KeptGraph(graph, runtime, folder, processor, 0)
    assert kept.path is None, 'there was a kept file already'
    kept.building.write_bytes(content)
    kept.seal()


def found(folder: Path, graph: bytes = GRAPH, runtime: str = '1', processor: str = 'some') -> Path | None:
    return KeptGraph(graph, runtime, folder, processor, 0).path


def test_a_network_is_optimised_once_and_then_found(tmp_path):
    build(tmp_path)
    path = found(tmp_path)
    assert path.read_bytes() == b'optimised'
    assert list(tmp_path.iterdir()) == [path], 'something was left beside the kept file'


@pytest.mark.parametrize('change', [{'graph': b'other'}, {'runtime': '2'}, {'processor': 'other'}])
def test_another_graph_runtime_or_processor_has_another_file(tmp_path, change):
    build(tmp_path)
    assert found(tmp_path, **change) is None, f'the file of another {change} was taken'


@pytest.mark.parametrize('content', [b'', b'optimi', b'Optimised', b'something foreign'])
def test_a_file_that_is_cut_damaged_or_foreign_is_never_loaded(tmp_path, content):
    build(tmp_path)
    found(tmp_path).write_bytes(content)
    assert found(tmp_path) is None, f'a file with {content!r} in it was taken for the kept one'
    assert not list(tmp_path.glob('*.onnx')), 'the unusable file is still there'


def test_small_networks_are_not_kept(tmp_path):
    kept = KeptGraph(GRAPH, '1', tmp_path, 'some')
    assert kept.path is kept.building is None and not list(tmp_path.iterdir())


def test_only_the_last_ones_used_are_kept(tmp_path):
    (tmp_path / f'{BUILDING}old-1').write_bytes(b'left')
    os.utime(tmp_path / f'{BUILDING}old-1', (0, 0))
    for number in range(MOST + 2):
        build(tmp_path, runtime=str(number))
        os.utime(found(tmp_path, runtime=str(number)), (ABANDONED + number, ABANDONED + number))
    there = [found(tmp_path, runtime=str(number)) is not None for number in range(MOST + 2)]
    assert there == [False] * 2 + [True] * MOST and not list(tmp_path.glob(f'{BUILDING}old-1'))


def test_two_threads_that_build_at_once_never_write_into_one_file(tmp_path):
    first = KeptGraph(GRAPH, '1', tmp_path, 'some', 0)
    with ThreadPoolExecutor(1) as other:
        second = other.submit(KeptGraph, GRAPH, '1', tmp_path, 'some', 0).result()
    assert first.building != second.building, f'both threads build {first.building.name}'
    for kept, content in ((first, b'one'), (second, b'two')):
        kept.building.write_bytes(content)
    first.seal()
    second.seal()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b'one'], 'both are kept, or something was left of the slower one'


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_cache(tmp_path):
    (tmp_path / 'file').write_text('in the way')
    kept = KeptGraph(GRAPH, '1', tmp_path / 'file' / 'graphs', 'some', 0)
    assert kept.path is kept.building is None
    kept.seal()
    kept.discard()


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A tiny network's weights, kept like a large one's; and what files are opened."""
    opened, real = [], onnxruntime.InferenceSession

    def session(graph, *arguments, **named):
        opened.append(graph)
        return real(graph, *arguments, **named)

    monkeypatch.setenv('S2HAND_CACHE', str(tmp_path / 'große Ablage'))
    monkeypatch.setattr(onnxruntime, 'InferenceSession', session)
    monkeypatch.setattr(regression, 'KeptGraph', lambda graph, runtime: KeptGraph(graph, runtime, smallest=0))
    return tiny_network(tmp_path / 'tiny.onnx'), tmp_path / 'große Ablage' / 'graphs', opened


def answers(weights: Path) -> list[float]:
    return [prediction.presence for prediction in Regressor(weights, 'cpu', 1, 'abc')(CROPS)]


def test_the_regressor_opens_the_kept_form_and_answers_the_same(cached):
    weights, folder, opened = cached
    first, again = answers(weights), answers(weights)
    file, = folder.iterdir()
    assert first == again and opened == [weights.read_bytes(), str(file)], 'the kept form was not opened the second time'


def test_the_regressor_works_without_a_usable_cache(cached):
    weights, folder, opened = cached
    first = answers(weights)
    file, = folder.iterdir()
    foreign = b'not a network'
    file.unlink()
    (folder / f'{file.stem.split("-")[0]}-{graph_cache.sha256(foreign).hexdigest()}.onnx').write_bytes(foreign)  # whole, but no network
    assert answers(weights) == first and opened[-1] == weights.read_bytes()
    assert not list(folder.iterdir()), 'the file that could not be opened is still there'
    folder.rmdir()
    folder.write_text('in the way')
    assert answers(weights) == first


def test_the_kept_form_of_the_network_that_ships_answers_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv('S2HAND_CACHE', str(tmp_path))
    crops = np.random.default_rng(0).integers(0, 255, (1, 224, 224, 3), np.uint8)
    plain, kept = (Regressor(WEIGHTS, 'cpu', 1)(crops)[0] for _ in range(2))
    assert list((tmp_path / 'graphs').glob('*.onnx'))
    for name in ('points', 'pose', 'texture'):
        difference = np.abs(getattr(plain, name) - getattr(kept, name)).max()
        assert difference < 1e-5, f'{name} of the kept form differ by {difference:.2g}'
