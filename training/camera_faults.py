"""What a camera and a file do to a picture: things in front, blur, noise, few pixels, JPEG, and where the frame ends."""
from __future__ import annotations

import cv2
import numpy as np

from training.backgrounds import Backgrounds
from training.scene import Picture
from training.shading import linear_to_srgb

OCCLUDED = 0.12  # share of pictures with something in front of the hand
MOST_HIDDEN = 0.35  # share of the hand's pixels that it may hide


def photographed(picture: Picture, exposure: float, backgrounds: Backgrounds, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A drawn picture as a camera gives it: (H, W, 3) uint8 sRGB, and the mask (H, W) bool of what was put in front."""
    linear = picture.linear * exposure
    height, width = linear.shape[:2]
    hidden = np.zeros((height, width), bool)
    if random.random() < OCCLUDED:
        linear, hidden = _something_in_front(linear, picture.hand, backgrounds, random)
    blur = random.choice((0, random.uniform(0.3, 0.8), random.uniform(0.8, 1.8)), p=(0.45, 0.4, 0.15))
    if blur:
        linear = cv2.GaussianBlur(linear, (0, 0), blur)
    if random.random() < 0.15:
        linear = cv2.filter2D(linear, -1, _motion(random))
    image = linear_to_srgb(np.clip(linear, 0, 1))
    contrast = random.normal(1, 0.08)
    image = (image - 0.45) * contrast + 0.45 + random.normal(0, 0.02)
    if random.random() < 0.25:  # a small or distant hand, enlarged
        small = int(random.uniform(64, 170))
        image = cv2.resize(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), (width, height), interpolation=cv2.INTER_LINEAR)
    strength = random.choice((0.002, random.uniform(0.004, 0.015), random.uniform(0.015, 0.04)), p=(0.4, 0.45, 0.15))
    grain = _grain(random, height, width)
    if strength > 0.004 and random.random() < 0.5:  # noise that the camera has smoothed
        grain = cv2.GaussianBlur(grain, (0, 0), 0.8) * 2
    image = np.clip(image + strength * grain, 0, 1)
    result = (image * 255 + 0.5).astype(np.uint8)
    if random.random() < 0.7:
        quality = int(random.uniform(35, 95))
        result = cv2.imdecode(cv2.imencode('.jpg', result, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    if random.random() < 0.04:
        result = np.repeat(result.mean(2, keepdims=True).astype(np.uint8), 3, 2)
    return result, hidden


_GRAIN = np.random.default_rng(7).standard_normal((640, 640, 3), np.float32)  # drawing noise anew costs more than drawing the hand


def _grain(random: np.random.Generator, height: int, width: int) -> np.ndarray:
    """White noise (height, width, 3) of spread 1: a random piece of a fixed sheet, turned over at random."""
    if height > 512 or width > 512:
        return random.standard_normal((height, width, 3), np.float32)
    y, x = random.integers(_GRAIN.shape[0] - height), random.integers(_GRAIN.shape[1] - width)
    piece = _GRAIN[y:y + height, x:x + width]
    return piece[::int(random.choice((-1, 1))), ::int(random.choice((-1, 1)))]


def cut_at_frame(image: np.ndarray, matrix: np.ndarray, frame: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Repeat the frame's edge where the crop reaches beyond it, as cutting a real frame does.

    image (S, S, 3); matrix (2, 3) frame -> crop pixels; frame (width, height). Also returns (S, S) bool: inside the frame.
    """
    size = image.shape[0]
    linear, shift = matrix[:, :2], matrix[:, 2]
    corners = np.array([(0, 0), (size - 1, 0), (0, size - 1), (size - 1, size - 1)])
    at = (corners - shift) @ np.linalg.inv(linear).T
    if (at >= 0).all() and (at <= np.array(frame) - 1).all():
        return image, np.ones((size, size), bool)
    inverse = np.linalg.inv(linear).astype(np.float32)
    x = np.arange(size, dtype=np.float32)
    (a, b), (c, d) = inverse
    u0, v0 = (-inverse @ shift).astype(np.float32)
    u, v = (a * x + u0)[None] + (b * x)[:, None], (c * x + v0)[None] + (d * x)[:, None]  # frame pixels of every crop pixel
    kept_u, kept_v = np.clip(u, 0, frame[0] - 1), np.clip(v, 0, frame[1] - 1)
    inside = (u == kept_u) & (v == kept_v)
    (a, b), (c, d) = linear.astype(np.float32)
    x, y = a * kept_u + b * kept_v + np.float32(shift[0]), c * kept_u + d * kept_v + np.float32(shift[1])
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), inside


def _motion(random: np.random.Generator) -> np.ndarray:
    """A kernel that smears along a line of up to eleven pixels."""
    length = random.uniform(2, 11)
    angle = random.uniform(0, np.pi)
    kernel = np.zeros((13, 13), np.float32)
    way = 0.5 * length * np.array([np.cos(angle), np.sin(angle)])
    a, b = ((np.array([6, 6]) + s * way) * 16 for s in (-1, 1))
    cv2.line(kernel, a.astype(int).tolist(), b.astype(int).tolist(), 1.0, 1, cv2.LINE_AA, 4)
    return kernel / kernel.sum()


def _something_in_front(
    linear: np.ndarray, hand: np.ndarray, backgrounds: Backgrounds, random: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """A blob or a bar with a texture of its own over the picture, if it leaves enough of the hand to see."""
    height, width = hand.shape
    mask = np.zeros((height, width), np.uint8)
    at = np.argwhere(hand > 0.5)
    if not len(at):
        return linear, mask > 0
    y, x = at[random.integers(len(at))]
    size = np.exp(random.normal(np.log(0.16), 0.4, 2)) * width
    if random.random() < 0.5:
        angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 8)))
        points = np.stack([x + size[0] * np.cos(angles), y + size[1] * np.sin(angles)], 1)
        cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
    else:
        way = random.normal(0, 1, 2)
        way *= 2 * width / np.linalg.norm(way)
        a, b = ((np.array([x, y]) + s * way).astype(int).tolist() for s in (-1, 1))
        cv2.line(mask, a, b, 255, max(2, int(size[0] / 3)), cv2.LINE_AA)
    if hand[mask > 127].sum() > MOST_HIDDEN * hand.sum():
        return linear, np.zeros_like(mask, bool)
    alpha = cv2.GaussianBlur(mask, (0, 0), 0.6)[..., None].astype(np.float32) / 255
    texture = backgrounds.sample(random, width, height) ** 2.2 * random.uniform(0.5, 1.2)
    return (1 - alpha) * linear + alpha * texture, mask > 127
