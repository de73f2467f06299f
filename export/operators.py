"""What of ONNX TensorRT reads, and what in a graph it would not.

The table is that of onnx-tensorrt for TensorRT 10 (docs/operators.md), less what this project keeps out of its graphs: control flow, loops,
recurrent layers, sequences and text, operators whose answer's shape depends on values, and random numbers.
"""
from __future__ import annotations

import onnx
from onnx import AttributeProto, TensorProto

OPSETS = range(9, 21)
FLOATS = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16}
NUMBERS = FLOATS | {TensorProto.INT32, TensorProto.INT64}
ANYTHING = NUMBERS | {TensorProto.BOOL}
OPERATORS = {
    **dict.fromkeys((
        'Acos Asin Atan AveragePool BatchNormalization Ceil Clip Conv ConvTranspose Cos DepthToSpace Elu Erf Exp Floor Gelu Gemm '
        'GlobalAveragePool GlobalMaxPool GridSample HardSigmoid HardSwish InstanceNormalization LayerNormalization LeakyRelu Log '
        'LogSoftmax '
        'MatMul MaxPool PRelu Pow QuantizeLinear Reciprocal Resize Round Sigmoid Sin Softmax Softplus Sqrt Tan Tanh').split(), FLOATS),
    **dict.fromkeys((
        'Abs Add ArgMax ArgMin Div Equal Greater GreaterOrEqual IsNaN Less LessOrEqual Max Mean Min Mod Mul Neg Pad ReduceL1 ReduceL2 '
        'ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Sign Sub Sum TopK').split(),
        NUMBERS),
    **dict.fromkeys((
        'Cast Concat Constant ConstantOfShape Expand Flatten Gather GatherElements GatherND Identity Reshape Shape Size Slice '
        'Split Squeeze Tile Transpose Unsqueeze Where').split(), ANYTHING),
    **dict.fromkeys('And Not Or Xor'.split(), {TensorProto.BOOL}),
    'DequantizeLinear': {TensorProto.INT8}}
FIRST_ONLY = (  # their other inputs are indices, axes, shapes, scales or bounds
    'Reshape Expand Slice Split Squeeze Unsqueeze Gather GatherElements GatherND Tile Pad Resize TopK QuantizeLinear '
    'DequantizeLinear').split()
FIXED = {'Slice': (3, 4), 'Squeeze': (1,), 'Unsqueeze': (1,), 'Pad': (3,), 'QuantizeLinear': (1, 2), 'DequantizeLinear': (1, 2)}
FLAT_POOLS = ('MaxPool', 'AveragePool')


def troubles(model: onnx.ModelProto) -> list[str]:
    """Sentences, each one thing that TensorRT's reader does not accept; none for a graph that it reads."""
    found = [f'opset {entry.version} of {entry.domain or "ONNX"}' for entry in model.opset_import
             if entry.domain or entry.version not in OPSETS]
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    kinds = {value.name: value.type.tensor_type for value in (*graph.input, *graph.output, *graph.value_info)}
    types = {name: kind.elem_type for name, kind in kinds.items()} | {t.name: t.data_type for t in graph.initializer}
    constants = {t.name: t for t in graph.initializer}
    constant_names = constants.keys() | {node.output[0] for node in graph.node if node.op_type == 'Constant'}
    for node in graph.node:
        found += node_troubles(node, types, constant_names)
        if node.op_type == 'GridSample' and len(kinds[node.input[0]].shape.dim) != 4:
            found.append(f'{node.name}: GridSample of a picture that is not flat')
        if node.op_type in ('QuantizeLinear', 'DequantizeLinear') and len(node.input) > 2 and node.input[2] in constants:
            if onnx.numpy_helper.to_array(constants[node.input[2]]).any():
                found.append(f'{node.name}: a zero point that is not zero')
    if graph.sparse_initializer:
        found.append('sparse numbers')
    return found


def node_troubles(node: onnx.NodeProto, types: dict[str, int], constants: set[str]) -> list[str]:
    """What is wrong with one node, but for what needs shapes and values."""
    name = f'{node.name or node.output[0]} ({node.op_type})'
    if node.domain or node.op_type not in OPERATORS:
        return [f'{name}: no operator that TensorRT reads']
    found = []
    if any(attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS, AttributeProto.STRINGS) for attribute in node.attribute):
        found.append(f'{name}: graphs or texts inside')
    allowed = OPERATORS[node.op_type]
    reduces = node.op_type.startswith('Reduce')
    data = node.input[:1] if reduces or node.op_type in FIRST_ONLY else node.input[1:] if node.op_type == 'Where' else node.input
    for tensor in filter(None, data):
        if types.get(tensor) not in allowed:
            kind = TensorProto.DataType.Name(types[tensor]) if types.get(tensor) else 'an unknown type'
            found.append(f'{name}: {kind} in {tensor}')
    fixed = (1,) if reduces else FIXED.get(node.op_type, ())
    found += [f'{name}: {node.input[i]} is worked out at run time' for i in fixed
              if i < len(node.input) and node.input[i] and node.input[i] not in constants]
    if node.op_type in FLAT_POOLS and (len(node.output) > 1 or any(a.name == 'dilations' and {*a.ints} > {1} for a in node.attribute)):
        found.append(f'{name}: indices or dilations')
    return found
