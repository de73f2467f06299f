"""A float32 graph with its convolutions and linear layers in eight bits, as TensorRT reads it: Q and DQ before each, symmetric, weights per
channel; biases and everything from rotations to skin in float. What suffers most is found by measuring and stays in float too.

It is refused where hands get worse, and not the default: on the CPUs it was measured on it is no faster.
"""
from __future__ import annotations

import argparse
import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from tqdm import tqdm

from app.errors import InputError
from app.outputs.atomic import whole_file
from app.regression import WEIGHTS
from export.accuracy import Accuracy, accuracy, answers, milliseconds
from export.calibration import Hands, calibration_crops, validation_sets
from export.files import check_target, properties, read_exported
from export.operators import troubles
from export.parity import quiet_session

KINDS = ('Conv', 'Gemm')
WORSE_MM = 0.3  # PA-MPJPE may worsen by so much, on any set
AIM_MM = 0.1  # by so much it is let worsen while layers can still be kept in float
SHARES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7)  # of the parts that are tried in float, the most sensitive first
PROBES = 8  # crops that each part is tried on
FASTER = 1.1  # times as fast as before, or it is not called faster
RULES = {'ActivationSymmetric': True, 'WeightSymmetric': True, 'QuantizeBias': False, 'OpTypesToExcludeOutputQuantization': [*KINDS]}


@dataclass(frozen=True)
class Part:
    """Layers that go to eight bits together: a block, or a head."""

    name: str
    nodes: tuple[str, ...]


class Feed(CalibrationDataReader):
    """Crops (n, S, S, 3) uint8, one at a time, as the graph wants them."""

    def __init__(self, crops: np.ndarray) -> None:
        self._left = iter(tqdm(crops, desc='measuring ranges', unit='crop', leave=False))

    def get_next(self) -> dict[str, np.ndarray] | None:
        crop = next(self._left, None)
        return None if crop is None else {'crop': np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32) / 255}


def parts_of(model: onnx.ModelProto) -> list[Part]:
    """Everything in a graph that can be quantised: convolutions of pictures and linear layers with learned weights. The hand model's tables
    are multiplied with, too, but are no weights by name."""
    weights = {t.name: len(t.dims) for t in model.graph.initializer if t.name.endswith('.weight')}
    groups: dict[str, list[str]] = {}
    for node in model.graph.node:
        if node.op_type in KINDS and weights.get(node.input[1]) == (4 if node.op_type == 'Conv' else 2):
            name = re.sub(r'^network\.', '', node.input[1].removesuffix('.weight'))
            groups.setdefault(re.match(r'\w+\.\w+(\.\d+(?=\.\D))?', name)[0] if '.' in name else name, []).append(node.name)
    return [Part(name, tuple(nodes)) for name, nodes in groups.items()]


def ranges_of(path: Path, crops: np.ndarray) -> TensorsData:
    """The largest values that the inputs of convolutions and linear layers take on crops (n, S, S, 3) uint8."""
    with TemporaryDirectory() as folder:
        calibrator = create_calibrator(path, KINDS, str(Path(folder) / 'augmented.onnx'), extra_options={'symmetric': True})
        calibrator.collect_data(Feed(crops))
        return calibrator.compute_data()


def quantised(model: onnx.ModelProto, ranges: TensorsData, parts: Sequence[Part]) -> onnx.ModelProto:
    """A copy of `model` with these parts in eight bits."""
    nodes = [name for part in parts for name in part.nodes]
    if not nodes:
        return copy.deepcopy(model)
    quantizer = QDQQuantizer(copy.deepcopy(model), True, False, QuantType.QInt8, QuantType.QInt8, ranges, nodes, [], KINDS, dict(RULES))
    quantizer.quantize_model()
    made, inputs = quantizer.model.model, {node.name: list(node.input) for node in model.graph.node}
    for node in made.graph.node:  # it feeds rounded numbers to whoever reads the same tensor: residuals, skinning
        if node.name in inputs and node.name not in nodes:
            node.input[:] = inputs[node.name]
    quantizer.model.topological_sort()  # it leaves its new nodes at the end, which ONNX Runtime does not mind, but others do
    own = [entry for entry in made.opset_import if not entry.domain]
    del made.opset_import[:]
    made.opset_import.extend(own)
    return made


