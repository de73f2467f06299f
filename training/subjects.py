"""What is known of real pictures without fitting anything: the points, and the detector's depths where there are some."""
from __future__ import annotations

import numpy as np

from models.hand_model import HandModel
from training.examples import Subject
from training.fitting import depth_in_pixels
from training.pictures import Picture
from training.real import default_intrinsics


def unfitted(pictures: list[Picture], hand: HandModel, size: int) -> list[Subject]:
    """Subjects without a fit: nothing of rotation, fingers, shape and joints is trusted."""
    subjects, shapes = [], hand.shape_rows.shape[0]
    for picture in (p.right() for p in pictures):
        depth, known = np.zeros(21), 1.0
        if picture.depth is not None:
            depth = picture.depth
        elif picture.world is not None:
            depth = depth_in_pixels(picture.points[None], picture.world[None])[0]
        else:
            known = 0.0
        camera = default_intrinsics(picture.points, picture.width, picture.height, size)
        subjects.append(Subject(picture.points, picture.uncertainty, depth, camera, np.eye(3), np.zeros((15, 3)), np.zeros(shapes),
                                np.zeros((21, 3)), 0.0, known))
    return subjects
