"""Triangles to pixels: the one place that calls OpenGL, or, where it does not start, hands over to `software.py`.

One program, one vertex buffer and one index buffer for the whole process.
"""
from __future__ import annotations

import ctypes
import os
import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from app.errors import InputError
from app.rendering import software
from app.rendering.context import NoOpenGL, brief, context
from app.rendering.strips import COLUMNS

_VERTEX = """#version 330
uniform vec4 window;  // picture pixels -> clip coordinates: scale x, scale y, offset x, offset y
uniform vec2 depth;   // metres -> clip coordinates: scale, offset
layout(location = 0) in vec3 place;   // u, v in pixels, depth in metres
layout(location = 1) in vec4 colour;  // sRGB, opacity
layout(location = 2) in vec2 strip;  // across, reach
noperspective out vec4 paint;
noperspective out vec2 beside;
void main() {
    paint = colour;
    beside = strip;
    gl_Position = vec4((place.xy * window.xy + window.zw) * place.z, place.z * depth.x + depth.y, place.z);
}
"""
_FRAGMENT = """#version 330
noperspective in vec4 paint;
noperspective in vec2 beside;
out vec4 pixel;
void main() {
    float alpha = paint.a * clamp(beside.y - abs(beside.x), 0.0, 1.0);
    pixel = vec4(paint.rgb * alpha, alpha);
}
"""
_ROUND = 64  # framebuffers come in multiples of this, so that a moving hand does not ask for a new one in each frame
_KEPT = 8


