"""Follow hands from frame to frame: which ones there are, where to cut next, which side they are, when to look for new ones.

Pure bookkeeping on points; the pictures are the pipeline's business.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from app.types import Detection, Side


SIDE_MEMORY = 0.2  # how much of what is known lately of a hand's side is its last look


@dataclass(frozen=True)
class TrackingSettings:
    """How hands are followed. Times in seconds of the source's own clock."""

    hands: int = 2  # at most this many at once
    presence: float = 0.5  # below this probability the crop shows no hand and the track is lost
    search_every: float = 0.4  # while fewer than `hands` are followed, look at the whole picture this often
    search_soon: float = 0.15  # the same for `soon` seconds after one was lost: it mostly comes back, and should not have to wait
    soon: float = 1.5
    remember: float = 0.7  # a hand found again within this time near its old place keeps its number, shape and texture
    other_hand: float = 0.8  # a hand found near a lost one, but surely (this score) of the other side, is the other hand
    same_hand: float = 0.35  # two sets of points closer than this share of the hand's box (mean) are one hand
    flip_after: float = 12.0  # evidence (summed log odds, at most 1 a frame) against a track's side before the side flips
    favour: float = 0.2  # added each frame for the side a track has, so that looks that disagree half of the time never flip it
    most_certain: float = 20.0  # evidence for a side is capped here, so that a wrong start can be mended
    other_of_two: float = 0.5  # two hands are mostly one person's, a right and a left one: of two of one side, so much of what the looks
    # say for the side of the surer one speaks each frame against the side of the other, which then flips without `flip_after`


@dataclass
class Track:
    """A hand that is being followed. `points` (21, 2) pixels are those of the last frame in which it was seen, at `time`."""

    number: int
    side: Side
    points: np.ndarray
    time: float
    side_evidence: float  # summed log odds for `side`
    side_lately: float = 0.0  # the same in a look, -1 to 1, mean over the last few
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))  # pixels per second of the points' mean
    presence: float = 1.0
    fresh: bool = True  # not yet observed through its own crop
    looks: int = 0  # how often it was

    @property
    def box_side(self) -> float:
        """Longer side of the box around the points, pixels."""
        return float(np.ptp(self.points, axis=0).max())


