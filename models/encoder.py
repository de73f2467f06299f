"""What every encoder is: a start, a row of blocks, an end; so that its first blocks can be frozen and their answers kept."""
from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Landmarks:
    """What an encoder's own point heads say about a crop: S2HAND's 2D keypoint branch."""

    points: Tensor  # (B, 21, 3) x, y in crop pixels (pixel centres at integers) and depth in pixels, wrist = 0, forward positive
    world: Tensor  # (B, 21, 3) metres, camera axes, the hand's middle at the origin
    presence: Tensor  # (B, 1) probability that a hand is there
    right: Tensor  # (B, 1) probability that it is a right hand


class Features(NamedTuple):
    """What an encoder makes of crops of side S."""

    pooled: Tensor  # (B, F)
    low: Tensor | None  # (B, `low_channels`, S / 4, S / 4): texture and light are read from it; None after `tail`
    fine: Tensor | None  # (B, `fine_channels`, S / 16, S / 16): looked at where joints are; None where only pooled features were kept


class Encoder(nn.Module, ABC):
    """Crop (B, 3, size, size) in [0, 1] -> `Features`.

    A subclass says `begin`, `block` and `finish`, and how many blocks there are (`depth`); the low-level map is the answer of block
    `low_block`, the fine one that of `fine_block`.
    """

    size: int
    features: int
    low_channels: int
    low_block: int
    fine_channels: int
    fine_block: int

    @property
    @abstractmethod
    def depth(self) -> int:
        """How many blocks there are."""

    @abstractmethod
    def begin(self, crop: Tensor) -> Tensor:
        """Everything before the first block."""

    @abstractmethod
    def block(self, x: Tensor, index: int) -> Tensor:
        """The answer of block `index`."""

    @abstractmethod
    def finish(self, x: Tensor) -> Tensor:
        """The last block's answer -> pooled features."""

    @abstractmethod
    def landmarks(self, features: Tensor) -> Landmarks:
        """Points, presence and side from pooled features (B, `features`)."""

    @property
    @abstractmethod
    def point_heads(self) -> nn.ModuleList:
        """The layers that only `landmarks` uses; they are trained as the 2D keypoint branch."""

    @abstractmethod
    def front_modules(self, blocks: int) -> nn.ModuleList:
        """What `front` of so many blocks runs; nothing for 0 blocks."""

    def for_mesh(self, features: Tensor) -> Tensor:
        """(B, `features`) the part of the pooled features that the mesh is regressed from: all of them, unless an encoder has two ends."""
        return features

    def forward(self, crop: Tensor) -> Features:
        x = self.begin(crop)
        low = fine = None
        for index in range(self.depth):
            x = self.block(x, index)
            low = x if index == self.low_block else low
            fine = x if index == self.fine_block else fine
        return Features(self.finish(x), low, fine)

    def front(self, crop: Tensor, blocks: int) -> Tensor:
        """The answer after the first `blocks` blocks; after all of them, the pooled features."""
        x = self.begin(crop)
        for index in range(blocks):
            x = self.block(x, index)
        return self.finish(x) if blocks == self.depth else x

    def tail(self, x: Tensor, blocks: int) -> Features:
        """What `front` of the same number of blocks left -> features, without the low-level map, nor the fine one if that is past."""
        if blocks == self.depth:
            return Features(x, None, None)
        fine = x if blocks == self.fine_block + 1 else None
        for index in range(blocks, self.depth):
            x = self.block(x, index)
            fine = x if index == self.fine_block else fine
        return Features(self.finish(x), None, fine)


class PointHeads(nn.Module):
    """Linear heads on pooled features, the same questions that the landmark trunk's own heads answer."""

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.points, self.world = nn.Linear(features, 63), nn.Linear(features, 63)
        self.presence, self.right = nn.Linear(features, 1), nn.Linear(features, 1)

    def forward(self, features: Tensor) -> Landmarks:
        middle = (self.size - 1) / 2
        points = self.points(features).reshape(-1, 21, 3) * self.size
        points = points + torch.tensor([middle, middle, 0.0], device=points.device)
        return Landmarks(points, self.world(features).reshape(-1, 21, 3), torch.sigmoid(self.presence(features)),
                         torch.sigmoid(self.right(features)))
