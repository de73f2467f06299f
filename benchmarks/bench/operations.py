"""How many operations a graph needs, counted from its convolutions and matrix products, and what this machine does of such at best."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

SIDE = 1024  # of the square matrices whose product shows what the machine can do
GPU_SIDE = 8192
PRODUCTS = ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')


@dataclass(frozen=True)
class Operations:
    """What one crop needs."""

    macs: int  # multiplications with addition
    by_kind: dict[str, int]  # operator -> the same
    parameters: int
    uncounted: int  # products whose size the graph does not say


def count_operations(model: onnx.ModelProto) -> Operations:
    """Multiply-adds of a graph for a batch of one. Additions, clamps and the like are left out: they wait for memory."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_value = 1
    del model.graph.value_info[:]
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
              for value in (*graph.input, *graph.value_info, *graph.output)}
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    by_kind: dict[str, int] = {}
    uncounted = 0
    for node in graph.node:
        if node.op_type not in PRODUCTS:
            continue
        macs = _macs(node, shapes)
        if macs:
            by_kind[node.op_type] = by_kind.get(node.op_type, 0) + macs
        else:
            uncounted += 1
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    parameters = sum(math.prod(tensor.dims) for tensor in graph.initializer if tensor.data_type in floats)
    return Operations(sum(by_kind.values()), by_kind, parameters, uncounted)


def _macs(node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int:
    """Of one node; 0 where a size is unknown."""
    left, right = (shapes.get(name, []) for name in node.input[:2])
    out = shapes.get(node.output[0], [])
    if not left or not right or not out:
        return 0
    if node.op_type == 'Conv':  # weights: channels out, channels in of a group, kernel
        return math.prod(out) * math.prod(right[1:])
    if node.op_type == 'ConvTranspose':  # weights: channels in, channels out of a group, kernel
        return math.prod(left) * math.prod(right[1:])
    turned = any(attribute.name == 'transA' and attribute.i for attribute in node.attribute)
    return math.prod(out) * left[-2 if turned else -1]


def product_graph(side: int) -> bytes:
    """A graph that multiplies a square matrix with a fixed one."""
    fixed = numpy_helper.from_array(np.random.default_rng(0).standard_normal((side, side), np.float32), 'fixed')
    a, c = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side]) for name in 'ac')
    graph = helper.make_graph([helper.make_node('MatMul', ['a', 'fixed'], ['c'])], 'product', [a], [c], [fixed])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9).SerializeToString()
