"""A result as one picture: rates, where a frame goes, the network beside others, and several hands at once."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from app.outputs.picture import write_picture
from benchmarks.bench.goals import MESH_FPS, OVERLAY_FPS, goals_of
from benchmarks.bench.network import SKINNED, TEXTURED
from benchmarks.bench.text import START_KINDS, number, place_of, plural, roof_line

if TYPE_CHECKING:
    from benchmarks.bench.command import Result

WIDTH, HEIGHT, FINER = 1600, 1250, 2  # drawn twice as large, then halved: no ragged edges
PAPER, CARD, LINE = (244, 245, 247), (255, 255, 255), (222, 225, 230)
INK, FAINT = (28, 33, 40), (112, 120, 132)
PEER, OURS, DARK, GOOD, BAD = (176, 184, 194), (58, 125, 207), (24, 78, 150), (42, 145, 90), (196, 88, 60)
PLACES = (OURS, DARK, GOOD, (150, 120, 200))
STAGES = {'detect': (150, 120, 200), 'crop': (240, 196, 84), 'network': OURS, 'refine': (86, 180, 160), 'smooth': (132, 205, 130),
          'texture': (235, 150, 80), 'overlay': (216, 96, 108)}
SHORT = {'mediapipe': 'MediaPipe Hands', 'mesh': 'mesh', 'halves': 'mesh, two halves', 'overlay': 'mesh + overlay',
         'overlapped': 'overlapped', 'fast': 'video, fast', 'consistent': 'video, consistent'}


def write_plot(result: Result, path: Path) -> None:
    """Write the picture as PNG. Raises InputError where the disk refuses."""
    write_picture(path, draw(result))


def draw(result: Result) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8 RGB."""
    sheet = Sheet()
    machine = result.machine
    sheet.text(40, 30, f'{result.clip}, {result.size[0]} x {result.size[1]}, beside MediaPipe Hands', 30, INK)
    under = f'{plural(result.rounds, "round")} of {result.frames} frames in turn; {result.date[:10]}'
    under += '; other programs were running' if machine.busy else ''
    sheet.text(40, 72, f'{machine.cpu}, {plural(machine.cores, "core")}; {machine.gpu or "no GPU"}; {result.network.name} on '
               f'{result.provider}; {under}', 17, FAINT)
    rates(sheet.card(40, 112, 750, 480, 'Frames per second in times of MediaPipe', 'then: frames per second; processor time'), result)
    frame_parts(sheet.card(810, 112, 750, 480, 'Where a frame goes', 'milliseconds of processor time, all threads'), result)
    networks(sheet.card(40, 612, 750, 400, 'The network alone, one crop', 'milliseconds, median; then: processor time'), result)
    many(sheet.card(810, 612, 750, 400, 'The network, several hands at once', 'hands per second'), result)
    ends(sheet.card(40, 1032, 1520, 188, 'Start, memory and goals', ''), result)
    return sheet.done()


def rates(card: Card, result: Result) -> None:
    """A bar for each contender, and the goals as lines."""
    most = max(1.25, *(one.fps_of_mediapipe for one in result.contenders))
    threads = len({one.threads for one in result.contenders if one.threads}) > 1
    row = min(40.0, card.height / (len(result.contenders) + 1.2))
    left, wide, y, hands = 236, 300, 0.0, 0
    for one in result.contenders:
        if one.hands != hands:
            y += 0.2 * row if hands else 0
            hands = one.hands
            card.text(0, y + row / 2, plural(hands, 'hand'), 15, INK, 'lm')
        name = SHORT[one.kind] + (f', {plural(one.threads, "thread")}' if threads and one.threads else '')
        card.text(left - 12, y + row / 2, name, 15, INK, 'rm')
        peer = one.kind == 'mediapipe'
        card.bar(left, y + 0.18 * row, wide * one.fps_of_mediapipe / most, 0.64 * row, PEER if peer else OURS)
        card.text(left + wide * one.fps_of_mediapipe / most + 8, y + row / 2, f'{one.fps_of_mediapipe:.2f} x', 16, INK, 'lm')
        card.text(card.width - 68, y + row / 2, f'{one.fps:.0f} /s', 14, FAINT, 'rm')
        card.text(card.width, y + row / 2, number(one.cpu_ms, ' ms'), 14, FAINT, 'rm')
        y += row
    for wanted, name in ((MESH_FPS, 'mesh'), (OVERLAY_FPS, 'overlay')):
        x = left + wide * wanted / most
        card.line(x, y - 2, x, y + 8, GOOD)
        card.text(x, y + 18, f'goal, {name}', 12, GOOD, 'mm')


