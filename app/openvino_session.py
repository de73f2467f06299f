"""A network on OpenVINO. On processors that have bfloat16 (AVX-512 BF16, AMX) it is the fastest way to run one; on others of the x86-64
kind it takes 0.9 to 1.06 of ONNX Runtime's time, and can stop where the points are known. See `openvino_parts`.

What OpenVINO makes of a network is kept, as ONNX Runtime's form of it is (`graph_cache`): later starts neither read the ONNX file nor
optimise it. The kept file begins with a line of JSON; the bytes of each part begin at a page and are mapped, not read.
"""
from __future__ import annotations

import importlib
import importlib.util
import json
import platform
import sys
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from app.graph_cache import KeptGraph
from app.openvino_parts import CONVOLUTIONS, FRONT, LAST, PARTS, POINTS, Part, parts_of

# Two packages that OpenVINO imports where they are there, and does without. The first calls home when it is imported; the second converts
# networks of other kinds, imports the first, and takes a third of the time.
UNWANTED = ('openvino_telemetry', 'openvino.tools.ovc')
FORM = 4  # of the kept file; another one where the parts are cut otherwise
PAGE = 4096  # bytes


def import_openvino() -> Any:
    """The package, without what is not wanted of it. Raises ImportError if it is not installed."""
    for name in UNWANTED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # to import it then fails, as if it were not installed
    return importlib.import_module('openvino')


def openvino_pays() -> bool:
    """Whether OpenVINO is installed and the processor is of the x86-64 kind; on others nobody has measured it."""
    return importlib.util.find_spec('openvino') is not None and platform.machine().lower() in ('x86_64', 'amd64')


def capabilities(openvino: Any) -> list[str]:
    """What OpenVINO says that the processor can do."""
    return openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')


