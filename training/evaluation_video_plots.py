"""Plots of a clip over time, drawn with Pillow: jitter, distance, size and texture of all contenders under each other."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from training.evaluation_video_records import TRUTH, Record
from training.evaluation_video_report import NAMES
from training.metrics import bone_lengths
from training.panels import font
from training.video_figures import WINDOW, high_pass, present, stretches

FINER = 2  # pixels drawn per pixel shown, in each direction
WIDTH, PANEL, GAP = 1280, 250, 54
LEFT, RIGHT, TOP, BOTTOM = 84, 28, 104, 52
PAPER, INK, FAINT, GRID = (255, 255, 255), (32, 33, 40), (104, 108, 118), (228, 230, 235)
COLOURS = {
    TRUTH: (20, 20, 24), 'mediapipe': (158, 163, 172), 'one_euro': (96, 125, 179), 'network': (222, 132, 40),
    'video_network': (170, 60, 150), 'unfiltered': (120, 190, 150), 'live': (22, 140, 90), 'consistent': (196, 36, 60)}
STROKE = {TRUTH: 1.4, 'mediapipe': 1.4, 'consistent': 2.0, 'live': 2.0}
SCALED_TO, BEYOND = 98.5, 2.0  # percentile of all values; spikes of more than that many times it are cut, or the rest could not be read


@dataclass(frozen=True, eq=False)
class Panel:
    """One diagram: a value over time of each contender."""

    title: str
    unit: str
    lines: dict[str, np.ndarray]  # key -> (T,), NaN where there is none
    from_zero: bool


def plot(name: str, records: Mapping[str, Sequence[Record]]) -> np.ndarray:
    """The picture (H, W, 3) uint8 of a clip; of several hands the one that most frames have."""
    hand = chosen_hand(records)
    if hand is None:
        return _empty(name)
    rows = {key: records[key][hand] for key in NAMES if key in records}
    panels = [panel for panel in panels_of(rows) if any(np.isfinite(line).any() for line in panel.lines.values())]
    if not panels:
        return _empty(name)
    first = next(iter(rows.values()))
    size = WIDTH, TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM
    canvas = Image.new('RGB', (size[0] * FINER, size[1] * FINER), PAPER)
    pen = ImageDraw.Draw(canvas)
    _text(pen, (LEFT, 30), name, 21, INK)
    _legend(pen, [key for key in rows if any(key in panel.lines for panel in panels)])
    for i, panel in enumerate(panels):
        _draw_panel(pen, panel, first.times, TOP + i * (PANEL + GAP), i + 1 == len(panels))
    return np.asarray(canvas.resize(size, Image.Resampling.LANCZOS))


def chosen_hand(records: Mapping[str, Sequence[Record]]) -> int | None:
    """Which hand of the clip to show."""
    counts = [int(record.common.sum()) for record in next(iter(records.values()), ())]
    return int(np.argmax(counts)) if counts and max(counts) else None


def panels_of(rows: Mapping[str, Record]) -> list[Panel]:
    """What is shown of one hand."""
    def each(value) -> dict[str, np.ndarray]:
        lines = {key: value(record) for key, record in rows.items()}
        return {key: line for key, line in lines.items() if np.isfinite(line).any()}

    what = 'joints in the picture about their' if TRUTH not in rows else 'what the joints in the picture are off the truth, about its'
    return [
        Panel(f'Shake: {what} mean of {WINDOW} frames', '% of the hand box', each(shake), True),
        Panel('Distance of the wrist, about its own mean', 'mm', each(lambda r: 1000 * (r.depth - _mean(r.depth))), False),
        Panel('Size: all bones together, about their own mean', '%', each(size_over_time), False),
        Panel('Texture: visible vertices about their own mean', 'grey levels', each(texture_over_time), True)]


def shake(record: Record) -> np.ndarray:
    """(T,) per cent of the hand box: RMS over the joints; with truth of what they are off it, in which there is no real motion."""
    rest = high_pass(record.points if record.truth is None else record.points - record.reference)
    return 100 * np.sqrt((rest ** 2).sum(-1).mean(-1)) / max(record.size, 1e-6)


def size_over_time(record: Record) -> np.ndarray:
    """(T,) per cent: the sum of the bones' lengths about its mean."""
    lengths = bone_lengths(record.joints).sum(-1)
    return 100 * (lengths / _mean(lengths) - 1)


