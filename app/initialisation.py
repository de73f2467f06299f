"""Find a hand from its detected points alone, without the network: several starts, then the same fit, the cheapest end wins.

The palm is nearly rigid, so its six points give turn and place in closed form (orthogonal Procrustes on points and relative depths); what
the fingers do is tried out. Without depths a palm seen from the front and one seen in a mirror look alike, so tilted turns are tried as well.
"""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.hand_model import SHAPES
from app.refinement import HandState, Refined, Refiner
from app.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from app.types import Intrinsics

PALM = np.array([0, 1, 5, 9, 13, 17])  # wrist, base of the thumb, knuckles
CURLS = (0.0, 1.0, 2.0)  # of the natural spread added to all flexions: half open, closing, fist
TILTS = (-0.8, 0.8)  # radians about the two axes of the picture, where no depths tell


def initialise_from_points(
    refiner: Refiner, points: np.ndarray, depths: np.ndarray | None, confidence: np.ndarray, intrinsics: Intrinsics, *,
    shape: np.ndarray | None = None, shape_fixed: bool = False, shape_prior: tuple[np.ndarray, np.ndarray] | None = None,
) -> Refined:
    """The right hand that best explains points (21, 2) px, relative depths (21,) px or None, confidence (21,).

    `shape` (10,) is the track's, if known. About ten times the time of one refinement. `problem` in the result says why nothing could
    be found; its state is then a relaxed hand half a metre away. Raises ValueError for wrong shapes.
    """
    model, kinematics = refiner.model, refiner.kinematics
    shape = np.zeros(SHAPES) if shape is None else np.asarray(shape, float)
    points, confidence = np.asarray(points, float), np.nan_to_num(np.asarray(confidence, float))
    relaxed = HandState(model.pose_of(model.coefficient_mean, (0, np.pi, 0)), shape, np.array([0.0, 0.0, 0.5]))
    options = dict(shape_fixed=shape_fixed, shape_prior=shape_prior, trust=0.0)
    known = points.shape == (21, 2) and confidence.shape == (21,) and np.isfinite(points[PALM]).all() and (confidence[PALM] > 0).sum() >= 4
    if not known:
        return refiner.refine(relaxed, points, depths, confidence, intrinsics, **options)  # says what is wrong with the data
    flexion = np.array(['flexion' in name for name in model.coefficient_names])
    best = None
    for curl in CURLS:
        coefficients = model.coefficient_mean + curl * model.coefficient_sigma * flexion
        pose = model.pose_of(coefficients)
        over = model.beyond_limits(pose)
        pose = model.pose_of(model.coefficients(pose) - refiner.kinematics.components @ (model.limit_axes.T @ over))
        rest = kinematics.posed(model.coefficients(pose), np.eye(3), kinematics.bones(shape)).points
        for wrist, translation in _placements(rest, points, depths, confidence, intrinsics):
            state = HandState(np.concatenate([matrix_to_axis_angle(wrist)[None], pose[1:]]), shape, translation)
            found = refiner.refine(state, points, depths, confidence, intrinsics, iterations=3, **options)
            if not found.problem and (best is None or found.residual < best.residual):
                best = found
    if best is None:
        return refiner.refine(relaxed, points, depths, confidence, intrinsics, **options)
    finished = refiner.refine(best.state, points, depths, confidence, intrinsics, **options)
    return replace(finished, iterations=finished.iterations + best.iterations)


def _placements(rest: np.ndarray, points: np.ndarray, depths: np.ndarray | None, confidence: np.ndarray, intrinsics: Intrinsics):
    """Yield turns (3, 3) and translations (3,) that lay the palm of `rest` (21, 3) over the points, seen from afar."""
    weights = np.clip(confidence[PALM], 0, 1)[:, None]
    weights = weights / weights.sum()
    focal = np.array([intrinsics.fx, intrinsics.fy])
    seen = np.zeros((len(PALM), 3))
    seen[:, :2] = (points[PALM] - (intrinsics.cx, intrinsics.cy)) / focal  # rays; a hand's depths are small beside its distance
    if depths is not None:
        seen[:, 2] = np.nan_to_num(np.asarray(depths, float)[PALM]) / focal[0]
    palm = rest[PALM]
    middle, seen_middle = (weights * palm).sum(0), (weights * seen).sum(0)
    wrist, stretch = _procrustes(palm - middle, seen - seen_middle, weights)
    turns = [np.eye(3)]
    if depths is None:
        turns += [axis_angle_to_matrix(np.array(axis) * tilt) for axis in ((1.0, 0, 0), (0, 1.0, 0)) for tilt in TILTS]
    flat = (weights * ((palm - middle) @ wrist.T)[:, :2] ** 2).sum() ** 0.5
    for turn in turns:
        turned = turn @ wrist
        if depths is None:
            extent = (weights * ((palm - middle) @ turned.T)[:, :2] ** 2).sum() ** 0.5
            distance = 1 / max(stretch, 1e-6) * extent / max(flat, 1e-9)
        else:
            distance = 1 / max(stretch, 1e-6)
        distance = float(np.clip(distance, 0.1, 100.0))
        centre = np.append(seen_middle[:2] * distance, distance)
        yield turned, centre - turned @ middle


def _procrustes(source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Rotation (3, 3) and scale that carry centred source (n, 3) nearest to centred target (n, 3)."""
    u, values, vt = np.linalg.svd((weights * target).T @ source)
    signs = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    return (u * signs) @ vt, float((values * signs).sum() / (weights * source ** 2).sum())
