"""Room on the disk that is kept while a recording runs, and given up when it is finished, so that finishing works on a full disk."""
from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from app.outputs.zip_rows import write_all

STEP = 1 << 20  # bytes: it grows in such steps


class Reserve:
    """An unnamed file that takes up room in a folder. Raises OSError where the disk has no more."""

    def __init__(self, folder: Path, size: int = STEP):
        self.size = 0
        self._file: BinaryIO | None = tempfile.TemporaryFile(dir=folder, prefix='.reserve.', buffering=0)
        try:
            self.grow(size)
        except BaseException:
            self.release()
            raise

    def grow(self, size: int) -> None:
        """Take up at least `size` bytes."""
        if self._file is None:
            raise ValueError('the reserve was given up')
        while self.size < size:
            if not self._promised():
                self._file.seek(self.size)
                write_all(self._file, bytes(STEP))
            self.size += STEP

    def _promised(self) -> bool:
        """Whether the system sets room aside without anything being written; not all systems and disks can."""
        try:
            os.posix_fallocate(self._file.fileno(), self.size, STEP)
            return True
        except AttributeError:
            return False
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                return False
            raise

    def release(self) -> None:
        """Give the room up. Again does nothing."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file, self.size = None, 0
