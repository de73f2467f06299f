"""The demo clip's background: a desk by a window in the afternoon, out of focus, painted by code."""
from __future__ import annotations

import cv2
import numpy as np

from training.backgrounds import noise


def room(width: int, height: int) -> np.ndarray:
    """(height, width, 3) float32 sRGB 0..1."""
    scale = 2
    w, h = width * scale, height * scale
    random = np.random.default_rng(8)
    x, y = np.meshgrid(np.linspace(0, 1, w, dtype=np.float32), np.linspace(0, 1, h, dtype=np.float32))
    # a wall with daylight from the left
    light = np.exp(-1.3 * np.hypot(x + 0.05, 0.8 * (y - 0.3)))[..., None]
    image = np.array([0.50, 0.49, 0.46], np.float32) + light * np.array([0.42, 0.39, 0.33], np.float32)

    _window(image, w, h)
    _shelf(image, w, h, random)
    _plant(image, w, h, random)
    _desk(image, x, w, h)
    _lamp(image, w, h)
    _monitor(image, w, h)
    image = cv2.GaussianBlur(image, (0, 0), 0.021 * w)
    image += 0.012 * noise(random, w, h, 0.5 * w)
    return np.clip(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), 0, 1)


def _box(image: np.ndarray, left: float, top: float, right: float, bottom: float, colour: tuple) -> None:
    h, w = image.shape[:2]
    cv2.rectangle(image, (int(left * w), int(top * h)), (int(right * w), int(bottom * h)), colour, -1)


def _window(image: np.ndarray, w: int, h: int) -> None:
    _box(image, -0.05, 0.0, 0.20, 0.64, (0.90, 0.89, 0.86))
    for row in range(2):  # panes: sky above, trees below
        top = 0.03 + 0.30 * row
        for column in range(2):
            left = -0.04 + 0.12 * column
            _box(image, left, top, left + 0.10, top + 0.27, (0.80, 0.91, 1.0) if row == 0 else (0.72, 0.84, 0.78))


def _shelf(image: np.ndarray, w: int, h: int, random: np.random.Generator) -> None:
    for top in (0.20, 0.44):
        _box(image, 0.70, top, 1.02, top + 0.016, (0.50, 0.37, 0.26))
        left = 0.715
        while left < 0.99:
            wide, tall = random.uniform(0.012, 0.03), random.uniform(0.10, 0.17)
            colour = np.clip(np.array([0.42, 0.38, 0.34]) + random.normal(0, 0.16, 3), 0.08, 0.9)
            if random.random() < 0.85:
                _box(image, left, top - tall, left + wide - 0.002, top, tuple(colour.tolist()))
            left += wide


def _plant(image: np.ndarray, w: int, h: int, random: np.random.Generator) -> None:
    for _ in range(70):
        foot = np.array([0.285, 0.60])
        tip = foot + random.normal(0, (0.055, 0.09)) - (0, 0.14)
        middle = (foot + tip) / 2 + random.normal(0, 0.01, 2)
        green = np.clip(np.array([0.22, 0.42, 0.20]) * random.uniform(0.6, 1.5), 0, 1)
        cv2.ellipse(image, (int(middle[0] * w), int(middle[1] * h)), (int(0.05 * w), int(0.012 * w)),
                    float(np.degrees(np.arctan2((tip - foot)[1] * h, (tip - foot)[0] * w))), 0, 360, green.tolist(), -1)
    _box(image, 0.255, 0.59, 0.315, 0.70, (0.78, 0.66, 0.56))


def _desk(image: np.ndarray, x: np.ndarray, w: int, h: int) -> None:
    top = int(0.68 * h)
    wood = np.array([0.62, 0.45, 0.31], np.float32)
    shine = 0.20 * np.exp(-3 * x[top:])[..., None]
    image[top:] = wood * (0.82 + shine) + shine * 0.7
    image[top:top + int(0.012 * h)] = wood * 1.25


def _lamp(image: np.ndarray, w: int, h: int) -> None:
    glow = np.zeros_like(image)
    cv2.circle(glow, (int(0.62 * w), int(0.30 * h)), int(0.10 * w), (1.0, 0.82, 0.55), -1)
    image += 0.22 * cv2.GaussianBlur(glow, (0, 0), 0.06 * w)
    cv2.ellipse(image, (int(0.62 * w), int(0.28 * h)), (int(0.045 * w), int(0.035 * w)), 0, 0, 360, (1.0, 0.90, 0.70), -1)
    cv2.line(image, (int(0.62 * w), int(0.33 * h)), (int(0.62 * w), int(0.66 * h)), (0.25, 0.22, 0.20), int(0.006 * w))


def _monitor(image: np.ndarray, w: int, h: int) -> None:
    _box(image, 0.36, 0.37, 0.57, 0.64, (0.11, 0.11, 0.12))
    _box(image, 0.367, 0.382, 0.563, 0.628, (0.34, 0.44, 0.52))
    _box(image, 0.38, 0.41, 0.47, 0.60, (0.46, 0.55, 0.60))
    _box(image, 0.45, 0.64, 0.48, 0.69, (0.13, 0.13, 0.14))