class Device:
    """Use inside `context.current()`."""

    def __init__(self) -> None:
        from OpenGL import GL
        from OpenGL.GL import shaders

        self.gl = GL
        vertices = GL.glGenVertexArrays(1)
        GL.glBindVertexArray(vertices)  # some drivers refuse to link without one
        self._program = shaders.compileProgram(
            shaders.compileShader(_VERTEX, GL.GL_VERTEX_SHADER), shaders.compileShader(_FRAGMENT, GL.GL_FRAGMENT_SHADER))
        self._window, self._depth = (GL.glGetUniformLocation(self._program, name) for name in ('window', 'depth'))
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, GL.glGenBuffers(1))
        GL.glBindBuffer(GL.GL_ELEMENT_ARRAY_BUFFER, GL.glGenBuffers(1))
        for location, size, start in ((0, 3, 0), (1, 4, 12), (2, 2, 28)):
            GL.glEnableVertexAttribArray(location)
            GL.glVertexAttribPointer(location, size, GL.GL_FLOAT, False, COLUMNS * 4, ctypes.c_void_p(start))
        GL.glUseProgram(self._program)
        GL.glEnable(GL.GL_DEPTH_TEST)
        GL.glDepthFunc(GL.GL_LEQUAL)
        GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        GL.glPolygonOffset(1, 1)
        GL.glEnable(GL.GL_POLYGON_OFFSET_FILL)
        GL.glFrontFace(GL.GL_CW)  # row 0 of the picture is drawn at the bottom, which saves turning it round
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
        GL.glClearColor(0, 0, 0, 0)
        self._largest = min(int(GL.glGetIntegerv(GL.GL_MAX_RENDERBUFFER_SIZE)), *map(int, GL.glGetIntegerv(GL.GL_MAX_VIEWPORT_DIMS)))
        self._framebuffers: OrderedDict[tuple[int, int], tuple] = OrderedDict()

    def draw(self, points: np.ndarray, surfaces: np.ndarray, strips: np.ndarray, region: tuple[int, int, int, int], scale: int,
             two_sided: bool) -> np.ndarray:
        """Points (P, 9), triangles of surfaces and strips (T, 3) into them, region x0, y0, x1, y1 in pixels, `scale` samples along
        each pixel side -> premultiplied RGBA (h * scale, w * scale, 4) uint8."""
        gl = self.gl
        x0, y0, x1, y1 = region
        width, height = (x1 - x0) * scale, (y1 - y0) * scale
        self._bind(width, height)
        gl.glViewport(0, 0, width, height)
        gl.glClear(gl.GL_COLOR_BUFFER_BIT | gl.GL_DEPTH_BUFFER_BIT)
        sx, sy = 2 / (x1 - x0), 2 / (y1 - y0)
        gl.glUniform4f(self._window, sx, sy, (0.5 - x0) * sx - 1, (0.5 - y0) * sy - 1)
        ahead = points[:, 2][points[:, 2] > 0]
        near = max(float(points[:, 2].min()) * 0.9, 0.005)
        far = max(float(ahead.max()) * 1.1 if len(ahead) else 1.0, near * 2)
        gl.glUniform2f(self._depth, (far + near) / (far - near), -2 * far * near / (far - near))
        indices = np.concatenate([surfaces.ravel(), strips.ravel()]).astype(np.uint32, copy=False)
        gl.glBufferData(gl.GL_ARRAY_BUFFER, points.nbytes, points, gl.GL_STREAM_DRAW)
        gl.glBufferData(gl.GL_ELEMENT_ARRAY_BUFFER, indices.nbytes, indices, gl.GL_STREAM_DRAW)
        (gl.glDisable if two_sided else gl.glEnable)(gl.GL_CULL_FACE)
        gl.glDrawElements(gl.GL_TRIANGLES, surfaces.size, gl.GL_UNSIGNED_INT, ctypes.c_void_p(0))
        if strips.size:
            gl.glDisable(gl.GL_CULL_FACE)
            gl.glEnable(gl.GL_BLEND)
            gl.glDepthMask(False)
            gl.glDrawElements(gl.GL_TRIANGLES, strips.size, gl.GL_UNSIGNED_INT, ctypes.c_void_p(4 * surfaces.size))
            gl.glDepthMask(True)
            gl.glDisable(gl.GL_BLEND)
        out = np.empty((height, width, 4), np.uint8)
        gl.glReadPixels(0, 0, width, height, gl.GL_RGBA, gl.GL_UNSIGNED_BYTE, out)
        return out

    def _bind(self, width: int, height: int) -> None:
        if max(width, height) > self._largest:
            raise InputError(f'A picture of {width} x {height} samples is larger than the {self._largest} that OpenGL draws here; '
                             'make the picture smaller.')
        gl = self.gl
        size = tuple(min(-(-n // _ROUND) * _ROUND, self._largest) for n in (width, height))
        found = self._framebuffers.pop(size, None)
        if found is None:
            found = self._framebuffer(*size)
            while len(self._framebuffers) >= _KEPT:
                frame, colour, depth = self._framebuffers.popitem(last=False)[1]
                gl.glDeleteFramebuffers(1, [frame])
                gl.glDeleteRenderbuffers(2, [colour, depth])
        self._framebuffers[size] = found
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, found[0])

    def _framebuffer(self, width: int, height: int) -> tuple:
        gl = self.gl
        frame = gl.glGenFramebuffers(1)
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, frame)
        colour, depth = gl.glGenRenderbuffers(2)
        for buffer, form, place in ((colour, gl.GL_RGBA8, gl.GL_COLOR_ATTACHMENT0),
                                    (depth, gl.GL_DEPTH_COMPONENT24, gl.GL_DEPTH_ATTACHMENT)):
            gl.glBindRenderbuffer(gl.GL_RENDERBUFFER, buffer)
            gl.glRenderbufferStorage(gl.GL_RENDERBUFFER, form, width, height)
            gl.glFramebufferRenderbuffer(gl.GL_FRAMEBUFFER, place, gl.GL_RENDERBUFFER, buffer)
        if gl.glCheckFramebufferStatus(gl.GL_FRAMEBUFFER) != gl.GL_FRAMEBUFFER_COMPLETE:
            raise InputError(f'OpenGL cannot draw a picture of {width} x {height} here; make the picture smaller.')
        return frame, colour, depth


class _Drawing:
    """OpenGL or the processor: chosen with the first picture, and kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._draw: Callable[..., np.ndarray] | None = None
        self.note = ''

    def __call__(self, *arguments) -> np.ndarray:
        if self._draw is None:
            with self._lock:
                if self._draw is None:
                    self._draw = self._choose()
        return self._draw(*arguments)

    def _choose(self) -> Callable[..., np.ndarray]:
        if os.environ.get('S2HAND_DRAW') == 'software':
            self.note = 'Hands are drawn by the processor, because S2HAND_DRAW=software asks for it.'
            return software.draw
        try:
            with context.current():
                device = _started()
        except NoOpenGL as error:
            self.note = f'Hands are drawn by the processor, which takes a little longer: {error}'
            return software.draw

        def draw(*arguments) -> np.ndarray:
            with context.current():
                return device.draw(*arguments)

        return draw


def _started() -> Device:
    try:
        return Device()
    except Exception as error:  # an old driver has no such shaders, or something else is missing: each says it in its own way
        raise NoOpenGL(f'OpenGL starts, but cannot draw hands here ({brief(error)}); install a newer graphics driver.') from error


_drawing = _Drawing()


def draw(*arguments) -> np.ndarray:
    """`Device.draw` on the process's one device, or by the processor where there is none. From any thread."""
    return _drawing(*arguments)


def note() -> str:
    """A sentence if hands are drawn by the processor: why, and what to install; else, and before the first picture, ''.

    `S2HAND_DRAW=software` in the environment asks for that (checks without OpenGL).
    """
    return _drawing.note
