"""What the figures were measured on."""
from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from app.engine_cache import gpu_and_driver, tensorrt_version
from app.outputs.report import versions
from app.rendering.context import NoOpenGL, context

BUSY = 0.5  # processes waiting to run for each core before anything is measured, from which on the machine counts as busy


@dataclass(frozen=True)
class Machine:
    """A computer and what is installed on it."""

    cpu: str
    cores: int  # that this process may use
    memory_gb: float | None
    gpu: str  # '' if none
    opengl: str  # what draws; '' if there is no OpenGL and the processor draws by itself
    system: str
    versions: dict[str, str]
    load: float | None  # processes that want to run, mean of the last minute before the bench; None where the system does not tell

    @property
    def busy(self) -> bool:
        """Whether something else was running."""
        return self.load is not None and self.load > BUSY * self.cores


def this_machine() -> Machine:
    name, driver = gpu_and_driver()
    found = versions()
    if tensorrt_version():
        found['tensorrt'] = tensorrt_version()
    return Machine(_cpu(), cores(), _memory(), '' if name == 'unknown' else f'{name}, driver {driver}', _opengl(),
                   f'{platform.system()} {platform.release()} {platform.machine()}', found,
                   round(os.getloadavg()[0], 2) if hasattr(os, 'getloadavg') else None)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def _cpu() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    except OSError:
        lines = []
    named = {line.split(':')[0].strip(): line.split(':', 1)[1].strip() for line in lines if ':' in line}
    if 'model name' not in named:
        return platform.processor() or platform.machine()
    return named['model name'] + (f' (family {named["cpu family"]}, model {named["model"]})' if 'cpu family' in named else '')


def _memory() -> float | None:
    if sys.platform != 'linux':
        return None
    return round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9, 1)


def _opengl() -> str:
    try:
        with context.current():
            from OpenGL.GL import GL_RENDERER, glGetString

            return glGetString(GL_RENDERER).decode()
    except NoOpenGL:
        return ''
