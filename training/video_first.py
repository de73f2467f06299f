"""What the network answered before it learned from clips: the poses that it keeps to, and of all crops of one hand the mean shape.

Learned from few clips, fingers soon bend less, and hands become alike, because both are steadier so. So each crop is held to the pose that
the network gave to all crops of its picture as the run began, in the mean, and to the mean shape that it gave to all of its person: the
network teaches itself, and what it is asked for has less of the noise that it shall lose.
"""
from __future__ import annotations

import numpy as np
import torch

from models.s2hand import S2Hand
from training.examples import Row
from training.kept import Kept

BATCH = 128


@torch.inference_mode()
def first_answers(network: S2Hand, kept: Kept, blocks: int, pictures: np.ndarray, persons: np.ndarray) -> Row:
    """Of all that is kept after `blocks` blocks, as the network answers now: `first_fingers` (n, 15, 3) axis-angle, the mean over the rows
    with the same name in `pictures` (n,), and `first_shape` (n, S), over those with the same in `persons` (n,)."""
    network.eval()
    encoder, device = network.encoder, next(network.parameters()).device
    fingers, shapes = [], []
    for start in range(0, len(kept), BATCH):
        batch = kept.batch(np.arange(start, min(start + BATCH, len(kept))))
        maps = batch['kept'].to(device)
        seen = encoder.tail(maps.contiguous(memory_format=torch.channels_last) if maps.ndim == 4 else maps, blocks)
        fine = batch['fine'].to(device) if 'fine' in batch else seen.fine
        geometry = network.decoder(encoder.for_mesh(seen.pooled), encoder.landmarks(seen.pooled).points, fine)
        fingers.append(network.hand.pose_from_coefficients(geometry.coefficients).cpu().numpy())
        shapes.append(geometry.shape.cpu().numpy())
    return {'first_fingers': mean_of(np.concatenate(fingers), pictures), 'first_shape': mean_of(np.concatenate(shapes), persons)}


def mean_of(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Values (n, ...) -> for each the mean of those with the same entry in `groups` (n,)."""
    of = np.unique(groups, return_inverse=True)[1]
    sums = np.zeros((of.max() + 1, *values.shape[1:]))
    np.add.at(sums, of, values)
    counts = np.bincount(of).reshape(-1, *[1] * (values.ndim - 1))
    return (sums / counts)[of].astype(np.float32)
