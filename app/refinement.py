"""Fit the hand model to detected points in the frame's own camera: a few damped Gauss-Newton steps with priors.

Unknowns: the pose's coefficients, the wrist's turn and place, and the shape until the track has locked it. Data: the 21 detected points
(weighted by confidence, outliers lose their say) and, where given, their relative depths. The priors keep what the data cannot tell: stay
near the network's prediction, near natural poses, inside the joint limits, near the previous frame, near the mean shape. Above all the
depths of the network's joints hold: they are several times better than what follows from misplaced points. The fit of a followed hand
begins with what was changed a frame ago: one step from there leads nearer to the end than four from the network's hand.
Right hands only: for a left one mirror points and camera before and the state after (`app/mirror.py`).
"""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from app.hand_fit import NEAREST, HandFit, Step, Unknowns
from app.hand_model import JOINTS, POINTS, SHAPES, HandModel
from app.kinematics import Kinematics
from app.rotations import one_axis_angle, one_matrix
from app.types import Intrinsics

HAND = 0.18  # metres from wrist to middle tip of an adult's hand, to turn lengths into pixels
FEWEST_POINTS = 6
CARRIED = 0.02  # hand lengths, of the middle point: farther off, what a frame ago's fit changed does not hold any more
DOUBTFUL = 0.15  # hand lengths; where the network's middle point is farther off, the hand of the frame before may be the better start
HOPELESS = 0.5  # the same; where it is still farther off, the hand is placed anew before the first step


@dataclass(frozen=True)
class RefinementSettings:
    """Mostly standard deviations of what is known; larger means weaker."""

    points_sigma: float = 0.009  # error of a fully confident detected point, as a share of the hand's length in the picture
    outlier: float = 8.0  # beyond this many sigmas a point loses its say (Geman-McClure)
    relief_sigma: float = 0.005  # metres, error of the depths of the network's joints behind its wrist
    depth_sigma: float = 0.01  # metres, error of a detected relative depth
    pose_sigma: float = 0.2  # radians, error of the network's coefficients
    turn_sigma: float = 0.27  # radians, error of the network's wrist turn
    distance_sigma: float = 0.25  # of the logarithm of the network's distance
    natural: float = 3.0  # the natural poses' spread is widened by this: people do odd things
    limit_sigma: float = 0.03  # radians beyond a joint limit that weigh as much as one sigma elsewhere
    shape_sigma: float = 1.0  # of each shape component about 0, when no other prior is given
    size_sigma: float = 0.35  # of the overall size: one camera cannot tell it from distance
    previous_pose_sigma: float = 0.4  # radians the coefficients change from one frame to the next
    previous_turn_sigma: float = 0.4  # radians the wrist turns
    previous_distance_sigma: float = 0.03  # of the logarithm of the distance
    iterations: int = 8  # at most
    enough: float = 2e-2  # stop when a step improves the cost by less than this share of it
    enough_followed: float = 0.1  # the same for a followed hand, which begins so near its end that one such step mostly is the last


@dataclass(frozen=True)
class HandState:
    """A right hand in the camera frame."""

    pose: np.ndarray  # (16, 3) axis-angle, row 0 the wrist
    shape: np.ndarray  # (10,) standard deviations
    translation: np.ndarray  # (3,) metres, the wrist


@dataclass(frozen=True)
class Refined:
    """What a refinement gave. `problem` says why the initial state came back unchanged; '' if it did not."""

    state: HandState
    points: np.ndarray  # (21, 2) pixels, the projected joints of `state`
    reprojection: float  # pixels, mean distance between `points` and the detected ones
    iterations: int
    converged: bool
    residual: float  # final cost: half the sum of squares in sigmas, priors included
    shape_information: tuple[np.ndarray, np.ndarray] | None  # of this frame alone: precision (10, 10), and times its mean
    start: Unknowns  # of the initial state
    fitted: Step | None  # of `state`, and what it projects to; None with a problem
    problem: str = ''


