"""What cannot be read or written is told in one sentence, before minutes of work, and nothing is left half-written."""
from __future__ import annotations

import argparse
import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from safetensors.torch import load_file, save_file

from app.errors import InputError
from app.regression import WEIGHTS
from export import command, int8, onnx_export, tensorrt_engine
from export.files import read_exported
from export.onnx_export import CHECKPOINT, write_graph
from models.checkpoint import read_header
from tests.export.tiny_graph import METADATA, tiny_graph


@pytest.fixture
def network(tmp_path) -> Path:
    return tiny_graph(tmp_path / 'tiny.onnx')


@pytest.fixture
def sources(monkeypatch, network) -> dict[str, list[object]]:
    """For each format the words that begin an export which then may not work: to find out about its target takes no work."""
    def work(*_, **__):
        pytest.fail('the work began before the target was looked at')

    monkeypatch.setattr(onnx_export, 'checked_graph', work)
    monkeypatch.setattr(int8, 'validation_sets', work)
    monkeypatch.setattr(tensorrt_engine, 'build_engine', work)
    monkeypatch.setattr(tensorrt_engine, 'find_tensorrt', lambda ahead: SimpleNamespace(ComputeCapability=SimpleNamespace(SM86=1)))
    return {'onnx': ['--checkpoint', CHECKPOINT], 'int8': ['--network', network],
            'tensorrt': ['--network', network, '--compute-capability', '8.6']}


def export(*words: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


@pytest.mark.parametrize('kind', ['onnx', 'int8', 'tensorrt'])
@pytest.mark.parametrize(('out', 'words'), [
    ('.', 'is a folder'), ('there', 'is a folder'), ('file/net', 'could not be written'), ('/dev/full', 'no ordinary file')])
def test_a_target_that_cannot_be_written_is_told_before_the_work(tmp_path, monkeypatch, sources, kind, out, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'there').mkdir()
    (tmp_path / 'file').write_text('in the way')
    before = sorted(tmp_path.rglob('*'))
    with pytest.raises(InputError, match=words):
        export(kind, *sources[kind], '--out', out)
    assert sorted(tmp_path.rglob('*')) == before, 'something was left'


@pytest.mark.parametrize('content', [None, 'folder', b'', b'text', b'\x08\x07' + b'\0' * 100, 'another'])
@pytest.mark.parametrize(('kind', 'option'), [('onnx', '--checkpoint'), ('int8', '--network'), ('tensorrt', '--network')])
def test_what_is_no_network_is_one_short_sentence(tmp_path, sources, kind, option, content):
    path = tmp_path / 'elsewhere' / 'net'
    if content is not None:
        path.parent.mkdir()
    if content == 'folder':
        path.mkdir()
    elif content == 'another':  # what the other formats are made from
        path.write_bytes((WEIGHTS if kind == 'onnx' else CHECKPOINT).read_bytes())
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=str(path)) as told:
        export(kind, *sources[kind], option, path)
    assert ('is a folder' in str(told.value)) == (content == 'folder'), told.value
    assert len(str(told.value)) < 400 and '\n' not in str(told.value), f'that is no sentence: {told.value}'
    assert content is not None or not path.parent.exists(), 'a folder was made for a network that is not there'


def test_a_checkpoint_of_an_older_network_is_one_short_sentence(tmp_path):
    numbers = load_file(CHECKPOINT)
    numbers.pop('decoder.look.0.weight')
    save_file(numbers, tmp_path / 'old.safetensors', read_header(CHECKPOINT))
    with pytest.raises(InputError, match='old.safetensors does not fit this network; another version.*train it anew$'):
        export('onnx', '--checkpoint', tmp_path / 'old.safetensors')
    assert [path.name for path in tmp_path.iterdir()] == ['old.safetensors']


@pytest.mark.parametrize('said', [{'size': 'large'}, {'hand_model': None}])
def test_a_graph_that_says_nothing_sensible_of_itself_is_refused(tmp_path, said):
    metadata = {key: value for key, value in (METADATA | said).items() if value is not None}
    with pytest.raises(InputError, match='not an S2HAND network'):
        read_exported(tiny_graph(tmp_path / 'net.onnx', metadata=metadata))


def test_a_disk_that_fills_up_leaves_no_graph(tmp_path):
    graph = onnx.helper.make_model(onnx.helper.make_graph([], 'large', [], [], [
        onnx.numpy_helper.from_array(np.zeros(1 << 20, np.float32), 'numbers')]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))  # larger files meet what a full disk says
    try:
        with pytest.raises(InputError, match='disk is full'):
            write_graph(graph, tmp_path / 'net.onnx')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [*tmp_path.iterdir()], f'left: {[*tmp_path.iterdir()]}'
