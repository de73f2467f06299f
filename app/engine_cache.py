"""Where TensorRT's engines are kept, so that they are built once: a folder for each network, TensorRT, ONNX Runtime, GPU and driver.

TensorRT writes into a folder of this process and thread, which gets its final name only when the first answer is there; so an engine under
that name is whole. Its list says what it was built for and the sha256 of each file. A folder whose list does not fit is put aside, never
loaded.
"""
from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import get_ident

from app.detector_file import cache_folder
from app.detector_file import sha256 as sha256_of_file

LIST = 'engine.json'
BUILDING = '.building-'
ABANDONED = 6 * 3600  # seconds after which what another process was building counts as left behind
LIBRARY = 'libnvinfer.so.10'  # the generation that ONNX Runtime's provider is linked to
ASK_TIMEOUT = 10  # seconds for nvidia-smi


@dataclass(frozen=True)
class Facts:
    """Everything that an engine depends on."""

    graph: str  # sha256 of the ONNX file
    runtime: str  # version of ONNX Runtime
    tensorrt: str  # version of TensorRT
    gpu: str  # name
    driver: str  # version
    options: str = ''  # of the build: precision and batch sizes

    @property
    def key(self) -> str:
        """The folder's name."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:24]


@cache
def gpu_and_driver() -> tuple[str, str]:
    """Name of the first NVIDIA GPU and version of its driver, 'unknown' where nvidia-smi does not tell."""
    command = ['nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader', '--id=0']
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ASK_TIMEOUT, check=True).stdout
        name, driver = (part.strip() for part in answer.splitlines()[0].rsplit(',', 1))
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return 'unknown', 'unknown'
    return name, driver


@cache
def tensorrt_version() -> str:
    """Version of the TensorRT library that ONNX Runtime would load, '' if there is none."""
    if importlib.util.find_spec('tensorrt_libs'):
        importlib.import_module('tensorrt_libs')  # pip's packages of TensorRT are not on the library path: this loads them
    try:
        number = ctypes.CDLL(LIBRARY).getInferLibVersion()
    except (OSError, AttributeError):
        return ''
    return f'{number // 10000}.{number // 100 % 100}.{number % 100}'


def facts_of(graph: bytes, options: str = '') -> Facts:
    """What an engine for this ONNX file would depend on here."""
    version = next((importlib.metadata.version(name) for name in ('onnxruntime-gpu', 'onnxruntime') if _installed(name)), 'unknown')
    return Facts(sha256(graph).hexdigest(), version, tensorrt_version() or 'unknown', *gpu_and_driver(), options)


class EngineCache:
    """The kept engines of one network on this machine.

    `folder` is where TensorRT reads and writes them, None if they cannot be kept; `note` says what a person should know, '' if nothing;
    `kept` whether they are there already. Call `seal` after the first answer.
    """

    def __init__(self, facts: Facts, parent: Path | None = None, now: Callable[[], float] = time.time) -> None:
        self.facts, self.note, self.kept = facts, '', False
        self.folder: Path | None = None
        parent = parent or cache_folder() / 'engines'
        self._final, self._own = parent / facts.key, parent / f'{BUILDING}{facts.key}-{os.getpid()}-{get_ident()}'
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self._remove_abandoned(parent, now())
            if self._final.exists() and (fault := self._fault()):
                put_aside(self._final)
                self.note = f'the kept TensorRT engine {fault}; it was put aside and is built anew'
            if self._final.exists():
                self.folder, self.kept = self._final, True
                return
            shutil.rmtree(self._own, ignore_errors=True)
            self._own.mkdir()
            (self._own / 'try').write_bytes(b'')
            (self._own / 'try').unlink()
            self.folder = self._own
        except OSError as error:
            self.note = (f'TensorRT engines cannot be kept in {parent} ({error.strerror or error}) and are built at every start; '
                         'S2HAND_CACHE names another folder')

    def seal(self) -> None:
        """The engines work: give their folder its name. Where that fails they are built anew next time, and `note` says so."""
        if self.kept or self.folder is None:
            return
        try:
            files = {path.name: sha256_of_file(path) for path in sorted(self._own.iterdir()) if path.is_file()}
            if not files:  # nothing was kept: the graph ran elsewhere
                return self.discard()
            (self._own / LIST).write_text(json.dumps({'facts': asdict(self.facts), 'files': files}, indent=1), encoding='utf-8')
            self._own.rename(self._final)
            self.folder, self.kept = self._final, True
        except OSError as error:
            if not self._final.exists():  # else another process was quicker
                self.note = f'the TensorRT engine could not be kept ({error.strerror or error}) and is built anew at the next start'
            self.discard()

    def discard(self) -> None:
        """Remove what was being built."""
        shutil.rmtree(self._own, ignore_errors=True)

    def _fault(self) -> str:
        """Why the folder under the final name must not be loaded; '' if it may."""
        try:
            listed = json.loads((self._final / LIST).read_text(encoding='utf-8'))
            facts, files = listed['facts'], dict(listed['files'])
        except (OSError, ValueError, KeyError, TypeError):
            return 'is half-written or not ours'
        if facts != asdict(self.facts):
            return 'was built for another network, GPU, driver or TensorRT'
        present = {path.name for path in self._final.iterdir()} - {LIST}
        if not files or present != files.keys():
            return 'is not complete or has files that do not belong to it'
        if any(sha256_of_file(self._final / name) != value for name, value in files.items()):
            return 'is damaged'
        return ''

    @staticmethod
    def _remove_abandoned(parent: Path, now: float) -> None:
        """Remove what processes that ended while building left."""
        for left in parent.glob(f'{BUILDING}*'):
            if now - left.stat().st_mtime > ABANDONED:
                shutil.rmtree(left, ignore_errors=True)


def put_aside(path: Path) -> Path:
    """Move a folder out of the way, in place of what was put aside before; returns where it is now. Raises OSError."""
    aside = path.with_name(f'{path.name}.aside')
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        aside.unlink(missing_ok=True)
    path.rename(aside)
    return aside


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
