"""Copy the weights of MediaPipe's hand landmark network (`hand_landmark_full.tflite`, Apache-2.0) into `models.landmark_trunk`.

    python -m training.import_trunk [LANDMARK.tflite | HAND_LANDMARKER.task] --out runs/trunk.safetensors
"""
from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path

import numpy as np
import tflite
import torch
from safetensors.torch import save_file
from torch import Tensor

from app.errors import exit_code
from models.landmark_trunk import SPLIT, LandmarkTrunk

HEADS = {'Identity': 'points', 'Identity_1': 'presence', 'Identity_2': 'right', 'Identity_3': 'world'}
TYPES = {tflite.TensorType.FLOAT32: np.float32, tflite.TensorType.FLOAT16: np.float16}


def read_landmark_file(path: Path) -> bytes:
    """The bytes of the landmark network from a .tflite file or from a `hand_landmarker.task` (a zip)."""
    if path.suffix == '.task':  # not zipfile.is_zipfile: a .tflite carries a zip of its labels at its end
        with zipfile.ZipFile(path) as archive:
            return archive.read('hand_landmarks_detector.tflite')
    return path.read_bytes()


def trunk_weights(data: bytes) -> dict[str, Tensor]:
    """State dict of `LandmarkTrunk`, float32, from the flatbuffer `data`.

    The file stores float16 that DEQUANTIZE operators widen; convolutions come in the order in which they run. Raises ValueError if the
    network is not the one that the trunk was written after.
    """
    model = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    code = tflite.BuiltinOperator
    operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]

    def kind(operator: tflite.Operator) -> int:
        entry = model.OperatorCodes(operator.OpcodeIndex())
        return max(entry.BuiltinCode(), entry.DeprecatedBuiltinCode())

    source = {int(o.Outputs(0)): int(o.Inputs(0)) for o in operators}

    def values(index: int) -> np.ndarray:
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer()).DataAsNumpy()
        if isinstance(buffer, int):  # no data of its own: an operator made it
            return values(source[index])
        return np.frombuffer(buffer.tobytes(), TYPES[tensor.Type()]).astype(np.float32).reshape(tensor.ShapeAsNumpy())

    trunk = LandmarkTrunk()
    convolutions = ['stem']
    for index, block in enumerate(trunk.blocks):
        convolutions += [f'blocks.{index}.{part}' for part in ('expand', 'depthwise', 'project') if getattr(block, part) is not None]
    made, weights = iter(convolutions), {}
    heads = {int(graph.Outputs(i)): HEADS.get(graph.Tensors(graph.Outputs(i)).Name().decode(), '') for i in range(graph.OutputsLength())}
    heads |= {source[index]: name for index, name in heads.items() if index in source}  # before its logistic function
    for operator in operators:
        if kind(operator) in (code.CONV_2D, code.DEPTHWISE_CONV_2D):
            name = next(made, 'one too many')
            kernel = values(int(operator.Inputs(1)))
            order = (0, 3, 1, 2) if kind(operator) == code.CONV_2D else (3, 0, 1, 2)
            weights[f'{name}.weight'] = kernel.transpose(order)
            weights[f'{name}.bias'] = values(int(operator.Inputs(2)))
        elif kind(operator) == code.FULLY_CONNECTED:
            name = heads[int(operator.Outputs(0))]
            weights[f'{name}.weight'] = values(int(operator.Inputs(1)))
            weights[f'{name}.bias'] = values(int(operator.Inputs(2)))
    state = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in weights.items()}
    for name, value in [*state.items()]:  # the mesh's end begins as the network's own
        if name.startswith('blocks.') and (number := int(name.split('.')[1])) >= SPLIT:
            state[name.replace(f'blocks.{number}.', f'mesh_blocks.{number - SPLIT}.')] = value.clone()
    state |= {f'spots.{name}': torch.zeros_like(value) for name, value in trunk.spots.state_dict().items()}  # says nothing yet
    wanted = {name: value.shape for name, value in trunk.state_dict().items()}
    if {name: value.shape for name, value in state.items()} != wanted:
        raise ValueError('this is not the hand landmark network (full) that the trunk was written after')
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path, nargs='?', help='default: the file that `python main.py setup` assembled')
    parser.add_argument('--out', type=Path, default=Path('runs/trunk.safetensors'))
    options = parser.parse_args()
    if options.source is None:
        from app.detector_file import detector_path
        options.source = detector_path()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(trunk_weights(read_landmark_file(options.source)), options.out)
    print(f'{options.out}: the trunk of {options.source.name}')


if __name__ == '__main__':
    sys.exit(exit_code(main))
