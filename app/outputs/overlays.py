"""`overlays/NAME.jpg`: the pictures of a folder, which have nothing to do with each other, with the hands drawn on them."""
from __future__ import annotations

from pathlib import Path
from types import TracebackType

import numpy as np

from app.outputs.picture import write_picture
from app.outputs.whole_folder import WholeFolder
from app.types import Frame


class OverlaysWriter:
    """Writes the folder of overlays. A context manager: leaving it well gives the folder its name, in the place of an older one; leaving it
    by an error leaves nothing. Raises InputError where the disk refuses."""

    def __init__(self, folder: Path):
        self._folder = WholeFolder(folder)
        self._names: set[str] = set()

    def write(self, frame: Frame, picture: np.ndarray) -> None:
        """Add a picture (H, W, 3) uint8 RGB, named as its source; the second of two like hand.jpg and hand.png gets its number, too."""
        name = Path(frame.name).stem
        if name.casefold() in self._names:
            name = f'{name}_{frame.index:06d}'
        self._names.add(name.casefold())
        write_picture(self._folder.part / f'{name}.jpg', picture)

    def __enter__(self) -> OverlaysWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._names:
            self._folder.publish()
        else:
            self._folder.remove()
