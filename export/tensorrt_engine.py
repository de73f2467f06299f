"""A TensorRT engine, built ahead of time through TensorRT's Python API, with a JSON file beside it that says what it is.

`tensorrt_rtx` builds for named compute capabilities and needs no GPU for it; `tensorrt` builds for the GPU in the machine. The graph is
strongly typed: its own types say what runs in half precision or in eight bits, and nothing else does.
"""
from __future__ import annotations

import argparse
import importlib
import importlib.util
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from tqdm import tqdm

from app.engine_cache import gpu_and_driver
from app.errors import InputError
from app.outputs.atomic import one_sentence, whole_file
from app.outputs.report import write_json
from app.regression import has_nvidia_device
from export.files import check_target, properties, read_exported
from export.onnx_export import CHECKPOINT, checked_graph, read_network

PRECISIONS = ('fp32', 'fp16', 'int8')
TOLD = ('name', 'version', 'checkpoint', 'hand_model', 'size', 'focal', 'normalisation', 'joint_order', 'units')
NOT_INSTALLED = ('TensorRT is not installed; `pip install tensorrt-rtx` builds engines for named GPUs without one in the machine, '
                 '`pip install "tensorrt-cu13<11"` for the GPU in it')


def find_tensorrt(ahead: bool) -> ModuleType:
    """The installed TensorRT; `ahead` of time, for other GPUs than the one here, only `tensorrt_rtx` will do. Raises InputError."""
    wrong = []
    for name in ('tensorrt_rtx', 'tensorrt') if ahead else ('tensorrt', 'tensorrt_rtx'):
        if importlib.util.find_spec(name) is None:
            continue
        try:
            module = importlib.import_module(name)
        except (ImportError, OSError) as error:
            wrong.append(f'the package {name} cannot be loaded ({error})')
            continue
        if ahead and not hasattr(module, 'ComputeCapability'):
            wrong.append(f'{name} {module.__version__} builds only for the GPU in this machine')
            continue
        return module
    raise InputError(f'{" and ".join(wrong)}; `pip install tensorrt-rtx`' if wrong else NOT_INSTALLED)


def capabilities_of(trt: ModuleType, wanted: Sequence[str]) -> list:
    """Compute capabilities like '8.6' as TensorRT has them. Raises InputError for one that it does not build for."""
    known = {f'{name[2:-1]}.{name[-1]}': getattr(trt.ComputeCapability, name) for name in dir(trt.ComputeCapability)
             if name.startswith('SM')}
    if unknown := [text for text in wanted if text not in known]:
        names = ', '.join(sorted(known, key=float))
        raise InputError(f'{trt.__name__} {trt.__version__} does not build for compute capability {", ".join(unknown)}; it knows {names}')
    return [known[text] for text in dict.fromkeys(wanted)]


def build_engine(trt: ModuleType, graph: bytes, size: int, most: int, wanted: Sequence[str] = (), quiet: bool = False) -> bytes:
    """The engine of an ONNX graph for 1 to `most` crops of `size` pixels. Raises InputError with what TensorRT said, if it refuses."""
    said: list[str] = []

    class Log(trt.ILogger):
        def log(self, severity, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                said.append(message)

    log = Log()
    try:
        builder = trt.Builder(log)
    except (TypeError, RuntimeError) as error:  # what a missing driver looks like from Python
        raise InputError(f'{trt.__name__} {trt.__version__} cannot build here ({"; ".join(said) or error}); `pip install tensorrt-rtx` '
                         'and --compute-capability build without a GPU') from error
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph):
        raise InputError(f'TensorRT cannot read the graph: {"; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))}')
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)  # ten bits of a number are too few for places in millimetres
    profile = builder.create_optimization_profile()
    profile.set_shape('crop', (1, 3, size, size), (min(2, most), 3, size, size), (most, 3, size, size))
    config.add_optimization_profile(profile)
    if wanted:
        chosen = capabilities_of(trt, wanted)
        config.num_compute_capabilities = len(chosen)
        for i, capability in enumerate(chosen):
            config.set_compute_capability(capability, i)
    monitor = progress_monitor(trt, quiet)
    config.progress_monitor = monitor
    try:
        engine = builder.build_serialized_network(network, config)
    finally:
        monitor.close()
    if engine is None:
        raise InputError(f'TensorRT built no engine: {"; ".join(dict.fromkeys(said[-3:])) or "it does not say why"}')
    return bytes(engine)


