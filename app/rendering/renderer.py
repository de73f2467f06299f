"""Meshes to pictures, off screen, with antialiased edges: for the overlay, the demo clip, training pictures and silhouettes.

Colours are drawn as given: light is computed per vertex before (`light.py`), so one path serves every look. Only the meshes' box is
drawn and read back: about 1.4 ms for one hand of 1,600 vertices in a box of 210 x 310 pixels, on one core without a GPU.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from app.rendering import device
from app.rendering.strips import COLUMNS, feather, lines
from app.rendering.topology import topology_of
from app.types import Intrinsics

_MARGIN = 2  # pixels around the meshes, for the feather
_CLOSEST = 1e-3  # metres; what is nearer is behind the lens


@dataclass(frozen=True, eq=False)
class Mesh:
    """What to draw. For the mirrored (left) hand turn the faces round: `faces[:, ::-1]`."""

    vertices: np.ndarray  # (N, 3) metres, camera frame
    faces: np.ndarray  # (F, 3) counter-clockwise seen from outside; the other side is not drawn
    colours: np.ndarray  # (N, 3) sRGB, uint8 or floats in 0..1, as they shall appear
    opacity: np.ndarray | float = 1.0  # (N,) or one number, 0..1
    line_width: float = 0.0  # pixels; above 0 the edges are drawn in the colours and the faces in `ground`
    ground: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # sRGB and share of the opacity; at 0 faces still hide what is behind
    curved: bool = False  # the outline runs in curves through the mesh's corners, not straight from one to the next (`strips.feather`)


@dataclass(frozen=True, eq=False)
class Layer:
    """A drawn box of a picture, colours multiplied by alpha."""

    rgb: np.ndarray  # (h, w, 3) uint8, premultiplied
    alpha: np.ndarray  # (h, w) uint8
    x: int  # of the box's left column in the picture
    y: int  # of its top row


class Renderer:
    """Draws pictures of one size. Any number may exist, in any thread: all share the process's one OpenGL context, in turn."""

    def __init__(self, width: int, height: int, supersample: int = 1):
        """`supersample` > 1 draws that many samples along a pixel's side: for stills; edges are antialiased without it."""
        if width < 1 or height < 1 or supersample < 1:
            raise ValueError(f'cannot draw {width} x {height} pixels with {supersample} samples')
        self.width, self.height, self.supersample = int(width), int(height), int(supersample)

    def render(self, meshes: list[Mesh], intrinsics: Intrinsics, background: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The meshes, nearer ones in front -> sRGB (H, W, 3) uint8 and alpha (H, W) uint8.

        Colours are not multiplied by alpha (black where alpha is 0), unless a `background` (H, W, 3) is given: then they are laid on it.
        Raises ValueError on numbers that are not finite or shapes that do not fit.
        """
        layer = self.layer(meshes, intrinsics)
        alpha = np.zeros((self.height, self.width), np.uint8)
        box = slice(layer.y, layer.y + layer.alpha.shape[0]), slice(layer.x, layer.x + layer.alpha.shape[1])
        alpha[box] = layer.alpha
        if background is not None:
            if background.shape != (self.height, self.width, 3):
                raise ValueError(f'the background is {background.shape}, the picture {self.height} x {self.width} x 3')
            rgb = background.copy()
            composite(rgb, layer)
            return rgb, alpha
        rgb = np.zeros((self.height, self.width, 3), np.uint8)
        straight = layer.rgb.copy()
        partly = np.nonzero((layer.alpha > 0) & (layer.alpha < 255))
        straight[partly] = np.minimum(layer.rgb[partly] * (255 / layer.alpha[partly].astype(np.float32))[:, None] + 0.5, 255)
        rgb[box] = straight
        return rgb, alpha

    def silhouette(self, meshes: list[Mesh], intrinsics: Intrinsics) -> np.ndarray:
        """(H, W) bool: pixels whose centre lies on a mesh, whichever way its faces look."""
        layer = self.layer(meshes, intrinsics, two_sided=True, soft=False)
        mask = np.zeros((self.height, self.width), bool)
        mask[layer.y:layer.y + layer.alpha.shape[0], layer.x:layer.x + layer.alpha.shape[1]] = layer.alpha > 127
        return mask

    def layer(self, meshes: list[Mesh], intrinsics: Intrinsics, two_sided: bool = False, soft: bool = True) -> Layer:
        """As `render`, but only the box that the meshes cover (empty if none is in the picture). `soft`: antialiased edges."""
        scale = self.supersample if soft else 1
        points, surfaces, strips, count, hidden = [], [], [], 0, False

        def add(more: np.ndarray, triangles: np.ndarray, kind: list) -> None:
            nonlocal count
            points.append(more)
            kind.append(triangles + np.int32(count))
            count += len(more)

        boxes = []
        for mesh in meshes:
            topology, these = _points(mesh, intrinsics)
            box, crosses = self._box(these)
            if box is None:
                continue
            boxes.append(box)
            hidden |= crosses
            front = topology.front(these[:, :2])
            if crosses:
                front &= (these[:, 2][topology.corners] > 0).all(0)
            if mesh.line_width > 0:
                line, triangles = lines(these, front, topology, mesh.line_width)
                add(line, triangles, strips)
                these = these.copy()
                these[:, 3:6] = mesh.ground[:3]
                these[:, 6] *= mesh.ground[3]
            if soft:
                add(*feather(these, front, topology, 1 / scale, mesh.curved), strips)
            add(these, topology.faces, surfaces)
        if not boxes:
            return Layer(np.zeros((0, 0, 3), np.uint8), np.zeros((0, 0), np.uint8), 0, 0)
        boxes = np.array(boxes)
        region = (*boxes[:, :2].min(0).tolist(), *boxes[:, 2:].max(0).tolist())
        none = np.empty((0, 3), np.int32)
        rgba = device.draw(np.concatenate(points), np.concatenate(surfaces), np.concatenate([none, *strips]), region, scale, two_sided)
        if scale > 1:
            rgba = cv2.resize(rgba, (region[2] - region[0], region[3] - region[1]), interpolation=cv2.INTER_AREA)
        return Layer(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), cv2.extractChannel(rgba, 3), region[0], region[1])

    def _box(self, points: np.ndarray) -> tuple[tuple[int, int, int, int] | None, bool]:
        """x0, y0, x1, y1 of what of the points is in the picture, and whether some lie behind the camera."""
        ahead = points[:, 2] > _CLOSEST
        if not ahead.any():
            return None, True
        if not ahead.all():  # its picture may reach anywhere
            return (0, 0, self.width, self.height), True
        columns = np.ascontiguousarray(points[:, :2].T)  # what numpy looks through fastest
        low, high = columns.min(1), columns.max(1)
        size = (self.width, self.height)
        low = [int(max(np.floor(v) - _MARGIN, 0)) for v in np.minimum(low, 1e6)]
        high = [int(min(np.ceil(v) + _MARGIN + 1, s)) for v, s in zip(np.maximum(high, -1e6), size)]
        return ((*low, *high), False) if low[0] < high[0] and low[1] < high[1] else (None, False)


def _points(mesh: Mesh, intrinsics: Intrinsics):
    """The topology of a mesh and its points (N, 9) as `strips` describes them."""
    vertices = np.asarray(mesh.vertices)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise ValueError(f'vertices must be (N, 3), not {vertices.shape}')
    colours = np.asarray(mesh.colours)
    if colours.shape != vertices.shape:
        raise ValueError(f'{len(vertices)} vertices need colours {vertices.shape}, not {colours.shape}')
    points = np.empty((len(vertices), COLUMNS), np.float32)
    z = vertices[:, 2]
    z = np.where(np.abs(z) < 1e-6, 1e-6, z)
    points[:, 0] = vertices[:, 0] / z * intrinsics.fx + intrinsics.cx
    points[:, 1] = vertices[:, 1] / z * intrinsics.fy + intrinsics.cy
    points[:, 2] = z
    points[:, 3:6] = colours
    if colours.dtype == np.uint8:
        points[:, 3:6] *= 1 / 255
    points[:, 6] = mesh.opacity
    points[:, 7], points[:, 8] = 0, 1
    if not np.isfinite(points).all():
        raise ValueError('the mesh holds numbers that are not finite')
    return topology_of(mesh.faces, len(vertices)), points


def composite(image: np.ndarray, layer: Layer, opacity: float = 1.0) -> None:
    """Lay a layer over an image (H, W, 3) uint8, in place; only the layer's box is touched."""
    height, width = layer.alpha.shape
    if not height or opacity <= 0:
        return
    under = image[layer.y:layer.y + height, layer.x:layer.x + width]
    rgb, alpha = layer.rgb, layer.alpha
    if opacity < 1:
        rgb, alpha = cv2.convertScaleAbs(rgb, alpha=opacity), cv2.convertScaleAbs(alpha, alpha=opacity)
    through = cv2.bitwise_not(alpha)
    cv2.add(cv2.multiply(under, cv2.merge((through, through, through)), scale=1 / 255), rgb, dst=under)
