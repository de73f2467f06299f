"""The network's textured, lit mesh drawn into its crop and compared with the crop."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from app.types import Crop
from models.renderer import lit, render
from training.evaluation_sets import Sample
from training.metrics import mask_iou
from training.photometric import psnr

if TYPE_CHECKING:
    from training.evaluation_answers import Network

DRAWN_AT_ONCE = 4


@dataclass(frozen=True)
class Drawn:
    """How a drawn mesh compares with its crop."""

    psnr: float  # dB inside the drawn mask; NaN if nothing was drawn
    flat: float  # dB of a peer without texture or light: the crop's mean colour inside the drawn mask
    iou: float | None  # of the drawn and the true silhouette, where there is one


def drawn_figures(samples: Sequence[Sample], crops: Sequence[Crop], pictures: np.ndarray, out: dict[str, np.ndarray], wanted: np.ndarray,
                  faces: torch.Tensor, network: Network) -> list[Drawn | None]:
    """Draw the wanted of a batch: crops' pictures (B, S, S, 3) uint8, the network's outputs for them. The mask is that of the whole drawn
    mesh at the crop's size; nothing is cut away where it misses the hand."""
    figures: list[Drawn | None] = [None] * len(samples)
    chosen = np.flatnonzero(wanted)
    for start in range(0, len(chosen), DRAWN_AT_ONCE):
        rows = chosen[start:start + DRAWN_AT_ONCE]
        vertices, texture, light = (torch.from_numpy(np.ascontiguousarray(out[name][rows])) for name in ('vertices', 'texture', 'light'))
        with torch.inference_mode():
            picture = render(vertices, faces, lit(texture, vertices, faces, light), size=network.size, focal=network.focal, soft=False)
            shown, mask = torch.from_numpy(np.float32(pictures[rows]) / 255).permute(0, 3, 1, 2), picture.mask
            mean = (shown * mask[:, None]).sum((2, 3), keepdim=True) / mask.sum((1, 2))[:, None, None, None]
            decibels, flat = psnr(shown, picture.colour, mask), psnr(shown, mean.expand_as(shown), mask)
        for row, value, plain, mask in zip(rows, decibels.tolist(), flat.tolist(), picture.mask.numpy()):
            truth = samples[row].mask
            figures[row] = Drawn(value, plain, None if truth is None else mask_iou(mask, truth(crops[row])))
    return figures
