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

from app.hand_model import JOINTS, SHAPES, HandModel
from app.regression import Provider, Regressor, provider_of, wanted_providers
from benchmarks.bench.operations import GPU_SIDE, SIDE, Operations, count_operations, product_graph
from benchmarks.bench.peers import NAMES

SKINNED = 'network + skinning'  # ours: as the program runs it in most frames, from a crop's bytes to the mesh
TEXTURED = 'network + skinning + texture'  # ours: as it does in the others
ALL = 'all answers'  # of a network that has no mesh
WARM_UP = 3  # runs that do not count

Place = tuple[Provider, int | None]  # where ours runs: provider, and the number of threads on a CPU


@dataclass(frozen=True)
class NetworkFigures:
    """One network on one provider: a run over `batch` crops."""

    name: str
    part: str  # how much of it
    provider: str
    threads: int | None  # None on a GPU
    batch: int
    p50: float  # milliseconds a run
    p95: float
    cpu_ms: float  # processor time a run, all threads; median of the rounds
    hands_per_second: float  # by the median


@dataclass(frozen=True)
class Roofline:
    """What the arithmetic alone, in float32, would take on one provider."""

    provider: str
    threads: int | None
    peak_gflops: float  # of a large matrix product in float32, the best of all runs; an addition and a multiplication are two operations
    reached_gflops: float  # by the network, one crop at a time, median
    share: float  # of the product's rate, by processor time on a CPU; median of the rounds' ratios
    least_ms: float  # a crop could take at this peak


@dataclass(frozen=True)
class Beside:
    """What ours takes in times of another network in ONNX Runtime; medians of the rounds' ratios."""

    part: str  # of ours
    provider: str  # of ours
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
    """Ours in each place, and all others in ONNX Runtime beside it, in turn. `peers`: name -> ONNX file, none for a quick look."""
    regressor = Regressor(weights, 'cpu')
    ours, named = regressor.name, {NAMES[name]: onnx.load(str(path)) for name, path in peers.items()}
    operations = {name: count_operations(model) for name, model in {ours: onnx.load(str(regressor.path)), **named}.items()}
    del regressor
    others = {(name, SKINNED if has_mesh(model) else ALL): (skinned(model) if has_mesh(model) else model).SerializeToString()
              for name, model in named.items()}
    found, hand = Networks(ours, operations, [], [], [], []), HandModel.load()
    for (family, count), providers in together(places).items():
        tell(f'the network: {", ".join(providers)}' + (f', {count} threads' if count else ''))
        regressors = [Regressor(weights, provider, count) for provider in providers]
        alone = [own(regressor, hand, count, part, 1) for regressor in regressors for part in (SKINNED, TEXTURED)]
        # TensorRT would build an engine for each graph for minutes
        beside = [runner(*key, session_of(graph, family, count), count) for key, graph in others.items() if family != 'tensorrt']
        many = [own(regressor, hand, count, SKINNED, batch) for regressor in regressors for batch in batches]
        side = SIDE if family == 'cpu' else GPU_SIDE
        product = matrix_product(side, family, count)
        for one in (*alone, *beside, *many, product):
            one.round(WARM_UP)
            one.wall.clear(), one.cpu.clear()
        for _ in range(rounds):
            for one in (*alone, *beside):
                one.round(runs)
            product.round(max(2, runs // 4))
            for one in many:
                one.round(max(2, runs // one.batch))
        found.single.extend(one.figures() for one in (*alone, *beside))
        found.batches.extend(one.figures() for one in many)
        whole = [one for one in alone if one.part == TEXTURED]
        found.rooflines.extend(roofline(one, product, 2e-9 * side ** 3, 2e-9 * operations[ours].macs) for one in whole)
        found.of_b0.extend(ratio(one, peer) for one in alone for peer in beside if peer.name == NAMES['efficientnet-b0'])
    return found


def together(places: list[Place]) -> dict[Place, list[Provider]]:
    """What shares a processor is measured in turn: (where the peers run, threads) -> the providers of ours."""
    groups: dict[Place, list[Provider]] = {}
    for provider, count in places:
        groups.setdefault(('cpu' if provider == 'openvino' else provider, count), []).append(provider)
    return groups


def own(regressor: Regressor, hand: HandModel, threads: int | None, part: str, batch: int) -> Runner:
    """The program's own network and skinning, from crops of bytes to meshes."""
    crops = np.random.default_rng(0).integers(0, 256, (batch, regressor.size, regressor.size, 3), np.uint8)
    regressor(crops)
    regressor.settle()
    pose, shape = np.tile(np.array([1.0, 0, 0, 0]), (JOINTS, 1)), np.zeros(SHAPES)

    def run() -> None:
        for _ in regressor(crops, part == TEXTURED):
            hand.posed(pose, shape)

    return Runner(regressor.name, part, regressor.provider, threads, batch, run, [], [])


def runner(name: str, part: str, session: ort.InferenceSession, threads: int | None) -> Runner:
    """One crop through another network."""
    size = session.get_inputs()[0].shape[-1]
    crop = np.random.default_rng(0).random((1, 3, size, size), np.float32)
    return Runner(name, part, provider_of(session), threads, 1, lambda: session.run(None, {'crop': crop}), [], [])


def matrix_product(side: int, provider: Provider, threads: int | None) -> Runner:
    """A product of two square matrices, both of which lie where the provider computes."""
    session = session_of(product_graph(side), 'cuda' if provider == 'tensorrt' else provider, threads)
    device = 'cpu' if session.get_providers()[0].startswith('CPU') else 'cuda'
    left = ort.OrtValue.ortvalue_from_numpy(np.random.default_rng(1).standard_normal((side, side), np.float32), device, 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input('a', left)
    binding.bind_output('c', device)
    return Runner('matrix product', '', provider_of(session), threads, 1, lambda: session.run_with_iobinding(binding), [], [])


def session_of(graph: bytes, provider: Provider, threads: int | None) -> ort.InferenceSession:
    """A session set up as the program's own (`app/regression.py`), for any graph."""
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads or 1, 1, 3
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    names = [(name, {'use_tf32': '0'} if name.startswith('CUDA') else {}) for name in wanted_providers(provider, ort)]
    return ort.InferenceSession(graph, options, providers=names)


def has_mesh(model: onnx.ModelProto) -> bool:
    return 'vertices' in [output.name for output in model.graph.output]


def skinned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Only what leads from the crop to the vertices."""
    return Extractor(model).extract_model(['crop'], ['vertices'])


def ratio(ours: Runner, other: Runner) -> Beside:
    wall, cpu = ([a / b for a, b in zip(*pair)] for pair in (
        [[float(np.median(times)) for times in one.wall] for one in (ours, other)], (ours.cpu, other.cpu)))
    return Beside(ours.part, ours.provider, ours.threads, float(np.median(wall)), float(np.median(cpu)))


def roofline(ours: Runner, product: Runner, product_gflop: float, our_gflop: float) -> Roofline:
    """The share by processor time on a CPU, which other programs hardly touch; each round had both."""
    peak = product_gflop / (1e-3 * min(float(wall.min()) for wall in product.wall))
    took = [(one.cpu if one.threads else [float(np.median(wall)) for wall in one.wall]) for one in (ours, product)]
    share = [(our_gflop / a) / (product_gflop / b) for a, b in zip(*took)]
    return Roofline(ours.provider, ours.threads, peak, our_gflop / (1e-3 * float(np.median(np.concatenate(ours.wall)))),
                    float(np.median(share)), 1e3 * our_gflop / peak)
