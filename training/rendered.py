"""Pictures rendered from the open hand (`training/renders.py`) as training examples: everything about them is known exactly."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from app.errors import InputError
from app.outputs.atomic import whole_file
from models.camera import FOCAL, project
from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix
from models.skeleton import Skeleton
from training.examples import Row

LEAST_UNCERTAINTY, HIDDEN_UNCERTAINTY = 1.0, 6.0  # pixels of a 224 px crop


def shards_of(folder: Path) -> list[Path]:
    """The rendered shards in a folder. Raises InputError when there is none."""
    shards = sorted(folder.glob('renders-*.npz'))
    if not shards:
        raise InputError(f'no rendered pictures in {folder}; make some with `python -m training.renders --count 4000 --out {folder}/`')
    return shards


def pictures_of(shard: Path) -> np.ndarray:
    """A shard's pictures (n, S, S, 3) uint8, mapped from a file beside it that is made the first time: an .npz cannot be mapped."""
    kept = shard.with_name(f'pictures-{shard.stem}.npy')
    if not kept.exists() or kept.stat().st_mtime < shard.stat().st_mtime:
        with np.load(shard) as file, whole_file(kept) as unfinished:
            np.save(unfinished, file['image'])
    return np.load(kept, mmap_mode='r')


def shard_rows(shard: Path, skeleton: Skeleton) -> Row:
    """What is known of a shard's hands, arrays with one row for each, in crops of the shard's own size.

    Where a near hand's perspective differs from the network's camera, its 2D points count less. Joints are worked out from pose and shape:
    a shard rendered from an earlier hand model has its finger tips elsewhere.
    """
    with np.load(shard) as file:
        data = {key: file[key] for key in ('pose', 'shape', 'joints_2d', 'translation', 'visible')}
    size = pictures_of(shard).shape[1]
    pose = torch.as_tensor(data['pose'])
    rotation = axis_angle_to_matrix(pose[:, 0])
    relative = skeleton.from_pose(rotation, pose[:, 1:], torch.as_tensor(data['shape'])).numpy()
    placed = relative + data['translation'][:, None]
    seen = project(torch.as_tensor(placed), size).numpy()
    apart = np.linalg.norm(seen - data['joints_2d'], axis=-1)
    uncertainty = np.maximum(LEAST_UNCERTAINTY, apart) + HIDDEN_UNCERTAINTY * (1 - data['visible'])
    ones = np.ones(len(seen), np.float32)
    depth = relative[..., 2] * (FOCAL * size / data['translation'][:, 2:])
    rows = {'points': data['joints_2d'], 'uncertainty': uncertainty, 'depth': depth, 'depth_known': ones,
            'rotation': rotation.numpy(), 'fingers': data['pose'][:, 1:], 'shape': data['shape'], 'joints': relative,
            'trust': ones, 'exact': ones, 'hand': ones, 'presence': ones, 'right': ones}
    return {key: np.asarray(value, np.float32) for key, value in rows.items()}


class Rendered:
    """Up to `most` rendered pictures of a folder, in crops of `size`."""

    def __init__(self, folder: Path, size: int, most: int, hand: HandModel) -> None:
        skeleton, count, parts = Skeleton(hand), 0, []
        self.pictures: list[np.ndarray] = []
        for shard in shards_of(folder):
            if count >= most:
                break
            self.pictures.append(pictures_of(shard)[:most - count])
            parts.append({key: value[:most - count] for key, value in shard_rows(shard, skeleton).items()})
            count += len(self.pictures[-1])
        self.rows = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        self.size = size
        self.ends = np.cumsum([len(p) for p in self.pictures])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def picture(self, index: int) -> np.ndarray:
        """(S, S, 3) uint8 in its own size."""
        shard = int(np.searchsorted(self.ends, index, 'right'))
        return np.array(self.pictures[shard][index - (self.ends[shard - 1] if shard else 0)])

    def row(self, index: int) -> Row:
        """What is known of one hand, in pixels of crops of `size`."""
        row = {key: value[index].copy() for key, value in self.rows.items()}
        scale = self.size / self.pictures[0].shape[1]
        if scale != 1:
            row['points'] = (row['points'] + 0.5) * scale - 0.5
            row['uncertainty'], row['depth'] = row['uncertainty'] * scale, row['depth'] * scale
        return row
