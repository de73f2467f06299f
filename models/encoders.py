"""Encoders by name: crop (B, 3, S, S) in [0, 1] -> pooled features and a low-level map at a quarter of the crop's side."""
from __future__ import annotations

from typing import Literal

import torch
from efficientnet_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F

from models.landmark_trunk import Landmarks, LandmarkTrunk

EncoderName = Literal['landmark', 'efficientnet-b0', 'efficientnet-b3']
LOW_BLOCKS = {'efficientnet-b0': 2, 'efficientnet-b3': 4}  # the last block at a quarter of the crop's side


class EfficientNetEncoder(nn.Module):
    """EfficientNet as S2HAND uses it: no input normalisation, random start, state-dict keys `encoder.*` as in the official checkpoints.

    Its linear point heads stand where the landmark trunk has its own, so that every network answers the same questions.
    """

    size = 224

    def __init__(self, name: str = 'efficientnet-b3') -> None:
        super().__init__()
        self.encoder = EfficientNet.from_name(name, image_size=300)  # 300: b3's own; the paddings are those of any even size
        self.encoder.set_swish(memory_efficient=False)  # the memory-efficient one cannot be exported
        self.low_block = LOW_BLOCKS[name]
        self.features = self.encoder._conv_head.out_channels
        self.low_channels = self.encoder._blocks[self.low_block]._project_conv.out_channels
        self.heads = nn.ModuleDict({'points': nn.Linear(self.features, 63), 'world': nn.Linear(self.features, 63),
                                    'presence': nn.Linear(self.features, 1), 'right': nn.Linear(self.features, 1)})

    def forward(self, crop: Tensor) -> tuple[Tensor, Tensor]:
        net = self.encoder
        x = net._swish(net._bn0(net._conv_stem(crop)))
        low = x
        for index, block in enumerate(net._blocks):
            rate = net._global_params.drop_connect_rate
            x = block(x, drop_connect_rate=rate * index / len(net._blocks) if rate else None)
            if index == self.low_block:
                low = x
        x = net._swish(net._bn1(net._conv_head(x)))
        return F.adaptive_avg_pool2d(x, 1).flatten(1), low

    def landmarks(self, features: Tensor) -> Landmarks:
        """2D points, world points, presence and side from pooled features."""
        middle = (self.size - 1) / 2
        points = self.heads['points'](features).reshape(-1, 21, 3) * self.size
        points = points + torch.tensor([middle, middle, 0.0], device=points.device)
        return Landmarks(points, self.heads['world'](features).reshape(-1, 21, 3), torch.sigmoid(self.heads['presence'](features)),
                         torch.sigmoid(self.heads['right'](features)))


def make_encoder(name: EncoderName) -> nn.Module:
    """The encoder called `name`, with random weights. Raises ValueError for a name it does not know."""
    if name == 'landmark':
        return LandmarkTrunk()
    if name in LOW_BLOCKS:
        return EfficientNetEncoder(name)
    raise ValueError(f'there is no encoder {name!r}; known: landmark, {", ".join(LOW_BLOCKS)}')
