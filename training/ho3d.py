"""HO-3D, versions 2 and 3, in the official layout (Hampali et al., CVPR 2020; github.com/shreyashampali/ho3d).

Pictures of 640 x 480 pixels, right hands that hold things.

    train/MC1/rgb/0000.png (version 2), .jpg (version 3)       train/MC1/meta/0000.pkl        train.txt: lines 'MC1/0000'
    evaluation/SM1/rgb/...                                     evaluation/SM1/meta/...        evaluation.txt
    evaluation_xyz.json, evaluation_verts.json                 published later, in the order of evaluation.txt

A meta file is a pickled dict: camMat (3, 3), handJoints3D (21, 3) metres; of evaluation pictures only the wrist (3,), and handBoundingBox
(left, top, right, bottom). HO-3D's camera has OpenGL axes (y up, z backward) and its joints have an order of their own; both are changed
here. Pickles can run programs when they are loaded, so they are read by an unpickler that knows numpy arrays and plain values only.
"""
from __future__ import annotations

import io
import json
import pickle
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np

from app.errors import InputError
from training.pictures import CERTAIN, Picture
from training.truth_sets import nominal_points, project, read_detections

WIDTH, HEIGHT = 640, 480
SOURCE = 'ho3d'
OPENPOSE_FROM_HO3D = np.array((0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20))  # joint i here is joint [i] there
HO3D_FROM_OPENPOSE = np.argsort(OPENPOSE_FROM_HO3D)
OPENGL = np.array((1.0, -1.0, -1.0))  # times coordinates: its axes <-> ours
ARRAY_MAKERS = {(f'numpy.{core}.{module}', name) for core in ('core', '_core') for module in ('multiarray', 'numeric')
                for name in ('_reconstruct', 'scalar', '_frombuffer')} | {('numpy', 'ndarray'), ('numpy', 'dtype')}


def read_ho3d(root: Path, split: Literal['train', 'evaluation'] = 'train', *, every: int = 1, detections: bool = True) -> list[Picture]:
    """Every `every`-th picture of a split, in the order of its list.

    Points are those of `openpose/SEQUENCE/detect.json`, where that file is and `detections` allows it; else projected joints; for
    evaluation pictures without published joints a flat hand in the given box, with uncertainty inf. Pictures whose meta has no joints are
    left out; a line says how many. The session is the letters of the sequence's name (person and object): MC1 and MC2 never split.
    Raises InputError.
    """
    root = Path(root)
    names = _list(root / f'{split}.txt')
    joints, meshes = (_published(root, split, what, len(names)) for what in ('xyz', 'verts'))
    found: dict[str, Any] = {}
    pictures, without = [], 0
    for number in range(0, len(names), every):
        sequence, frame = names[number]
        meta = read_meta(root / split / sequence / 'meta' / f'{frame}.pkl')
        camera = _array(meta, 'camMat', (3, 3), sequence, frame)
        xyz = joints[number] if joints is not None else meta.get('handJoints3D')
        if xyz is None:
            without += 1
            continue
        xyz = to_openpose(np.asarray(xyz, float)) if np.shape(xyz) == (21, 3) else None
        if xyz is None and split == 'train':
            raise InputError(f'{split}/{sequence}/meta/{frame}.pkl has no 21 joints; it is not of HO-3D version 2 or 3')
        if sequence not in found:
            path = root / 'openpose' / sequence / 'detect.json'
            found[sequence] = read_detections(path) if detections and path.is_file() else None
        place = found[sequence].place(int(frame), frame) if found[sequence] else None
        if place is not None:
            points, uncertainty = found[sequence].of(place, np.array((0.3 * WIDTH, 0.3 * HEIGHT, 0.7 * WIDTH, 0.7 * HEIGHT)))
        elif xyz is not None:
            points, uncertainty = project(camera, xyz), np.full(21, CERTAIN)
        else:
            points, uncertainty = nominal_points(_array(meta, 'handBoundingBox', (4,), sequence, frame)), np.full(21, np.inf)
        pictures.append(Picture(
            _picture(root / split / sequence / 'rgb', frame), SOURCE, f'{SOURCE}/{person(sequence)}', 'right', points, uncertainty,
            width=WIDTH, height=HEIGHT, clip=sequence, frame=int(frame), intrinsics=camera, xyz=xyz,
            vertices=None if meshes is None else meshes[number] * OPENGL, group=f'{SOURCE}/{sequence}', name=f'{sequence}/{frame}'))
    if without:
        print(f'{root}: {without} pictures left out, because their meta files have no joints', flush=True)
    if not pictures:
        raise InputError(f'{root / split} has no picture with joints; unpack HO-3D again')
    return pictures


