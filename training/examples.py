"""Training examples: the frozen trunk's features of a jittered crop, and what is known of the hand in it, in the crop's camera.

Features are worked out once and kept (`runs/`), because the trunk is most of the work and does not change while the heads learn.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from app.crop import crop_from_points, cut, to_crop
from app.crop_camera import crop_to_frame_rotation, unmirrored
from app.types import Crop, Intrinsics
from models.camera import FOCAL
from training.augment import Jitter, jittered_crop, spoil

BATCH = 16


@dataclass(frozen=True)
class Subject:
    """A picture of a right hand (left ones mirrored) with all that is known of it, in the picture's own camera."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    points: np.ndarray  # (21, 2) pixels
    uncertainty: np.ndarray  # (21,) pixels
    depth: np.ndarray  # (21,) relative depth in pixels, wrist = 0
    intrinsics: Intrinsics
    rotation: np.ndarray  # (3, 3) of the wrist
    fingers: np.ndarray  # (15, 3) axis-angle
    shape: np.ndarray  # (S,)
    joints: np.ndarray  # (21, 3) metres, wrist at the origin
    exact: bool  # rendered: everything above is true; else pose, shape and joints are a fit
    trust: float  # in 0..1, of pose, shape and joints


@dataclass(frozen=True)
class Examples:
    """Arrays with one row per example; pixels are those of the crop."""

    features: np.ndarray  # (n, F) float16
    points: np.ndarray  # (n, 21, 2)
    uncertainty: np.ndarray  # (n, 21)
    depth: np.ndarray  # (n, 21)
    rotation: np.ndarray  # (n, 3, 3)
    fingers: np.ndarray  # (n, 15, 3)
    shape: np.ndarray  # (n, S)
    joints: np.ndarray  # (n, 21, 3)
    exact: np.ndarray  # (n,) bool
    trust: np.ndarray  # (n,)

    def __len__(self) -> int:
        return len(self.points)

    def save(self, path: Path) -> None:
        """Write to `path` (.npz), whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix('.part.npz')
        np.savez(unfinished, **{f.name: getattr(self, f.name) for f in fields(self)})
        unfinished.rename(path)

    @staticmethod
    def load(path: Path) -> Examples:
        with np.load(path) as file:
            return Examples(**{f.name: file[f.name] for f in fields(Examples)})

    @staticmethod
    def join(parts: list[Examples]) -> Examples:
        return Examples(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Examples)})


def in_crop(subject: Subject, crop: Crop) -> dict[str, np.ndarray]:
    """What is known of the subject, seen through `crop` (not mirrored) by the network's camera."""
    turn = crop_to_frame_rotation(crop, subject.intrinsics).T
    return {'points': to_crop(subject.points, crop).astype(np.float32), 'uncertainty': (subject.uncertainty * crop.scale).astype(np.float32),
            'depth': (subject.depth * crop.scale).astype(np.float32), 'rotation': (turn @ subject.rotation).astype(np.float32),
            'fingers': subject.fingers.astype(np.float32), 'shape': subject.shape.astype(np.float32),
            'joints': (subject.joints @ turn.T).astype(np.float32), 'exact': np.array(subject.exact),
            'trust': np.float32(subject.trust)}


def crops_of(subject: Subject, count: int, size: int, jitter: Jitter | None, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, dict]]:
    """`count` jittered crops (size, size, 3) uint8 of a subject with their targets; one plain crop when jitter is None."""
    for _ in range(count):
        if jitter is None:
            crop = crop_from_points(subject.points, 'right', size)
            yield cut(subject.image, crop), in_crop(subject, crop)
            continue
        crop = jittered_crop(subject.points, 'right', size, jitter, rng)
        targets = in_crop(subject, crop)
        yield spoil(cut(subject.image, crop), rng, targets['points']), targets


def default_intrinsics(points: np.ndarray, width: int, height: int, size: int) -> Intrinsics:
    """A camera for a picture whose own is unknown: the focal length is that of the network's camera for the hand's plain crop."""
    focal = FOCAL * size / crop_from_points(points, 'right', size).scale
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2)


class FeatureReader:
    """The trunk's features through ONNX Runtime, one thread."""

    def __init__(self, graph: Path) -> None:
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(graph), options, providers=['CPUExecutionProvider'])

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Crops (B, S, S, 3) uint8 -> features (B, F) float16."""
        batch = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / 255
        return self.session.run(['features'], {'crop': batch})[0].astype(np.float16)


def examples_of(subjects: Iterable[Subject], graph: Path, count: int, size: int, jitter: Jitter | None, seed: int) -> Examples:
    """Features and targets of `count` crops per subject."""
    rng, reader = np.random.default_rng(seed), FeatureReader(graph)
    features, targets, waiting = [], [], []
    for subject in subjects:
        for image, target in crops_of(subject, count, size, jitter, rng):
            waiting.append(image)
            targets.append(target)
            if len(waiting) == BATCH:
                features.append(reader(np.stack(waiting)))
                waiting = []
    if waiting:
        features.append(reader(np.stack(waiting)))
    return Examples(np.concatenate(features), **{key: np.stack([t[key] for t in targets]) for key in targets[0]})


def in_parallel(task, shares: list, workers: int) -> Examples:
    """`task(share)` -> Examples for every share, in `workers` processes; joined in order."""
    if workers == 1:
        return Examples.join([task(share) for share in shares])
    with get_context('spawn').Pool(workers) as pool:
        return Examples.join(pool.map(task, shares, chunksize=1))
