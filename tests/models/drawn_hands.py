"""Hands that the tests of the renderer draw."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from models.camera import FOCAL
from models.renderer import lit, render

LIGHT = torch.tensor([[0.5, 0.6, 1, 1, 1, 1, 0.9, 0.8, 0.3, 0.4, 1.0]])
SIZE = 224


@pytest.fixture(scope='module')
def hands(hand) -> Tensor:
    """(4, N, 3) different right hands 0.6 m away, one reaching out of the picture, fingers crossing palms."""
    rng = torch.Generator().manual_seed(0)
    pose = 0.2 * torch.randn(4, 16, 3, generator=rng)
    pose[:, 0] = torch.tensor([0, np.pi, 0.3]) + 0.4 * torch.randn(4, 3, generator=rng)
    pose[1, 4:7, 0] -= 0.7
    vertices = hand(pose, torch.randn(4, 10, generator=rng)).vertices
    vertices = vertices - vertices.mean(1, keepdim=True) + torch.tensor([0, 0, 0.6])
    vertices[3, :, 0] += 0.09
    return vertices


@pytest.fixture(scope='module')
def colours(hand, hands) -> Tensor:
    return lit(hand.albedo.expand(4, -1, -1), hands, hand.faces, LIGHT.expand(4, -1))


@pytest.fixture(scope='module')
def pictures(hand, hands, colours):
    return render(hands, hand.faces, colours, size=SIZE, focal=FOCAL * SIZE)
