"""What `make` runs before each target: the virtual environment `.venv` with the packages of requirements.txt, made once.

A stamp in `.venv` says for which requirements.txt and which Python it was made; where it fits, nothing else happens.
Runs on a bare Python before any package is installed, so: standard library only.
"""
from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from setup.system_libraries import LIBRARIES, SetupError, ensure_libraries, loads  # noqa: E402  (needs the path above)

OLDEST = (3, 11)


def main() -> int:
    """Make the environment ready and return the exit code; a sentence on stderr when it cannot be made."""
    environment = ROOT / '.venv'
    try:
        if sys.version_info[:2] < OLDEST:
            raise SetupError(f'Python {platform.python_version()} is too old: install 3.11 or newer, '
                             'or run `make PYTHON=/path/to/python3.11 ...`')
        if is_ready(environment, ROOT / 'requirements.txt'):
            return 0
        with open(ROOT / 'requirements.txt', encoding='utf-8') as lock:  # of two first runs at once, the second waits and finds all done
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_ready(environment, ROOT / 'requirements.txt'):
                build(environment, ROOT / 'requirements.txt')
    except SetupError as error:
        print(f'set-up: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\nStopped; the next run goes on from here.', file=sys.stderr)
        return 130
    return 0


def is_ready(environment: Path, requirements: Path) -> bool:
    """Whether the environment's stamp fits, its Python still exists and the system libraries still load."""
    stamp = environment / 'stamp'
    if not (environment / 'bin' / 'python').exists() or not stamp.is_file():
        return False
    return stamp.read_text() == stamp_text(requirements) and (sys.platform != 'linux' or all(map(loads, LIBRARIES)))


def stamp_text(requirements: Path) -> str:
    """What the environment was made from: this Python and the bytes of requirements.txt."""
    return f'{platform.python_version()} {sys.base_prefix} {hashlib.sha256(requirements.read_bytes()).hexdigest()}\n'


def build(environment: Path, requirements: Path) -> None:
    """Bring the system libraries, the environment, its packages and the detector's model file, and stamp it.

    Raises:
        SetupError: a step failed; what was done so far stays and is used by the next run.
    """
    started = time.monotonic()
    ensure_libraries()
    (environment / 'stamp').unlink(missing_ok=True)
    if not serves(environment):
        step([sys.executable, '-m', 'venv', '--clear', str(environment)], f'{environment} could not be made')
    print('Installing the packages of requirements.txt into .venv (once; a few minutes)', flush=True)
    python = str(environment / 'bin' / 'python')
    pip = [python, '-m', 'pip', 'install', '--no-input', '--disable-pip-version-check', *([] if sys.stdout.isatty() else ['-qq'])]
    if not has_nvidia_gpu() and not has_second_index(python):
        print('There is no NVIDIA GPU here, yet the usual torch for Linux brings gigabytes of CUDA libraries. '
              'README.md, "Install", says how to get the CPU build instead.', flush=True)
    step([*pip, '--requirement', str(requirements)], 'pip could not install the packages of requirements.txt')
    step([python, str(ROOT / 'main.py'), 'setup'], 'the last step of the set-up failed')
    (environment / 'stamp').write_text(stamp_text(requirements))
    print(f'Set-up done in {time.monotonic() - started:.0f} s', flush=True)


def serves(environment: Path) -> bool:
    """Whether the environment has a working pip on this Python's version, so that it can be kept."""
    check = f'import pip, sys; raise SystemExit(sys.version_info[:2] != {tuple(sys.version_info[:2])})'
    try:
        return subprocess.run([environment / 'bin' / 'python', '-c', check], capture_output=True).returncode == 0
    except OSError:
        return False


def step(command: list[str], failure: str) -> None:
    """Run one step, its output passing through.

    Raises:
        SetupError: it did not end with 0.
    """
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
        raise SetupError(f'{failure}; the reason stands above. Run the same command again when it is mended.')


def has_nvidia_gpu() -> bool:
    """Whether NVIDIA's kernel driver is loaded."""
    return Path('/proc/driver/nvidia/version').exists()


def has_second_index(python: str) -> bool:
    """Whether pip is told of more than the usual package index, where a CPU build of torch may lie."""
    result = subprocess.run([python, '-m', 'pip', 'config', 'list'], capture_output=True, text=True)
    told = result.stdout + ' '.join(name for name in os.environ if name.startswith('PIP_')).lower().replace('_', '-')
    return any(option in told for option in ('index-url', 'find-links'))


if __name__ == '__main__':
    sys.exit(main())
