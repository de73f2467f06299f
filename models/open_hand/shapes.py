"""The shape components: the principal components of the hand's dimensions, carried from the surface to the vertices. Millimetres."""
from __future__ import annotations

import numpy as np

from models.open_hand import anthropometry as body
from models.open_hand.meshing import project
from models.open_hand.skeleton import FINGERS, Proportions, Skeleton, palm_scale
from models.open_hand.surface import Hand

REACH = 1.5  # standard deviations at which the surface is looked at, on both sides


def proportions(row: np.ndarray) -> Proportions:
    """Logarithms (D,) of the dimensions -> ratios to the mean hand."""
    return {d: float(np.exp(x)) for d, x in zip(body.DIMENSIONS, row)}


def stretch(vertices: np.ndarray, weights: np.ndarray, mean: Skeleton, other: Skeleton, p: Proportions) -> np.ndarray:
    """Each bone's vertices scaled along, across and through the bone to the other hand's proportions."""
    out = weights[:, :1] * vertices * palm_scale(p)
    for j in range(1, 16):
        thumb = FINGERS[(j - 1) // 3] == 'thumb'
        frame = np.stack([mean.flexion[j], mean.along[j], mean.dorsal[j]])
        length = np.linalg.norm(other.child_end(j) - other.joints[j]) / np.linalg.norm(mean.child_end(j) - mean.joints[j])
        across, through = (p['thumb_breadth'],) * 2 if thumb else (p['finger_breadth'], p['finger_depth'])
        local = (vertices - mean.joints[j]) @ frame.T * (across, length, through)
        out += weights[:, j:j + 1] * (local @ frame + other.joints[j])
    return out


def shape_space(vertices: np.ndarray, weights: np.ndarray, mean: Hand) -> tuple[np.ndarray, np.ndarray]:
    """Vertex basis (N, 3, 10) and skeleton basis (21, 3, 10; 16 joints and 5 tips), mm per standard deviation."""
    vertex_basis, point_basis = [], []
    for row in body.components():
        ends = []
        for sign in (1, -1):
            p = proportions(sign * REACH * row)
            hand = Hand.build(p)
            moved = stretch(vertices, weights, mean.skeleton, hand.skeleton, p)
            ends.append((project(moved, hand.distance, steps=3), hand.skeleton.points()))
        vertex_basis.append((ends[0][0] - ends[1][0]) / (2 * REACH))
        point_basis.append((ends[0][1] - ends[1][1]) / (2 * REACH))
    return np.stack(vertex_basis, -1), np.stack(point_basis, -1)
