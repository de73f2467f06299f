"""Random changes of a training crop: where it is cut, its colours, its sharpness, and things in front of the hand."""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from app.crop import crop_from_points, square_crop, to_frame, upright_angle
from app.types import Crop, Side


@dataclass(frozen=True)
class Jitter:
    """How far a crop may differ from the rule of `app/crop.py`."""

    rotation: float = 30.0  # degrees, either way
    scale: tuple[float, float] = (0.8, 1.25)  # side of the square
    shift: float = 0.08  # of the side, either way
    upside: float = 0.05  # part of the crops turned by any angle


def jittered_crop(points: np.ndarray, side: Side, size: int, jitter: Jitter, rng: np.random.Generator) -> Crop:
    """The crop around points (21, 2), moved, turned and sized at random."""
    turn = np.radians(rng.uniform(-jitter.rotation, jitter.rotation)) if rng.random() >= jitter.upside else rng.uniform(-np.pi, np.pi)
    # most crops of a running tracker are nearly right: half of the samples lie in the inner half of the range
    if rng.random() < 0.5:
        turn *= 0.3
    crop = crop_from_points(points, side, size)
    centre = to_frame(np.full(2, (size - 1) / 2), crop)
    side_px = size / crop.scale
    low, high = np.log(jitter.scale)
    shift = rng.uniform(-jitter.shift, jitter.shift, 2) * side_px
    return square_crop(centre + shift, side_px * np.exp(rng.uniform(low, high)), upright_angle(points) + turn, side, size)


def spoil(image: np.ndarray, rng: np.random.Generator, points: np.ndarray | None = None) -> np.ndarray:
    """Image (S, S, 3) uint8 with other colours, less sharp, noisy; now and then partly covered. `points` (21, 2) say where the hand is."""
    picture = image.astype(np.float32)
    if rng.random() < 0.8:
        gain = np.exp(rng.normal(0, 0.12, 3)) * np.exp(rng.normal(0, 0.2))
        picture = picture * gain
        if rng.random() < 0.5:
            picture = 255 * np.clip(picture / 255, 0, 1) ** np.exp(rng.normal(0, 0.25))
        if rng.random() < 0.3:
            grey = picture.mean(-1, keepdims=True)
            picture = grey + (picture - grey) * rng.uniform(0.0, 1.6)
    kind = rng.random()
    if kind < 0.15:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 2.5))
    elif kind < 0.25:
        picture = cv2.filter2D(picture, -1, motion_kernel(rng))
    elif kind < 0.4:
        small = int(rng.uniform(0.25, 0.7) * len(picture))
        picture = cv2.resize(cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA), picture.shape[:2])
    if points is not None and rng.random() < 0.2:
        cover(picture, points, rng)
    if rng.random() < 0.5:
        picture = picture + rng.normal(0, rng.uniform(1, 8), picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def motion_kernel(rng: np.random.Generator) -> np.ndarray:
    """A blur along a line of random direction, 5 to 13 pixels long."""
    length = int(rng.integers(2, 7)) * 2 + 1
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = length // 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = (tuple(int(round(v)) for v in length // 2 + s * reach) for s in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return kernel / kernel.sum()


def cover(picture: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> None:
    """Draw a filled shape of one colour over a part of the hand, in place."""
    centre = points[rng.integers(21)] + rng.normal(0, 8, 2)
    extent = float(np.ptp(points, axis=0).max())
    axes = tuple(int(v) for v in rng.uniform(0.06, 0.22, 2) * extent)
    colour = tuple(float(v) for v in rng.uniform(0, 255, 3))
    cv2.ellipse(picture, tuple(int(v) for v in centre), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
