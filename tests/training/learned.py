"""What runs have learned, beside each other."""
from __future__ import annotations

from pathlib import Path

import torch

from models.checkpoint import load_checkpoint


def weights(path: Path) -> dict[str, torch.Tensor]:
    return {key: value.float() for key, value in load_checkpoint(path).state_dict().items()}


def furthest(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(float((a[key] - b[key]).abs().max()) for key in a)
