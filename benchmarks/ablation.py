"""What each term of the training is worth: heads on the landmark trunk trained term by term, measured on the same pictures.

    python -m benchmarks.ablation [--rows 1,2,3] [--steps 1500] [--out runs/ablation] [--json FILE]

Every row has the terms of the row above and one more, and the same number of steps of the same size from the same start; what rendered
pictures add they take away from the real ones' turns. The trunk stays as it is, so that its answers are worked out once. The photometric
terms need the crops themselves, and a texture head: so they have two rows of their own, which go on from row 3 with the texture head of the
weights that ship, on the same crops, once without and once with the terms. `python main.py evaluate` measures each row.
"""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from app.errors import exit_code
from models.checkpoint import file_hash, load_checkpoint, save_checkpoint
from models.hand_model import OPEN_HAND
from training.config import Config, LossWeights, Stage, read_config
from training.data_folder import MANIFEST, data_folder
from training.train import train

ROOT = Path(__file__).resolve().parent.parent
TEXTURED = ROOT / 'assets' / 'weights' / 's2hand-lite.safetensors'
NOTHING_BUT = {'location', 'limits', 'scale', 'shape', 'pose', 'presence'}  # terms of the first row: points, and what keeps a hand a hand
PHOTOMETRIC = {'photometric', 'outliers', 'smoothness'}
ROWS = (
    ('1 keypoints only', set()),
    ('2 + bone orientation', {'orientation'}),
    ('3 + 2D-3D consistency', {'consistency'}),
    ("4 + detector's depths, fits", {'depth', 'points_3d', 'rotation', 'fingers', 'true_shape'}),
    ('5 + rendered pictures', set()),
    ('6 row 3, and more steps', set()),
    ('7 row 3, and as many steps + photometric', PHOTOMETRIC),
)
ON_CROPS, GROUND = (5, 6), 2  # rows that go on from row 3
FIGURES = (  # part of a set's name, figure, heading
    ('pictures', 'error_2d_percent', '2D, % of the box'),
    ('fridge', 'pa_mpjpe_mm', 'measured: PA-MPJPE, mm'),
    ('stereo', 'pa_mpjpe_mm', 'two cameras: PA-MPJPE, mm'),
    ('renders', 'pa_mpjpe_mm', 'rendered: PA-MPJPE, mm'),
    ('renders', 'pa_mpvpe_mm', 'rendered: PA-MPVPE, mm'))


def settings_of(base: Config, row: int, steps: int, out: Path) -> Config:
    """The settings of a row (from 0)."""
    on_crops, last = row in ON_CROPS, row == 4
    terms = [ROWS[i][1] for i in range(GROUND + 1)] + [ROWS[row][1]] if on_crops else [extra for _, extra in ROWS[:row + 1]]
    wanted = NOTHING_BUT.union(*terms)
    stage = base.stages[1] if on_crops else replace(base.stages[0], steps=steps or base.stages[0].steps)
    data = replace(base.data, fits='points_3d' in wanted, rendered=base.data.rendered if last else 0)
    start = str(out / 'start-on-crops.safetensors') if on_crops else ''
    return replace(base, out=str(out / f'row-{row + 1}'), caches=str(out), start=start, stages=(with_only(stage, wanted),), data=data)


def with_only(stage: Stage, wanted: set[str]) -> Stage:
    """The stage with the terms not wanted switched off."""
    weights = {name: value if name in wanted else 0.0 for name, value in vars(stage.losses).items()}
    parts = stage.parts if PHOTOMETRIC <= wanted else ('decoder',)
    return replace(stage, losses=LossWeights(**weights), parts=parts)


def start_on_crops(base: Config, out: Path) -> None:
    """Row 3 with the texture head of the weights that ship."""
    ground = out / f'row-{GROUND + 1}' / f'{base.name}.safetensors'
    if not ground.exists():
        raise SystemExit(f'rows 6 and 7 go on from row {GROUND + 1}, which is not in {out}: run it first')
    network = load_checkpoint(ground)
    network.texture_light_from_low.load_state_dict(load_checkpoint(TEXTURED).texture_light_from_low.state_dict())
    save_checkpoint(network, out / 'start-on-crops.safetensors', base.name, file_hash(OPEN_HAND))


def measured(checkpoint: Path, validation: str, json_file: Path) -> dict:
    """The figures of `python main.py evaluate`, by set."""
    folder = data_folder(MANIFEST)
    command = [sys.executable, str(ROOT / 'main.py'), 'evaluate', '--weights', str(checkpoint), '--contenders', 'network', '--draw', '0',
               '--threads', '1', '--pictures', str(folder / MANIFEST), '--truth', str(folder / 'truth' / 'fridge'),
               '--stereo', str(folder / 'truth' / 'stereo'), '--rendered', validation, '--json', str(json_file)]
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
    for name, row in rows:
        lines.append(f'| {name} | ' + ' | '.join(f'{row[t]:.2f}' if isinstance(row[t], float) else str(row[t]) for t in titles) + ' |')
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--config', type=Path, default=ROOT / 'training' / 'ablation.toml', help='settings of all rows')
    parser.add_argument('--steps', type=int, default=0, help='of rows 1 to 5; 0: as the settings say')
    parser.add_argument('--rows', default=','.join(str(i + 1) for i in range(len(ROWS))), help='which rows')
    parser.add_argument('--out', type=Path, default=ROOT / 'runs' / 'ablation')
    parser.add_argument('--json', type=Path, help='write the figures to this file too')
    options = parser.parse_args()
    base, lines = read_config(options.config), []
    for row in (int(text) - 1 for text in options.rows.split(',')):
        config = settings_of(base, row, options.steps, options.out)
        if row in ON_CROPS and not Path(config.start).exists():
            start_on_crops(base, options.out)
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
    sys.exit(exit_code(main))
