"""The landmark network of MediaPipe Hands as an encoder, in plain torch, with a second end for the mesh.

Layout (47 convolutions, inverted residual blocks) read from `hand_landmark_full.tflite` (Google, Apache-2.0); `training/import_trunk.py`
copies its weights. It expects the crop of `app/crop.py` in [0, 1], without further normalisation.
"""
from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.depthwise import Depthwise
from models.encoder import Encoder, Landmarks

SIZE = 224  # pixels of the crop's side
FEATURES = 1152  # pooled channels
SPOTS, CELLS = 32, 49  # channels of what the mesh's end says of each of its 7 x 7 cells, kept apart where pooling forgets the place
LOW_CHANNELS = 24  # of the low-level map, at a quarter of the crop's side
LOW_BLOCK = 2  # the block that ends in the low-level map
FINE_CHANNELS = 112  # of the fine map, at a sixteenth, where the two ends part
SPLIT = 11  # from this block on there are two ends: the network's own, which its points come from, and one that learns for the mesh
BLOCKS = (  # channels in the middle, kernel, stride, channels out (0: the block ends after its depthwise convolution)
    (24, 3, 1, 16), (64, 3, 2, 24), (144, 3, 1, 24), (144, 5, 2, 40), (240, 5, 1, 40), (240, 3, 2, 80), (480, 3, 1, 80), (480, 3, 1, 80),
    (480, 5, 1, 112), (672, 5, 1, 112), (672, 5, 1, 112), (672, 5, 2, 192), (1152, 5, 1, 192), (1152, 5, 1, 192), (1152, 5, 1, 192),
    (1152, 3, 1, 0))


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's 'SAME' does for even sizes: with stride 2 the odd pixel goes right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        total = kernel - stride if kernel > 1 else 0
        self.before, self.after = total // 2, total - total // 2
        even = self.before == self.after
        super().__init__(inputs, outputs, kernel, stride, padding=self.before if even else 0, groups=groups)
        self.pads = None if even else (self.before, self.after, self.before, self.after)

    def forward(self, x: Tensor) -> Tensor:
        if self.groups == 1 or x.device.type != 'cpu' or not torch.is_grad_enabled():
            return self.padded(x)
        # learning on a processor: backward through depthwise convolutions is three times slower there in bfloat16
        with torch.autocast('cpu', enabled=False):
            x = x.to(self.weight.dtype)
            return Depthwise.apply(x, self.weight, self.bias) if self.pads is None and self.stride == (1, 1) else self.padded(x)

    def padded(self, x: Tensor) -> Tensor:
        return super().forward(x if self.pads is None else F.pad(x, self.pads))


class Block(nn.Module):
    """Inverted residual: widen by 1 x 1, depthwise, narrow by 1 x 1; ReLU6 after the first two; identity around it where shapes allow."""

    def __init__(self, inputs: int, middle: int, kernel: int, stride: int, outputs: int) -> None:
        super().__init__()
        self.expand = SameConv(inputs, middle, 1) if middle != inputs else None
        self.depthwise = SameConv(middle, middle, kernel, stride, groups=middle)
        self.project = SameConv(middle, outputs, 1) if outputs else None
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.expand(x)) if self.expand is not None else x
        y = F.relu6(self.depthwise(y))
        y = self.project(y) if self.project is not None else y
        return x + y if self.skip else y


class LandmarkTrunk(Encoder):
    """Crop (B, 3, 224, 224) in [0, 1] -> features (B, 2 * 1152 + 32 * 49), maps (B, 24, 56, 56) and (B, 112, 14, 14).

    `landmarks` are its own heads. The last five blocks stand twice. Learning the mesh from a few thousand pictures takes their points
    further from the truth than the millions that MediaPipe's own were learned from, and following a hand through a video hangs on the
    points: so those keep an end of their own.
    """

    features = FEATURES + SPOTS * CELLS
    low_channels = LOW_CHANNELS
    low_block = LOW_BLOCK
    fine_channels = FINE_CHANNELS
    fine_block = SPLIT - 1
    size = SIZE

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 24, 3, 2)
        blocks, channels = [], 24
        for middle, kernel, stride, outputs in BLOCKS:
            blocks.append(Block(channels, middle, kernel, stride, outputs))
            channels = outputs
        self.blocks = nn.ModuleList(blocks)
        self.mesh_blocks = nn.ModuleList([copy.deepcopy(block) for block in blocks[SPLIT:]])
        self.spots = SameConv(FEATURES, SPOTS, 1)
        self.points = nn.Linear(FEATURES, 63)
        self.world = nn.Linear(FEATURES, 63)
        self.presence = nn.Linear(FEATURES, 1)
        self.right = nn.Linear(FEATURES, 1)

    @property
    def depth(self) -> int:
        return len(self.blocks)

    @property
    def point_heads(self) -> nn.ModuleList:
        return nn.ModuleList([*self.blocks[SPLIT:], self.points, self.world, self.presence, self.right])

    def front_modules(self, blocks: int) -> nn.ModuleList:
        if SPLIT < blocks < self.depth:
            raise ValueError(f'the trunk can be cut up to block {SPLIT}, where its two ends part, or after all {self.depth}')
        ends = [*self.mesh_blocks, self.spots] if blocks == self.depth else []
        return nn.ModuleList([self.stem, *self.blocks[:blocks], *ends] if blocks else [])

    def begin(self, crop: Tensor) -> Tensor:
        return F.relu6(self.stem(crop))

    def block(self, x: Tensor | tuple[Tensor, Tensor], index: int) -> Tensor | tuple[Tensor, Tensor]:
        if index < SPLIT:
            return self.blocks[index](x)
        own, mesh = (x, x) if index == SPLIT else x
        return self.blocks[index](own), self.mesh_blocks[index - SPLIT](mesh)

    def finish(self, x: tuple[Tensor, Tensor]) -> Tensor:
        """(B, 2 * 1152 + 32 * 49): the own end's pooled features, then the mesh's, pooled and cell by cell."""
        own, mesh = x
        return torch.cat([own.mean((2, 3)), mesh.mean((2, 3)), self.spots(mesh).flatten(1)], 1)

    def for_mesh(self, features: Tensor) -> Tensor:
        return features[:, FEATURES:]

    def landmarks(self, features: Tensor) -> Landmarks:
        """The landmark network's own answers from features (B, 2 * 1152 + 32 * 49)."""
        features = features[:, :FEATURES]
        points = self.points(features).reshape(-1, 21, 3)
        return Landmarks(points, self.world(features).reshape(-1, 21, 3), torch.sigmoid(self.presence(features)),
                         torch.sigmoid(self.right(features)))
