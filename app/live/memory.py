"""Keep the program's memory small and steady on Linux, where the C library keeps what it once had, for each thread anew."""
from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the window should not wait for it
    from app.pipeline import Pipeline

ARENA_MAX, ARENAS = -8, 2  # glibc's M_ARENA_MAX; eight per core are usual, and a live run then takes 100 MB more and goes on growing


def share_arenas() -> None:
    """Let all threads that start from now on share two heaps. Nothing happens where the C library is another."""
    _call('mallopt', ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give free memory back to the system after something large was closed: loading a network again and again would pile up a gigabyte."""
    _call('malloc_trim', 0)


def let_go(pipeline: Pipeline) -> None:
    """Close a pipeline that nobody uses any more, and free its network at once.

    The network knows its regressor, which knows the network: Python would find out in its own time, a gigabyte later.
    """
    pipeline.close()
    pipeline.regressor.session = None


def _call(name: str, *arguments: int) -> None:
    if sys.platform == 'linux':
        function = getattr(ctypes.CDLL(None), name, None)  # glibc has it, others do not need it
        if function is not None:
            function(*arguments)
