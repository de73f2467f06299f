"""A checkpoint as one ONNX file: crop in; mesh, joints, texture, light and 2D points out. The hand model and its skinning are inside.

`fp16` runs most convolutions in half precision. Float32 stay the first blocks, where half precision costs most, and everything from the
last block on, which means places in millimetres: pooling, 2D points, regressor, rotations, skinning, texture. Crops and answers are float32
in both, so that a program need not know which it runs.
"""
from __future__ import annotations

import argparse
import copy
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Literal, get_args

import onnx
import torch
from torch import nn

from app.errors import InputError
from app.outputs.atomic import one_sentence, temporary_name
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


class HalfFront(nn.Module):
    """An encoder whose blocks after the low-level map run in float16; what comes before, its end and its heads in float32.

    Measured on the network that ships: stem and first block alone moved hands by up to 1.0 mm, all blocks after the low-level map together
    by 0.2 mm.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.whole, self.half_blocks = encoder, copy.deepcopy(encoder).half()
        self.landmarks, self.for_mesh = encoder.landmarks, encoder.for_mesh

    def forward(self, crop: torch.Tensor) -> Features:
        low = self.whole.front(crop, self.whole.low_block + 1)
        x, fine = low.half(), None
        for index in range(self.whole.low_block + 1, self.whole.depth):
            x = self.half_blocks.block(x, index)
            fine = x.float() if index == self.whole.fine_block else fine
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
            self.network.encoder = HalfFront(self.network.encoder)

    def forward(self, crop: torch.Tensor) -> tuple[torch.Tensor, ...]:
        answer = self.network(crop)
        return tuple(getattr(answer, name) for name in OUTPUTS)


def export_onnx(network: S2Hand, path: Path, metadata: dict[str, str], precision: Precision = 'fp32') -> None:
    """Write `network` as a graph with a free batch size and float32 ends to `path`, whole or not at all."""
    unfinished = temporary_name(path)
    with one_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_graph(network, unfinished, metadata, precision)
        with one_sentence(path):
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_graph(network: S2Hand, path: Path, metadata: dict[str, str], precision: Precision) -> None:
    """As `export_onnx`, straight to `path`."""
    crop = torch.rand(2, 3, network.size, network.size)  # two: with one, the exporter would freeze the batch
    with one_sentence(path), torch.no_grad():  # as it answers, not as it learns
        torch.onnx.export(Graph(network, precision).eval(), (crop,), str(path), input_names=['crop'], output_names=list(OUTPUTS),
                          opset_version=OPSET, dynamo=True, verbose=False, external_data=False,
                          dynamic_shapes=({0: torch.export.Dim('batch', min=1, max=4096)},))
        graph = onnx.load(str(path))
    onnx.helper.set_model_props(graph, metadata | {'precision': precision})
    for node in graph.graph.node:
        node.ClearField('doc_string')
        del node.metadata_props[:]  # the exporter's stack traces: paths of the machine, a third of a megabyte
    for value in graph.graph.value_info:
        del value.metadata_props[:]
    onnx.checker.check_model(graph, full_check=False)
    with one_sentence(path):
        onnx.save(graph, str(path))


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
        card.write_text(re.sub(r'(sha256 of `[^`]*`: `)[0-9a-f]{64}', rf'\g<1>{sha256}', card.read_text()))


def read_network(checkpoint: Path, adopt_hand: bool = False) -> S2Hand:
    """The network of a checkpoint; `adopt_hand` saves it for the hand model in use. Raises InputError."""
    if not checkpoint.is_file():
        raise InputError(f'there is no checkpoint {checkpoint}; train one with `python main.py train`')
    try:
        network = load_checkpoint(checkpoint, other_hand=adopt_hand)
        if adopt_hand:
            save_checkpoint(network, checkpoint, read_header(checkpoint)['name'], file_hash(OPEN_HAND))
    except ValueError as error:
        raise InputError(str(error)) from error
    return network


def export_checked(checkpoint: Path, out: Path, precision: Precision = 'fp32', adopt_hand: bool = False) -> Parity:
    """Write a checkpoint's graph to `out`, if it answers what torch answers and TensorRT can read it.

    Raises InputError for a checkpoint that cannot be used, and for a graph that is not as it should be; then nothing is written.
    """
    network = read_network(checkpoint, adopt_hand)
    trial = temporary_name(out)
    with one_sentence(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_graph(network, trial, metadata_of(checkpoint, network), precision)
        rounded = Graph(network, precision).network.eval() if precision == 'fp16' else None
        parity = measure_parity(network, trial, check_crops(network.size), rounded)
        if parity.worst_mm > LIMITS_MM[precision]:
            raise InputError(f'the {precision} graph of {checkpoint} answers up to {parity.worst_mm:.2f} mm beside the checkpoint '
                             f'({LIMITS_MM[precision]} mm are allowed) and was not written; '
                             + ('use --precision fp32 for this network' if precision == 'fp16' else 'please report this'))
        if found := troubles(onnx.load(str(trial))):
            raise InputError(f'TensorRT would not read the graph and it was not written: {"; ".join(found)}')
        with one_sentence(out):
            trial.replace(out)
    finally:
        trial.unlink(missing_ok=True)
    return parity


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this format."""
    parser.add_argument('--checkpoint', type=Path, default=CHECKPOINT, help='trained weights; default: those that ship')
    parser.add_argument('--precision', choices=get_args(Precision), default='fp32',
                        help='fp16: most convolutions in half precision, for GPUs; what means millimetres stays float32')
    parser.add_argument('--out', type=Path, help='default: beside the checkpoint, ending in .onnx, or .fp16.onnx')
    parser.add_argument('--adopt-hand', action='store_true', help='the hand model has changed since the training: take the new one '
                        'all the same (and save the checkpoint so); a texture head of another size starts anew')


def run(options: argparse.Namespace) -> int:
    out = options.out or options.checkpoint.with_suffix('.onnx' if options.precision == 'fp32' else f'.{options.precision}.onnx')
    parity = export_checked(options.checkpoint, out, options.precision, options.adopt_hand)
    note_hash(out.with_suffix('.md'), file_hash(out))
    print(f'{out}: {out.stat().st_size / 1e6:.1f} MB, {options.precision}, sha256 {file_hash(out)}')
    print(f'beside torch on the same crops and poses: {parity.sentence()}')
    return 0
