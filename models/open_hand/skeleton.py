"""The mean hand's skeleton: joint centres, bone axes and anatomical turning axes. Millimetres.

Right hand, wrist at the origin: +y to the finger tips, +z out of the back of the hand, -x towards the thumb.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FINGERS = ('thumb', 'index', 'middle', 'ring', 'little')
LEVELS = {'thumb': ('cmc', 'mcp', 'ip')} | {f: ('mcp', 'pip', 'dip') for f in FINGERS[1:]}
JOINT_NAMES = ('wrist',) + tuple(f'{f}_{level}' for f in FINGERS for level in LEVELS[f])
PARENTS = np.array([-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14], np.int32)
# 21 points (wrist, thumb, index, middle, ring, little, base to tip) as indices into [16 joints, 5 tips]
JOINT_MAP = np.array([0, 1, 2, 3, 16, 4, 5, 6, 17, 7, 8, 9, 18, 10, 11, 12, 19, 13, 14, 15, 20], np.int32)

# First joint of each chain, directions of its bones at rest, bone lengths (the last one ends at the finger tip's skin),
# and the direction in which the nail looks.
CHAINS = {
    'thumb': ((-22, 22, -9), ((-.64, .70, -.32), (-.50, .83, -.24), (-.42, .89, -.18)), (46, 33, 27), (-.72, -.10, .69)),
    'index': ((-27, 86, 2), ((-.12, 1, -.06), (-.09, 1, -.13), (-.06, 1, -.18)), (43, 25.5, 22.5), (-.12, 0, 1)),
    'middle': ((-5.5, 90, 4), ((-.01, 1, -.06), (0, 1, -.13), (0, 1, -.18)), (47, 29.5, 23.5), (-.02, 0, 1)),
    'ring': ((14.5, 84, 2), ((.10, 1, -.06), (.08, 1, -.13), (.06, 1, -.18)), (43.5, 28, 23.5), (.10, 0, 1)),
    'little': ((31.5, 74, -3), ((.21, 1, -.06), (.18, 1, -.13), (.15, 1, -.18)), (34.5, 20.5, 21), (.22, 0, 1)),
}


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


def build_skeleton(chains: dict = CHAINS) -> Skeleton:
    """The skeleton of `chains` (as `CHAINS`)."""
    joints, tips = [np.zeros(3)], []
    along, dorsal = [np.array([0., 1, 0])], [np.array([0., 0, 1])]
    for start, directions, lengths, nail in chains.values():
        point = np.asarray(start, float)
        for direction, length in zip(unit(directions), lengths):
            joints.append(point)
            along.append(direction)
            dorsal.append(unit(nail - np.dot(nail, direction) * direction))
            point = point + direction * length
        tips.append(point)
    return Skeleton(np.array(joints), np.array(tips), np.array(along), np.array(dorsal))
