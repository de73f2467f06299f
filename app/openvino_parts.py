"""A network for OpenVINO, cut into parts that follow each other, so that each can run as suits it, the first two on another thread than the
rest, and the last one need not run at all.

- 'front' and 'points': what the first answers need, which tell where to cut the next picture; made as 'trunk' and 'head' are.
- 'trunk': the other convolutions, in the precision that the processor is fastest at (bfloat16 where it has that), and with them the matrix
  products that follow at once and whose weights are too many to be read from memory at full length for each crop.
- 'head': all from the first smaller matrix product on, in float32 and on one thread: hundreds of small steps that take a tenth of the time.
  With them in bfloat16, whose numbers have eight bits, joints would lie two to four times as far from those in float32, and tremble.
- 'last': what only the last answers need (the texture and the skin that it lies on), in float32.

Crops come as bytes. Measured and left out: maps handed on as convolutions have them, channels last and in bfloat16 (3 % less in front, as
much more behind); the 1 x 1 convolutions in eight bits (a tenth of the time, but points tremble a third more).
"""
from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

PARTS = FRONT, POINTS, TRUNK, HEAD, LAST = 'front', 'points', 'trunk', 'head', 'last'
CONVOLUTIONS = FRONT, TRUNK
MANY_WEIGHTS = 500_000  # of a matrix product that stays in the trunk


@dataclass(frozen=True)
class Part:
    """One part of a network. Answers are called as in the graph; what one part hands to another, by the layer that it comes from."""

    name: str  # one of PARTS
    model: Any  # openvino.Model, or an openvino.Tensor with what it was compiled to
    inputs: Sequence[str]
    outputs: Sequence[str]


def parts_of(openvino: Any, model: Any, last: Collection[str], first: Collection[str]) -> list[Part]:
    """`model` (with fixed sizes; used up) in parts, in the order in which they run; `first` and `last` are the answers that get parts of
    their own."""
    opset = openvino.opset13
    _take_directly(model.get_ordered_ops())
    _take_bytes(opset, model)
    nodes = model.get_ordered_ops()
    answers = {result.output(0).get_any_name(): result.input(0).get_source_output() for result in model.get_results()}
    place = _places(nodes, answers, last, first)
    called = {_key(output): name for name, output in answers.items()}
    called |= {_key(node.output(0)): node.output(0).get_any_name() for node in model.get_parameters()}

    inputs: dict[str, dict[str, Any]] = {name: {} for name in PARTS}  # name of a tensor -> the Parameter that stands for it
    outputs: dict[str, dict[str, Any]] = {name: {} for name in PARTS}
    for name, output in answers.items():
        outputs[place[_key(output)[0]]][name] = output
    for node in nodes:
        part = place.get(node.friendly_name)
        for end in node.inputs() if part else ():
            source = end.get_source_output()
            key = _key(source)
            origin = place.get(key[0])
            if origin == part or origin is None and not _is_input(source.get_node()):  # its own, or a constant
                continue
            name = called.setdefault(key, f'{key[0]}:{key[1]}')
            if origin is not None:
                outputs[origin].setdefault(name, source)
            if name not in inputs[part]:
                inputs[part][name] = opset.parameter(source.get_partial_shape(), source.get_element_type())
            end.replace_source_output(inputs[part][name].output(0))
    results = {name: [opset.result(output) for output in outputs[name].values()] for name in outputs}
    return [Part(name, openvino.Model(results[name], [*inputs[name].values()], name), tuple(inputs[name]), tuple(outputs[name]))
            for name in PARTS if results[name]]


def _take_directly(nodes: list[Any]) -> None:
    """What takes one of several joined tensors out again takes it from where it comes, so that it does not wait for the others."""
    for node in nodes:
        joined = _sources(node)[0] if node.get_type_name() == 'Slice' else None
        if joined is None or joined.get_type_name() != 'Concat':
            continue
        start, _, step, axis = (int(source.get_data().item()) for source in _sources(node)[1:])
        begin, size = 0, node.get_output_shape(0)[axis]
        for piece in joined.inputs() if step == 1 and axis == joined.get_attributes()['axis'] else ():
            if (begin, piece.get_shape()[axis]) == (start, size):
                for target in node.output(0).get_target_inputs():
                    target.replace_source_output(piece.get_source_output())
            begin += piece.get_shape()[axis]


def _take_bytes(opset: Any, model: Any) -> None:
    """Crops come as they were cut, in bytes (B, S, S, 3). What goes into a convolution is divided by 256, which bfloat16 does not round,
    and the rest of what makes 0..1 of bytes stands in its weights."""
    crop, = model.get_parameters()
    count, channels, *sides = crop.get_shape()
    pixels = opset.parameter([count, *sides, channels], np.uint8, 'crop')
    pixels.output(0).set_names({'crop'})
    rounded, exact = (opset.transpose(opset.multiply(opset.convert(pixels, np.float32), np.float32(1 / most)), (0, 3, 1, 2)).output(0)
                      for most in (255, 256))
    for end in crop.output(0).get_target_inputs():
        node = end.get_node()
        if node.get_type_name() == 'Convolution' and _sources(node)[1].get_type_name() == 'Constant':
            node.input(1).replace_source_output(opset.constant(_sources(node)[1].data * np.float32(256 / 255)).output(0))
            end.replace_source_output(exact)
        else:
            end.replace_source_output(rounded)
    model.replace_parameter(0, pixels)


def _places(nodes: list[Any], answers: dict[str, Any], last: Collection[str], first: Collection[str]) -> dict[str, str]:
    """The part of each node by its name. What does not depend on the network's input belongs to all of them and is left out."""
    place: dict[str, str] = {}
    moving = {node.friendly_name for node in nodes if _is_input(node)}
    early, needed = ({node.friendly_name for name in names for node in _before(answers[name].get_node())}
                     for names in (first, {*answers} - {*last}))
    for node in nodes:
        sources = [source.friendly_name for source in _sources(node)]
        if node.get_type_name() == 'Result' or not moving.intersection(sources):
            continue
        moving.add(node.friendly_name)
        exact = _is_small_product(node) or any(place.get(source) in (POINTS, HEAD) for source in sources)
        if node.friendly_name in early:
            place[node.friendly_name] = POINTS if exact else FRONT
        elif node.friendly_name in needed:
            place[node.friendly_name] = HEAD if exact else TRUNK
        else:
            place[node.friendly_name] = LAST
    return place


def _before(node: Any) -> Iterator[Any]:
    """The node and all that it is worked out from."""
    seen, waiting = set(), [node]
    while waiting:
        node = waiting.pop()
        if node.friendly_name not in seen:
            seen.add(node.friendly_name)
            yield node
            waiting.extend(_sources(node))


def _sources(node: Any) -> list[Any]:
    return [end.get_source_output().get_node() for end in node.inputs()]


def _key(output: Any) -> tuple[str, int]:
    return output.get_node().friendly_name, output.get_index()


def _is_input(node: Any) -> bool:
    return node.get_type_name() == 'Parameter'


def _is_small_product(node: Any) -> bool:
    return node.get_type_name() == 'MatMul' and max(math.prod(end.get_shape()) for end in node.inputs()) < MANY_WEIGHTS
