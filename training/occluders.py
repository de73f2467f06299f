"""Things in front of a hand, drawn into a crop: pens, bottles, cards, balls, blots, with patterns or pieces of photographs on them."""
from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from training.backgrounds import colour

Picturer = Callable[[np.random.Generator, int, int], np.ndarray]  # generator, width, height -> (height, width, 3) float32 sRGB 0..1
FREE = 10  # of the 21 points stay in sight, or the thing is drawn smaller
TRIES = 3
GRIP = 4, 5, 8, 9, 12  # the points about which held things lie


def cover(image: np.ndarray, points: np.ndarray, rng: np.random.Generator, size: float = 1.0,
          backgrounds: Picturer | None = None) -> np.ndarray:
    """Image (S, S, 3) uint8 with a thing in front of the hand whose points (21, 2) are given; a new picture.

    Half of the things lie as if held: across the palm, at the finger tips. `size` scales them; `backgrounds` gives photographs.
    """
    extent = float(np.ptp(points, axis=0).max())
    if not np.isfinite(extent) or extent < 2:
        return image
    held = rng.random() < 0.5
    centre = points[list(GRIP)].mean(0) if held else points[rng.integers(21)]
    centre = centre + rng.normal(0, 0.05 * extent, 2)
    across = points[5] - points[17]
    angle = float(np.arctan2(across[1], across[0]) + rng.normal(0, 0.5)) if held else float(rng.uniform(0, np.pi))
    kind = ('stick', 'card', 'ellipse', 'blot')[rng.choice(4, p=(0.4, 0.15, 0.3, 0.15))]
    half = half_sides(kind, rng) * extent * size
    for _ in range(TRIES):
        soft, corner = shape_mask(image.shape[0], kind, centre, half, angle, rng)
        if soft is None:
            return image
        at = np.round(points - corner).astype(int)
        inside = ((at >= 0) & (at < soft.shape[::-1])).all(1)
        hidden = soft[at[inside, 1], at[inside, 0]] > 0.5
        if hidden.sum() <= len(points) - FREE:
            break
        half = 0.7 * half
    x, y = corner
    height, width = soft.shape
    paint = texture(rng, width, height, backgrounds) * roundness(soft.shape, centre - corner, half, angle, kind)[..., None]
    seen = image.copy()
    piece = seen[y:y + height, x:x + width]
    seen[y:y + height, x:x + width] = piece + (soft[..., None] * (255 * np.clip(paint, 0, 1) - piece)).astype(np.int16)
    return seen


def half_sides(kind: str, rng: np.random.Generator) -> np.ndarray:
    """(2,) half length and half width of a thing, in parts of the hand's extent."""
    if kind == 'stick':
        return np.array([rng.uniform(0.3, 1.2), np.exp(rng.uniform(np.log(0.02), np.log(0.14)))])
    if kind == 'card':
        return rng.uniform((0.15, 0.1), (0.3, 0.2))
    return rng.uniform(0.06, 0.22, 2)


def shape_mask(size: int, kind: str, centre: np.ndarray, half: np.ndarray, angle: float,
               rng: np.random.Generator) -> tuple[np.ndarray | None, np.ndarray]:
    """The thing's part of the crop: soft mask (h, w) float32 0..1 and its corner (2,) x, y; None if none of it lies in the crop."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    if kind in ('stick', 'card'):
        outline = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half
    else:
        radius = 1 if kind == 'ellipse' else 1 + 0.3 * np.sin(rng.integers(2, 5) * around + rng.uniform(0, 6)) + rng.normal(0, 0.06, 24)
        outline = np.stack([np.cos(around), np.sin(around)], 1) * half * np.reshape(radius, (-1, 1))
    outline = outline @ turn.T + centre
    low = np.clip(np.floor(outline.min(0)).astype(int) - 2, 0, size)
    high = np.clip(np.ceil(outline.max(0)).astype(int) + 3, 0, size)
    if (high - low).min() < 1:
        return None, low
    mask = np.zeros((high - low)[::-1], np.uint8)
    cv2.fillPoly(mask, [np.round(16 * (outline - low)).astype(np.int32)], 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(mask, (3, 3), 0) if rng.random() < 0.5 else cv2.GaussianBlur(mask, (0, 0), 1.2)
    return soft.astype(np.float32) / 255, low


def texture(rng: np.random.Generator, width: int, height: int, backgrounds: Picturer | None) -> np.ndarray:
    """A surface (height, width, 3) float32 sRGB 0..1: one colour, stripes, blotches, or a piece of a photograph."""
    kind = rng.random()
    if backgrounds is not None and kind < 0.4:
        return backgrounds(rng, width, height)
    base, other = colour(rng, 0.9), colour(rng, 0.9)
    flat = np.broadcast_to(base, (height, width, 3))
    if kind < 0.6:
        return flat
    if kind < 0.8:
        y, x = np.mgrid[:height, :width]
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(4, 20)
        share = 0.5 + 0.5 * np.tanh(4 * np.sin(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y) / pitch))
    else:
        cells = rng.random((max(2, height // int(rng.integers(4, 16))), max(2, width // int(rng.integers(4, 16)))), np.float32)
        share = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    return flat + share[..., None].astype(np.float32) * (other - base)


def roundness(shape: tuple[int, int], centre: np.ndarray, half: np.ndarray, angle: float, kind: str) -> np.ndarray:
    """(h, w) how bright a thing is seen: round ones are darker towards their edges, cards are flat."""
    if kind == 'card':
        return np.ones(shape, np.float32)
    y, x = np.mgrid[:shape[0], :shape[1]].astype(np.float32)
    x, y = x - np.float32(centre[0]), y - np.float32(centre[1])
    beside = (-np.sin(angle) * x + np.cos(angle) * y) / half[1]
    along = 0 if kind == 'stick' else (np.cos(angle) * x + np.sin(angle) * y) / half[0]
    height = np.sqrt(np.clip(1 - beside ** 2 - along ** 2, 0, 1))
    light = 0.35 * np.clip(-beside, -1, 1)  # from one side
    return (0.45 + 0.55 * height + light * height).astype(np.float32)
