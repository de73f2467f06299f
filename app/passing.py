"""What the steps of the pipeline hand to each other: what is known of a track, and a frame that was looked at, fitted, placed."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.hand_model import HandModel
from app.refinement import HandState, Refined, Refiner
from app.regression import Begun, Prediction
from app.shape_memory import ShapeMemory
from app.smoothing import HandSmoother, Observed, SmoothingSettings
from app.texture import TextureMemory
from app.types import Crop, Frame, Hand, Intrinsics


class Memory:
    """What is known of one track beyond where it is."""

    def __init__(self, model: HandModel, refiner: Refiner, smoothing: float, lock: bool):
        self.shape = ShapeMemory(refiner)
        self.texture = TextureMemory(model, lock=lock)
        self.smoother = HandSmoother(refiner.kinematics, SmoothingSettings(strength=smoothing))
        self.side: str | None = None
        self.last: Refined | None = None

    def forget_motion(self, smoothing: float) -> None:
        """Begin anew where the hand is; its shape and texture stay."""
        if smoothing != self.smoother.settings.strength:
            self.smoother = HandSmoother(self.smoother.kinematics, SmoothingSettings(strength=smoothing))
        self.smoother.reset()
        self.last = None


@dataclass(frozen=True)
class Sighting:
    """One hand that the network has begun with."""

    track: int  # its number
    presence: float  # in 0..1, that the crop shows a hand
    crop: Crop
    begun: Begun
    row: int  # of `begun`
    points: np.ndarray  # (21, 2) pixels of the frame


@dataclass(frozen=True)
class Upright:
    """A sighting in a picture mirrored, if need be, so that the hand is a right one: until it is placed it is treated as such."""

    memory: Memory
    points: np.ndarray  # (21, 2) pixels
    crop: Crop  # not mirrored
    camera: Intrinsics


@dataclass(frozen=True)
class Looked:
    """What `Pipeline.look` leaves for `Pipeline.place`."""

    frame: Frame
    sightings: tuple[Sighting, ...]
    known: frozenset[int]  # the tracks that are followed, or may be found again
    stage_ms: dict[str, float]


@dataclass(frozen=True)
class Found:
    """One hand that was fitted, as a right one, and is not settled yet."""

    sighting: Sighting
    prediction: Prediction
    memory: Memory
    state: HandState
    smoother: HandSmoother
    observed: Observed | None  # None: it is not smoothed


@dataclass(frozen=True)
class Fitted:
    """A frame whose hands are fitted."""

    frame: Frame
    intrinsics: Intrinsics
    hands: tuple[Found, ...]


@dataclass(frozen=True)
class Placed:
    """A frame with its hands, in the camera `intrinsics`."""

    frame: Frame
    hands: list[Hand]
    intrinsics: Intrinsics
