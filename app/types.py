"""What the stages hand to each other, and the conventions, said once.

- Images are RGB uint8, H x W x 3, top-left origin; pixel centres lie at integer coordinates.
- Camera axes: x right, y down, z forward (OpenCV). Lengths in metres, angles in radians. Pinhole intrinsics.
- 21 joints in the OpenPose / MediaPipe / FreiHAND order: wrist, then thumb, index, middle, ring, little, each base to tip.
- The network sees right hands only. A left hand is flipped before and unflipped after; `app/mirror.py` is the one place.
- Rotations are unit quaternions (w, x, y, z) in results and axis-angle in the hand model's parameters.
- A hand's `translation` is its wrist in the camera frame: `vertices = model(pose, shape, side) + translation`, the model's wrist
  being its origin. A left hand is the model mirrored in x, and its pose is the pose of that mirrored model.
- One clock: `time.monotonic()` at capture. A source's own timestamps (`Frame.time`) are data, never the clock.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

Side = Literal['right', 'left']
Mode = Literal['image', 'video', 'live']

WRIST, TIPS = 0, (4, 8, 12, 16, 20)
JOINT_PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)  # of the 21 joints
DEFAULT_FIELD_OF_VIEW = 60.0  # degrees along the longer side of the picture; a usual webcam's


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera in pixels. `metric` is False when the focal length is assumed: depth and size are then not metric."""

    fx: float
    fy: float
    cx: float
    cy: float
    metric: bool = False

    @staticmethod
    def from_field_of_view(width: int, height: int, degrees: float = DEFAULT_FIELD_OF_VIEW, metric: bool = False) -> Intrinsics:
        """The camera whose longer picture side spans `degrees`; principal point at the picture's centre."""
        if not 1 <= degrees <= 170:
            raise ValueError(f'a field of view of {degrees} degrees is not between 1 and 170')
        focal = 0.5 * max(width, height) / np.tan(np.radians(degrees) / 2)
        return Intrinsics(float(focal), float(focal), (width - 1) / 2, (height - 1) / 2, metric)

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) camera matrix."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) in metres in the camera frame -> pixels (..., 2)."""
        return points[..., :2] / points[..., 2:] * (self.fx, self.fy) + (self.cx, self.cy)

    def unproject(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) at depths (...,) in metres -> points (..., 3)."""
        depth = np.asarray(depth)[..., None]
        return np.concatenate([(pixels - (self.cx, self.cy)) / (self.fx, self.fy) * depth, depth], -1)


@dataclass(frozen=True)
class Frame:
    """One picture of a source."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    index: int  # 0-based number of the frame in its source
    time: float  # seconds since the source's start, by the source's own timestamps
    captured: float  # time.monotonic() when the picture was in memory
    name: str = ''  # file name, for folders of pictures


@dataclass(frozen=True)
class Detection:
    """21 points of one hand found in a picture."""

    points: np.ndarray  # (21, 2) pixels
    depths: np.ndarray | None  # (21,) relative depth in pixels at the hand's distance, wrist = 0, forward positive; None if unknown
    confidence: np.ndarray  # (21,) in 0..1
    score: float  # in 0..1, that this is a hand
    side: Side  # of the person, in an unmirrored picture
    side_score: float  # in 0..1, of `side`


@dataclass(frozen=True)
class Crop:
    """A square cut from a frame, turned so that the hand stands upright, flipped if the hand is a left one."""

    matrix: np.ndarray  # (2, 3) affine, frame pixels -> crop pixels, the flip included
    size: int  # pixels of a side
    mirrored: bool

    @property
    def scale(self) -> float:
        """Crop pixels per frame pixel."""
        (a, b, _), (c, d, _) = self.matrix.tolist()
        return math.sqrt(abs(a * d - b * c))


@dataclass(frozen=True)
class Hand:
    """One reconstructed hand in one frame."""

    track: int  # stays the same while the hand is followed
    side: Side
    confidence: float  # in 0..1
    pose: np.ndarray  # (16, 4) unit quaternions, row 0 the wrist in the camera frame
    shape: np.ndarray  # (10,) in standard deviations
    translation: np.ndarray  # (3,) metres, the wrist in the camera frame
    vertices: np.ndarray  # (N, 3) metres, camera frame
    joints_3d: np.ndarray  # (21, 3) metres, camera frame
    joints_2d: np.ndarray  # (21, 2) pixels, the projection of joints_3d
    colours: np.ndarray  # (N, 3) uint8 sRGB albedo of the vertices
    light: np.ndarray  # (4, 3) shading = light[0] + normal . light[1:], per colour channel; multiplies the linear albedo
    points: np.ndarray  # (21, 2) pixels, the detected points that the hand was fitted to

    @property
    def box_side(self) -> float:
        """Longer side of the box around the detected points, pixels."""
        return float(np.ptp(self.points, axis=0).max())

    @property
    def reprojection(self) -> float:
        """Mean distance between projected joints and detected points, pixels."""
        return float(np.linalg.norm(self.joints_2d - self.points, axis=-1).mean())
