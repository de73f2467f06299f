"""Crops to learn from, cut and spoilt as they are asked for: real pictures, rendered ones, left hands, and places without a hand.

Every crop is drawn with a generator seeded by run, epoch and number: the same run sees the same crops, also after a break.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from app.crop import crop_from_points, cut, to_crop
from app.types import Crop
from training.augment import hand_mask, jittered_crop, spoil
from training.backgrounds import Backgrounds
from training.config import Data
from training.examples import Row, Subject, in_crop, nothing_known
from training.pictures import Picture
from training.rendered import Rendered


TRUSTED = 0.5  # a fit below that does not say what is hand


@dataclass(frozen=True)
class Place:
    """One example of an epoch: which, and at which epoch it is drawn."""

    epoch: int
    index: int


@dataclass(frozen=True)
class Meshes:
    """Where the fitted meshes lie in the pictures."""

    vertices: np.ndarray  # (n, N, 2) pixels of the pictures of right hands
    faces: np.ndarray  # (F, 3)


class Crops(Dataset):
    """All crops of an epoch: `crops_per_picture` of each picture, the rendered ones once, some flipped, some empty.

    `data` None: one plain crop of each picture, nothing spoilt, to measure on.
    """

    def __init__(self, pictures: list[Picture], subjects: list[Subject], rendered: Rendered | None, size: int, shapes: int, seed: int,
                 data: Data | None = None, backgrounds: Backgrounds | None = None, meshes: Meshes | None = None) -> None:
        self.pictures, self.subjects, self.rendered, self.size, self.shapes = pictures, subjects, rendered, size, shapes
        self.seed, self.data = seed, data
        self.real = len(pictures) * (data.crops_per_picture if data else 1)
        self.drawn = self.real + (len(rendered) if rendered else 0)
        self.empty = int(self.drawn * data.empty / max(1 - data.empty, 0.1)) if data else 0
        self.backgrounds, self.meshes = backgrounds, meshes

    def __len__(self) -> int:
        return self.drawn + self.empty

    def __getitem__(self, place: Place) -> tuple[np.ndarray, Row]:
        """The crop (3, S, S) uint8 and what is known of it."""
        random = self.generator(place)
        row, crop, flipped = self.drawn_as(place.index, random)
        if crop is not None:
            image = cut(self.pictures[place.index % len(self.pictures)].read_right(), crop)
        elif place.index < self.drawn:
            image = self.rendered.picture(place.index - self.real)
            if len(image) != self.size:
                image = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_AREA)
        else:
            image = (self.backgrounds.sample(random, self.size, self.size) * 255).astype(np.uint8)
        if self.data is not None:
            image = self.spoilt(image, place.index, crop, row, random)
        return np.ascontiguousarray((image[:, ::-1] if flipped else image).transpose(2, 0, 1)), row

    def spoilt(self, image: np.ndarray, index: int, crop: Crop | None, row: Row, random: np.random.Generator) -> np.ndarray:
        """The crop as another camera saw it; photographs now and then at another place, where a fit says what is hand."""
        augment, mask = self.data.augment, None
        behind = self.backgrounds.sample if self.backgrounds else None
        number = index % max(len(self.pictures), 1)
        if crop is not None and behind and self.meshes and self.subjects[number].trust > TRUSTED and random.random() < augment.background:
            points = to_crop(self.subjects[number].points, crop)
            mask = hand_mask(to_crop(self.meshes.vertices[number], crop), self.meshes.faces, points, self.size)
            augment = replace(augment, background=1.0)  # the die is cast: masks are dear, so they are only made where they are used
        return spoil(image, random, row['points'] if row['hand'] else None, augment, mask, behind)

    def row(self, place: Place) -> Row:
        """What is known of a crop, without making its picture."""
        return self.drawn_as(place.index, self.generator(place))[0]

    def generator(self, place: Place) -> np.random.Generator:
        return np.random.default_rng((self.seed, place.epoch, place.index))

    def drawn_as(self, index: int, random: np.random.Generator) -> tuple[Row, Crop | None, bool]:
        """What is known of a crop; where it is cut out of a photograph (None: it is not); whether it is flipped, to show a left hand."""
        if index >= self.drawn:
            return nothing_known(self.size, self.shapes, 0.0, 0.5), None, False
        if index >= self.real:  # rendered: its place was jittered when it was made
            return self.rendered.row(index - self.real), None, False
        subject = self.subjects[index % len(self.pictures)]
        if self.data is None:
            crop = crop_from_points(subject.points, 'right', self.size)
            return in_crop(subject, crop), crop, False
        crop = jittered_crop(subject.points, 'right', self.size, self.data.jitter, random)
        if random.random() < self.data.flipped:
            return nothing_known(self.size, self.shapes, 1.0, 0.0), crop, True
        return in_crop(subject, crop), crop, False

    def name(self, index: int) -> str:
        """Where an example comes from, for messages."""
        if index < self.real:
            return str(self.pictures[index % len(self.pictures)].path)
        return f'rendered picture {index - self.real}' if index < self.drawn else 'a place without a hand'


def collate(items: list[tuple[np.ndarray, Row]]) -> dict[str, torch.Tensor]:
    """Examples -> a batch: `crop` (B, 3, S, S) uint8 and the rows' arrays."""
    batch = {key: torch.from_numpy(np.stack([row[key] for _, row in items])) for key in items[0][1]}
    return {'crop': torch.from_numpy(np.stack([image for image, _ in items])), **batch}
