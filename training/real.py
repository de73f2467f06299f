"""Real pictures as training subjects: the hand model is fitted to each, and left hands are mirrored."""
from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from app.types import Intrinsics
from models.hand_model import HandModel
from training.augment import Jitter
from training.examples import Examples, Subject, default_intrinsics, examples_of, in_parallel
from training.fitting import Fits, depth_in_pixels, fit
from training.pictures import Picture
from training.skeleton import Skeleton

GOOD_FIT = 0.03  # of the hand box: a fit this far from the points has half the trust


def right_points(picture: Picture) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Points (21, 2), world points (21, 3) and the size of a picture as of a right hand."""
    width, height = picture_size(picture)
    points, world = picture.points.copy(), picture.world.copy()
    if picture.side == 'left':
        points[:, 0] = width - 1 - points[:, 0]
        world[:, 0] = -world[:, 0]
    return points, world, (width, height)


def picture_size(picture: Picture) -> tuple[int, int]:
    """Width and height; the manifest's crops are all of one size, read from the file all the same."""
    image = cv2.imread(str(picture.path), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    return (256, 256) if image is not None and image.shape == (32, 32) else picture.read().shape[1::-1]


def fit_pictures(pictures: list[Picture], hand: HandModel, size: int, steps: int) -> list[Subject]:
    """Subjects without their images: the fits of all pictures."""
    points, world, sizes = zip(*(right_points(p) for p in pictures))
    cameras = [default_intrinsics(p, *s, size) for p, s in zip(points, sizes)]
    points, world = np.stack(points), np.stack(world)
    depth = depth_in_pixels(points, world)
    uncertainty = np.stack([p.uncertainty for p in pictures])
    numbers = {name: i for i, name in enumerate(sorted({p.session for p in pictures}))}
    middle = np.array([(c.cx, c.cy) for c in cameras])[:, None]
    fits = fit(hand, points - middle, uncertainty, depth, np.array([numbers[p.session] for p in pictures]), np.array([c.fx for c in cameras]),
               steps)
    return subjects_of(fits, hand, points, uncertainty, depth, cameras)


def subjects_of(fits: Fits, hand: HandModel, points: np.ndarray, uncertainty: np.ndarray, depth: np.ndarray,
                cameras: list[Intrinsics]) -> list[Subject]:
    """One imageless subject per fit."""
    with torch.no_grad():
        fingers = hand.pose_from_coefficients(torch.as_tensor(fits.coefficients))
        joints = Skeleton(hand).from_pose(torch.as_tensor(fits.rotation), fingers, torch.as_tensor(fits.shape)).numpy()
    none = np.zeros((0, 0, 3), np.uint8)
    return [Subject(none, points[i], uncertainty[i], depth[i], cameras[i], fits.rotation[i], fingers[i].numpy(), fits.shape[i], joints[i], False,
                    float(1 / (1 + (fits.error[i] / GOOD_FIT) ** 4))) for i in range(len(points))]


def with_image(picture: Picture, subject: Subject) -> Subject:
    """The subject with its picture read, mirrored if it is of a left hand."""
    image = picture.read()
    if picture.side == 'left':
        image = np.ascontiguousarray(image[:, ::-1])
    return Subject(**{**vars(subject), 'image': image})


def _share(share: tuple, graph: Path, count: int, size: int, jitter: Jitter | None) -> Examples:
    pictures, subjects, seed = share
    cv2.setNumThreads(1)
    return examples_of((with_image(p, s) for p, s in zip(pictures, subjects)), graph, count, size, jitter, seed)


def real_examples(pictures: list[Picture], subjects: list[Subject], graph: Path, count: int, size: int, jitter: Jitter | None, seed: int,
                  workers: int = 2, share: int = 250) -> Examples:
    """Features of `count` jittered crops of each picture (one plain crop when jitter is None), rows in the pictures' order."""
    shares = [(pictures[i:i + share], subjects[i:i + share], seed + i) for i in range(0, len(pictures), share)]
    return in_parallel(partial(_share, graph=graph, count=count, size=size, jitter=jitter), shares, workers)
