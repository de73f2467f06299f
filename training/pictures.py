"""One picture of one hand, with what is known of it; and the pictures of a manifest."""
from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from app.errors import InputError
from app.mirror import mirror_image, mirror_points_2d, mirror_points_3d
from app.types import Side
from training.data_folder import MANIFEST, data_folder
from training.manifest import check_files, read_rows, uncertainty_of_confidence

CERTAIN = 1.0  # pixels; what a point's uncertainty is taken for where the manifest says nothing of it


@dataclass(frozen=True)
class Picture:
    """One picture of one hand. All numbers are of the picture as it is; `right()` gives those of the picture of a right hand."""

    path: Path
    source: str
    session: str  # roughly one person or recording
    side: Side
    points: np.ndarray  # (21, 2) pixels; one that was not seen lies on the mean of the others
    uncertainty: np.ndarray  # (21,) pixels; inf: not seen
    world: np.ndarray | None = None  # (21, 3) metres, camera axes: a detector's guess, only its relative depths are used
    depth: np.ndarray | None = None  # (21,) pixels at the hand's distance, relative to the wrist (0), forward positive; NaN never
    width: int = 256
    height: int = 256
    clip: str = ''  # name of the video, '' for a single picture
    frame: int = -1  # number in the clip, from 0; -1 for a single picture
    time: float = math.nan  # seconds since the clip's start
    intrinsics: np.ndarray | None = None  # (3, 3) camera matrix in pixels
    xyz: np.ndarray | None = None  # (21, 3) metres, camera frame: measured joints
    vertices: np.ndarray | None = None  # (V, 3) metres, camera frame: a measured mesh in its own vertex order
    mask: Path | None = None  # picture of the same size, not 0 where the hand is
    group: str = ''  # near duplicates
    name: str = ''  # as its data set calls it
    mirrored: bool = False  # whether the numbers are those of the mirrored picture

    def read(self) -> np.ndarray:
        """The picture as it is, (H, W, 3) uint8 RGB, also where the file has one channel. Raises InputError."""
        return np.ascontiguousarray(self._read(self.path, cv2.IMREAD_COLOR)[..., ::-1])

    def right(self) -> Picture:
        """The same as of a right hand: a left one mirrored in x. `read` still gives the picture as it is, `read_right` the mirrored one."""
        if self.side == 'right' or self.mirrored:
            return self
        return replace(
            self, mirrored=True, points=mirror_points_2d(self.points, self.width),
            world=None if self.world is None else mirror_points_3d(self.world),
            xyz=None if self.xyz is None else mirror_points_3d(self.xyz),
            vertices=None if self.vertices is None else mirror_points_3d(self.vertices),
            intrinsics=None if self.intrinsics is None else mirror_matrix(self.intrinsics, self.width))

    def read_right(self) -> np.ndarray:
        """The picture (H, W, 3) uint8 RGB, mirrored if the hand is a left one."""
        return mirror_image(self.read()) if self.side == 'left' else self.read()

    def read_mask(self) -> np.ndarray | None:
        """(H, W) bool, where the hand is, in the picture as it is; None when there is no mask."""
        return None if self.mask is None else self._read(self.mask, cv2.IMREAD_GRAYSCALE) > 0

    def _read(self, path: Path, flags: int) -> np.ndarray:
        image = cv2.imread(str(path), flags)
        if image is None:
            raise InputError(f'the picture {path} cannot be read; remove it from the manifest or restore the file')
        if image.shape[:2] != (self.height, self.width):
            raise InputError(f'the picture {path} has {image.shape[1]} x {image.shape[0]} pixels, not {self.width} x {self.height} as its '
                             'manifest says; put `width` and `height` right')
        return image


def mirror_matrix(intrinsics: np.ndarray, width: int) -> np.ndarray:
    """The camera matrix (3, 3) that sees the mirrored picture, `width` pixels wide."""
    mirrored = intrinsics.copy()
    mirrored[0, 1], mirrored[0, 2] = -intrinsics[0, 1], width - 1 - intrinsics[0, 2]
    return mirrored


