"""A result as text that a person likes to read."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.bench.contenders import KINDS
from benchmarks.bench.goals import goals_of
from benchmarks.bench.network import ALL, TEXTURED, Beside, NetworkFigures, Roofline
from benchmarks.bench.rounds import Figures

if TYPE_CHECKING:
    from benchmarks.bench.command import Result

SHOWN = ('onnxruntime', 'onnxruntime-gpu', 'openvino', 'tensorrt', 'mediapipe', 'opencv-python')  # packages whose versions are told
HANDS = {1: 'One hand', 2: 'Two hands'}
START_KINDS = {'mediapipe': 'MediaPipe, first points', 'mesh': 'our pipeline, first mesh', 'overlay': 'with overlay, first picture'}


def text(result: Result) -> str:
    """All of it."""
    parts = [head(result)]
    parts += [played(result, hands) for hands in sorted({one.hands for one in result.contenders})]
    parts[-1] += f'\n  Decoding: {result.decode_cpu_ms:.1f} ms of processor time a frame; only reconstruct pays for that.'
    parts += [stages(result), network(result), batches(result), starts(result), goals(result)]
    if result.left_out or result.doubts:
        parts.append('\n'.join(['To know', *(f'  {sentence}' for sentence in (*result.doubts, *result.left_out))]))
    return '\n\n'.join(part for part in parts if part)


def head(result: Result) -> str:
    machine = result.machine
    packages = [f'{name} {machine.versions[name]}' for name in SHOWN if name in machine.versions]
    memory = f', {machine.memory_gb:.0f} GB' if machine.memory_gb else ''
    return '\n'.join([
        f'{result.clip}, {result.frames} frames of {result.size[0]} x {result.size[1]}, {plural(result.rounds, "round")} in turn, '
        f'{result.date[:16].replace("T", " ")} UTC, {result.seconds:.0f} s',
        f'{machine.cpu}, {plural(machine.cores, "core")}{memory}; {machine.gpu or "no GPU"}; OpenGL: {machine.opengl or "none"}',
        f'{machine.system}, Python {machine.versions["python"]}, {", ".join(packages)}',
        f'{result.network.name} on {result.provider}'])


def played(result: Result, hands: int) -> str:
    second = {(ratio.kind, ratio.threads): ratio for ratio in result.second_hand if hands == 2}
    rows = [('', 'frames/s', 'of MediaPipe', 'ms a frame', 'p95', 'processor ms', 'of MediaPipe',
             *(('time of one', 'processor') if second else ()))]
    for one in result.contenders:
        if one.hands == hands:
            ratio = second.get((one.kind, one.threads))
            of_one = (ratio.wall, ratio.cpu) if ratio else (math.nan,) * 2 if second else ()
            rows.append((named(one, result), f'{one.fps:.1f}', f'{one.fps_of_mediapipe:.2f} x', number(one.p50), number(one.p95),
                         number(one.cpu_ms), number(one.cpu_of_mediapipe, ' x', 2), *(number(value, ' x', 2) for value in of_one)))
    note = ['  Time of one, processor: in times of one hand looked for in the same pictures.'] if second else []
    return '\n'.join([f'{HANDS[hands]} ({result.pictures[hands]})', *columns(rows), *note])


def stages(result: Result) -> str:
    """Where a frame's time goes, with the first number of threads."""
    chosen = [one for one in result.contenders if one.kind == 'overlay']
    chosen = [one for one in chosen if one.threads == chosen[0].threads]
    names = list(dict.fromkeys(stage.name for one in chosen for stage in one.stages))
    head = [''] + [cell for one in chosen for cell in (f'{plural(one.hands, "hand")}: p50', 'p95', 'processor')]
    rows = [head]
    for name in names:
        row = [name]
        for one in chosen:
            stage = next((stage for stage in one.stages if stage.name == name), None)
            row += [f'{stage.p50:.2f}', f'{stage.p95:.2f}', f'{stage.cpu:.2f}'] if stage else ['-'] * 3
        rows.append(row)
    rest = ['between them']
    for one in chosen:
        rest += ['', '', f'{max(0.0, one.cpu_ms - sum(stage.cpu for stage in one.stages)):.2f}']
    title = (f'Where a frame goes, ms ({plural(chosen[0].threads or 1, "thread")}; p50 and p95 of the frames in which a stage ran, '
             'processor: mean over all)')
    return '\n'.join([title, *columns([*rows, rest])])


