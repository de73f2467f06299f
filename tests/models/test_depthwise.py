"""The depthwise convolution that learns quickly is the one that torch has."""
from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from models.depthwise import Depthwise
from models.landmark_trunk import SameConv


def made(channels: int, kernel: int) -> list[torch.Tensor]:
    torch.manual_seed(kernel)
    return [torch.randn(2, channels, 7, 7, dtype=torch.float64, requires_grad=True),
            torch.randn(channels, 1, kernel, kernel, dtype=torch.float64, requires_grad=True),
            torch.randn(channels, dtype=torch.float64, requires_grad=True)]


@pytest.mark.parametrize('kernel', [3, 5])
def test_answers_and_gradients_are_those_of_torchs_own_convolution(kernel):
    inputs = made(6, kernel)
    ours = Depthwise.apply(*inputs)
    theirs = F.conv2d(*inputs, padding=kernel // 2, groups=6)
    pull = torch.randn_like(ours)
    apart = max((a - b).abs().max().item() for a, b in
                zip((ours, *torch.autograd.grad(ours, inputs, pull)), (theirs, *torch.autograd.grad(theirs, inputs, pull))))
    assert apart < 1e-12, f'answers or gradients differ by {apart:.1e}, allowed 1e-12'


def test_no_gradient_is_worked_out_that_nobody_asks_for():
    x, weight, bias = made(4, 5)
    Depthwise.apply(x.detach(), weight, bias.detach()).sum().backward()
    assert weight.grad is not None and x.grad is None and bias.grad is None


@pytest.mark.parametrize('kernel, stride', [(3, 1), (5, 1), (5, 2)])
def test_learning_in_bfloat16_leaves_depthwise_convolutions_in_float32(kernel, stride):
    layer = SameConv(8, 8, kernel, stride, groups=8)
    x = torch.randn(2, 8, 14, 14)
    with torch.no_grad():
        still = layer(x)
    with torch.autocast('cpu', torch.bfloat16):
        learning = layer(x.bfloat16())
    assert learning.dtype == torch.float32
    apart = (learning - still).abs().max().item()
    assert apart < 0.05, f'differs by {apart:.3f} from the same layer at rest, allowed 0.05: the input was rounded to bfloat16'
    assert learning.shape == still.shape
