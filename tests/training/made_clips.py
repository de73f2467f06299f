"""Small clips to train on: rendered ones with truth, and the same as `training.clip_labels` would have labelled them."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from app.mirror import mirror_points_2d
from training.rendered_clips import FRAME, make_clips


def make_small_clips(folder: Path, clips: int = 2, seconds: float = 0.5, fps: float = 20.0, seed: int = 5) -> Path:
    """Rendered clips in `folder`."""
    make_clips(folder, clips, seconds, fps, seed)
    return folder


def labelled(clip: Path, person: str = 'somebody', **changed: np.ndarray) -> Path:
    """Turn a rendered clip's truth into labels; `changed` replaces arrays."""
    with np.load(clip / 'truth.npz') as file:
        truth = {key: file[key] for key in file.files}
    count, focal = len(truth['time']), truth['intrinsics'][0, 0]
    depth = truth['joints_3d'][..., 2] - truth['joints_3d'][:, :1, 2]
    numbers = {'time': truth['time'], 'size': np.array(FRAME), 'matrix': np.tile(np.eye(2, 3), (count, 1, 1)), 'side': truth['side'],
               'person': np.array(person), 'points': truth['joints_2d'].astype(float), 'uncertainty': np.full((count, 21), 2.0),
               'depth': depth * focal / truth['joints_3d'][:, :1, 2]}
    np.savez(clip / 'labels.npz', **numbers | changed)
    (clip / 'truth.npz').unlink()
    return clip


def of_right_hand(points: np.ndarray, side: str) -> np.ndarray:
    """Points (..., 2) of a frame as those of the picture of a right hand."""
    return mirror_points_2d(points, FRAME[0]) if side == 'left' else points
