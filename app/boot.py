"""Mends that must happen between certain imports, each with the defect it answers. Nothing here is needed for anything else.

The environment variables that must stand before the first import live in `app/__init__.py`.
"""
from __future__ import annotations

import os
import sys
import types
from types import ModuleType


def import_pyrender() -> ModuleType:
    """Import pyrender 0.1.45 on numpy 2 and on machines without a display.

    Raises:
        ImportError: pyrender or a system library of OpenGL is missing.
    """
    import numpy as np

    if not hasattr(np, 'infty'):  # pyrender's bounds and its spot lights use the name that numpy 2 removed
        np.infty = np.inf
    if 'pyrender.viewer' not in sys.modules:  # its window imports pyglet.window, which wants libXrender; we draw off screen
        viewer = types.ModuleType('pyrender.viewer')
        viewer.Viewer = type('Viewer', (), {})
        sys.modules['pyrender.viewer'] = viewer
    import pyrender

    return pyrender


def free_qt_from_opencv() -> None:
    """Call after `import cv2` and before `QApplication`: OpenCV points Qt at its own plugins, and PyQt5 aborts on them (exit 134).

    `cv2.imshow` aborts from then on; the project never calls it.
    """
    for name in ('QT_QPA_PLATFORM_PLUGIN_PATH', 'QT_QPA_FONTDIR'):
        os.environ.pop(name, None)
