"""The texture and light head of S2HAND: from the encoder's low-level map to the skin's colours and the light on it."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from models import light
from models.hand_model import HandModel

START_LIGHT = (0.6, 0.6, 1, 1, 1, 1, 1, 1, 0.3, 0.5, 1)  # soft, from above behind the camera


class TextureHead(nn.Module):
    """Low-level map (B, C, 56, 56) -> albedo (B, N, 3) sRGB and light (B, 11); layer names follow the official head.

    The hand model's own albedo is the start, and the regressed offsets are added to it.
    """

    def __init__(self, channels: int, hand: HandModel) -> None:
        super().__init__()
        self.base_layers = nn.Sequential(nn.Conv2d(channels, 48, 10, 4, 1), nn.ReLU(), nn.MaxPool2d(3, 2),
                                         nn.Conv2d(48, 64, 3), nn.ReLU(), nn.MaxPool2d(2, 2))
        self.texture_reg = nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, hand.albedo.numel()))
        self.light_reg = nn.Sequential(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, light.VALUES))
        for last in (self.texture_reg[2], self.light_reg[2]):
            nn.init.normal_(last.weight, std=0.001)
            nn.init.zeros_(last.bias)
        self.register_buffer('albedo', hand.albedo.clone(), persistent=False)
        self.register_buffer('start_light', torch.tensor(START_LIGHT), persistent=False)

    def forward(self, low: Tensor) -> tuple[Tensor, Tensor]:
        x = self.base_layers(low).flatten(1)
        texture = self.albedo + self.texture_reg(x).reshape(-1, *self.albedo.shape)
        return texture.clamp(0, 1), self.start_light + self.light_reg(x)
