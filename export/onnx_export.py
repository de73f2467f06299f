"""A checkpoint as one ONNX file: crop in; mesh, joints, texture, light and 2D points out. The hand model and its skinning are inside."""
from __future__ import annotations

import argparse
import json
import re
from dataclasses import fields
from pathlib import Path

import onnx
import torch
from torch import nn

from app.errors import InputError
from models.camera import FOCAL
from models.checkpoint import VERSION, file_hash, load_checkpoint, read_header, save_checkpoint
from models.hand_model import OPEN_HAND
from models.s2hand import S2Hand, S2HandOutput

WEIGHTS = Path(__file__).resolve().parent.parent / 'assets' / 'weights'
OUTPUTS = tuple(field.name for field in fields(S2HandOutput))
OPSET = 18  # the exporter's own; older ones lose operators, TensorRT reads it


class Graph(nn.Module):
    """The network with a tuple as its answer, as exporters want it."""

    def __init__(self, network: S2Hand) -> None:
        super().__init__()
        self.network = network

    def forward(self, crop: torch.Tensor) -> tuple[torch.Tensor, ...]:
        answer = self.network(crop)
        return tuple(getattr(answer, name) for name in OUTPUTS)


def export_onnx(network: S2Hand, path: Path, metadata: dict[str, str]) -> None:
    """Write `network` as a float32 graph with a free batch size to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix('.part')
    crop = torch.rand(2, 3, network.size, network.size)  # two: with one, the exporter would freeze the batch
    torch.onnx.export(Graph(network).eval(), (crop,), str(unfinished), input_names=['crop'], output_names=list(OUTPUTS),
                      opset_version=OPSET, dynamo=True, verbose=False, external_data=False,
                      dynamic_shapes=({0: torch.export.Dim('batch', min=1, max=4096)},))
    graph = onnx.load(str(unfinished))
    onnx.helper.set_model_props(graph, metadata)
    for node in graph.graph.node:
        node.ClearField('doc_string')
        del node.metadata_props[:]  # the exporter's stack traces: paths of the machine, a third of a megabyte
    for value in graph.graph.value_info:
        del value.metadata_props[:]
    onnx.checker.check_model(graph, full_check=False)
    onnx.save(graph, str(unfinished))
    unfinished.rename(path)


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('format', choices=('onnx',), help='the kind of file to write')
    parser.add_argument('--checkpoint', type=Path, default=WEIGHTS / 's2hand-lite.safetensors', help='default: the one that ships')
    parser.add_argument('--out', type=Path, help='default: beside the checkpoint, ending in .onnx')
    parser.add_argument('--adopt-hand', action='store_true', help='the hand model has changed since the training: take the new one '
                        'all the same (and save the checkpoint so); a texture head of another size starts anew')


def run(options: argparse.Namespace) -> int:
    if not options.checkpoint.is_file():
        raise InputError(f'there is no checkpoint {options.checkpoint}; train one with `python main.py train`')
    try:
        network = load_checkpoint(options.checkpoint, other_hand=options.adopt_hand)
        if options.adopt_hand:
            save_checkpoint(network, options.checkpoint, read_header(options.checkpoint)['name'], file_hash(OPEN_HAND))
    except ValueError as error:
        raise InputError(str(error)) from error
    out = options.out or options.checkpoint.with_suffix('.onnx')
    export_onnx(network, out, metadata_of(options.checkpoint, network))
    note_hash(out.with_suffix('.md'), file_hash(out))
    print(f'{out}: {out.stat().st_size / 1e6:.1f} MB, sha256 {file_hash(out)}')
    return 0
