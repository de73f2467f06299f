"""The motion of one hand over many frames: pose, turn and place of all frames together, by damped Gauss-Newton steps.

Data, as for single frames (`app/refinement.py`): detected points, how far behind the wrist the joints lie, the network's pose, natural
poses, joint limits; and how hands move (`motion.py`). A point loses its say when it does not fit, and so does a finger of the network's.
Frames that only touch their neighbours make a banded system, so the cost grows with the number of frames and no faster.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, solveh_banded

from app.consistent.motion import Motion
from app.consistent.row_kinematics import PosedRows, RowKinematics
from app.hand_fit import NEAREST
from app.rotations import axis_angle_to_matrix, matrix_to_axis_angle


class States(NamedTuple):
    """T right hands."""

    coefficients: np.ndarray  # (T, K)
    wrists: np.ndarray  # (T, 3, 3)
    place: np.ndarray  # (T, 3) x / z and y / z of the wrist, logarithm of its z in metres


@dataclass(frozen=True, eq=False)
class RowData:
    """What is known of T frames of one hand, as if it were a right one. Weights are inverse variances, 0 where nothing is known."""

    times: np.ndarray  # (T,) seconds
    points: np.ndarray  # (T, 21, 2) px
    weights: np.ndarray  # (T, 21) 1/px^2
    depths: np.ndarray  # (T, 21) metres behind the wrist
    depth_weights: np.ndarray  # (T, 21) 1/m^2
    focal: np.ndarray  # (T, 2) px
    centre: np.ndarray  # (T, 2) px
    guess: np.ndarray  # (T, K) the network's coefficients
    guess_weight: np.ndarray  # (T,)
    turns: np.ndarray  # (T, 3, 3) the network's wrist rotations
    turn_weight: np.ndarray  # (T,)
    distance: np.ndarray  # (T,) logarithm of the network's distance
    distance_weight: np.ndarray  # (T,)


@dataclass(frozen=True, eq=False)
class Priors:
    """What is known of any hand."""

    natural_mean: np.ndarray  # (K,)
    natural_weight: np.ndarray  # (K,)
    limit_axes: np.ndarray  # (L, K)
    low: np.ndarray  # (L,)
    high: np.ndarray  # (L,)
    limit_weight: float
    groups: np.ndarray  # (K,) number of the finger that each coefficient moves, from 0
    outlier: float = 32.0  # squared sigmas beyond which a point loses its say
    depth_outlier: float = 9.0
    guess_outlier: float = 6.0  # mean square, in sigmas, at which a finger of the network's, or its turn, loses its say


class _Step(NamedTuple):
    states: States
    posed: PosedRows
    camera: np.ndarray  # (T, 21, 3)
    error: np.ndarray  # (T, 21, 2) px
    squares: np.ndarray  # (T, 21) in sigmas
    depth: np.ndarray  # (T, 21) in sigmas
    away: np.ndarray  # (T, K) from the network's coefficients
    astray: np.ndarray  # (T, 3) axis-angle from the network's wrist rotation
    cost: float


class Trajectory:
    """The least-squares problem of one window."""

    def __init__(self, kinematics: RowKinematics, data: RowData, priors: Priors, motion: Motion):
        self.kinematics, self.data, self.priors, self.motion = kinematics, data, priors, motion
        self._count = kinematics.components.shape[0]
        groups = np.append(priors.groups, np.full(3, priors.groups.max() + 1))
        self._members = np.equal.outer(groups, np.arange(groups.max() + 1)).astype(float)  # (K + 3, G)
        self._sizes = self._members.sum(0)

    def solve(self, states: States, iterations: int, enough: float = 1e-3) -> tuple[States, np.ndarray]:
        """From `states` down; the states, and the mean square error of each frame's points (T,) in sigmas."""
        step, damping = self._at(states), 1e-3
        for _ in range(iterations):
            blocks, band, gradient = self._normal_equations(step)
            trial = None
            for _ in range(6):
                change = _solved(blocks, band, gradient, damping)
                trial = None if change is None else self._at(self._moved(step.states, change))
                if trial is not None and trial.cost < step.cost:
                    break
                trial, damping = None, max(10 * damping, 1e-2)
            if trial is None:
                break
            gained, step, damping = step.cost - trial.cost, trial, damping / 5
            if gained < enough * (1 + step.cost):
                break
        return step.states, frame_errors(step.squares, self.data.weights)

    def _moved(self, states: States, change: np.ndarray) -> States:
        count = self._count
        largest = np.abs(change[:, :count + 3]).max(1, keepdims=True)
        change = change / np.maximum(largest / 0.7, 1)  # a linear model says nothing beyond
        wrists = axis_angle_to_matrix(change[:, count:count + 3]) @ states.wrists
        return States(states.coefficients + change[:, :count], wrists, states.place + np.clip(change[:, count + 3:], -0.5, 0.5))

    def _at(self, states: States) -> _Step | None:
        data, priors = self.data, self.priors
        posed = self.kinematics.posed(states.coefficients, states.wrists)
        distance = np.exp(states.place[:, 2])
        camera = posed.points + np.concatenate([states.place[:, :2], np.ones((len(distance), 1))], 1)[:, None] * distance[:, None, None]
        if not camera[:, :, 2].min() > NEAREST:
            return None
        error = camera[:, :, :2] / camera[:, :, 2:] * data.focal[:, None] + (data.centre[:, None] - data.points)
        squares = data.weights * (error * error).sum(-1)
        depth = (posed.points[:, :, 2] - data.depths) * np.sqrt(data.depth_weights)
        away = states.coefficients - data.guess
        astray = matrix_to_axis_angle(states.wrists @ data.turns.swapaxes(1, 2))
        cost = 0.5 * _soft_cost(squares, priors.outlier) + 0.5 * _soft_cost(depth * depth, priors.depth_outlier)
        cost += 0.5 * _soft_cost(self._guess_square(away, astray), priors.guess_outlier, self._sizes)
        natural = states.coefficients - priors.natural_mean
        cost += 0.5 * float((natural * natural @ priors.natural_weight).sum())
        over = self._over(states.coefficients)
        cost += 0.5 * priors.limit_weight * float((over * over).sum())
        cost += 0.5 * float(data.distance_weight @ (states.place[:, 2] - data.distance) ** 2)
        cost += self.motion.cost(*states)
        return _Step(states, posed, camera, error, squares, depth, away, astray, cost) if np.isfinite(cost) else None

    def _guess_square(self, away: np.ndarray, astray: np.ndarray) -> np.ndarray:
        """(T, G) mean square of how far each finger, and the turn, is from the network's, in sigmas: they lose their say one by one."""
        data = self.data
        squares = np.concatenate([data.guess_weight[:, None] * away * away, data.turn_weight[:, None] * astray * astray], 1)
        return squares @ self._members / self._sizes

    def _over(self, coefficients: np.ndarray) -> np.ndarray:
        angles = coefficients @ self.priors.limit_axes.T
        return angles - np.clip(angles, self.priors.low, self.priors.high)

    def _normal_equations(self, step: _Step) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
        """Blocks (T, P, P) on the diagonal, the diagonals of those beside it, and the gradient (T, P)."""
        data, priors, states, count = self.data, self.priors, step.states, self._count
        rows, points = step.squares.shape
        distance = np.exp(states.place[:, 2])
        root = np.sqrt(data.weights * _soft_weight(step.squares, priors.outlier))  # (T, 21)
        depth_root = np.sqrt(data.depth_weights * _soft_weight(step.depth ** 2, priors.depth_outlier))
        project = np.zeros((rows, points, 3, 3))
        over_z = root / step.camera[:, :, 2]
        project[:, :, 0, 0], project[:, :, 1, 1] = over_z * data.focal[:, :1], over_z * data.focal[:, 1:]
        project[:, :, :2, 2] = -step.camera[:, :, :2] * data.focal[:, None] * (over_z / step.camera[:, :, 2])[..., None]
        project[:, :, 2, 2] = depth_root
        jacobian = np.empty((rows, points, 3, count + 6))
        jacobian[..., :count + 3] = project @ self.kinematics.jacobian(step.posed)
        by_place = np.zeros((rows, 3, 3))
        by_place[:, 0, 0] = by_place[:, 1, 1] = by_place[:, 2, 2] = distance
        by_place[:, :2, 2] = states.place[:, :2] * distance[:, None]
        jacobian[..., count + 3:] = project @ by_place[:, None]
        jacobian[:, :, 2, count + 3:] = 0  # how far behind the wrist a joint lies does not change with the wrist's place
        residual = np.empty((rows, points, 3))
        residual[..., :2] = step.error * root[..., None]
        residual[..., 2] = step.depth * np.sqrt(_soft_weight(step.depth ** 2, priors.depth_outlier))
        jacobian = jacobian.reshape(rows, 3 * points, -1)
        blocks = jacobian.swapaxes(1, 2) @ jacobian
        gradient = (residual.reshape(rows, 1, -1) @ jacobian)[:, 0]

        believed = _soft_weight(self._guess_square(step.away, step.astray), priors.guess_outlier) @ self._members.T  # (T, K + 3)
        pull = data.guess_weight[:, None] * believed[:, :count]
        diagonal = np.zeros((rows, count + 6))
        diagonal[:, :count] = pull + priors.natural_weight
        gradient[:, :count] += pull * step.away + priors.natural_weight * (states.coefficients - priors.natural_mean)
        pull = data.turn_weight[:, None] * believed[:, count:]
        diagonal[:, count:count + 3] = pull
        gradient[:, count:count + 3] += pull * step.astray
        diagonal[:, -1] = data.distance_weight
        gradient[:, -1] += data.distance_weight * (states.place[:, 2] - data.distance)
        over = self._over(states.coefficients)
        gradient[:, :count] += priors.limit_weight * over @ priors.limit_axes
        for row in np.flatnonzero(over.any(1)):
            axes = priors.limit_axes[over[row] != 0]
            blocks[row, :count, :count] += priors.limit_weight * (axes.T @ axes)
        band, slope = self.motion.normal_equations(*states)
        index = np.arange(count + 6)
        blocks[:, index, index] += diagonal + band[0]
        return blocks, band[1:], gradient + slope


