"""An .npz archive whose first array grows row by row, straight into the file: finishing it takes no second copy and almost no time.

The archive begins with the array's entry. How many rows it has is known at the end only, so its headers are written twice, in the same
place and of the same length; everything else is appended by `zipfile`.
"""
from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from app.outputs.crc import combined_crc

NPY_HEADER = 128  # bytes, a multiple of 64 as numpy wants; enough for any count of rows


class ZipRows:
    """A file with one growing array. Raises OSError where the disk refuses; the rows before stay whole."""

    def __init__(self, path: Path, key: str, kind: np.dtype, row: tuple[int, ...], goes_on: bool = False):
        """`kind` and `row`, type and shape of a row. `goes_on`: with the rows of a file that was left by a program that was killed."""
        self._info = zipfile.ZipInfo(f'{key}.npy')
        self._info.header_offset = 0
        self._kind, self._row, self._rows = np.dtype(kind), row, 0
        self._crc = 0  # of the rows
        self._start = len(self._headers())
        self._file = open(path, 'r+b' if goes_on else 'w+b', buffering=0)  # no bytes of a row that failed wait in a buffer
        if goes_on:
            self._rows = max(path.stat().st_size - self._start, 0) // self._row_size
            self.cut(self._rows)
            return
        try:
            write_all(self._file, self._headers())
        except BaseException:
            self.close()
            path.unlink()
            raise

    @property
    def rows(self) -> int:
        """How many there are."""
        return self._rows

    def cut(self, rows: int) -> None:
        """Keep the first so many rows only."""
        self._rows, self._crc = rows, 0
        self._file.seek(self._start)
        left = self._size
        while left:
            data = self._file.read(min(left, 1 << 20))
            self._crc = zlib.crc32(data, self._crc)
            left -= len(data)
        self._cut()

    def append(self, row: np.ndarray) -> None:
        """One row more."""
        data = np.ascontiguousarray(row, self._kind).tobytes()
        try:
            write_all(self._file, data)
        except BaseException:
            self._cut()
            raise
        self._crc = zlib.crc32(data, self._crc)
        self._rows += 1

    def _cut(self) -> None:
        self._file.seek(self._start + self._size)
        self._file.truncate()

    @contextmanager
    def rest(self) -> Iterator[zipfile.ZipFile]:
        """The archive, for the other entries; on leaving it is whole and closed."""
        self._cut()
        self._file.seek(0)
        write_all(self._file, self._headers())
        self._file.seek(self._start + self._size)
        with io.BufferedRandom(self._file) as file:  # unbuffered ones may write less than they are given
            with zipfile.ZipFile(file, 'w', allowZip64=True) as archive:
                archive.filelist.append(self._info)
                archive.NameToInfo[self._info.filename] = self._info
                yield archive

    def close(self) -> None:
        """Let go of the file as it is."""
        self._file.close()

    @property
    def _size(self) -> int:
        return self._rows * self._row_size

    @property
    def _row_size(self) -> int:
        return int(np.prod(self._row)) * self._kind.itemsize

    def _headers(self) -> bytes:
        shape = (self._rows, *self._row)
        text = repr({'descr': np.lib.format.dtype_to_descr(self._kind), 'fortran_order': False, 'shape': shape})
        npy = np.lib.format.magic(1, 0) + (NPY_HEADER - 10).to_bytes(2, 'little') + text.ljust(NPY_HEADER - 11).encode('ascii') + b'\n'
        self._info.file_size = self._info.compress_size = NPY_HEADER + self._size
        self._info.CRC = combined_crc(zlib.crc32(npy), self._crc, self._size)
        return self._info.FileHeader(zip64=True) + npy


def write_all(file: io.RawIOBase, data: bytes) -> None:
    """An unbuffered file may take only the beginning, and say so by the number of bytes only."""
    view = memoryview(data)
    while view:
        view = view[file.write(view):]
