"""Real pictures as training subjects: the hand model is fitted to the detected points of each."""
from __future__ import annotations

import numpy as np
import torch

from app.crop import crop_from_points
from app.types import Intrinsics
from models.camera import FOCAL
from models.hand_model import HandModel
from training.examples import Subject
from training.fitting import Fits, depth_in_pixels, fit
from training.pictures import Picture
from models.skeleton import Skeleton

GOOD_FIT = 0.03  # of the hand box: a fit this far from the points has half the trust


def default_intrinsics(points: np.ndarray, width: int, height: int, size: int) -> Intrinsics:
    """A camera for a picture whose own is unknown: its focal length is that of the network's camera for the hand's plain crop."""
    focal = FOCAL * size / crop_from_points(points, 'right', size).scale
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2)


def fit_pictures(pictures: list[Picture], hand: HandModel, size: int, steps: int) -> tuple[Fits, list[Subject]]:
    """The fits of all pictures, and the subjects they make. Sessions share a shape."""
    right = [picture.right() for picture in pictures]
    cameras = [default_intrinsics(p.points, p.width, p.height, size) for p in right]
    points = np.stack([p.points for p in right])
    depth = depth_in_pixels(points, np.stack([p.world for p in right]))
    uncertainty = np.stack([p.uncertainty for p in right])
    numbers = {name: i for i, name in enumerate(sorted({p.session for p in right}))}
    middle = np.array([(c.cx, c.cy) for c in cameras])[:, None]
    session, focal = np.array([numbers[p.session] for p in right]), np.array([c.fx for c in cameras])
    fits = fit(hand, points - middle, uncertainty, depth, session, focal, steps)
    with torch.no_grad():
        fingers = hand.pose_from_coefficients(torch.as_tensor(fits.coefficients))
        joints = Skeleton(hand).from_pose(torch.as_tensor(fits.rotation), fingers, torch.as_tensor(fits.shape)).numpy()
    trust = 1 / (1 + (fits.error / GOOD_FIT) ** 4)
    return fits, [Subject(points[i], uncertainty[i], depth[i], cameras[i], fits.rotation[i], fingers[i].numpy(), fits.shape[i], joints[i],
                          float(trust[i])) for i in range(len(points))]
