"""The manifest of real hand pictures: one JSON line per picture with detected points, no 3D truth."""
from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from app.errors import InputError
from app.types import Side
from training.data_folder import MANIFEST, data_folder


@dataclass(frozen=True)
class Picture:
    """One picture of one hand, with what a detector says of it."""

    path: Path
    source: str
    session: str  # roughly one person or recording
    side: Side
    points: np.ndarray  # (21, 2) pixels
    uncertainty: np.ndarray  # (21,) pixels
    world: np.ndarray  # (21, 3) metres, camera axes: the detector's guess, only its relative depths are used
    width: int = 256
    height: int = 256

    def read(self) -> np.ndarray:
        """The picture, (H, W, 3) uint8 RGB."""
        image = cv2.imread(str(self.path))
        if image is None:
            raise InputError(f'the picture {self.path} cannot be read; remove it from the manifest or restore the file')
        return np.ascontiguousarray(image[..., ::-1])

    def right(self) -> Picture:
        """The same as of a right hand: a left one mirrored in x. `read` still gives the picture as it is, `read_right` the mirrored one."""
        if self.side == 'right':
            return self
        points, world = self.points.copy(), self.world.copy()
        points[:, 0] = self.width - 1 - points[:, 0]
        world[:, 0] = -world[:, 0]
        return replace(self, points=points, world=world)

    def read_right(self) -> np.ndarray:
        """The picture (H, W, 3) uint8 RGB, mirrored if the hand is a left one."""
        image = self.read()
        return np.ascontiguousarray(image[:, ::-1]) if self.side == 'left' else image


def read_pictures(split: str, folder: Path | None = None) -> list[Picture]:
    """Pictures (256 x 256) of `split` ('train' or 'val') whose side is certain. Training takes openly licensed pictures only."""
    folder = folder or data_folder(MANIFEST)
    pictures = []
    with open(folder / MANIFEST) as lines:
        for line in lines:
            row = json.loads(line)
            if row['split'] != split or row['side_agreement'] < 1 or (split == 'train' and not row['open']):
                continue
            pictures.append(Picture(folder / row['file'], row['source'], row['session'], row['side'], np.array(row['keypoints']),
                                    np.array(row['keypoint_uncertainty']), np.array(row['world_landmarks_weak'])))
    return pictures
