"""Steady at rest, quick in motion: how a hand that is followed is smoothed, in true time steps, causally or one frame ahead.

1. The pose is filtered on the tangent space of its rotations: a Kalman filter for each of its coefficients, and for the hand's turn about
   each camera axis. By how much a frame's fit errs is known; how much the hand may have moved meanwhile is told by the detected points
   (`app/point_motion.py`): a finger whose points stand still hardly moves, whatever its fit says; one whose points run is let go at once.
2. Where points run, or the hand is left behind, the filtered pose is then led back towards the fitted one, one Gauss-Newton step in the
   directions that the picture fixes. What it does not show, the depths of the joints behind the wrist, stays as filtered: there a fit is
   noisiest. So the filters can be slow, and the hand still does not trail in the picture.
3. The wrist is placed so that the filtered hand appears where the fitted one does, and as large. Its distance is not the fitted one, which
   makes up for errors of the fitted pose; what is left of its trembling is filtered as well.

Points that jump to and fro, as those of hidden fingers do, have less say in all of this, and a fit to them counts as noisier.
Nothing is predicted, so nothing overshoots.

Who may wait one frame (`settle` with the hand of the frame after) gets more: the filters take one step back (Rauch, Tung and Striebel);
what moves must move on both sides; and what the hand is led back to leans on the fits before and after, the more the nearer they are.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from app.hand_fit import Step
from app.kinematics import Kinematics, Posed
from app.point_motion import FINGERS, QUARTERS, Motion, PointMotion, on_both_sides
from app.rotations import axis_angle_to_quaternion, one_axis_angle, one_matrix
from app.types import Intrinsics

HAND = 0.18  # metres, a hand's length
NEAREST = 0.03  # metres; no joint comes nearer to the camera


@dataclass(frozen=True)
class SmoothingSettings:
    """How a hand is smoothed. Noise is the standard deviation of one frame, about what its neighbours say."""

    strength: float = 0.5  # 0 off, 0.5 as the numbers below say, 1 eight times as steady at rest
    finger_noise: float = 0.034  # radians, of a pose coefficient
    tilt_noise: float = 0.024  # radians, of the hand's turn about axes that lie in the picture
    turn_noise: float = 0.01  # radians, of its turn in the picture
    drift: float = 5e-4  # radians squared per second by which all of these change at rest
    bend: float = 0.8  # radians that a finger turns while its points move by a hand length against the hand
    tilt: float = 0.25  # radians that the hand tilts meanwhile
    turn: float = 0.6  # radians that it turns while its points turn by a radian
    distance_noise: float = 0.02  # of the logarithm of the wrist's distance, once the hand is placed on its points
    distance_drift: float = 1e-5  # squared, per second
    growth: float = 1.0  # of the logarithm of the distance while that of the hand's size in the picture changes by 1
    cutoff: float = 4.0  # Hz, of the low pass of the points' speeds
    jitter: float = 0.005  # share of the hand by which the points tremble from frame to frame
    points_sigma: float = 0.007  # share of the hand, error of a point to which a moving hand is led back
    doubt: float = 2.0  # a finger's points count by 1 / (1 + doubt x variance by which they go to and fro / that of this error)
    bend_doubt: float = 8.0  # radians by which the fit of a finger errs besides, whose points go to and fro by a hand length
    turn_doubt: float = 1.5  # the same of the hand's turn, if all points do
    far: float = 5.0  # of the points' errors by which the hand is off from where a finger's points count in full even at rest
    quick_finger: float = 0.4  # hand lengths per second from which a finger's points count in full
    quick_hand: float = 2.0  # the same of the whole hand, whose points then all do
    finger_hold: float = 0.07  # radians by which a coefficient gives way to a point that is off by its error
    tilt_hold: float = 0.023  # the same of the hand's turn
    depth_hold: float = 0.002  # metres by which a joint's depth behind the wrist gives way besides
    neighbours: float = 0.025  # seconds; fits so far to either side have together as much say as the one between them
    gap: float = 0.3  # seconds without a frame after which the past is forgotten

    def __post_init__(self):
        if not 0 <= self.strength <= 1:
            raise ValueError(f'the strength of smoothing lies between 0 and 1, not {self.strength}')


class _State(NamedTuple):
    """What the filters of a pose know after a frame."""

    coefficients: np.ndarray  # (K,)
    wrist: np.ndarray  # (3, 3)
    variance: np.ndarray  # (K + 3,)


@dataclass
class _Followed:
    """What is known of a hand from its first frame until it is lost. `motion` and `time` are of the last frame that was observed, all else
    of the last one that was settled."""

    motion: PointMotion
    time: float
    state: _State | None = None
    log_distance: float = 0.0
    distance_variance: float = 0.0
    before: Observed | None = None
    result: tuple[np.ndarray, np.ndarray] | None = None


class Observed(NamedTuple):
    """The hand of one frame, ready to be settled."""

    pose: np.ndarray  # (16, 3) axis-angle
    translation: np.ndarray  # (3,)
    camera: Intrinsics
    time: float
    step: float = 0.0  # seconds since the hand before; 0: there is none
    followed: _Followed | None = None  # None: it passes unchanged
    bones: np.ndarray | None = None  # None: it says nothing, and the last result is given again
    fitted: np.ndarray | None = None  # (K,)
    wrist: np.ndarray | None = None  # (3, 3)
    posed: Posed | None = None
    place: np.ndarray | None = None  # (21, 3) metres
    motion: Motion | None = None

    @property
    def length(self) -> float:
        """Of the hand, px."""
        return HAND * self.camera.fx / self.translation[2]


class HandSmoother:
    """The filters of one track. A new track, or one found again, gets a new one (or `reset`). For right hands, as all of the fit is."""

    def __init__(self, kinematics: Kinematics, settings: SmoothingSettings = SmoothingSettings()):
        self.settings, self.kinematics = settings, kinematics
        s, count = settings, kinematics.count
        self._inverse = np.linalg.pinv(kinematics.components)  # (45, K)
        squares = (kinematics.components.reshape(count, 5, 9) ** 2).sum(-1)
        self._fingers = squares / squares.sum(1, keepdims=True)  # (K, 5) how much of a coefficient is each finger's
        self._noise = np.array(count * [s.finger_noise] + [s.tilt_noise, s.tilt_noise, s.turn_noise]) ** 2
        self._doubts = np.concatenate([s.bend_doubt ** 2 * self._fingers, np.full((3, 5), s.turn_doubt ** 2 / 5)])  # (K + 3, 5)
        self._hold = np.array(count * [s.finger_hold] + 3 * [s.tilt_hold]) ** -2.0
        self._looser = 64.0 ** (1 - 2 * s.strength)  # than at strength 0.5: a Kalman filter's gain at rest goes with the root of that
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next hand begins anew. One that is observed already can still be settled."""
        self._followed: _Followed | None = None

    def smooth(self, pose: np.ndarray, shape: np.ndarray, translation: np.ndarray, points: np.ndarray, camera: Intrinsics,
               time: float, fitted: Step | None = None) -> tuple[np.ndarray, np.ndarray]:
        """`observe` and `settle` at once, for those who do not wait."""
        return self.settle(self.observe(pose, shape, translation, points, camera, time, fitted))

    def observe(self, pose: np.ndarray, shape: np.ndarray, translation: np.ndarray, points: np.ndarray, camera: Intrinsics,
                time: float, fitted: Step | None = None) -> Observed:
        """Take in the hand of one frame. Each one is settled once, in order, before the second one after it is observed.

        Args:
            pose: (16, 3) axis-angle, row 0 the wrist's turn in camera axes.
            shape: (10,).
            translation: (3,) metres, the wrist.
            points: (21, 2) px, detected.
            time: seconds. One that does not advance gives the last result again; a step back or a gap begins anew.
            fitted: what the fit, if the hand comes from one, knows of it already.
        Raises:
            ValueError: wrong shapes, or the first hand is not finite; later ones that are not give the last result again.
        """
        pose, translation, points = (np.asarray(values, np.float64) for values in (pose, translation, points))
        if pose.shape != (16, 3) or translation.shape != (3,) or points.shape != (21, 2):
            raise ValueError(f'a pose (16, 3), a translation (3,) and points (21, 2) are needed, not {pose.shape}, {translation.shape} and '
                             f'{points.shape}')
        if self.settings.strength == 0:
            return Observed(pose, translation, camera, time)
        finite = math.isfinite(pose.sum() + translation.sum() + points.sum() + time)
        followed = self._followed
        step = None if followed is None else time - followed.time
        if step is None or step < 0 or step > self.settings.gap:
            if not finite:
                raise ValueError('the first hand of a filter, and its time, must be finite')
            followed = self._followed = _Followed(PointMotion(self.settings.cutoff, self.settings.jitter), time)
            step = 0.0
        elif step == 0 or not finite:
            return Observed(pose, translation, camera, time, followed=followed)
        bones = self.kinematics.bones(shape)
        if fitted is None:
            coefficients, wrist = self._coefficients(pose), one_matrix(pose[0])
            posed = self.kinematics.posed(coefficients, wrist, bones)
        else:
            coefficients, wrist, posed = fitted.unknowns.coefficients, fitted.unknowns.wrist, fitted.posed
        place = posed.points + translation
        if not np.minimum.reduce(place[:, 2]) > NEAREST:  # it is seen nowhere in the picture
            self.reset()
            return Observed(pose, translation, camera, time)
        followed.time = time
        motion = followed.motion.step(points, HAND * camera.fx / translation[2], step)
        return Observed(pose, translation, camera, time, step, followed, bones, coefficients, wrist, posed, place, motion)

    def settle(self, hand: Observed, later: Observed | None = None) -> tuple[np.ndarray, np.ndarray]:
        """A hand that was observed -> its pose as unit quaternions (16, 4) and the wrist's translation (3,) in metres, smoothed.

        `later`: the same hand in the frame after, observed as well; one that is another hand, or says nothing, does not count.
        """
        followed = hand.followed
        if followed is None:
            return axis_angle_to_quaternion(hand.pose), hand.translation
        if hand.bones is not None:
            if later is not None and (later.followed is not followed or later.bones is None):
                later = None
            before, followed.before = followed.before, hand
            followed.result = self._settled(followed, before, hand, later)
        return followed.result

    def _settled(self, followed: _Followed, before: Observed | None, hand: Observed, later: Observed | None) -> \
            tuple[np.ndarray, np.ndarray]:
        if before is None:
            followed.log_distance, followed.distance_variance = math.log(hand.translation[2]), self.settings.distance_noise ** 2
            if later is None:
                followed.state = _State(hand.fitted, hand.wrist, self._noise)
                return axis_angle_to_quaternion(hand.pose), hand.translation
        count, rays = self.kinematics.count, hand.place[:, :2] / hand.place[:, 2:]
        motion = hand.motion if later is None else on_both_sides(hand.motion, later.motion)
        state = followed.state = self._advanced(followed.state, hand, motion)
        coefficients, wrist = state.coefficients, state.wrist
        if later is not None:
            coefficients, wrist = self._one_back(state, later)
        off = _between(coefficients, wrist, hand.fitted, hand.wrist)  # of the fitted pose from the filtered one
        if before is not None and later is not None:
            off += self._leaning(before, hand, later)
        belief = self._belief(motion)
        led = self._led_back(off, hand.posed, hand.place, rays, hand.camera, hand.length, motion, belief)
        coefficients, wrist = coefficients + led[:count], one_matrix(led[count:]) @ wrist
        joints = self.kinematics.posed(coefficients, wrist, hand.bones).points
        translation = self._placed(followed, joints, hand.translation, rays, motion, belief, hand.step)
        smooth = hand.pose.copy()  # what the coefficients cannot tell of a pose passes as it is
        smooth[0] = one_axis_angle(wrist)
        smooth[1:] += ((coefficients - hand.fitted) @ self.kinematics.components).reshape(-1, 3)
        return axis_angle_to_quaternion(smooth), translation

    def _advanced(self, state: _State | None, hand: Observed, motion: Motion) -> _State:
        """The filters after a hand that moved so."""
        if state is None:
            return _State(hand.fitted, hand.wrist, self._noise)
        variance = state.variance + self._looser * hand.step * self._unrest(motion, hand.step)
        gain = variance / (variance + self._noise + self._doubts @ motion.trembling)
        change = gain * _between(state.coefficients, state.wrist, hand.fitted, hand.wrist)
        count = self.kinematics.count
        return _State(state.coefficients + change[:count], one_matrix(change[count:]) @ state.wrist, (1 - gain) * variance)

    def _one_back(self, state: _State, later: Observed) -> tuple[np.ndarray, np.ndarray]:
        """The coefficients (K,) and the wrist (3, 3) of a state, with what the hand of the frame after says of them."""
        count, after = self.kinematics.count, self._advanced(state, later, later.motion)
        share = state.variance / (state.variance + self._looser * later.step * self._unrest(later.motion, later.step))
        change = share * _between(state.coefficients, state.wrist, after.coefficients, after.wrist)
        return state.coefficients + change[:count], one_matrix(change[count:]) @ state.wrist

    def _leaning(self, before: Observed, hand: Observed, later: Observed) -> np.ndarray:
        """(K + 3,) by which the fit of a hand leans towards a straight line between the fits before and after."""
        span = later.time - before.time
        share = (hand.time - before.time) / span
        line = ((1 - share) * _between(hand.fitted, hand.wrist, before.fitted, before.wrist)
                + share * _between(hand.fitted, hand.wrist, later.fitted, later.wrist))
        return line / (1 + self._looser * (0.5 * span / self.settings.neighbours) ** 2)

    def _belief(self, motion: Motion) -> np.ndarray:
        """(21,) how much each point counts, 1 for those that do not go to and fro."""
        belief = np.empty(21)
        belief[FINGERS] = (1 / (1 + self.settings.doubt / self.settings.points_sigma ** 2 * motion.trembling))[:, None]
        belief[0] = np.add.reduce(belief[1:]) / 20
        return belief

    def _coefficients(self, pose: np.ndarray) -> np.ndarray:
        return (pose[1:].ravel() - self.kinematics.mean) @ self._inverse

    def _unrest(self, motion: Motion, step: float) -> np.ndarray:
        """(K + 3,) variance per second by which the pose may have changed."""
        settings, rates = self.settings, np.empty(len(self._noise))
        rates[:-3] = self._fingers @ (settings.bend * motion.fingers) ** 2
        rates[-3:-1] = (settings.tilt * motion.bent) ** 2
        rates[-1] = (settings.turn * motion.turn) ** 2
        return settings.drift + step * rates

    def _led_back(self, off: np.ndarray, posed: Posed, place: np.ndarray, rays: np.ndarray, camera: Intrinsics, length: float,
                  motion: Motion, belief: np.ndarray) -> np.ndarray:
        """The part (K + 3,) of what the filtered pose is `off` (K + 3,) from the fitted one that the moving points, each believed by
        `belief` (21,), ask for. The fitted hand lies at `place` (21, 3), on `rays` (21, 2)."""
        settings = self.settings
        scale = (1 / (settings.points_sigma * length * place[:, 2]))[:, None] * (camera.fx, camera.fy)
        project = np.zeros((21, 3, 3))  # pixels and depth by the camera point, in sigmas
        project[:, 0, 0], project[:, 1, 1] = scale.T
        project[:, :2, 2] = -rays * scale
        project[:, 2, 2] = 1 / settings.depth_hold
        both = self.kinematics.jacobian(posed, project, False)[:, :, :-3]
        seen, deep = both[:, :2].reshape(21, -1), both[:, 2]
        apart = seen.reshape(42, -1) @ off
        apart = np.add.reduce(np.square(apart).reshape(21, 2), 1)
        quick = self._looser * ((motion.fingers / settings.quick_finger) ** 2 + (motion.hand / settings.quick_hand) ** 2
                                + (0.3 * motion.turn / settings.quick_finger) ** 2)  # points lie about 0.3 hand lengths from the middle
        quick = np.minimum(quick + np.square(apart[FINGERS] @ QUARTERS) * settings.far ** -4, 1)
        weights = np.empty(21)
        weights[FINGERS], weights[0] = quick[:, None], np.add.reduce(quick) / 5
        root = np.sqrt(weights * belief + 1e-9)
        # where the hand is, is no matter of its pose
        seen = (root[:, None] * (seen - (root * root) @ seen * (1 / (root @ root)))).reshape(42, -1)
        sight = seen.T @ seen
        right = sight @ off
        sight += deep.T @ deep
        sight.reshape(-1)[::len(sight) + 1] += self._hold
        return np.linalg.solve(sight, right)

    def _placed(self, followed: _Followed, joints: np.ndarray, translation: np.ndarray, rays: np.ndarray, motion: Motion,
                belief: np.ndarray, step: float) -> np.ndarray:
        """The wrist (3,) with which joints (21, 3) about it lie nearest to rays (21, 2), believed by `belief` (21,), its distance
        filtered."""
        settings = self.settings
        place = seated(joints, translation, rays, belief)
        variance = followed.distance_variance + self._looser * step * (
            settings.distance_drift + step * (settings.growth * motion.growth) ** 2)
        gain = variance / (variance + settings.distance_noise ** 2)
        followed.distance_variance = (1 - gain) * variance
        followed.log_distance += gain * (math.log(place[2]) - followed.log_distance)
        return centred(joints, place * (math.exp(followed.log_distance) / place[2]), rays, belief)


