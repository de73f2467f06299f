"""`texture_0_right.png`: one picture of the skin for each track, in the model's atlas; those of this run, and those of an earlier one."""
from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from app.errors import InputError
from app.outputs.atomic import one_sentence, temporary_name
from app.outputs.picture import write_picture
from app.types import Side


class TextureFiles:
    """Textures of a run. A context manager: leaving it well gives the files their names, leaving it by an error leaves nothing. Until then
    other writers read them with `png`. Raises InputError where the disk refuses."""

    def __init__(self, folder: Path, publish: bool = True):
        """`publish`: the files shall stay; else they are only there to be read."""
        self._folder, self._publish = folder, publish
        self._paths: dict[tuple[int, Side], Path] = {}

    @property
    def names(self) -> set[str]:
        """Of the files that stay."""
        return {path.name for path in self._paths.values()} if self._publish else set()

    def add(self, track: int, side: Side, picture: np.ndarray) -> None:
        """Take a track's texture (S, S, 3) uint8 RGB."""
        path = self._folder / texture_name(track, side)
        self._paths[track, side] = path
        write_picture(_waiting(path), picture)

    def png(self, track: int, side: Side) -> bytes | None:
        """The file of a track's texture, if there is one."""
        path = self._paths.get((track, side))
        if path is None:
            return None
        with one_sentence(path):
            return _waiting(path).read_bytes()

    def picture(self, track: int, side: Side) -> np.ndarray | None:
        """A track's texture (S, S, 3) uint8 RGB, if there is one."""
        data = self.png(track, side)
        return None if data is None else cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def __enter__(self) -> TextureFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for path in self._paths.values():
            if kind is None and self._publish:
                with one_sentence(path):
                    _waiting(path).replace(path)
            else:
                for left in (_waiting(path), temporary_name(_waiting(path))):
                    with suppress(OSError):
                        left.unlink(missing_ok=True)


class TexturesBeside:
    """The textures that an earlier run left in a folder, beside its hands."""

    def __init__(self, folder: Path):
        self._folder = folder

    def png(self, track: int, side: Side) -> bytes | None:
        """The file of a track's texture, if there is one. Raises InputError where it cannot be read."""
        path = self._folder / texture_name(track, side)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f'{path} cannot be read ({error.strerror}).') from error


def texture_name(track: int, side: Side) -> str:
    """Of a track's texture in the folder of its run."""
    return f'texture_{track}_{side}.png'


def _waiting(path: Path) -> Path:
    """Where a texture lies until the run is over."""
    return path.with_name(f'.{path.stem}.part.png')
