"""Keep the program's memory small and steady on Linux, where the C library keeps what it once had, for each thread anew."""
from __future__ import annotations

import ctypes
import sys

ARENA_MAX, ARENAS = -8, 2  # glibc's M_ARENA_MAX; eight per core are usual, and a live run then takes 100 MB more and goes on growing


def share_arenas() -> None:
    """Let all threads that start from now on share two heaps. Nothing happens where the C library is another."""
    _call('mallopt', ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give free memory back to the system after something large was closed: loading a network again and again would pile up a gigabyte."""
    _call('malloc_trim', 0)


def _call(name: str, *arguments: int) -> None:
    if sys.platform == 'linux':
        function = getattr(ctypes.CDLL(None), name, None)  # glibc has it, others do not need it
        if function is not None:
            function(*arguments)
