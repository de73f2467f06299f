"""A row of the first pass as a right hand in its own camera, and fitted on its own: where the search for the motion starts."""
from __future__ import annotations

import numpy as np

from app.mirror import mirror_intrinsics, mirror_points_2d
from app.refinement import HandState, Refined, Refiner
from app.types import Intrinsics


def camera_of(row: np.ndarray) -> Intrinsics:
    """The camera of a row's frame."""
    return Intrinsics(*(float(value) for value in row['camera']))


def right_handed(row: np.ndarray, side: str) -> tuple[HandState, np.ndarray, Intrinsics]:
    """The network's hand (with shape 0), the points (21, 2) px and the camera, all mirrored if the hand is a left one.

    The network's pose means nothing where the hand was looked at as one of the other side."""
    width, points, camera = int(row['width']), row['points'].astype(float), camera_of(row)
    if side == 'left':
        points, camera = mirror_points_2d(points, width), mirror_intrinsics(camera, width)
    return HandState(row['pose'].astype(float), np.zeros(10), row['wrist'].astype(float)), points, camera


def fitted(row: np.ndarray, side: str, shape: np.ndarray, refiner: Refiner) -> Refined:
    """One frame fitted for itself, with the hand's shape."""
    right, points, camera = right_handed(row, side)
    return refiner.refine(HandState(right.pose, shape, right.translation), points, row['depths'].astype(float),
                          np.full(21, float(row['presence'] * row['trust'])), camera, shape_fixed=True)
