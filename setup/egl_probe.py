"""Exits with 0 if EGL's first device opens, the way pyrender will open it. Run as a script: a broken driver may crash the process."""
from __future__ import annotations

import ctypes
import sys

EGL_PLATFORM_DEVICE_EXT = 0x313F


def opens() -> bool:
    """Whether the first EGL device gives a display that initialises (GPU or Mesa's software renderer)."""
    egl = ctypes.CDLL('libEGL.so.1')
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    addresses = [egl.eglGetProcAddress(name) for name in (b'eglQueryDevicesEXT', b'eglGetPlatformDisplayEXT')]
    if not all(addresses):
        return False
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(addresses[0])
    get_display = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)(addresses[1])
    device, count = (ctypes.c_void_p * 1)(), ctypes.c_int()
    if not query(1, device, ctypes.byref(count)) or count.value < 1:
        return False
    egl.eglInitialize.argtypes = [ctypes.c_void_p] * 3
    return bool(egl.eglInitialize(get_display(EGL_PLATFORM_DEVICE_EXT, device[0], None), None, None))


if __name__ == '__main__':
    sys.exit(not opens())
