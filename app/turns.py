"""How long threads of Python wait for each other."""
from __future__ import annotations

import sys

TURN = 2e-4  # seconds


def quick_turns() -> None:
    """Let a thread that reckons in Python give way after 0.2 ms to one that comes back from OpenCV or the network, not after Python's 5 ms:
    a frame is done in that time, and one thread of it comes back half a dozen times. It costs no processor time that can be measured."""
    sys.setswitchinterval(TURN)
