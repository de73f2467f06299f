"""Rotations in torch, safe to differentiate at zero and free of operators that ONNX exporters mishandle."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TINY = 1e-8  # squared angle below which the series takes over; the clamp (never `+ eps`, which exporters delete) keeps sqrt finite


def unit(vectors: Tensor, dim: int, eps: float) -> Tensor:
    """Vectors along `dim` made one long, those shorter than `eps` left short: F.normalize, but half the operators when exported."""
    return vectors / vectors.norm(dim=dim, keepdim=True).clamp(min=eps)


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross product along dimension 1 of (B, 3, ...); torch's own falls apart into a dozen operators when exported."""
    following = torch.tensor([1, 2, 0], device=a.device)
    return (a * b.index_select(1, following) - a.index_select(1, following) * b).index_select(1, following)


def _from_rows(rows: list[dict[int, float]], width: int) -> Tensor:
    """A matrix (width, len(rows)) whose columns have these numbers at these places and zero elsewhere."""
    return torch.tensor([[row.get(i, 0.0) for row in rows] for i in range(width)])


# Rotation matrices minus identity from the 16 products of a quaternion (w, x, y, z) with itself, and the same products, four times over,
# from a rotation matrix: as constants, so that each way is one product of matrices and not a hundred small operators.
_W, _X, _Y, _Z = 0, 4, 8, 12
_TURN = _from_rows([
    {_Y + 2: -2, _Z + 3: -2}, {_X + 2: 2, _W + 3: -2}, {_X + 3: 2, _W + 2: 2},
    {_X + 2: 2, _W + 3: 2}, {_X + 1: -2, _Z + 3: -2}, {_Y + 3: 2, _W + 1: -2},
    {_X + 3: 2, _W + 2: -2}, {_Y + 3: 2, _W + 1: 2}, {_X + 1: -2, _Y + 2: -2}], 16)
_OUTER = _from_rows([
    {0: 1, 4: 1, 8: 1}, {7: 1, 5: -1}, {2: 1, 6: -1}, {3: 1, 1: -1},
    {7: 1, 5: -1}, {0: 1, 4: -1, 8: -1}, {1: 1, 3: 1}, {2: 1, 6: 1},
    {2: 1, 6: -1}, {1: 1, 3: 1}, {4: 1, 0: -1, 8: -1}, {5: 1, 7: 1},
    {3: 1, 1: -1}, {2: 1, 6: 1}, {5: 1, 7: 1}, {8: 1, 0: -1, 4: -1}], 9)


def _like(constant: Tensor, other: Tensor) -> Tensor:
    return constant.to(device=other.device, dtype=other.dtype)


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues: axis-angle (..., 3) in radians -> rotation matrices (..., 3, 3).

    Through the unit quaternion, the half angle clamped, so that values and gradients are right at and near zero.
    """
    squared = (axis_angle * axis_angle).sum(-1, keepdim=True)
    half = 0.5 * squared.clamp(min=TINY).sqrt()
    q = torch.cat([torch.cos(half), axis_angle * (0.5 * torch.sin(half) / half)], -1)
    products = (q[..., :, None] * q[..., None, :]).flatten(-2)
    identity = torch.eye(3, dtype=q.dtype, device=q.device)
    return identity + torch.matmul(products, _like(_TURN, q)).unflatten(-1, (3, 3))


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) -> axis-angle (..., 3), angle in [0, pi]. Through the quaternion, stable near zero and near pi."""
    q = matrix_to_quaternion(matrix)
    w, v = q[..., :1], q[..., 1:]
    sine = (v * v).sum(-1, keepdim=True).clamp(min=1e-24).sqrt()
    return v * (4 * torch.atan(sine / (1 + w)) / sine)


def nearest_rotation(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices (B, 3, 3) -> the rotations (B, 3, 3) nearest to them, never mirrored, and how far each matrix is along its own (B,): the
    trace of one times the other. Of the products of two sets of points it is the turn between them (Kabsch)."""
    u, s, vt = torch.linalg.svd(matrix)
    signs = torch.ones_like(s)
    signs[:, 2] = torch.det(u @ vt).sign()
    return (u * signs[:, None]) @ vt, (s * signs).sum(1)


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) -> unit quaternions (..., 4) as (w, x, y, z) with w >= 0 (Shepperd's method, largest pivot)."""
    identity = torch.eye(4, dtype=matrix.dtype, device=matrix.device)
    # (..., 4, 4): row i is the quaternion times four times its number i
    outer = identity + torch.matmul(matrix.flatten(-2), _like(_OUTER, matrix)).unflatten(-1, (4, 4))
    best = torch.matmul(matrix.flatten(-2), _like(_OUTER[:, ::5], matrix)).argmax(-1)
    q = torch.matmul(F.embedding(best, identity)[..., None, :], outer)[..., 0, :]
    q = q / (q * q).sum(-1, keepdim=True).clamp(min=1e-24).sqrt()
    return torch.where(q[..., :1] < 0, -q, q)
