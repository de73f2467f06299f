"""The hand's skin as one implicit surface around the skeleton: a signed distance field that follows the posed bones. Millimetres."""
from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.open_hand.skeleton import FINGERS, Skeleton


def smooth_union(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """Union of two distance fields, blended over about `k` millimetres (polynomial smooth minimum)."""
    h = np.clip(0.5 + 0.5 * (b - a) / k, 0, 1)
    return b + (a - b) * h - k * h * (1 - h)


@dataclass(frozen=True)
class Pose:
    """A posed skeleton: where each bone's frame went. `rest` (16, 3), `rotations` (16, 3, 3), `joints` (16, 3)."""

    rest: np.ndarray
    rotations: np.ndarray
    joints: np.ndarray

    @staticmethod
    def at_rest(skeleton: Skeleton) -> Pose:
        return Pose(skeleton.joints, np.tile(np.eye(3), (16, 1, 1)), skeleton.joints)

    def to_rest(self, points: np.ndarray, bone: int) -> np.ndarray:
        """Points (..., 3) as the bone's own rest frame sees them."""
        return (points - self.joints[bone]) @ self.rotations[bone] + self.rest[bone]

    def to_world(self, points: np.ndarray, bone: int) -> np.ndarray:
        """Rest points (..., 3) of a bone -> where the pose carries them."""
        return (points - self.rest[bone]) @ self.rotations[bone].T + self.joints[bone]


@dataclass(frozen=True)
class Cone:
    """A rounded cone from `a` (radius `ra`, on bone `bone`) to `b` (radius `rb`, on bone `bone_b`); flat < 1 squeezes it along `squeeze`."""

    a: np.ndarray
    b: np.ndarray
    ra: float
    rb: float
    bone: int
    bone_b: int | None = None
    flat: float = 1.0
    squeeze: np.ndarray = field(default_factory=lambda: np.array([0., 0, 1]))

    def distance(self, p: np.ndarray, pose: Pose) -> np.ndarray:
        a, b = np.asarray(self.a, float), np.asarray(self.b, float)
        if self.bone_b is not None and self.bone_b != self.bone:
            b = pose.to_rest(pose.to_world(b, self.bone_b), self.bone)
        q = pose.to_rest(p, self.bone)
        stretch = np.eye(3) + (1 / self.flat - 1) * np.outer(self.squeeze, self.squeeze)
        q, a, b = q @ stretch, a @ stretch, b @ stretch
        ab = b - a
        h = np.clip(((q - a) @ ab) / max(ab @ ab, 1e-9), 0, 1)
        return np.linalg.norm(q - a - h[..., None] * ab, axis=-1) - (self.ra + (self.rb - self.ra) * h)


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid on a bone; `axes` (3, 3) rows are its own directions."""

    centre: np.ndarray
    radii: np.ndarray
    bone: int
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))

    def distance(self, p: np.ndarray, pose: Pose) -> np.ndarray:
        q = (pose.to_rest(p, self.bone) - self.centre) @ self.axes.T
        r = np.asarray(self.radii, float)
        k0, k1 = np.linalg.norm(q / r, axis=-1), np.linalg.norm(q / r**2, axis=-1) + 1e-9
        return k0 * (k0 - 1) / k1


RADII = {  # mm: at the first joint, second, third, and near the tip
    'thumb': (14, 11.4, 10.2, 8.3), 'index': (10.4, 9.3, 8.0, 6.8), 'middle': (10.6, 9.5, 8.2, 7.0),
    'ring': (10.0, 9.0, 7.8, 6.6), 'little': (9.0, 7.9, 6.8, 5.8),
}
FEET = {'index': (-12, 10, 0), 'middle': (-4, 9, 2), 'ring': (5, 9, 1), 'little': (13, 10, -2)}


def hand_field(points: np.ndarray, skeleton: Skeleton, pose: Pose | None = None, radii: dict = RADII) -> np.ndarray:
    """Signed distance (...,) of points (..., 3) to the skin of the posed hand, negative inside."""
    pose = pose or Pose.at_rest(skeleton)
    joints, tips = skeleton.joints, skeleton.tips

    def at(shape: Cone | Ellipsoid) -> np.ndarray:
        return shape.distance(points, pose)

    d = None
    for f, foot in FEET.items():
        j = 1 + 3 * FINGERS.index(f)
        cone = at(Cone(np.array(foot, float), joints[j] - [0, 4, 1], 14., radii[f][0] + 2.2, 0, flat=.92))
        d = cone if d is None else smooth_union(d, cone, 12)
    d = smooth_union(d, at(Ellipsoid((-27, 38, -13), (16, 30, 13), 0)), 14)
    d = smooth_union(d, at(Ellipsoid((21, 38, -10), (13, 32, 11), 0)), 12)
    d = smooth_union(d, at(Ellipsoid((0, -30, -1), (27, 55, 18), 0)), 12)
    d = smooth_union(d, at(Cone(np.array([0., -50, -1]), np.array([0., 5, -1]), 27, 24, 0, flat=.68)), 8)
    r = radii['thumb']
    t = at(Cone(joints[1], joints[2], r[0], r[1], 1))
    t = smooth_union(t, at(Cone(joints[2], joints[3], r[1], r[2], 2)), 4)
    end = tips[0] - skeleton.along[3] * r[3] * .95
    t = smooth_union(t, at(Cone(joints[3], end, r[2], r[3], 3, flat=.85, squeeze=skeleton.dorsal[3])), 3)
    d = smooth_union(d, t, 14)
    d = smooth_union(d, at(Cone(np.array([-30., 60, -8]), np.array([-38., 52, -16]), 7, 7, 0, 1)), 14)
    for i, f in enumerate(FINGERS[1:], 1):
        j, r = 1 + 3 * i, radii[f]
        end = tips[i] - skeleton.along[j + 2] * r[3] * .95
        s = at(Cone(joints[j], joints[j + 1], r[0], r[1], j))
        s = smooth_union(s, at(Cone(joints[j + 1], joints[j + 2], r[1], r[2], j + 1)), 3)
        s = smooth_union(s, at(Cone(joints[j + 2], end, r[2], r[3], j + 2, flat=.9, squeeze=skeleton.dorsal[j + 2])), 2.5)
        s = smooth_union(s, at(Ellipsoid(joints[j + 1] + 2 * skeleton.dorsal[j + 1], (r[1] * .95, 8, r[1] * .95), j)), 3)
        d = smooth_union(d, s, 7)
    return d
