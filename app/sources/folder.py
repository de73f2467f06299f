"""A folder of pictures: the frames of one sequence, or pictures that have nothing to do with each other."""
from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.sources.picture import SUFFIXES, picture_size, read_picture
from app.sources.source import TICK, Selection, Source
from app.types import Frame

DEFAULT_FPS = 30.0


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorts 2 before 10, and large letters with small ones; names that differ only in leading zeros still differ."""
    parts = re.split(r'([0-9]+)', name.casefold())
    return [(0, int(part), part) if i % 2 else (1, 0, part) for i, part in enumerate(parts)]


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder (not of the folders in it) in natural order. Raises InputError when there are none."""
    try:
        files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith('.') and p.is_file()]
    except OSError as error:
        raise InputError(f'The folder {folder} cannot be read ({error.strerror}).') from error
    if not files:
        raise InputError(f'The folder {folder} contains no pictures (.jpg, .png and the like); name videos one by one.')
    return sorted(files, key=lambda p: natural_key(p.name))


def looks_like_a_sequence(files: list[Path]) -> bool:
    """Whether the names count evenly (frame_000, frame_001; or every fifth), and the first, middle and last are of one size."""
    parts = [re.fullmatch(r'(.*?)([0-9]+)([^0-9]*)', f.name) for f in files]
    if len(files) < 3 or not all(parts) or len({(p[1], p[3]) for p in parts}) > 1:
        return False
    steps = Counter(np.diff([int(p[2]) for p in parts]).tolist())
    if steps.most_common(1)[0][1] < 0.9 * (len(files) - 1):
        return False
    return len({picture_size(files[i]) for i in (0, len(files) // 2, -1)}) == 1


class FolderSource(Source):
    """The pictures of a folder, naturally sorted; `Frame.time` is number / fps.

    A picture that cannot be read is left out with a warning, and so is, in a sequence, one of another size than the first.
    Raises InputError for a folder without pictures, and on reading one where not a single picture can be read.
    """

    kind = 'folder'

    def __init__(self, folder: Path, selection: Selection = Selection(), fps: float | None = None, sequence: bool | None = None):
        """`sequence`: whether the pictures follow each other; None to tell by names and sizes (an `fps` also says that they do)."""
        self.folder = folder
        self.selection = selection
        self.files = pictures_in(folder)
        name = folder.resolve().name
        selection.check(len(self.files), name)
        if fps is not None and not 0 < fps <= 1000:
            raise InputError(f'{fps} frames a second are not possible; give a number between 0 and 1000.')
        if sequence is None:
            sequence = fps is not None or looks_like_a_sequence(self.files)
        size = next((s for s in map(picture_size, self.files[selection.start:selection.stop:selection.step]) if s), None)
        if size is None:
            raise InputError(f'Not one of the pictures in {folder} can be read.')
        fps = (fps or DEFAULT_FPS) if sequence else None
        super().__init__(name, *size, fps, selection.count(len(self.files)), 'video' if sequence else 'image')

    def __iter__(self) -> Iterator[Frame]:
        return self._read(range(len(self.files))[self.selection.start:self.selection.stop:self.selection.step])

    def from_index(self, index: int) -> Iterator[Frame]:
        """The pictures from number `index` on, or from the last one where there are fewer."""
        indices = range(len(self.files))[self.selection.start:self.selection.stop:self.selection.step]
        return self._read(indices[min(bisect_right(indices, index) or 1, len(indices)) - 1:])

    def from_time(self, seconds: float) -> Iterator[Frame]:
        """The pictures from the one that is to be seen at `seconds`."""
        return self.from_index(int((seconds + TICK) * (self.fps or DEFAULT_FPS)))

    def _read(self, indices: range) -> Iterator[Frame]:
        self.warnings.clear()
        unreadable, misfits, given = [], [], 0
        for index in indices:
            file = self.files[index]
            try:
                image, warning = read_picture(file)
            except InputError:
                unreadable.append(file.name)
                continue
            if self.is_sequence and image.shape[:2] != (self.height, self.width):
                misfits.append(file.name)
                continue
            if warning:
                self.warnings.append(warning)
            given += 1
            yield Frame(image, index, index / (self.fps or DEFAULT_FPS), time.monotonic(), file.name)
        if unreadable:
            self.warnings.append(f'{_names(unreadable)} could not be read and {_were(unreadable)} left out')
        if misfits:
            size = f'{self.width} x {self.height}'
            self.warnings.append(f'{_names(misfits)} {_were(misfits)} left out of the sequence: not {size} like its first picture')
        if not given:
            raise InputError(f'Not one of the pictures in {self.folder} can be read.')


def _names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f'{len(names)} pictures ({names[0]} the first)'


def _were(names: list[str]) -> str:
    return 'was' if len(names) == 1 else 'were'