def frame_parts(card: Card, result: Result) -> None:
    """Stacked stages of each contender with stages, MediaPipe's whole above them."""
    first = next(one.threads for one in result.contenders if one.kind == 'overlay')
    rows = [one for one in result.contenders if one.kind == 'mediapipe' or (one.kind == 'overlay' and one.threads == first)]
    most, left, wide, row = max(one.cpu_ms for one in rows), 200, card.width - 260, min(72.0, (card.height - 90) / len(rows))
    for i, one in enumerate(rows):
        y = i * row
        card.text(left - 12, y + row / 2, f'{SHORT[one.kind]}, {plural(one.hands, "hand")}', 15, INK, 'rm')
        parts = [(stage.cpu, STAGES.get(stage.name, FAINT)) for stage in one.stages] or [(one.cpu_ms, PEER)]
        parts += [(max(0.0, one.cpu_ms - sum(ms for ms, _ in parts)), LINE)]
        x = float(left)
        for ms, colour in parts:
            card.bar(x, y + 0.2 * row, wide * ms / most, 0.6 * row, colour, round_=2)
            if wide * ms / most > 34:
                card.text(x + wide * ms / most / 2, y + row / 2, f'{ms:.1f}', 14, INK if colour in (PEER, LINE) else CARD, 'mm')
            x += wide * ms / most
        card.text(x + 8, y + row / 2, f'{one.cpu_ms:.1f}', 16, INK, 'lm')
    x, y = 0.0, card.height - 44
    seen = dict.fromkeys(stage.name for one in rows for stage in one.stages)
    for name, colour in [*((name, STAGES.get(name, FAINT)) for name in seen), ('between them', LINE)]:
        wide = 34 + card.long(name, 14) + 14
        if x + wide > card.width:
            x, y = 0.0, y + 26
        card.bar(x, y, 16, 16, colour)
        card.text(x + 24, y + 8, name, 14, INK, 'lm')
        x += wide


def networks(card: Card, result: Result) -> None:
    """Ours beside its peers."""
    figures = result.network.single
    roofs = [roof for roof in result.network.rooflines if roof.provider == result.provider]
    most, left, wide = max(one.p50 for one in figures), 360, card.width - 520
    row = min(44.0, (card.height - 20 - 20 * len(roofs)) / len(figures))
    for i, one in enumerate(figures):
        colour = (DARK if one.part == SKINNED else OURS) if one.name == result.network.name else PEER
        name = one.name.split(', points')[0] + {SKINNED: ', mesh', TEXTURED: ', mesh and texture'}.get(one.part, '')
        card.text(left - 12, (i + 0.5) * row, f'{name}, {place_of(one).removeprefix("CPU, ")}', 14, INK, 'rm')
        card.bar(left, (i + 0.16) * row, wide * one.p50 / most, 0.68 * row, colour)
        card.text(left + wide * one.p50 / most + 8, (i + 0.5) * row, f'{one.p50:.1f}', 15, INK, 'lm')
        card.text(card.width, (i + 0.5) * row, f'{one.cpu_ms:.1f} ms', 14, FAINT, 'rm')
    for i, roof in enumerate(roofs):
        card.text(0, card.height - 4 - 20 * (len(roofs) - 1 - i), roof_line(roof), 12, FAINT, 'lm')


