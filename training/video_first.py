"""What the network answered before it learned from clips: the poses that it keeps to, and of all crops of one hand the mean shape.

Learned from few clips, fingers soon bend less, and hands become alike, because both are steadier so. So each crop is held to the pose that
the network gave to all crops of its picture as the run began, in the mean, and to the mean shape that it gave to all of its person: the
network teaches itself, and what it is asked for has less of the noise that it shall lose.

Fits to detected points and the network's own answers err in different ways: the mean of both is nearer to measured joints than either (of
200 hands 7.5 mm, where each is 7.7 off; from two cameras 8.7, as fits are, where the network is 9.8 off). And the mean of what it says of a
picture's crops is what it would say if no cut and no noise disturbed it. So what hands without truth teach in 3D can be half of each
(`taught`). Reconstructions of whole clips and refined answers are no better teachers than fits (8.7 and 8.9 from two cameras).

And half-way between its first weights and those that it has learned most of the steadiness is there, and little of what single pictures
lose by it (`mix`).
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from models.rotations import nearest_rotation
from models.s2hand import S2Hand
from training.examples import Row
from training.kept import Kept, has_bfloat16

BATCH = 128


@dataclass(frozen=True)
class Look:
    """What a network says of n crops."""

    joints: np.ndarray  # (n, 21, 3) metres, about the wrist, of a hand of size 1
    rotation: np.ndarray  # (n, 3, 3) of the wrist
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
        fingers = network.hand.pose_from_coefficients(geometry.coefficients)
        joints = head.skeleton.from_pose(geometry.rotation, fingers, geometry.shape)
        parts.append((joints, geometry.rotation, fingers, geometry.shape, head.base_layers(features)))
    return Look(*(torch.cat(values).cpu().numpy() for values in zip(*parts)))


@torch.no_grad()
def mix(network: S2Hand, first: S2Hand, part: float) -> None:
    """Weights w of the network become (1 - part) w + part w0 with those of `first`, running means and variances included."""
    began = first.state_dict()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.lerp_(began[name].to(value.device), part)


def first_answers(first: Look, pictures: np.ndarray, persons: np.ndarray) -> Row:
    """`first_fingers` (n, 15, 3) axis-angle, the mean over the rows with the same name in `pictures` (n,), and `first_shape` (n, S), over
    those with the same in `persons` (n,)."""
    return {'first_fingers': mean_of(first.fingers, pictures), 'first_shape': mean_of(first.shape, persons)}


def taught(first: Look, rows: Row, pictures: np.ndarray, part: float) -> Row:
    """`joints`, `rotation`, `fingers` and `shape` of `rows`, of which `part` is the mean of the answers to all crops with the same name in
    `pictures` (n,), where the hand is not rendered: what is known of those is true.

    Means are taken in the axes of each picture's fitted hand, which all of its crops know; a mean of rotations is the rotation nearest to
    the mean of the matrices.
    """
    axes, back = rows['rotation'], rows['rotation'].transpose(0, 2, 1)
    turn = part * mean_of(back @ first.rotation, pictures) + (1 - part) * np.eye(3, dtype=np.float32)
    own = {'joints': mean_of(first.joints @ axes, pictures) @ back, 'fingers': mean_of(first.fingers, pictures),
           'shape': mean_of(first.shape, pictures)}
    made = {key: part * value + (1 - part) * rows[key] for key, value in own.items()}
    made['rotation'] = axes @ nearest_rotation(torch.from_numpy(turn))[0].numpy()
    guessed = rows['exact'] == 0
    return {key: np.where(guessed.reshape(-1, *[1] * (value.ndim - 1)), value, rows[key]).astype(np.float32) for key, value in made.items()}


def mean_of(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Values (n, ...) -> for each the mean of those with the same entry in `groups` (n,)."""
    of = np.unique(groups, return_inverse=True)[1]
    sums = np.zeros((of.max() + 1, *values.shape[1:]))
    np.add.at(sums, of, values)
    counts = np.bincount(of).reshape(-1, *[1] * (values.ndim - 1))
    return (sums / counts)[of].astype(np.float32)
