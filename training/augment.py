"""Random changes of a training crop: where it is cut, its colours, its sharpness, things in front of the hand and behind it.

All are drawn from a generator that the caller seeds. Lengths are given for a crop of 224 pixels and shrink with it.
"""
from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import cv2
import numpy as np

from app.crop import crop_from_points, square_crop, to_frame, upright_angle
from app.types import Crop, Side
from training.occluders import Picturer, cover


USUAL = 224  # pixels of the crop that lengths are given for
GRAIN = 256  # side of the field that noise is cut from: drawing it anew would cost more than all the rest
SMALLEST = 48  # pixels; a crop of fewer shows no fingers


@dataclass(frozen=True)
class Jitter:
    """How far a crop may differ from the rule of `app/crop.py`."""

    rotation: float = 30.0  # degrees, either way
    scale: tuple[float, float] = (0.8, 1.25)  # side of the square
    shift: float = 0.08  # of the side, either way
    upside: float = 0.05  # part of the crops turned by any angle


def jittered_crop(points: np.ndarray, side: Side, size: int, jitter: Jitter, rng: np.random.Generator) -> Crop:
    """The crop around points (21, 2), moved, turned and sized at random."""
    turn = np.radians(rng.uniform(-jitter.rotation, jitter.rotation)) if rng.random() >= jitter.upside else rng.uniform(-np.pi, np.pi)
    # most crops of a running tracker are nearly right: half of the samples lie in the inner half of the range
    if rng.random() < 0.5:
        turn *= 0.3
    crop = crop_from_points(points, side, size)
    centre = to_frame(np.full(2, (size - 1) / 2), crop)
    side_px = size / crop.scale
    low, high = np.log(jitter.scale)
    shift = rng.uniform(-jitter.shift, jitter.shift, 2) * side_px
    return square_crop(centre + shift, side_px * np.exp(rng.uniform(low, high)), upright_angle(points) + turn, side, size)


@dataclass(frozen=True)
class Augment:
    """Shares (0..1) of the crops that are changed in each way, and how strongly. A share of 0 switches a change off."""

    colour: float = 0.8  # share with other exposure and white balance
    exposure: float = 0.2  # spread of the logarithm of the brightness
    balance: float = 0.1  # spread of the logarithm of each channel's gain
    curve: float = 0.4  # share with another tone curve, a gamma whose logarithm has a spread of 0.25
    saturation: float = 0.25  # share with paler or stronger colours, 0 (grey) to 1.6 times as strong
    shade: float = 0.15  # share with light that changes across the picture, by half at most
    blur: float = 0.15  # share out of focus
    sharpest: float = 2.5  # pixels, the largest sigma of that
    motion: float = 0.1  # share blurred along a line of 5 to 13 pixels
    low: float = 0.15  # share with a quarter to seven tenths of the pixels of a side
    noise: float = 0.5  # share with noise
    grain: float = 8.0  # grey levels, the largest standard deviation of that
    jpeg: float = 0.15  # share squeezed by JPEG at a quality of 15 to 80
    occluder: float = 0.2  # share with a thing in front of the hand; needs the points
    size: float = 1.0  # of that thing
    background: float = 0.3  # share with another background; needs backgrounds and the mask of a good fit

    @staticmethod
    def none() -> Augment:
        """Nothing is changed."""
        return replace(Augment(), **{f.name: 0.0 for f in fields(Augment)})


def spoil(image: np.ndarray, rng: np.random.Generator, points: np.ndarray | None = None, augment: Augment = Augment(),
          mask: np.ndarray | None = None, backgrounds: Picturer | None = None) -> np.ndarray:
    """Image (S, S, 3) uint8 as another camera might have seen it, at another place, with something in front: (S, S, 3) uint8.

    `points` (21, 2) say where the hand is; without them nothing covers it. `mask` (S, S), not 0 on the hand, and `backgrounds`
    (`Backgrounds.sample`) are needed for another background; the latter's pieces also make things in front look real.
    """
    a, unit = augment, image.shape[0] / USUAL
    picture = image
    if mask is not None and backgrounds is not None and rng.random() < a.background:
        behind = (255 * backgrounds(rng, image.shape[1], image.shape[0])).astype(np.uint8)
        picture = replace_background(picture, mask, behind)
    if points is not None and rng.random() < a.occluder:
        picture = cover(picture, points, rng, a.size, backgrounds)
    picture = recoloured(picture, rng, a)
    kind = rng.random()
    if kind < a.blur:
        picture = cv2.GaussianBlur(picture, (0, 0), unit * rng.uniform(min(0.6, a.sharpest), a.sharpest))
    elif kind < a.blur + a.motion:
        picture = cv2.filter2D(picture, -1, motion_kernel(rng, unit))
    elif kind < a.blur + a.motion + a.low:
        side = max(int(rng.uniform(0.25, 0.7) * len(picture)), min(SMALLEST, len(picture)))
        small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < a.noise:
        picture = noisy(picture, rng.uniform(min(1, a.grain), a.grain), rng)
    if rng.random() < a.jpeg:
        coded = cv2.imencode('.jpg', picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))))[1]
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1]
    return picture.copy() if picture is image else np.ascontiguousarray(picture)


