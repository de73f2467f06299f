"""Readers of pictures with measured joints, of stereo recordings and of picture manifests, as `EvaluationSet`s."""
from __future__ import annotations

import json
from functools import lru_cache, partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from app.errors import InputError
from app.types import Crop, Intrinsics, Side
from training.evaluation_sets import EvaluationSet, Sample, evenly, sides_of
from training.freihand import read_freihand
from training.ho3d import read_ho3d
from training.pictures import Picture, read_pictures

TRUTH_FILE = 'gt.jsonl'
FRAMES_KEPT = 64


def read_image(path: Path) -> np.ndarray:
    """A picture file as (H, W, 3) uint8 RGB. Raises InputError if it is missing or broken."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f'the picture {path} is missing or cannot be read; restore it, or take its line out of the truth file')
    return np.ascontiguousarray(image[..., ::-1])


def read_lines(path: Path, keys: set[str], what: str) -> list[dict]:
    """The rows of a file of JSON lines, each of which must have `keys`. Raises InputError that names the line."""
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'{path} cannot be read; give a folder with {what}') from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            missing = keys - row.keys()
        except (ValueError, AttributeError) as error:
            raise InputError(f'line {number} of {path} is not a JSON object; correct or remove it') from error
        if missing:
            raise InputError(f'line {number} of {path} lacks {", ".join(sorted(missing))}; correct or remove it')
        rows.append(row)
    if not rows:
        raise InputError(f'{path} is empty; there is nothing to evaluate')
    return rows


def numbers(row: dict, key: str, shape: tuple[int, ...], where: str) -> np.ndarray:
    """`row[key]` as finite numbers of `shape`. Raises InputError that says where they are wrong."""
    try:
        values = np.array(row[key], float)
    except (ValueError, TypeError):
        values = np.zeros(0)
    if values.shape != shape or not np.isfinite(values).all():
        raise InputError(f'{where}: {key} must be {" x ".join(map(str, shape))} finite numbers; correct or remove the line')
    return values


def pinhole(matrix: np.ndarray) -> Intrinsics:
    """A camera matrix (3, 3) in pixels as `Intrinsics`."""
    return Intrinsics(float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2]), True)


def read_truth(folder: Path, limit: int | None = None, side: Side | None = None) -> EvaluationSet:
    """A folder with `gt.jsonl`: `image, K, xyz_mm, uv` (optional: `side`, `session`, `vertices_mm`). Where neither the row nor `side` says
    which hand it is, the way its true fingers bend does."""
    path = folder / TRUTH_FILE
    if not path.is_file():
        raise InputError(f'there is no {TRUTH_FILE} in {folder}; --truth wants a folder with {TRUTH_FILE} and the pictures that it names')
    rows = read_lines(path, {'image', 'K', 'xyz_mm', 'uv'}, TRUTH_FILE)
    where = [f'row {i + 1} ({row["image"]}) of {path}' for i, row in enumerate(rows)]
    xyz = [numbers(row, 'xyz_mm', (21, 3), w) / 1000 for row, w in zip(rows, where)]
    bent = sides_of(xyz)
    samples = []
    for i in evenly(len(rows), limit):
        row, image = rows[i], folder / str(rows[i]['image'])
        height, width = read_image(image).shape[:2]
        hand = row.get('side', side or bent[i])
        if hand not in ('right', 'left'):
            raise InputError(f"{where[i]}: side must be 'right' or 'left', not {hand!r}")
        vertices = np.array(row['vertices_mm'], float) / 1000 if 'vertices_mm' in row else None
        samples.append(Sample(row['image'], folder.name, str(row.get('session', folder.name)), hand, numbers(row, 'uv', (21, 2), where[i]),
                              partial(read_image, image), width, height, pinhole(numbers(row, 'K', (3, 3), where[i])), xyz[i], vertices))
    guessed = side is None and not all('side' in row for row in rows)
    both = guessed and len({s.side for s in samples}) > 1
    notes = ('no row says which hand it is, and both occur: those with straight fingers were taken for what most are',) if both else ()
    return EvaluationSet(folder.name, 'truth', tuple(samples), notes)


def of_picture(picture: Picture) -> Sample:
    """A picture of a manifest, or of FreiHAND or HO-3D, as a sample."""
    camera = None if picture.intrinsics is None else pinhole(np.asarray(picture.intrinsics))
    return Sample(picture.name or picture.path.name, picture.source, picture.session, picture.side,
                  np.asarray(picture.points, float), picture.read, picture.width, picture.height, camera, picture.xyz, picture.vertices,
                  None if picture.mask is None else partial(mask_through, picture), None, np.isfinite(picture.uncertainty))


def mask_through(picture: Picture, crop: Crop) -> np.ndarray:
    """The picture's mask (S, S) bool through a crop of the right-handed picture."""
    mask = picture.read_mask()
    mask = mask[:, ::-1] if picture.side == 'left' else mask
    return cv2.warpAffine(mask.astype(np.uint8), crop.matrix, (crop.size, crop.size), flags=cv2.INTER_NEAREST) > 0


