"""The rows of the ablation differ in what they say they differ in, and in nothing else."""
from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.ablation import NOTHING_BUT, PHOTOMETRIC, ROOT, ROWS, settings_of
from training.config import read_config

BASE = read_config(ROOT / 'training' / 'ablation.toml')
POINTS, FITTED = {'location', 'limits', 'scale', 'shape', 'pose'}, {'depth', 'points_3d', 'rotation', 'fingers', 'true_shape'}
WANTED = (
    POINTS, POINTS | {'orientation'}, POINTS | {'orientation', 'consistency'}, POINTS | {'orientation', 'consistency'} | FITTED,
    POINTS | {'orientation', 'consistency'} | FITTED, POINTS | {'orientation', 'consistency'},
    POINTS | {'orientation', 'consistency'} | PHOTOMETRIC)


@pytest.mark.parametrize('row', range(len(ROWS)), ids=[name for name, _ in ROWS])
def test_a_row_has_the_terms_of_its_name(row):
    config = settings_of(BASE, row, 0, Path('out'))
    terms = {name for name, weight in vars(config.stages[0].losses).items() if weight}
    assert terms == WANTED[row] and POINTS <= NOTHING_BUT, f'{terms ^ WANTED[row]} differ'
    assert (config.data.fits, config.data.rendered > 0) == (row in (3, 4), row == 4), 'fits from row 4, rendered pictures in row 5 alone'
    assert bool(config.start) == (row >= 5), 'the last two go on from row 3'


def test_rows_that_are_compared_take_as_many_steps_of_the_same_size():
    stages = [settings_of(BASE, row, 0, Path('out')).stages for row in range(len(ROWS))]
    for rows in (range(5), (5, 6)):
        assert len({(stages[row][0].steps, stages[row][0].batch, stages[row][0].learning_rate) for row in rows}) == 1
    assert all(len(part) == 1 for part in stages) and settings_of(BASE, 2, 7, Path('out')).stages[0].steps == 7
