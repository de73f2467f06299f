"""Rows from a video, a folder of pictures or a picture: hands found, looked at, followed, cut out and written."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from app.detection import Detector
from app.errors import InputError
from app.mirror import mirror_image
from app.sources import Source, open_source
from app.types import Frame
from training.label_crops import Square, sharpness, square_around, write_crop
from training.label_inputs import Clip
from training.label_points import Labelled, Labeller
from training.label_rows import APART, Limits, label_keys
from training.label_splits import SplitRule
from training.label_tracks import Followed, Follower, distinct

PER_SECOND = 5.0  # frames taken of a clip, unless the person says
PICTURES = 'pictures'  # folder of the crops in the set


@dataclass(frozen=True)
class ClipSettings:
    """What decides how a clip becomes rows; the meaning of each stands in `label.LabelSettings`."""

    out: Path
    rule: SplitRule
    limits: Limits = Limits()
    licence: str = 'unknown'
    open: bool = False
    unrelated: bool = False
    every: int | None = None
    still: float = 0.02
    mirror: bool = False
    size: int = 256
    around: float = 1.8
    quiet: bool = True


@dataclass
class _Found:
    """One hand of one frame that may become a row."""

    label: Labelled
    square: Square
    hand: Followed | None = None


class ClipLabeller:
    """Labels one clip after the other. `taken`: files that belong to the set already and must not be written over."""

    def __init__(self, settings: ClipSettings, labeller: Labeller, detector: Detector, taken: set[str] = frozenset()):
        self.settings, self.labeller, self.detector, self.taken = settings, labeller, detector, taken
        self.written: set[str] = set()
        self.dropped: Counter = Counter()
        self.frames = 0

    def __call__(self, clip: Clip) -> tuple[list[dict], list[str]]:
        """The rows of a clip, whose crops are written, and what is to be said about it.

        Raises InputError when it cannot be read or written.
        """
        settings = self.settings
        with open_source(clip.path) as source:
            step = settings.every or max(1, round(source.fps / PER_SECOND)) if source.is_sequence else 1
        with open_source(clip.path, step=step) as source:
            rows = []
            follower = Follower() if source.is_sequence else None
            with tqdm(total=source.frame_count, desc=clip.name[:30], unit=' pictures', disable=settings.quiet, dynamic_ncols=True) as bar:
                for frame in source:
                    rows += self._rows(frame, clip, source, follower)
                    self.frames += 1
                    bar.update()
            warnings = [f'{clip.name}: {warning}' for warning in source.warnings]
        if follower:
            rows = self._sides_settled(rows, follower)
        if not rows:
            warnings.append(f'{clip.path} gave no row: no hand in it was good enough')
        return rows, warnings

    def _rows(self, frame: Frame, clip: Clip, source: Source, follower: Follower | None) -> Iterator[dict]:
        """The rows of one frame."""
        image = mirror_image(frame.image) if self.settings.mirror else frame.image
        found = self._hands(image, follower is not None)
        if follower:
            hands = follower([f.label.points for f in found], [f.label.right for f in found], frame.time)
            for f, hand in zip(found, hands):
                f.hand = hand
        for number, f in enumerate(found):
            if f.hand is not None:
                if f.hand.kept is not None and _moved(f.hand.kept, f.label.points) < self.settings.still:
                    self.dropped['near duplicate'] += 1
                    continue
                f.hand.kept = f.label.points
            yield self._row(f, image, frame, clip, source, number)

    def _hands(self, image: np.ndarray, followed: bool) -> list[_Found]:
        """The hands of a picture that are good enough."""
        detections = self.detector.detect(image)
        if not detections:
            self.dropped['frame without a hand'] += 1
        limits = self.settings.limits
        if followed:
            limits = replace(limits, agreement=0.0)  # a track's side is told by all of its frames
        found = []
        for detection in (detections[i] for i in distinct([d.points for d in detections])):
            label = self.labeller(image, detection.points, detection.side)
            square = square_around(label.points, self.settings.around, self.settings.size)
            reason = limits.refusal(label)
            if not reason and np.linalg.norm(label.points - detection.points, axis=-1).mean() > APART * label.box_side:
                reason = 'points unsteady'
            if not reason and square.valid_area(image.shape[1], image.shape[0]) < limits.valid:
                reason = 'hand at the edge of the picture'
            if reason:
                self.dropped[reason] += 1
            else:
                found.append(_Found(label, square))
        once = distinct([f.label.points for f in found])
        if len(once) < len(found):
            self.dropped['same hand found twice'] += len(found) - len(once)
        return [found[i] for i in once]

    def _row(self, found: _Found, image: np.ndarray, frame: Frame, clip: Clip, source: Source, number: int) -> dict:
        """Write the crop; its row."""
        label, square, settings = found.label, found.square, self.settings
        crop = square.cut(image)
        sequence = found.hand is not None
        stem = f'{clip.name}_{frame.index:06d}_{found.hand.number}' if sequence else f'{_stem(frame, clip)}_{number}'
        file = f'{PICTURES}/{safe(clip.source)}/{stem}.jpg'
        if file in self.written:  # a.jpg and a.png in one folder
            stem = f'{stem}_{frame.index}'
            file = f'{PICTURES}/{safe(clip.source)}/{stem}.jpg'
        self.written.add(file)
        if file in self.taken:
            raise InputError(f'{file} is in the set already; leave {clip.path} out, or make the set anew with --overwrite')
        write_crop(settings.out / file, crop)
        session = clip.person or f'{clip.source}/{f"hand{found.hand.number}" if sequence else _stem(frame, clip)}'
        unit = session if settings.unrelated and not sequence else clip.source
        in_crop = replace(label, points=square.to_crop(label.points), uncertainty=label.uncertainty * square.scale,
                          depth=label.depth * square.scale)
        row = {'file': file, 'split': settings.rule.of(unit), 'source': clip.source, 'licence': settings.licence, 'open': settings.open,
               'session': session, 'group': f'{session}/{int(frame.time)}' if sequence else session, **label_keys(in_crop),
               'width': square.size, 'height': square.size, 'hand_px_original': round(label.box_side, 1),
               'valid_area': round(square.valid_area(image.shape[1], image.shape[0]), 3), 'blur': round(sharpness(crop), 1)}
        if sequence:
            row |= {'clip': clip.name, 'frame': frame.index, 'time': round(frame.time, 4), '_hand': found.hand.number}
        return row

    def _sides_settled(self, rows: list[dict], follower: Follower) -> list[dict]:
        """All rows of a track get the side that its frames say together; those of an uncertain track are dropped, with their crops."""
        kept = []
        for row in rows:
            hand = follower.hands[row.pop('_hand')]
            if hand.side_is_certain:
                kept.append({**row, 'side': hand.side})
                continue
            self.dropped['side uncertain'] += 1
            with suppress(OSError):
                (self.settings.out / row['file']).unlink()
        return kept


def _moved(before: np.ndarray, now: np.ndarray) -> float:
    """Mean way of points (21, 2) over the hand box."""
    return float(np.linalg.norm(now - before, axis=-1).mean()) / float(np.ptp(now, axis=0).max())


def _stem(frame: Frame, clip: Clip) -> str:
    """What a single picture is called."""
    return safe(Path(frame.name).stem) if clip.path.is_dir() else clip.name


def safe(name: str) -> str:
    """A name that any file system takes."""
    return re.sub(r'[^\w.+-]+', '_', name).strip('._') or 'unnamed'
