"""The hand's skin as one implicit surface around the skeleton: a signed distance field that follows the posed bones. Millimetres.

Each part is a list of (solid, blend): the solids are united in order, each blended over so many millimetres. Lengths below are those of
the mean hand; proportions stretch them. `side` points from the bone's axis towards the little finger, `back` out of the back of the hand.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.open_hand import anthropometry as body
from models.open_hand.primitives import Cone, Ellipsoid, Pose, Sheet, smooth_union
from models.open_hand.skeleton import FINGERS, Proportions, Skeleton, build_skeleton, palm_scale

Part = list[tuple[Cone | Ellipsoid | Sheet, float]]
FEET = {'index': (-13, 8, 1), 'middle': (-4.5, 8, 3), 'ring': (4.5, 8, 2.5), 'little': (13, 8, -1)}  # of the metacarpals


def finger_part(i: int, skeleton: Skeleton, p: Proportions) -> Part:
    """One finger (i = 1..4, index..little) from its knuckle to its tip."""
    name, j = FINGERS[i], 1 + 3 * i
    b = body.FINGER_BREADTH[name] / 2 * p.get('finger_breadth', 1)
    flat = body.FINGER_DEPTH_RATIO * p.get('finger_depth', 1) / p.get('finger_breadth', 1)
    tip, bump = 1 / p.get('taper', 1), p.get('knuckles', 1)
    (k, m, e), t = skeleton.joints[j:j + 3], skeleton.tips[i]
    (d1, d2, d3), (n1, n2, n3) = skeleton.along[j:j + 3], skeleton.dorsal[j:j + 3]
    l1, l2, l3 = np.linalg.norm(m - k), np.linalg.norm(e - m), np.linalg.norm(t - e)
    axes1, axes2, axes3 = (np.stack([np.cross(d, n), d, n]) for d, n in ((d1, n1), (d2, n2), (d3, n3)))
    end = 6.5 / 9.75 * b * tip  # radius at the tip
    return [
        (Cone(k - 2.2 * n1, m, 1.02 * b, .93 * b, j, flat=flat, squeeze=n1), 0),
        (Ellipsoid(k + d1 * .52 * l1 - n1 * .20 * b, (.94 * b, .42 * l1, .90 * b * flat), j, axes1), 5),  # palmar pad of the first phalanx
        (Cone(m, e, .94 * b, .83 * b * tip, j + 1, flat=flat, squeeze=n2), 4),
        (Ellipsoid(m + n2 * .06 * b, (.985 * b, .85 * b, .95 * b * flat * (.94 + .06 * bump)), j, axes1), 5),  # middle joint
        (Ellipsoid(k + d1 * l1 + n2 * .13 * b * bump + d2 * 1.0, (.62 * b, .70 * b, .84 * b * flat), j + 1, axes2), 4),  # its back
        (Ellipsoid(m + d2 * .50 * l2 - n2 * .16 * b, (.86 * b, .44 * l2, .80 * b * flat), j + 1, axes2), 5),  # palmar pad of the second
        (Ellipsoid(e + n3 * .03 * b, (.855 * b * tip, .70 * b, .79 * b * flat), j + 1, axes2), 4),  # last joint
        (Cone(e, t - d3 * end * .93, .81 * b * tip, end, j + 2, flat=.90 * flat, squeeze=n3), 3),
        (Ellipsoid(e + d3 * .56 * l3 - n3 * .18 * b, (.80 * b * tip, .42 * l3, .66 * b * flat), j + 2, axes3), 4),  # pulp
        (Ellipsoid(e + d3 * .64 * l3 + n3 * .40 * b * flat, (.60 * b * tip, .30 * l3, .26 * b), j + 2, axes3), 1.5),  # nail
    ]


def thumb_part(skeleton: Skeleton, p: Proportions) -> Part:
    """The thumb from the root of its metacarpal to its tip."""
    (c, m, e), t = skeleton.joints[1:4], skeleton.tips[0]
    (_, d2, d3), (n1, n2, n3) = skeleton.along[1:4], skeleton.dorsal[1:4]
    b, bump = body.FINGER_BREADTH['thumb'] / 2 * p.get('thumb_breadth', 1), p.get('knuckles', 1)
    tip = 1 / p.get('taper', 1)
    flat = .90 * p.get('finger_depth', 1) / p.get('finger_breadth', 1)
    l2, l3 = np.linalg.norm(e - m), np.linalg.norm(t - e)
    axes2, axes3 = (np.stack([np.cross(d, n), d, n]) for d, n in ((d2, n2), (d3, n3)))
    end = .74 * b * tip
    return [
        (Cone(c - n1 * 1.0, m - n1 * .3, 1.30 * b, 1.0 * b, 1, flat=.97, squeeze=n1), 0),
        (Cone(m, e, .99 * b, .95 * b, 2, flat=flat, squeeze=n2), 5),
        (Ellipsoid(m + n2 * .14 * b, (1.02 * b, 1.05 * b, .88 * b * (.93 + .07 * bump)), 1, axes2), 6),  # knuckle of the thumb
        (Ellipsoid(m + d2 * .50 * l2 - n2 * .24 * b, (.90 * b, .44 * l2, .80 * b), 2, axes2), 5),  # pad
        (Ellipsoid(e + n3 * .06 * b, (1.01 * b, .80 * b, .92 * b * flat * (.94 + .06 * bump)), 2, axes2), 3),
        (Cone(e, t - d3 * end * .92, .95 * b, end, 3, flat=.80 * flat / .90, squeeze=n3), 3),
        (Ellipsoid(e + d3 * .50 * l3 - n3 * .26 * b, (.97 * b * tip, .46 * l3, .64 * b), 3, axes3), 3),  # pulp
        (Ellipsoid(e + d3 * .62 * l3 + n3 * .36 * b, (.70 * b * tip, .30 * l3, .26 * b), 3, axes3), 1.5),  # nail
    ]


def palm_part(skeleton: Skeleton, p: Proportions) -> Part:
    """Palm, knuckles, pads, webs, wrist and a stub of the forearm."""
    s = palm_scale(p)
    bx, ly, dz = s
    fat, bump = p.get('eminences', 1), p.get('knuckles', 1)
    joints, along, dorsal = skeleton.joints, skeleton.along, skeleton.dorsal
    part: Part = []
    for i, name in enumerate(FINGERS[1:], 1):  # one flattened cone per metacarpal
        k, b = joints[1 + 3 * i], body.FINGER_BREADTH[name] / 2 * bx
        foot = np.array(FEET[name], float) * s
        part.append((Cone(foot + (0, 0, -2.5 * dz), k + np.array([0, -4 * ly, -1.8 * dz]), 13.0 * bx, b * 1.18, 0, flat=.98 * dz / bx), 11))
    for i, name in enumerate(FINGERS[1:], 1):  # knuckles on the back, pads at the fingers' roots in the palm
        k, b = joints[1 + 3 * i], body.FINGER_BREADTH[name] / 2 * bx
        n = dorsal[1 + 3 * i]
        part.append((Ellipsoid(k + n * (1.6 * bump) * dz - (0, 4.5, 0), (.72 * b, 1.5 * b, .84 * b * dz / bx), 0), 8))
        part.append((Ellipsoid(k + np.array([0, -1.0 * ly, -7.6 * dz]), (.95 * b, 1.0 * b, .72 * b * dz / bx), 0), 7))
    part += [
        (Ellipsoid(np.array([-1, 8, -7]) * s, (25.5 * bx, 26 * ly, 13.5 * dz), 0), 12),  # carpus
        # the ball of the thumb rides on its metacarpal; the part next to the wrist stays
        (Ellipsoid(np.array([-24.5, 30, -14]) * s, (15.0 * bx * fat**.5, 27 * ly, 14.2 * dz * fat), 1, _tilted(-34, -12)), 12),
        (Ellipsoid(np.array([-15, 18, -11]) * s, (16.5 * bx, 23 * ly, 12.5 * dz * fat), 0, _tilted(-22, 0)), 12),
        (Ellipsoid(np.array([23, 30, -8.5]) * s, (12 * bx * fat**.5, 33 * ly, 11.5 * dz * fat), 0, _tilted(10, 0)), 12),  # little finger's
        # web of the thumb
        (Sheet(np.stack([np.array([-23, 30, -7]) * s, joints[1] + .82 * (joints[2] - joints[1]) + (4, 0, 0),
                         joints[4] + np.array([-1, -20, -4]) * s]), (9.5 * dz, 7.0 * dz, 7.5 * dz), (0, 1, 0)), 11),
    ]
    for i in (1, 2, 3):  # webs between the fingers, half-way up to the palm's side
        a, b = 1 + 3 * i, 4 + 3 * i
        up = 15 * ly
        ends = [joints[a] + along[a] * up + np.array([0, 0, -4 * dz]), joints[b] + along[b] * up + np.array([0, 0, -4 * dz])]
        foot = (joints[a] + joints[b]) / 2 + np.array([0, -3, -2.6 * dz])
        part.append((Sheet(np.stack([*ends, foot]), (4.2, 4.2, 7.8), (a, b, 0)), 7))
    w, wd = p.get('wrist_breadth', 1), (p.get('wrist_breadth', 1) * dz)**.5
    depth = body.WRIST_DEPTH / body.WRIST_BREADTH * wd / w
    half = body.WRIST_BREADTH / 2 * w
    part += [
        (Cone(np.array([-1.5, -40 * ly, -4.5 * dz]), np.array([-1, 0, -4.5 * dz]), half * .97, half * .90, 0, flat=depth), 15),
        (Cone(np.array([-2, -84 * ly, -4 * dz]), np.array([-1.5, -34 * ly, -4.5 * dz]), half * 1.13, half * .93, 0, flat=depth * 1.08), 12),
        (Ellipsoid(np.array([17.5 * w, -18 * ly, 5 * dz]), (7.5 * w, 10 * ly, 6.5 * dz), 0), 12),  # head of the ulna
    ]
    return part


def _tilted(about_z: float, about_x: float) -> np.ndarray:
    """(3, 3) rows: the directions of a solid turned by these degrees."""
    z, x = np.radians(about_z), np.radians(about_x)
    turn_z = np.array([[np.cos(z), np.sin(z), 0], [-np.sin(z), np.cos(z), 0], [0, 0, 1]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(x), np.sin(x)], [0, -np.sin(x), np.cos(x)]])
    return turn_x @ turn_z.T


@dataclass(frozen=True)
class Hand:
    """A hand of given proportions: skeleton and skin."""

    skeleton: Skeleton
    palm: Part
    thumb: Part
    fingers: list[Part]
    cut: float  # mm, where the forearm's stub ends along y

    @staticmethod
    def build(proportions: Proportions | None = None) -> Hand:
        p = proportions or {}
        skeleton = build_skeleton(p)
        fingers = [finger_part(i, skeleton, p) for i in (1, 2, 3, 4)]
        return Hand(skeleton, palm_part(skeleton, p), thumb_part(skeleton, p), fingers, -62 * palm_scale(p)[1])

    def at_rest(self) -> Pose:
        return Pose(self.skeleton.joints, np.tile(np.eye(3), (16, 1, 1)), self.skeleton.joints)

    def local(self, points: np.ndarray, reach: float = 22.0) -> Hand:
        """The hand without the solids that lie further than `reach` mm from all of the points (V, 3): the same field near them, faster."""
        pose = self.at_rest()

        def keep(part: Part) -> Part:
            return [(s, k) for s, k in part if s.distance(points, pose).min() < reach]

        return Hand(self.skeleton, keep(self.palm), keep(self.thumb), [keep(f) for f in self.fingers], self.cut)

    def distance(self, points: np.ndarray, pose: Pose | None = None) -> np.ndarray:
        """Signed distance (...,) of points (..., 3) to the skin of the posed hand, negative inside."""
        if pose is None and np.size(points) > 60000:
            return self._in_blocks(points)
        pose = pose or self.at_rest()

        def unite(part: Part) -> np.ndarray:
            d = None
            for solid, blend in part:
                other = solid.distance(points, pose)
                d = other if d is None else smooth_union(d, other, blend)
            return np.full(points.shape[:-1], 1e3) if d is None else d

        d = smooth_union(unite(self.palm), unite(self.thumb), 9)
        fingers = [unite(f) for f in self.fingers]
        together = fingers[0]
        for f in fingers[1:]:
            together = smooth_union(together, f, 2.5)
        d = smooth_union(d, together, 5)
        q = pose.to_rest(points, 0)
        end = self.cut - q[..., 1]  # rounded end of the stub
        return -smooth_union(-d, -end, 7)

    def _in_blocks(self, points: np.ndarray, side: float = 20.0) -> np.ndarray:
        """`distance` at rest for many points: block by block of `side` mm, each with the solids that reach it. Far values are rough."""
        flat = points.reshape(-1, 3)
        cells, which = np.unique(np.floor(flat / side).astype(int), axis=0, return_inverse=True)
        order = np.argsort(which.ravel(), kind='stable')
        out = np.empty(len(flat))
        for cell, index in zip(cells, np.split(order, np.cumsum(np.bincount(which.ravel()))[:-1])):
            near = self.local((cell[None] + .5) * side, reach=.87 * side + 16)
            for start in range(0, len(index), 20000):
                some = index[start:start + 20000]
                out[some] = near.distance(flat[some])
        return out.reshape(points.shape[:-1])
