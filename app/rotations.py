"""Rotations as axis-angle vectors (..., 3), unit quaternions (..., 4) as (w, x, y, z), and matrices (..., 3, 3).

Every function takes any batch shape, keeps float32 as float32 (all else becomes float64) and is exact near 0 and near pi:
no formula divides by a small sine. Axis-angle results have length <= pi, quaternions from
matrices or vectors w >= 0.
"""
from __future__ import annotations

import math

import numpy as np

_SINGLE, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
_TINY = {_SINGLE: np.float32(1e-30), _DOUBLE: 1e-250}  # added to squares that are divided by
_EYE = {kind: np.eye(3, dtype=kind) for kind in (_SINGLE, _DOUBLE)}
_HAT = {kind: np.zeros((3, 9), kind) for kind in (_SINGLE, _DOUBLE)}  # hat(v) = v @ _HAT, rows of the matrix one after the other
for _kind in _HAT.values():
    _kind[[0, 1, 2], [7, 2, 3]], _kind[[0, 1, 2], [5, 6, 1]] = 1, -1
# The matrix m of a quaternion q holds all of 4 q q^T: 4 q q^T = 1 on the diagonal + m.ravel() @ _OUTER, as 4 x 4
_OUTER = np.zeros((9, 16))
_OUTER[[0, 4, 8]] = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])[:, :, None].repeat(4, 2).reshape(3, 16) * np.eye(4).ravel()
for _i, _j, _k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    for _row, _column in ((0, _i + 1), (_i + 1, 0)):
        _OUTER[[3 * _k + _j, 3 * _j + _k], 4 * _row + _column] = 1, -1
    for _row, _column in ((_i + 1, _j + 1), (_j + 1, _i + 1)):
        _OUTER[[3 * _i + _j, 3 * _j + _i], 4 * _row + _column] = 1
_FROM_OUTER = {kind: np.ascontiguousarray(_OUTER.T, kind) for kind in (_SINGLE, _DOUBLE)}  # and m.ravel() = q q^T @ this


def _floating(values: np.ndarray, last: int, name: str) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype != np.float32:
        values = values.astype(np.float64, copy=False)
    if values.ndim == 0 or values.shape[-1] != last:
        raise ValueError(f'{name} must have {last} numbers in its last axis, not shape {values.shape}')
    return values


def _sinc(x: np.ndarray) -> np.ndarray:
    """sin(x) / x, 1 at 0, of x >= 0."""
    x = x + _TINY[x.dtype]
    return np.sin(x) / x


def hat(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) -> the matrices (..., 3, 3) with hat(a) @ b = a x b."""
    vectors = _floating(vectors, 3, 'vectors')
    return (vectors @ _HAT[vectors.dtype]).reshape(vectors.shape + (3,))


def axis_angle_to_matrix(vectors: np.ndarray) -> np.ndarray:
    """Axis-angle (..., 3) -> matrices (..., 3, 3). Rodrigues' formula.

    No special case at 0: what cancels there, (1 - cos) / angle^2, multiplies a a^T, which is as small.
    """
    vectors = _floating(vectors, 3, 'an axis-angle vector')
    square = (vectors * vectors).sum(-1)[..., None, None] + _TINY[vectors.dtype]
    angle = np.sqrt(square)
    cosine = np.cos(angle)
    outer = vectors[..., :, None] * vectors[..., None, :]
    return cosine * _EYE[vectors.dtype] + np.sin(angle) / angle * hat(vectors) + (1 - cosine) / square * outer


def one_matrix(vector: np.ndarray) -> np.ndarray:
    """`axis_angle_to_matrix` of one vector (3,) in plain numbers: a third of numpy's time, which is mostly that of being called."""
    x, y, z = vector.tolist()
    square = x * x + y * y + z * z + 1e-250
    angle = math.sqrt(square)
    c, s, f = math.cos(angle), math.sin(angle) / angle, (1 - math.cos(angle)) / square
    return np.array([[c + f * x * x, f * x * y - s * z, f * x * z + s * y],
                     [f * x * y + s * z, c + f * y * y, f * y * z - s * x],
                     [f * x * z - s * y, f * y * z + s * x, c + f * z * z]])


def one_axis_angle(matrix: np.ndarray) -> np.ndarray:
    """`matrix_to_axis_angle` of one matrix (3, 3) in plain numbers."""
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    rows = ((1 + a + e + i, h - f, c - g, d - b), (h - f, 1 + a - e - i, b + d, c + g),
            (c - g, b + d, 1 - a + e - i, f + h), (d - b, c + g, f + h, 1 - a - e + i))  # 4 q q^T, as in `matrix_to_quaternion`
    w, x, y, z = max(enumerate(rows), key=lambda row: row[1][row[0]])[1]
    sine = math.sqrt(x * x + y * y + z * z)
    tiny = sine < 1e-7 * abs(w)
    factor = 2 / w if tiny else math.copysign(2 * math.atan2(sine, abs(w)) / sine, w)
    return np.array([x * factor, y * factor, z * factor])