def sensitivity(model: onnx.ModelProto, ranges: TensorsData, parts: Sequence[Part], crops: np.ndarray) -> dict[str, float]:
    """How far hands move when a part alone goes to eight bits: millimetres of the joints against the wrist plus pixels of the 2D points,
    which are about as long."""
    names = ('joints_3d', 'points')
    joints, points = answers(quiet_session(model.SerializeToString()), crops, names)
    moved = {}
    for part in tqdm(parts, desc='trying each part', unit='part', leave=False):
        other, seen = answers(quiet_session(quantised(model, ranges, [part]).SerializeToString()), crops, names)
        apart = np.linalg.norm((other - other[:, :1]) - (joints - joints[:, :1]), axis=-1).mean()
        moved[part.name] = float(1000 * apart + np.linalg.norm((seen - points)[..., :2], axis=-1).mean())
    return moved


@dataclass(frozen=True)
class Attempt:
    """A quantised graph and how it did."""

    model: onnx.ModelProto
    floats: tuple[str, ...]  # parts that stayed in float
    before: tuple[Accuracy, ...]  # on each set
    after: tuple[Accuracy, ...]

    @property
    def worse_mm(self) -> float:
        """By how much PA-MPJPE grew, on the set where it grew most."""
        return max(b.pa_mpjpe_mm - a.pa_mpjpe_mm for a, b in zip(self.before, self.after) if a.pa_mpjpe_mm is not None)


def attempts(model: onnx.ModelProto, ranges: TensorsData, order: Sequence[Part], sets: Sequence[Hands], shares: Sequence[float]) -> Attempt:
    """The attempt with the fewest parts in float that is good enough; else the best of all. `order`: the most sensitive part first."""
    before = tuple(accuracy(quiet_session(model.SerializeToString()), hands) for hands in sets)
    best = None
    for share in shares:
        kept = round(share * len(order))
        made = quantised(model, ranges, order[kept:])
        after = tuple(accuracy(quiet_session(made.SerializeToString()), hands) for hands in sets)
        attempt = Attempt(made, tuple(part.name for part in order[:kept]), before, after)
        print(f'{kept} of {len(order)} parts in float: PA-MPJPE {attempt.worse_mm:+.3f} mm', flush=True)
        if best is None or attempt.worse_mm < best.worse_mm:
            best = attempt
        if attempt.worse_mm <= AIM_MM:
            break
    return best


def read_float_graph(path: Path) -> onnx.ModelProto:
    """A float32 graph of this program. Raises InputError."""
    _, model = read_exported(path)
    if (precision := properties(model)['precision']) != 'fp32':
        raise InputError(f'{path} is in {precision} already; eight bits are made of a float32 graph '
                         '(`python main.py export onnx --precision fp32`)')
    return model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--network', type=Path, default=WEIGHTS, help='float32 graph; default: the one that ships')
    parser.add_argument('--out', type=Path, help='default: beside the network, ending in .int8.onnx')
    parser.add_argument('--manifest', type=Path, help='manifest whose training pictures ranges are measured on, and whose validation '
                        'pictures the 2D points are judged by; default: runs/set, else rendered pictures, else the bundled clip')
    parser.add_argument('--crops', type=int, default=128, help='how many crops ranges are measured on')
    parser.add_argument('--rendered', type=Path, action='append', default=[], metavar='DIR',
                        help='rendered hands to judge by (may be repeated); default: runs/renders-val')
    parser.add_argument('--truth', type=Path, action='append', default=[], metavar='DIR', help='folder with gt.jsonl to judge by')
    parser.add_argument('--limit', type=int, help='at most this many hands of each set')
    parser.add_argument('--float', dest='floats', action='append', metavar='PART', default=[],
                        help='keep this part in float instead of finding out which (may be repeated)')