def frame_errors(squares: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(T, 21) squared errors in sigmas -> (T,) median over the points of a frame that are known; 0 where none is."""
    known = weights > 0
    return np.where(known.any(1), np.nanmedian(np.where(known | ~known.any(1)[:, None], squares, np.nan), 1), 0)


def doubted(data: RowData, belief: np.ndarray) -> RowData:
    """The data, each frame believed by `belief` (T,) in 0..1."""
    wide = belief[:, None]
    return replace(data, weights=data.weights * wide, depth_weights=data.depth_weights * wide, guess_weight=data.guess_weight * belief,
                   turn_weight=data.turn_weight * belief, distance_weight=data.distance_weight * belief)


def _soft_cost(squares: np.ndarray, outlier: float, counts: np.ndarray | float = 1.0) -> float:
    """Geman-McClure: the square when it is small, never more than the bound; each so many times as `counts` says."""
    return outlier * float((counts * (squares / (outlier + squares))).sum())


def _soft_weight(squares: np.ndarray, outlier: float) -> np.ndarray:
    return (outlier / (outlier + squares)) ** 2


def _solved(blocks: np.ndarray, beside: list[np.ndarray], gradient: np.ndarray, damping: float) -> np.ndarray | None:
    """The step (T, P) of the damped system, or None if it has no solution."""
    rows, width, _ = blocks.shape
    reach = 2 * width if rows > 2 else (width if rows > 1 else width - 1)
    band = np.zeros((reach + 1, rows * width))  # LAPACK's upper form: band[reach + i - j, j] = H[i, j]
    for offset in range(width):
        view = band[reach - offset].reshape(rows, width)
        view[:, offset:] = np.diagonal(blocks, offset, 1, 2)
    band[reach] = band[reach] * (1 + damping) + 1e-6  # without motion terms nothing holds a frame that was filled in
    if rows > 1:
        band[reach - width].reshape(rows, width)[1:] = beside[0]
    if rows > 2:
        band[0].reshape(rows, width)[2:] = beside[1]
    try:
        return solveh_banded(band, -gradient.ravel(), overwrite_ab=True, overwrite_b=True, check_finite=False).reshape(rows, width)
    except LinAlgError:
        return None
