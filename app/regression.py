"""The network: crops in, points and hand parameters out. OpenVINO or ONNX Runtime runs it, on whatever the machine has."""
from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from app.engine_cache import EngineCache, facts_of, tensorrt_version
from app.errors import InputError
from app.graph_cache import KeptGraph
from app.openvino_session import OpenVinoSession, openvino_pays

Provider = Literal['auto', 'tensorrt', 'cuda', 'openvino', 'cpu']
WEIGHTS = Path(__file__).parent.parent / 'assets' / 'weights' / 's2hand-lite.onnx'
VERSION = '1'  # of the graphs that this program reads
OUTPUTS = ('joints_2d', 'points', 'presence', 'right', 'pose', 'shape', 'scale', 'translation', 'texture', 'light')
SKIN = ('texture', 'light')  # answers that cost time and that not every frame needs
LAST = ('vertices', *SKIN)  # all that is worked out for them alone
FIRST = ('points', 'presence', 'right')  # answers that tell where to cut the next picture
WITHOUT_TEXTURE = tuple(name for name in OUTPUTS if name not in SKIN)
METADATA = ('focal', 'size', 'hand_model')
EXECUTION_PROVIDERS = {'tensorrt': 'TensorrtExecutionProvider', 'cuda': 'CUDAExecutionProvider', 'cpu': 'CPUExecutionProvider'}
NAMES = {'tensorrt': 'TensorRT', 'cuda': 'CUDA', 'openvino': 'OpenVINO'}
CPU = EXECUTION_PROVIDERS['cpu']
PACKAGES = {  # where ONNX Runtime's provider is there but its libraries are not
    'tensorrt': '"tensorrt-cu13<11" "onnxruntime-gpu[cuda,cudnn]"', 'cuda': '"onnxruntime-gpu[cuda,cudnn]"'}
OUT_OF_MEMORY = ('out of memory', 'memoryallocation', 'failed to allocate memory', 'alloc_failed', 'bfcarena', 'out_of_memory')
_OF_BYTE = np.float32(1 / 255)
_USUAL_DISTANCE = 0.06  # of the hand's box, between the mesh's joints and the detected points
MOST_AT_ONCE = 16  # crops in one run on TensorRT, whose engines are built for a range of batch sizes


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
    texture: np.ndarray | None  # (N, 3) sRGB albedo in 0..1; None if it was not asked for
    light: np.ndarray | None  # (11,) ambient and directional light; None if the texture was not asked for
    trust: float = 1.0  # in 0..1, in its points, see `trust_in_points`


@dataclass(frozen=True)
class Begun:
    """Crops of which at least the points are known."""

    textured: bool
    crops: np.ndarray  # (B, S, S, 3) uint8
    out: dict[str, np.ndarray]  # the answers (B, ...) that are there
    session: Any = None  # what goes on; None if all answers are there
    rest: Any = None  # from this

    @property
    def first(self) -> list[tuple[np.ndarray, float, float]]:
        """Of each crop: points (21, 2) in its pixels, and in 0..1 that it shows a hand, and a right one."""
        return [(points[:, :2], float(presence[0]), float(right[0]))
                for points, presence, right in zip(*(self.out[name] for name in FIRST))]


def read_graph(path: Path) -> bytes:
    """The ONNX file of a network. Raises InputError."""
    if not path.is_file():
        what = 'are a folder' if path.is_dir() else 'do not exist'
        raise InputError(f'the network weights {path} {what}; give the path of an exported .onnx file')
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f'the network weights {path} cannot be read ({error.strerror or error})') from error


