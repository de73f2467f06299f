"""`hands.npz`: one row per hand and frame, written while the run goes on, in bounded memory; and its reader.

| key | shape | what |
| --- | --- | --- |
| frame | (R,) int32 | number of the frame in its source, from 0 |
| time | (R,) float64 | seconds since the source's start |
| track | (R,) int32 | stays the same while a hand is followed |
| side | (R,) str | 'right' or 'left' |
| confidence | (R,) float32 | 0..1 |
| pose | (R, 16, 4) float32 | unit quaternions (w, x, y, z) of the 16 joints against their parents, row 0 the wrist in the camera frame |
| shape | (R, 10) float32 | standard deviations |
| translation | (R, 3) float32 | metres, the wrist in the camera frame |
| vertices | (R, N, 3) float32 | metres, camera frame: x right, y down, z forward |
| joints_3d | (R, 21, 3) float32 | metres, camera frame; order in `app/types.py` |
| joints_2d | (R, 21, 2) float32 | pixels, their projection |
| colours | (R, N, 3) uint8 | sRGB albedo of the vertices |
| filled | (R,) bool | the hand was not seen in this frame but filled in between those before and after (older files have none) |
| faces | (F, 3) int32 | of a right hand, counter-clockwise from outside; a left hand's are the same, turned round: `faces[:, ::-1]` |
| intrinsics | (3, 3) float64 | camera matrix, pixels; (R, 3, 3) where the pictures have different ones |
"""
from __future__ import annotations

import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from app.errors import InputError
from app.outputs.atomic import one_sentence, temporary_name
from app.outputs.zip_rows import ZipRows, write_all
from app.types import Frame, Hand, Intrinsics

# key -> kind and shape of a row; N is the number of vertices
ROWS = {
    'frame': ('<i4', ()), 'time': ('<f8', ()), 'track': ('<i4', ()), 'side': ('<U5', ()), 'confidence': ('<f4', ()),
    'pose': ('<f4', (16, 4)), 'shape': ('<f4', (10,)), 'translation': ('<f4', (3,)), 'vertices': ('<f4', ('N', 3)),
    'joints_3d': ('<f4', (21, 3)), 'joints_2d': ('<f4', (21, 2)), 'colours': ('|u1', ('N', 3)), 'filled': ('|b1', ()),
}
CAMERA = 'intrinsics'
GROWING = 'vertices'  # three quarters of all bytes
WAITING = ('colours', *(key for key in ROWS if key not in ('colours', GROWING)))  # they shrink, and leave room
REPETITIVE = ('colours', 'side', 'filled')  # shrink 30 times at 0.03 ms a row; deflating vertices costs 0.7 ms a row for 7 %
FACES = 'faces.npy'
CHANGE = 80  # bytes of another camera: the row from which it is, and its matrix
LARGE = 100_000_000  # bytes of an array that is not read into memory
PIECE = 1000  # rows
LOCAL_HEADER = 30  # bytes of a zip entry's header, before its name


