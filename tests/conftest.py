"""What several tests need: the project's root, real data when it is at hand, the demo clip, and the program as a person runs it."""
from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import app  # noqa: F401  before NumPy, as the program does: its linear algebra shall not use threads, which only wait for each other
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = Path(os.environ.get('S2HAND_DATA') or ROOT.parent / 'shared' / 'data')
DEMO_CLIP = ROOT / 'assets' / 'demo' / 'demo.mp4'

settings.register_profile('s2hand', deadline=None, print_blob=True)  # shared machines make any deadline a lottery
settings.load_profile('s2hand')


@pytest.fixture(scope='session')
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """The folder of real pictures and clips; it is not part of the project, so tests that need it skip without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f'the real pictures and clips are not at {SHARED_DATA}; S2HAND_DATA says where they are')
    return SHARED_DATA


@pytest.fixture(scope='session')
def demo_clip() -> Path:
    """The bundled clip, the one input that every checkout has."""
    assert DEMO_CLIP.is_file(), f'{DEMO_CLIP} belongs to the project and is missing'
    return DEMO_CLIP


@pytest.fixture(scope='session')
def run_main() -> Callable[..., subprocess.CompletedProcess]:
    """`run_main('reconstruct', 'clip.mp4', ...)`: `python main.py` in a child process, as a person runs it."""
    def run(*arguments: object, timeout: float = 300, **options) -> subprocess.CompletedProcess:
        options = {'cwd': ROOT, 'capture_output': True, 'text': True, 'stdin': subprocess.DEVNULL, 'timeout': timeout, **options}
        return subprocess.run([sys.executable, str(ROOT / 'main.py'), *map(str, arguments)], **options)

    return run