def texture_over_time(record: Record) -> np.ndarray:
    """(T,) grey levels: RMS over the visible vertices of what their colour is away from its mean; NaN without a texture."""
    line = np.full(len(record.common), np.nan)
    if record.colours is None:
        return line
    total = sum(colours * seen[:, None].astype(float) for colours, seen in zip(record.colours, record.visible))
    mean = total / np.maximum(record.visible.sum(0), 1)[:, None]
    for t in np.flatnonzero(record.common & record.visible.any(1)):
        seen = record.visible[t]
        line[t] = np.sqrt(((record.colours[t][seen] - mean[seen]) ** 2).mean())
    return line


def _mean(values: np.ndarray) -> float:
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if len(kept) else np.nan


def ticks(low: float, high: float, most: int) -> np.ndarray:
    """Round numbers, `most` at most, from `low` to `high`."""
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(s for s in (1, 2, 2.5, 5, 10) if s * power >= rough * (1 - 1e-9)) * power
    values = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
    return np.round(values, 10) + 0.0


def span(panel: Panel) -> tuple[float, float]:
    """The values at the panel's lower and upper edge."""
    values = np.concatenate([line[np.isfinite(line)] for line in panel.lines.values()])
    reach = min(float(np.abs(values).max()), BEYOND * float(np.percentile(np.abs(values), SCALED_TO)))
    reach = max(1.06 * reach, 1e-3)
    return (0.0, reach) if panel.from_zero else (-reach, reach)


def _draw_panel(pen: ImageDraw.ImageDraw, panel: Panel, times: np.ndarray, top: int, last: bool) -> None:
    low, high = span(panel)
    start, end = float(times[0]), max(float(times[-1]), float(times[0]) + 1e-3)
    right, bottom = WIDTH - RIGHT, top + PANEL

    def at(time: np.ndarray, value: np.ndarray) -> np.ndarray:
        x = LEFT + (time - start) / (end - start) * (right - LEFT)
        y = bottom - np.clip((value - low) / (high - low), 0, 1) * PANEL
        return FINER * np.stack([x, y], -1)

    _text(pen, (LEFT, top - 14), panel.title, 15, INK)
    _text(pen, (right, top - 14), panel.unit, 13, FAINT, 'rm')
    for value in ticks(low, high, 5):
        ends = at(np.array([start, end]), np.array([value, value]))
        pen.line([tuple(p) for p in ends], FAINT if value == 0 and low < 0 else GRID, FINER)
        _text(pen, (LEFT - 10, ends[0, 1] / FINER), f'{value:g}', 12, FAINT, 'rm')
    for value in ticks(start, end, 10):
        x = at(np.array([value]), np.array([low]))[0, 0] / FINER
        pen.line([(FINER * x, FINER * bottom), (FINER * x, FINER * (bottom + 5))], FAINT, FINER)
        _text(pen, (x, bottom + 16), f'{value:g}', 12, FAINT, 'mm')
    pen.line([(FINER * LEFT, FINER * bottom), (FINER * right, FINER * bottom)], FAINT, FINER)
    if last:
        _text(pen, ((LEFT + right) / 2, bottom + 36), 'seconds', 13, FAINT, 'mm')
    for key, line in panel.lines.items():
        width = round(FINER * STROKE.get(key, 1.6))
        for run in stretches(present(line)):
            places = [tuple(p) for p in at(times[run], line[run])]
            if len(places) == 1:
                (x, y), r = places[0], width
                pen.ellipse((x - r, y - r, x + r, y + r), COLOURS[key])
            else:
                pen.line(places, COLOURS[key], width, joint='curve')


def _legend(pen: ImageDraw.ImageDraw, keys: Sequence[str]) -> None:
    x = LEFT
    for key in keys:
        pen.line([(FINER * x, FINER * 60), (FINER * (x + 22), FINER * 60)], COLOURS[key], round(FINER * 3))
        _text(pen, (x + 29, 60), NAMES[key], 13, INK)
        x += 29 + pen.textlength(NAMES[key], font(13 * FINER)) / FINER + 24


def _text(pen: ImageDraw.ImageDraw, place: tuple[float, float], words: str, size: int, ink: tuple[int, int, int],
          anchor: str = 'lm') -> None:
    pen.text((FINER * place[0], FINER * place[1]), words, ink, font(size * FINER), anchor=anchor)


def _empty(name: str) -> np.ndarray:
    """What is drawn when there is nothing to draw."""
    canvas = Image.new('RGB', (WIDTH * FINER, 120 * FINER), PAPER)
    pen = ImageDraw.Draw(canvas)
    _text(pen, (LEFT, 40), name, 21, INK)
    _text(pen, (LEFT, 76), 'there is no frame in which all contenders have a hand', 15, FAINT)
    return np.asarray(canvas.resize((WIDTH, 120), Image.Resampling.LANCZOS))
