"""Encoders by name: crop (B, 3, S, S) in [0, 1] -> pooled features and two maps, at a quarter and a sixteenth of the crop's side."""
from __future__ import annotations

from typing import Literal, get_args

from efficientnet_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F

from models.encoder import Encoder, Landmarks, PointHeads
from models.landmark_trunk import LandmarkTrunk
from models.resnet import HalfResNet18

EncoderName = Literal['landmark', 'efficientnet-b0', 'efficientnet-b3', 'resnet18-half']
LOW_BLOCKS = {'efficientnet-b0': 2, 'efficientnet-b3': 4}  # the last block at a quarter of the crop's side
FINE_BLOCKS = {'efficientnet-b0': 10, 'efficientnet-b3': 17}  # and at a sixteenth


class EfficientNetEncoder(Encoder):
    """EfficientNet as S2HAND uses it: no input normalisation, random start, state-dict keys `encoder.*` as in the official checkpoints."""

    size = 224

    def __init__(self, name: str = 'efficientnet-b3') -> None:
        super().__init__()
        self.encoder = EfficientNet.from_name(name, image_size=300)  # 300: b3's own; the paddings are those of any even size
        self.encoder.set_swish(memory_efficient=False)  # the memory-efficient one cannot be exported
        self.low_block = LOW_BLOCKS[name]
        self.features = self.encoder._conv_head.out_channels
        self.low_channels = self.encoder._blocks[self.low_block]._project_conv.out_channels
        self.fine_block = FINE_BLOCKS[name]
        self.fine_channels = self.encoder._blocks[self.fine_block]._project_conv.out_channels
        self.heads = PointHeads(self.features, self.size)

    @property
    def depth(self) -> int:
        return len(self.encoder._blocks)

    @property
    def point_heads(self) -> nn.ModuleList:
        return nn.ModuleList([self.heads])

    def front_modules(self, blocks: int) -> nn.ModuleList:
        net = self.encoder
        end = [net._conv_head, net._bn1] if blocks == self.depth else []
        return nn.ModuleList([net._conv_stem, net._bn0, *net._blocks[:blocks], *end] if blocks else [])

    def begin(self, crop: Tensor) -> Tensor:
        return self.encoder._swish(self.encoder._bn0(self.encoder._conv_stem(crop)))

    def block(self, x: Tensor, index: int) -> Tensor:
        rate = self.encoder._global_params.drop_connect_rate
        return self.encoder._blocks[index](x, drop_connect_rate=rate * index / self.depth if rate else None)

    def finish(self, x: Tensor) -> Tensor:
        x = self.encoder._swish(self.encoder._bn1(self.encoder._conv_head(x)))
        return F.adaptive_avg_pool2d(x, 1).flatten(1)

    def landmarks(self, features: Tensor) -> Landmarks:
        return self.heads(features)


def make_encoder(name: EncoderName) -> nn.Module:
    """The encoder called `name`, with random weights. Raises ValueError for a name it does not know."""
    if name == 'landmark':
        return LandmarkTrunk()
    if name == 'resnet18-half':
        return HalfResNet18()
    if name in LOW_BLOCKS:
        return EfficientNetEncoder(name)
    raise ValueError(f'there is no encoder {name!r}; known: {", ".join(get_args(EncoderName))}')