def many(card: Card, result: Result) -> None:
    """Columns for each number of hands, one for each number of threads."""
    figures = result.network.batches
    counts, places = (list(dict.fromkeys(values)) for values in ([one.batch for one in figures], [place_of(one) for one in figures]))
    most, floor, high = max(one.hands_per_second for one in figures), card.height - 28, card.height - 70
    group = card.width / len(counts)
    column = min(52.0, 0.8 * group / len(places))
    for one in figures:
        x = (counts.index(one.batch) + 0.5) * group + (places.index(place_of(one)) - len(places) / 2) * column
        tall = high * one.hands_per_second / most
        card.bar(x + 2, floor - tall, column - 4, tall, PLACES[places.index(place_of(one)) % len(PLACES)])
        card.text(x + column / 2, floor - tall - 11, f'{one.hands_per_second:.0f}', 14, INK, 'mm')
    for i, count in enumerate(counts):
        card.text((i + 0.5) * group, floor + 16, plural(count, 'hand'), 14, INK, 'mm')
    for i, place in enumerate(places):
        card.bar(card.width - 156, -40 + 22 * i, 14, 14, PLACES[i % len(PLACES)])
        card.text(card.width - 134, -33 + 22 * i, place, 14, INK, 'lm')


def ends(card: Card, result: Result) -> None:
    """Lines of figures."""
    for i, start in enumerate(result.starts):
        card.text(0, 14 + 28 * i, START_KINDS[start.kind], 15, INK, 'lm')
        card.text(280, 14 + 28 * i, f'{start.first_ms / 1e3:.2f} s', 15, INK, 'rm')
        card.text(316, 14 + 28 * i, f'{start.memory_mb:.0f} MB, peak {start.peak_mb:.0f}', 15, FAINT, 'lm')
    for i, goal in enumerate(goals_of(result)):
        x, y = 476 + 506 * (i // 4), 4 + 28 * (i % 4)
        digits = 0 if goal.unit == ' ms' else 2
        card.bar(x, y + 3, 13, 13, GOOD if goal.reached else BAD)
        card.text(x + 22, y + 10, f'{goal.what}: {goal.is_:.{digits}f}{goal.unit}', 14, INK, 'lm')
        card.text(x + 486, y + 10, f'{"at least" if goal.at_least else "at most"} {goal.wanted:.{digits}f}', 13, FAINT, 'rm')


class Sheet:
    """Paper to draw on, in pixels of the final picture."""

    def __init__(self) -> None:
        self._image = Image.new('RGB', (WIDTH * FINER, HEIGHT * FINER), PAPER)
        self.pen = ImageDraw.Draw(self._image)

    def text(self, x: float, y: float, words: str, size: int, colour: tuple, anchor: str = 'la') -> None:
        self.pen.text((x * FINER, y * FINER), words, colour, _font(size), anchor=anchor)

    def card(self, x: float, y: float, width: float, height: float, title: str, under: str) -> Card:
        self.pen.rounded_rectangle(_box(x, y, width, height), 14 * FINER, CARD, LINE, FINER)
        self.text(x + 24, y + 18, title, 20, INK)
        self.text(x + 24, y + 45, under, 14, FAINT)
        top = 82 if under else 56
        return Card(self, x + 24, y + top, width - 48, height - top - 22)

    def done(self) -> np.ndarray:
        return np.asarray(self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


class Card:
    """A part of the sheet; its top left corner is 0, 0."""

    def __init__(self, sheet: Sheet, x: float, y: float, width: float, height: float) -> None:
        self._sheet, self._x, self._y, self.width, self.height = sheet, x, y, width, height

    def text(self, x: float, y: float, words: str, size: int, colour: tuple, anchor: str) -> None:
        self._sheet.text(self._x + x, self._y + y, words, size, colour, anchor)

    def bar(self, x: float, y: float, width: float, height: float, colour: tuple, round_: float = 4) -> None:
        if width * FINER >= 1 and height * FINER >= 1:
            box = _box(self._x + x, self._y + y, width, height)
            self._sheet.pen.rounded_rectangle(box, min(round_, width / 2, height / 2) * FINER, colour)

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: tuple) -> None:
        ends = [(self._x + x0) * FINER, (self._y + y0) * FINER, (self._x + x1) * FINER, (self._y + y1) * FINER]
        self._sheet.pen.line(ends, colour, FINER)

    def long(self, words: str, size: int) -> float:
        return self._sheet.pen.textlength(words, _font(size)) / FINER


def _box(x: float, y: float, width: float, height: float) -> list[float]:
    return [x * FINER, y * FINER, (x + width) * FINER, (y + height) * FINER]


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size * FINER)
