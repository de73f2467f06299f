"""Graphs that TensorRT would not read are told from those that it reads, and why."""
from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.operators import troubles


def graph(*nodes: onnx.NodeProto, kind: int = TensorProto.FLOAT, constants: tuple = (), opset: int = 18, out: int | None = None,
          shape=(2, 3)):
    """Nodes from `x` to `y`."""
    made = helper.make_graph(list(nodes), 'made', [helper.make_tensor_value_info('x', kind, shape)],
                             [helper.make_tensor_value_info('y', out or kind, None)], list(constants))
    return helper.make_model(made, opset_imports=[helper.make_opsetid('', opset)], ir_version=9)


def constant(name: str, value, kind=np.int64) -> TensorProto:
    return numpy_helper.from_array(np.array(value, kind), name)


def test_a_plain_graph_has_no_troubles():
    nodes = helper.make_node('Reshape', ['x', 'shape'], ['r']), helper.make_node('Relu', ['r'], ['y'])
    assert troubles(graph(*nodes, constants=(constant('shape', [3, 2]),))) == []


@pytest.mark.parametrize(('made', 'words'), [
    (graph(helper.make_node('NonZero', ['x'], ['y']), out=TensorProto.INT64), 'NonZero'),
    (graph(helper.make_node('Det', ['x'], ['y']), shape=(3, 3)), 'Det'),
    (graph(helper.make_node('Clip', ['x'], ['y']), kind=TensorProto.INT64), 'INT64'),
    (graph(helper.make_node('Sigmoid', ['x'], ['y']), kind=TensorProto.DOUBLE), 'DOUBLE'),
    (graph(helper.make_node('Relu', ['x'], ['y']), opset=21), 'opset 21'),
    (graph(helper.make_node('Cast', ['x'], ['a'], to=TensorProto.INT64), helper.make_node('Shape', ['a'], ['b']),
           helper.make_node('Unsqueeze', ['x', 'b'], ['y']), shape=(2,)), 'run time')])
def test_what_tensorrt_does_not_read_is_named(made, words):
    found = troubles(made)
    assert found and words in ' '.join(found), f'{words!r} is not in {found}'


def test_control_flow_is_refused():
    answer = helper.make_tensor_value_info('b', TensorProto.FLOAT, None)
    branch = helper.make_graph([helper.make_node('Identity', ['x'], ['b'])], 'b', [], [answer])
    nodes = (helper.make_node('ReduceSum', ['x'], ['s'], keepdims=0), helper.make_node('Cast', ['s'], ['c'], to=TensorProto.BOOL),
             helper.make_node('If', ['c'], ['y'], then_branch=branch, else_branch=branch))
    assert 'If' in ' '.join(troubles(graph(*nodes)))


def test_a_zero_point_that_is_not_zero_is_refused():
    nodes = (helper.make_node('QuantizeLinear', ['x', 's', 'z'], ['q']), helper.make_node('DequantizeLinear', ['q', 's', 'z'], ['y']))
    for zero, expected in ((0, False), (3, True)):
        found = troubles(graph(*nodes, constants=(constant('s', 0.1, np.float32), constant('z', zero, np.int8))))
        assert bool(found) == expected, f'zero point {zero}: {found}'
