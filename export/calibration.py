"""Crops to measure ranges on, and hands with truth to measure accuracy on, from what is at hand."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.crop import cut, to_crop
from app.errors import InputError
from app.mirror import mirror_points_3d
from export.parity import check_crops
from training.evaluation_rendered import read_rendered
from training.evaluation_sets import EvaluationSet
from training.evaluation_truth import read_manifest, read_truth
from training.manifest import NAME

RUNS = Path(__file__).resolve().parent.parent / 'runs'
MANIFEST, RENDERS, RENDERED_TRUTH = RUNS / 'set' / NAME, RUNS / 'renders', RUNS / 'renders-val'


@dataclass(frozen=True)
class Hands:
    """Crops of upright right hands, and what is known of them."""

    name: str
    crops: np.ndarray  # (n, S, S, 3) uint8 RGB
    points: np.ndarray  # (n, 21, 2) crop pixels; NaN: not seen
    joints: np.ndarray | None  # (n, 21, 3) metres, any axes that are not mirrored; None: not known


def hands_of(chosen: EvaluationSet, size: int) -> Hands:
    """Cut a set's hands out."""
    crops, points, joints = [], [], []
    for sample in chosen.samples:
        crop = sample.right_crop(size)
        crops.append(cut(sample.right_image(), crop))
        points.append(np.where(sample.seen[:, None], to_crop(sample.to_right(sample.points), crop), np.nan))
        if sample.xyz is not None:
            joints.append(mirror_points_3d(sample.xyz) if sample.side == 'left' else sample.xyz)
    return Hands(chosen.name, np.stack(crops), np.stack(points), np.stack(joints) if len(joints) == len(crops) else None)


def calibration_crops(manifest: Path | None, size: int, count: int) -> tuple[np.ndarray, str]:
    """Crops (n, S, S, 3) uint8 to measure ranges on, and a sentence on what they are: the training pictures of a manifest; without one
    those of `runs/set`; else rendered pictures; else squares of the bundled clip. Raises InputError if a named manifest cannot be used."""
    if manifest is not None or MANIFEST.is_file():
        manifest = manifest or MANIFEST
        crops = hands_of(read_manifest(manifest, 'train', count), size).crops
        return crops, f'{len(crops)} training pictures of {manifest}'
    for folder in (RENDERS, RENDERED_TRUTH):
        if folder.is_dir() and any(folder.glob('*.npz')):
            crops = hands_of(read_rendered(folder, count), size).crops
            return crops, f'{len(crops)} rendered pictures of {folder}, as there is no manifest of real ones'
    crops = np.round(255 * check_crops(size, 0, count)).astype(np.uint8).transpose(0, 2, 3, 1)
    return crops, f'{len(crops)} squares of the bundled clip, as there are neither labelled nor rendered pictures; accuracy may suffer'


def validation_sets(rendered: Sequence[Path], truth: Sequence[Path], manifest: Path | None, size: int, limit: int | None) -> list[Hands]:
    """Hands to judge by: with true joints (rendered, measured), and the validation pictures of a manifest with points alone.

    Raises InputError if there are no true joints at all.
    """
    rendered = list(rendered) or ([] if truth or not RENDERED_TRUTH.is_dir() else [RENDERED_TRUTH])
    sets = [read_rendered(folder, limit) for folder in rendered] + [read_truth(folder, limit) for folder in truth]
    if not sets:
        raise InputError('there are no hands with true joints to judge by; make some with `python -m training.renders --count 300 '
                         '--seed 900 --shard 300 --out runs/renders-val/`, or give --rendered or --truth')
    manifest = manifest or (MANIFEST if MANIFEST.is_file() else None)
    if manifest is not None:
        sets.append(read_manifest(manifest, 'val', limit))
    return [hands_of(chosen, size) for chosen in sets]
