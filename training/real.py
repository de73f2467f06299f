"""Real pictures as training subjects: the hand model is fitted to the detected points and depths of each."""
from __future__ import annotations

import hashlib
import zipfile
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import torch

from app.crop import crop_from_points
from app.outputs.atomic import whole_file
from app.types import Intrinsics
from models.camera import FOCAL
from models.hand_model import HandModel
from models.skeleton import Skeleton
from training.examples import Subject
from training.fitting import Fits, FitWeights, depth_in_pixels, fit
from training.pictures import Picture

GOOD_FIT, GOOD_DEPTH = 0.03, 0.12  # of the hand box: a fit this far from the points, or from the depths, has half the trust
GOOD_POINTS = 0.03  # of the hand box: points that are this unsure on average make half a trust
FEWEST = 8  # points that must be seen for a fit to be trusted at all
VERSION = 3  # of the fit's method: kept fits of another one are made anew


def default_intrinsics(points: np.ndarray, width: int, height: int, size: int) -> Intrinsics:
    """A camera for a picture whose own is unknown: its focal length is that of the network's camera for the hand's plain crop."""
    focal = FOCAL * size / crop_from_points(points, 'right', size).scale
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2)


def known_depth(picture: Picture) -> np.ndarray:
    """(21,) relative depths in pixels of a picture: the detector's of its points, else those of its world points; NaN where unknown.

    The depths of the landmark network's points are the better ones; its world points have theirs from another head.
    """
    if picture.depth is not None:
        depth = np.array(picture.depth, float)
    elif picture.world is not None:
        depth = depth_in_pixels(picture.points[None], picture.world[None])[0]
    else:
        depth = np.full(21, np.nan)
    depth[~(np.isfinite(depth) & np.isfinite(picture.uncertainty))] = np.nan
    return depth


def kept_fits(inputs: dict[str, np.ndarray], hand: HandModel, steps: int, kept: Path | None) -> tuple[Fits, np.ndarray, np.ndarray]:
    """The fits to `inputs` (as `training.fitting.fit` takes them), from the file `kept` if they are there; the fingers' poses (n, 15, 3)
    and the joints (n, 21, 3) about the wrist."""
    key = key_of(inputs, hand, steps, FitWeights())
    fits = load_fits(kept, key) if kept else None
    if fits is None:
        fits = fit(hand, **inputs, steps=steps)
        if kept:
            save_fits(kept, key, fits)
    with torch.no_grad():
        fingers = hand.pose_from_coefficients(torch.as_tensor(fits.coefficients))
        joints = Skeleton(hand).from_pose(torch.as_tensor(fits.rotation), fingers, torch.as_tensor(fits.shape))
    return fits, fingers.numpy(), joints.numpy()


def fit_pictures(pictures: list[Picture], hand: HandModel, size: int, steps: int, kept: Path | None = None) -> tuple[Fits, list[Subject]]:
    """The fits of all pictures, and the subjects they make. Sessions share a shape.

    `kept` (.npz): where fits are kept; they are made anew if anything that they depend on is another.
    """
    right = [picture.right() for picture in pictures]
    cameras = [default_intrinsics(p.points, p.width, p.height, size) for p in right]
    points, uncertainty = np.stack([p.points for p in right]), np.stack([p.uncertainty for p in right])
    depth = np.stack([known_depth(p) for p in right])
    middle = np.array([(c.cx, c.cy) for c in cameras])[:, None]
    session = np.unique([p.session for p in right], return_inverse=True)[1]
    inputs = {'points': points - middle, 'uncertainty': uncertainty, 'depth': depth, 'session': session,
              'focal': np.array([c.fx for c in cameras])}
    fits, fingers, joints = kept_fits(inputs, hand, steps, kept)
    sure, known = trust_of(fits, points, uncertainty), np.isfinite(depth).any(1)
    zeroed = np.where(np.isfinite(depth), depth, 0)
    return fits, [Subject(points[i], uncertainty[i], zeroed[i], cameras[i], fits.rotation[i], fingers[i], fits.shape[i], joints[i],
                          float(sure[i]), float(known[i])) for i in range(len(points))]


def trust_of(fits: Fits, points: np.ndarray, uncertainty: np.ndarray) -> np.ndarray:
    """(n,) in 0..1 how far fits to points (n, 21, 2) of uncertainty (n, 21) pixels are believed.

    The worst fits are exact fits to wrong points, so the points' own uncertainty counts beside the distances from points and depths.
    Without depths a fit is half a guess: flat fingers may be bent either way.
    """
    seen = np.isfinite(uncertainty)
    box = np.maximum(np.ptp(points, axis=1).max(-1), 1e-3)
    unsure = np.where(seen, uncertainty, 0).sum(1) / np.maximum(seen.sum(1), 1) / box
    flat, steady = (1 / (1 + (value / good) ** 4) for value, good in ((fits.error, GOOD_FIT), (unsure, GOOD_POINTS)))
    deep = np.where(np.isfinite(fits.depth_error), 1 / (1 + (np.nan_to_num(fits.depth_error) / GOOD_DEPTH) ** 4), 0.25)
    return np.where(seen.sum(1) >= FEWEST, flat * steady * deep, 0.0)


def key_of(inputs: dict[str, np.ndarray], hand: HandModel, steps: int, weights: FitWeights) -> str:
    """A hash of all that fits depend on."""
    digest = hashlib.sha256(f'{VERSION} {steps} {asdict(weights)}'.encode())
    for name, value in (*inputs.items(), *((name, buffer.numpy()) for name, buffer in hand.named_buffers())):
        digest.update(f'{name} {value.shape} {value.dtype}'.encode() + np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def load_fits(path: Path, key: str) -> Fits | None:
    """Kept fits; None when there are none of this key."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return Fits(**{f.name: file[f.name] for f in fields(Fits)}) if str(file['key']) == key else None
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):  # cut or foreign: it is only kept to save time
        return None


def save_fits(path: Path, key: str, fits: Fits) -> None:
    """Write to `path`, whole or not at all. Raises InputError where the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        np.savez(file, key=np.array(key), **vars(fits))
