"""How hands move: accelerations of everything that can turn or move, against what is usual, softened so that quick motion stays quick.

The terms look at three frames in a row, t - 1, t, t + 1, with the true times between them:

    a_t = ((x_t+1 - x_t) / h_t - (x_t - x_t-1) / h_t-1) / ((h_t + h_t-1) / 2)

For rotations x_t+1 - x_t is the axis-angle that turns one into the other, log(R_t+1 R_t^T). Joints turn about few axes, so for them the
coefficients (angles) are compared, which is the same about one axis. The place is the ray to the wrist, in hand lengths at the hand's
distance, and the logarithm of the distance. Groups (a finger, the wrist's turn, the ray, the distance) are softened together: with s the
mean square of a group's acceleration in sigmas, its cost is n/2 v log(1 + s / v), a Student-t's. The same with velocities, which are weak.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.point_motion import SHORTEST_STEP
from app.refinement import HAND
from app.rotations import matrix_to_axis_angle


@dataclass(frozen=True)
class MotionSettings:
    """Standard deviations of accelerations and velocities, for smoothing of strength 0.5; at strength 1 an eighth, near 0 eight times."""

    finger: float = 8.0  # rad / s^2
    turn: float = 2.6  # rad / s^2, of the whole hand
    ray: float = 5.0  # hand lengths / s^2
    distance: float = 0.3  # e-folds / s^2
    finger_speed: float = 6.0  # rad / s
    turn_speed: float = 6.0
    ray_speed: float = 4.0  # hand lengths / s
    distance_speed: float = 0.5  # e-folds / s
    freedom: float = 10.0  # of the Student-t: smaller lets quick motion be quicker
    turn_freedom: float = 40.0  # the same of the whole hand's turn, which one camera sees badly and which does not leap
    distance_freedom: float = 200.0  # and of its distance, which it sees worst


class Motion:
    """The motion terms of T frames. Unknowns of a frame: K coefficients, turn (3), place (3)."""

    def __init__(self, times: np.ndarray, groups: np.ndarray, settings: MotionSettings, strength: float):
        """`times` (T,) seconds; `groups` (K,) number of the finger that each coefficient moves, from 0."""
        count, self.settings = len(groups), settings
        loose = 8 ** (1 - 2 * strength) if strength > 0 else np.inf
        fingers = int(groups.max()) + 1
        self._group = np.concatenate([groups, np.full(3, fingers), np.full(2, fingers + 1), [fingers + 2]])
        self._members = np.equal.outer(self._group, np.arange(fingers + 3)).astype(float)  # (P, G)
        self._sizes = self._members.sum(0)
        step = np.maximum(np.diff(times), SHORTEST_STEP)
        self._ray = slice(count + 3, count + 5)
        self._freedom = np.full(fingers + 3, settings.freedom)
        self._freedom[[fingers, fingers + 2]] = settings.turn_freedom, settings.distance_freedom
        self._differences = []
        speeds = np.concatenate([np.full(count, settings.finger_speed), np.full(3, settings.turn_speed),
                                 np.full(2, settings.ray_speed), [settings.distance_speed]]) * loose
        if len(step) and strength > 0:
            self._differences.append((np.stack([-1 / step, 1 / step], 1), 1 / speeds))
        if len(step) > 1 and strength > 0:
            before, after, mean = step[:-1], step[1:], 0.5 * (step[:-1] + step[1:])
            accelerations = np.concatenate([np.full(count, settings.finger), np.full(3, settings.turn), np.full(2, settings.ray),
                                            [settings.distance]]) * loose
            parts = np.stack([1 / before, -1 / before - 1 / after, 1 / after], 1) / mean[:, None]
            self._differences.append((parts, 1 / accelerations))

    def _values(self, coefficients: np.ndarray, wrists: np.ndarray, place: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """For velocities and accelerations: residuals in sigmas (n, P), and their scale (n, P) against the unknowns' own units."""
        steps = np.concatenate([np.diff(coefficients, axis=0), matrix_to_axis_angle(wrists[1:] @ wrists[:-1].swapaxes(1, 2)),
                                np.diff(place, axis=0)], 1)  # (T - 1, P)
        out = []
        for parts, inverse in self._differences:
            scale = np.broadcast_to(inverse, (len(parts), len(inverse))).copy()
            middle = place[:, 2] if parts.shape[1] == 3 else 0.5 * (place[:-1, 2] + place[1:, 2])
            scale[:, self._ray] *= np.exp(middle[1:-1] if parts.shape[1] == 3 else middle)[:, None] / HAND
            if parts.shape[1] == 2:
                values = steps * parts[:, 1:]
            else:
                values = steps[1:] * parts[:, 2:] - steps[:-1] * parts[:, :1]
            out.append((values * scale, scale))
        return out

    def _soft(self, values: np.ndarray) -> np.ndarray:
        """Residuals (n, P) -> mean squares of the groups (n, G)."""
        return (values * values) @ self._members / self._sizes

    def cost(self, coefficients: np.ndarray, wrists: np.ndarray, place: np.ndarray) -> float:
        """Half the sum of squares in sigmas, softened."""
        return sum(0.5 * float((np.log1p(self._soft(values) / self._freedom) @ (self._freedom * self._sizes)).sum())
                   for values, _ in self._values(coefficients, wrists, place))

    def normal_equations(self, coefficients: np.ndarray, wrists: np.ndarray, place: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Diagonals [(T, P), (T - 1, P), (T - 2, P)] of the Hessian's blocks (t, t), (t, t + 1), (t, t + 2), all of which are diagonal,
        and the gradient (T, P)."""
        rows, width = len(coefficients), len(self._group)
        blocks = [np.zeros((max(rows - k, 0), width)) for k in range(3)]
        gradient = np.zeros((rows, width))
        for (parts, _), (values, scale) in zip(self._differences, self._values(coefficients, wrists, place)):
            weight = (1 / (1 + self._soft(values) / self._freedom)) @ self._members.T
            pull, stiff = weight * values * scale, weight * scale * scale
            terms, count = parts.shape[1], len(parts)
            for i in range(terms):
                gradient[i:i + count] += parts[:, i:i + 1] * pull
                for j in range(i, terms):
                    blocks[j - i][i:i + count] += parts[:, i:i + 1] * parts[:, j:j + 1] * stiff
        return blocks, gradient
