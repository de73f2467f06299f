"""One frame's least-squares problem for the hand: cost, normal equations, and the damped Gauss-Newton descent.

`app/refinement.py` states the problem; here it is solved. Unknowns in this order: coefficients (K), a turn of the whole hand in camera axes
(3), shape (10) unless it is fixed, translation (3).
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.hand_model import SHAPES
from app.kinematics import Kinematics, Posed
from app.rotations import axis_angle_to_matrix

NEAREST = 0.03  # metres; no joint may come nearer to the camera
DEPTH_HUBER = 2.0  # sigmas beyond which a relative depth pulls with constant force


class Unknowns(NamedTuple):
    """What is looked for."""

    coefficients: np.ndarray  # (K,)
    wrist: np.ndarray  # (3, 3) rotation
    shape: np.ndarray  # (10,)
    translation: np.ndarray  # (3,) metres


class Step(NamedTuple):
    """Unknowns and what they project to."""

    unknowns: Unknowns
    posed: Posed
    camera: np.ndarray  # (21, 3) metres
    error: np.ndarray  # (21, 2) px, projected minus detected
    squares: np.ndarray  # (21,) squared errors in sigmas
    depth_error: np.ndarray  # (21,) in sigmas


@dataclass
class HandFit:
    """Data and priors of one frame. Weights are inverse variances."""

    kinematics: Kinematics
    points: np.ndarray  # (21, 2) px
    weights: np.ndarray  # (21,) 1/px^2, 0 where nothing is known
    depths: np.ndarray  # (21,) px at the hand's distance, wrist = 0
    depth_weights: np.ndarray  # (21,) 1/px^2
    focal: np.ndarray  # (2,) px
    centre: np.ndarray  # (2,) px
    outlier: float  # squared sigmas beyond which a point loses its say
    prior_mean: np.ndarray  # (K,) of the coefficients
    prior_weight: np.ndarray  # (K,)
    limit_axes: np.ndarray  # (L, K); limit_axes @ coefficients lie in low..high
    low: np.ndarray  # (L,)
    high: np.ndarray  # (L,)
    limit_weight: float
    turns: list[tuple[np.ndarray, float]]  # wrist rotations (3, 3) to stay near, with weights
    distances: list[tuple[float, float]]  # logarithms of the wrist's depth to stay near, with weights
    shape_mean: np.ndarray  # (10,)
    shape_precision: np.ndarray  # (10, 10)
    shape_fixed: bool

    def at(self, unknowns: Unknowns) -> Step | None:
        """Evaluate; None if a joint would lie behind the camera or a number is not finite."""
        posed = self.kinematics.posed(unknowns.coefficients, unknowns.wrist, self.kinematics.bones(unknowns.shape))
        return self._placed(unknowns, posed)

    def _placed(self, unknowns: Unknowns, posed: Posed) -> Step | None:
        camera = posed.points + unknowns.translation
        depth = camera[:, 2:]
        if not depth.min() > NEAREST:
            return None
        error = camera[:, :2] / depth * self.focal + (self.centre - self.points)
        squares = self.weights * np.einsum('ij,ij->i', error, error)
        relative = posed.points[:, 2] * (self.focal[0] / unknowns.translation[2]) - self.depths
        return Step(unknowns, posed, camera, error, squares, relative * np.sqrt(self.depth_weights))

    def anchored(self, unknowns: Unknowns) -> Step | None:
        """Evaluate with the hand moved, as it is turned, so that the middle and the spread of its points agree with the detected ones.

        Medians, so that points thrown far off do no harm; for starts whose place is hopeless. None if even that lies behind the camera.
        """
        posed = self.kinematics.posed(unknowns.coefficients, unknowns.wrist, self.kinematics.bones(unknowns.shape))
        known = self.weights > 0
        rays = (self.points[known] - self.centre) / self.focal
        flat = posed.points[known, :2]
        middle, flat_middle = np.median(rays, 0), np.median(flat, 0)
        ratio = np.median(np.abs(flat - flat_middle).sum(1)) / np.median(np.abs(rays - middle).sum(1))
        distance = max(ratio, 2 * NEAREST - posed.points[:, 2].min())
        translation = np.append(middle * distance - flat_middle, distance - np.median(posed.points[known, 2]))
        return self._placed(unknowns._replace(translation=translation), posed)

    def loosened(self, step: Step) -> float:
        """The outlier bound for the next iteration: wide while the bulk of the points is far off, so that they are not taken for outliers."""
        return max(self.outlier, 4.0 * float(np.median(step.squares[self.weights > 0])))

    def cost(self, step: Step, outlier: float) -> float:
        """Half the sum of squares in sigmas, softened for outliers, with all priors."""
        coefficients, wrist, shape, translation = step.unknowns
        total = (outlier * step.squares / (outlier + step.squares)).sum()
        depth = np.abs(step.depth_error)
        total += np.where(depth < DEPTH_HUBER, depth * depth, DEPTH_HUBER * (2 * depth - DEPTH_HUBER)).sum()
        away = coefficients - self.prior_mean
        total += (self.prior_weight * away) @ away
        angles = self.limit_axes @ coefficients
        over = angles - np.minimum(np.maximum(angles, self.low), self.high)
        total += self.limit_weight * (over @ over)
        for turn, weight in self.turns:
            total += weight * (3 - (wrist * turn).sum())  # 2 (1 - cos angle), the angle squared when it is small
        for distance, weight in self.distances:
            total += weight * (np.log(translation[2]) - distance) ** 2
        if not self.shape_fixed:
            away = shape - self.shape_mean
            total += away @ self.shape_precision @ away
        return 0.5 * float(total)

    def normal_equations(self, step: Step, outlier: float) -> tuple[np.ndarray, np.ndarray]:
        """Hessian (P, P) in Gauss-Newton's approximation and gradient (P,) of the cost."""
        coefficients, wrist, shape, translation = step.unknowns
        count = len(coefficients)
        inner = self.kinematics.jacobian(step.posed, not self.shape_fixed)
        size = inner.shape[2]
        root = np.sqrt(self.weights) * (outlier / (outlier + step.squares))  # of the weights that make squares of the softened errors
        depth = np.abs(step.depth_error)
        soft = np.sqrt(np.where(depth < DEPTH_HUBER, 1, DEPTH_HUBER / np.maximum(depth, DEPTH_HUBER)))
        depth_root = soft * np.sqrt(self.depth_weights)
        project = np.zeros((len(inner), 3, 3))  # (u, v, relative depth) by the camera point, in sigmas
        over_z = root / step.camera[:, 2]
        project[:, 0, 0], project[:, 1, 1] = over_z * self.focal[0], over_z * self.focal[1]
        project[:, :2, 2] = -step.camera[:, :2] * self.focal * (over_z / step.camera[:, 2])[:, None]
        scale = self.focal[0] / translation[2]
        project[:, 2, 2] = depth_root * scale
        jacobian = np.empty((len(inner), 3, size + 3))
        jacobian[:, :, :size] = project @ inner
        jacobian[:, :, size:] = project
        jacobian[:, 2, size + 2] = -step.posed.points[:, 2] * depth_root * (scale / translation[2])
        residual = np.concatenate([step.error * root[:, None], (step.depth_error * soft)[:, None]], 1)
        jacobian = jacobian.reshape(-1, size + 3)
        hessian, gradient = jacobian.T @ jacobian, residual.ravel() @ jacobian

        diagonal = hessian.reshape(-1)[::size + 4]  # a view
        diagonal[:count] += self.prior_weight
        gradient[:count] += self.prior_weight * (coefficients - self.prior_mean)
        angles = self.limit_axes @ coefficients
        over = angles - np.minimum(np.maximum(angles, self.low), self.high)
        if over.any():
            axes = self.limit_axes[over != 0]
            hessian[:count, :count] += self.limit_weight * (axes.T @ axes)
            gradient[:count] += self.limit_weight * (over[over != 0] @ axes)
        for turn, weight in self.turns:
            between = wrist @ turn.T
            diagonal[count:count + 3] += weight
            gradient[count:count + 3] += 0.5 * weight * np.array(
                [between[2, 1] - between[1, 2], between[0, 2] - between[2, 0], between[1, 0] - between[0, 1]])
        for distance, weight in self.distances:
            diagonal[-1] += weight / translation[2] ** 2
            gradient[-1] += weight * (np.log(translation[2]) - distance) / translation[2]
        if not self.shape_fixed:
            hessian[count + 3:size, count + 3:size] += self.shape_precision
            gradient[count + 3:size] += self.shape_precision @ (shape - self.shape_mean)
        return hessian, gradient

    def moved(self, step: Step, change: np.ndarray) -> Step | None:
        """The unknowns after a `change` (P,)."""
        coefficients, wrist, shape, translation = step.unknowns
        count = len(coefficients)
        grown = shape if self.shape_fixed else shape + change[count + 3:-3]
        return self.at(Unknowns(
            coefficients + change[:count], axis_angle_to_matrix(change[count:count + 3]) @ wrist, grown, translation + change[-3:]))

    def descend(self, step: Step, iterations: int, enough: float) -> tuple[Step, int, bool, float]:
        """Levenberg-Marquardt from `step`: the best step, iterations done, whether it converged, the cost."""
        damping, outlier = 1e-3, self.loosened(step)
        cost = self.cost(step, outlier)
        count, converged = 0, False
        while count < iterations and not converged:
            count += 1
            hessian, gradient = self.normal_equations(step, outlier)
            for _ in range(5):
                damped = hessian.copy()
                damped.reshape(-1)[::len(damped) + 1] *= 1 + damping
                trial = self.moved(step, -_limited(np.linalg.solve(damped, gradient), len(step.unknowns.coefficients)))
                trial_cost = np.inf if trial is None else self.cost(trial, outlier)
                if trial_cost < cost:
                    break
                damping = max(10 * damping, 1e-2)
            else:
                return step, count, True, cost  # no direction leads down: this is the minimum, as far as floating point goes
            tightened = self.loosened(trial)
            converged = cost - trial_cost < enough * (1 + trial_cost) and tightened >= 0.9 * outlier
            step, outlier, damping = trial, tightened, damping / 10
            cost = trial_cost if tightened == outlier else self.cost(step, outlier)
        return step, count, converged, self.cost(step, self.outlier)

    def shape_information(self, step: Step) -> tuple[np.ndarray, np.ndarray]:
        """What this frame alone says about the shape: precision (10, 10) and precision x mean (10,), pose and place marginalised."""
        hessian, _ = self.normal_equations(step, self.outlier)
        first = len(step.unknowns.coefficients) + 3
        inside = np.zeros(len(hessian), bool)
        inside[first:first + SHAPES] = True
        mixed = hessian[inside][:, ~inside]
        total = hessian[inside][:, inside] - mixed @ np.linalg.solve(hessian[~inside][:, ~inside], mixed.T)
        alone = total - self.shape_precision
        alone = 0.5 * (alone + alone.T)
        # At the minimum the frame's own pull balances that of the prior
        return alone, alone @ step.unknowns.shape + self.shape_precision @ (step.unknowns.shape - self.shape_mean)


def _limited(change: np.ndarray, count: int) -> np.ndarray:
    """The change (P,) shortened so that no joint turns by more than 1 radian at once, where a linear model says nothing."""
    largest = np.abs(change[:count + 3]).max()
    return change if largest < 1 else change / largest