class Tracker:
    """The hands being followed in one source. Feed frames in order; `reset` for another source."""

    def __init__(self, settings: TrackingSettings = TrackingSettings()):
        if settings.hands < 1:
            raise ValueError(f'at least one hand must be followed, not {settings.hands}')
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget everything, also the numbering."""
        self.forget()
        self._next_number = 0

    def forget(self) -> None:
        """Forget all hands; numbers go on, so that hands of unrelated pictures are never taken for one."""
        self.tracks: list[Track] = []
        self.lost: list[Track] = []
        self._last_search = self._last_loss = -np.inf

    def carry_on(self, other: Tracker) -> None:
        """Take over the hands of another tracker, the oldest first if there are too many."""
        self.tracks, self.lost, self._next_number = other.tracks[:self.settings.hands], other.lost, other._next_number
        self._last_search, self._last_loss = other._last_search, other._last_loss

    def wants_search(self, time: float) -> bool:
        """Whether the detector should look at the whole picture of this frame."""
        if not self.tracks:
            return True
        settings = self.settings
        every = settings.search_soon if 0 <= time - self._last_loss < settings.soon else settings.search_every
        return len(self.tracks) < settings.hands and time - self._last_search >= every

    def expected_points(self, track: Track, time: float) -> np.ndarray:
        """(21, 2) where the hand should be at `time`: its last points, carried on by half its velocity (hands brake as often as not)."""
        ahead = min(max(time - track.time, 0.0), 0.1)
        return track.points + 0.5 * ahead * track.velocity

    def observe(self, track: Track, points: np.ndarray, presence: float, side_agreement: float, time: float) -> bool:
        """Take in what the crop of `track` showed; False if the hand is lost.

        `points` (21, 2) frame pixels; `presence` in 0..1 that the crop shows a hand; `side_agreement` in 0..1 that it shows a hand of the
        track's side. A hand whose points fly off or shrink to nothing is lost as well.
        """
        middle, box = points.mean(0), track.box_side
        step = math.dist(middle.tolist(), self.expected_points(track, time).mean(0).tolist())  # not finite if one point is not
        sane = step < 1.5 * box and 0.4 < float(np.ptp(points, 0).max()) / box < 2.5
        if presence < self.settings.presence or not sane:
            self.tracks.remove(track)
            if not track.fresh:
                self.lost.append(track)
                self._last_loss = time
            return False
        dt = time - track.time
        if dt > 0:
            track.velocity = (middle - track.points.mean(0)) / dt
        track.points, track.time, track.presence, track.fresh, track.looks = points, time, presence, False, track.looks + 1
        self._believe_side(track, side_agreement)
        return True

    def _believe_side(self, track: Track, agreement: float) -> None:
        """Take in that in a look the hand was of its side (`agreement` in 0..1)."""
        settings = self.settings
        odds = math.log(min(max(agreement, 1e-3), 1 - 1e-3) / min(max(1 - agreement, 1e-3), 1.0))
        odds = min(max(odds, -1.0), 1.0)
        track.side_lately += SIDE_MEMORY * (odds - track.side_lately)
        surer = self._surer_of_its_side(track)
        favour = -settings.other_of_two * surer.side_lately if surer else settings.favour
        track.side_evidence = min(track.side_evidence + odds + favour, settings.most_certain)
        if track.side_evidence < (0 if surer else -settings.flip_after):
            track.side = 'left' if track.side == 'right' else 'right'
            track.side_evidence, track.side_lately = settings.flip_after / 2, -track.side_lately

    def _surer_of_its_side(self, track: Track) -> Track | None:
        """The other of two hands, if it is of the same side and lately looked more like it."""
        if len(self.tracks) != 2:
            return None
        other = self.tracks[0] if self.tracks[1] is track else self.tracks[1]
        return other if other.side == track.side and other.side_lately > max(track.side_lately, 0.0) else None

    def searched(self, detections: list[Detection], time: float) -> list[Track]:
        """Take in a search of the whole picture; the tracks that are new (or found again) come back."""
        self._last_search = time
        self.lost = [t for t in self.lost if time - t.time <= self.settings.remember]
        new = []
        for detection in detections:
            if len(self.tracks) >= self.settings.hands:
                break
            if any(self._same(detection.points, t.points) for t in self.tracks):
                continue
            new.append(self._revived(detection, time) or self._started(detection, time))
            self.tracks.append(new[-1])
        return new

    def drop_duplicates(self) -> list[Track]:
        """End tracks that slid onto a hand that an older track follows; the ended ones come back."""
        ended = []
        for young in sorted(self.tracks, key=lambda t: -t.number):
            if any(old.number < young.number and self._same(old.points, young.points) for old in self.tracks):
                self.tracks.remove(young)
                ended.append(young)
        return ended

    def _same(self, a: np.ndarray, b: np.ndarray) -> bool:
        box = max(np.ptp(a, 0).max(), np.ptp(b, 0).max())
        return bool(np.linalg.norm(a - b, axis=-1).mean() < self.settings.same_hand * box)

    def _revived(self, detection: Detection, time: float) -> Track | None:
        """The lost track nearest to the detection, if its hand could have moved there since; else None."""
        def distance(track: Track) -> float:
            return float(np.linalg.norm(track.points.mean(0) - detection.points.mean(0)))

        near = [t for t in self.lost if distance(t) < 1.5 * t.box_side and 0.5 < np.ptp(detection.points, 0).max() / t.box_side < 2
                and (t.side == detection.side or detection.side_score < self.settings.other_hand)]
        if not near:
            return None
        track = min(near, key=lambda t: (t.side != detection.side, distance(t)))
        self.lost.remove(track)  # its side stays: one look at a hand that was just lost is weaker than all the looks before
        track.points, track.time, track.velocity, track.fresh = detection.points, time, np.zeros(2), True
        if track.side != detection.side:
            track.side_evidence -= 2
        return track

    def _started(self, detection: Detection, time: float) -> Track:
        odds = np.log(np.clip(detection.side_score, 0.5, 0.999) / np.clip(1 - detection.side_score, 1e-3, 0.5))
        track = Track(self._next_number, detection.side, detection.points, time, float(odds))
        self._next_number += 1
        return track