class Regressor:
    """One session of OpenVINO or of ONNX Runtime. `provider` is the one that really runs, whatever was asked for; `note` says in one
    sentence why it is another one, or what else a person should know, '' if all is as asked. Both may change when it fails later on.
    `threads`: how many it uses at most on the CPU.

    'auto' is a CUDA device where there is one, else OpenVINO where it is installed and the processor is of the x86-64 kind, else ONNX
    Runtime on the CPU. 'cpu' is ONNX Runtime in float32: the same numbers on every machine but for rounding.

    Raises InputError if the weights are missing, are not this network, or belong to another hand model or version.
    """

    def __init__(self, weights: Path | None = None, provider: Provider = 'auto', threads: int | None = None,
                 hand_model_hash: str | None = None, tell: Callable[[str], None] | None = None):
        """`tell` gets a sentence before something that takes minutes."""
        self.path, self.note, self.threads = Path(weights or WEIGHTS), '', threads or usual_threads()
        self._threads_given = threads is not None
        self._hand_model_hash = hand_model_hash
        self._engines: EngineCache | None = None
        self._spare = None  # ONNX Runtime on the CPU, opened when it is needed
        self.session = self._opened(read_graph(self.path), provider, tell or (lambda sentence: None))
        self.provider = self._real_provider()

    def __call__(self, crops: Sequence[np.ndarray], textured: bool = True) -> list[Prediction]:
        """Crops (S, S, 3) uint8 RGB of upright right hands, as a list or one array (B, S, S, 3) -> a prediction each.

        With `textured` False texture and light are None; OpenVINO then saves the time to work them out.
        """
        return self.finish(self.begin(crops, textured))

    def begin(self, crops: Sequence[np.ndarray], textured: bool = True) -> Begun:
        """The first half of a call, which tells where to cut the next picture. `finish` is the other half; it may run on another thread
        while this one begins with the next crops. What cannot stop half-way goes all the way here. Crops must stay as they are."""
        names, session = OUTPUTS if textured else WITHOUT_TEXTURE, self.session
        crops = np.ascontiguousarray(crops[0])[None] if len(crops) == 1 else np.ascontiguousarray(crops)
        if hasattr(session, 'begin'):
            try:
                rest = session.begin(names, crops)
                return Begun(textured, crops, checked(rest.first), session, rest)
            except Exception as error:  # OpenVINO says RuntimeError, its bindings TypeError and more
                self._give_up(error)
        return Begun(textured, crops, self._run(_batch(crops), names))

    def finish(self, begun: Begun) -> list[Prediction]:
        """The second half of a call: a prediction for each crop."""
        names, out = OUTPUTS if begun.textured else WITHOUT_TEXTURE, begun.out
        if begun.session is not None:
            try:
                out = checked(dict(zip(names, begun.session.finish(begun.rest))))
            except Exception as error:  # the same
                if self.session is begun.session:
                    self._give_up(error)
                out = self._run(_batch(begun.crops), names)
        return [Prediction(
            points=out['points'][i, :, :2], depths=out['points'][i, :, 2], presence=float(out['presence'][i, 0]),
            right=float(out['right'][i, 0]), pose=out['pose'][i], shape=out['shape'][i], scale=float(out['scale'][i, 0]),
            translation=out['translation'][i], texture=out['texture'][i] if begun.textured else None,
            light=out['light'][i] if begun.textured else None,
            trust=trust_in_points(out['points'][i, :, :2], out['joints_2d'][i])) for i in range(len(begun.crops))]

    def settle(self) -> None:
        """Wait for what is still made in the background, so that times can be measured."""
        if hasattr(self.session, 'settle'):
            self.session.settle()

    def _give_up(self, error: Exception) -> None:
        """Leave what failed for ONNX Runtime on the CPU, for good."""
        self.note = failure_note(error, 'OpenVINO' if self.provider == 'OpenVINO' else 'The GPU')
        self._leave_engines()
        self.session = self._open_spare(read_graph(self.path))
        self.provider = self._real_provider()

    def _run(self, batch: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Crops (B, 3, S, S) in 0..1 -> arrays by name. What fails is left for ONNX Runtime on the CPU, for good."""
        if self.provider == 'Tensorrt' and len(batch) > MOST_AT_ONCE:
            parts = [self._run(batch[i:i + MOST_AT_ONCE], names) for i in range(0, len(batch), MOST_AT_ONCE)]
            return {name: np.concatenate([part[name] for part in parts]) for name in names}
        try:
            answers = dict(zip(names, self.session.run(names, {'crop': batch})))
            if self.session is not self._spare:
                checked(answers)
        except Exception as error:  # onnxruntime's exceptions share no narrower public base
            if self.session is self._spare:
                raise
            self._give_up(error)
            answers = dict(zip(names, self.session.run(names, {'crop': batch})))
        if self._engines is not None:
            self._engines.seal()
            self.note = self.note or self._engines.note
            self._engines = None
        return answers

    def _check(self, session) -> None:
        """Read what the network says of itself. Raises InputError if this program cannot use it, with the name that it gives itself."""
        meta = session.get_modelmeta().custom_metadata_map
        named = f'{self.path} (it calls itself {meta["name"]!r})' if meta.get('name') else str(self.path)
        missing = {*OUTPUTS} - {o.name for o in session.get_outputs()} | {*METADATA} - {*meta} \
            | {'crop'} - {i.name for i in session.get_inputs()}
        if missing:
            raise InputError(f'{named} is not an S2HAND network of this program: it lacks {", ".join(sorted(missing))}')
        self.version = meta.get('version', VERSION)
        if self.version != VERSION:
            raise InputError(f'{named} was exported as version {self.version}, this program reads version {VERSION}; export it anew')
        if self._hand_model_hash and meta['hand_model'] != self._hand_model_hash:
            raise InputError(f'{named} was trained for another hand model than the one in use; export or train it for this one')
        try:
            self.size, self.focal = int(meta['size']), float(meta['focal'])
        except ValueError as error:
            raise InputError(f'{named} says nothing sensible of its size and focal length; export it anew') from error
        self.name, self.precision = meta.get('name', self.path.stem), meta.get('precision', 'fp32')

    def _opened(self, graph: bytes, provider: Provider, tell: Callable[[str], None]):
        """The session that runs."""
        session = None
        if provider in ('cuda', 'tensorrt') or provider == 'auto' and has_nvidia_device():
            session = self._open_on_gpu(graph, provider, tell)
        if session is None and provider in ('auto', 'openvino'):
            session = self._open_on_openvino(graph, provider == 'openvino')
            if session is not None:
                self._check(session)
        return session or self._open_spare(graph)

    def _open_on_gpu(self, graph: bytes, provider: Provider, tell: Callable[[str], None]):
        """A session of ONNX Runtime on a GPU; None, and a note if one was asked for, where there is none or it cannot be used."""
        import onnxruntime as ort

        names, session = wanted_providers(provider, ort), None
        if names[0] != CPU:
            self._open_spare(graph)  # the network is read here, before a GPU works on it for minutes
            try:
                session = self._open(graph, [(name, self._options(name, graph, tell)) for name in names])
            except Exception as error:  # onnxruntime's exceptions share no narrower public base
                self.note = failure_note(error)
                self._leave_engines()
        self.note = self.note or missing_note(provider, provider_of(session) if session else 'CPU', ort)
        return session

    def _open_on_openvino(self, graph: bytes, asked: bool):
        """A session of OpenVINO; None, and a note, if it cannot run the network; None if it does not pay and was not asked for."""
        # the other stages need cores, too: on two of them live pictures with two hands take 32 ms like this and 42 ms with both
        threads = self.threads if self._threads_given else max(1, self.threads // 2)
        try:
            if not asked and not openvino_pays():
                return None
            session = OpenVinoSession(graph, threads, LAST, FIRST, partial(read_graph, self.path))
            self.threads = threads
            return session
        except ImportError as error:
            missing = 'OpenVINO was asked for, but it is not installed: pip install openvino. The network runs on ONNX Runtime.'
            self.note = self.note or (missing if error.name == 'openvino' else failure_note(error, 'OpenVINO'))
        except Exception as error:  # OpenVINO says RuntimeError, its bindings TypeError and more
            self.note = self.note or failure_note(error, 'OpenVINO')
        return None

    def _open_spare(self, graph: bytes):
        """The session of ONNX Runtime on the CPU, from the kept form of the graph or keeping it. Raises InputError if it cannot be run,
        or is not this network."""
        if self._spare is None:
            self._spare = self._open_kept(graph) or self._open(graph, [CPU])
            self._check(self._spare)
        return self._spare

    def _open_kept(self, graph: bytes):
        """The same, None if it cannot be kept or run."""
        import onnxruntime as ort

        options, kept = self._session_options(ort), KeptGraph(graph, ort.__version__)
        try:
            if kept.path is not None:
                options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
                return ort.InferenceSession(str(kept.path), options, providers=[CPU])
            if kept.building is not None:
                options.optimized_model_filepath = str(kept.building)
                session = ort.InferenceSession(graph, options, providers=[CPU])
                kept.seal()
                return session
        except Exception:  # onnxruntime's exceptions share no narrower public base; opened without the cache, it says what is wrong
            kept.discard()
        return None

    def _open(self, graph: bytes, providers: list[str] | list[tuple[str, dict[str, str]]]):
        import onnxruntime as ort

        try:  # no fallback: onnxruntime would go over to the CPU by itself, and say so only on the terminal
            return ort.InferenceSession(graph, self._session_options(ort), providers=providers, enable_fallback=0)
        except Exception as error:  # onnxruntime's exceptions share no narrower public base
            if providers != [CPU]:
                raise
            raise InputError(f'{self.path} is not a network that can be run; export it anew or use the one in assets/weights') from error

    def _session_options(self, ort):
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')  # a spinning thread takes the core the other stages need
        return options

    def _options(self, name: str, graph: bytes, tell: Callable[[str], None]) -> dict[str, str]:
        """What a provider is told; for TensorRT also where its engine is kept."""
        if name == EXECUTION_PROVIDERS['cuda']:
            return {'use_tf32': '0'}  # ten bits of a number are too few for places in millimetres
        if name != EXECUTION_PROVIDERS['tensorrt']:
            return {}
        self._engines = EngineCache(facts_of(graph, f'{self.precision}, batch 1 to {MOST_AT_ONCE}'))
        if not self._engines.kept:
            tell('TensorRT builds its engine for this GPU; that takes a minute or more' + (', once' if self._engines.folder else ''))
        sizes = {kind: f'crop:{count}x3x{self.size}x{self.size}' for kind, count in (('min', 1), ('opt', 1), ('max', MOST_AT_ONCE))}
        options = {f'trt_profile_{kind}_shapes': shape for kind, shape in sizes.items()}
        options |= {f'trt_{kind}_enable': '1' for kind in ('fp16', 'int8') if kind == self.precision}
        if self._engines.folder is not None:
            options |= {'trt_engine_cache_enable': '1', 'trt_engine_cache_path': str(self._engines.folder)}
        return options

    def _leave_engines(self) -> None:
        if self._engines is not None:
            self._engines.discard()
            self._engines = None

    def _real_provider(self) -> str:
        return provider_of(self.session)


def provider_of(session) -> str:
    """What a session of ONNX Runtime or OpenVINO runs on: 'CPU', 'CUDA', 'Tensorrt' or 'OpenVINO'."""
    return session.get_providers()[0].removesuffix('ExecutionProvider')


def checked(answers: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The answers. Raises ArithmeticError if some are no numbers."""
    if not all(np.isfinite(value).all() for value in answers.values()):
        raise ArithmeticError('it gave answers that are no numbers')
    return answers


def trust_in_points(points: np.ndarray, joints_2d: np.ndarray) -> float:
    """How far the detected points (21, 2) are to be believed, in 0..1, beside the mesh's own projected joints (21, 2).

    The two come from two ends of the network. Where they lie more than the usual 6 % of the hand apart, either may be wrong, and a fit that
    follows the points alone would throw away a good mesh: their inverse variance falls with the fourth power of the distance.
    """
    box = max(float((points.max(0) - points.min(0)).max()), 1.0)
    apart = float(np.sqrt(((points - joints_2d) ** 2).sum(1)).mean()) / box
    return min(1.0, (_USUAL_DISTANCE / max(apart, 1e-6)) ** 2)


def _batch(crops: np.ndarray) -> np.ndarray:
    """Crops (B, S, S, 3) uint8 -> (B, 3, S, S) float32 in 0..1: each byte is read and each number written once."""
    import cv2  # here, because the command line needs the names of the providers and nothing else of this module

    batch = np.empty((len(crops), 3, *crops.shape[1:3]), np.float32)
    for crop, planes in zip(crops, batch):
        for channel, plane in zip(cv2.split(crop), planes):
            np.multiply(channel, _OF_BYTE, out=plane)
    return batch


def usual_threads() -> int:
    """All cores, at most 4: the other stages leave gaps, and with spinning off a thread that waits costs nothing."""
    return min(4, os.cpu_count() or 1)


def wanted_providers(provider: Provider, ort) -> list[str]:
    """ONNX Runtime's provider names to try, best first. Without an NVIDIA device only the CPU is asked for, so that nothing is printed."""
    available = ort.get_available_providers()
    order = {'auto': ('cuda',), 'tensorrt': ('tensorrt', 'cuda'), 'cuda': ('cuda',)}.get(provider, ())
    names = [EXECUTION_PROVIDERS[p] for p in order if EXECUTION_PROVIDERS[p] in available] if has_nvidia_device() else []
    if names and hasattr(ort, 'preload_dlls'):
        ort.preload_dlls()  # finds CUDA's libraries in the packages that pip installed
    if EXECUTION_PROVIDERS['tensorrt'] in names and not tensorrt_version():
        names.remove(EXECUTION_PROVIDERS['tensorrt'])
    return [*names, CPU]


def has_nvidia_device() -> bool:
    """Whether an NVIDIA driver shows itself on this machine."""
    return os.path.exists('/dev/nvidia0') or shutil.which('nvidia-smi') is not None


def missing_note(asked: Provider, real: str, ort) -> str:
    """A sentence on why the network does not run on what was asked for, with the package to install; '' when it does."""
    if asked in ('auto', 'openvino', 'cpu') or EXECUTION_PROVIDERS[asked].startswith(real):
        return ''
    if EXECUTION_PROVIDERS[asked] not in ort.get_available_providers():
        why = 'the installed onnxruntime was built without it: pip uninstall onnxruntime, then pip install onnxruntime-gpu'
    elif not has_nvidia_device():
        why = 'no NVIDIA driver shows a GPU on this machine'
    else:
        why = f'its libraries are missing or do not fit the driver: pip install {PACKAGES[asked]}'
    return f'{NAMES[asked]} was asked for, but {why}. The network runs on the {NAMES.get(real.lower(), real)}.'


def failure_note(error: Exception, what: str = 'The GPU') -> str:
    """A sentence on a GPU that failed, or on something else that the network should have run on."""
    said, instead = ' '.join(str(error).split()), 'ONNX Runtime' if what == 'OpenVINO' else 'the CPU'
    if any(word in said.lower() for word in OUT_OF_MEMORY):
        return f'{what} has not enough free memory for the network, which runs on {instead} instead; close what else uses it.'
    return f'{what} could not be used ({said[:160]}); the network runs on {instead} instead.'
