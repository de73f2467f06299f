"""What the network answered before it learned from clips: the poses that it keeps to, and of all crops of one hand the mean shape.

Learned from few clips, fingers soon bend less, and hands become alike, because both are steadier so. So each crop is held to the pose that
the network gave to all crops of its picture as the run began, in the mean, and to the mean shape that it gave to all of its person: the
network teaches itself, and what it is asked for has less of the noise that it shall lose.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from models.s2hand import S2Hand
from training.examples import Row
from training.kept import Kept, has_bfloat16

BATCH = 128


@dataclass(frozen=True)
class Look:
    """What a network says of n crops."""

    fingers: np.ndarray  # (n, 15, 3) axis-angle
    shape: np.ndarray  # (n, S)
    inside: np.ndarray  # (n, H) the numbers that the shape head reads


@torch.inference_mode()
def look(network: S2Hand, kept: Kept, blocks: int) -> Look:
    """The answers to all that is kept after `blocks` blocks; the rest of the encoder in bfloat16 where that is quicker."""
    network.eval()
    encoder, head, device = network.encoder, network.decoder, next(network.parameters()).device
    parts = []
    for start in range(0, len(kept), BATCH):
        batch = kept.batch(np.arange(start, min(start + BATCH, len(kept))))
        maps = batch['kept'].to(device)
        maps = maps.contiguous(memory_format=torch.channels_last) if maps.ndim == 4 else maps
        with torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(network)):
            seen = encoder.tail(maps, blocks)
        pooled, fine = seen.pooled.float(), batch['fine'].to(device) if 'fine' in batch else seen.fine
        features = encoder.for_mesh(pooled)
        geometry = head(features, encoder.landmarks(pooled).points, None if fine is None else fine.float())
        parts.append((network.hand.pose_from_coefficients(geometry.coefficients), geometry.shape, head.base_layers(features)))
    return Look(*(torch.cat(values).cpu().numpy() for values in zip(*parts)))


def first_answers(first: Look, pictures: np.ndarray, persons: np.ndarray) -> Row:
    """`first_fingers` (n, 15, 3) axis-angle, the mean over the rows with the same name in `pictures` (n,), and `first_shape` (n, S), over
    those with the same in `persons` (n,)."""
    return {'first_fingers': mean_of(first.fingers, pictures), 'first_shape': mean_of(first.shape, persons)}


def mean_of(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Values (n, ...) -> for each the mean of those with the same entry in `groups` (n,)."""
    of = np.unique(groups, return_inverse=True)[1]
    sums = np.zeros((of.max() + 1, *values.shape[1:]))
    np.add.at(sums, of, values)
    counts = np.bincount(of).reshape(-1, *[1] * (values.ndim - 1))
    return (sums / counts)[of].astype(np.float32)
