"""A checkpoint as one ONNX file: crop in; mesh, joints, texture, light and 2D points out. The hand model and its skinning are inside.

`fp16` runs the last third of the trunk's blocks in half precision, which hold four fifths of its weights. Float32 stay the blocks before
them, where half precision costs most, and everything behind them, which means places in millimetres: pooling, 2D points, regressor,
rotations, skinning, texture. Crops and answers are float32 in both, so that a program need not know which it runs.
"""
from __future__ import annotations

import argparse
import copy
import json
import logging
import re
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import onnx
import torch
from torch import nn

from app.errors import InputError
from app.outputs.atomic import one_sentence, whole_file
from export.files import check_target
from export.operators import troubles
from export.parity import LIMITS_MM, Parity, check_crops, measure_parity
from models.camera import FOCAL
from models.checkpoint import VERSION, file_hash, load_checkpoint, read_header, save_checkpoint
from models.encoder import Features
from models.hand_model import OPEN_HAND, HandModel, HandOutput
from models.s2hand import S2Hand, S2HandOutput

Precision = Literal['fp32', 'fp16']
WEIGHTS = Path(__file__).resolve().parent.parent / 'assets' / 'weights'
CHECKPOINT = WEIGHTS / 's2hand-lite.safetensors'
OUTPUTS = tuple(field.name for field in fields(S2HandOutput))
OPSET = 18  # the exporter's own; older ones lose operators, TensorRT reads it


class HalfEnd(nn.Module):
    """An encoder whose blocks after the fine map run in float16; what comes before, its end and its heads in float32.

    Measured with one network on 2,000 real and rendered pictures of hands: like this they move by 0.12 mm at most, with all blocks after
    the low-level map in float16 by up to 0.46 mm.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.whole, self.half_blocks = encoder, copy.deepcopy(encoder).half()
        self.landmarks, self.for_mesh = encoder.landmarks, encoder.for_mesh

    def forward(self, crop: torch.Tensor) -> Features:
        low = fine = self.whole.front(crop, self.whole.low_block + 1)
        for index in range(self.whole.low_block + 1, self.whole.fine_block + 1):
            fine = self.whole.block(fine, index)
        x = fine.half()
        for index in range(self.whole.fine_block + 1, self.whole.depth):
            x = self.half_blocks.block(x, index)
        return Features(self.whole.finish(tuple(end.float() for end in x) if isinstance(x, tuple) else x.float()), low, fine)


class TipsApart(nn.Module):
    """A hand model that works out its finger tips, which are joints, by themselves and not as five of its vertices: where only joints are
    asked for, no skin is moved, which is a seventh of what comes after the convolutions."""

    def __init__(self, hand: HandModel) -> None:
        super().__init__()
        self.whole, self.tips = hand, copy.deepcopy(hand)
        chosen, count = hand.tips, len(hand.template)
        self.tips.column_template = hand.column_template.reshape(3, count)[:, chosen].flatten()
        self.tips.column_rows = hand.column_rows.reshape(-1, 3, count)[..., chosen].flatten(1)
        self.tips.chain_weights = hand.chain_weights[:, chosen]
        self.tips.tips = torch.arange(len(chosen))

    def pose_from_coefficients(self, coefficients: torch.Tensor) -> torch.Tensor:
        return self.whole.pose_from_coefficients(coefficients)

    def skin(self, *hand: torch.Tensor) -> HandOutput:
        return HandOutput(self.whole.skin(*hand).vertices, self.tips.skin(*hand).joints)


class Graph(nn.Module):
    """The network with a tuple as its answer, as exporters want it."""

    def __init__(self, network: S2Hand, precision: Precision = 'fp32') -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.network.hand = TipsApart(self.network.hand)
        if precision == 'fp16':
            self.network.encoder = HalfEnd(self.network.encoder)

    def forward(self, crop: torch.Tensor) -> tuple[torch.Tensor, ...]:
        answer = self.network(crop)
        return tuple(getattr(answer, name) for name in OUTPUTS)


def sums_in_float32(network: nn.Module) -> nn.Module:
    """`network`, whose convolutions in half precision now add up in float32 and round once, as GPUs do. Torch on a processor rounds more
    often, otherwise with each number of threads, and takes seven times as long."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.dtype == torch.half:
            layer.float()
            layer.register_forward_pre_hook(lambda _, inputs: tuple(value.float() for value in inputs))
            layer.register_forward_hook(lambda _layer, _inputs, answer: answer.half())
    return network


def graph_of(network: S2Hand, metadata: dict[str, str], precision: Precision = 'fp32') -> onnx.ModelProto:
    """`network` as a graph with a free batch size and float32 ends."""
    crop = torch.rand(2, 3, network.size, network.size)  # two: with one, the exporter would freeze the batch
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)  # it warns of operators that no network here has
    with torch.no_grad(), warnings.catch_warnings(action='ignore', category=FutureWarning):  # as it answers, not as it learns
        graph = torch.onnx.export(Graph(network, precision).eval(), (crop,), input_names=['crop'], output_names=list(OUTPUTS),
                                  opset_version=OPSET, dynamo=True, verbose=False,
                                  dynamic_shapes=({0: torch.export.Dim('batch', min=1, max=4096)},)).model_proto
    onnx.helper.set_model_props(graph, metadata | {'precision': precision})
    for node in graph.graph.node:
        node.ClearField('doc_string')
        del node.metadata_props[:]  # the exporter's stack traces: paths of the machine, a third of a megabyte
    for value in graph.graph.value_info:
        del value.metadata_props[:]
    onnx.checker.check_model(graph, full_check=False)
    return graph


