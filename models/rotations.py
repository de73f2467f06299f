"""Rotations in torch, safe to differentiate at zero and free of operators that ONNX exporters mishandle."""
from __future__ import annotations

import torch
from torch import Tensor

TINY = 1e-8  # squared angle below which the series takes over; the clamp (never `+ eps`, which exporters delete) keeps sqrt finite


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues: axis-angle (..., 3) in radians -> rotation matrices (..., 3, 3).

    R = I + a K + b K^2 with K the cross-product matrix of the unnormalised vector, a = sin t / t and b = (1 - cos t) / t^2. Both are
    computed by half-angle formulas from a clamped angle, so that values and gradients are right at and near zero.
    """
    squared = (axis_angle * axis_angle).sum(-1, keepdim=True)
    angle = squared.clamp(min=TINY).sqrt()
    half = torch.sin(0.5 * angle) / (0.5 * angle)
    a = (torch.sin(angle) / angle)[..., None]
    b = (0.5 * half * half)[..., None]
    x, y, z = axis_angle[..., 0:1], axis_angle[..., 1:2], axis_angle[..., 2:3]
    zero = x * 0
    cross = torch.stack([torch.cat([zero, -z, y], -1), torch.cat([z, zero, -x], -1), torch.cat([-y, x, zero], -1)], -2)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return identity + a * cross + b * torch.matmul(cross, cross)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) -> axis-angle (..., 3), angle in [0, pi]. Through the quaternion, stable near zero and near pi."""
    q = matrix_to_quaternion(matrix)
    w, v = q[..., :1], q[..., 1:]
    sine = (v * v).sum(-1, keepdim=True).clamp(min=1e-24).sqrt()
    angle = 2 * torch.atan2(sine, w)
    return v * torch.where(sine > 1e-6, angle / sine, 2 / w.clamp(min=1e-6))


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) -> unit quaternions (..., 4) as (w, x, y, z) with w >= 0 (Shepperd's method, largest pivot)."""
    m = matrix
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    pivots = torch.stack([trace, m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]], -1)
    d21, d02, d10 = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    s01, s02, s12 = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    one = torch.ones_like(trace)
    candidates = torch.stack([
        torch.stack([one + trace, d21, d02, d10], -1),
        torch.stack([d21, one + 2 * m[..., 0, 0] - trace, s01, s02], -1),
        torch.stack([d02, s01, one + 2 * m[..., 1, 1] - trace, s12], -1),
        torch.stack([d10, s02, s12, one + 2 * m[..., 2, 2] - trace], -1)], -2)
    best = pivots.argmax(-1)[..., None, None].expand(*trace.shape, 1, 4)
    q = candidates.gather(-2, best)[..., 0, :]
    q = q / (q * q).sum(-1, keepdim=True).clamp(min=1e-24).sqrt()
    return torch.where(q[..., :1] < 0, -q, q)
