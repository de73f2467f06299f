"""From what each contender saw in each frame to one record per hand and contender: arrays over time, on frames that all of them have.

The hands of a clip are those of the truth, or without truth those that MediaPipe follows. In each frame a contender's hand is the one whose
points lie nearest to them. Nothing outside the frames that all contenders have is compared: nobody gains by leaving out what is hard.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation_video_clips import Truth
from training.evaluation_video_hands import Seen, box_side, nearest

REFERENCE = 'mediapipe'  # the only reference where there is no truth
TRUTH = 'truth'


@dataclass(frozen=True, eq=False)
class Record:
    """One hand as one contender has it, over the T frames of a clip. Rows are NaN (False, -1) outside the frames that all have."""

    fps: float
    times: np.ndarray  # (T,) seconds
    found: np.ndarray  # (T,) bool, of all frames: where it has this hand
    there: np.ndarray  # (T,) bool, of all frames: where the reference has this hand
    common: np.ndarray  # (T,) bool: where all contenders have it
    points: np.ndarray  # (T, 21, 2) pixels
    joints: np.ndarray  # (T, 21, 3) metres, camera frame
    track: np.ndarray  # (T,) its own number for the hand
    fitted: np.ndarray  # (T, 21, 2) pixels that it was fitted to
    colours: np.ndarray | None  # (T, N, 3) uint8
    visible: np.ndarray | None  # (T, N) bool: what it and everybody else with a texture sees
    flips: int  # changes of side within a track, of all frames
    tracks: int  # numbers that this hand had, of all frames
    filled: int  # frames that were made up over a gap
    waited: int  # frames that its hands waited for before they were told
    reference: np.ndarray  # (T, 21, 2) pixels: truth, or MediaPipe's points
    reference_depth: np.ndarray  # (T,) metres
    is_reference: bool  # whether the two are the same, so that there is nothing to compare
    truth: np.ndarray | None  # (T, 21, 3) metres, camera frame

    @property
    def depth(self) -> np.ndarray:
        """(T,) metres: how far away the wrist is."""
        return self.joints[:, 0, 2]

    @property
    def box(self) -> np.ndarray:
        """(T,) pixels: longer side of the box around the reference's points."""
        return box_side(self.reference)

    @property
    def size(self) -> float:
        """Pixels: the usual longer side of the box in this clip; NaN without a frame."""
        boxes = self.box[self.common]
        return float(np.median(boxes)) if len(boxes) else np.nan


@dataclass(frozen=True, eq=False)
class Followed:
    """A hand of a clip as the reference has it."""

    points: np.ndarray  # (T, 21, 2), NaN where it is not
    depth: np.ndarray  # (T,)

    @property
    def there(self) -> np.ndarray:
        """(T,) bool."""
        return np.isfinite(self.points).all((1, 2))


def records_of(looks: Mapping[str, Sequence[Sequence[Seen]]], times: np.ndarray, fps: float, truth: Truth | None = None) -> \
        dict[str, list[Record]]:
    """The records of every contender that has a hand of the clip at all, one per hand of the clip.

    `looks`: of each contender the hands of each frame; `times` (T,) seconds. With truth its T rows are those frames, and it is a
    contender itself, for what real motion is worth in figures of jitter. Raises ValueError without truth and without the reference.
    """
    if truth is None and REFERENCE not in looks:
        raise ValueError(f'without truth a clip needs {REFERENCE} as its reference')
    hands = followed(looks, truth)
    chosen = {key: _chosen(frames, hands) for key, frames in looks.items()}
    if truth is not None:
        chosen[TRUTH] = [[Seen(0, truth.side or 'right', points, joints)
                          for points, joints in zip(truth.points, truth.joints)]]
    chosen = {key: rows for key, rows in chosen.items() if any(seen is not None for row in rows for seen in row)}
    records: dict[str, list[Record]] = {key: [] for key in chosen}
    for number, hand in enumerate(hands):
        rows = {key: rows[number] for key, rows in chosen.items()}
        common = np.logical_and.reduce([hand.there, *(np.array([seen is not None for seen in row]) for row in rows.values())])
        visible = _seen_by_all(rows, common)
        for key, row in rows.items():
            records[key].append(_record(row, hand, common, visible, times, fps, truth, key == (TRUTH if truth else REFERENCE)))
    return records


