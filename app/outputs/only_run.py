"""One run at a time in a folder: two would fill the same files under the same names."""
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import InputError
from app.outputs.atomic import FORBIDDEN

MARK = '.s2hand.lock'  # on Windows alone, where folders themselves cannot be locked; gone when its program ends or dies


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Keep a folder (it is there, and writable) for this run; the system gives it back when the program ends, however it ends.

    Raises InputError where another run has it. Disks that know no locks let everybody in.
    """
    handle = None
    try:
        handle = _taken(folder)
    except OSError as error:
        if isinstance(error, (BlockingIOError, FileExistsError)) or error.errno in FORBIDDEN:
            raise InputError(f'Another run is writing to {folder}; wait until it is done, or choose another output folder.') from error
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _taken(folder: Path) -> int:
    """A handle that keeps the folder until it is closed. Raises OSError."""
    if os.name == 'nt':
        return os.open(folder / MARK, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_TEMPORARY)
    import fcntl  # POSIX only

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