def read_manifest(manifest: Path | None, split: str, limit: int | None = None) -> EvaluationSet:
    """The pictures of one split of a manifest; 2D points are a detector's."""
    pictures = read_pictures(split, manifest=manifest)
    if not pictures:
        raise InputError(f'{manifest or "the manifest"} has no usable picture of the split {split!r}; there is nothing to evaluate')
    samples = tuple(of_picture(pictures[i]) for i in evenly(len(pictures), limit))
    return EvaluationSet(f'pictures ({split})', 'pictures', samples, ('the 2D points are a detector\'s, not measured',))


def read_official(kind: Literal['freihand', 'ho3d'], folder: Path, split: str, limit: int | None = None) -> EvaluationSet:
    """FreiHAND or HO-3D in its official layout and order. Where the evaluation truth is not published, only predictions can be written."""
    pictures = read_freihand(folder, split, vertices=True) if kind == 'freihand' else read_ho3d(folder, split, detections=False)
    samples = tuple(of_picture(pictures[i]) for i in evenly(len(pictures), limit))
    notes = ['the aligned figures follow the official scripts, which may mirror a hand']
    if any(s.vertices is not None for s in samples):
        notes.append('the true mesh is MANO\'s: another topology has no PA-MPVPE; '
                     'F-scores go by nearest neighbours, the mesh being aligned by joints')
    if all(s.xyz is None for s in samples):
        notes = ['there are no true joints in the folder, so nothing is measured; --pred writes the predictions']
    return EvaluationSet(f'{kind} ({split})', kind, samples, tuple(notes))


class Video:
    """Frames of a video file by number, a few kept: readers mostly go forward."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._capture = cv2.VideoCapture(str(path))
        self._next = 0
        if not self._capture.isOpened():
            raise InputError(f'the clip {path} is missing or cannot be read')
        self.width, self.height = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self.frame = lru_cache(FRAMES_KEPT)(self._read)

    def _read(self, number: int) -> np.ndarray:
        """Frame `number`, counted from 0, (H, W, 3) uint8 RGB. Goes through the clip, because seeking is not exact in every codec."""
        if number < self._next:
            self._capture.release()
            self._capture, self._next = cv2.VideoCapture(str(self.path)), 0
        while self._next < number:
            self._capture.grab()
            self._next += 1
        good, image = self._capture.read()
        self._next += 1
        if not good:
            raise InputError(f'the clip {self.path} has no frame {number}; fetch it anew')
        return np.ascontiguousarray(image[..., ::-1])


def read_stereo(folder: Path, limit: int | None = None) -> EvaluationSet:
    """Two calibrated views with triangulated joints (`cameras.json`, `gt.jsonl`, `cam0_test.mp4`, `cam1_test.mp4`): each view of a `good`
    pair is a sample. Lens distortion is not undone, so only aligned figures mean much."""
    path, cameras = folder / TRUTH_FILE, folder / 'cameras.json'
    for needed in (path, cameras):
        if not needed.is_file():
            raise InputError(f'there is no {needed.name} in {folder}; --stereo wants a stereo recording with {TRUTH_FILE} and cameras.json')
    matrices = json.loads(cameras.read_text())
    views = [(name, Video(folder / f'{name}_test.mp4'), pinhole(np.array(matrices[name]['K']))) for name in ('cam0', 'cam1')]
    keys = {'frame0', 'frame1', 'good', 'xyz_cam0_mm', 'xyz_cam1_mm', 'uv0', 'uv1'}
    rows = read_lines(path, keys, TRUTH_FILE)
    good = [row for row in rows if row['good']]
    sides = sides_of([np.array(row['xyz_cam0_mm'], float) for row in good])
    pairs = [(row, side, v) for v in range(2) for row, side in zip(good, sides)]
    samples = []
    for i in evenly(len(pairs), limit):
        row, side, v = pairs[i]
        name, video, camera = views[v]
        frame = row[f'frame{v}']
        where = f'{frame} in {path}'
        samples.append(Sample(frame, name, folder.name, side, numbers(row, f'uv{v}', (21, 2), where),
                              partial(video.frame, int(Path(frame).stem)), video.width, video.height, camera,
                              numbers(row, f'xyz_cam{v}_mm', (21, 3), where) / 1000))
    notes = (f'{len(rows) - len(good)} of {len(rows)} pairs are not marked good and left out; joints are triangulated from detected '
             'points, so look at the aligned figures; lens distortion is not undone',)
    return EvaluationSet(folder.name, 'stereo', tuple(samples), notes)
