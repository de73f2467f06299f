"""Pictures rendered from the open hand (`training/renders.py`) as training examples: everything about them is known exactly."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from app.errors import InputError
from models.camera import project
from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix
from training.examples import Examples
from training.features import FeatureReader
from models.skeleton import Skeleton

LEAST_UNCERTAINTY, HIDDEN_UNCERTAINTY = 1.0, 6.0  # crop pixels


def shards_of(folder: Path) -> list[Path]:
    """The rendered shards in a folder. Raises InputError when there is none."""
    shards = sorted(folder.glob('renders-*.npz'))
    if not shards:
        raise InputError(f'no rendered pictures in {folder}; make some with `python -m training.renders --count 4000 --out {folder}/`')
    return shards


def shard_features(shard: Path, graph: Path) -> np.ndarray:
    """Features (n, F) of a shard's pictures, kept beside it."""
    kept = shard.with_name(f'features-{shard.name}')
    if kept.exists() and kept.stat().st_mtime >= max(shard.stat().st_mtime, graph.stat().st_mtime):
        return np.load(kept)['features']
    with np.load(shard) as file:
        features = FeatureReader(graph)(file['image'])
    np.savez(kept, features=features)
    return features


def shard_examples(shard: Path, graph: Path, size: int, skeleton: Skeleton) -> Examples:
    """A shard as examples. Where a near hand's perspective differs from the network's camera, its 2D points count less.

    Joints are worked out from pose and shape: a shard rendered from an earlier hand model has its finger tips elsewhere.
    """
    features = shard_features(shard, graph)
    with np.load(shard) as file:
        data = {key: file[key] for key in ('pose', 'shape', 'joints_2d', 'translation', 'visible')}
    pose = torch.as_tensor(data['pose'])
    rotation = axis_angle_to_matrix(pose[:, 0])
    relative = skeleton.from_pose(rotation, pose[:, 1:], torch.as_tensor(data['shape']))
    seen = project(relative + torch.as_tensor(data['translation'])[:, None], size).numpy()
    apart = np.linalg.norm(seen - data['joints_2d'], axis=-1)
    uncertainty = np.maximum(LEAST_UNCERTAINTY, apart) + HIDDEN_UNCERTAINTY * (1 - data['visible'])
    ones = np.ones(len(seen), np.float32)
    return Examples(features, data['joints_2d'], uncertainty.astype(np.float32), np.zeros(seen.shape[:2], np.float32), rotation.numpy(),
                    data['pose'][:, 1:], data['shape'], relative.numpy(), ones, ones)


def rendered_examples(folder: Path, graph: Path, size: int, most: int, hand: HandModel) -> Examples:
    """Up to `most` rendered pictures of a folder."""
    parts, count, skeleton = [], 0, Skeleton(hand)
    for shard in shards_of(folder):
        if count >= most:
            break
        parts.append(shard_examples(shard, graph, size, skeleton))
        count += len(parts[-1])
    return Examples.join(parts)
