"""FreiHAND in its official layout (Zimmermann et al., ICCV 2019; github.com/lmb-freiburg/freihand): 224 x 224 pictures of right hands.

    training/rgb/00000000.jpg ... 00130239.jpg     32,560 poses, then the same poses three times with other backgrounds
    training/mask/00000000.jpg ...                 of the poses, not 0 where the hand is
    training_K.json, training_xyz.json, training_verts.json, training_mano.json      one entry per pose
    evaluation/rgb/00000000.jpg ... 00003959.jpg, evaluation_K.json
    evaluation_xyz.json, evaluation_verts.json     published later; without them there are no points and no truth

Joints are metres in the camera frame (x right, y down, z forward), in OpenPose order: nothing to change. Nobody says who is pictured.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np

from app.errors import InputError
from training.pictures import CERTAIN, Picture
from training.truth_sets import Detections, nominal_points, project, read_detections

SIZE = 224  # pixels
SOURCE = 'freihand'
VERSIONS = 4
DETECTIONS = {'training': 'openpose_v2/training/detect_all.json', 'evaluation': 'openpose/evaluation/detect.json'}  # as S2HAND's code


def read_freihand(root: Path, split: Literal['training', 'evaluation'] = 'training', *, versions: int = 1, vertices: bool = False,
                  detections: Path | None = None) -> list[Picture]:
    """The pictures of a split, in the official order, the versions behind each other.

    versions: of the training poses, 1 (green screen only, as S2HAND trains) to 4. vertices: read the 778 vertices too (gigabytes of text).
    Points are those of `detections` (or of the file where S2HAND's code has it, if it is there), else projected joints; where there is
    neither, they lie as a hand in the middle would, with uncertainty inf. The session is the pose, which all of its versions share.
    Raises InputError.
    """
    root = Path(root)
    cameras = _arrays(root / f'{split}_K.json', (3, 3))
    count = len(cameras)
    joints = _optional(root, split, 'xyz', (21, 3), count, needed=split == 'training')
    meshes = _optional(root, split, 'verts', None, count, needed=split == 'training') if vertices else None
    given = detections or root / DETECTIONS[split]
    found = read_detections(given) if detections or given.is_file() else None
    pictures = []
    for version in range(min(versions, VERSIONS) if split == 'training' else 1):
        for pose in range(count):
            number = version * count + pose
            mask, session = root / split / 'mask' / f'{pose:08d}.jpg', f'{SOURCE}/{split}/{pose:08d}'
            points, uncertainty = _points(cameras[pose], None if joints is None else joints[pose], found, number, pose)
            pictures.append(Picture(
                root / split / 'rgb' / f'{number:08d}.jpg', SOURCE, session, 'right', points, uncertainty, width=SIZE, height=SIZE,
                intrinsics=cameras[pose], xyz=None if joints is None else joints[pose],
                vertices=None if meshes is None else meshes[pose], mask=mask if mask.is_file() else None, group=session,
                name=f'{number:08d}'))
    missing = [p.path for p in pictures if not p.path.is_file()]
    if missing:
        raise InputError(f'{len(missing)} of the {len(pictures)} pictures of FreiHAND are missing, the first is {missing[0]}; '
                         'unpack the data set again')
    return pictures


def _points(camera: np.ndarray, joints: np.ndarray | None, found: Detections | None, number: int,
            pose: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (21, 2) and uncertainty (21,), pixels."""
    middle = np.array((0.3, 0.3, 0.7, 0.7)) * SIZE
    if found is not None:
        place = found.place(number, f'{number:08d}')
        place = found.place(pose, f'{pose:08d}') if place is None else place  # all versions of a pose look alike
        if place is not None:
            return found.of(place, middle)
    if joints is not None:
        return project(camera, joints), np.full(21, CERTAIN)
    return nominal_points(middle), np.full(21, np.inf)


def _optional(root: Path, split: str, what: str, shape: tuple[int, int] | None, count: int, needed: bool) -> np.ndarray | None:
    path = root / f'{split}_{what}.json'
    if not path.is_file() and not needed:
        return None
    values = _arrays(path, shape)
    if len(values) != count:
        raise InputError(f'{path} has {len(values)} entries, {split}_K.json has {count}; they belong to different releases, '
                         'unpack the data set again')
    return values


def _arrays(path: Path, shape: tuple[int, int] | None) -> np.ndarray:
    """A JSON list of arrays, (n, *shape) float. Raises InputError."""
    try:
        values = np.array(json.loads(path.read_text(encoding='utf-8')), float)
    except FileNotFoundError as error:
        raise InputError(f'there is no {path}; give the folder into which FreiHAND was unpacked') from error
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f'{path} cannot be read as FreiHAND has it ({error}); unpack the data set again') from error
    if values.ndim != 3 or values.shape[2] != 3 or (shape and values.shape[1:] != shape) or not np.isfinite(values).all():
        raise InputError(f'{path} has the shape {values.shape}, expected is (n, {shape[0] if shape else "vertices"}, 3) and finite numbers')
    return values