def run(options: argparse.Namespace) -> int:
    for name in ('crops', 'limit'):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise InputError(f'--{name} must be at least 1, not {getattr(options, name)}')
    model = onnx.shape_inference.infer_shapes(read_float_graph(options.network))
    parts, size, out = parts_of(model), int(properties(model)['size']), options.out or options.network.with_suffix('.int8.onnx')
    if unknown := {*options.floats} - {part.name for part in parts}:
        raise InputError(f'--float knows {", ".join(part.name for part in parts)}; not {", ".join(sorted(unknown))}')
    check_target(out)
    sets = validation_sets(options.rendered, options.truth, options.manifest, size, options.limit)
    crops, sentence = calibration_crops(options.manifest, size, options.crops)
    print(f'Ranges are measured on {sentence}.', flush=True)
    ranges = ranges_of(options.network, crops)
    order, shares = ordered(model, ranges, parts, crops, options.floats)
    attempt = attempts(model, ranges, order, sets, shares)
    print(report(sets, attempt))
    if attempt.worse_mm > WORSE_MM:
        raise InputError(f'eight bits worsen PA-MPJPE by {attempt.worse_mm:.2f} mm ({WORSE_MM} mm are allowed); nothing was written; '
                         'keep more parts in float with --float, or use fp16 on a GPU')
    if found := troubles(attempt.model):
        raise InputError(f'TensorRT would not read the graph and it was not written: {"; ".join(found[:3])}')
    onnx.helper.set_model_props(attempt.model, properties(model) | {'precision': 'int8', 'float_parts': ', '.join(attempt.floats)})
    data = attempt.model.SerializeToString()
    with whole_file(out) as file:
        file.write(data)
    print(f'{out}: {len(data) / 1e6:.1f} MB (float32: {options.network.stat().st_size / 1e6:.1f} MB)')
    print(speed_sentence(milliseconds({'float32': quiet_session(options.network), 'int8': quiet_session(data)}, size)))
    return 0


def ordered(model: onnx.ModelProto, ranges: TensorsData, parts: list[Part], crops: np.ndarray,
            floats: Sequence[str]) -> tuple[list[Part], Sequence[float]]:
    """Parts, the most sensitive first, and which shares of them to try in float. `floats` are the names of those that a person chose."""
    if floats:
        return sorted(parts, key=lambda part: part.name not in floats), [len({*floats}) / len(parts)]
    moved = sensitivity(model, ranges, parts, crops[np.linspace(0, len(crops) - 1, min(PROBES, len(crops))).round().astype(int)])
    order = sorted(parts, key=lambda part: -moved[part.name])
    print('Most sensitive, moved by so many mm + px when alone in eight bits: '
          + ', '.join(f'{part.name} {moved[part.name]:.2f}' for part in order[:8]), flush=True)
    return order, SHARES


def report(sets: Sequence[Hands], attempt: Attempt) -> str:
    """Accuracy before and after, a line for each set."""
    lines = [f'In float stay: {", ".join(attempt.floats) or "no parts"} (and rotations, skinning, texture sampling).']
    for hands, before, after in zip(sets, attempt.before, attempt.after):
        joints = '' if before.pa_mpjpe_mm is None else f'PA-MPJPE {before.pa_mpjpe_mm:.2f} mm before, {after.pa_mpjpe_mm:.2f} after; '
        lines.append(f'{hands.name} ({len(hands.crops)} hands): {joints}2D points {before.points_percent:.2f} % of the hand before, '
                     f'{after.points_percent:.2f} after')
    return '\n'.join(lines)


def speed_sentence(times: dict[str, float]) -> str:
    """What a person should make of the processor times of both graphs in milliseconds."""
    plain, eight = times['float32'], times['int8']
    told = f'One crop on this CPU, 1 thread: {plain:.1f} ms of processor time in float32, {eight:.1f} ms in int8'
    if plain >= FASTER * eight:
        return f'{told}: {plain / eight:.1f} times as fast.'
    return f'{told}: it is not faster here, so use the float32 graph on this CPU; int8 is for TensorRT.'
