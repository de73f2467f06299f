"""The ONNX file answers what the torch network answers, for every batch size and also for extreme hands."""
import copy
import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from export.onnx_export import OUTPUTS, WEIGHTS, export_onnx, metadata_of, note_hash
from models.checkpoint import file_hash, load_checkpoint, save_checkpoint
from models.hand_model import OPEN_HAND, HandModel
from models.s2hand import S2Hand

TOLERANCE_MM = 0.1
TENSORRT = set((  # operators that TensorRT's ONNX parser lists as supported and that the graph may use
    'Abs Add And ArgMax Atan Cast Clip Concat Constant Conv Cos Div Equal Exp Expand Flatten Gather GatherElements GatherND Gemm '
    'Greater GreaterOrEqual GridSample Identity IsNaN Less LessOrEqual Log MatMul Max MaxPool Min Mul Neg Not Or Pad Pow Reciprocal '
    'ReduceL2 ReduceMax ReduceMean ReduceSum Relu Reshape Shape Sigmoid Sign Sin Slice Split Sqrt Squeeze Sub Tanh Transpose '
    'Unsqueeze Where').split())


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])


@pytest.fixture(scope='module')
def lively():
    """A network whose answers vary strongly from crop to crop: poses far beyond what hands do."""
    torch.manual_seed(5)
    network = S2Hand('landmark', HandModel.load()).eval()
    with torch.no_grad():
        for block in network.encoder.modules():
            if isinstance(block, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(block.weight, mode='fan_in')
        network.decoder.pose_reg[2].weight.mul_(40)
        network.decoder.shape_reg[2].weight.mul_(40)
        network.decoder.rot_reg[3].weight.mul_(300)
    return network


@pytest.fixture(scope='module')
def exported(lively, tmp_path_factory):
    path = tmp_path_factory.mktemp('export') / 'lively.onnx'
    export_onnx(lively, path, {'name': 'lively'})
    return path


def largest_difference(network, run, crops):
    with torch.inference_mode():
        answer = network(torch.from_numpy(crops))
    other = dict(zip(OUTPUTS, run.run(OUTPUTS, {'crop': crops})))
    assert all(np.isfinite(value).all() for value in other.values()), 'the graph answers something that is not finite'
    return {name: float(np.abs(getattr(answer, name).numpy() - other[name]).max()) for name in OUTPUTS}, answer


@pytest.mark.parametrize('batch', [1, 2, 5])
def test_random_and_extreme_hands_agree_in_every_batch_size(lively, exported, batch):
    crops = np.random.default_rng(batch).random((batch, 3, 224, 224), np.float32)
    differences, answer = largest_difference(lively, session(exported), crops)
    worst = 1000 * max(differences['vertices'], differences['joints_3d'])
    bent = float(answer.pose[:, 1:].norm(dim=-1).max())
    assert bent > 1.5, f'the test has lost its point: the largest joint angle is {bent:.2f} rad'
    assert worst < TOLERANCE_MM, f'{worst:.5f} mm apart, {TOLERANCE_MM} allowed'
    for name in ('texture', 'light', 'presence', 'right', 'shape', 'scale'):
        assert differences[name] < 1e-3, f'{name} differs by {differences[name]:.1e}'


def test_a_hand_at_rest_without_any_rotation_is_finite_and_the_same(lively, exported):
    """The same graph with other numbers in it: an export takes long."""
    rest, graph = {}, onnx.load(str(exported))
    for tensor in graph.graph.initializer:
        name = tensor.name.removeprefix('network.decoder.')
        if name in ('pose_reg.2.weight', 'pose_reg.2.bias', 'rot_reg.3.weight', 'rot_reg.3.bias', 'coefficient_mean'):
            values = np.zeros(tensor.dims, np.float32)
            if name == 'rot_reg.3.bias':
                values[[0, 4]] = 1  # the first two columns of no rotation
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
            rest[name] = torch.from_numpy(values)
    assert len(rest) == 5, f'the graph names its numbers otherwise: only {sorted(rest)} were found'
    network = copy.deepcopy(lively)
    for name, values in rest.items():
        network.decoder.get_parameter(name).data.copy_(values) if name != 'coefficient_mean' else network.decoder.coefficient_mean.zero_()
    run = ort.InferenceSession(graph.SerializeToString(), providers=['CPUExecutionProvider'])
    differences, answer = largest_difference(network, run, np.zeros((2, 3, 224, 224), np.float32))
    fingers = answer.pose[:, 1:] - network.hand.pose_mean.reshape(1, 15, 3)
    assert float(fingers.abs().max()) < 1e-6 and float(answer.pose[:, 0].abs().max()) < 1e-6
    assert 1000 * differences['vertices'] < TOLERANCE_MM


def test_every_operator_is_one_that_tensorrt_reads(exported):
    used = {node.op_type for node in onnx.load(str(exported)).graph.node}
    assert used <= TENSORRT, f'not known to TensorRT: {sorted(used - TENSORRT)}'


def test_the_file_says_nothing_of_the_machine_it_was_made_on(exported):
    assert b'site-packages' not in exported.read_bytes()


def test_metadata_say_what_a_reader_must_know(lively, tmp_path):
    checkpoint = tmp_path / 'net.safetensors'
    save_checkpoint(lively, checkpoint, 'net', file_hash(OPEN_HAND))
    meta = metadata_of(checkpoint, lively)
    assert (meta['name'], float(meta['focal']), meta['size'], meta['hand_model']) == ('net', 560.0, '224', file_hash(OPEN_HAND))
    assert len(json.loads(meta['joint_order'])) == 21


@pytest.mark.skipif(not (WEIGHTS / 's2hand-lite.onnx').is_file(), reason='no exported network in assets/weights')
def test_the_shipped_onnx_file_is_the_shipped_checkpoint():
    network, path = load_checkpoint(WEIGHTS / 's2hand-lite.safetensors'), WEIGHTS / 's2hand-lite.onnx'
    run = session(path)
    assert run.get_modelmeta().custom_metadata_map['checkpoint'] == file_hash(WEIGHTS / 's2hand-lite.safetensors')
    crops = np.random.default_rng(0).random((3, 3, 224, 224), np.float32)
    differences, _ = largest_difference(network, run, crops)
    assert 1000 * differences['vertices'] < TOLERANCE_MM, f'{1000 * differences["vertices"]:.5f} mm apart'
    assert (WEIGHTS / 's2hand-lite.md').read_text().count(file_hash(path)) >= 1, 'the card names another file'


def test_exporting_writes_the_new_hash_into_the_card(tmp_path):
    card = tmp_path / 'net.md'
    card.write_text('# net\n\nsha256 of `net.onnx`: `' + 'a' * 64 + '`\n\nother text\n')
    note_hash(card, 'b' * 64)
    assert 'b' * 64 in card.read_text() and 'a' * 64 not in card.read_text() and 'other text' in card.read_text()
