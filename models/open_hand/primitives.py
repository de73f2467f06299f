"""Signed distances to the solids that the hand is made of, each tied to the bones of a posed skeleton. Millimetres."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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

    def to_rest(self, points: np.ndarray, bone: int) -> np.ndarray:
        """Points (..., 3) as the bone's own rest frame sees them."""
        return (points - self.joints[bone]) @ self.rotations[bone] + self.rest[bone]

    def to_world(self, points: np.ndarray, bone: int) -> np.ndarray:
        """Rest points (..., 3) of a bone -> where the pose carries them."""
        return (points - self.rest[bone]) @ self.rotations[bone].T + self.joints[bone]


@dataclass(frozen=True)
class Cone:
    """A rounded cone from `a` (radius `ra`, on bone `bone`) to `b` (radius `rb`, on bone `bone_b`); flat < 1 squeezes it
    along `squeeze`."""

    a: np.ndarray
    b: np.ndarray
    ra: float
    rb: float
    bone: int
    bone_b: int | None = None
    flat: float = 1.0
    squeeze: tuple | np.ndarray = (0., 0., 1.)

    def distance(self, p: np.ndarray, pose: Pose) -> np.ndarray:
        a, b, s = np.asarray(self.a, float), np.asarray(self.b, float), np.asarray(self.squeeze, float)
        if self.bone_b is not None and self.bone_b != self.bone:
            b = pose.to_rest(pose.to_world(b, self.bone_b), self.bone)
        q = pose.to_rest(p, self.bone)
        if self.flat != 1:
            stretch = np.eye(3) + (1 / self.flat - 1) * np.outer(s, s)
            q, a, b = q @ stretch, a @ stretch, b @ stretch
        ab = b - a
        h = np.clip(((q - a) @ ab) / max(ab @ ab, 1e-9), 0, 1)
        d = np.linalg.norm(q - a - h[..., None] * ab, axis=-1) - (self.ra + (self.rb - self.ra) * h)
        return d * np.sqrt(self.flat)  # the stretched distance is too long along one axis; this keeps blends of even width


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid on a bone; `axes` (3, 3) rows are its own directions. The distance is first-order exact near the surface."""

    centre: np.ndarray
    radii: tuple | np.ndarray
    bone: int
    axes: np.ndarray | None = None

    def distance(self, p: np.ndarray, pose: Pose) -> np.ndarray:
        q = pose.to_rest(p, self.bone) - self.centre
        if self.axes is not None:
            q = q @ np.asarray(self.axes).T
        r = np.asarray(self.radii, float)
        k0, k1 = np.linalg.norm(q / r, axis=-1), np.linalg.norm(q / r**2, axis=-1) + 1e-9
        return k0 * (k0 - 1) / k1


@dataclass(frozen=True)
class Sheet:
    """A triangle of thickness 2 x radius, each corner (with its own radius) on a bone of its own: webs between moving bones."""

    corners: np.ndarray  # (3, 3)
    radii: tuple
    bones: tuple

    def distance(self, p: np.ndarray, pose: Pose) -> np.ndarray:
        a, b, c = (pose.to_world(np.asarray(x, float), j) for x, j in zip(self.corners, self.bones))
        r = np.asarray(self.radii, float)
        u, v, w = b - a, c - a, p - a
        uu, uv, vv, wu, wv = u @ u, u @ v, v @ v, w @ u, w @ v
        det = max(uu * vv - uv * uv, 1e-9)
        s, t = (vv * wu - uv * wv) / det, (uu * wv - uv * wu) / det
        inside = (s >= 0) & (t >= 0) & (s + t <= 1)
        best = np.where(inside, np.linalg.norm(w - s[..., None] * u - t[..., None] * v, axis=-1)
                        - (r[0] + s * (r[1] - r[0]) + t * (r[2] - r[0])), np.inf)
        for x, y, rx, ry in ((a, b, r[0], r[1]), (b, c, r[1], r[2]), (c, a, r[2], r[0])):
            e = y - x
            h = np.clip(((p - x) @ e) / max(e @ e, 1e-9), 0, 1)
            best = np.minimum(best, np.linalg.norm(p - x - h[..., None] * e, axis=-1) - (rx + (ry - rx) * h))
        return best
