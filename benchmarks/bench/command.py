"""`python main.py bench`: what it asks, what it refuses, and in which order it measures."""
from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from app.errors import InputError
from app.regression import Provider, Regressor
from benchmarks.bench.clip import Clip, clips_for, read_clip
from benchmarks.bench.fresh import KINDS, Start, start_anew
from benchmarks.bench.machine import Machine, this_machine
from benchmarks.bench.network import Networks, Place, measure_networks
from benchmarks.bench.peers import NoPeers, peer_graphs
from benchmarks.bench.rounds import SURE, Figures, SecondHand, play_in_turn

DEMO = Path(__file__).resolve().parent.parent.parent / 'assets' / 'demo' / 'demo.mp4'
BATCHES = (1, 2, 4, 8, 16)
PROVIDERS: tuple[Provider, ...] = ('auto', 'openvino', 'cpu', 'cuda', 'tensorrt')
ON_CPU = ('openvino', 'cpu')
STARTS = 3  # new processes of each kind


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    frames: int
    rounds: int
    hands: tuple[int, ...]
    threads: tuple[int, ...]
    runs: int  # of the network in each round
    start_frames: int  # that each new process plays


FULL, QUICK = Amount(100, 5, (1, 2), (1, 2), 20, 30), Amount(16, 1, (1,), (1,), 3, 4)


@dataclass(frozen=True)
class Result:
    """Everything that one bench measured. Lengths of time in milliseconds, rates per second."""

    date: str  # ISO 8601, UTC
    seconds: float  # that all of it took
    machine: Machine
    clip: str
    pictures: dict[int, str]  # number of hands -> what the pictures show
    size: tuple[int, int]  # pixels
    frames: int
    rounds: int
    provider: str  # that the network really ran on
    contenders: list[Figures]
    one_of_two: list[Figures]  # one hand in the pictures of two, where those are others: what two hands are compared with
    second_hand: list[SecondHand]
    decode_cpu_ms: float  # processor time of decoding a frame
    network: Networks
    starts: list[Start]  # in new processes; the one of median length of each kind
    left_out: list[str]  # sentences: what could not be measured, and why
    doubts: list[str]  # sentences: why a figure may not be what it seems


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.HelpFormatter  # most defaults depend on --quick
    parser.add_argument('--clip', type=Path, default=DEMO, metavar='PATH', help='a video, or a folder of pictures (the bundled clip)')
    parser.add_argument('--frames', type=_count, metavar='N', help=f'how many of the clip ({FULL.frames})')
    parser.add_argument('--start', type=_index, default=0, metavar='N', help='number of the first one (0)')
    parser.add_argument('--rounds', type=_count, metavar='N', help=f'how often all play it in turn ({FULL.rounds})')
    parser.add_argument('--hands', type=_numbers(1, 2), metavar='LIST', help='1, 2 or both: 1,2 (both)')
    parser.add_argument('--threads', type=_numbers(1, 64), metavar='LIST', help='of the network on the CPU (1,2)')
    parser.add_argument('--provider', choices=PROVIDERS, default='auto',
                        help='what the network runs on (auto: what the program takes by itself)')
    parser.add_argument('--size', type=_size, metavar='WxH', help="fit the pictures into this size (the clip's own)")
    parser.add_argument('--weights', type=Path, metavar='FILE', help='an exported network (.onnx) instead of the one that ships')
    parser.add_argument('--quick', action='store_true', help='only a look: one hand, one thread, one round, few frames, no other networks')
    parser.add_argument('--json', type=Path, metavar='FILE', help='every figure, and what the machine is')
    parser.add_argument('--plot', type=Path, metavar='FILE.png', help='a picture of the figures')


def run(args: argparse.Namespace) -> int:
    """The command."""
    for path in filter(None, (args.json, args.plot)):
        if not path.resolve().parent.is_dir():
            raise InputError(f'The folder of {path} does not exist; make it, or choose another.')
    if args.plot and args.plot.suffix.lower() != '.png':
        raise InputError(f'{args.plot} does not end in .png, and a PNG is what --plot writes.')
    usual = QUICK if args.quick else FULL
    given = {name: getattr(args, name) for name in ('frames', 'rounds', 'hands', 'threads')}
    amount = replace(usual, **{name: value for name, value in given.items() if value})
    with _progress() as tell:
        result = bench(args, amount, tell)
    from benchmarks.bench.text import text

    print(text(result))
    if args.json:
        from app.outputs.report import write_json

        write_json(args.json, result)
    if args.plot:
        from benchmarks.bench.plot import write_plot

        write_plot(result, args.plot)
    for path in filter(None, (args.json, args.plot)):
        print(f'written: {path}')
    return 0


