"""Rows of a manifest that is there already, labelled anew or completed: split, source, session and licence stay, pictures stay in place."""
from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.detection import Detector
from app.errors import InputError
from app.sources.picture import read_picture
from app.types import Side
from training.label_points import Labelled, Labeller
from training.pictures import Picture, picture_of, shows_a_hand

APART = 0.12  # of the hand box: points that far (mean) from the detected ones are not of the same hand


@dataclass(frozen=True)
class Limits:
    """What a labelled hand must be like to be kept."""

    presence: float = 0.5  # at least
    agreement: float = 0.8  # share of the looks that say the same side, at least
    uncertainty: float = 0.06  # mean, of the hand box, at most
    smallest: float = 40.0  # pixels of the hand box's longer side, at least
    valid: float = 0.6  # share of the crop that is picture, at least

    def refusal(self, label: Labelled) -> str:
        """Why a hand is not good enough to be a label; '' if it is."""
        if label.presence < self.presence:
            return 'no hand seen in the crop'
        if label.box_side < self.smallest:
            return 'hand too small'
        if label.uncertainty.mean() > self.uncertainty * label.box_side:
            return 'points unsteady'
        if label.side_agreement < self.agreement:
            return 'side uncertain'
        return ''


def labelled_rows(rows: Iterable[dict], home: Path, out: Path, labeller: Labeller, limits: Limits, keep_points: bool, dropped: Counter,
                  detector: Detector | None = None) -> Iterator[dict]:
    """The `rows` of a manifest in the folder `home` for one in the folder `out`; `dropped` counts the reasons of those left out.

    With `keep_points` every row that shows a hand stays, its points too, and what it lacks is added: `depth`, `keypoint_uncertainty`. Where
    the looks see no hand, or another one than the points, it gets no depth, which is counted as well.
    """
    for row in rows:
        picture = picture_of(row, home)
        row = moved(row, picture, out)
        try:
            image, _ = read_picture(picture.path)
        except InputError:
            dropped['picture cannot be read'] += 1
            continue
        row['height'], row['width'] = image.shape[:2]
        rough = _rough(picture, image, detector)
        label = labeller(image, *rough) if rough else None
        if keep_points:
            if not shows_a_hand(picture):
                dropped['no points to keep'] += 1
                continue
            yield completed(row, picture, label, limits, dropped)
            continue
        reason = 'no hand found' if label is None else limits.refusal(label)
        if reason:
            dropped[reason] += 1
            continue
        row.pop('confidence', None)  # of the points that were replaced
        yield {**row, **label_keys(label)}


def label_keys(label: Labelled) -> dict:
    """The keys of a manifest's row that a label gives."""
    return {'side': label.side, 'side_agreement': 1.0, 'score': round(label.presence, 4), 'keypoints': label.points.round(2),
            'keypoint_uncertainty': label.uncertainty.round(2), 'depth': label.depth.round(2)}


def completed(row: dict, picture: Picture, label: Labelled | None, limits: Limits, dropped: Counter) -> dict:
    """A row with its own points and what it lacked."""
    if label is None:
        return row
    seen = np.isfinite(picture.uncertainty)
    box = float(np.ptp(picture.points[seen], axis=0).max())
    apart = float(np.linalg.norm(label.points - picture.points, axis=-1)[seen].mean()) / box
    if row.get('keypoint_uncertainty') is None and row.get('confidence') is None:
        row['keypoint_uncertainty'] = np.hypot(label.uncertainty, np.linalg.norm(label.points - picture.points, axis=-1)).round(2)
    if label.presence < limits.presence or apart > APART:
        dropped['kept, but without depth: the looks do not see these points'] += 1
    elif row.get('depth') is None:
        row['depth'] = label.depth.round(2)
    return row


def moved(row: dict, picture: Picture, out: Path) -> dict:
    """The row with paths that hold from `out`: relative where the picture lies inside that folder, else absolute."""
    row = dict(row)
    for key, path in (('file', picture.path), ('mask', picture.mask)):
        if path is not None:
            path, base = Path(os.path.abspath(path)), Path(os.path.abspath(out))
            row[key] = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()
    return row


def _rough(picture: Picture, image: np.ndarray, detector: Detector | None) -> tuple[np.ndarray, Side] | None:
    """Where to look: at the row's own points, or where it has none at what the detector finds."""
    if shows_a_hand(picture) and np.isfinite(picture.uncertainty).sum() >= 5:
        return picture.points, picture.side
    found = detector.detect(image) if detector else []
    return (found[0].points, found[0].side) if found else None
