"""Depthwise convolutions that learn quickly on processors: oneDNN's own backward pass of kernels wider than 3 is many times slower."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


class Depthwise(torch.autograd.Function):
    """Depthwise convolution with stride 1 of x (B, C, h, w) by an odd kernel (C, 1, k, k), padded so that the size stays.

    The gradient of x is such a convolution again, of the answer's gradient by the kernel turned by half a turn.
    """

    @staticmethod
    def forward(context, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        context.save_for_backward(x, weight)
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=len(weight))

    @staticmethod
    def backward(context, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = context.saved_tensors
        of_x, of_weight, of_bias = context.needs_input_grad
        pad, channels = weight.shape[-1] // 2, len(weight)
        if of_weight:
            weights = torch.ops.aten.convolution_backward(
                gradient, x, weight, [channels], [1, 1], [pad, pad], [1, 1], False, [0, 0], channels, [False, True, False])[1]
        return (F.conv2d(gradient, weight.flip(2, 3), padding=pad, groups=channels) if of_x else None,
                weights if of_weight else None, gradient.sum((0, 2, 3)) if of_bias else None)
