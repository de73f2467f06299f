"""A network on OpenVINO. On processors that have bfloat16 (AVX-512 BF16, AMX) it is the fastest way to run one; see `openvino_parts`.

What OpenVINO makes of a network is kept, as ONNX Runtime's form of it is (`graph_cache`): later starts neither read the ONNX file nor
optimise it. The kept file begins with a line of JSON; the bytes of each part begin at a page and are mapped, not read.
"""
from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from app.graph_cache import KeptGraph
from app.openvino_parts import CONVOLUTIONS, FRONT, LAST, POINTS, Part, parts_of

# Two packages that OpenVINO imports where they are there, and does without. The first calls home when it is imported; the second converts
# networks of other kinds, imports the first, and takes a third of the time.
UNWANTED = ('openvino_telemetry', 'openvino.tools.ovc')
FORM = 3  # of the kept file; another one where the parts are cut otherwise
PAGE = 4096  # bytes


def import_openvino() -> Any:
    """The package, without what is not wanted of it. Raises ImportError if it is not installed."""
    for name in UNWANTED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # to import it then fails, as if it were not installed
    return importlib.import_module('openvino')


def openvino_pays() -> bool:
    """Whether OpenVINO is installed and would reckon in bfloat16 on this processor. Where it would not, there is little to gain."""
    if importlib.util.find_spec('openvino') is None:
        return False
    openvino = import_openvino()
    return openvino.Core().get_property('CPU', 'INFERENCE_PRECISION_HINT') == openvino.Type.bf16