def progress_monitor(trt: ModuleType, quiet: bool):
    """What TensorRT tells its steps to, as bars."""
    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.bars: dict[str, tqdm] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.bars[phase_name] = tqdm(total=num_steps, desc=phase_name[:40], leave=False, disable=quiet)

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self.bars:
                self.bars[phase_name].update(step + 1 - self.bars[phase_name].n)
            return True

        def phase_finish(self, phase_name: str) -> None:
            if phase_name in self.bars:
                self.bars.pop(phase_name).close()

        def close(self) -> None:
            for bar in self.bars.values():
                bar.close()

    return Monitor()


def write_engine(out: Path, engine: bytes, told: dict) -> None:
    """The engine and its description, `out` with .json added; neither without the other. Raises InputError."""
    described = out.with_name(f'{out.name}.json')
    with one_sentence(out):
        out.unlink(missing_ok=True)
        described.unlink(missing_ok=True)
    try:
        with whole_file(out) as file:
            file.write(engine)
        write_json(described, told | {'engine_sha256': sha256(engine).hexdigest()})
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def read_graph(options: argparse.Namespace) -> tuple[bytes, dict[str, str]]:
    """The ONNX graph to build from and its metadata: the named one, or the checkpoint's in the wanted precision. Raises InputError."""
    wanted = options.precision
    if options.network is not None:
        data, graph = read_exported(options.network)
        real = properties(graph)['precision']
        if wanted not in (None, real):
            raise InputError(f'{options.network} is in {real}, not {wanted}; leave out --precision, or export it in {wanted} first')
        return data, properties(graph)
    if wanted == 'int8':
        raise InputError('eight bits need a graph with measured ranges: `python main.py export int8 --out FILE`, then --network FILE')
    graph, _ = checked_graph(read_network(options.checkpoint), options.checkpoint, wanted or 'fp32')
    return graph.SerializeToString(), properties(graph)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--checkpoint', type=Path, default=CHECKPOINT, help='trained weights; default: those that ship')
    parser.add_argument('--network', type=Path, help='an exported ONNX graph, instead of a checkpoint')
    parser.add_argument('--precision', choices=PRECISIONS, help="default: the network's, else fp32; int8 needs --network")
    parser.add_argument('--compute-capability', nargs='+', default=[], metavar='X.Y',
                        help='GPUs to build for, such as 8.6 8.9 12.0 (tensorrt-rtx); default: the one in this machine')
    parser.add_argument('--max-batch', type=int, default=4, help='most crops at once')
    parser.add_argument('--out', type=Path, help='default: beside the checkpoint or network, ending in .PRECISION.engine')
    parser.add_argument('--quiet', action='store_true', help='no progress bars')


def run(options: argparse.Namespace) -> int:
    if not 1 <= options.max_batch <= 4096:
        raise InputError(f'--max-batch must be 1 to 4096, not {options.max_batch}')
    wanted = options.compute_capability
    trt = find_tensorrt(bool(wanted))
    if wanted:
        capabilities_of(trt, wanted)
    elif not has_nvidia_device():
        raise InputError('there is no GPU here to build for; name some with --compute-capability, such as 8.6 8.9 12.0 (tensorrt-rtx)')
    if options.out is not None:
        check_target(options.out)
    graph, metadata = read_graph(options)
    precision = metadata['precision']
    source = options.network or options.checkpoint
    out = options.out or source.with_name(f'{source.name.split(".")[0]}.{precision}.engine')
    if options.out is None:  # its name was not known before
        check_target(out)
    engine = build_engine(trt, graph, int(metadata['size']), options.max_batch, wanted, options.quiet)
    gpu, driver = ('any of the compute capabilities', 'any') if wanted else gpu_and_driver()
    write_engine(out, engine, {
        'graph_sha256': sha256(graph).hexdigest(), 'precision': precision, 'tensorrt': f'{trt.__name__} {trt.__version__}',
        'compute_capabilities': wanted, 'gpu': gpu, 'driver': driver, 'batch': [1, options.max_batch],
        'built': datetime.now(UTC).isoformat(timespec='seconds')} | {key: metadata[key] for key in TOLD if key in metadata})
    where = f'compute capability {", ".join(wanted)}' if wanted else f'{gpu}, driver {driver}'
    print(f'{out}: {len(engine) / 1e6:.1f} MB, {precision}, {trt.__name__} {trt.__version__}, for {where}; '
          f'what it is stands in {out.name}.json')
    return 0