def write_graph(graph: onnx.ModelProto, path: Path) -> None:
    """Write it whole or not at all. Raises InputError."""
    with one_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(graph.SerializeToString())


def export_onnx(network: S2Hand, path: Path, metadata: dict[str, str]) -> None:
    """Write `network` as a graph in float32, unchecked. Raises InputError where the disk refuses."""
    write_graph(graph_of(network, metadata), path)


def metadata_of(checkpoint: Path, network: S2Hand, hand_path: Path = OPEN_HAND) -> dict[str, str]:
    """What the file says of itself."""
    fingers = ('thumb', 'index', 'middle', 'ring', 'little')
    return {
        'name': read_header(checkpoint)['name'], 'version': VERSION,
        'hand_model': file_hash(hand_path), 'checkpoint': file_hash(checkpoint),
        'focal': str(FOCAL * network.size), 'size': str(network.size), 'normalisation': 'RGB in 0..1, nothing else',
        'joint_order': json.dumps(['wrist', *(f'{finger} {i}' for finger in fingers for i in (1, 2, 3, 'tip'))]),
        'branch_depth_scale': '1',  # the 2D branch's depths are pixels as they are; in MediaPipe's own weights they are flatter
        'units': 'metres in the crop camera (x right, y down, z forward); pixels of the crop; radians; sRGB 0..1',
    }


def note_hash(card: Path, sha256: str) -> None:
    """Put the graph's sha256 into the card beside it, in place of the one that stands there; nothing happens without a card."""
    if card.is_file():
        text = re.sub(r'(sha256 of `[^`]*`: `)[0-9a-f]{64}', rf'\g<1>{sha256}', card.read_text(encoding='utf-8'))
        with whole_file(card) as file:
            file.write(text.encode())


def read_network(checkpoint: Path, adopt_hand: bool = False) -> S2Hand:
    """The network of a checkpoint; `adopt_hand` saves it for the hand model in use. Raises InputError."""
    if not checkpoint.is_file():
        raise InputError(f'{checkpoint} is a folder; name the checkpoint in it' if checkpoint.is_dir() else
                         f'there is no checkpoint {checkpoint}; train one with `python main.py train`')
    try:
        network = load_checkpoint(checkpoint, other_hand=adopt_hand)
        if adopt_hand:
            with one_sentence(checkpoint):
                save_checkpoint(network, checkpoint, read_header(checkpoint)['name'], file_hash(OPEN_HAND))
    except ValueError as error:
        said, layers, _ = str(error).partition(': Error(s) in loading')  # torch goes on with a line for each layer
        raise InputError(said + ('; another version of this program made it: train it anew' if layers else '')) from error
    return network


def checked_graph(network: S2Hand, checkpoint: Path, precision: Precision = 'fp32') -> tuple[onnx.ModelProto, Parity]:
    """The graph of a checkpoint's network, which answers what torch answers and which TensorRT can read. Raises InputError otherwise."""
    graph = graph_of(network, metadata_of(checkpoint, network), precision)
    half = sums_in_float32(Graph(network, precision).network.eval()) if precision == 'fp16' else None
    parity = measure_parity(network, graph, check_crops(network.size), half)
    if not np.isfinite((parity.worst_mm, parity.points_px, parity.texture)).all():
        raise InputError(f'the {precision} graph of {checkpoint} answers what is no number and was not written; '
                         + ('use --precision fp32 for this network' if precision == 'fp16' else 'its training went wrong'))
    if parity.worst_mm > LIMITS_MM[precision]:
        raise InputError(f'the {precision} graph of {checkpoint} answers up to {parity.worst_mm:.2f} mm beside the checkpoint '
                         f'({LIMITS_MM[precision]} mm are allowed) and was not written; '
                         + ('use --precision fp32 for this network' if precision == 'fp16' else 'please report this'))
    if found := troubles(graph):
        raise InputError(f'TensorRT would not read the graph and it was not written: {"; ".join(found)}')
    return graph, parity


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this format."""
    parser.add_argument('--checkpoint', type=Path, default=CHECKPOINT, help='trained weights; default: those that ship')
    parser.add_argument('--precision', choices=get_args(Precision), default='fp32',
                        help='fp16: most weights in half precision, for GPUs; what means millimetres stays float32')
    parser.add_argument('--out', type=Path, help='default: beside the checkpoint, ending in .onnx, or .fp16.onnx')
    parser.add_argument('--adopt-hand', action='store_true', help='the hand model has changed since the training: take the new one '
                        'all the same (and save the checkpoint so); a texture head of another size starts anew')


def run(options: argparse.Namespace) -> int:
    ending = '.onnx' if options.precision == 'fp32' else f'.{options.precision}.onnx'
    network = read_network(options.checkpoint, options.adopt_hand)
    out = options.out or options.checkpoint.with_suffix(ending)
    check_target(out)
    graph, parity = checked_graph(network, options.checkpoint, options.precision)
    write_graph(graph, out)
    if out.suffix == '.onnx':
        note_hash(out.with_suffix('.md'), file_hash(out))
    print(f'{out}: {out.stat().st_size / 1e6:.1f} MB, {options.precision}, sha256 {file_hash(out)}')
    print(f'beside torch on the same crops and poses: {parity.sentence()}')
    return 0
