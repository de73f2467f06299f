"""The process's one OpenGL context, off screen; pyrender's platform classes make it."""
from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from contextlib import contextmanager
from types import ModuleType

from app.errors import InputError

_WHAT_TO_DO = {
    'linux': 'install the libraries with `apt-get install -y --no-install-recommends libegl1 libgl1` (or your system\'s Mesa packages)',
}


class NoOpenGL(InputError):
    """This machine has no OpenGL that draws off screen; the message says why, and what to do."""


class _Context:
    """Made on first use and kept until the process ends: deleting one of pyrender's contexts ends the display that all share."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._platform = None
        self._depth = 0

    @contextmanager
    def current(self):
        """Holds the context in this thread while inside; other threads wait. May be nested.

        Raises NoOpenGL when this machine has none that draws off screen.
        """
        with self._lock:
            if self._platform is None:
                self._platform = _make_platform()
            if self._depth == 0:
                self._platform.make_current()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    _release(self._platform)


def _make_platform():
    try:
        platform = _platform_class()(1, 1)
        platform.init_context()
        from OpenGL.GL import GL_VERSION, glGetString

        if not glGetString(GL_VERSION):
            raise RuntimeError('the context has no version')
    except Exception as error:  # which one depends on the library that is missing
        remedy = _WHAT_TO_DO.get(sys.platform, 'install a graphics driver with OpenGL 3.3 or newer')
        raise NoOpenGL(f'OpenGL does not start without a screen here ({brief(error)}); {remedy}.') from error
    return platform


def _platform_class() -> type:
    """pyrender's class that makes a context. Of pyrender only that is imported: the whole of it would cost 0.6 s and 75 MB more."""
    # no EGL elsewhere: a hidden window
    module, name = ('egl', 'EGLPlatform') if sys.platform == 'linux' else ('pyglet_platform', 'PygletPlatform')
    if 'pyrender' in sys.modules:
        return getattr(importlib.import_module(f'pyrender.platforms.{module}'), name)
    spec = importlib.util.find_spec('pyrender')
    if spec is None:
        raise ImportError('there is no package pyrender')
    package = sys.modules['pyrender'] = ModuleType('pyrender')  # stands in for the package, whose own file imports everything
    package.__path__ = list(spec.submodule_search_locations)
    try:
        return getattr(importlib.import_module(f'pyrender.platforms.{module}'), name)
    finally:
        for loaded in [known for known in list(sys.modules) if known.partition('.')[0] == 'pyrender']:
            del sys.modules[loaded]  # whoever imports pyrender later gets the real one


def _release(platform) -> None:
    """A context can be current in one thread only, so it is let go after each picture. (pyrender's own does nothing on EGL.)"""
    if sys.platform == 'linux':
        from OpenGL.EGL import EGL_NO_CONTEXT, EGL_NO_SURFACE, eglMakeCurrent

        eglMakeCurrent(platform._egl_display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT)
    else:
        platform.make_uncurrent()


def brief(error: Exception) -> str:
    """One line about an error of OpenGL's."""
    if isinstance(error, IndexError):  # pyrender takes the first device of an empty list
        return 'EGL finds no driver'
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:120]


context = _Context()