def axis_angle_to_quaternion(vectors: np.ndarray) -> np.ndarray:
    """Axis-angle (..., 3) -> unit quaternions (..., 4), w >= 0 for angles up to pi."""
    vectors = _floating(vectors, 3, 'an axis-angle vector')
    half = 0.5 * np.sqrt((vectors * vectors).sum(-1, keepdims=True))
    return np.concatenate([np.cos(half), 0.5 * _sinc(half) * vectors], -1)


def quaternion_to_axis_angle(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4), of any length but 0 and either sign -> axis-angle (..., 3) of length <= pi."""
    quaternions = _floating(quaternions, 4, 'a quaternion')
    w, v = quaternions[..., :1], quaternions[..., 1:]
    sine = np.sqrt((v * v).sum(-1, keepdims=True))
    sign = np.where(w < 0, -1, 1).astype(quaternions.dtype)
    tiny = sine < 1e-7 * np.abs(w)  # there angle / sine = 2 / w to within rounding
    factor = np.where(tiny, 2 / np.where(tiny, np.abs(w), 1), 2 * np.arctan2(sine, np.abs(w)) / np.where(tiny, 1, sine))
    return v * sign * factor.astype(quaternions.dtype)


def quaternion_to_matrix(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4), of any length but 0 -> matrices (..., 3, 3)."""
    q = normalised(quaternions)
    outer = (q[..., :, None] * q[..., None, :]).reshape(q.shape[:-1] + (16,))
    return (outer @ _FROM_OUTER[q.dtype]).reshape(q.shape[:-1] + (3, 3))


def matrix_to_quaternion(matrices: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) -> unit quaternions (..., 4), w >= 0.

    The matrix gives all of 4 q q^T; its row with the largest diagonal is q times the largest component, so nothing small is divided by.
    """
    matrices = _floating(matrices, 3, 'a rotation matrix')
    if matrices.ndim < 2 or matrices.shape[-2] != 3:
        raise ValueError(f'rotation matrices must be (..., 3, 3), not {matrices.shape}')
    outer = matrices.reshape(matrices.shape[:-2] + (9,)) @ _OUTER.astype(matrices.dtype, copy=False)
    outer[..., ::5] += 1
    outer = outer.reshape(-1, 4, 4)
    best = np.argmax(outer.reshape(-1, 16)[:, ::5], -1)
    quaternions = normalised(outer[np.arange(len(outer)), best].reshape(matrices.shape[:-2] + (4,)))
    return np.where(quaternions[..., :1] < 0, -quaternions, quaternions)


def matrix_to_axis_angle(matrices: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) -> axis-angle (..., 3) of length <= pi."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrices))


def normalised(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) -> the same of length 1."""
    quaternions = _floating(quaternions, 4, 'a quaternion')
    return quaternions / np.sqrt((quaternions * quaternions).sum(-1, keepdims=True))


def conjugate(quaternions: np.ndarray) -> np.ndarray:
    """The inverse of unit quaternions (..., 4)."""
    return _floating(quaternions, 4, 'a quaternion') * np.array([1, -1, -1, -1], np.float32)


def multiply(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Hamilton product of quaternions (..., 4): the rotation `second`, then `first`."""
    first, second = _floating(first, 4, 'a quaternion'), _floating(second, 4, 'a quaternion')
    w1, x1, y1, z1 = first[..., 0], first[..., 1], first[..., 2], first[..., 3]
    w2, x2, y2, z2 = second[..., 0], second[..., 1], second[..., 2], second[..., 3]
    return np.stack([w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2, w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
                     w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2, w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2], -1)


def aligned(quaternions: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Quaternions (..., 4) with the sign that lies nearer to `reference` (..., 4): q and -q are one rotation."""
    quaternions, reference = _floating(quaternions, 4, 'a quaternion'), _floating(reference, 4, 'a quaternion')
    return np.where((quaternions * reference).sum(-1, keepdims=True) < 0, -quaternions, quaternions)


def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The axis-angle (..., 3), length <= pi, in the axes of `first`, that turns quaternions `first` (..., 4) into `second`."""
    return quaternion_to_axis_angle(multiply(conjugate(first), second))


def slerp(first: np.ndarray, second: np.ndarray, fraction: np.ndarray | float) -> np.ndarray:
    """Unit quaternions on the shorter way from `first` (..., 4) at fraction 0 to `second` at 1; `fraction` broadcasts to (...)."""
    step = difference(first, second)
    return multiply(first, axis_angle_to_quaternion((np.asarray(fraction)[..., None] * step).astype(step.dtype)))


def left_jacobian(vectors: np.ndarray) -> np.ndarray:
    """Axis-angle a (..., 3) -> J (..., 3, 3) with exp(a + da) = exp(J da) exp(a) to first order in da."""
    vectors = _floating(vectors, 3, 'an axis-angle vector')
    square = (vectors * vectors).sum(-1)[..., None, None]
    angle = np.sqrt(square)
    small = angle < 0.02  # below, (angle - sin) / angle^3 cancels; the series is exact to 1e-10 there
    cubic = np.where(small, 1 / 6 - square / 120, (angle - np.sin(angle)) / np.where(small, 1, angle * square))
    matrices = hat(vectors)
    jacobian = _EYE[vectors.dtype] + 0.5 * _sinc(angle / 2) ** 2 * matrices + cubic * (matrices @ matrices)
    return jacobian.astype(vectors.dtype)