def bench(args: argparse.Namespace, amount: Amount, tell: Callable[[str], None]) -> Result:
    """Measure everything. Raises InputError before it begins if there is nothing to measure."""
    started, date = time.monotonic(), datetime.now(UTC)
    provider = real_provider(args.provider, args.weights)
    tell('looking for hands')
    clip = read_clip(args.clip, amount.frames, args.size, args.start)
    machine = this_machine()
    clips = clips_for(clip, amount.hands)
    pictures = {hands: one.shown for hands, one in zip(amount.hands, clips)}
    places, left_out = network_places(args.provider, args.weights, amount.threads)
    peers = {}
    if args.quick:
        left_out.append('EfficientNet-b0 and the landmark network beside ours: not in a quick look.')
    else:
        tell('exporting EfficientNet-b0 and the landmark network (once)')
        try:
            peers = peer_graphs()
        except NoPeers as error:
            left_out.append(f'EfficientNet-b0 and the landmark network beside ours: {error}')
    threads = list(amount.threads) if provider.lower() in ON_CPU else [amount.threads[0]]
    decode = decoding(clip)
    if args.quick:
        left_out.append('reconstruct with its files: not in a quick look.')
    played, second_hand = play_in_turn(clips, threads, args.provider, args.weights, amount.rounds, not args.quick, tell)
    contenders, one_of_two = ([one for one in played if (one.pictures == pictures[one.hands]) == told] for told in (True, False))
    batches = list(BATCHES[:2] if args.quick else BATCHES)
    networks = measure_networks(args.weights, places, batches, peers, amount.rounds, amount.runs, tell)
    starts = []
    for kind in KINDS:
        tell(f'new processes: {kind}')
        try:
            starts.append(median_start(kind, clip, threads[-1], args, amount.start_frames, 1 if args.quick else STARTS))
        except RuntimeError as error:
            left_out.append(f'Start of {kind}: {error}')
    return Result(date.isoformat(timespec='seconds'), round(time.monotonic() - started, 1), machine, clip.path.name,
                  pictures, clip.size, len(clip.frames), amount.rounds, provider, contenders, one_of_two, second_hand, decode, networks,
                  starts, left_out, doubts(machine, played))


def real_provider(asked: Provider, weights: Path | None) -> str:
    """What the network will run on. Raises InputError if it is not what was asked for."""
    regressor = Regressor(weights, asked)
    if asked != 'auto' and not is_on(regressor, asked):
        raise InputError(f'{regressor.note} With --provider cpu, that is what is measured.')
    return regressor.provider


def is_on(regressor: Regressor, asked: Provider) -> bool:
    """Whether the network runs on what was asked for."""
    return regressor.provider.lower().startswith(asked)


def network_places(asked: Provider, weights: Path | None, threads: tuple[int, ...]) -> tuple[list[Place], list[str]]:
    """Where the network alone is measured, and a sentence for each provider that is not there. All that are if 'auto' was asked for."""
    places: list[Place] = []
    left_out = []
    for name in PROVIDERS[1:]:
        if asked in ('auto', name):
            regressor = Regressor(weights, name)
            if is_on(regressor, name):
                places += [(name, count) for count in threads] if name in ON_CPU else [(name, None)]
            else:
                left_out.append(regressor.note)
    return places, left_out


def decoding(clip: Clip) -> float:
    """Milliseconds of processor time that reading a frame of the clip takes."""
    before = time.process_time()
    count = sum(1 for _ in clip.decoded())
    return 1e3 * (time.process_time() - before) / count


def median_start(kind: str, clip: Clip, threads: int, args: argparse.Namespace, frames: int, times: int) -> Start:
    starts = [start_anew(kind, clip.path, clip.start, frames, threads, args.provider, args.weights) for _ in range(times)]
    return sorted(starts, key=lambda start: start.first_ms)[len(starts) // 2]


def doubts(machine: Machine, contenders: list[Figures]) -> list[str]:
    """Why some figures may not be what they seem."""
    said = []
    if machine.busy:
        said.append(f'Other programs were running: {machine.load} wanted {machine.cores} cores. Look at ratios and at processor time.')
    for one in contenders:
        if one.found < SURE:
            said.append(f'{one.kind} with {one.hands} hands found all of them in only {100 * one.found:.0f} % of the frames.')
    return list(dict.fromkeys(said))


@contextlib.contextmanager
def _progress():
    """One line on the terminal that says what is being done; nothing where a program reads."""
    if not sys.stderr.isatty():
        yield lambda sentence: None
        return
    try:
        yield lambda sentence: print(f'\r\x1b[K{sentence}', end='', file=sys.stderr, flush=True)
    finally:
        print('\r\x1b[K', end='', file=sys.stderr, flush=True)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100000:
        raise argparse.ArgumentTypeError(f'{text} is not a number from 1 on')
    return int(text)


def _index(text: str) -> int:
    if not text.isdecimal() or int(text) > 10_000_000:
        raise argparse.ArgumentTypeError(f'{text} is not a number from 0 on')
    return int(text)


def _numbers(low: int, high: int) -> Callable[[str], tuple[int, ...]]:
    def read(text: str) -> tuple[int, ...]:
        parts = text.split(',')
        if not all(part.isdecimal() and low <= int(part) <= high for part in parts) or len(set(parts)) < len(parts):
            raise argparse.ArgumentTypeError(f'{text!r} is not a list of different numbers from {low} to {high}, like {low},{low + 1}')
        return tuple(sorted(int(part) for part in parts))
    return read


def _size(text: str) -> tuple[int, int]:
    parts = text.lower().split('x')
    if len(parts) != 2 or not all(part.isdecimal() and 64 <= int(part) <= 8192 for part in parts):
        raise argparse.ArgumentTypeError(f'{text!r} is not a size like 640x480, with sides of 64 to 8192 pixels')
    return int(parts[0]), int(parts[1])
