"""What TensorBoard shows of a run: terms, figures, learning rate, and pictures of the network's answers.

    .venv/bin/tensorboard --logdir runs/s2hand-lite/board
"""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from models.s2hand import S2Hand
from training.panels import contact_sheet, panel
from training.run_state import Position


class Board:
    """A TensorBoard log; None for a folder: nothing is written (the other processes of a run)."""

    def __init__(self, folder: Path | None, crops: np.ndarray) -> None:
        """crops (n, 3, S, S) uint8 are the pictures shown after each epoch."""
        self.writer = SummaryWriter(str(folder)) if folder else None
        self.crops, self.steps = crops, 0

    def terms(self, stage: str, at: Position, length: int, terms: dict[str, float], rate: float) -> None:
        """The terms of one step of an epoch of `length` steps."""
        if not self.writer:
            return
        step = at.epoch * length + at.step
        for name, value in {**terms, 'loss': sum(terms.values())}.items():
            self.writer.add_scalar(f'{stage}/{name}', value, step)
        self.writer.add_scalar(f'{stage}/learning_rate', rate, step)

    def figures(self, stage: str, at: Position, figures: dict[str, dict[str, float]]) -> None:
        """The figures after an epoch."""
        if self.writer:
            for kind, values in figures.items():
                for name, value in values.items():
                    self.writer.add_scalar(f'{stage} validation/{kind} {name}', value, at.epoch)

    @torch.no_grad()
    def panels(self, network: S2Hand, at: Position) -> None:
        """Input, overlay, render and texture of the shown pictures."""
        if not self.writer or not len(self.crops):
            return
        was = network.training
        network.eval()
        device = next(network.parameters()).device
        answer = network(torch.from_numpy(self.crops).to(device).float() / 255)
        rows = [panel(crop.transpose(1, 2, 0), answer, index, network.hand) for index, crop in enumerate(self.crops)]
        self.writer.add_image('pictures', contact_sheet(rows), at.stage * 1000 + at.epoch, dataformats='HWC')
        self.writer.flush()
        network.train(was)
