"""What the readers of data sets with measured joints share: projection, points detected by OpenPose, and places for points nobody knows."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.errors import InputError
from training.manifest import uncertainty_of_confidence

OPEN_HAND = np.array([  # a flat upright right hand, its palm to the camera, in parts of its box: x, y
    (0.55, 1.0), (0.3, 0.88), (0.15, 0.72), (0.06, 0.6), (0.0, 0.5), (0.32, 0.48), (0.27, 0.3), (0.25, 0.18), (0.23, 0.08), (0.5, 0.45),
    (0.5, 0.24), (0.5, 0.11), (0.5, 0.0), (0.67, 0.48), (0.7, 0.29), (0.72, 0.17), (0.74, 0.06), (0.82, 0.55), (0.9, 0.42), (0.95, 0.33),
    (1.0, 0.25)])


@dataclass(frozen=True)
class Detections:
    """Detected points of a whole split, as S2HAND's code stores them (`openpose_detector/src/hand.py`)."""

    points: np.ndarray  # (n, 21, 2) pixels; (0, 0) with confidence 0 where nothing was found
    confidence: np.ndarray  # (n, 21)
    numbers: dict[str, int]  # place of each picture by the stem of its file name; empty: in order

    def place(self, number: int, stem: str) -> int | None:
        """Where picture `number`, called `stem`, stands; None if it does not."""
        if self.numbers:
            return self.numbers.get(stem)
        return number if number < len(self.points) else None

    def of(self, place: int, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points (21, 2) and uncertainty (21,), pixels; one that was not found lies on the mean of the others and has inf. Where none was
        found, they fill the box (left, top, right, bottom)."""
        points, confidence = self.points[place].copy(), self.confidence[place]
        seen = (confidence > 0) & np.isfinite(points).all(1)
        if not seen.any():
            return nominal_points(box), np.full(21, np.inf)
        points[~seen] = points[seen].mean(0)
        return points, np.where(seen, uncertainty_of_confidence(confidence, points), np.inf)


def read_detections(path: Path) -> Detections:
    """A file [points n x 21 x 2, confidences n x 21 x 1, file names]. Raises InputError."""
    try:
        points, confidence, names = json.loads(Path(path).read_text(encoding='utf-8'))
        points, confidence = np.array(points, float), np.array(confidence, float)
        confidence = confidence.reshape(len(points), 21)
        if points.shape[1:] != (21, 2) or len(names) not in (0, len(points)):
            raise ValueError(f'points have the shape {points.shape}, and there are {len(names)} names')
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f'{path} is not a file of detections [points n x 21 x 2, confidences n x 21 x 1, file names] ({error})') from error
    return Detections(points, np.clip(confidence, 0, 1), {Path(str(name)).stem: i for i, name in enumerate(names)})


def project(camera: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Joints (n, 3) metres in the camera frame through a camera matrix (3, 3) -> pixels (n, 2)."""
    seen = joints @ camera.T
    return seen[:, :2] / seen[:, 2:]


def nominal_points(box: np.ndarray) -> np.ndarray:
    """(21, 2) pixels: a flat hand that fills the box (left, top, right, bottom), for pictures of which no more is known."""
    return box[:2] + OPEN_HAND * (box[2:] - box[:2])
