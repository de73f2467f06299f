"""The one place where a left hand becomes a right one and back: everything x changes sign.

A left hand is the right hand's model mirrored in x: V_left(pose) = M V_right(M pose), M = diag(-1, 1, 1). To treat a left hand as a right
one, mirror the picture: its pixels, points and camera with `mirror_image`, `mirror_points_2d`, `mirror_intrinsics`; then bring the
right hand that came out back with `mirror_pose`, `mirror_points_3d` (and `mirror_hand` for a whole result). Each is its own inverse.
"""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.types import Hand, Intrinsics, Side


def opposite(side: Side) -> Side:
    """'right' -> 'left' and back."""
    if side not in ('right', 'left'):
        raise ValueError(f"a side is 'right' or 'left', not {side!r}")
    return 'left' if side == 'right' else 'right'


def mirror_pose(pose: np.ndarray) -> np.ndarray:
    """Axis-angle (..., 3) or quaternions (..., 4): the same rotation seen in a mirror across x, M R M."""
    pose = np.asarray(pose)
    signs = {3: (1, -1, -1), 4: (1, 1, -1, -1)}.get(pose.shape[-1] if pose.ndim else 0)
    if signs is None:
        raise ValueError(f'a pose is axis-angle (..., 3) or quaternions (..., 4), not {pose.shape}')
    return pose * np.array(signs, pose.dtype)


def mirror_points_3d(points: np.ndarray) -> np.ndarray:
    """Points or vectors (..., 3) in model or camera axes: x -> -x."""
    points = np.asarray(points)
    if points.ndim == 0 or points.shape[-1] != 3:
        raise ValueError(f'points must be (..., 3), not {points.shape}')
    return points * np.array([-1, 1, 1], points.dtype)


def mirror_points_2d(points: np.ndarray, width: int) -> np.ndarray:
    """Pixels (..., 2) of a picture `width` wide: x -> width - 1 - x, because pixel centres lie at integers."""
    points = np.asarray(points)
    if points.ndim == 0 or points.shape[-1] != 2:
        raise ValueError(f'pixels must be (..., 2), not {points.shape}')
    return np.stack([width - 1 - points[..., 0], points[..., 1]], -1)


def mirror_intrinsics(intrinsics: Intrinsics, width: int) -> Intrinsics:
    """The camera that sees the mirrored picture."""
    return replace(intrinsics, cx=width - 1 - intrinsics.cx)


def mirror_image(image: np.ndarray) -> np.ndarray:
    """Picture (H, W, ...) with its columns reversed, contiguous."""
    return np.ascontiguousarray(image[:, ::-1])


def mirror_faces(faces: np.ndarray) -> np.ndarray:
    """Triangles (F, 3) turned round: a mirrored mesh is inside out without it."""
    return np.ascontiguousarray(faces[:, ::-1])


def mirror_light(light: np.ndarray) -> np.ndarray:
    """Light (4, 3), shading = light[0] + normal . light[1:]: its x part changes sign."""
    return np.asarray(light) * np.array([1, -1, 1, 1], np.asarray(light).dtype)[:, None]


def mirror_hand(hand: Hand, width: int) -> Hand:
    """The hand that a mirrored picture, `width` pixels wide, would show: the other side, with all its numbers."""
    return replace(
        hand, side=opposite(hand.side), pose=mirror_pose(hand.pose), translation=mirror_points_3d(hand.translation),
        vertices=mirror_points_3d(hand.vertices), joints_3d=mirror_points_3d(hand.joints_3d),
        joints_2d=mirror_points_2d(hand.joints_2d, width), light=mirror_light(hand.light), points=mirror_points_2d(hand.points, width),
    )