class OpenVinoSession:
    """What `Regressor` uses of an ONNX Runtime session: crops in, answers by name.

    Two crops go through the network together: that reads its weights once, and takes four fifths of the time of one after the other.
    """

    def __init__(self, graph: bytes, threads: int, last: Collection[str], first: Collection[str],
                 read: Callable[[], bytes] | None = None) -> None:
        """The ONNX file `graph`, which `read` reads again when two crops come; without it they follow each other. The answers `last` take
        time only when they are asked for, those `first` are there after `begin`. Raises ImportError if OpenVINO is not installed,
        RuntimeError and others of its own if it cannot run the graph."""
        self._openvino = import_openvino()
        self._core, self._threads, self._last, self._first = self._openvino.Core(), threads, tuple(last), tuple(first)
        # said and not left to OpenVINO: where bfloat16 is only imitated, it takes more than twice the time of float32
        self._kind = self._openvino.Type.bf16 if 'BF16' in capabilities(self._openvino) else self._openvino.Type.f32
        self._one, self._read = self._network(graph, 1), read
        self._two: Future[Network] | None = None

    def get_providers(self) -> list[str]:
        """As in ONNX Runtime, like the next three."""
        return ['OpenVINOExecutionProvider']

    def get_modelmeta(self) -> SimpleNamespace:
        return SimpleNamespace(custom_metadata_map=self._one.metadata)

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name='crop')]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name) for name in self._one.outputs]

    def run(self, names: Sequence[str] | None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The answers (B, ...) of these names, None for all, to `crop` (B, 3, S, S) in 0..1, which is rounded to bytes."""
        pixels = np.rint(255 * inputs['crop']).astype(np.uint8).transpose(0, 2, 3, 1)
        return self.finish(self.begin(names, np.ascontiguousarray(pixels)))

    def begin(self, names: Sequence[str] | None, crops: np.ndarray) -> Begun:
        """The first half of `run`, after which the first answers are there; crops (B, S, S, 3) uint8, which must stay as they are until the
        end. `finish` is the other half; it may run on another thread while this one begins with the next crops."""
        names = self._one.outputs if names is None else tuple(names)
        parts = PARTS if not {*names}.isdisjoint(self._last) else PARTS[:PARTS.index(LAST)]
        groups, done = [], 0
        while done < len(crops):
            network = self._network_for(len(crops) - done)
            groups.append(network.begin(crops[done:done + network.crops], parts))
            done += network.crops
        first = {name: np.concatenate([group.tensors[name].data for group in groups]) for name in self._first}
        return Begun(names, parts, groups, first)

    def finish(self, begun: Begun) -> list[np.ndarray]:
        """The answers (B, ...) that were asked for."""
        rest = [name for name in begun.names if name not in begun.first]
        groups = [group.network.finish(group, rest, begun.parts) for group in begun.groups]
        answers = begun.first | {name: np.concatenate(pieces) for name, pieces in zip(rest, zip(*groups))}
        return [answers[name] for name in begun.names]

    def settle(self) -> None:
        """Wait for what is being made in the background."""
        if self._two is not None:
            wait([self._two])

    def _network_for(self, crops: int) -> Network:
        """What runs the next of so many crops. The network for two is made when two come for the first time, which for many people is
        never. That takes half a second, and happens in the background: until then, or if it fails, one crop follows another."""
        if crops == 1 or self._read is None:
            return self._one
        if self._two is None:
            pool = ThreadPoolExecutor(1, 'openvino')
            self._two = pool.submit(self._for_two)
            pool.shutdown(wait=False)
        return self._two.result() if self._two.done() and self._two.exception() is None else self._one

    def _for_two(self) -> Network:
        network = self._network(self._read(), 2)
        if network.metadata != self._one.metadata:
            raise ValueError('the file has become another network')
        return network

    def _network(self, graph: bytes, crops: int) -> Network:
        """The network for so many crops at a time, from its kept form or keeping it."""
        kept = KeptGraph(graph, f'openvino {self._openvino.__version__}, form {FORM}, {crops} crops, {self._kind}', ending='.openvino')
        if kept.path is not None:
            try:
                return self._opened(kept.path, crops)
            except (RuntimeError, ValueError, LookupError, OSError):  # whole, yet not what this program keeps: it is made anew
                kept.discard()
        try:
            model = self._core.read_model(graph)
            shape = model.input('crop').get_partial_shape()
            shape[0] = crops
            model.reshape({'crop': shape})
            metadata = model.get_rt_info('framework').value if 'framework' in model.get_rt_info() else {}
            facts = {'metadata': dict(metadata), 'outputs': [output.get_any_name() for output in model.outputs]}
            parts = parts_of(self._openvino, model, self._last, self._first)
            loaded = self._loaded(parts, self._core.compile_model)
            if kept.building is not None:
                with suppress(OSError):  # it is then made at every start
                    write_parts(kept.building, facts, parts, [one.export_model().getvalue() for one in loaded])
                    kept.seal()
            return Network(self._openvino, crops, facts, parts, loaded)
        finally:
            kept.discard()  # of what is sealed nothing is left to remove

    def _opened(self, path: Path, crops: int) -> Network:
        """The network of a kept file."""
        with open(path, 'rb') as file:
            line = file.readline()
        facts, begin = json.loads(line), whole_pages(len(line))
        mapped = np.memmap(path, np.uint8, 'c')  # OpenVINO takes no array that cannot be written to
        parts = []
        for name, inputs, outputs, size in facts['parts']:
            parts.append(Part(name, self._openvino.Tensor(mapped[begin:begin + size], shared_memory=True), inputs, outputs))
            begin += whole_pages(size)
        return Network(self._openvino, crops, facts, parts, self._loaded(parts, self._core.import_model))

    def _loaded(self, parts: list[Part], load: Callable[..., Any]) -> list[Any]:
        """The parts, ready to run. More than one thread is of use to the convolutions only."""
        common = {'NUM_STREAMS': 1, 'ENABLE_CPU_PINNING': False}  # other stages need the cores, too
        fast = common | {'INFERENCE_NUM_THREADS': self._threads, 'INFERENCE_PRECISION_HINT': self._kind}
        exact = common | {'INFERENCE_NUM_THREADS': 1, 'INFERENCE_PRECISION_HINT': self._openvino.Type.f32}
        return [load(part.model, 'CPU', fast if part.name in CONVOLUTIONS else exact) for part in parts]


@dataclass(frozen=True)
class Group:
    """Crops that go through the network together, of which the first answers are there."""

    network: Network
    way: Way  # that brought them here, and whose tensors go on being read
    tensors: dict[str, Any]  # by name: the crops, and what is known of them


@dataclass(frozen=True)
class Begun:
    """Crops of which the first answers are there."""

    names: tuple[str, ...]  # of the answers that were asked for
    parts: tuple[str, ...]  # that run for them
    groups: list[Group]
    first: dict[str, np.ndarray]  # (B, ...)


class Network:
    """A network for a fixed number of crops at a time. Nothing is copied between its parts: several groups may be under way, each in
    tensors of its own as far as its first answers; from there on one group follows another."""

    def __init__(self, openvino: Any, crops: int, facts: dict[str, Any], parts: list[Part], loaded: list[Any]) -> None:
        self.crops, self.metadata, self.outputs = crops, facts['metadata'], tuple(facts['outputs'])
        self._tensor, pairs = openvino.Tensor, [*zip(parts, loaded)]
        self._models = [part.model for part in parts]  # the mapped bytes must live as long as what runs from them
        self._early = [pair for pair in pairs if pair[0].name in (FRONT, POINTS)]
        self._late = Way([pair for pair in pairs if pair not in self._early])
        self._free = [Way(self._early)]

    def begin(self, crops: np.ndarray, parts: Sequence[str]) -> Group:
        """The first half of the way of crops (`crops`, S, S, 3)."""
        way = self._free.pop() if self._free else Way(self._early)
        given = {'crop': self._tensor(crops, shared_memory=True)}
        way.run(given, parts)
        return Group(self, way, given | way.tensors)

    def finish(self, group: Group, names: Sequence[str], parts: Sequence[str]) -> list[np.ndarray]:
        """The second half; the answers of these names."""
        self._late.run(group.tensors, parts)
        tensors = group.tensors | self._late.tensors
        answers = [tensors[name].data.copy() for name in names]
        self._free.append(group.way)
        return answers


class Way:
    """Some parts that run one after the other. `tensors` are their answers by name, overwritten by the next run."""

    def __init__(self, parts: list[tuple[Part, Any]]) -> None:
        self.requests = {part.name: model.create_infer_request() for part, model in parts}
        self.tensors: dict[str, Any] = {}
        self._given: list[tuple[str, str, int]] = []  # part, name and place of what comes from elsewhere
        for part, _ in parts:
            for place, name in enumerate(part.inputs):
                if name in self.tensors:
                    self.requests[part.name].set_input_tensor(place, self.tensors[name])
                else:
                    self._given.append((part.name, name, place))
            self.tensors |= {name: self.requests[part.name].get_output_tensor(place) for place, name in enumerate(part.outputs)}

    def run(self, given: dict[str, Any], parts: Sequence[str]) -> None:
        """Those of the parts that are here, on what is given."""
        for part, name, place in self._given:
            if part in parts:
                self.requests[part].set_input_tensor(place, given[name])
        for part, request in self.requests.items():
            if part in parts:
                request.infer(share_inputs=True, share_outputs=True)  # on this very thread, as far as one is enough


def write_parts(path: Path, facts: dict[str, Any], parts: list[Part], blobs: list[bytes]) -> None:
    """The file to keep. Raises OSError."""
    listed = [(part.name, part.inputs, part.outputs, len(blob)) for part, blob in zip(parts, blobs)]
    with open(path, 'wb') as file:
        for piece in (json.dumps(facts | {'parts': listed}).encode() + b'\n', *blobs):
            file.write(piece)
            file.write(bytes(whole_pages(len(piece)) - len(piece)))


def whole_pages(size: int) -> int:
    """So many bytes, rounded up to pages."""
    return -(-size // PAGE) * PAGE
