"""What of a clip's frames is out of line with those around it, before any motion is sought: whole frames, and single fingers."""
from __future__ import annotations

import numpy as np

from app.rotations import matrix_to_axis_angle

NEIGHBOURS = 3  # frames on each side that a frame is compared with
JUMP, TURN = 0.35, 1.0  # of the hand's box, and radians, off what the neighbours say: the frame is wrong
FINGER_NEIGHBOURS = 4  # the same for fingers, which are taken for one another for a few frames
SWAP = 0.06  # of the hand's box, that a finger's points lie off where the neighbours have it, beside the palm
FEWEST = 5  # frames of which one can be out of line
FINGERS = slice(1, 21)  # of the 21 points, four for each finger
PALM = [0, 5, 9, 13, 17]


def frames_in_line(points: np.ndarray, wrists: np.ndarray, agrees: np.ndarray) -> np.ndarray:
    """Points (T, 21, 2) px, wrist rotations (T, 3, 3), whether the side agrees (T,) -> (T,) belief: 0.02 where a frame's points or turn are
    far off what the frames around it say, who agree with each other; else 1."""
    count = len(points)
    belief = np.ones(count)
    if count < FEWEST:
        return belief
    box = np.maximum(np.ptp(points, axis=1).max(-1), 1.0)
    for at in range(count):
        around = _around(at, NEIGHBOURS, count)
        before, after = around[around < at], around[around > at]
        if not (len(before) and len(after)):
            continue
        near = points[around]
        middle = np.median(near, 0)
        usual = float(np.median(np.linalg.norm(near - middle, axis=2)))
        off = float(np.median(np.linalg.norm(points[at] - middle, axis=1)))
        if off > max(JUMP * box[around].mean(), 4 * usual):
            belief[at] = 0.02
            continue
        turn = matrix_to_axis_angle(wrists[at] @ wrists[[before[-1], after[0]]].swapaxes(1, 2))
        across = float(np.linalg.norm(matrix_to_axis_angle(wrists[after[0]] @ wrists[before[-1]].T)))
        if min(np.linalg.norm(turn, axis=1)) > max(TURN, 2 * across) or not agrees[at] and min(np.linalg.norm(turn, axis=1)) > 0.5:
            belief[at] = 0.1
    return belief


def fingers_in_line(points: np.ndarray) -> np.ndarray:
    """Points (T, 21, 2) px -> (T, 21) belief: 0.05 for the points of a finger that lies elsewhere, beside the palm, than in the frames
    around, who agree with each other; else 1. So a finger is given up that was taken for another one, and the rest of its frame is kept."""
    count = len(points)
    belief = np.ones((count, 21))
    if count < FEWEST:
        return belief
    box = max(float(np.median(np.ptp(points, axis=1).max(-1))), 1.0)
    fingers = ((points - points[:, PALM].mean(1, keepdims=True)) / box)[:, FINGERS].reshape(count, 5, 4, 2)
    for at in range(count):
        near = fingers[_around(at, FINGER_NEIGHBOURS, count)]
        middle = np.median(near, 0)
        usual = np.median(np.linalg.norm(near - middle, axis=3).mean(2), 0)
        off = np.linalg.norm(fingers[at] - middle, axis=2).mean(1)
        belief[at, FINGERS] = np.repeat(np.where(off > np.maximum(SWAP, 3 * usual), 0.05, 1.0), 4)
    return belief


def _around(at: int, reach: int, count: int) -> np.ndarray:
    around = np.arange(max(at - reach, 0), min(at + reach + 1, count))
    return around[around != at]
