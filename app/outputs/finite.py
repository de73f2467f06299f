"""Which hands can be written: readers refuse a file with numbers that are not finite, so one such hand must not spoil it."""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from app.types import Hand

NUMBERS = ('vertices', 'pose', 'shape', 'translation', 'joints_3d', 'joints_2d')


def finite_hands(hands: Iterable[Hand]) -> list[Hand]:
    """Those of which all numbers are finite."""
    return [hand for hand in hands if all(np.isfinite(getattr(hand, name)).all() for name in NUMBERS)]
