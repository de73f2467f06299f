"""The network: crops in, points and hand parameters out. ONNX Runtime runs it on whatever the machine has."""
from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from app.errors import InputError

Provider = Literal['auto', 'tensorrt', 'cuda', 'cpu']
WEIGHTS = Path(__file__).parent.parent / 'assets' / 'weights' / 's2hand-lite.onnx'
OUTPUTS = ('points', 'presence', 'right', 'pose', 'shape', 'scale', 'translation', 'texture', 'light')
EXECUTION_PROVIDERS = {'tensorrt': 'TensorrtExecutionProvider', 'cuda': 'CUDAExecutionProvider', 'cpu': 'CPUExecutionProvider'}


@dataclass(frozen=True)
class Prediction:
    """What the network says of one crop. It saw a right hand; its camera is the crop's (`app/crop_camera.py`)."""

    points: np.ndarray  # (21, 2) crop pixels
    depths: np.ndarray  # (21,) relative depth in crop pixels at the hand's distance, wrist = 0, forward positive
    presence: float  # in 0..1, that the crop shows a hand
    right: float  # in 0..1, that it shows a right hand
    pose: np.ndarray  # (16, 3) axis-angle, row 0 the wrist in the crop camera
    shape: np.ndarray  # (10,)
    scale: float  # of the whole hand
    translation: np.ndarray  # (3,) metres, the wrist in the crop camera
    texture: np.ndarray  # (N, 3) sRGB albedo in 0..1
    light: np.ndarray  # (11,) ambient and directional light


class Regressor:
    """One ONNX Runtime session. `provider` after construction is the one that really runs, whatever was asked for.

    Raises InputError if the weights are missing, are not this network, or belong to another hand model.
    """

    def __init__(self, weights: Path | None = None, provider: Provider = 'auto', threads: int | None = None, hand_model_hash: str | None = None):
        import onnxruntime as ort

        path = Path(weights or WEIGHTS)
        if not path.is_file():
            raise InputError(f'the network weights {path} do not exist; give the path of an exported .onnx file')
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or usual_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')  # a spinning thread takes the core the other stages need
        try:
            self.session = ort.InferenceSession(path.read_bytes(), options, providers=wanted_providers(provider, ort))
        except Exception as error:  # onnxruntime's exceptions share no narrower public base
            raise InputError(f'{path} is not a network that can be run; export it anew or use the one in assets/weights') from error
        meta = self.session.get_modelmeta().custom_metadata_map
        missing = {*OUTPUTS} - {o.name for o in self.session.get_outputs()} | {'focal', 'size', 'hand_model'} - {*meta}
        if missing:
            raise InputError(f'{path} is not an S2HAND network of this program: it lacks {", ".join(sorted(missing))}')
        if hand_model_hash and meta['hand_model'] != hand_model_hash:
            raise InputError(f'{path} was trained for another hand model than the one in use; export or train it for this one')
        self.path, self.name, self.version = path, meta.get('name', path.stem), meta.get('version', '')
        self.size, self.focal = int(json.loads(meta['size'])), float(meta['focal'])
        self.provider = self.session.get_providers()[0].removesuffix('ExecutionProvider')

    def __call__(self, crops: np.ndarray) -> list[Prediction]:
        """Crops (B, S, S, 3) uint8 RGB of upright right hands -> a prediction each."""
        batch = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)
        batch *= 1 / 255
        out = dict(zip(OUTPUTS, self.session.run(OUTPUTS, {'crop': batch})))
        return [Prediction(
            points=out['points'][i, :, :2], depths=out['points'][i, :, 2], presence=float(out['presence'][i, 0]), right=float(out['right'][i, 0]),
            pose=out['pose'][i], shape=out['shape'][i], scale=float(out['scale'][i, 0]), translation=out['translation'][i],
            texture=out['texture'][i], light=out['light'][i]) for i in range(len(crops))]


def usual_threads() -> int:
    """All cores, at most 4: the other stages leave gaps, and with spinning off a thread that waits costs nothing."""
    return min(4, os.cpu_count() or 1)


def wanted_providers(provider: Provider, ort) -> list[str]:
    """ONNX Runtime's provider names to try, best first. Without an NVIDIA device only the CPU is asked for, so that nothing is printed."""
    available = ort.get_available_providers()
    order = {'auto': ('cuda',), 'tensorrt': ('tensorrt', 'cuda'), 'cuda': ('cuda',), 'cpu': ()}[provider]
    names = [EXECUTION_PROVIDERS[p] for p in order if EXECUTION_PROVIDERS[p] in available] if has_nvidia_device() else []
    if names and hasattr(ort, 'preload_dlls'):
        ort.preload_dlls()  # finds CUDA's libraries in the packages that pip installed
    return [*names, 'CPUExecutionProvider']


def has_nvidia_device() -> bool:
    """Whether an NVIDIA driver shows itself on this machine."""
    return os.path.exists('/dev/nvidia0') or shutil.which('nvidia-smi') is not None
