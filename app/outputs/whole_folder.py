"""A folder that appears under its name whole or not at all, as single files do (`atomic.py`)."""
from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from app.outputs.atomic import one_sentence, temporary_name


class WholeFolder:
    """Fill the folder `part`, then `publish` it under its name in the place of an older one, or `remove` it. Raises InputError where the
    disk refuses."""

    def __init__(self, folder: Path, part: Path | None = None):
        """`part`: another name for the folder while it is filled."""
        self.folder, self.part = folder, part or temporary_name(folder)
        with one_sentence(folder):
            _gone(self.part)
            self.part.mkdir()

    def publish(self) -> None:
        """Give the folder its name; if that fails, the older one stays."""
        old = self.folder.with_name(f'.{self.folder.name}.old')
        try:
            with one_sentence(self.folder):
                _gone(old)
                if self.folder.exists():
                    self.folder.replace(old)
                try:
                    self.part.replace(self.folder)
                except OSError:
                    if old.exists():
                        old.replace(self.folder)
                    raise
        finally:
            self.remove()
        _gone(old)

    def remove(self) -> None:
        """Leave nothing of what was filled."""
        _gone(self.part)


def _gone(folder: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(folder)
