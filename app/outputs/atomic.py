"""Files appear under their names whole or not at all, and what goes wrong with a disk is said in one sentence."""
from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from app.errors import InputError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def temporary_name(path: Path) -> Path:
    """Where `path` is built: beside it, hidden, always the same name, so that what a killed run left is written over."""
    return path.with_name(f'.{path.name}.part')


@contextmanager
def one_sentence(path: Path) -> Iterator[None]:
    """An OSError inside becomes an InputError that says what to do about `path`."""
    try:
        yield
    except OSError as error:
        raise InputError(sentence(error, path)) from error


def sentence(error: OSError, path: Path) -> str:
    """What an error in writing `path` means for the person."""
    if error.errno in FULL:
        return f'The disk is full: {path} could not be written; free some space, or choose another output folder, and try again.'
    if error.errno in FORBIDDEN:
        return f'{path} may not be written by you; choose another output folder.'
    return f'{path} could not be written ({error.strerror or error}); choose another output folder.'


@contextmanager
def whole_file(path: Path, named: Path | None = None) -> Iterator[BinaryIO]:
    """A file to write into, which gets its name `path` only when the block ends well; else nothing is left of it.

    Raises InputError where the disk refuses; its sentence speaks of `named`, if that is what the person knows.
    """
    part = temporary_name(path)
    try:
        with one_sentence(named or path):
            with part.open('wb') as file:
                yield file
            part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
