"""The skeleton of a hand of given proportions: joint centres, bone axes and anatomical turning axes. Millimetres.

Right hand, wrist at the origin: +y to the finger tips, +z out of the back of the hand, -x towards the thumb. The wrist point is the centre
about which the hand turns on the forearm, inside the carpus and some 9 mm beyond the distal wrist crease.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.open_hand import anthropometry as body

FINGERS = ('thumb', 'index', 'middle', 'ring', 'little')
LEVELS = {'thumb': ('cmc', 'mcp', 'ip')} | {f: ('mcp', 'pip', 'dip') for f in FINGERS[1:]}
JOINT_NAMES = ('wrist',) + tuple(f'{f}_{level}' for f in FINGERS for level in LEVELS[f])
PARENTS = np.array([-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14], np.int32)
# 21 points (wrist, thumb, index, middle, ring, little, base to tip) as indices into [16 joints, 5 tips]
JOINT_MAP = np.array([0, 1, 2, 3, 16, 4, 5, 6, 17, 7, 8, 9, 18, 10, 11, 12, 19, 13, 14, 15, 20], np.int32)
CREASE = -9.0  # mm, where the distal wrist crease lies along y

# First joint of each chain in the mean hand, directions of its bones at rest (fingers slightly bent and spread, the thumb beside and in
# front of the palm), and the direction in which the nail looks. The knuckles lie on the arch of the palm.
CHAINS = {
    'thumb': ((-26, 22, -10.5), ((-.64, .70, -.32), (-.50, .83, -.24), (-.42, .89, -.18)), (-.72, -.10, .69)),
    'index': ((-27.5, 80, 2), ((-.12, 1, -.06), (-.09, 1, -.13), (-.06, 1, -.18)), (-.12, 0, 1)),
    'middle': ((-5.5, 82, 4), ((-.01, 1, -.06), (0, 1, -.13), (0, 1, -.18)), (-.02, 0, 1)),
    'ring': ((15, 77, 2), ((.10, 1, -.06), (.08, 1, -.13), (.06, 1, -.18)), (.10, 0, 1)),
    'little': ((32.5, 70, -3), ((.21, 1, -.06), (.18, 1, -.13), (.15, 1, -.18)), (.22, 0, 1)),
}
Proportions = dict[str, float]  # dimension of `anthropometry.DIMENSIONS` -> ratio to the mean hand; a missing one is 1


def unit(v: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) of length one."""
    v = np.asarray(v, float)
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


@dataclass(frozen=True)
class Skeleton:
    """Joint centres at rest and the axes about which they turn."""

    joints: np.ndarray  # (16, 3) mm
    tips: np.ndarray  # (5, 3) mm, on the skin
    along: np.ndarray  # (16, 3) unit, the bone's direction from this joint outwards
    dorsal: np.ndarray  # (16, 3) unit, where the back (the nail) of this bone looks, normal to `along`

    @property
    def flexion(self) -> np.ndarray:
        """(16, 3) axes: a positive turn bends the bone towards the palm."""
        return np.cross(self.dorsal, self.along)

    def child_end(self, joint: int) -> np.ndarray:
        """(3,) where the bone that starts at `joint` (1..15) ends."""
        return self.tips[(joint - 1) // 3] if joint % 3 == 0 else self.joints[joint + 1]

    def points(self) -> np.ndarray:
        """(21, 3) the joints and then the tips."""
        return np.concatenate([self.joints, self.tips])


def palm_scale(proportions: Proportions) -> np.ndarray:
    """(3,) how the palm is stretched along x, y and z."""
    return np.array([proportions.get(d, 1.0) for d in ('palm_breadth', 'palm_length', 'palm_depth')])


def build_skeleton(proportions: Proportions | None = None) -> Skeleton:
    """The skeleton of a hand with these proportions (default: the mean hand)."""
    proportions = proportions or {}
    joints, tips = [np.zeros(3)], []
    along, dorsal = [np.array([0., 1, 0])], [np.array([0., 0, 1])]
    for finger, lengths in body.bone_lengths().items():
        start, directions, nail = CHAINS[finger]
        point = np.asarray(start, float) * palm_scale(proportions)
        for i, (direction, length) in enumerate(zip(unit(directions), lengths), 1):
            joints.append(point)
            along.append(direction)
            dorsal.append(unit(nail - np.dot(nail, direction) * direction))
            point = point + direction * length * proportions.get(f'{finger}_{i}', 1.0)
        tips.append(point)
    return Skeleton(np.array(joints), np.array(tips), np.array(along), np.array(dorsal))