class HandsWriter:
    """Writes `hands.npz`. A context manager: leaving it well gives the file its name, leaving it by an error leaves nothing.

    A long clip needs no memory: vertices go straight into the file to be, the rest waits in unnamed temporary files beside it.
    Raises InputError where the disk refuses; the rows before can still be finished.
    """

    def __init__(self, path: Path, faces: np.ndarray, kept: Path | None = None, goes_on: bool = False):
        """`faces` (F, 3): a right hand's, of the model that made the hands. `kept`: a new folder in which all waits that is not finished;
        it outlives a program that is killed, and `finish_left` makes the file of it (it `goes_on`)."""
        self.path = path
        self.faces = np.asarray(faces, np.int32)
        self.vertices = int(self.faces.max()) + 1
        self.rows = 0
        self.bytes = 0  # on the disk
        self.needed = 0  # bytes more that finishing takes, at most
        self._kept = kept
        self._part = kept / 'growing.npz' if kept else temporary_name(path)
        self._cameras: list[np.ndarray] = []  # those that differ from the one before, and...
        self._changes: list[int] = []  # ...the row at which each begins
        self._spools: dict[str, BinaryIO] = {}
        self._growing: ZipRows | None = None
        try:
            with one_sentence(path):
                if kept and not goes_on:
                    kept.mkdir()
                    np.save(kept / FACES, self.faces)
                self._growing = ZipRows(self._part, GROWING, *self._of_row(GROWING), goes_on)
                for key in (*WAITING, CAMERA) if kept else WAITING:
                    self._spools[key] = self._spool(key, goes_on)
                if goes_on:
                    self._take_up()
        except BaseException:
            self._close() if goes_on else self.discard()
            raise

    def _spool(self, key: str, goes_on: bool) -> BinaryIO:
        if self._kept:
            return open(self._kept / f'{key}.rows', 'r+b' if goes_on else 'w+b', buffering=0)
        return tempfile.TemporaryFile(dir=self.path.parent, prefix=f'.{self.path.name}.', buffering=0)

    def _take_up(self) -> None:
        """Go on where a killed program ended: with the rows of which all arrays are whole."""
        sizes = {key: self._spools[key].seek(0, os.SEEK_END) for key in WAITING}
        self.rows = min(self._growing.rows, *(size // self._row_size(key) for key, size in sizes.items()))
        if self.rows < self._growing.rows:
            self._growing.cut(self.rows)
        for key in WAITING:
            self._spools[key].truncate(self.rows * self._row_size(key))
            self._spools[key].seek(0, os.SEEK_END)
        self._spools[CAMERA].seek(0)
        told = self._spools[CAMERA].read()
        for row, *matrix in np.frombuffer(told[:len(told) // CHANGE * CHANGE]).reshape(-1, 10):
            if row < self.rows:
                self._seen_by(np.reshape(matrix, (3, 3)), int(row))

    def write(self, frame: Frame, hands: Iterable[Hand], intrinsics: Intrinsics, filled: Collection[int] = ()) -> None:
        """Add the hands of a frame seen by the camera `intrinsics`; those of the tracks `filled` were filled in.

        Raises ValueError for arrays of another shape than the table says."""
        matrix = intrinsics.matrix.astype(np.float64)
        if not self._cameras or not np.array_equal(matrix, self._cameras[-1]):
            if self._kept and self._growing is not None:
                with one_sentence(self.path):
                    write_all(self._spools[CAMERA], np.append(float(self.rows), matrix).tobytes())
            self._seen_by(matrix, self.rows)
        for hand in hands:
            of_hand = {key: getattr(hand, key) for key in ROWS if key not in ('frame', 'time', 'filled')}
            self._add({'frame': frame.index, 'time': frame.time, 'filled': hand.track in filled, **of_hand})

    def _seen_by(self, matrix: np.ndarray, row: int) -> None:
        """The camera from this row on."""
        if self._changes and self._changes[-1] == row:  # the last camera saw no hand
            self._cameras[-1] = matrix
        else:
            self._cameras.append(matrix)
            self._changes.append(row)

    def finish(self) -> None:
        """Put the rows together and give the file its name. Closing again does nothing. Where that fails, a folder that is kept stays."""
        if self._growing is None:
            return
        try:
            with one_sentence(self.path):
                with self._growing.rest() as archive:
                    for key in WAITING:
                        kind, shape = self._of_row(key)
                        self._spools[key].seek(0)
                        self._entry(archive, key, kind, (self.rows, *shape), self._spools[key])
                        self._spools.pop(key).close()  # which gives its room back, if it has no name
                    for key, values in (('faces', self.faces), (CAMERA, self._intrinsics())):
                        with archive.open(f'{key}.npy', 'w') as entry:
                            np.lib.format.write_array(entry, np.ascontiguousarray(values), allow_pickle=False)
                self._part.replace(self.path)
        except BaseException:
            self._close() if self._kept else self.discard()
            raise
        self.discard()

    def discard(self) -> None:
        """Leave nothing. Closing again does nothing."""
        if self._growing is None:
            return
        self._close()
        with suppress(OSError):
            shutil.rmtree(self._kept) if self._kept else self._part.unlink(missing_ok=True)

    def _close(self) -> None:
        for file in (*self._spools.values(), self._growing):
            if file is not None:
                with suppress(OSError):  # what it could not flush is not wanted any more
                    file.close()
        self._spools, self._growing = {}, None

    def __enter__(self) -> HandsWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.finish() if kind is None else self.discard()

    def _add(self, row: dict) -> None:
        if self._growing is None:
            raise ValueError(f'{self.path.name} is closed')
        values = {}
        for key in ROWS:
            kind, shape = self._of_row(key)
            values[key] = np.asarray(row[key], kind)
            if values[key].shape != shape:
                raise ValueError(f'{key} of a hand must have shape {shape}, not {values[key].shape}')
        try:
            with one_sentence(self.path):
                for key in WAITING:
                    write_all(self._spools[key], values[key].tobytes())
                self._growing.append(values[GROWING])
        except BaseException:  # without the row of which a part was written, what was there can still be finished
            for key in WAITING:
                self._spools[key].seek(self.rows * values[key].nbytes)
                self._spools[key].truncate()
            raise
        self.rows += 1
        self.bytes += sum(value.nbytes for value in values.values())
        self.needed += sum(values[key].nbytes for key in WAITING)

    def _row_size(self, key: str) -> int:
        kind, shape = self._of_row(key)
        return kind.itemsize * math.prod(shape)

    def _of_row(self, key: str) -> tuple[np.dtype, tuple[int, ...]]:
        kind, shape = ROWS[key]
        return np.dtype(kind), tuple(self.vertices if size == 'N' else size for size in shape)

    def _intrinsics(self) -> np.ndarray:
        if not self._cameras:
            return np.eye(3)
        if len(self._cameras) == 1 or self.rows == 0:
            return self._cameras[0]
        counts = np.diff([*self._changes, self.rows])
        if (counts > 0).sum() == 1:
            return self._cameras[int(np.argmax(counts))]
        return np.repeat(np.stack(self._cameras), counts, axis=0)

    @staticmethod
    def _entry(archive: zipfile.ZipFile, key: str, kind: np.dtype, shape: tuple[int, ...], spool: BinaryIO) -> None:
        """An .npy entry whose data are copied piece by piece."""
        info = zipfile.ZipInfo(f'{key}.npy')
        info.compress_type = zipfile.ZIP_DEFLATED if key in REPETITIVE else zipfile.ZIP_STORED
        with archive.open(info, 'w', force_zip64=True) as entry:
            header = {'descr': np.lib.format.dtype_to_descr(kind), 'fortran_order': False, 'shape': shape}
            np.lib.format.write_array_header_1_0(entry, header)
            shutil.copyfileobj(spool, entry, 1 << 20)


def finish_left(kept: Path, path: Path) -> int:
    """Make a file of hands of the folder that a killed program left (`kept`), which is gone then; how many rows it has.

    Raises InputError when it is no such folder, and where the disk refuses; then the folder stays.
    """
    try:
        faces = np.load(kept / FACES, allow_pickle=False)
        writer = HandsWriter(path, faces, kept, goes_on=True)
    except (OSError, ValueError, EOFError, InputError) as error:
        raise InputError(f'{kept} holds no numbers of hands that a recording left.') from error
    writer.finish()
    return writer.rows


@dataclass(frozen=True, eq=False)
class HandsFile:
    """What `hands.npz` holds; shapes and units in this file's table."""

    frame: np.ndarray
    time: np.ndarray
    track: np.ndarray
    side: np.ndarray
    confidence: np.ndarray
    pose: np.ndarray
    shape: np.ndarray
    translation: np.ndarray
    vertices: np.ndarray
    joints_3d: np.ndarray
    joints_2d: np.ndarray
    colours: np.ndarray
    filled: np.ndarray
    faces: np.ndarray
    intrinsics: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)


def read_hands(path: Path) -> HandsFile:
    """Read and check a `hands.npz`. Raises InputError when it is missing, incomplete, or its arrays contradict each other.

    Large vertices stay on the disk and are read where they are looked at, so that an hour's recording fits into memory.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f'There is no file {path}; check the name.')
    try:
        with np.load(path, allow_pickle=False) as archive:
            there = [f.name for f in fields(HandsFile) if f.name in archive.files]
            missing = [f.name for f in fields(HandsFile) if f.name not in (*there, 'filled')]
            arrays = {} if missing else {name: _array(path, archive, name) for name in there}
            if not missing:
                arrays.setdefault('filled', np.zeros(len(np.atleast_1d(arrays['frame'])), bool))
    except (OSError, ValueError, EOFError, AttributeError, KeyError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise InputError(f'{path} is not a whole file of hands; make it again.') from error
    if missing:
        raise InputError(f'{path} is no file of hands: {", ".join(missing)} missing; make it again.')
    problem = _contradiction(arrays)
    if problem:
        raise InputError(f'{path} is no file of hands: {problem}; make it again.')
    return HandsFile(**arrays)


def _array(path: Path, archive: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    info = archive.zip.getinfo(f'{key}.npy')
    if info.compress_type != zipfile.ZIP_STORED or info.file_size < LARGE:
        return archive[key]
    with path.open('rb') as file:
        file.seek(info.header_offset)
        lengths = file.read(LOCAL_HEADER)[-4:]  # of the name and of what else stands before the data
        file.seek(int.from_bytes(lengths[:2], 'little') + int.from_bytes(lengths[2:], 'little'), 1)
        np.lib.format.read_magic(file)
        shape, fortran, kind = np.lib.format.read_array_header_1_0(file)
        return np.memmap(path, kind, 'r', file.tell(), shape, 'F' if fortran else 'C')


def _all_finite(values: np.ndarray) -> bool:
    """Piece by piece: large ones are on the disk."""
    return all(np.isfinite(values[start:start + PIECE]).all() for start in range(0, len(values), PIECE))


def _contradiction(arrays: dict[str, np.ndarray]) -> str | None:
    rows, vertices = len(np.atleast_1d(arrays['frame'])), arrays['vertices'].shape[1:2]
    for key, (kind, shape) in ROWS.items():
        wanted = (rows, *(vertices[0] if size == 'N' and vertices else size for size in shape))
        if arrays[key].shape != wanted:
            return f'{key} has shape {arrays[key].shape} instead of {wanted}'
        if np.dtype(kind).kind == 'f' and not (arrays[key].dtype.kind == 'f' and _all_finite(arrays[key])):
            return f'{key} has values that are no finite numbers'
        if np.dtype(kind).kind in 'iu' and arrays[key].dtype.kind not in 'iu':
            return f'{key} has values that are no whole numbers'
    faces, matrix = arrays['faces'], arrays[CAMERA]
    if faces.shape[1:] != (3,) or faces.dtype.kind not in 'iu' or not -1 < faces.min(initial=0) <= faces.max(initial=0) < vertices[0]:
        return f'faces are no triangles of {vertices[0]} vertices'
    if matrix.shape not in ((3, 3), (rows, 3, 3)) or matrix.dtype.kind != 'f' or not np.isfinite(matrix).all():
        return f'intrinsics have shape {matrix.shape} instead of (3, 3)'
    if not np.isin(arrays['side'], ('right', 'left')).all():
        return "a side is neither 'right' nor 'left'"
    if rows and np.abs(np.linalg.norm(arrays['pose'], axis=-1) - 1).max() > 1e-3:
        return 'pose has quaternions that are not of length 1'
    return None
