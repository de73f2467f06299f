"""Rows of numbers on the disk instead of in memory: what is remembered of a clip between the passes over it."""
from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np

from app.outputs.atomic import one_sentence
from app.outputs.zip_rows import write_all

BUFFERED = 256  # rows that wait in memory


class RowFile:
    """An unnamed file of rows of one kind, gone when it is closed or the program dies. Raises InputError where the disk refuses."""

    def __init__(self, folder: Path, kind: np.dtype):
        self.kind, self.folder = np.dtype(kind), folder
        self._waiting: list[bytes] = []
        self._rows = 0
        with one_sentence(folder):
            self._file = tempfile.TemporaryFile(dir=folder, prefix='.rows.', buffering=0)

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: np.ndarray) -> None:
        """Add rows (n,) of the kind."""
        rows = np.atleast_1d(np.asarray(rows, self.kind))
        self._waiting.append(rows.tobytes())
        self._rows += len(rows)
        if len(self._waiting) >= BUFFERED:
            self._flush()

    def read(self, numbers: np.ndarray) -> np.ndarray:
        """The rows (n,) of these numbers, in their order."""
        self._flush()
        numbers = np.asarray(numbers, np.int64)
        out = np.empty(len(numbers), self.kind)
        begins = np.flatnonzero(np.diff(numbers, prepend=-2) != 1)  # of runs that follow each other in the file
        for begin, end in zip(begins, [*begins[1:], len(numbers)]):
            self._file.seek(int(numbers[begin]) * self.kind.itemsize)
            data = b''
            while len(data) < (end - begin) * self.kind.itemsize:
                piece = self._file.read((end - begin) * self.kind.itemsize - len(data))
                if not piece:
                    raise IndexError(f'there are {self._rows} rows')
                data += piece
            out[begin:end] = np.frombuffer(data, self.kind)
        return out

    def columns(self, names: tuple[str, ...], piece: int = 4096) -> dict[str, np.ndarray]:
        """Some columns of all rows."""
        parts = [self.read(np.arange(start, min(start + piece, self._rows))) for start in range(0, self._rows, piece)]
        parts = [{name: part[name].copy() for name in names} for part in parts] or [{n: np.empty(0, self.kind)[n] for n in names}]
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    def close(self) -> None:
        """Leave nothing."""
        self._file.close()

    def __enter__(self) -> RowFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _flush(self) -> None:
        if self._waiting:
            with one_sentence(self.folder):
                self._file.seek(0, os.SEEK_END)
                write_all(self._file, b''.join(self._waiting))
            self._waiting = []