def followed(looks: Mapping[str, Sequence[Sequence[Seen]]], truth: Truth | None) -> list[Followed]:
    """The hands of a clip."""
    if truth is not None:
        return [Followed(truth.points, truth.joints[:, 0, 2])]
    frames = looks[REFERENCE]
    hands = []
    for track in sorted({seen.track for frame in frames for seen in frame}):
        hand = Followed(np.full((len(frames), 21, 2), np.nan), np.full(len(frames), np.nan))
        for t, frame in enumerate(frames):
            for seen in frame:
                if seen.track == track:
                    hand.points[t], hand.depth[t] = seen.points, seen.joints[0, 2]
        hands.append(hand)
    return hands


def _chosen(frames: Sequence[Sequence[Seen]], hands: Sequence[Followed]) -> list[list[Seen | None]]:
    """For each hand of the clip, what a contender has of it in each frame."""
    rows: list[list[Seen | None]] = [[None] * len(frames) for _ in hands]
    there = [hand.there for hand in hands]
    for t, seen in enumerate(frames):
        present = [i for i in range(len(hands)) if there[i][t]]
        for i, j in nearest([hands[i].points[t] for i in present], [s.points for s in seen]):
            rows[present[i]][t] = seen[j]
    return rows


def _seen_by_all(rows: Mapping[str, Sequence[Seen | None]], common: np.ndarray) -> np.ndarray | None:
    """(T, N) bool: vertices that are visible to all who have a texture, in the frames that all have."""
    textured = [row for row in rows.values() if any(seen is not None and seen.colours is not None for seen in row)]
    if not textured or not common.any():
        return None
    frames = np.flatnonzero(common)
    seen = np.zeros((len(common), len(textured[0][frames[0]].visible)), bool)
    for t in frames:
        seen[t] = np.logical_and.reduce([row[t].visible for row in textured])
    return seen


def _record(row: Sequence[Seen | None], hand: Followed, common: np.ndarray, visible: np.ndarray | None, times: np.ndarray, fps: float,
            truth: Truth | None, is_reference: bool) -> Record:
    count = len(row)
    points, joints, fitted = np.full((count, 21, 2), np.nan), np.full((count, 21, 3), np.nan), np.full((count, 21, 2), np.nan)
    track, colours = np.full(count, -1), None
    sides: dict[int, list[str]] = {}
    for t, seen in enumerate(row):
        if seen is None:
            continue
        sides.setdefault(seen.track, []).append(seen.side)
        if not common[t]:
            continue
        points[t], joints[t], track[t] = seen.points, seen.joints, seen.track
        if seen.fitted is not None:
            fitted[t] = seen.fitted
        if seen.colours is not None:
            colours = np.zeros((count, *seen.colours.shape), np.uint8) if colours is None else colours
            colours[t] = seen.colours
    flips = sum(a != b for of_track in sides.values() for a, b in zip(of_track, of_track[1:]))
    gone = ~common
    reference, reference_depth = hand.points.copy(), hand.depth.copy()
    reference[gone], reference_depth[gone] = np.nan, np.nan
    true_joints = None if truth is None else np.where(common[:, None, None], truth.joints, np.nan)
    return Record(
        fps=fps, times=times, found=np.array([seen is not None for seen in row]), there=hand.there, common=common, points=points,
        joints=joints, track=track, fitted=fitted, colours=colours, visible=None if colours is None else visible, flips=flips,
        tracks=len(sides), filled=sum(seen is not None and seen.filled for seen in row),
        waited=max((seen.waited for seen in row if seen is not None), default=0), reference=reference,
        reference_depth=reference_depth, is_reference=is_reference, truth=true_joints)