class Refiner:
    """Refines hands of one model. Keeps nothing between calls; `previous` and the shape are the caller's."""

    def __init__(self, model: HandModel, settings: RefinementSettings = RefinementSettings()):
        self.model, self.settings = model, settings
        self.kinematics = Kinematics(model)
        self._inverse = np.linalg.pinv(self.kinematics.components)  # (45, K)
        axes = model.limit_axes.astype(np.float64)
        limit_axes = axes @ self.kinematics.components.T
        used = np.abs(limit_axes).max(1) > 1e-6 if len(axes) else np.zeros(0, bool)  # the coefficients cannot turn the others
        self._limit_axes = np.ascontiguousarray(limit_axes[used])
        offset = axes[used] @ self.kinematics.mean
        self._low, self._high = model.limits[used, 0] - offset, model.limits[used, 1] - offset
        self._natural_mean = model.coefficient_mean.astype(np.float64)
        self._natural_weight = 1 / (settings.natural * np.maximum(model.coefficient_sigma.astype(np.float64), 1e-3)) ** 2
        self.shape_prior = np.zeros(SHAPES), shape_precision(self.kinematics, settings)

    def refine(
        self, initial: HandState, points: np.ndarray, depths: np.ndarray | None, confidence: np.ndarray, intrinsics: Intrinsics, *,
        shape_fixed: bool = False, shape_prior: tuple[np.ndarray, np.ndarray] | None = None, previous: Refined | None = None,
        iterations: int | None = None,
    ) -> Refined:
        """Fit to points (21, 2) px, depths (21,) px or None, confidence (21,) in 0..1, starting from the network's `initial`.

        `shape_prior`: mean (10,) and precision (10, 10); `previous`: what came of the same hand a frame ago, if it is to hold this one
        back. Hopeless data give `initial` back, with `problem` saying why; the result is always finite. Raises ValueError for wrong shapes
        or an initial state that is not finite.
        """
        points, depths, confidence = _checked_data(points, depths, confidence)
        start = self._unknowns(initial)
        before = None if previous is None or previous.fitted is None else previous.fitted.unknowns
        posed = self.kinematics.posed(start.coefficients, start.wrist, self.kinematics.bones(start.shape))
        fit = self._fit(start, posed, before, points, depths, confidence, intrinsics, shape_fixed, shape_prior)
        if isinstance(fit, str):
            return self._unchanged(initial, start, points, intrinsics, fit)
        step, enough = None, self.settings.enough
        if before is not None:
            step, enough = fit.at(_carried(previous.start, before, start)), self.settings.enough_followed
        if self._off(fit, step, CARRIED):
            step, enough = fit.better(fit.placed(start, posed), step), self.settings.enough
        if before is not None and self._off(fit, step, DOUBTFUL):  # else never: errors would be handed on from frame to frame
            step = fit.better(step, fit.at(before._replace(shape=start.shape)))
        if self._off(fit, step, HOPELESS):
            step = fit.anchored(start) or step
        if step is None:
            return self._unchanged(initial, start, points, intrinsics, 'the hand would lie behind the camera')
        descent = fit.descend(step, iterations or self.settings.iterations, enough)
        if not np.isfinite(descent.cost):
            return self._unchanged(initial, start, points, intrinsics, 'the fit diverged')
        found = descent.step.unknowns
        pose = np.empty((JOINTS, 3))
        pose[0] = one_axis_angle(found.wrist)
        pose[1:] = (self.kinematics.mean + found.coefficients @ self.kinematics.components).reshape(-1, 3)
        projected = fit.points + descent.step.error
        return Refined(
            HandState(pose, found.shape, found.translation), projected, _mean_distance(projected, points), descent.iterations,
            descent.converged, descent.cost, None if shape_fixed else fit.shape_information(descent), start, descent.step)

    def _off(self, fit: HandFit, step: Step | None, lengths: float) -> bool:
        """Whether the middle point is farther off than so many hand lengths, or the hand lies behind the camera."""
        return step is None or fit.middle_square(step) > (lengths / fit.sigma) ** 2

    def _unknowns(self, state: HandState) -> Unknowns:
        _check_state(state)
        coefficients = (np.asarray(state.pose[1:], float).ravel() - self.kinematics.mean) @ self._inverse
        return Unknowns(coefficients, one_matrix(np.asarray(state.pose[0], float)), np.asarray(state.shape, float),
                        np.asarray(state.translation, float))

    def _fit(self, start, posed, before, points, depths, confidence, intrinsics, shape_fixed, shape_prior) -> HandFit | str:
        """State the problem, or say in words why there is none."""
        s = self.settings
        known = np.isfinite(points[:, 0] + points[:, 1]) & (confidence > 0)
        count = int(np.count_nonzero(known))
        if count < FEWEST_POINTS:
            return f'only {count} of {POINTS} points are known'
        if count < POINTS:
            points = np.where(known[:, None], points, 0)
            confidence = np.where(known, confidence, 0)
        inside = points if count == POINTS else points[known]
        away = np.abs(inside - np.sort(inside, 0)[count // 2])
        spread = float(np.sort(away[:, 0] + away[:, 1])[count // 2])  # medians, as outliers may be far
        if spread < 0.5:
            return 'the points lie on one spot'
        focal = np.array([intrinsics.fx, intrinsics.fy], float)
        distance = max(float(start.translation[2]), NEAREST)
        # The hand's length in pixels by its distance, within what the points allow: the distance may be wrong
        length = min(max(focal[0] * HAND / distance, 1.5 * spread), 6 * spread)
        confidence = np.minimum(confidence, 1)
        weights = (confidence / (s.points_sigma * length)) ** 2
        relief, relief_weights = self._relief(posed.points[:, 2], depths, confidence, HAND / length)
        states = [start] if before is None else [start, before]
        sigmas = [(s.pose_sigma, s.turn_sigma, s.distance_sigma),
                  (s.previous_pose_sigma, s.previous_turn_sigma, s.previous_distance_sigma)]
        weight, moment = self._natural_weight, self._natural_weight * self._natural_mean
        turn, turn_weight, distance_weight, distance_moment = 0.0, 0.0, 0.0, 0.0
        for state, (pose_sigma, turn_sigma, distance_sigma) in zip(states, sigmas):  # several parabolas are one
            weight, moment = weight + pose_sigma ** -2, moment + pose_sigma ** -2 * state.coefficients
            turn, turn_weight = turn + turn_sigma ** -2 * state.wrist, turn_weight + turn_sigma ** -2
            distance_weight += distance_sigma ** -2
            distance_moment += distance_sigma ** -2 * math.log(max(float(state.translation[2]), NEAREST))
        shape_mean, shape_weight = self.shape_prior if shape_prior is None else shape_prior
        return HandFit(
            self.kinematics, points, weights, s.points_sigma, relief, relief_weights, focal,
            np.array([intrinsics.cx, intrinsics.cy], float), s.outlier ** 2, moment / weight, weight,
            self._limit_axes, self._low, self._high, s.limit_sigma ** -2, turn, turn_weight,
            distance_moment / distance_weight, distance_weight, shape_mean, shape_weight, shape_fixed)

    def _relief(self, own: np.ndarray, depths: np.ndarray | None, confidence: np.ndarray, metres: float) -> tuple[np.ndarray, np.ndarray]:
        """Depths (21,) of the joints behind the wrist in metres, and their weights: the network's `own`, and the detected ones (`metres` a
        pixel), each as far as it is to be believed."""
        s, weight = self.settings, np.full(POINTS, self.settings.relief_sigma ** -2)
        if depths is None:
            return own, weight
        detected = np.where(np.isfinite(depths), (confidence / s.depth_sigma) ** 2, 0)
        detected[0] = 0
        total = weight + detected
        return (weight * own + detected * np.where(detected > 0, depths * metres, 0)) / total, total

    def _unchanged(self, initial: HandState, start: Unknowns, points: np.ndarray, intrinsics: Intrinsics, why: str) -> Refined:
        joints = self.model.joints(initial.pose, initial.shape) + initial.translation
        joints[:, 2] = np.maximum(joints[:, 2], NEAREST)
        projected = intrinsics.project(joints)
        return Refined(initial, projected, _mean_distance(projected, points), 0, False, 0.0, None, start, None, why)


def shape_precision(kinematics: Kinematics, settings: RefinementSettings) -> np.ndarray:
    """(10, 10): N(0, shape_sigma), but the direction in which all bones grow alike is held by size_sigma."""
    precision = np.eye(SHAPES) / settings.shape_sigma ** 2
    size = size_direction(kinematics)
    return precision + max(0.0, settings.size_sigma ** -2 - settings.shape_sigma ** -2) * np.outer(size, size)


def size_direction(kinematics: Kinematics) -> np.ndarray:
    """(10,) of length 1: the shape direction that makes the bones grow by equal shares; zeros if no shape changes their length."""
    size = (kinematics.bone_lengths_basis() / kinematics.mean_bone_lengths()[:, None]).mean(0)
    norm = np.linalg.norm(size)
    return size / norm if norm > 1e-9 else np.zeros(SHAPES)


def _carried(old: Unknowns, found: Unknowns, start: Unknowns) -> Unknowns:
    """The network's hand `start`, changed as a fit a frame ago changed its hand `old` into `found`: neighbours need much the same."""
    return Unknowns(start.coefficients + (found.coefficients - old.coefficients), found.wrist @ (old.wrist.T @ start.wrist), start.shape,
                    start.translation + (found.translation - old.translation))


def _mean_distance(projected: np.ndarray, points: np.ndarray) -> float:
    away = projected - points
    distances = np.sqrt(np.einsum('ij,ij->i', away, away))
    mean = float(np.add.reduce(distances)) / len(distances)
    if math.isfinite(mean):
        return mean
    distances = distances[np.isfinite(distances)]
    return float(distances.mean()) if len(distances) else 0.0


def _checked_data(points, depths, confidence) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    points, confidence = np.asarray(points, float), np.asarray(confidence, float)
    depths = None if depths is None else np.asarray(depths, float)
    if points.shape != (POINTS, 2) or confidence.shape != (POINTS,) or (depths is not None and depths.shape != (POINTS,)):
        raise ValueError(f'points (21, 2), depths (21,) and confidence (21,) are needed, not {points.shape}, '
                         f'{None if depths is None else depths.shape} and {confidence.shape}')
    return points, depths, confidence if np.isfinite(confidence).all() else np.nan_to_num(confidence)


def _check_state(state: HandState) -> None:
    for name, shape in (('pose', (JOINTS, 3)), ('shape', (SHAPES,)), ('translation', (3,))):
        values = np.asarray(getattr(state, name))
        if values.shape != shape or not np.isfinite(values).all():
            raise ValueError(f'the state\'s {name} must be {shape} finite numbers, not {values.shape}')
