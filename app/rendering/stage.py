"""Where the camera of the 3D view stands: on a sphere around a stage that follows the hands, but slowly, so that they are seen to move.

The stage is a ball in the real camera's frame. Straight on (azimuth and elevation 0) it is seen from the real camera's place, so hands look
as in the picture. Turned, the camera goes round the ball's centre, and the ball always fills the view: what is inside stays in sight.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.types import Intrinsics

_START = np.array([0.0, 0.0, 0.5])  # metres: the centre while no hand was seen yet
_FOLLOWS = 0.8  # seconds, time constant of the centre
_GROWS, _SHRINKS = 0.25, 1.5  # seconds, of the radius, when hands need more room or less
_ROOM = 0.04  # metres at least, by which a hand may be off the centre
_FORGOTTEN = 0.7  # seconds without a hand, after which the next one is put in the middle at once
_CLOSEST = 2.2  # radii of the ball from its centre to the camera; nearer, what is turned towards the camera would grow too large
_STEEPEST = np.radians(89)


@dataclass(frozen=True)
class Shot:
    """How the stage is seen: points p of the real camera's frame lie at `turn @ (p - centre) + (0, 0, distance)` in the view's."""

    centre: np.ndarray  # (3,) metres
    radius: float  # metres, of the ball that fills the view at zoom 1
    turn: np.ndarray  # (3, 3)
    distance: float  # metres
    camera: Intrinsics  # of the view

    def seen(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the real camera's frame -> (N, 3) float32 in the view's."""
        seen = np.asarray(points - self.centre, np.float32) @ np.asarray(self.turn.T, np.float32)
        seen[:, 2] += self.distance
        return seen


class Stage:
    """Follows the hands with time. Forgets them when time steps back."""

    def __init__(self, radius: float):
        """`radius` in metres: of the ball for one hand."""
        self._least = radius
        self.reset()

    def reset(self) -> None:
        """Forget: the next hand is put in the middle."""
        self.centre, self.radius = _START, self._least
        self._time = self._seen = None

    def follow(self, balls: list[tuple[np.ndarray, float]], weights: list[float], time: float) -> None:
        """Balls around the hands, centre (3,) and radius in metres, with their visibilities in 0..1, at `time` seconds."""
        if self._time is not None and time < self._time:
            self.reset()
        step = 0.0 if self._time is None else time - self._time
        self._time = time
        if not balls:
            return
        new = self._seen is None or time - self._seen > _FORGOTTEN
        self._seen = time
        share = np.array(weights)
        places, sizes = np.array([place for place, _ in balls]), np.array([size for _, size in balls])
        middle = share @ places / share.sum()
        # a hand that fades in asks for its room little by little
        reach = float((np.minimum(share / share.max(), 1) * (np.linalg.norm(places - middle, axis=1) + sizes)).max())
        wanted = max(self._least, reach + _ROOM)
        if new:
            self.centre, self.radius = middle, wanted
            return
        self.radius += (wanted - self.radius) * (1 - np.exp(-step / (_GROWS if wanted > self.radius else _SHRINKS)))
        self.radius = max(self.radius, reach)
        self.centre = self.centre + (middle - self.centre) * (1 - np.exp(-step / _FOLLOWS))
        off = self.centre - middle
        far = float(np.linalg.norm(off))
        if far > self.radius - reach:
            self.centre = middle + off * ((self.radius - reach) / far)

    def shot(self, size: tuple[int, int], azimuth: float, elevation: float, zoom: float, shift: tuple[float, float]) -> Shot:
        """The stage in a view of width and height `size`; angles in degrees, shift in widths and heights of the view."""
        x, y, z = self.centre
        yaw = np.arctan2(x, z) + np.radians(azimuth)
        pitch = np.clip(np.arctan2(y, np.hypot(x, z)) + np.radians(elevation), -_STEEPEST, _STEEPEST)
        cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
        turn = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]) @ np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
        distance = max(float(np.linalg.norm(self.centre)), _CLOSEST * self.radius)
        focal = 0.5 * min(size) * zoom * np.sqrt((distance / self.radius) ** 2 - 1)  # the ball's outline touches the view's sides
        centre = [(n - 1) / 2 + s * n for n, s in zip(size, shift)]
        return Shot(self.centre, self.radius, turn, distance, Intrinsics(float(focal), float(focal), *map(float, centre)))
