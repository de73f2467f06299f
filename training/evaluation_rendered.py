"""Rendered pictures (`training/renders.py`) as an `EvaluationSet`: everything about them is true."""
from __future__ import annotations

import zipfile
from functools import partial
from pathlib import Path

import numpy as np

from app.crop import to_crop
from app.errors import InputError
from app.hand_model import HandModel
from app.rotations import axis_angle_to_quaternion
from app.types import Crop, Intrinsics
from training.evaluation_sets import EvaluationSet, Sample, evenly
from training.rasteriser import rasterise
from training.renders import FOCAL, SIZE

KEYS = ('image', 'pose', 'shape', 'translation', 'joints_3d', 'joints_2d', 'camera_pose0', 'camera_translation', 'crop',
        'camera_intrinsics')


def read_shard(path: Path) -> dict[str, np.ndarray]:
    """The arrays of one shard. Raises InputError if it is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in KEYS if key not in file.files]
            if missing:
                raise InputError(f'{path} is no shard of rendered pictures: it lacks {", ".join(missing)}; make it anew')
            return {key: file[key] for key in KEYS}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f'{path} cannot be read; make it anew with `python -m training.renders`') from error


def true_mask(row: dict[str, np.ndarray], model: HandModel, crop: Crop) -> np.ndarray:
    """The whole hand's silhouette (S, S) bool through `crop` of the picture, with the real camera that saw it; what an object hides counts
    as hand, the forearm does not."""
    pose = axis_angle_to_quaternion(np.concatenate([row['camera_pose0'][None], row['pose'][1:]]).astype(float))
    vertices = model.posed(pose, row['shape'])[0] + row['camera_translation']
    camera = Intrinsics(*map(float, row['camera_intrinsics']))
    pixels = to_crop(to_crop(camera.project(vertices), Crop(row['crop'].astype(float), SIZE, False)), crop)
    return rasterise(np.concatenate([pixels, vertices[:, 2:]], 1), model.faces, crop.size, crop.size).mask(crop.size, crop.size)


def read_rendered(folder: Path, limit: int | None = None, model: HandModel | None = None) -> EvaluationSet:
    """All shards `*.npz` of a folder, or one file. Their camera is the canonical one of the crop, so that joints and vertices are exact and
    their projection nearly so; 2D points and silhouettes are those of the picture."""
    paths = sorted(folder.glob('*.npz')) if folder.is_dir() else [folder]
    if not paths or not paths[0].is_file():
        raise InputError(f'there are no rendered pictures (*.npz) in {folder}; make some with `python -m training.renders`')
    model = model or HandModel.load()
    camera = Intrinsics(FOCAL, FOCAL, (SIZE - 1) / 2, (SIZE - 1) / 2, True)
    whole = Crop(np.eye(2, 3), SIZE, False)
    shards = [read_shard(path) for path in paths]
    rows = [(path.stem, shard, i) for path, shard in zip(paths, shards) for i in range(len(shard['image']))]
    samples = []
    for k in evenly(len(rows), limit):
        name, shard, i = rows[k]
        row = {key: shard[key][i] for key in KEYS if key != 'image'}
        vertices = model.posed(axis_angle_to_quaternion(row['pose'].astype(float)), row['shape'])[0] + row['translation']
        samples.append(Sample(
            f'{name}/{i:04d}', 'rendered', f'{name}/{i:04d}', 'right', row['joints_2d'].astype(float),
            partial(shard['image'].__getitem__, i), SIZE, SIZE, camera, row['joints_3d'].astype(float), vertices,
            partial(true_mask, row, model), whole))
    return EvaluationSet(folder.stem, 'rendered', tuple(samples))
