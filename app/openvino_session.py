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
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from app.graph_cache import KeptGraph
from app.openvino_parts import LAST, TRUNK, Part, parts_of

# Two packages that OpenVINO imports where they are there, and does without. The first calls home when it is imported; the second converts
# networks of other kinds, imports the first, and takes a third of the time.
UNWANTED = ('openvino_telemetry', 'openvino.tools.ovc')
FORM = 2  # of the kept file; another one where the parts are cut otherwise
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

    def __init__(self, graph: bytes, threads: int, last: Collection[str]) -> None:
        """The ONNX file `graph`; the answers `last` take time only when they are asked for. Raises ImportError if OpenVINO is not
        installed, RuntimeError and others of its own if it cannot run the graph."""
        self._openvino = import_openvino()
        self._core, self._threads, self._last = self._openvino.Core(), threads, tuple(last)
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
        crops, names = inputs['crop'], self._outputs if names is None else names
        parts = [part for part in self._alone.requests if part != LAST or not {*names}.isdisjoint(self._last)]
        rows: list[list[np.ndarray]] = []
        while len(rows) < len(crops):
            lanes = self._lanes(len(crops) - len(rows))
            for lane, crop in zip(lanes, crops[len(rows):]):
                lane.take(crop)
            for part in parts:
                for lane in lanes:
                    lane.requests[part].start_async()
                for lane in lanes:
                    lane.requests[part].wait()
            rows += [[lane.tensors[name].data.copy() for name in names] for lane in lanes]
        return [np.concatenate(answer) for answer in zip(*rows)]

    def _lanes(self, crops: int) -> list[Lane]:
        """The ways for the next crops. Those beside each other are made when several crops come for the first time, which for many people
        is never. That takes half a second, and happens in the background: until then one crop follows another."""
        if crops == 1 or self._threads == 1:
            return [self._alone]
        if self._beside is None:
            pool = ThreadPoolExecutor(1, 'openvino')
            self._beside = pool.submit(self._made_beside)
            pool.shutdown(wait=False)
        return self._beside.result()[:crops] if self._beside.done() else [self._alone]

    def _made_beside(self) -> list[Lane]:
        loaded = self._loaded(self._threads)
        return [Lane(self._openvino, self._parts, loaded) for _ in range(self._threads)]

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
            parts = parts_of(self._openvino, model, self._last)
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
        self._alone = Lane(self._openvino, parts, loaded)
        self._beside: Future[list[Lane]] | None = None
        return loaded

    def _loaded(self, crops: int) -> list[Any]:
        """The parts, for so many crops at a time, which share the threads. More than one for a crop is of use to the convolutions only."""
        common = {'NUM_STREAMS': crops, 'ENABLE_CPU_PINNING': False}  # the other stages need the cores, too
        settings = {TRUNK: common | {'INFERENCE_NUM_THREADS': self._threads}}
        exact = common | {'INFERENCE_NUM_THREADS': crops, 'INFERENCE_PRECISION_HINT': self._openvino.Type.f32}
        return [self._load(part.model, 'CPU', settings.get(part.name, exact)) for part in self._parts]


class Lane:
    """The way of one crop at a time through the parts. `tensors` are the answers by name, overwritten by the next crop's."""

    def __init__(self, openvino: Any, parts: list[Part], compiled: list[Any]) -> None:
        self._tensor = openvino.Tensor
        self.requests = {part.name: model.create_infer_request() for part, model in zip(parts, compiled)}
        self.tensors: dict[str, Any] = {}
        self._crops: list[tuple[Any, int]] = []  # where the crop goes in
        for part in parts:
            request = self.requests[part.name]
            for place, name in enumerate(part.inputs):
                if name == 'crop':
                    self._crops.append((request, place))
                else:
                    request.set_input_tensor(place, self.tensors[name])
            self.tensors |= {name: request.get_output_tensor(place) for place, name in enumerate(part.outputs)}

    def take(self, crop: np.ndarray) -> None:
        """The next crop (3, S, S), which must stay as it is until the answers are there."""
        self._crop = self._tensor(crop[None], shared_memory=True)
        for request, place in self._crops:
            request.set_input_tensor(place, self._crop)


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
