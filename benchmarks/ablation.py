"""What each term of the training is worth: the small network trained from nothing, term by term, measured on the same pictures.

    python -m benchmarks.ablation [--steps 700] [--rows 1,2,3] [--out runs/ablation] [--json FILE]

Every row has the terms of the row above and one more, but for the photometric row: those below go on without it, as it makes a step several
times dearer. All rows take the same number of steps of the same size, and what rendered pictures add they take away from the real ones'
turns. Then `python main.py evaluate` measures each: 2D on validation pictures, 3D on pictures with measured joints and on rendered ones. A row
that was trained already (its folder is there, with the same settings) is only measured.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from training.config import Config, LossWeights, read_config
from training.data_folder import MANIFEST, data_folder
from training.train import train

ROOT = Path(__file__).resolve().parent.parent
NOTHING_BUT = {'location', 'limits', 'scale', 'shape', 'pose', 'presence'}  # terms of the first row: points, and what keeps a hand a hand
PHOTOMETRIC = {'photometric', 'outliers', 'smoothness'}
ROWS = (
    ('keypoints only', set()),
    ('+ bone orientation', {'orientation'}),
    ('+ 2D branch, 2D-3D consistency', {'branch', 'consistency'}),
    ('+ photometric (left out below)', PHOTOMETRIC),
    ("+ detector's depths, fits", {'depth', 'branch_depth', 'points_3d', 'rotation', 'fingers', 'true_shape'}),
    ('+ rendered pictures', set()),
)
FIGURES = (  # part of a set's name, figure, heading
    ('pictures', 'error_2d_percent', '2D, % of the box'),
    ('fridge', 'pa_mpjpe_mm', 'measured: PA-MPJPE, mm'),
    ('renders', 'pa_mpjpe_mm', 'rendered: PA-MPJPE, mm'),
    ('renders', 'pa_mpvpe_mm', 'rendered: PA-MPVPE, mm'))


def settings_of(base: Config, row: int, steps: int, out: Path) -> Config:
    """The settings of a row (from 0)."""
    wanted = NOTHING_BUT.union(*(terms for _, terms in ROWS[:row + 1]))
    if ROWS[row][1] is not PHOTOMETRIC:
        wanted = wanted - PHOTOMETRIC
    weights = {name: value if name in wanted else 0.0 for name, value in vars(base.stages[0].losses).items()}
    stage = replace(base.stages[0], losses=LossWeights(**weights), steps=steps)
    last = row == len(ROWS) - 1
    data = replace(base.data, fits='points_3d' in wanted, rendered=base.data.rendered if last else 0)
    return replace(base, out=str(out / f'row-{row + 1}'), stages=(stage,), data=data)


def measured(checkpoint: Path, validation: str, json_file: Path) -> dict:
    """The figures of `python main.py evaluate`, by set."""
    folder = data_folder(MANIFEST)
    command = [sys.executable, str(ROOT / 'main.py'), 'evaluate', '--weights', str(checkpoint), '--contenders', 'network', '--draw', '0',
               '--pictures', str(folder / MANIFEST), '--truth', str(folder / 'truth' / 'fridge'), '--rendered', validation,
               '--json', str(json_file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(json_file.read_text())['sets']


def figure(sets: dict, part: str, name: str) -> float:
    """One figure of the set whose name has `part` in it."""
    found = next(figures for key, figures in sets.items() if part in key)
    return float(found['all']['network'][name])


def table(what: str, rows: list[tuple[str, dict]], more: tuple[str, ...] = ()) -> str:
    """Figures of named rows as a table in Markdown; `more` are further columns."""
    titles = [*more, *(title for *_, title in FIGURES)]
    lines = [f'| {what} | ' + ' | '.join(titles) + ' |', '| --- |' + ' --- |' * len(titles)]
    lines += [f'| {name} | ' + ' | '.join(f'{row[t]:.2f}' if isinstance(row[t], float) else str(row[t]) for t in titles) + ' |' for name, row in rows]
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--config', type=Path, default=ROOT / 'training' / 'small.toml', help='settings of the last row')
    parser.add_argument('--steps', type=int, default=700, help='of every row')
    parser.add_argument('--rows', default=','.join(str(i + 1) for i in range(len(ROWS))), help='which rows')
    parser.add_argument('--out', type=Path, default=ROOT / 'runs' / 'ablation')
    parser.add_argument('--json', type=Path, help='write the figures to this file too')
    options = parser.parse_args()
    base, lines = read_config(options.config), []
    for row in (int(text) - 1 for text in options.rows.split(',')):
        config = settings_of(base, row, options.steps, options.out)
        started = time.monotonic()
        checkpoint = train(config)
        minutes = (time.monotonic() - started) / 60
        sets = measured(checkpoint, base.data.rendered_validation, Path(config.out) / 'figures.json')
        lines.append({'row': ROWS[row][0], 'minutes': minutes, **{title: figure(sets, part, name) for part, name, title in FIGURES}})
        print(json.dumps(lines[-1]), flush=True)
    print(table('terms', [(line['row'], line) for line in lines]))
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))


if __name__ == '__main__':
    main()
