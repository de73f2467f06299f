"""Eight bits: only in layers of the network, symmetric, per channel, without biases; measured, and refused where hands get worse."""
from __future__ import annotations

import argparse
import time

import numpy as np
import onnx
import pytest

from app.errors import InputError
from app.regression import Regressor
from export import int8
from export.accuracy import answers, milliseconds
from export.calibration import Hands
from export.int8 import parts_of, quantised, ranges_of, sensitivity, speed_sentence
from export.operators import troubles
from export.parity import quiet_session
from tests.export.tiny_graph import METADATA, SIZE, tiny_graph

CROPS = np.random.default_rng(1).integers(0, 255, (12, SIZE, SIZE, 3), np.uint8)


@pytest.fixture
def network(tmp_path):
    return tiny_graph(tmp_path / 'tiny.onnx')


@pytest.fixture
def judged(monkeypatch, network):
    """What eight bits are judged by: what the float graph says of some crops is the truth."""
    joints, points = answers(quiet_session(network), CROPS, ('joints_3d', 'points'))
    hands = Hands('made hands', CROPS, points[..., :2].astype(float), joints.astype(float))
    monkeypatch.setattr(int8, 'validation_sets', lambda *args: [hands])
    monkeypatch.setattr(int8, 'calibration_crops', lambda *args: (CROPS, '12 made crops'))


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    int8.add_arguments(parser)
    return parser.parse_args(list(words))


def test_only_layers_of_the_network_get_eight_bits_and_as_tensorrt_wants_them(network):
    model = onnx.shape_inference.infer_shapes(onnx.load(str(network)))
    made = quantised(model, ranges_of(network, CROPS), parts_of(model))
    assert troubles(made) == []
    numbers = {t.name: onnx.numpy_helper.to_array(t) for t in made.graph.initializer}
    maker = {name: node for node in made.graph.node for name in node.output}
    layers = [node for node in made.graph.node if node.op_type in ('Conv', 'Gemm') and node.name != 'vertices']
    assert len(layers) == 4
    for node in layers:
        data, weight = maker[node.input[0]], maker[node.input[1]]
        assert data.op_type == weight.op_type == 'DequantizeLinear', f'{node.name} is fed by {data.op_type} and {weight.op_type}'
        values, scales = numbers[weight.input[0]], numbers[weight.input[1]]
        assert values.dtype == np.int8 and scales.shape == (len(values),), f'the weights of {node.name} are not per channel'
        assert not numbers[weight.input[2]].any() and numbers[node.input[2]].dtype == np.float32, 'a zero point, or a quantised bias'
    for node in made.graph.node:
        if node.op_type == 'MatMul' or node.name == 'vertices':
            assert not any(maker.get(name) and maker[name].op_type == 'DequantizeLinear' for name in node.input), 'skinning was quantised'


def test_the_part_that_suffers_most_is_found(tmp_path):
    path = tiny_graph(tmp_path / 'outlier.onnx', outlier=400.0)
    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)))
    moved = sensitivity(model, ranges_of(path, CROPS), parts_of(model), CROPS[:4])
    assert max(moved, key=moved.get) == 'encoder.blocks.1', f'moved: {moved}'


def test_the_file_is_written_with_what_it_is_and_the_program_runs_it(network, judged, capsys):
    assert int8.run(options('--network', str(network))) == 0
    said = capsys.readouterr().out
    assert 'PA-MPJPE' in said and 'before' in said and 'after' in said and 'ms in int8' in said
    regressor = Regressor(network.with_suffix('.int8.onnx'), 'cpu', 1)
    assert regressor.precision == 'int8' and len(regressor(CROPS[:2])) == 2


def test_hands_that_get_worse_are_refused_and_nothing_is_written(network, judged, monkeypatch):
    monkeypatch.setattr(int8, 'WORSE_MM', -1.0)
    with pytest.raises(InputError, match='worsen PA-MPJPE.*nothing was written'):
        int8.run(options('--network', str(network)))
    assert not network.with_suffix('.int8.onnx').exists()


def test_parts_can_be_kept_in_float_by_name(network, judged):
    assert int8.run(options('--network', str(network), '--float', 'encoder.blocks.0')) == 0
    made = onnx.load(str(network.with_suffix('.int8.onnx')))
    first = next(node for node in made.graph.node if node.name == 'first')
    assert first.input[0] == 'crop', 'the part that should stay in float was quantised'
    with pytest.raises(InputError, match='encoder.blocks.1.*not wrist'):
        int8.run(options('--network', str(network), '--float', 'wrist'))


@pytest.mark.parametrize(('content', 'words'), [(b'', 'not an S2HAND network'), (b'text', 'not an'), (None, 'there is no network')])
def test_what_is_no_network_is_one_sentence(tmp_path, content, words):
    path = tmp_path / 'other.onnx'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        int8.run(options('--network', str(path)))


def test_a_graph_that_is_not_float32_is_refused(tmp_path):
    path = tiny_graph(tmp_path / 'half.onnx', metadata=METADATA | {'precision': 'fp16'})
    with pytest.raises(InputError, match='in fp16 already'):
        int8.run(options('--network', str(path)))


def test_what_is_not_faster_is_said_in_plain_words():
    assert 'not faster' in speed_sentence({'float32': 5.0, 'int8': 7.0}) and 'not faster' in speed_sentence({'float32': 5.0, 'int8': 4.9})
    assert '2.0 times as fast' in speed_sentence({'float32': 5.0, 'int8': 2.5})


def test_what_waits_costs_nothing_when_graphs_are_timed():
    class Waits:
        def run(self, names, inputs):
            time.sleep(0.005)

    assert milliseconds({'waits': Waits()}, 8, 4)['waits'] < 2.5, 'the time of others counted'
