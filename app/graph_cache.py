"""The optimised form of a network, ONNX Runtime's or OpenVINO's, kept so that it is made once for each network, version and processor.

Opening it takes half as long, and what counts more in the window: ONNX Runtime holds Python's lock a third as long. A file's name carries
the sha256 of its bytes, so a file that is cut, damaged or somebody else's is told by its name; it is removed and never loaded.
"""
from __future__ import annotations

import os
import platform
import time
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import get_ident

from app.detector_file import cache_folder
from app.detector_file import sha256 as sha256_of_file

SMALLEST = 1_000_000  # bytes; smaller networks open at once
MOST = 4  # networks that are kept, the last ones used
BUILDING = '.building-'
ABANDONED = 3600  # seconds after which what another process was building counts as left behind


class KeptGraph:
    """The kept form of one graph on this machine.

    `path` is the file to open without any further optimisation, None if there is none yet; then `building` is where the form
    should be written, None where nothing can be kept. Call `seal` when it is written, `discard` when opening either failed.
    """

    def __init__(self, graph: bytes, runtime: str, folder: Path | None = None, processor: str | None = None, smallest: int = SMALLEST,
                 ending: str = '.onnx'):
        """`runtime`: what optimises the graph, with its version; `ending` of its files' names."""
        self._ending = ending
        self.path: Path | None = None
        self.building: Path | None = None
        if len(graph) < smallest:
            return
        self._folder = folder or cache_folder() / 'graphs'
        self._key = sha256('\n'.join((sha256(graph).hexdigest(), runtime, processor or processor_name())).encode()).hexdigest()[:24]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.path = self._find()
            if self.path is None:
                building = self._folder / f'{BUILDING}{self._key}-{os.getpid()}-{get_ident()}'  # of this thread alone
                building.write_bytes(b'')  # tells now whether the folder can be written to
                self.building = building
        except OSError:  # the network is then optimised at every start
            self.path = None

    def seal(self) -> None:
        """The file is written: give it its name."""
        if self.building is None:
            return
        try:
            if any(self._folder.glob(f'{self._key}-*{self._ending}')):  # another process was quicker
                return self.discard()
            self.building.replace(self._folder / f'{self._key}-{sha256_of_file(self.building)}{self._ending}')
            self._tidy()
        except OSError:
            self.discard()

    def discard(self) -> None:
        """Remove the file that was being built, or that could not be opened."""
        for file in (self.building, self.path):
            if file is not None:
                with suppress(OSError):
                    file.unlink()
        self.building = self.path = None

    def _find(self) -> Path | None:
        """The kept file, if it is whole; others under its name are removed."""
        for file in sorted(self._folder.glob(f'{self._key}-*{self._ending}')):
            if file.stem == f'{self._key}-{sha256_of_file(file)}':
                with suppress(OSError):
                    os.utime(file)  # the last ones used are kept
                return file
            file.unlink()
        return None

    def _tidy(self) -> None:
        """Remove what has not been used for longest, and what processes that ended while building left."""
        kept = sorted(self._folder.glob(f'*{self._ending}'), key=lambda file: file.stat().st_mtime)
        left = [file for file in self._folder.glob(f'{BUILDING}*') if time.time() - file.stat().st_mtime > ABANDONED]
        for file in kept[:-MOST] + left:
            file.unlink(missing_ok=True)


@cache
def processor_name() -> str:
    """What an optimised network depends on: the processor's name and what it can do."""
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace').split('\n\n')[0].splitlines()
        told = [line for line in lines if line.startswith(('model name', 'flags', 'Features', 'CPU implementer', 'CPU part'))]
    except OSError:
        told = []
    return '\n'.join([platform.system(), platform.machine(), platform.processor(), *told])
