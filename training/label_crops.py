"""The square that becomes a picture of the set: upright as the frame is, cut without resampling, then shrunk if it is large."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.outputs.atomic import one_sentence, whole_file

JPEG_QUALITY = 95


@dataclass(frozen=True)
class Square:
    """Whole pixels of a frame, shrunk to `size`."""

    left: int
    top: int
    side: int  # pixels of the frame
    size: int  # pixels of the crop

    @property
    def scale(self) -> float:
        """Crop pixels per frame pixel."""
        return self.size / self.side

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Frame pixels (..., 2) -> crop pixels; centres of pixels lie at integers in both."""
        return (points - (self.left, self.top) + 0.5) * self.scale - 0.5

    def valid_area(self, width: int, height: int) -> float:
        """Share of the square that lies in a frame of this size; the rest is repeated edge."""
        inside = [max(0, min(start + self.side, end) - max(start, 0)) for start, end in ((self.left, width), (self.top, height))]
        return inside[0] * inside[1] / self.side ** 2

    def cut(self, image: np.ndarray) -> np.ndarray:
        """The crop (size, size, 3) uint8 out of image (H, W, 3)."""
        height, width = image.shape[:2]
        rows = np.clip(np.arange(self.top, self.top + self.side), 0, height - 1)
        columns = np.clip(np.arange(self.left, self.left + self.side), 0, width - 1)
        piece = image[rows[:, None], columns]
        return piece if self.size == self.side else cv2.resize(piece, (self.size, self.size), interpolation=cv2.INTER_AREA)


def square_around(points: np.ndarray, around: float, largest: int) -> Square:
    """The square about the box of points (21, 2), `around` times its longer side, shrunk to at most `largest` pixels."""
    low, high = points.min(0), points.max(0)
    side = max(8, round(around * float((high - low).max())))
    left, top = (round(float(v)) for v in (low + high) / 2 - (side - 1) / 2)
    return Square(left, top, side, min(side, largest))


def write_crop(path: Path, crop: np.ndarray) -> None:
    """Write crop (S, S, 3) uint8 RGB as JPEG, whole or not at all. Raises InputError where the disk refuses."""
    with one_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(cv2.imencode('.jpg', crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes())


def sharpness(crop: np.ndarray) -> float:
    """Variance of the Laplacian of the grey picture: small when it is blurred."""
    return float(cv2.Laplacian(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())
