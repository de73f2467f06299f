"""One shape for a person, by a ridge regression on what the shape head already sees, instead of by many small steps.

What changes from frame to frame in the shapes is noise: a single picture hardly tells a hand's proportions. With z_i the numbers inside the
shape head (after its ReLU) for crop i and a 1, and y_i the mean of the shapes that the network gave to all crops of the same person, the
head's last layer becomes the M with the least

    sum_i |M z_i - y_i|^2  +  steady * sum_i |M (z_i - mean of z over the person)|^2  +  RIDGE * n * |M / spread of z|^2

The first term keeps people apart, the second takes out what differs within one person; both are squares, so that the best M is found at
once, and nothing else in the network moves. The corrections no longer touch the shape.
"""
from __future__ import annotations

import numpy as np
import torch

from models.s2hand import GeometryHead, S2Hand
from training.kept import Kept
from training.video_first import mean_of

BATCH = 128
RIDGE = 0.01  # of the squares of a number inside the head, whose spread is made 1
LEAST_SPREAD = 1e-3


@torch.inference_mode()
def seen_of_shape(network: S2Hand, kept: Kept, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Of all that is kept after `blocks` blocks: the numbers (n, H) inside the shape head, and the shapes (n, S) as the network answers now."""
    network.eval()
    encoder, head, device = network.encoder, network.decoder, next(network.parameters()).device
    inside, shapes = [], []
    for start in range(0, len(kept), BATCH):
        batch = kept.batch(np.arange(start, min(start + BATCH, len(kept))))
        maps = batch['kept'].to(device)
        seen = encoder.tail(maps.contiguous(memory_format=torch.channels_last) if maps.ndim == 4 else maps, blocks)
        fine = batch['fine'].to(device) if 'fine' in batch else seen.fine
        features = encoder.for_mesh(seen.pooled)
        inside.append(head.shape_reg[:-1](head.base_layers(features)).cpu().numpy())
        shapes.append(head(features, encoder.landmarks(seen.pooled).points, fine).shape.cpu().numpy())
    return np.concatenate(inside).astype(float), np.concatenate(shapes).astype(float)


def steady_rows(inside: np.ndarray, shapes: np.ndarray, persons: np.ndarray, steady: float) -> tuple[np.ndarray, np.ndarray]:
    """The last layer's weights (S, H) and bias (S,) for numbers (n, H), first shapes (n, S) and the name (n,) of each crop's person."""
    middle, spread = inside.mean(0), inside.std(0) + LEAST_SPREAD
    z = np.concatenate([(inside - middle) / spread, np.ones((len(inside), 1))], 1)
    within = z - mean_of(z, persons)
    ridge = RIDGE * len(z) * np.diag([*np.ones(inside.shape[1]), 0.0])
    rows = np.linalg.solve(z.T @ z + steady * within.T @ within + ridge, z.T @ mean_of(shapes, persons))
    weights = rows[:-1] / spread[:, None]
    return weights.T, rows[-1] - middle @ weights


def settled_shape(network: S2Hand, parts: list[tuple[Kept, np.ndarray]], blocks: int, steady: float) -> list[np.ndarray]:
    """Settle the network's shape head by all parts, each what is kept after `blocks` blocks and the names of the persons it shows; of each
    part the mean shapes (n, S) of its persons by the new head."""
    seen = [seen_of_shape(network, kept, blocks) for kept, _ in parts]
    inside, shapes = (np.concatenate(values) for values in zip(*seen))
    weights, bias = steady_rows(inside, shapes, np.concatenate([persons.astype(str) for _, persons in parts]), steady)
    put_in(network.decoder, weights, bias)
    return [mean_of(values @ weights.T + bias, persons) for (values, _), (_, persons) in zip(seen, parts)]


def put_in(head: GeometryHead, weights: np.ndarray, bias: np.ndarray) -> None:
    """Put the rows into the shape head, and take the shape out of the corrections."""
    first = head.sizes[0]
    own, last = slice(first, first + head.sizes[1]), head.correction[-1]
    with torch.no_grad():
        head.shape_reg[-1].weight.copy_(torch.as_tensor(weights))
        head.shape_reg[-1].bias.copy_(torch.as_tensor(bias))
        last.weight[own] = 0
        last.bias[own] = 0
