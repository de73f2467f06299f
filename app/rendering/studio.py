"""Three soft lights of a studio, and the 'shaded' look under them: porcelain with a tint for each side. Per vertex, in linear light."""
from __future__ import annotations

import numpy as np

from app.rendering.light import linear_to_srgb
from app.types import JOINT_PARENTS, Side

TINTS = {'right': (0.86, 0.70, 0.60), 'left': (0.54, 0.70, 0.86)}  # linear reflectance: warm and cool porcelain, paler than skin
_KEY, _FILL, _RIM = (np.array(d, np.float32) / np.linalg.norm(d) for d in ((-0.45, -0.7, -0.85), (0.85, -0.1, -0.55), (0.25, -0.55, 0.8)))
_KEY_LIGHT, _FILL_LIGHT = np.array((0.86, 0.83, 0.79), np.float32), np.array((0.10, 0.12, 0.15), np.float32)
_SKY, _GROUND = np.array((0.11, 0.12, 0.14), np.float32), np.array((0.05, 0.042, 0.04), np.float32)
_GLOSS, _GLOSS_POWER = 0.10, 24
_RIM_GLOSS = 3  # times the gloss: light from behind that grazes the outline
_WRAP = 0.2  # light goes a little round the terminator, as in something slightly translucent


_BONES = np.array([(joint, parent) for joint, parent in enumerate(JOINT_PARENTS) if parent >= 0])
_ALONG = 0.3, 0.7  # where on a bone the balls sit that keep the sky out
_FINGER, _PALM = 0.085, 0.13  # their radii, of the palm's length


def openness(vertices: np.ndarray, normals: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(N,) share of the sky that the fingers and the palm leave to each vertex, 0..1; the hand taken as balls along its 21 joints (21, 3).

    A ball of radius r at distance d towards angle a takes (r / d)^2 max(0, cos a) of the light of an even sky.
    """
    start, end = joints[_BONES[:, 1]], joints[_BONES[:, 0]]
    balls = np.concatenate([start + t * (end - start) for t in _ALONG]).astype(np.float32)
    palm = np.tile(_BONES[:, 1] == 0, len(_ALONG))
    radii = (np.where(palm, _PALM, _FINGER) * np.linalg.norm(joints[9] - joints[0])).astype(np.float32)
    # n . (ball - vertex) and |ball - vertex|^2 by matrix products
    towards = normals @ balls.T - np.einsum('na,na->n', normals, vertices)[:, None]
    square = np.einsum('na,na->n', vertices, vertices)[:, None] + (balls * balls).sum(1) - 2 * vertices @ balls.T
    square = np.maximum(square, radii**2)
    taken = (np.maximum(towards, 0) * radii**2 / (square * np.sqrt(square))).sum(1)
    return 1 / (1 + 1.6 * taken)


def porcelain(vertices: np.ndarray, normals: np.ndarray, joints: np.ndarray, side: Side) -> np.ndarray:
    """Vertices (N, 3) in the camera frame, their normals and the 21 joints -> sRGB colours (N, 3) uint8."""
    return studio_lit(vertices, normals, joints, np.array(TINTS[side], np.float32))


def studio_lit(vertices: np.ndarray, normals: np.ndarray, joints: np.ndarray, albedo: np.ndarray, gloss: float = _GLOSS) -> np.ndarray:
    """As `porcelain`, of a hand with a linear albedo (N, 3), or (3,) all over."""
    vertices = np.asarray(vertices, np.float32)
    view = -vertices / np.maximum(np.linalg.norm(vertices, axis=1), 1e-9)[:, None]
    facing = np.clip(np.einsum('na,na->n', normals, view), 0, 1)

    def lit(direction: np.ndarray) -> np.ndarray:
        return (np.maximum(normals @ direction + _WRAP, 0) / (1 + _WRAP))[:, None]

    up = (0.5 - 0.5 * normals[:, 1])[:, None]
    sky = openness(vertices, normals, joints)[:, None]
    diffuse = lit(_KEY) * _KEY_LIGHT * (0.35 + 0.65 * sky) + (lit(_FILL) * _FILL_LIGHT + up * _SKY + (1 - up) * _GROUND) * sky
    half = view + _KEY
    half /= np.linalg.norm(half, axis=1)[:, None]
    shine = gloss * np.maximum(np.einsum('na,na->n', normals, half), 0) ** _GLOSS_POWER
    rim = _RIM_GLOSS * gloss * (1 - facing) ** 3 * np.maximum(normals @ _RIM + 0.45, 0) * sky[:, 0]
    return linear_to_srgb(diffuse * albedo + (shine + rim)[:, None])
