"""The network by itself: beside others, for many hands at once, and beside what the machine can do at best."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx.utils import Extractor

from app.regression import Provider, Regressor, wanted_providers
from benchmarks.bench.operations import GPU_SIDE, SIDE, Operations, count_operations, product_graph
from benchmarks.bench.peers import NAMES

ALL, SKINNED = 'all answers', 'network + skinning'
WARM_UP = 3  # runs that do not count

Place = tuple[Provider, int | None]  # where a graph runs: provider, and the number of threads on a CPU


@dataclass(frozen=True)
class NetworkFigures:
    """One graph on one provider: a run over `batch` crops."""

    name: str
    part: str  # all its answers, or the vertices only: network + skinning
    provider: str
    threads: int | None  # None on a GPU
    batch: int
    p50: float  # milliseconds a run
    p95: float
    cpu_ms: float  # processor time a run, all threads; median of the rounds
    hands_per_second: float  # by the median


@dataclass(frozen=True)
class Roofline:
    """What the arithmetic alone would take, on one provider."""

    provider: str
    threads: int | None
    peak_gflops: float  # of a large matrix product in float32, the best of all runs; an addition and a multiplication are two operations
    reached_gflops: float  # by the network, one crop at a time, median
    share: float  # of the product's rate, by processor time on a CPU; median of the rounds' ratios
    least_ms: float  # a crop could take at this peak


@dataclass(frozen=True)
class Beside:
    """What one graph takes in times of another; medians of the rounds' ratios."""

    provider: str
    threads: int | None
    wall: float
    cpu: float


@dataclass(frozen=True)
class Networks:
    """Everything about the network."""

    name: str
    operations: dict[str, Operations]  # of one crop; ours and its peers'
    single: list[NetworkFigures]
    of_b0: list[Beside]  # network + skinning beside EfficientNet-b0 + skinning
    batches: list[NetworkFigures]
    rooflines: list[Roofline]


@dataclass
class Runner:
    """One thing that can be run again and again, and what its runs took."""

    name: str
    part: str
    provider: str
    threads: int | None
    batch: int
    run: Callable[[], Any]
    wall: list[np.ndarray]  # of each round, (runs,) milliseconds
    cpu: list[float]  # of each round, milliseconds a run

    def round(self, runs: int) -> None:
        """So many runs."""
        times, cpu = [time.perf_counter()], time.process_time()
        for _ in range(runs):
            self.run()
            times.append(time.perf_counter())
        self.cpu.append(1e3 * (time.process_time() - cpu) / runs)
        self.wall.append(1e3 * np.diff(times))

    def figures(self) -> NetworkFigures:
        wall = np.concatenate(self.wall)
        middle = float(np.median(wall))
        return NetworkFigures(self.name, self.part, self.provider, self.threads, self.batch, middle, float(np.percentile(wall, 95)),
                              float(np.median(self.cpu)), 1e3 * self.batch / middle)