def network(result: Result) -> str:
    ours = result.network
    rows = [('', '', 'ms', 'p95', 'processor ms', 'million multiply-adds')]
    for one in ours.single:
        macs = f'{ours.operations[one.name].macs / 1e6:.0f}' if one.part in (TEXTURED, ALL) else ''
        rows.append((f'{one.name}, {one.part}', place_of(one), f'{one.p50:.2f}', f'{one.p95:.2f}', f'{one.cpu_ms:.2f}', macs))
    lines = ['The network alone, one crop', *columns(rows, left=2)]
    beside = [[f'{one.part}, {place_of(one)}', f'{one.wall:.2f} x', f'{one.cpu:.2f} x'] for one in ours.of_b0]
    if beside:
        lines += ['  In times of EfficientNet-b0 with skinning in ONNX Runtime', *columns([['', 'time', 'processor time'], *beside])]
    lines += [f'  Roofline: {roof_line(roof)}' for roof in ours.rooflines]
    return '\n'.join(lines)


def roof_line(roof: Roofline) -> str:
    return (f'{place_of(roof)}: {roof.reached_gflops:.0f} of {roof.peak_gflops:.0f} GFLOP/s, {100 * roof.share:.0f} % of the rate of a '
            f'large float32 matrix product; the arithmetic alone: {roof.least_ms:.2f} ms')


def batches(result: Result) -> str:
    counts = list(dict.fromkeys(one.batch for one in result.network.batches))
    rows = [['hands at once', *map(str, counts)]]
    for place in dict.fromkeys(place_of(one) for one in result.network.batches):
        of = [one for one in result.network.batches if place_of(one) == place]
        rows.append([f'{place}: ms a hand', *(f'{one.p50 / one.batch:.2f}' for one in of)])
        rows.append([f'{place}: processor ms a hand', *(f'{one.cpu_ms / one.batch:.2f}' for one in of)])
        rows.append([f'{place}: hands/s', *(f'{one.hands_per_second:.0f}' for one in of)])
    return '\n'.join(['The network, several hands at once', *columns(rows)])


def starts(result: Result) -> str:
    if not result.starts:
        return ''
    rows = [('', 'imported', 'first hand', 'processor', 'memory', 'peak')]
    rows += [(START_KINDS[one.kind], f'{one.imported_ms:.0f} ms', f'{one.first_ms:.0f} ms', f'{one.first_cpu_ms:.0f} ms',
              f'{one.memory_mb:.0f} MB', f'{one.peak_mb:.0f} MB') for one in result.starts]
    heavy = sorted({name for one in result.starts for name in one.heavy})
    note = [f'  Loaded although not needed: {", ".join(heavy)}'] if heavy else []
    return '\n'.join(['A new process, one hand', *columns(rows), *note])


def goals(result: Result) -> str:
    rows = []
    for goal in goals_of(result):
        digits = 0 if goal.unit == ' ms' else 2
        what, bound = ': '.join(filter(None, (goal.what, goal.way))), 'at least' if goal.at_least else 'at most'
        rows.append((what, f'{goal.is_:.{digits}f}{goal.unit}', f'{bound} {goal.wanted:.{digits}f}{goal.unit}',
                     'reached' if goal.reached else 'missed'))
    return '\n'.join(['Goals', *columns(rows)]) if rows else ''


def named(one: Figures, result: Result) -> str:
    """The contender, with its threads where there are several."""
    several = len({other.threads for other in result.contenders if other.threads}) > 1
    return KINDS[one.kind] + (f', {plural(one.threads, "thread")}' if one.threads and several else '')


def place_of(one: NetworkFigures | Roofline | Beside) -> str:
    return one.provider + (f', {plural(one.threads, "thread")}' if one.threads else '')


def number(value: float, unit: str = '', digits: int = 1) -> str:
    """A dash for what is not a number."""
    return f'{value:.{digits}f}{unit}' if math.isfinite(value) else '-'


def plural(count: int, word: str) -> str:
    return f'{count} {word}{"s" * (count != 1)}'


def columns(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines with the cells under each other, the first `left` columns to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append('  ' + '  '.join(cells).rstrip())
    return lines