def read_pictures(split: str | None, manifest: Path | None = None, *, any_licence: bool = False) -> list[Picture]:
    """Pictures of `split` ('train', 'val'; None for all) whose side is certain, of a manifest or a folder with one.

    The training split is openly licensed pictures only, unless `any_licence`. Rows in which no point was seen are left out; a line says so.
    Raises InputError: no manifest, a wrong line, pictures missing, nothing to use.
    """
    path = manifest_path(manifest) if manifest else data_folder(MANIFEST) / MANIFEST
    rows = read_rows(path)
    chosen = [row for row in rows if split in (None, row['split'])]
    if not chosen:
        raise InputError(f'{path} has no pictures of the split {split!r}, only of {", ".join(sorted({row["split"] for row in rows}))}; '
                         'make both with `python main.py label ... --split val:0.2`')
    if split == 'train' and not any_licence:
        closed, chosen = len(chosen), [row for row in chosen if row.get('open', False)]
        if not chosen:
            raise InputError(f'none of the {closed} training pictures of {path} is marked `open`; label them with --open, '
                             'or allow any licence')
    pictures = [picture_of(row, path.parent) for row in chosen if (1 if row.get('side_agreement') is None else row['side_agreement']) >= 1]
    check_files((p.path for p in pictures), path)
    kept = [p for p in pictures if shows_a_hand(p)]
    if len(kept) < len(pictures):
        print(f'{path}: {len(pictures) - len(kept)} of {len(pictures)} rows left out, because no points were seen in them', flush=True)
    if not kept:
        raise InputError(f'{path} has no picture of the split {split!r} in which points were seen with certainty; label it anew')
    return kept


def manifest_path(given: Path) -> Path:
    """The manifest itself, or the one in a folder that `label` wrote, or in the folder of real pictures. Raises InputError."""
    given = Path(given)
    if given.is_file():
        return given
    for name in ('manifest.jsonl', MANIFEST):
        if (given / name).is_file():
            return given / name
    raise InputError(f'there is no manifest {given}; make one with `python main.py label`')


def picture_of(row: dict, folder: Path) -> Picture:
    """A row of a manifest in `folder` as a Picture."""
    def array(key: str) -> np.ndarray | None:
        return None if row.get(key) is None else np.array(row[key], float)

    def number(key: str, usual: float) -> float:
        return usual if row.get(key) is None else row[key]

    points, confidence, world, depth = array('keypoints'), array('confidence'), array('world_landmarks_weak'), array('depth')
    uncertainty = array('keypoint_uncertainty')
    points, seen = settled(points)
    if uncertainty is None:
        uncertainty = np.full(21, CERTAIN) if confidence is None else uncertainty_of_confidence(confidence, points)
    unseen = ~seen | ~np.isfinite(uncertainty) | (np.zeros(21, bool) if confidence is None else ~(confidence > 0))
    if not unseen.all():
        points[unseen] = points[~unseen].mean(0)
    return Picture(
        folder / row['file'], row['source'], row.get('session') or row['source'], row['side'], points,
        np.where(unseen, np.inf, uncertainty), filled(world, unseen), filled(depth, unseen),
        int(number('width', 256)), int(number('height', 256)), row.get('clip') or '', int(number('frame', -1)),
        float(number('time', math.nan)), array('K'), array('xyz_m'), None, folder / row['mask'] if row.get('mask') else None,
        row.get('group') or row['file'], row['file'])


def settled(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (21, 2) with those that are not finite moved to the mean of the others (0 if there are none), and which were finite (21,)."""
    seen = np.isfinite(points).all(1)
    return np.where(seen[:, None], points, points[seen].mean(0) if seen.any() else 0.0), seen


def filled(values: np.ndarray | None, unseen: np.ndarray) -> np.ndarray | None:
    """Values (21, ...) with the mean of the others for points that were not seen; None if one that was seen is not finite."""
    if values is None or unseen.all() or not np.isfinite(values[~unseen]).all():
        return None
    result = values.copy()
    result[unseen & ~np.isfinite(values).reshape(21, -1).all(1)] = values[~unseen].mean(0)
    return result


def shows_a_hand(picture: Picture) -> bool:
    """Whether points were seen, and do not all lie on one spot."""
    seen = np.isfinite(picture.uncertainty)
    return bool(seen.any() and np.ptp(picture.points[seen], axis=0).max() > 1e-3)