def person(sequence: str) -> str:
    """The letters that a sequence's name begins with: MC of MC1, ShSu of ShSu12."""
    return re.match(r'[A-Za-z]*', sequence)[0] or sequence


def to_openpose(joints: np.ndarray) -> np.ndarray:
    """Joints (21, 3) as HO-3D has them -> our order and axes."""
    return joints[OPENPOSE_FROM_HO3D] * OPENGL


def to_ho3d(joints: np.ndarray) -> np.ndarray:
    """Joints (21, 3) of ours -> the order and axes of HO-3D, as its evaluation wants them."""
    return joints[HO3D_FROM_OPENPOSE] * OPENGL


def read_meta(path: Path) -> dict:
    """A pickled dict of arrays and plain values. Raises InputError: missing, damaged, or it would make or call anything else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f'{path} cannot be read ({error.strerror}); unpack HO-3D again') from error
    try:
        meta = ArraysOnly(io.BytesIO(data), encoding='latin1').load()
    except Refused as error:
        raise InputError(f'{path} is not a file of HO-3D: it wants to make a {error}, which could run a program; it was not '
                         'loaded') from error
    except Exception as error:  # damaged pickles raise almost any exception
        raise InputError(f'{path} is damaged ({type(error).__name__}: {error}); unpack HO-3D again') from error
    if not isinstance(meta, dict):
        raise InputError(f'{path} holds a {type(meta).__name__}, not a dict; it is not a file of HO-3D')
    return meta


class Refused(pickle.UnpicklingError):
    """What a pickle wanted to make."""


class ArraysOnly(pickle.Unpickler):
    """Numpy arrays and plain values; nothing else is looked up, so nothing else can be called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ('_codecs', 'encode'):  # how protocol 2 writes bytes
            return _latin1
        if (module, name) not in ARRAY_MAKERS:
            raise Refused(f'{module}.{name}')
        return super().find_class(module, name)


def _latin1(text: str, encoding: str = 'latin1') -> bytes:
    if encoding not in ('latin1', 'latin-1'):
        raise Refused(f'text encoded as {encoding}')
    return text.encode('latin1')


def _array(meta: dict, key: str, shape: tuple[int, ...], sequence: str, frame: str) -> np.ndarray:
    try:
        value = np.array(meta[key], float)
    except (KeyError, TypeError, ValueError):
        value = np.zeros(0)
    if value.shape != shape or not np.isfinite(value).all():
        raise InputError(f'{sequence}/meta/{frame}.pkl has no {key} of {" x ".join(map(str, shape))} numbers; unpack HO-3D again')
    return value


def _list(path: Path) -> list[tuple[str, str]]:
    """The lines 'SEQUENCE/FRAME' of a split's list."""
    try:
        lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'there is no list {path}; give the folder into which HO-3D was unpacked') from error
    parts = [line.split('/') for line in lines]
    wrong = [line for line, part in zip(lines, parts) if len(part) != 2 or not re.fullmatch(r'[\w-]+', part[0]) or not part[1].isdigit()]
    if wrong or not lines:
        raise InputError(f'{path} has {f"the line {wrong[0]!r}" if wrong else "no lines"}; every line must be SEQUENCE/FRAME')
    return [(sequence, frame) for sequence, frame in parts]


def _published(root: Path, split: str, what: str, count: int) -> np.ndarray | None:
    """`evaluation_xyz.json` or `evaluation_verts.json`, (n, 21 or 778, 3), HO-3D's order and axes; None when it is not there."""
    path = root / f'{split}_{what}.json'
    if not path.is_file():
        return None
    try:
        values = np.array(json.loads(path.read_text(encoding='utf-8')), float)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f'{path} cannot be read as HO-3D has it ({error}); fetch it again') from error
    if values.ndim != 3 or len(values) != count or values.shape[2] != 3:
        raise InputError(f'{path} has the shape {values.shape}; {count} entries with three numbers per joint or vertex are expected')
    return values


def _picture(folder: Path, frame: str) -> Path:
    """The picture of a frame: .png in version 2, .jpg in version 3. Raises InputError when it is missing."""
    for ending in ('.png', '.jpg'):
        if (folder / f'{frame}{ending}').is_file():
            return folder / f'{frame}{ending}'
    raise InputError(f'there is no picture {folder / frame}.png or .jpg; unpack HO-3D again')