class OpenVinoSession:
    """What `Regressor` uses of an ONNX Runtime session: crops in, answers by name.

    One crop gets all threads. Several crops run side by side, a thread for each, so that two hands take hardly longer than one.
    """

    def __init__(self, graph: bytes, threads: int, last: Collection[str], first: Collection[str]) -> None:
        """The ONNX file `graph`; the answers `last` take time only when they are asked for, those `first` are there after `begin`. Raises
        ImportError if OpenVINO is not installed, RuntimeError and others of its own if it cannot run the graph."""
        self._openvino = import_openvino()
        self._core, self._threads, self._last, self._first = self._openvino.Core(), threads, tuple(last), tuple(first)
        kept = KeptGraph(graph, f'openvino {self._openvino.__version__}, form {FORM}', ending='.openvino')
        if kept.path is not None:
            try:
                return self._open(kept.path)
            except (RuntimeError, ValueError, LookupError, OSError):  # whole, yet not what this program keeps: it is made anew
                kept.discard()
        self._make(graph, kept)

    def get_providers(self) -> list[str]:
        """As in ONNX Runtime, like the next three."""
        return ['OpenVINOExecutionProvider']

    def get_modelmeta(self) -> SimpleNamespace:
        return SimpleNamespace(custom_metadata_map=self._metadata)

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name='crop')]

    def get_outputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=name) for name in self._outputs]

    def run(self, names: Sequence[str] | None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """The answers (B, ...) of these names, None for all, to `crop` (B, 3, S, S)."""
        return self.finish(self.begin(names, inputs['crop']))

    def begin(self, names: Sequence[str] | None, crops: np.ndarray) -> Begun:
        """The first half of `run`, after which the first answers are there. `finish` is the other half; it may run on another thread while
        this one begins with the next crops."""
        names = self._outputs if names is None else names
        parts = [part.name for part in self._parts if part.name != LAST or not {*names}.isdisjoint(self._last)]
        taken = {*names, *(name for part in self._parts if part.name in parts for name in part.inputs)}
        rows: list[dict[str, np.ndarray]] = []
        while len(rows) < len(crops):
            lanes = [one for one, _ in self._lanes(len(crops) - len(rows))]
            group = [{'crop': crop[None]} for crop in crops[len(rows):len(rows) + len(lanes)]]
            advance(lanes, group, parts)
            rows += [row | {name: tensor.data.copy() for name, tensor in lane.tensors.items() if name in taken}
                     for lane, row in zip(lanes, group)]
        return Begun(names, parts, rows)

    def finish(self, begun: Begun) -> list[np.ndarray]:
        """The answers (B, ...) that were asked for."""
        rows: list[list[np.ndarray]] = []
        while len(rows) < len(begun.rows):
            lanes = [other for _, other in self._lanes(len(begun.rows) - len(rows))]
            group = begun.rows[len(rows):len(rows) + len(lanes)]
            advance(lanes, group, begun.parts)
            rows += [[row[name] if name in row else lane.tensors[name].data.copy() for name in begun.names]
                     for lane, row in zip(lanes, group)]
        return [np.concatenate(answer) for answer in zip(*rows)]

    def _lanes(self, crops: int) -> list[tuple[Lane, Lane]]:
        """The ways for the next crops, through each half. Those beside each other are made when several crops come for the first time, which
        for many people is never. That takes half a second, and happens in the background: until then one crop follows another."""
        if crops == 1 or self._threads == 1:
            return [self._alone]
        if self._beside is None:
            pool = ThreadPoolExecutor(1, 'openvino')
            self._beside = pool.submit(self._made_beside)
            pool.shutdown(wait=False)
        return self._beside.result()[:crops] if self._beside.done() else [self._alone]

    def _made_beside(self) -> list[tuple[Lane, Lane]]:
        loaded = self._loaded(self._threads)
        return [self._halves(loaded) for _ in range(self._threads)]

    def _halves(self, loaded: list[Any]) -> tuple[Lane, Lane]:
        pairs = [*zip(self._parts, loaded)]
        early = [pair for pair in pairs if pair[0].name in (FRONT, POINTS)]
        return Lane(self._openvino, early), Lane(self._openvino, [pair for pair in pairs if pair not in early])

    def _open(self, path: Path) -> None:
        """Get ready from the kept file."""
        with open(path, 'rb') as file:
            line = file.readline()
        facts, begin = json.loads(line), whole_pages(len(line))
        self._mapped = np.memmap(path, np.uint8, 'c')  # must live as long as the parts; OpenVINO takes no array that cannot be written to
        parts = []
        for name, inputs, outputs, size in facts['parts']:
            parts.append(Part(name, self._openvino.Tensor(self._mapped[begin:begin + size], shared_memory=True), inputs, outputs))
            begin += whole_pages(size)
        self._start(facts, parts, self._core.import_model)

    def _make(self, graph: bytes, kept: KeptGraph) -> None:
        """Get ready from the ONNX file, and keep what was made of it."""
        try:
            model = self._core.read_model(graph)
            shape = model.input('crop').get_partial_shape()
            shape[0] = 1
            model.reshape({'crop': shape})
            metadata = model.get_rt_info('framework').value if 'framework' in model.get_rt_info() else {}
            facts = {'metadata': metadata, 'outputs': [output.get_any_name() for output in model.outputs]}
            parts = parts_of(self._openvino, model, self._last, self._first)
            compiled = self._start(facts, parts, self._core.compile_model)
            if kept.building is not None:
                with suppress(OSError):  # it is then made at every start
                    write_parts(kept.building, facts, parts, [one.export_model().getvalue() for one in compiled])
                    kept.seal()
        finally:
            kept.discard()  # of what is sealed nothing is left to remove

    def _start(self, facts: dict[str, Any], parts: list[Part], load: Callable[..., Any]) -> list[Any]:
        """Get ready for one crop; the loaded parts."""
        self._metadata, self._outputs = dict(facts['metadata']), tuple(facts['outputs'])
        self._parts, self._load = parts, load
        loaded = self._loaded(1)
        self._alone = self._halves(loaded)
        self._beside: Future[list[tuple[Lane, Lane]]] | None = None
        return loaded

    def _loaded(self, crops: int) -> list[Any]:
        """The parts, for so many crops at a time, which share the threads. More than one for a crop is of use to the convolutions only."""
        common = {'NUM_STREAMS': crops, 'ENABLE_CPU_PINNING': False}  # the other stages need the cores, too
        fast = common | {'INFERENCE_NUM_THREADS': self._threads}
        exact = common | {'INFERENCE_NUM_THREADS': crops, 'INFERENCE_PRECISION_HINT': self._openvino.Type.f32}
        return [self._load(part.model, 'CPU', fast if part.name in CONVOLUTIONS else exact) for part in self._parts]


@dataclass(frozen=True)
class Begun:
    """Crops of which the first answers are there."""

    names: Sequence[str]  # of the answers that were asked for
    parts: list[str]  # that run for them
    rows: list[dict[str, np.ndarray]]  # of each crop: the answers, and what the other parts go on from


class Lane:
    """The way of one crop at a time through some parts. `tensors` are their answers by name, overwritten by the next crop's."""

    def __init__(self, openvino: Any, parts: list[tuple[Part, Any]]) -> None:
        self._tensor = openvino.Tensor
        self.requests = {part.name: model.create_infer_request() for part, model in parts}
        self.tensors: dict[str, Any] = {}
        self._given: list[tuple[str, str, int]] = []  # part, name and place of what `take` brings
        for part, _ in parts:
            for place, name in enumerate(part.inputs):
                if name in self.tensors:
                    self.requests[part.name].set_input_tensor(place, self.tensors[name])
                else:
                    self._given.append((part.name, name, place))
            self.tensors |= {name: self.requests[part.name].get_output_tensor(place) for place, name in enumerate(part.outputs)}

    def take(self, row: dict[str, np.ndarray], parts: list[str]) -> None:
        """What these parts work on next, which must stay as it is until the answers are there."""
        self._row = row
        for part, name, place in self._given:
            if part in parts:
                self.requests[part].set_input_tensor(place, self._tensor(row[name], shared_memory=True))


def advance(lanes: list[Lane], rows: list[dict[str, np.ndarray]], parts: list[str]) -> None:
    """Take the rows through those of the parts that the lanes have, side by side."""
    for lane, row in zip(lanes, rows):
        lane.take(row, parts)
    for part in parts:
        requests = [lane.requests[part] for lane in lanes if part in lane.requests]
        for request in requests[1:]:
            request.start_async()
        for request in requests[:1]:  # on this very thread: handing a part over and coming back takes 0.2 to 0.6 ms
            request.infer(share_inputs=True, share_outputs=True)
        for request in requests[1:]:
            request.wait()


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
