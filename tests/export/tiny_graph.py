"""A graph with the names of the network, made of a few layers, for what takes too long with a real one."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE, WIDTH, VERTICES = 32, 8, 30
SHAPES = {'joints_3d': (21, 3), 'joints_2d': (21, 2), 'points': (21, 3), 'vertices': (VERTICES, 3), 'presence': (1,), 'right': (1,),
          'pose': (16, 3), 'shape': (10,), 'scale': (1,), 'translation': (3,), 'texture': (VERTICES, 3), 'light': (11,)}
LEARNED = ('joints_3d', 'points')  # from linear layers; the others from products with tables, as the skinning is
METADATA = {'name': 'tiny', 'version': '1', 'hand_model': 'abc', 'size': str(SIZE), 'focal': '80.0', 'precision': 'fp32'}


def tiny_graph(path: Path, outlier: float = 0.0, metadata: dict[str, str] = METADATA) -> Path:
    """Two convolutions, their mean, and a layer for each output. `outlier` is a number that only the second convolution meets."""
    random = np.random.default_rng(0)
    numbers: dict[str, np.ndarray] = {}

    def learned(name: str, *shape: int) -> str:
        numbers[name] = (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1)).astype(np.float32)
        return name

    blocks = [f'network.encoder.blocks.{i}.expand' for i in (0, 1)]
    nodes = [helper.make_node('Conv', ['crop', learned(f'{blocks[0]}.weight', WIDTH, 3, 3, 3), learned(f'{blocks[0]}.bias', WIDTH)], ['a'],
                              name='first', strides=[4, 4]),
             helper.make_node('Conv', ['a', learned(f'{blocks[1]}.weight', WIDTH, WIDTH, 3, 3), learned(f'{blocks[1]}.bias', WIDTH)], ['b'],
                              name='second'),
             helper.make_node('Tanh', ['b'], ['bounded'], name='bound'),
             helper.make_node('ReduceMean', ['bounded', 'axes'], ['f'], name='mean', keepdims=0)]
    numbers[f'{blocks[0]}.bias'][0] += outlier
    numbers[f'{blocks[1]}.weight'][:, 0] *= 1 / (1 + outlier)
    numbers['axes'] = np.array([2, 3])
    for name, shape in SHAPES.items():
        count = int(np.prod(shape))
        if name in LEARNED:
            layer = f'network.decoder.{name}'
            nodes.append(helper.make_node('Gemm', ['f', learned(f'{layer}.weight', count, WIDTH), learned(f'{layer}.bias', count)],
                                          [f'{name}_row'], name=name, transB=1))
            if name == 'joints_3d':  # in metres: a hand is small
                numbers[f'{layer}.weight'] *= 0.01
        elif name == 'vertices':  # a table of the hand model
            nodes.append(helper.make_node('Gemm', ['f', learned(f'{name}_rows', WIDTH, count)], [f'{name}_row'], name=name))
        else:
            nodes.append(helper.make_node('MatMul', ['f', learned(f'{name}_rows', WIDTH, count)], [f'{name}_row'], name=name))
        numbers[f'{name}_shape'] = np.array([-1, *shape])
        nodes.append(helper.make_node('Reshape', [f'{name}_row', f'{name}_shape'], [name], name=f'{name}_reshaped'))
    graph = helper.make_graph(
        nodes, 'tiny', [helper.make_tensor_value_info('crop', TensorProto.FLOAT, ['batch', 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ['batch', *shape]) for name, shape in SHAPES.items()],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, str(path))
    return path
