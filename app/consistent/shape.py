"""One shape for a hand, out of all frames that show it: each says how sure it is, and those that contradict the rest are not believed."""
from __future__ import annotations

import numpy as np

from app.consistent.single_fits import right_handed
from app.refinement import HandState, Refiner

LOOKS = 90  # frames that are asked, evenly spread
INDEPENDENCE = 0.1  # share of an independent look that one more frame is worth, as neighbours repeat each other's errors
MOST = 0.5  # the same for frames far apart
DOUBT = 6.0  # squared sigmas from the rest (10 components) at which a frame's word counts for a quarter
WIDEST = 3.0  # standard deviations; no component goes beyond


def shape_of(rows: np.ndarray, side: str, refiner: Refiner) -> np.ndarray:
    """Rows of the first pass (`scout.ROW`) of one hand -> its shape (10,)."""
    mean, precision = refiner.shape_prior
    good = rows[rows['left'] == (side == 'left')]
    good = good[good['presence'] >= np.median(good['presence']) - 0.2] if len(good) else good
    asked = good[np.unique(np.linspace(0, len(good) - 1, min(LOOKS, len(good))).astype(int))] if len(good) else good
    if not len(asked):
        return np.array(mean, float)
    share = float(np.clip(INDEPENDENCE * len(good) / len(asked), INDEPENDENCE, MOST))
    shape = np.array(mean, float)
    for _ in range(2):
        told = [word for row in asked if (word := _word(row, side, refiner, shape, precision)) is not None]
        if not told:
            return shape
        shape = _agreed(told, mean, precision, share)
    return shape


def _word(row: np.ndarray, side: str, refiner: Refiner, shape: np.ndarray, precision: np.ndarray):
    """What one frame says: precision (10, 10), that times its mean, and how far it is to be trusted; None if its fit failed."""
    right, points, camera = right_handed(row, side)
    refined = refiner.refine(HandState(right.pose, shape, right.translation), points, row['depths'].astype(float),
                             np.full(21, float(row['presence'] * row['trust'])), camera, shape_prior=(shape, precision))
    if refined.problem or refined.shape_information is None:
        return None
    own, weighted = refined.shape_information
    return (own, weighted, float(row['presence'])) if np.isfinite(own).all() and np.isfinite(weighted).all() else None


def _agreed(told: list, mean: np.ndarray, precision: np.ndarray, share: float) -> np.ndarray:
    """The frames' words put together, those far from the result counting less and less."""
    own, weighted = np.stack([word[0] for word in told]), np.stack([word[1] for word in told])
    presence = np.array([word[2] for word in told])
    shape, belief = np.array(mean, float), np.ones(len(told))
    for _ in range(6):
        weight = share * presence * belief
        shape = np.linalg.solve(precision + np.tensordot(weight, own, 1), precision @ mean + weight @ weighted)
        # (s - m)' P (s - m) with m the frame's own mean, without inverting what may be flat
        ridge = own + 1e-3 * np.eye(len(mean))
        apart = shape - np.linalg.solve(ridge, weighted[:, :, None])[:, :, 0]
        held = np.linalg.inv(np.linalg.inv(ridge) + np.linalg.inv(precision))  # a weak word may lie anywhere
        square = np.einsum('ni,nij,nj->n', apart, held, apart)
        typical = max(float(np.median(square)), DOUBT)
        belief = 1 / (1 + square / typical) ** 2
    return np.clip(shape, -WIDEST, WIDEST)
