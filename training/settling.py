"""Fingers that touch where they should and do not pass through each other: a small solver over capsules around the bones."""
from __future__ import annotations

import numpy as np

from app.hand_model import HandModel
from app.rotations import axis_angle_to_matrix
from app.types import TIPS

BONE_RADII = {'thumb': (0.012, 0.0105, 0.0095), 'index': (0.0095, 0.0085, 0.0075), 'middle': (0.0095, 0.0085, 0.0075),
              'ring': (0.009, 0.008, 0.007), 'little': (0.008, 0.007, 0.006)}
TIP_GAP, BONE_GAP = 0.018, 0.021  # metres from the thumb's tip (the nail's middle) to what it touches: another tip, a joint inside a finger
ALLOWED_OVERLAP = 0.004  # metres: flesh gives way


class Settler:
    """Moves a pose of one hand model as little as needed."""

    def __init__(self, model: HandModel, low: np.ndarray, high: np.ndarray):
        """`low`, `high` (K,): limits of the coefficients in radians."""
        self.model, self.low, self.high = model, low, high
        self._pairs, self._segments, self._radii = _capsules()
        rows = model.pose_components.reshape(-1, 15, 3).astype(float)
        self._joint = np.linalg.norm(rows, axis=2).argmax(1) + 1  # the joint that each coefficient turns
        self._axis = rows[np.arange(len(rows)), self._joint - 1]
        parents = np.concatenate([model.parents, model.skin_weights[model.tip_vertices].argmax(1)])
        below = np.zeros((21, 16), bool)  # below[n, j]: joint j moves node n
        for node in range(1, 21):
            below[node] = below[parents[node]]
            below[node, parents[node]] = True
        self._parents, self._moves = parents, below[model.joint_map][:, None, self._joint].astype(float)

    def rest(self, shape: np.ndarray | None = None) -> np.ndarray:
        """The 16 joints and 5 tips at rest (21, 3), in the model's order, of the hand with `shape` (10,)."""
        vertices, joints = self.model.shaped(np.zeros(10) if shape is None else shape)
        return np.concatenate([joints, vertices[self.model.tip_vertices]]).astype(float)

    def _placed(self, coefficients: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients (K,) -> the 21 points (21, 3), and each coefficient's turned axis and joint (K, 3), the wrist at rest."""
        local = axis_angle_to_matrix((self.model.pose_mean + coefficients @ self.model.pose_components).reshape(15, 3).astype(float))
        turns, nodes = np.tile(np.eye(3), (16, 1, 1)), np.zeros((21, 3))
        above = np.tile(np.eye(3), (16, 1, 1))
        for node in range(1, 21):
            parent = self._parents[node]
            nodes[node] = nodes[parent] + turns[parent] @ (rest[node] - rest[parent])
            if node < 16:
                above[node] = turns[parent]
                turns[node] = turns[parent] @ local[node - 1]
        axes = (above[self._joint] @ self._axis[:, :, None])[:, :, 0]
        return nodes[self.model.joint_map], axes, nodes[self._joint]

    def settled(self, coefficients: np.ndarray, rest: np.ndarray, touch: tuple[int, ...] = (), steps: int = 8) -> np.ndarray:
        """The nearest coefficients (K,) with the thumb's tip touching the points `touch` of the 21, and nothing passing through anything.

        Damped Gauss-Newton over the points' and capsules' distances, pulled back to where it started, limits kept.
        """
        start = coefficients
        damping = np.full(len(start), 0.8)
        meant = self._meant(touch)
        first, second = self._pairs.T
        reach = self._radii[first] + self._radii[second] - 0.5 * ALLOWED_OVERLAP
        for _ in range(steps):
            points, axes, places = self._placed(coefficients, rest)
            scale = np.linalg.norm(points[9]) / 0.09
            ends = points[self._segments]
            s, t, apart = closest(ends[first, 0], ends[first, 1], ends[second, 0], ends[second, 1])
            distance = np.linalg.norm(apart, axis=1) + 1e-9
            hit = np.flatnonzero((distance < scale * reach) & ~meant)
            if not len(hit) and not touch:
                break
            # a small turn about a joint's axis moves a point below it by axis x (point - joint)
            jacobian = self._moves * np.cross(axes[None], points[:, None] - places[None]).transpose(0, 2, 1)
            rows, wanted = [], []
            for i in hit:
                (a, b), (c, d) = self._segments[first[i]], self._segments[second[i]]
                row = (1 - s[i]) * jacobian[a] + s[i] * jacobian[b] - (1 - t[i]) * jacobian[c] - t[i] * jacobian[d]
                rows.append(apart[i] @ row / distance[i])
                wanted.append(scale * reach[i] - distance[i])
            for p in touch:
                gap = points[4] - points[p]
                length = np.linalg.norm(gap) + 1e-9
                rows.extend(jacobian[4] - jacobian[p])
                wanted.extend(gap * (min(scale * (TIP_GAP if p in TIPS else BONE_GAP), length) / length - 1))
            if not rows:
                break
            a, b = np.array(rows) / 0.003, np.array(wanted) / 0.003
            step = np.linalg.solve(a.T @ a + np.diag(damping), a.T @ b + 0.3 * damping * (start - coefficients))
            coefficients = np.clip(coefficients + np.clip(step, -0.35, 0.35), self.low, self.high)
        return coefficients

    def overlap(self, coefficients: np.ndarray, rest: np.ndarray, touch: tuple[int, ...] = ()) -> float:
        """Metres by which two fingers, or a finger and the palm, pass through each other: the worst pair of capsules around the bones.
        The last bones of fingers whose tips `touch` the thumb's are left out."""
        points = self._placed(coefficients, rest)[0]
        ends = points[self._segments]  # (S, 2, 3)
        first, second = self._pairs.T
        distance = np.linalg.norm(closest(ends[first, 0], ends[first, 1], ends[second, 0], ends[second, 1])[2], axis=1)
        scale = np.linalg.norm(points[9]) / 0.09
        depth = scale * (self._radii[first] + self._radii[second]) - distance
        return float(depth[~self._meant(touch)].max())

    def _meant(self, touch: tuple[int, ...]) -> np.ndarray:
        """(P,) whether the pair of capsules is the thumb's end and the end of a finger whose tip it should touch."""
        tips = [p for p in touch if p in TIPS]
        if not tips:
            return np.zeros(len(self._pairs), bool)
        involved = np.isin(self._segments, (4, *tips)).any(1)
        return involved[self._pairs].all(1)


def closest(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest points of the segments a-b and c-d, each (n, 3): fractions s, t (n,) along them and the vectors (n, 3) from the second to
    the first (Ericson, Real-Time Collision Detection, 5.1.9)."""
    u, v, w = b - a, d - c, a - c
    uu, uv, vv = (u * u).sum(-1) + 1e-12, (u * v).sum(-1), (v * v).sum(-1) + 1e-12
    uw, vw = (u * w).sum(-1), (v * w).sum(-1)
    s = np.clip((uv * vw - vv * uw) / np.maximum(uu * vv - uv * uv, 1e-12), 0, 1)
    t = (uv * s + vw) / vv
    s = np.where(t < 0, np.clip(-uw / uu, 0, 1), np.where(t > 1, np.clip((uv - uw) / uu, 0, 1), s))
    t = np.clip(t, 0, 1)
    return s, t, w + s[:, None] * u - t[:, None] * v


def _capsules() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (P, 2) of capsules that must not meet, segments (S, 2) of the 21 points, and radii (S,): bones of the fingers, and the palm."""
    segments, radii, finger = [], [], []
    for f, (name, thickness) in enumerate(BONE_RADII.items()):
        for k, radius in enumerate(thickness):
            segments.append((1 + 4 * f + k, 2 + 4 * f + k))
            radii.append(radius)
            finger.append((f, k))
    for f in range(1, 5):
        segments.append((0, 1 + 4 * f))
        radii.append(0.010)
        finger.append((-f, 0))
    pairs = []
    for i, (f, k) in enumerate(finger):
        for j, (g, m) in enumerate(finger[:i]):
            if f < 0 and g < 0 or f == g:
                continue
            if f < 0:  # palm against a finger: its own proximal bone and the thumb's metacarpal grow out of it
                if m == 0:
                    continue
            elif k == 0 and m == 0:
                continue  # neighbours touch at their webs
            pairs.append((i, j))
    return np.array(pairs), np.array(segments), np.array(radii)
