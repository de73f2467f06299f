"""The encoder alone as an ONNX graph, to work out features for training."""
from __future__ import annotations

from pathlib import Path

import torch
from torch import nn


class Pooled(nn.Module):
    """Crops -> pooled features."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, crop: torch.Tensor) -> torch.Tensor:
        return self.encoder(crop)[0]


def export_encoder(encoder: nn.Module, path: Path) -> None:
    """Write the encoder's pooled features as a graph: `crop` (B, 3, S, S) -> `features` (B, F)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    crop = torch.rand(2, 3, encoder.size, encoder.size)
    torch.onnx.export(Pooled(encoder).eval(), (crop,), str(path), input_names=['crop'], output_names=['features'], dynamo=True,
                      verbose=False, dynamic_shapes=({0: torch.export.Dim('batch', min=1, max=256)},), external_data=False)
