"""A small training set made by rendering: pictures with their true points, as `label` would write them."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from training.manifest import NAME, write_rows
from training.renders import RenderSampler, write_shard


def make_set(folder: Path, train: int = 24, val: int = 8, rendered: int = 16) -> Path:
    """Pictures in `folder` with a manifest, shards of rendered pictures in `folder`/renders; returns the manifest."""
    sampler, rows = RenderSampler(), []
    samples = [sampler.sample(np.random.default_rng((5, number))) for number in range(train + val + rendered)]
    for number, sample in enumerate(samples[:train + val]):
        split = 'train' if number < train else 'val'
        file = f'{split}-{number}.jpg'
        cv2.imwrite(str(folder / file), sample['image'][..., ::-1])
        depth = (sample['joints_3d'][:, 2] - sample['joints_3d'][0, 2]) * 560 / sample['translation'][2]
        rows.append({'file': file, 'split': split, 'source': f'made {split} {number % 3}', 'side': 'right', 'width': 224, 'height': 224,
                     'keypoints': sample['joints_2d'].tolist(), 'keypoint_uncertainty': [1.5] * 21, 'depth': depth.tolist()})
    write_shard(folder / 'renders' / 'renders-0-000.npz', samples[train + val:])
    write_rows(folder / NAME, rows)
    return folder / NAME


def settings_text(manifest: Path, out: Path, stages: str, data: str = '', top: str = '') -> str:
    """A run's settings (TOML) over that set, small and quick."""
    return f"""
name = 'small'
encoder = 'resnet18-half'
out = '{out}'
threads = 1
panels = 2
{top}
[data]
manifest = '{manifest}'
crops_per_picture = 1
fits = false
rendered = 16
renders = '{manifest.parent / 'renders'}'
workers = 0
{data}
{stages}
[texture]
epochs = 0
"""
