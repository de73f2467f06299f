"""Plain and jittered crops of one picture."""
from __future__ import annotations

import numpy as np

from app.crop import crop_from_points, cut, to_crop
from app.types import Crop
from training.augment import Jitter, jittered_crop, spoil
from training.pictures import Picture


def crops_of(picture: Picture, count: int, size: int, jitter: Jitter | None, rng: np.random.Generator) -> list[tuple[np.ndarray, Crop]]:
    """`count` jittered and spoilt crops (size, size, 3) uint8 of a picture as of a right hand; one plain crop when `jitter` is None."""
    image, points = picture.read_right(), picture.right().points
    if jitter is None:
        crop = crop_from_points(points, 'right', size)
        return [(cut(image, crop), crop)]
    made = []
    for _ in range(count):
        crop = jittered_crop(points, 'right', size, jitter, rng)
        made.append((spoil(cut(image, crop), rng, to_crop(points, crop)), crop))
    return made
