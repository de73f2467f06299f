"""Finds the system libraries that the Python packages load, and installs the missing ones by apt when it may.

Whether a library is there is asked of the loader, not of a package manager: any distribution may have it from anywhere.
Runs on a bare Python before any package is installed, so: standard library only.
"""
from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

LIBRARIES = {  # what is loaded: the Debian or Ubuntu package that has it
    'libGL.so.1': 'libgl1',  # OpenCV, pyrender
    'libEGL.so.1': 'libegl1',  # pyrender draws off screen through EGL
    'libgthread-2.0.so.0': 'libglib2.0-0',  # OpenCV
    'libxcb.so.1': 'libxcb1',  # OpenCV
}
WINDOW_LIBRARIES = {  # what Qt loads to open a window; everything else works without
    'libfontconfig.so.1': 'libfontconfig1',
    'libdbus-1.so.3': 'libdbus-1-3',
    'libxcb-icccm.so.4': 'libxcb-icccm4',
    'libxcb-image.so.0': 'libxcb-image0',
    'libxcb-keysyms.so.1': 'libxcb-keysyms1',
    'libxcb-randr.so.0': 'libxcb-randr0',
    'libxcb-render-util.so.0': 'libxcb-render-util0',
    'libxcb-shape.so.0': 'libxcb-shape0',
    'libxcb-xinerama.so.0': 'libxcb-xinerama0',
    'libxcb-xkb.so.1': 'libxcb-xkb1',
    'libxkbcommon-x11.so.0': 'libxkbcommon-x11-0',
}
FONTS = 'fonts-dejavu-core'  # a bare machine has no letters at all, and the window's would be empty
FONT_FOLDERS = ('/usr/share/fonts', '/usr/local/share/fonts', '~/.local/share/fonts', '~/.fonts')
DRIVER = 'libgl1-mesa-dri'  # Mesa's software driver: EGL loads without it but cannot open a display on a machine without a GPU


class SetupError(Exception):
    """The set-up cannot go on; the message says what the person can do."""


def missing_packages() -> list[str]:
    """Debian packages of the libraries that cannot be loaded, and of whatever venv needs."""
    packages = [package for library, package in LIBRARIES.items() if not loads(library)]
    if not has_venv():
        packages.append(f'python{sys.version_info.major}.{sys.version_info.minor}-venv')
    return packages


def missing_for_the_window() -> list[str]:
    """Debian packages that only the window needs: libraries that cannot be loaded, and a font where there is none."""
    packages = [package for library, package in WINDOW_LIBRARIES.items() if not loads(library)]
    return packages if has_font() else [*packages, FONTS]


def loads(library: str) -> bool:
    """Whether the dynamic loader finds the library and everything it needs."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def has_font() -> bool:
    """Whether there is any font that scales."""
    folders = [Path(name).expanduser() for name in FONT_FOLDERS]
    return any(path.suffix.lower() in ('.ttf', '.otf', '.ttc') for folder in folders if folder.is_dir() for path in folder.rglob('*'))


def has_venv() -> bool:
    """Whether this Python can make environments with pip; Debian ships the two modules apart from it."""
    try:
        import ensurepip  # noqa: F401  (missing where Debian's python3-venv is)
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def egl_opens() -> bool:
    """Whether EGL can open a display, asked in a child process because a broken driver may crash it."""
    probe = Path(__file__).with_name('egl_probe.py')
    return subprocess.run([sys.executable, probe], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def ensure_libraries() -> None:
    """Install what is missing.

    Raises:
        SetupError: something is missing and may not, or cannot, be installed from here.
    """
    if sys.platform != 'linux':
        return
    missing = missing_packages()
    if 'libegl1' in missing or not egl_opens():
        missing.append(DRIVER)
    window = missing_for_the_window()
    if not missing and not window:
        return
    try:
        install([*missing, *window])
    except SetupError as error:
        if missing:
            raise
        print(f'Warning: the window cannot open yet, all else works. {error}')
        return
    still = missing_packages()
    if still:
        raise SetupError(f'these are still missing after their installation: {" ".join(still)}. Install them by hand and run this again.')
    if not egl_opens():
        print('Warning: EGL cannot open a display on this machine, so the processor draws the hands instead of OpenGL, which is slower.')


def install(packages: list[str]) -> None:
    """Install Debian packages as root or by a sudo that asks for no password.

    Raises:
        SetupError: there is no apt, no permission, or apt failed.
    """
    line = shlex.join(['apt-get', 'install', '-y', '--no-install-recommends', *packages])
    if not shutil.which('apt-get'):
        raise SetupError(f'this machine lacks what Debian calls: {" ".join(packages)}. Install the same with its package manager '
                         'and run this again.')
    prefix = root_prefix()
    if prefix is None:
        raise SetupError('system packages are missing and installing them needs root. Run this line, then this again:\n\n'
                         f'    sudo {line}\n')
    print(f'Installing system packages: {" ".join(packages)}', flush=True)
    environment = {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive', 'LC_ALL': 'C.UTF-8'}
    apt = [*prefix, 'apt-get', '-o', 'DPkg::Lock::Timeout=120', '-qq']
    run = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.STDOUT, 'text': True, 'env': environment}
    subprocess.run([*apt, 'update'], **run)  # a bare machine has no lists; one source out of reach need not matter
    result = subprocess.run([*apt, 'install', '-y', '--no-install-recommends', *packages], **run)
    if result.returncode:
        print(result.stdout, file=sys.stderr)
        raise SetupError(f'apt could not install them (its words are above). Run this line, then this again:\n\n    sudo {line}\n')


def root_prefix() -> list[str] | None:
    """What to put before a command that needs root: nothing for root itself, sudo if it asks for no password, None if neither."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which('sudo')
    if sudo and subprocess.run([sudo, '-n', 'true'], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
        return [sudo, '-n', 'DEBIAN_FRONTEND=noninteractive']
    return None
