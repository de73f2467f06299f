"""Give memory back to the system after something large was closed."""
from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """On Linux the C library keeps what it once had, for each thread anew: loading a network again and again would pile up a gigabyte."""
    if sys.platform == 'linux':
        trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)  # glibc has it, others do not need it
        if trim is not None:
            trim(0)
