"""A ResNet-18 (He et al., 2016) of half the width at 128 px: the quick encoder to compare others with, trained from nothing."""
from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from models.encoder import Encoder, Landmarks, PointHeads

WIDTHS = (32, 64, 128, 256)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with batch norm and an identity (or 1 x 1) around them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.around = None
        if stride != 1 or inputs != outputs:
            self.around = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        y = self.second_norm(self.second(y))
        return F.relu(y + (x if self.around is None else self.around(x)))


class HalfResNet18(Encoder):
    """8 blocks; the low-level map is the second one's answer, at a quarter of the side, the fine map the sixth one's, at a sixteenth."""

    size = 128
    features = WIDTHS[-1]
    low_channels = WIDTHS[0]
    low_block = 1
    fine_channels = WIDTHS[2]
    fine_block = 5

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, WIDTHS[0], 7, 2, 3, bias=False), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        blocks, channels = [], WIDTHS[0]
        for width in WIDTHS:
            for stride in (1 if width == WIDTHS[0] else 2, 1):
                blocks.append(BasicBlock(channels, width, stride))
                channels = width
        self.blocks = nn.ModuleList(blocks)
        self.heads = PointHeads(self.features, self.size)

    @property
    def depth(self) -> int:
        return len(self.blocks)

    @property
    def point_heads(self) -> nn.ModuleList:
        return nn.ModuleList([self.heads])

    def front_modules(self, blocks: int) -> nn.ModuleList:
        return nn.ModuleList([self.stem, *self.blocks[:blocks]] if blocks else [])

    def begin(self, crop: Tensor) -> Tensor:
        return self.stem(crop)

    def block(self, x: Tensor, index: int) -> Tensor:
        return self.blocks[index](x)

    def finish(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def landmarks(self, features: Tensor) -> Landmarks:
        return self.heads(features)
