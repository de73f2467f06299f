"""The manifest of a set of hand pictures: a text file, one JSON object per line, one line per picture of one hand.

| key | what | needed |
| --- | --- | --- |
| `file` | picture file, relative to the manifest's folder, or absolute; any usual kind, grey ones too | yes |
| `split` | `train` or `val`, or another name | yes |
| `source` | where it comes from: a clip, a folder, a data set; no source is in two splits | yes |
| `side` | `right` or `left`, the person's, in the picture as it is (not mirrored) | yes |
| `keypoints` | (21, 2) pixels, pixel centres at integers, OpenPose order; null or NaN: not seen | yes |
| `keypoint_uncertainty` | (21,) pixels, the spread of repeated detections; null: not seen | no |
| `confidence` | (21,) 0 to 1; 0: not seen. Without `keypoint_uncertainty` it is turned into one (`uncertainty_of_confidence`) | no |
| `width`, `height` | size of the picture in pixels | no, 256 |
| `session` | one person or recording: sessions share a hand shape, and no session is in two splits | no, the source |
| `group` | near duplicates | no, the file |
| `licence`, `open` | text; whether its licence lets weights trained on it be passed on | no, unknown, false |
| `side_agreement` | 0 to 1, share of the detections that say this side; below 1 the row is not used | no, 1 |
| `score` | 0 to 1, that it is a hand | no |
| `world_landmarks_weak` | (21, 3) metres, camera axes: a detector's guess of the hand in 3D | no |
| `depth` | (21,) pixels at the hand's distance, relative to the wrist (0), forward positive | no |
| `clip`, `frame`, `time` | name of the video, number of the frame in it from 0, seconds since its start | no |
| `K` | (3, 3) camera matrix in pixels of this picture | no |
| `xyz_m` | (21, 3) metres, camera frame: measured joints | no |
| `mask` | picture file of the same size, as `file`: not 0 where the hand is | no |
| `hand_px_original` | longer side of the hand's box in pixels before the crop was resized | no |
| `valid_area` | share of the crop that is picture and not repeated edge | no |
| `blur` | variance of the Laplacian: small when blurred | no |

A key whose value is null counts as absent; further keys are kept. `python main.py label` writes manifests. A set that has one in this form,
such as `$S2HAND_DATA/pictures.jsonl`, can be used as it is, or completed with depths, its points kept:

    python main.py label $S2HAND_DATA/pictures.jsonl --keep-points --out runs/set
"""
from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.outputs.atomic import whole_file

NAME = 'manifest.jsonl'  # in a folder that `label` writes
TEXTS = ('file', 'split', 'source', 'side', 'session', 'group', 'licence', 'clip', 'mask')
NUMBERS = ('side_agreement', 'score', 'frame', 'time', 'width', 'height', 'valid_area', 'blur')
SHAPES = {'keypoints': (21, 2), 'keypoint_uncertainty': (21,), 'confidence': (21,), 'world_landmarks_weak': (21, 3), 'depth': (21,),
          'K': (3, 3), 'xyz_m': (21, 3)}
NEEDED = ('file', 'split', 'source', 'side', 'keypoints')
COMPLETE = ('K', 'xyz_m')  # here a missing number has no meaning


def read_rows(path: Path) -> list[dict]:
    """The rows of a manifest, checked; null in an array is read as NaN. The arrays stay lists.

    Raises InputError, with the line's number, when a line is no JSON object, lacks a needed key, or one has the wrong form.
    """
    try:
        lines = path.read_text(encoding='utf-8').split('\n')
    except OSError as error:
        raise InputError(f'the manifest {path} cannot be read ({error.strerror}); give the path of a .jsonl file') from error
    except UnicodeDecodeError as error:
        raise InputError(f'the manifest {path} is not a text file; give the path of a .jsonl file') from error
    rows = [_row(line, f'line {number} of {path}') for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise InputError(f'the manifest {path} is empty; make one with `python main.py label`')
    return rows


def write_rows(path: Path, rows: Iterable[dict]) -> int:
    """Write a manifest, whole or not at all; numbers that are not finite become null. Returns how many rows. Raises InputError."""
    count = 0
    with whole_file(path) as file:
        for row in rows:
            file.write((json.dumps(_plain(row), allow_nan=False, ensure_ascii=False) + '\n').encode())
            count += 1
    return count


def check_files(paths: Iterable[Path], manifest: Path) -> None:
    """Raise InputError when pictures of a manifest are missing: how many, and the first."""
    paths = list(paths)
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise InputError(f'{len(missing)} of the {len(paths)} pictures of {manifest} are missing, the first is {missing[0]}; '
                         'restore them or remove their lines')


def uncertainty_of_confidence(confidence: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(21,) pixels: the spread to which `training.losses.confidence` gives these confidences (21,), for points (21, 2); inf where 0."""
    with np.errstate(divide='ignore'):
        return 0.02 * float(np.nanmax(np.ptp(points, axis=0), initial=0)) * np.sqrt(1 / np.clip(confidence, 0, 1) - 1)


def _row(line: str, where: str) -> dict:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f'{where} is not JSON ({error.msg}, column {error.colno}); every line of a manifest is one JSON object') from error
    if not isinstance(row, dict):
        raise InputError(f'{where} is not a JSON object; every line of a manifest is one')
    missing = [key for key in NEEDED if key not in row]
    if missing:
        raise InputError(f'{where} lacks {" and ".join(missing)}; training/manifest.py says what a row holds')
    for key in TEXTS:
        if not isinstance(row.get(key) or '', str) or (key in NEEDED and not row[key]):
            raise InputError(f'{where}: {key} is not a text but {row[key]!r:.60}')
    for key in NUMBERS:
        if isinstance(row.get(key), bool) or not isinstance(row.get(key) or 0, (int, float)):
            raise InputError(f'{where}: {key} is not a number but {row[key]!r:.60}')
    if row['side'] not in ('right', 'left'):
        raise InputError(f"{where}: side is 'right' or 'left', not {row['side']!r}")
    for key, shape in SHAPES.items():
        if row.get(key) is not None:
            _check_array(row[key], key, shape, where)
    return row


def _check_array(value: object, key: str, shape: tuple[int, ...], where: str) -> None:
    try:
        array = np.array(value, float)  # None becomes NaN
    except (ValueError, TypeError):
        array = None
    if array is None or array.shape != shape:
        found = 'something else' if array is None else f'shape {array.shape}'
        raise InputError(f'{where}: {key} must be numbers of shape {shape}, not {found}')
    if key in COMPLETE and not np.isfinite(array).all():
        raise InputError(f'{where}: {key} has numbers that are not finite; leave the key out where it is not known')
    if key in ('keypoint_uncertainty', 'confidence') and (array < 0).any():
        raise InputError(f'{where}: {key} has negative numbers')


def _plain(value: object) -> object:
    """Arrays and numpy numbers as JSON knows them; not finite: None."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
