"""Batches of an epoch in an order that a seed fixes, shared out among processes, and able to start in the middle."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from training.crops import Crops, Place
from training.kept import Kept, loaded

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Share:
    """Which of how many processes this is."""

    rank: int = 0
    world: int = 1


def order(count: int, batch: int, key: tuple[int, ...], share: Share = Share()) -> list[np.ndarray]:
    """This process's part of every batch of an epoch: the same shuffle for the same `key`, the last short batch left out."""
    shuffled = np.random.default_rng(key).permutation(count)
    batch = min(batch, count)
    return [shuffled[i:i + batch][share.rank::share.world] for i in range(0, count - batch + 1, batch)]


class KeptBatches:
    """Batches of kept answers."""

    def __init__(self, kept: Kept) -> None:
        self.kept = kept

    def __len__(self) -> int:
        return len(self.kept)

    def epoch(self, epoch: int, parts: list[np.ndarray]) -> Iterator[Batch]:
        """One batch for each part. Kept crops are the same in every epoch."""
        for part in parts:
            yield self.kept.batch(part)

    def name(self, index: int) -> str:
        return f'kept crop {index}'


class CropBatches:
    """Batches of crops that are drawn anew in every epoch."""

    def __init__(self, crops: Crops, workers: int) -> None:
        self.crops, self.workers = crops, workers

    def __len__(self) -> int:
        return len(self.crops)

    def epoch(self, epoch: int, parts: list[np.ndarray]) -> Iterator[Batch]:
        """One batch for each part, drawn as of `epoch`."""
        places = [[Place(epoch, int(index)) for index in part] for part in parts]
        yield from loaded(self.crops, self.workers, batch_sampler=places)

    def name(self, index: int) -> str:
        return self.crops.name(index)
