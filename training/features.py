"""The trunk's features of jittered crops of real pictures, in several processes."""
from __future__ import annotations

from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from app.crop import crop_from_points, cut, to_crop
from app.types import Crop
from training.augment import Jitter, jittered_crop, spoil
from training.examples import Features
from training.pictures import Picture

BATCH, SHARE = 16, 100


class FeatureReader:
    """The trunk's features through ONNX Runtime, one thread."""

    def __init__(self, graph: Path) -> None:
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(graph), options, providers=['CPUExecutionProvider'])

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Crops (n, S, S, 3) uint8 -> features (n, F) float16."""
        made = []
        for start in range(0, len(crops), BATCH):
            batch = np.ascontiguousarray(crops[start:start + BATCH].transpose(0, 3, 1, 2), np.float32) / 255
            made.append(self.session.run(['features'], {'crop': batch})[0].astype(np.float16))
        return np.concatenate(made)


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


def _share(share: tuple[int, list[Picture]], graph: Path, count: int, size: int, jitter: Jitter | None, seed: int) -> Features:
    first, pictures = share
    cv2.setNumThreads(1)
    rng, reader = np.random.default_rng((seed, first)), FeatureReader(graph)
    features, matrices, owner = [], [], []
    for number, picture in enumerate(pictures, first):
        images, crops = zip(*crops_of(picture, count, size, jitter, rng))
        features.append(reader(np.stack(images)))
        matrices += [crop.matrix for crop in crops]
        owner += [number] * len(crops)
    return Features(np.concatenate(features), np.stack(matrices), np.array(owner))


def picture_features(pictures: list[Picture], graph: Path, count: int, size: int, jitter: Jitter | None, seed: int,
                     workers: int) -> Features:
    """Features of `count` jittered crops of each picture (one plain crop when `jitter` is None), in the pictures' order."""
    shares = [(i, pictures[i:i + SHARE]) for i in range(0, len(pictures), SHARE)]
    task = partial(_share, graph=graph, count=count, size=size, jitter=jitter, seed=seed)
    with get_context('spawn').Pool(workers) as pool:  # spawn: a forked ONNX Runtime or torch may hang
        parts = list(tqdm(pool.imap(task, shares), total=len(shares), desc='features of real pictures', unit='share'))
    return Features(*(np.concatenate([getattr(part, name) for part in parts]) for name in ('features', 'matrices', 'owner')))