def measure_networks(weights: Path | None, places: list[Place], batches: list[int], peers: dict[str, Path], rounds: int, runs: int,
                     tell: Callable[[str], None]) -> Networks:
    """All graphs in turn, in each place. `peers`: name -> ONNX file, none for a quick look."""
    regressor = Regressor(weights, 'cpu')
    named = {regressor.name: onnx.load(str(regressor.path))} | {NAMES[name]: onnx.load(str(path)) for name, path in peers.items()}
    graphs = {(name, ALL): model for name, model in named.items()}
    graphs |= {(name, SKINNED): skinned(model) for name, model in named.items() if 'vertices' in [o.name for o in model.graph.output]}
    ours, size = regressor.name, regressor.size
    del regressor
    found = Networks(ours, {name: count_operations(model) for name, model in named.items()}, [], [], [], [])
    for provider, count in places:
        tell(f'the network: {provider}' + (f', {count} threads' if count else ''))
        own = Regressor(weights, provider, count).session  # the program's own, with TensorRT's kept engine
        # TensorRT would build an engine for each graph for minutes
        others = {key: model for key, model in graphs.items() if key != (ours, ALL) and provider != 'tensorrt'}
        alone = [runner(ours, ALL, own, count, 1, size)]
        alone += [runner(*key, session_of(model.SerializeToString(), provider, count), count, 1, size) for key, model in others.items()]
        many = [runner(ours, ALL, own, count, batch, size) for batch in batches]
        side = SIDE if provider == 'cpu' else GPU_SIDE
        product = matrix_product(side, provider, count)
        for one in (*alone, *many, product):
            one.round(WARM_UP)
            one.wall.clear(), one.cpu.clear()
        for _ in range(rounds):
            for one in alone:
                one.round(runs)
            product.round(max(2, runs // 4))
            for one in many:
                one.round(max(2, runs // one.batch))
        found.single.extend(one.figures() for one in alone)
        found.batches.extend(one.figures() for one in many)
        found.rooflines.append(roofline(alone[0], product, 2e-9 * side ** 3, 2e-9 * found.operations[ours].macs))
        meshes = {one.name: one for one in alone if one.part == SKINNED}
        if {ours, NAMES['efficientnet-b0']} <= meshes.keys():
            found.of_b0.append(beside(meshes[ours], meshes[NAMES['efficientnet-b0']]))
    return found


def runner(name: str, part: str, session: ort.InferenceSession, threads: int | None, batch: int, size: int) -> Runner:
    crops = np.random.default_rng(0).random((batch, 3, size, size), np.float32)
    return Runner(name, part, session.get_providers()[0].removesuffix('ExecutionProvider'), threads, batch,
                  lambda: session.run(None, {'crop': crops}), [], [])


def matrix_product(side: int, provider: Provider, threads: int | None) -> Runner:
    """A product of two square matrices, both of which lie where the provider computes."""
    session = session_of(product_graph(side), 'cuda' if provider == 'tensorrt' else provider, threads)
    device = 'cpu' if session.get_providers()[0].startswith('CPU') else 'cuda'
    left = ort.OrtValue.ortvalue_from_numpy(np.random.default_rng(1).standard_normal((side, side), np.float32), device, 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input('a', left)
    binding.bind_output('c', device)
    return Runner('matrix product', '', session.get_providers()[0].removesuffix('ExecutionProvider'), threads, 1,
                  lambda: session.run_with_iobinding(binding), [], [])


def session_of(graph: bytes, provider: Provider, threads: int | None) -> ort.InferenceSession:
    """A session set up as the program's own (`app/regression.py`), for any graph."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads or 1, 1, 3
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    names = [(name, {'use_tf32': '0'} if name.startswith('CUDA') else {}) for name in wanted_providers(provider, ort)]
    return ort.InferenceSession(graph, options, providers=names)


def skinned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Only what leads from the crop to the vertices."""
    return Extractor(model).extract_model(['crop'], ['vertices'])


def beside(ours: Runner, other: Runner) -> Beside:
    wall, cpu = ([a / b for a, b in zip(*pair)] for pair in (
        [[float(np.median(times)) for times in one.wall] for one in (ours, other)], (ours.cpu, other.cpu)))
    return Beside(ours.provider, ours.threads, float(np.median(wall)), float(np.median(cpu)))


def roofline(ours: Runner, product: Runner, product_gflop: float, our_gflop: float) -> Roofline:
    """The share by processor time on a CPU, which other programs hardly touch; each round had both."""
    peak = product_gflop / (1e-3 * min(float(wall.min()) for wall in product.wall))
    took = [(one.cpu if one.threads else [float(np.median(wall)) for wall in one.wall]) for one in (ours, product)]
    share = [(our_gflop / a) / (product_gflop / b) for a, b in zip(*took)]
    return Roofline(ours.provider, ours.threads, peak, our_gflop / (1e-3 * float(np.median(np.concatenate(ours.wall)))),
                    float(np.median(share)), 1e3 * our_gflop / peak)
