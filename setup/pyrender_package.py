"""Installs pyrender where its own requirements cannot be met.

pyrender 0.1.45, the last release, insists on PyOpenGL 3.1.0, which does not work on Python 3.12 and later. There, requirements.txt
leaves pyrender out and asks for a newer PyOpenGL, and this step adds pyrender without asking for its requirements.
"""
from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from app.errors import InputError

REQUIREMENTS = Path(__file__).resolve().parent.parent / 'requirements.txt'


def pinned(name: str, requirements: Path = REQUIREMENTS) -> str:
    """The pin of a package as requirements.txt has it, for example 'pyrender==0.1.45', without marker and comment."""
    for line in requirements.read_text(encoding='utf-8').splitlines():
        if line.startswith(f'{name}=='):
            return line.split('#')[0].split(';')[0].strip()
    raise ValueError(f'{requirements} does not pin {name}')


def ensure_pyrender() -> None:
    """Install pyrender unless it is there.

    Raises:
        InputError: pip could not install it.
    """
    if importlib.util.find_spec('pyrender'):
        return
    pin = pinned('pyrender')
    command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', '--no-deps', pin]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace')
    if result.returncode:
        raise InputError(f'pip could not install {pin}: {result.stderr.strip()[-400:]}')
