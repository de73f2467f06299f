"""Light on skin and cloth, in linear light: soft shadows, the sky's dimming in hollows, light that bleeds red through skin, a faint gloss.

All of it is per pixel in numpy over the rasteriser's fragments, so that a picture takes some ten milliseconds on one core.
"""
from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.rasteriser import Fragments, rasterise

SHADOW_SIZE = 144
SKIN_WRAP = np.array([0.32, 0.14, 0.09], np.float32)  # how far light creeps round the edge of shadow: red light goes deepest
SKIN_GLOSS = np.float32(0.028)  # reflectance of skin at normal incidence
SHADOW_BLEED = np.array([0.55, 0.85, 1.0], np.float32)  # exponents: red bleeds into the shadow's edge


_LEVELS = np.linspace(0, 1, 8192)
_TO_SRGB = np.where(_LEVELS <= 0.0031308, _LEVELS * 12.92, 1.055 * np.maximum(_LEVELS, 0.0031308) ** (1 / 2.4) - 0.055).astype(np.float32)
_TO_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((np.maximum(_LEVELS, 0.04045) + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb_to_linear(colour: np.ndarray) -> np.ndarray:
    """sRGB 0..1 -> linear light 0..1 (IEC 61966-2-1), float32, through a table: much faster than the power, exact to 2e-4; clipped."""
    return _from_table(_TO_LINEAR, colour)


def linear_to_srgb(colour: np.ndarray) -> np.ndarray:
    """Linear light 0..1 -> sRGB 0..1, float32, through a table (the first steps are 1e-3 wide); clipped."""
    return _from_table(_TO_SRGB, colour)


def _from_table(table: np.ndarray, colour: np.ndarray) -> np.ndarray:
    index = np.asarray(colour, np.float32) * np.float32(len(table) - 1)
    index += np.float32(0.5)
    return table[np.clip(index, 0, len(table) - 1, out=index).astype(np.int32)]


def look_up(image: np.ndarray, x: np.ndarray, y: np.ndarray, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    """Picture (H, W[, C]) at the positions x, y (P,) in pixels, bilinear -> (P[, C])."""
    count, columns = len(x), 4096  # OpenCV's maps must be shorter than 32768
    padded = -(-count // columns) * columns
    u, v = (np.pad(k.astype(np.float32), (0, padded - count)).reshape(-1, columns) for k in (x, y))
    found = cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=border)
    return found.reshape(padded, *image.shape[2:])[:count]


@dataclass(frozen=True)
class Light:
    """A distant lamp."""

    direction: np.ndarray  # (3,) unit, from the surface towards the lamp, camera axes
    colour: np.ndarray  # (3,) linear
    shadow: bool = False
    softness: float = 0.02  # of the shadow's edge: blur as a share of the shadow map's side


@dataclass(frozen=True)
class Sky:
    """Light from everywhere: `above` from the camera's up, `below` from its down."""

    above: np.ndarray  # (3,) linear
    below: np.ndarray  # (3,) linear


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Outward unit normals (V, 3), area-weighted."""
    a, b, c = (vertices[faces[:, i]].T for i in range(3))
    u, v = b - a, c - a
    corners = faces.ravel()
    normals = np.stack([np.bincount(corners, np.repeat(u[i] * v[j] - u[j] * v[i], 3), len(vertices)) for i, j in ((1, 2), (2, 0), (0, 1))])
    return np.ascontiguousarray((normals / np.sqrt(np.maximum(dot(normals, normals), 1e-24))).T, np.float32)


def openness(vertices: np.ndarray, normals: np.ndarray, spheres: np.ndarray, own: np.ndarray) -> np.ndarray:
    """How much of the sky each vertex (V, 3) sees, 0..1, given blockers `spheres` (S, 4: centre, radius); own (V, S) are not counted.

    A sphere of radius r at distance d hides about (n . d) r^2 / d^2 of a cosine-weighted sky (Quilez, sphere ambient occlusion).
    """
    middle = vertices.mean(0)
    v, c = (vertices - middle).astype(np.float32), (spheres[:, :3] - middle).astype(np.float32)
    square = spheres[:, 3].astype(np.float32) ** 2
    distance = (v * v).sum(1)[:, None] + (c * c).sum(1) - 2 * (v @ c.T)
    np.maximum(distance, 1.04 * square, out=distance)
    facing = np.maximum(normals @ c.T - (normals * v).sum(1)[:, None], 0)
    hidden = facing * square / (distance * np.sqrt(distance))
    hidden[own] = 0
    return np.exp(np.log1p(-np.minimum(hidden, 0.85)).sum(1))


def shadow_lookup(vertices: np.ndarray, faces: np.ndarray, light: Light, at: np.ndarray, size: int = SHADOW_SIZE) -> np.ndarray:
    """How much of the lamp each of the points at (3, P) sees, 0..1, behind the mesh: an exponential shadow map, blurred.

    (Annen et al., Exponential Shadow Maps, 2008.)
    """
    forward = -light.direction
    side = np.cross(forward, (0, 1, 0) if abs(forward[1]) < 0.9 else (1, 0, 0))
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(forward, side), forward])
    seen = vertices @ axes.T
    low, high = seen.min(0), seen.max(0)
    scale = (size - 8) / max((high - low)[:2].max(), 1e-6)
    grid = np.concatenate([(seen[:, :2] - low[:2]) * scale + 4, seen[:, 2:] - low[2] + 0.01], 1)
    fragments = rasterise(grid, faces, size, size, perspective=False)
    depth = np.full(size**2, 1.0, np.float32)
    far = float(high[2] - low[2]) + 0.02
    depth[fragments.pixels] = fragments.interpolate(grid[:, 2:].astype(np.float32), faces)[:, 0] / far
    sharp = 400.0 * far  # a fold of e^-1 per 2.5 mm
    sharp = min(sharp, 80.0)
    blurred = cv2.GaussianBlur(np.exp(sharp * (depth.reshape(size, size) - 1)), (0, 0), max(0.8, light.softness * size))
    here = axes.astype(np.float32) @ at
    u, v = ((here[k] - np.float32(low[k])) * np.float32(scale) + 4 for k in (0, 1))
    found = look_up(blurred, u, v)
    own = (here[2] - np.float32(low[2] - 0.01 + 0.003)) / np.float32(far)  # 3 mm bias: no shadow of a surface on itself
    return np.clip(found * np.exp(np.minimum(np.float32(sharp) * (1 - own), 80)), 0, 1)


def shade(
    position: np.ndarray, normal: np.ndarray, albedo: np.ndarray, skin: np.ndarray, open_sky: np.ndarray, lights: list[Light], sky: Sky,
    shadows: list[np.ndarray | None], gloss: float = 1.0, roughness: float = 0.45,
) -> np.ndarray:
    """Colours (3, P) in linear light of surface points: position, unit normal, linear albedo (3, P), skin, sky openness (P,); float32.

    Rows instead of columns of three, because numpy adds long rows much faster.
    """
    skin = skin.astype(np.float32)
    gloss, shine = np.float32(gloss), np.float32(2 / roughness**2 - 2)
    up = 0.5 - 0.5 * normal[1]
    view = position * (-1 / np.sqrt(dot(position, position)))
    facing = np.maximum(dot(normal, view), 0)
    grazing = (1 - facing) ** 5
    mirror = (SKIN_GLOSS + np.float32(0.3 * (1 - roughness)) * grazing) * open_sky * np.float32(0.5) * gloss
    colours = np.empty_like(albedo)
    reflected = np.empty_like(albedo)
    hollow = [open_sky ** np.float32(1 - bounce) for bounce in (0.35, 0.1)]  # in hollows light has bounced off skin: dimmed less in red
    for k in range(3):
        ambient = np.float32(sky.below[k]) + up * np.float32(sky.above[k] - sky.below[k])
        dimmed = open_sky if k == 2 else np.where(skin > 0, hollow[k], open_sky)
        colours[k], reflected[k] = ambient * dimmed, ambient * mirror
    for light, visible in zip(lights, shadows):
        direction = light.direction.astype(np.float32)[:, None]
        cosine = dot(normal, direction)
        half = view + direction
        highlight = np.maximum(dot(half, normal), 0) / np.sqrt(dot(half, half))
        highlight = np.exp2(shine * np.log2(np.maximum(highlight, 1e-4))) * np.maximum(cosine, 0) * (gloss * SKIN_GLOSS * (shine + 2) / 8)
        if visible is not None:
            highlight *= visible
        for k in range(3):
            wrap = SKIN_WRAP[k] * skin
            lit = np.maximum(cosine + wrap, 0) / (1 + wrap)
            lit *= np.where(skin > 0, np.sqrt(np.sqrt(lit)), 1)  # a softer foot
            if visible is not None:
                lit *= np.where(skin > 0, visible ** SHADOW_BLEED[k], visible) if SHADOW_BLEED[k] < 1 else visible
            colours[k] += lit * np.float32(light.colour[k])
            reflected[k] += highlight * np.float32(light.colour[k])
    reflected *= 0.25 + 0.75 * skin
    return albedo * colours + reflected


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of vectors in columns (3, P) and (3, P) or (3, 1) -> (P,)."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def blend(
    background: np.ndarray, colours: np.ndarray, fragments: Fragments, size: tuple[int, int], factor: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Fragments' colours (3, P), drawn `factor` times larger than `background` (H, W, 3), reduced and put over it -> picture, coverage."""
    height, width = background.shape[:2]
    large = np.zeros((size[1] * size[0], 4), np.float32)
    large[fragments.pixels] = np.concatenate([colours, np.ones((1, colours.shape[1]), np.float32)]).T
    large = large.reshape(size[1], size[0], 4)
    small = large if factor == 1 else cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    alpha = small[..., 3:]
    return small[..., :3] + (1 - alpha) * background, alpha[..., 0]
