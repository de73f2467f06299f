"""Points of a hand with their uncertainty, and relative depths, from several looks of the landmark network at the same picture.

One look errs at random with the way it is cut; the mean of several errs less, and their spread says how much to trust it. Half of the
looks are mirrored, because the landmark network knows both sides. `python -m training.label_check` measures both.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.crop import crop_from_points, cut, square_crop, to_frame, upright_angle
from app.mirror import opposite
from app.regression import Regressor
from app.types import Crop, Side

LOOKS = 5
TURN, SCALE, SHIFT = 15.0, 0.1, 0.05  # degrees, log of the side, parts of the side; either way
LEAST_UNCERTAINTY = 0.005  # of the hand box: looks that agree can still all be wrong
DEPTH_SCALE = 3.5
"""What the depths of the landmark network's points are multiplied with to be pixels as x and y are.

The network divides them by 2.5, and MediaPipe's own graph undoes that (`normalize_z: 0.4`); what is left is too flat, as least squares
makes uncertain numbers. With 3.5 the hand model, fitted to 400 training pictures with one shape per person, agrees best with points and
depths together (that needs no truth). Check on 200 pictures with true joints: such fits err by 9.80 mm (PA-MPJPE) at 1, 8.11 at 2.5, 7.75
at 3.5, 8.88 at 5; with the depths of the detector's world points by 9.14. A network whose branch learned depths in pixels says so by
`branch_depth_scale` in its metadata.
"""


@dataclass(frozen=True)
class Labelled:
    """One hand as several looks saw it, in pixels of the picture."""

    points: np.ndarray  # (21, 2), the mean of the looks
    uncertainty: np.ndarray  # (21,), their spread (standard deviation of the distance), at least `LEAST_UNCERTAINTY` of the box
    depth: np.ndarray  # (21,) pixels at the hand's distance, relative to the wrist (0), forward positive
    presence: float  # in 0..1, mean
    right: float  # in 0..1, that it is a right hand, mean
    side_agreement: float  # share of the looks that say the side that most say

    @property
    def side(self) -> Side:
        return 'right' if self.right >= 0.5 else 'left'

    @property
    def box_side(self) -> float:
        """Longer side of the box around the points, pixels."""
        return float(np.ptp(self.points, axis=0).max())


class Labeller:
    """Looks `looks` times at each hand, always in the same ways, so that a run can be repeated."""

    def __init__(self, regressor: Regressor, looks: int = LOOKS):
        if looks < 1:
            raise ValueError(f'at least one look is needed, not {looks}')
        self.regressor = regressor
        draws = np.random.default_rng(0).uniform(-1, 1, (looks, 4))
        draws[0] = 0  # the first look is cut by the rule
        self.jitter = draws
        meta = regressor.session.get_modelmeta().custom_metadata_map
        self.depth_scale = float(meta.get('branch_depth_scale', DEPTH_SCALE))

    def __call__(self, image: np.ndarray, points: np.ndarray, side: Side) -> Labelled:
        """A hand in image (H, W, 3) uint8 RGB, whose rough points (21, 2) and side are known. Raises ValueError for points on one spot."""
        crops = self.crops(points, side)
        seen, presence, right = self._run(np.stack([cut(image, crop) for crop in crops]))
        found = np.stack([to_frame(looks, crop) for looks, crop in zip(seen[..., :2], crops)])
        depths = np.stack([looks / crop.scale for looks, crop in zip(seen[..., 2], crops)]) * self.depth_scale
        mirrored = np.array([crop.mirrored for crop in crops])
        right = np.where(mirrored, 1 - right, right)
        mean, depth = found.mean(0), depths.mean(0)
        spread = np.sqrt(((found - mean) ** 2).sum(-1).sum(0) / max(len(crops) - 1, 1))
        least = LEAST_UNCERTAINTY * float(np.ptp(mean, axis=0).max())
        votes = float((right >= 0.5).mean())
        return Labelled(mean, np.maximum(spread, least), depth - depth[0], float(presence.mean()), float(right.mean()),
                        max(votes, 1 - votes))

    def crops(self, points: np.ndarray, side: Side) -> list[Crop]:
        """The squares to look at: turned, sized and shifted a little; every second one as if the hand were of the other side."""
        size = self.regressor.size
        plain = crop_from_points(points, 'right', size)
        centre, side_px, upright = to_frame(np.full(2, (size - 1) / 2), plain), size / plain.scale, upright_angle(points)
        return [square_crop(centre + SHIFT * side_px * draw[:2], side_px * np.exp(SCALE * draw[2]), upright + np.radians(TURN) * draw[3],
                            opposite(side) if number % 2 else side, size) for number, draw in enumerate(self.jitter)]

    def _run(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Only the landmark branch: points (n, 21, 3) in crop pixels, presence (n,), right (n,)."""
        batch = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)
        batch *= 1 / 255
        points, presence, right = self.regressor.session.run(['points', 'presence', 'right'], {'crop': batch})
        return points.astype(float), presence[:, 0], right[:, 0]