def _between(coefficients: np.ndarray, wrist: np.ndarray, other: np.ndarray, other_wrist: np.ndarray) -> np.ndarray:
    """(K + 3,) the way from one pose, coefficients (K,) and wrist (3, 3), to another."""
    way = np.empty(len(coefficients) + 3)
    way[:-3], way[-3:] = other - coefficients, one_axis_angle(other_wrist @ wrist.T)
    return way


def seated(joints: np.ndarray, translation: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The translation (3,) with which joints (21, 3) lie nearest to rays (21, 2), each x / z and y / z, weighted by (21,): two Gauss-Newton
    steps from a start, which comes back where they lead nowhere. In plain numbers where there are only three."""
    flat, depths, root = joints[:, :2], joints[:, 2], np.sqrt(weights)
    x, y, z = translation.tolist()
    for _ in range(2):
        over = 1 / np.maximum(depths + z, NEAREST)
        slope = (flat + (x, y)) * over[:, None]
        over *= root
        lean, off = slope * over[:, None], (rays - slope) * root[:, None]
        squares = float(over @ over)
        (a, b), (right, down) = (over @ lean).tolist(), (over @ off).tolist()
        last = float(np.vdot(lean, lean)) + 1e-9 * squares  # points on one spot do not tell the distance
        # squares 0 -a | 0 squares -b | -a -b last, times the change, is right, down, -lean . off
        ahead = ((a * right + b * down) / squares - float(np.vdot(lean, off))) / (last - (a * a + b * b) / squares)
        x, y, z = x + (right + a * ahead) / squares, y + (down + b * ahead) / squares, z + ahead
    return np.array([x, y, z]) if np.minimum.reduce(depths) + z > NEAREST else translation


def centred(joints: np.ndarray, translation: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The wrist (3,) moved sideways so that the joints (21, 3) lie, on average by weights (21,), on the rays (21, 2)."""
    placed = joints + translation
    over = 1 / placed[:, 2]
    right, down = (weights @ (rays - placed[:, :2] * over[:, None]) / (weights @ over)).tolist()
    x, y, z = translation.tolist()
    return np.array([x + right, y + down, z])
