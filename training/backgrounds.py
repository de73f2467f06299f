"""What stands behind a rendered hand: pieces of real pictures beside the hands they show, and rooms made by code."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from app.errors import InputError
from training.data_folder import MANIFEST, data_folder
from training.manifest import read_rows

PROCEDURAL_SHARE = 0.4  # when there are real pictures
MARGIN = 26  # pixels (of 256) kept from the hand's points: fingers are thick, and a sleeve follows
ROOMS, ROOM = 400, 256  # rooms kept, for pictures up to this side: making one costs as much as drawing a hand
SMALLEST = 40  # pixels; narrower strips are stretched too much to look like anything


def default_folder() -> Path | None:
    """The folder of real pictures; None if there is none."""
    try:
        return data_folder(MANIFEST)
    except InputError:
        return None


class Backgrounds:
    """Random backgrounds. Real ones only from rows that are open and meant for training, unless `measuring`."""

    def __init__(self, folder: Path | None = None, *, measuring: bool = False):
        """`folder`: with `pictures.jsonl`; None for code-made backgrounds only. `measuring`: take rows of the validation split instead.

        Raises InputError for a folder without that manifest."""
        self.folder, self.strips, self._rooms = folder, [], {}
        if folder is None:
            return
        for row in read_rows(folder / MANIFEST):
            wanted = row['split'] == 'val' if measuring else row['split'] == 'train' and row.get('open')
            points = np.array(row['keypoints'], float)
            if wanted and (row.get('valid_area') or 1.0) > 0.85 and np.isfinite(points).all():
                self.strips += [(row['file'], strip) for strip in free_strips(points.min(0), points.max(0))]

    def sample(self, random: np.random.Generator, width: int, height: int) -> np.ndarray:
        """A background (height, width, 3), float32 sRGB 0..1."""
        if self.strips and random.random() >= PROCEDURAL_SHARE:
            return self.photo(random, width, height)
        if max(width, height) > ROOM:
            return room(random, width, height)
        number = int(random.integers(ROOMS))
        if number not in self._rooms:
            self._rooms[number] = (room(np.random.default_rng((31, number)), ROOM, ROOM) * 255 + 0.5).astype(np.uint8)
        x, y = random.integers(ROOM - width + 1), random.integers(ROOM - height + 1)
        piece = self._rooms[number][y:y + height, x:x + width]
        if random.random() < 0.5:
            piece = piece[:, ::-1]
        gain = np.exp(random.normal(0, 0.15) + random.normal(0, 0.08, 3)).astype(np.float32)
        return np.minimum(piece * (gain / 255), 1).astype(np.float32)

    def photo(self, random: np.random.Generator, width: int, height: int) -> np.ndarray:
        """A piece of a real picture without its hand, (height, width, 3) float32 sRGB 0..1."""
        file, (x0, y0, x1, y1) = self.strips[random.integers(len(self.strips))]
        image = cv2.imread(str(self.folder / file))
        if image is None:
            return room(random, width, height)
        piece = np.ascontiguousarray(image[y0:y1, x0:x1, ::-1])
        if random.random() < 0.5:
            piece = piece[:, ::-1]
        if random.random() < 0.5:  # a narrow strip grows by its mirror image instead of being stretched
            axis = int(piece.shape[1] < piece.shape[0])
            piece = np.concatenate([piece, np.flip(piece, axis)], axis)
        piece = cv2.resize(np.ascontiguousarray(piece), (width, height), interpolation=cv2.INTER_CUBIC)
        piece = piece.astype(np.float32) / 255
        blur = random.choice((0, random.uniform(0.5, 2), random.uniform(2, 8))) * width / 224
        piece = cv2.GaussianBlur(piece, (0, 0), blur) if blur > 0.3 else piece
        gain = np.exp(random.normal(0, 0.2) + random.normal(0, 0.06, 3)).astype(np.float32)
        return np.clip(piece * gain, 0, 1)


def free_strips(low: np.ndarray, high: np.ndarray, side: int = 256) -> list[tuple[int, int, int, int]]:
    """Rectangles (x0, y0, x1, y1) left of, right of and above the box low..high (2,) of a hand; below it is the arm."""
    a, b = np.floor(low - MARGIN).astype(int), np.ceil(high + MARGIN).astype(int)
    strips = [(0, 0, min(a[0], side), side), (max(b[0], 0), 0, side, side), (0, 0, side, min(a[1], side))]
    return [s for s in strips if s[2] - s[0] >= SMALLEST and s[3] - s[1] >= SMALLEST]


def colour(random: np.random.Generator, saturation: float = 0.35) -> np.ndarray:
    """A colour (3,) as walls, cloth and furniture have: mostly dull, sRGB."""
    value = random.uniform(0.08, 0.95)
    tint = random.normal(0, 1, 3)
    tint -= tint.mean()
    return np.clip(value + saturation * random.beta(1, 3) * tint, 0.02, 1).astype(np.float32)


def noise(random: np.random.Generator, width: int, height: int, cell: float, channels: int = 1) -> np.ndarray:
    """Smooth noise (height, width, channels), mean 0, spread 1, features of `cell` pixels."""
    small = random.normal(0, 1, (max(2, round(height / cell)) + 1, max(2, round(width / cell)) + 1, channels)).astype(np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, channels)


def room(random: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Something like a room out of focus: a wall with a gradient of light, a table, furniture, lamps; (height, width, 3) float32 sRGB."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = colour(random)
    unit = max(width, height)
    if random.random() < 0.6:  # the edge of a table, a floor
        level = height * random.uniform(0.3, 1.0)
        tilt = random.normal(0, 0.1) * height
        edge = np.array([(0, level), (width, level + tilt), (width, height), (0, height)], np.int32)
        cv2.fillPoly(image, [edge], colour(random).tolist(), cv2.LINE_AA)
    for _ in range(random.integers(0, 14)):
        centre = random.uniform((0, 0), (width, height))
        size = unit * np.exp(random.normal(-1.7, 0.7, 2))
        shade = colour(random, 0.8).tolist()
        kind = random.random()
        if kind < 0.55:
            box = cv2.boxPoints((centre.tolist(), size.tolist(), float(random.choice((0, random.normal(0, 20))))))
            cv2.fillPoly(image, [box.astype(np.int32)], shade, cv2.LINE_AA)
        elif kind < 0.8:
            at, radii = centre.astype(int).tolist(), (size / 2).astype(int).tolist()
            cv2.ellipse(image, at, radii, random.uniform(0, 180), 0, 360, shade, -1, cv2.LINE_AA)
        else:
            end = centre + random.normal(0, 0.5, 2) * unit
            cv2.line(image, centre.astype(int).tolist(), end.astype(int).tolist(), shade, max(1, int(size.min() / 8)), cv2.LINE_AA)
    if random.random() < 0.5:
        channels = 3 if random.random() < 0.3 else 1
        image += random.uniform(0.01, 0.08) * noise(random, width, height, unit * random.uniform(0.01, 0.2), channels)
    image *= 1 + 0.25 * random.random() * noise(random, width, height, unit * 0.7)
    blur = unit / 224 * random.choice((0.6, random.uniform(1, 4), random.uniform(4, 12)))
    image = cv2.GaussianBlur(image, (0, 0), blur)
    image += random.uniform(0, 0.015) * random.standard_normal((height, width, 1), np.float32)
    return np.clip(image, 0, 1)
