"""FreiHAND and HO-3D as rows of a manifest: their cameras, measured joints and masks, and points to start from."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from training.freihand import read_freihand
from training.ho3d import read_ho3d
from training.label_splits import SplitRule
from training.pictures import Picture

TEST = 'test'  # split of their evaluation pictures: neither for training nor for choosing
HO3D_EVERY = 6  # five of its frames a second


def reader_of(folder: Path) -> Callable[[int | None], dict[str, list[Picture]]] | None:
    """What reads a folder as one of these sets: every n-th picture -> pictures by official split; None when it is neither."""
    if (folder / 'training_K.json').is_file():
        return lambda every: {split: read_freihand(folder, split)[::every or 1] for split in ('training', 'evaluation')
                              if (folder / f'{split}_K.json').is_file()}
    if (folder / 'train.txt').is_file() and (folder / 'train').is_dir():
        return lambda every: {split: read_ho3d(folder, split, every=every or HO3D_EVERY) for split in ('train', 'evaluation')
                              if (folder / f'{split}.txt').is_file()}
    return None


def rows_of(pictures: dict[str, list[Picture]], rule: SplitRule, licence: str, is_open: bool) -> list[dict]:
    """A row for each picture. Training pictures are split by their session, evaluation pictures are `test`."""
    return [{
        'file': Path(os.path.abspath(p.path)).as_posix(), 'split': TEST if split == 'evaluation' else rule.of(p.session),
        'source': p.source, 'licence': licence, 'open': is_open,
        'session': f'{p.session}/evaluation' if split == 'evaluation' else p.session, 'group': p.group, 'side': p.side,
        'keypoints': p.points.round(2), 'keypoint_uncertainty': p.uncertainty.round(2), 'width': p.width, 'height': p.height,
        'K': p.intrinsics,
        **({'xyz_m': p.xyz} if p.xyz is not None else {}),
        **({'mask': Path(os.path.abspath(p.mask)).as_posix()} if p.mask else {}),
        **({'clip': p.clip, 'frame': p.frame} if p.clip else {})} for split, part in pictures.items() for p in part]
