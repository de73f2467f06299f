"""What is known of real pictures without fitting anything, and where a fitted mesh lies in them."""
from __future__ import annotations

import numpy as np
import torch

from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix
from training.examples import Subject
from training.fitting import Fits
from training.pictures import Picture
from training.real import default_intrinsics, known_depth

BATCH = 256


def unfitted(pictures: list[Picture], hand: HandModel, size: int) -> list[Subject]:
    """Subjects without a fit: nothing of rotation, fingers, shape and joints is trusted."""
    subjects, shapes = [], hand.shape_rows.shape[0]
    for picture in (p.right() for p in pictures):
        depth = known_depth(picture)
        camera = default_intrinsics(picture.points, picture.width, picture.height, size)
        subjects.append(Subject(picture.points, picture.uncertainty, np.nan_to_num(depth), camera, np.eye(3), np.zeros((15, 3)),
                                np.zeros(shapes), np.zeros((21, 3)), 0.0, float(np.isfinite(depth).any())))
    return subjects


@torch.no_grad()
def outlines(fits: Fits, subjects: list[Subject], hand: HandModel) -> np.ndarray:
    """(n, N, 2) pixels where the vertices of fitted hands lie in their pictures (of right hands)."""
    focal = torch.tensor([s.intrinsics.fx for s in subjects], dtype=torch.float32)[:, None, None]
    middle = torch.tensor([(s.intrinsics.cx, s.intrinsics.cy) for s in subjects], dtype=torch.float32)[:, None]
    rotation, coefficients, shape, wrist = (torch.as_tensor(v, dtype=torch.float32) for v in
                                            (fits.rotation, fits.coefficients, fits.shape, fits.translation))
    parts = []
    for i in range(0, len(subjects), BATCH):
        rows = slice(i, i + BATCH)
        local = torch.cat([rotation[rows, None], axis_angle_to_matrix(hand.pose_from_coefficients(coefficients[rows]))], 1)
        vertices = hand.skin(local, shape[rows]).vertices + wrist[rows, None]
        parts.append((vertices[..., :2] / vertices[..., 2:].clamp(min=0.05) * focal[rows] + middle[rows]).numpy())
    return np.concatenate(parts)
