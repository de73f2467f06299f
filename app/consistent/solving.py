"""From the rows of the first pass to one steady motion for each hand, in overlapping windows: memory does not grow with the clip."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.consistent.in_line import fingers_in_line, frames_in_line
from app.consistent.motion import Motion, MotionSettings
from app.consistent.pieces import FILLED, Found, Piece
from app.consistent.row_file import RowFile
from app.consistent.row_kinematics import RowKinematics
from app.consistent.shape import LOOKS, shape_of
from app.consistent.single_fits import fitted, right_handed
from app.consistent.trajectory import Priors, RowData, States, Trajectory, doubted
from app.hand_model import HandModel
from app.mirror import mirror_points_3d, mirror_pose
from app.refinement import HAND, Refiner
from app.rotations import axis_angle_to_matrix, axis_angle_to_quaternion, matrix_to_quaternion, quaternion_to_matrix, slerp

SOLVED = np.dtype([  # a hand in a frame, in the frame's own camera
    ('place', '<i4'),  # of the frame in the list of all frames
    ('row', '<i4'),  # of the first pass, FILLED where the hand was filled in
    ('hand', '<i4'), ('left', '?'), ('confidence', '<f4'), ('belief', '<f4'), ('pose', '<f4', (16, 4)), ('translation', '<f4', (3,)),
])
WINDOW, OVERLAP = 300, 40  # frames solved at once, and how many more at each end, which make it agree with its neighbours
FIRST, LAST = 8, 12  # iterations before and after wrong frames are found
WRONG_BELIEF = 0.3  # frames believed less count as wrong in the report
LARGE = 4.0  # squared sigmas: errors up to this are usual, however small those of the other frames are
DOUBT = 9.0  # times the usual error (median over a frame's points, squared sigmas) at which a frame is half believed
FILLED_CONFIDENCE = 0.6  # of that of the neighbours
POSE_SIGMA = 0.19  # radians, error of the network's coefficients
RELIEF_SIGMA, DEPTH_SIGMA = 0.004, 0.02  # metres, errors of how far behind the wrist joints lie: the network's hand's, detected ones'
SURENESS = 8  # power of the network's surety that it sees a hand: points lie worse already where that is 0.95
RELIEF_TIME = 0.1  # seconds over which that is averaged: it trembles more than it is wrong


@dataclass(frozen=True, eq=False)
class Solved:
    """All hands of the clip, solved. `rows` is in order of hands and pieces."""

    rows: RowFile
    sides: list[str]  # of each hand
    shapes: np.ndarray  # (H, 10)
    filled: int
    gaps: int  # that were filled
    wrong: int


class Solver:
    """Solves the hands of one clip with one hand model."""

    def __init__(self, model: HandModel, refiner: Refiner, strength: float, motion: MotionSettings = MotionSettings()):
        """`strength` of the smoothing, 0..1."""
        self.model, self.refiner, self.strength, self.motion = model, refiner, strength, motion
        settings = self.settings = refiner.settings
        components = refiner.kinematics.components
        self._inverse = np.linalg.pinv(components)
        axes = model.limit_axes.astype(float)
        strongest = np.abs(components).reshape(len(components), 15, 3).max(2).argmax(1)  # the joint that a coefficient turns most
        fingers = np.array([_finger(model.parents, joint + 1) for joint in strongest])
        self._groups = np.unique(fingers, return_inverse=True)[1]
        self._priors = Priors(
            model.coefficient_mean.astype(float), 1 / (settings.natural * np.maximum(model.coefficient_sigma.astype(float), 1e-3)) ** 2,
            axes @ components.T, model.limits[:, 0] - axes @ refiner.kinematics.mean, model.limits[:, 1] - axes @ refiner.kinematics.mean,
            settings.limit_sigma ** -2, self._groups)

    def solve(self, rows: RowFile, times: np.ndarray, found: Found, out: RowFile,
              tell: Callable[[int], None] = lambda count: None) -> Solved:
        """`rows` of the first pass, `times` (F,) of all frames; the hands go to `out`. `tell` hears of each so many frames done."""
        sides, shapes = [''] * found.hands, np.zeros((found.hands, 10))
        filled = gaps = wrong = 0
        for hand in range(found.hands):
            pieces = [piece for piece in found.pieces if piece.hand == hand]
            sides[hand] = pieces[0].side
            seen = np.concatenate([piece.rows[piece.rows != FILLED] for piece in pieces])
            asked = seen[np.unique(np.linspace(0, len(seen) - 1, min(2 * LOOKS, len(seen))).astype(int))]
            shapes[hand] = shape_of(rows.read(asked), pieces[0].side, self.refiner).astype(np.float32)
            kinematics = RowKinematics(self.model, shapes[hand])
            for piece in pieces:
                starts = np.flatnonzero((piece.rows == FILLED) & (np.roll(piece.rows, 1) != FILLED))
                gaps, filled = gaps + len(starts), filled + int((piece.rows == FILLED).sum())
                for begin in range(0, len(piece.rows), WINDOW):
                    end = min(begin + WINDOW, len(piece.rows))
                    solved = self._window(rows, times, piece, begin, end, shapes[hand], kinematics)
                    wrong += int(((solved['belief'] < WRONG_BELIEF) & (solved['row'] != FILLED)).sum())
                    out.append(solved)
                    tell(end - begin)
        return Solved(out, sides, shapes, filled, gaps, wrong)

    def _window(self, rows: RowFile, times: np.ndarray, piece: Piece, begin: int, end: int, shape: np.ndarray,
                kinematics: RowKinematics) -> np.ndarray:
        """Frames begin..end of a piece, solved together with some more on both sides -> (end - begin,) SOLVED."""
        first, last = max(begin - OVERLAP, 0), min(end + OVERLAP, len(piece.rows))
        numbers = piece.rows[first:last]
        while numbers[0] == FILLED:  # an end of the window in a gap: begin where the hand was seen
            first, numbers = first - 1, piece.rows[first - 1:last]
        while numbers[-1] == FILLED:
            last, numbers = last + 1, piece.rows[first:last + 1]
        seen = np.flatnonzero(numbers != FILLED)
        looks = rows.read(numbers[seen])
        time = times[piece.frames[first:last]]
        states, data, belief = self._start(looks, seen, time, piece.side, shape, kinematics)
        trajectory = Trajectory(kinematics, doubted(data, belief), self._priors, Motion(time, self._groups, self.motion, self.strength))
        states, errors = trajectory.solve(states, FIRST)
        usual = max(float(np.median(errors[seen])), LARGE)
        belief = belief / (1 + (errors / (DOUBT * usual)) ** 2)
        trajectory.data = doubted(data, belief)
        states, _ = trajectory.solve(states, LAST)
        return self._answer(piece, states, looks, numbers, first, begin, end, belief)

    def _start(self, looks: np.ndarray, seen: np.ndarray, time: np.ndarray, side: str, shape: np.ndarray, kinematics: RowKinematics):
        """First states (gaps bridged, wrong frames out of line corrected), data, and belief in each frame."""
        settings, count, known = self.settings, len(time), len(looks)
        right = [right_handed(look, side) for look in looks]
        points = np.stack([one[1] for one in right])
        fits = [fitted(look, side, shape, self.refiner).state for look in looks]
        coefficients = self._coefficients(np.stack([state.pose for state in fits]))
        wrists = axis_angle_to_matrix(np.stack([state.pose[0] for state in fits]))
        translation = np.stack([state.translation for state in fits])
        place = np.concatenate([translation[:, :2] / translation[:, 2:], np.log(np.maximum(translation[:, 2:], 0.05))], 1)
        agrees = looks['left'] == (side == 'left')
        belief_seen = np.where(agrees, 1.0, 0.15) * frames_in_line(points, wrists, agrees)
        states = States(coefficients, wrists, place)
        good = np.flatnonzero(belief_seen > 0.5)
        good = good if len(good) else np.arange(known)
        states = _bridged(States(*(part[good] for part in states)), time[seen[good]], time)

        def spread(values: np.ndarray) -> np.ndarray:
            out = np.zeros((count, *np.shape(values)[1:]))
            out[seen] = values
            return out

        focal = spread(np.stack([(one[2].fx, one[2].fy) for one in right]))
        centre = spread(np.stack([(one[2].cx, one[2].cy) for one in right]))
        focal[focal[:, 0] == 0] = focal[seen[0]]
        sure = np.clip(looks['presence'].astype(float), 0, 1) ** SURENESS * np.sqrt(looks['trust'])  # the frames around check it, too
        length = np.clip(focal[seen, 0] * HAND / np.exp(states.place[seen, 2]), 10, None)
        weights = ((sure / (settings.points_sigma * length)) ** 2)[:, None] * fingers_in_line(points)
        told = agrees.astype(float)
        turns = np.tile(np.eye(3), (count, 1, 1))
        turns[seen] = axis_angle_to_matrix(looks['pose'][:, 0].astype(float))
        guess = self._coefficients(looks['pose'].astype(float))
        relief = kinematics.posed(guess, turns[seen]).points[:, :, 2]  # the network's, of a hand of this shape
        relief = _averaged(relief, time[seen], 2 * self.strength * RELIEF_TIME, looks['presence'] * agrees * belief_seen)
        detected = looks['depths'] * (HAND / length)[:, None]
        by_network, by_points = told[:, None] * RELIEF_SIGMA ** -2, (sure[:, None] / DEPTH_SIGMA) ** 2
        depth_weights = (by_network + by_points) * (np.arange(21) > 0)
        relief = (by_network * relief + by_points * detected) / (by_network + by_points)
        data = RowData(
            time, spread(points), spread(weights), spread(relief), spread(depth_weights), focal, centre,
            spread(guess), spread(told / POSE_SIGMA ** 2), turns,
            spread(told / settings.turn_sigma ** 2), spread(np.log(np.maximum(looks['wrist'][:, 2].astype(float), 0.05))),
            spread(told / settings.distance_sigma ** 2))
        return states, data, spread(belief_seen)

    def _coefficients(self, poses: np.ndarray) -> np.ndarray:
        return (poses[:, 1:].reshape(len(poses), -1) - self.refiner.kinematics.mean) @ self._inverse

    def _answer(self, piece: Piece, states: States, looks: np.ndarray, numbers: np.ndarray, first: int, begin: int, end: int,
                belief: np.ndarray) -> np.ndarray:
        out = np.zeros(end - begin, SOLVED)
        part = slice(begin - first, end - first)
        vectors = (self.refiner.kinematics.mean + states.coefficients[part] @ self.refiner.kinematics.components).reshape(-1, 15, 3)
        pose = np.concatenate([matrix_to_quaternion(states.wrists[part])[:, None], axis_angle_to_quaternion(vectors)], 1)
        distance = np.exp(states.place[part, 2:])
        translation = np.concatenate([states.place[part, :2] * distance, distance], 1)
        if piece.side == 'left':
            pose, translation = mirror_pose(pose), mirror_points_3d(translation)
        confidence = np.interp(np.arange(len(numbers)), np.flatnonzero(numbers != FILLED), looks['presence'])
        confidence[numbers == FILLED] *= FILLED_CONFIDENCE
        out['place'], out['row'], out['hand'], out['left'] = piece.frames[begin:end], numbers[part], piece.hand, piece.side == 'left'
        out['confidence'], out['belief'], out['pose'], out['translation'] = confidence[part], belief[part], pose, translation
        return out


def _finger(parents: np.ndarray, joint: int) -> int:
    """The joint next to the wrist on the way to `joint`."""
    while parents[joint] > 0:
        joint = parents[joint]
    return int(joint)


def _bridged(states: States, times: np.ndarray, wanted: np.ndarray) -> States:
    """States at `times` -> at the times `wanted`, on the straight way between neighbours."""
    if len(times) == 1:
        return States(*(np.repeat(part, len(wanted), 0) for part in states))
    after = np.clip(np.searchsorted(times, wanted, 'right'), 1, len(times) - 1)
    share = np.clip((wanted - times[after - 1]) / np.maximum(times[after] - times[after - 1], 1e-9), 0, 1)
    turns = matrix_to_quaternion(states.wrists)

    def between(values: np.ndarray) -> np.ndarray:
        return values[after - 1] + share[:, None] * (values[after] - values[after - 1])

    return States(between(states.coefficients), quaternion_to_matrix(slerp(turns[after - 1], turns[after], share)), between(states.place))


def _averaged(values: np.ndarray, times: np.ndarray, reach: float, worth: np.ndarray) -> np.ndarray:
    """Values (T, n) at `times` (T,), each with those within some `reach` seconds, which count by their `worth` (T,)."""
    if reach <= 0:
        return values
    near = np.exp(-0.5 * (np.subtract.outer(times, times) / reach) ** 2) * (worth + 1e-6)
    return near @ values / near.sum(1, keepdims=True)