def recoloured(picture: np.ndarray, rng: np.random.Generator, a: Augment) -> np.ndarray:
    """Another exposure, white balance, tone curve, saturation, and light from one side. A table of 256 values does the first three."""
    if rng.random() < a.colour:
        gain = np.exp(rng.normal(0, a.balance, 3) + rng.normal(0, a.exposure))
        table = np.minimum(np.arange(256)[:, None] / 255 * gain, 1)
        if rng.random() < a.curve:
            table = table ** np.exp(rng.normal(0, 0.25))
        picture = cv2.LUT(picture, (255 * table + 0.5).astype(np.uint8)[None])
    if rng.random() < a.saturation:
        strength = rng.uniform(0, 1.6)
        picture = cv2.transform(picture, strength * np.eye(3) + (1 - strength) / 3)
    if rng.random() < a.shade:
        corners = (1 - rng.uniform(0, 0.5, (2, 2))).astype(np.float32)
        light = cv2.resize(corners, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        picture = cv2.multiply(picture, cv2.merge([light] * 3), dtype=cv2.CV_8U)
    return picture


@lru_cache(maxsize=1)
def grain_field() -> np.ndarray:
    """Noise (2 GRAIN, 2 GRAIN, 3) int16 of mean 0 and standard deviation 64, half of it coarser: sensors and codecs blur theirs."""
    rng = np.random.default_rng(0)
    fine = rng.standard_normal((2 * GRAIN, 2 * GRAIN, 3), np.float32)
    coarse = cv2.GaussianBlur(fine[::-1], (0, 0), 0.7)
    fine[:, GRAIN:] = (coarse / coarse.std())[:, GRAIN:]
    return (64 * fine).astype(np.int16)


def noisy(picture: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """The picture with noise of `sigma` grey levels, cut out of `grain_field` at random; pictures up to GRAIN pixels wide."""
    height, width = picture.shape[:2]
    if max(height, width) > GRAIN:
        field = (64 * rng.standard_normal(picture.shape, np.float32)).astype(np.int16)
    else:
        y, x = rng.integers(2 * GRAIN - height + 1), rng.integers(2 * GRAIN - width + 1)
        field = np.ascontiguousarray(grain_field()[y:y + height, x:x + width])
    return cv2.scaleAdd(field, sigma / 64, picture.astype(np.int16)).clip(0, 255).astype(np.uint8)


def motion_kernel(rng: np.random.Generator, unit: float = 1.0) -> np.ndarray:
    """A blur along a line of random direction, 5 to 13 pixels long; `unit`: pixels of the crop over the usual ones."""
    length = max(3, int(round(unit * int(rng.integers(2, 7)))) * 2 + 1)
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    reach = length // 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = (tuple(int(round(v)) for v in length // 2 + s * reach) for s in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return kernel / kernel.sum()


def replace_background(image: np.ndarray, mask: np.ndarray, background: np.ndarray, margin: float = 4.0) -> np.ndarray:
    """Image (S, S, 3) uint8 with `background` (S, S, 3) uint8 wherever `mask` (S, S), not 0 on the hand, is more than `margin` away.

    The mask is of a fitted mesh, whose outline is a few pixels off: the margin keeps what is near it, and fades.
    """
    reach = margin * image.shape[0] / USUAL
    outside = (mask == 0).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)
    keep = np.clip(2 - 2 * distance / max(reach, 1e-3), 0, 1)[..., None]  # all up to half of the margin, then less and less
    return (keep * image + (1 - keep) * background + 0.5).astype(np.uint8)


def hand_mask(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray, size: int) -> np.ndarray:
    """Mask (size, size) uint8, 255 on the mesh of vertices (N, 2) px and faces (F, 3), and on the arm that comes to the wrist of `points`.

    A hand model ends at the wrist: without the arm a new background would cut the hand off.
    """
    mask = np.zeros((size, size), np.uint8)
    corners = np.round(8 * vertices).astype(np.int32)[faces]
    edges = corners[:, 1:] - corners[:, :1]
    turned = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    for corner in corners[turned > 0] if (turned > 0).sum() else corners:
        cv2.fillConvexPoly(mask, corner, 255, shift=3)
    along = points[0] - points[9]
    palm = float(np.linalg.norm(along))
    if palm > 1:
        along = along / palm
        across = np.array([-along[1], along[0]])
        start, end = points[0] - 0.1 * palm * along, points[0] + 2 * size * along
        narrow, wide = 0.32 * palm * across, 0.75 * size * across  # it may come out of the wrist at an angle
        arm = np.array([start - narrow, start + narrow, end + wide, end - wide])
        cv2.fillConvexPoly(mask, np.round(arm).astype(np.int32), 255)
    return mask
