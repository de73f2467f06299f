"""A track's one shape: what all its frames say, each weighted by how much it can tell, and the moment when it is certain enough to lock.

Every frame's fit leaves the precision with which it alone fixes the shape, pose and place marginalised. Precisions add up, so a frame in
which the fingers point at the camera says little about their length and changes little. Neighbouring frames repeat each other's errors,
so each counts as a fraction of an independent look.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.hand_model import SHAPES
from app.refinement import Refined, Refiner, size_direction


@dataclass(frozen=True)
class ShapeSettings:
    """When a shape is known."""

    independence: float = 0.05  # share of an independent look that one more frame is worth
    certain: float = 0.5  # lock when the bones' lengths, their common size aside, are this share as uncertain as at the start
    fewest: int = 15  # frames before a lock
    most: int = 90  # frames of full confidence after which the shape is locked anyway, so that it cannot change for ever
    worst_confidence: float = 0.3  # frames below say nothing
    widest: float = 3.0  # standard deviations; no component goes beyond, whatever a detector's own idea of a hand is


class ShapeMemory:
    """The shape of one track. Before each frame give `shape` and `prior` to the refiner, after it `update`; once `locked`, only `shape`."""

    def __init__(self, refiner: Refiner, settings: ShapeSettings = ShapeSettings()):
        self.settings = settings
        self._start = refiner.shape_prior
        kinematics = refiner.kinematics
        # Bone lengths without the common size, which one camera cannot tell and which would keep the uncertainty up for ever
        size = size_direction(kinematics)
        self._lengths = kinematics.bone_lengths_basis() @ (np.eye(SHAPES) - np.outer(size, size))
        self.reset()

    def reset(self) -> None:
        """Forget the shape: another person, or a new track."""
        mean, precision = self._start
        self._precision = precision.copy()
        self._weighted = precision @ mean
        self._frames = 0.0
        self._count = 0
        self._first_uncertainty = max(self.uncertainty, 1e-9)
        self.shape = np.array(mean, float)  # (10,) the best guess so far
        self.locked = False

    @property
    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (10,) and precision (10, 10) for the next frame's fit."""
        return self.shape, self._precision

    @property
    def uncertainty(self) -> float:
        """Metres: root mean square over the bones of the standard deviation of their length, the common size aside."""
        spread = np.einsum('bi,ij,bj->b', self._lengths, np.linalg.inv(self._precision), self._lengths)
        return float(np.sqrt(spread.mean()))

    @property
    def certainty(self) -> float:
        """0 at the start, 1 when locked; for display."""
        if self.locked:
            return 1.0
        settings = self.settings
        known = 1 - (self.uncertainty / self._first_uncertainty - settings.certain) / (1 - settings.certain)
        return float(np.clip(max(self._frames / settings.most, min(known, self._count / settings.fewest)), 0, 0.99))

    def update(self, refined: Refined, confidence: float) -> None:
        """Take in a frame's fit (made with `prior`), of `confidence` in 0..1. Nothing happens once locked, or when the fit failed."""
        settings = self.settings
        if self.locked or refined.problem or refined.shape_information is None or not confidence >= settings.worst_confidence:
            return
        precision, weighted = refined.shape_information
        if not (np.isfinite(precision).all() and np.isfinite(weighted).all()):
            return
        weight = settings.independence * min(confidence, 1.0)
        self._precision = self._precision + weight * precision
        self._weighted = self._weighted + weight * weighted
        self.shape = np.clip(np.linalg.solve(self._precision, self._weighted), -settings.widest, settings.widest)
        self._frames += min(confidence, 1.0)
        self._count += 1
        enough = self._count >= settings.fewest and self.uncertainty <= settings.certain * self._first_uncertainty
        self.locked = enough or self._frames >= settings.most
