"""Loading and running the network, on a small graph made here with the same names."""
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.errors import InputError
from app.regression import OUTPUTS, Regressor, trust_in_points

SIZES = {'joints_2d': (21, 2), 'points': (21, 3), 'presence': (1,), 'right': (1,), 'pose': (16, 3), 'shape': (10,), 'scale': (1,),
         'translation': (3,), 'texture': (30, 3), 'light': (11,)}
META = {'name': 'tiny', 'version': '1', 'focal': '80.0', 'size': '32', 'hand_model': 'abc'}


def tiny_network(path: Path, outputs=OUTPUTS, meta=META) -> Path:
    """Each output is the crop's mean, repeated: enough to see that pictures arrive as RGB in 0..1."""
    nodes = [helper.make_node('ReduceMean', ['crop', 'axes'], ['mean'], keepdims=0)]
    constants = [helper.make_tensor('axes', TensorProto.INT64, [3], [1, 2, 3])]
    for name in outputs:
        size = SIZES[name]
        nodes.append(helper.make_node('Reshape', ['mean', f'{name}_column'], [f'{name}_mean']))
        nodes.append(helper.make_node('Mul', [f'{name}_mean', f'{name}_ones'], [name]))
        constants.append(helper.make_tensor(f'{name}_column', TensorProto.INT64, [1 + len(size)], [-1] + [1] * len(size)))
        constants.append(helper.make_tensor(f'{name}_ones', TensorProto.FLOAT, [1, *size], np.ones(size).ravel()))
    graph = helper.make_graph(
        nodes, 'tiny', [helper.make_tensor_value_info('crop', TensorProto.FLOAT, ['B', 3, 32, 32])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ['B', *SIZES[n]]) for n in outputs], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    helper.set_model_props(model, meta)
    onnx.save(model, str(path))
    return path


def test_a_batch_of_crops_gives_a_prediction_each(tmp_path):
    regressor = Regressor(tiny_network(tmp_path / 'tiny.onnx'), 'cpu', 1)
    crops = np.stack([np.full((32, 32, 3), v, np.uint8) for v in (0, 51, 255)])
    got = [p.presence for p in regressor(crops)]
    assert np.allclose(got, [0, 0.2, 1], atol=1e-6), f'crops of grey 0, 51, 255 arrived as {got}, not as 0, 0.2, 1'
    assert regressor(crops)[1].points.shape == (21, 2) and regressor(crops)[1].texture.shape == (30, 3)


def test_without_the_texture_all_else_is_the_same(tmp_path):
    regressor, crops = Regressor(tiny_network(tmp_path / 'tiny.onnx'), 'cpu', 1), np.full((2, 32, 32, 3), 51, np.uint8)
    for without, with_it in zip(regressor(crops, textured=False), regressor(crops)):
        assert without.texture is None and without.light is None and with_it.texture is not None and with_it.light is not None
        for name in ('points', 'depths', 'presence', 'right', 'pose', 'shape', 'scale', 'translation', 'trust'):
            assert np.array_equal(getattr(without, name), getattr(with_it, name)), f'{name} is another one without the texture'


def test_the_provider_told_is_the_one_that_runs(tmp_path):
    regressor = Regressor(tiny_network(tmp_path / 'tiny.onnx'), 'cpu', 1)
    assert regressor.provider == 'CPU'


def test_missing_weights_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match='do not exist'):
        Regressor(tmp_path / 'nothing.onnx')
    with pytest.raises(InputError, match='are a folder'):
        Regressor(tmp_path)


@pytest.mark.parametrize('content', [b'', b'not a network', b'\x08\x07' + b'\0' * 100])
def test_a_file_that_is_no_network_is_one_sentence(tmp_path, content):
    path = tmp_path / 'broken.onnx'
    path.write_bytes(content)
    with pytest.raises(InputError, match='broken.onnx'):
        Regressor(path, 'cpu')


def test_a_network_of_another_kind_is_told_by_what_it_lacks(tmp_path):
    with pytest.raises(InputError, match='lacks.*pose'):
        Regressor(tiny_network(tmp_path / 'a.onnx', outputs=('points', 'presence')), 'cpu')
    with pytest.raises(InputError, match='lacks.*focal'):
        Regressor(tiny_network(tmp_path / 'b.onnx', meta={'name': 'x'}), 'cpu')


def test_weights_of_another_hand_model_are_refused(tmp_path):
    path = tiny_network(tmp_path / 'tiny.onnx')
    Regressor(path, 'cpu', hand_model_hash='abc')
    with pytest.raises(InputError, match='another hand model'):
        Regressor(path, 'cpu', hand_model_hash='def')


def test_points_are_trusted_less_the_farther_they_lie_from_the_mesh():
    points = np.random.default_rng(0).uniform(0, 100, (21, 2))
    points[:2] = (0, 0), (100, 100)  # a box of 100
    got = [trust_in_points(points, points + (distance, 0)) for distance in (0, 5.9, 12, 60)]
    assert np.allclose(got, [1, 1, 0.25, 0.01], atol=1e-6), f'apart by 0, 5.9, 12 and 60 % they are trusted {got}'
    assert trust_in_points(np.zeros((21, 2)), np.zeros((21, 2))) == 1.0, 'points on one spot are no reason to divide by nothing'
