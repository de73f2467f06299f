"""One frame's least-squares problem for the hand: cost, normal equations, and the damped Gauss-Newton descent.

`app/refinement.py` states the problem; here it is solved. Unknowns in this order: coefficients (K), a turn of the whole hand in camera axes
(3), shape (10) unless it is fixed, translation (3).
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.hand_model import SHAPES
from app.kinematics import GENERATORS, Kinematics, Posed

NEAREST = 0.03  # metres; no joint may come nearer to the camera
DEPTH_OUTLIER = 4.0  # squared sigmas beyond which a relative depth loses its say


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
    away: np.ndarray  # (K,) coefficients minus the mean of their prior
    over: np.ndarray  # (L,) radians beyond the limits


class Descent(NamedTuple):
    """Where a descent ended."""

    step: Step
    iterations: int
    converged: bool
    cost: float
    hessian: np.ndarray | None  # (P, P) of the last iteration


@dataclass
class HandFit:
    """Data and priors of one frame. Weights are inverse variances."""

    kinematics: Kinematics
    points: np.ndarray  # (21, 2) px
    weights: np.ndarray  # (21,) 1/px^2, 0 where nothing is known
    sigma: float  # error of a fully confident point, as a share of the hand's length
    depths: np.ndarray  # (21,) metres behind the wrist
    depth_weights: np.ndarray  # (21,) 1/m^2
    focal: np.ndarray  # (2,) px
    centre: np.ndarray  # (2,) px
    outlier: float  # squared sigmas beyond which a point loses its say
    prior_mean: np.ndarray  # (K,) of the coefficients
    prior_weight: np.ndarray  # (K,)
    limit_axes: np.ndarray  # (L, K); limit_axes @ coefficients lie in low..high
    low: np.ndarray  # (L,)
    high: np.ndarray  # (L,)
    limit_weight: float
    turn_mean: np.ndarray  # (3, 3) sum of the wrist rotations to stay near, each times its weight
    turn_weight: float  # the sum of these weights
    distance_mean: float  # logarithm of the wrist's depth in metres
    distance_weight: float
    shape_mean: np.ndarray  # (10,)
    shape_precision: np.ndarray  # (10, 10)
    shape_fixed: bool

    def __post_init__(self):
        self._depth_root = np.sqrt(self.depth_weights)
        self._root = np.sqrt(self.weights)
        self._shift = self.centre - self.points
        unknown = int((self.weights == 0).sum())
        self._median = unknown + (len(self.weights) - unknown) // 2  # in the sorted squares, where unknown points come first, as 0

    def at(self, unknowns: Unknowns, turn: np.ndarray | float = 0.0) -> Step | None:
        """Evaluate, the hand turned by `turn` (3,) before; None if a joint would lie behind the camera or a number is not finite."""
        posed = self.kinematics.posed(unknowns.coefficients, unknowns.wrist, self.kinematics.bones(unknowns.shape), turn)
        return self.placed(unknowns._replace(wrist=posed.turns[0]), posed)

    def placed(self, unknowns: Unknowns, posed: Posed) -> Step | None:
        """`at`, for unknowns that are posed already."""
        camera = posed.points + unknowns.translation
        depth = camera[:, 2:]
        if not np.minimum.reduce(camera[:, 2]) > NEAREST:  # the ufunc itself: `depth.min()` takes three times as long
            return None
        error = camera[:, :2] / depth * self.focal + self._shift
        squares = self.weights * np.einsum('ij,ij->i', error, error)
        angles = self.limit_axes @ unknowns.coefficients
        depth_error = (posed.points[:, 2] - self.depths) * self._depth_root
        return Step(unknowns, posed, camera, error, squares, depth_error, unknowns.coefficients - self.prior_mean,
                    angles - np.minimum(np.maximum(angles, self.low), self.high))

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
        return self.placed(unknowns._replace(translation=translation), posed)

    def middle_square(self, step: Step) -> float:
        """Median of the known points' squared errors, in sigmas."""
        return float(np.sort(step.squares)[self._median])

    def loosened(self, step: Step) -> float:
        """The outlier bound for the next iteration: wide while the bulk of the points is far off, lest they be taken for outliers."""
        return max(self.outlier, 4.0 * self.middle_square(step))

    def better(self, first: Step | None, second: Step | None) -> Step | None:
        """The step of lower cost."""
        if first is None or second is None:
            return second if first is None else first
        outlier = max(self.loosened(first), self.loosened(second))
        return second if self.cost(second, outlier) < self.cost(first, outlier) else first

    def cost(self, step: Step, outlier: float) -> float:
        """Half the sum of squares in sigmas, softened for outliers, with all priors."""
        _, wrist, shape, translation = step.unknowns
        total = 2 * _softened(step, outlier)
        depth = step.depth_error * step.depth_error
        total += depth @ (DEPTH_OUTLIER / (DEPTH_OUTLIER + depth))
        total += (self.prior_weight * step.away) @ step.away + self.limit_weight * (step.over @ step.over)
        # 2 (1 - cos angle) for each turn, which is the angle squared when it is small
        total += 3 * self.turn_weight - np.vdot(wrist, self.turn_mean)
        total += self.distance_weight * (math.log(translation[2]) - self.distance_mean) ** 2
        if not self.shape_fixed:
            away = shape - self.shape_mean
            total += away @ self.shape_precision @ away
        return 0.5 * float(total)

    def normal_equations(self, step: Step, outlier: float) -> tuple[np.ndarray, np.ndarray]:
        """Hessian (P, P) in Gauss-Newton's approximation and gradient (P,) of the cost."""
        coefficients, wrist, shape, translation = step.unknowns
        count = len(coefficients)
        root = self._root * (outlier / (outlier + step.squares))  # of the weights that make squares of the softened errors
        soft = DEPTH_OUTLIER / (DEPTH_OUTLIER + step.depth_error * step.depth_error)
        project = np.zeros((len(root), 3, 3))  # (u, v, relative depth) by the camera point, in sigmas
        over_z = root / step.camera[:, 2]
        project[:, 0, 0], project[:, 1, 1] = over_z * self.focal[0], over_z * self.focal[1]
        project[:, :2, 2] = step.camera[:, :2] * (-self.focal) * (over_z / step.camera[:, 2])[:, None]
        project[:, 2, 2] = soft * self._depth_root
        jacobian = self.kinematics.jacobian(step.posed, project, not self.shape_fixed)
        jacobian[:, 2, -1] = 0  # relative depths do not change with the hand's place
        residual = np.empty((len(root), 3))
        residual[:, :2] = step.error * root[:, None]
        residual[:, 2] = step.depth_error * soft
        size = jacobian.shape[2]
        jacobian = jacobian.reshape(-1, size)
        hessian, gradient = jacobian.T @ jacobian, residual.ravel() @ jacobian

        diagonal = hessian.reshape(-1)[::size + 1]  # a view
        diagonal[:count] += self.prior_weight
        gradient[:count] += self.prior_weight * step.away
        over = step.over
        if over @ over > 0:
            axes = self.limit_axes[over != 0]
            hessian[:count, :count] += self.limit_weight * (axes.T @ axes)
            gradient[:count] += self.limit_weight * (over @ self.limit_axes)
        diagonal[count:count + 3] += self.turn_weight
        gradient[count:count + 3] += 0.5 * (GENERATORS @ (wrist @ self.turn_mean.T).ravel())
        diagonal[-1] += self.distance_weight / translation[2] ** 2
        gradient[-1] += self.distance_weight * (math.log(translation[2]) - self.distance_mean) / translation[2]
        if not self.shape_fixed:
            inside = slice(count + 3, count + 3 + SHAPES)
            hessian[inside, inside] += self.shape_precision
            gradient[inside] += self.shape_precision @ (shape - self.shape_mean)
        return hessian, gradient

    def moved(self, step: Step, change: np.ndarray) -> Step | None:
        """The unknowns after a `change` (P,)."""
        coefficients, wrist, shape, translation = step.unknowns
        count = len(coefficients)
        shape = shape if self.shape_fixed else shape + change[count + 3:-3]
        return self.at(Unknowns(coefficients + change[:count], wrist, shape, translation + change[-3:]), change[count:count + 3])

    def descend(self, step: Step, iterations: int, enough: float) -> Descent:
        """Levenberg-Marquardt from `step`."""
        damping, outlier = 1e-3, self.loosened(step)
        cost = self.cost(step, outlier)
        count, converged, hessian = 0, False, None
        while count < iterations and not converged:
            count += 1
            hessian, gradient = self.normal_equations(step, outlier)
            for _ in range(5):
                damped = hessian.copy()
                damped.reshape(-1)[::len(damped) + 1] *= 1 + damping
                trial = self.moved(step, _limited(np.linalg.solve(damped, -gradient), len(step.unknowns.coefficients)))
                trial_cost = np.inf if trial is None else self.cost(trial, outlier)
                if trial_cost < cost:
                    break
                damping = max(10 * damping, 1e-2)
            else:
                converged = True  # no direction leads down: this is the minimum, as far as floating point goes
                break
            tightened = self.loosened(trial)
            converged = cost - trial_cost < enough * (1 + trial_cost) and tightened >= 0.9 * outlier
            step, damping = trial, damping / 10
            cost = trial_cost if tightened == outlier else trial_cost + _softened(step, tightened) - _softened(step, outlier)
            outlier = tightened
        return Descent(step, count, converged, cost, hessian)

    def shape_information(self, descent: Descent) -> tuple[np.ndarray, np.ndarray]:
        """What this frame alone says about the shape: precision (10, 10) and precision x mean (10,), pose and place marginalised."""
        hessian, unknowns = descent.hessian, descent.step.unknowns
        first = len(unknowns.coefficients) + 3
        others = np.r_[:first, first + SHAPES:len(hessian)]
        mixed = hessian[first:first + SHAPES, others]
        alone = hessian[first:first + SHAPES, first:first + SHAPES] - mixed @ np.linalg.solve(hessian[np.ix_(others, others)], mixed.T)
        alone = 0.5 * (alone + alone.T) - self.shape_precision
        # At the minimum the frame's own pull balances that of the prior
        return alone, alone @ unknowns.shape + self.shape_precision @ (unknowns.shape - self.shape_mean)


def _softened(step: Step, outlier: float) -> float:
    """The points' part of the cost (Geman-McClure): half the squares where they are small, never more than half the bound."""
    return 0.5 * outlier * float(step.squares @ (1 / (outlier + step.squares)))


def _limited(change: np.ndarray, count: int) -> np.ndarray:
    """The change (P,) shortened so that no joint turns by more than 1 radian at once, where a linear model says nothing."""
    largest = np.maximum.reduce(np.abs(change[:count + 3]))
    return change if largest < 1 else change / largest
