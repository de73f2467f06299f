"""What the first pass saw, put in order: which rows show one and the same hand, and where its motion may be carried on over a gap.

A hand is one person's hand of one side, from one scene. A piece of it is a stretch that is moved as one; a hand that was away for
longer than `GAP` has several. Gaps within a piece are filled: nobody cut the film, the hand before and after it is of one
colour and size, it is where its motion led, and no other hand of its side was on its way.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.consistent.row_file import RowFile

GAP = 0.5  # seconds over which a motion is carried on
TONE = 0.45  # difference (log, root mean square over the channels) of two looks at one hand in one light
SIZE = 1.6  # ratio of two sizes of one hand shortly after each other
ASTRAY = 0.9  # of the hand's box, that it may lie from where its motion led after `GAP`
NEAR = 1.0  # of the hand's box: another hand nearer than this may have taken its place
SWITCH = 40.0  # twice the summed log odds that it takes to believe that a hand's side changed: only another hand has another side
CROWDED_SWITCH, LATELY = 8.0, 5  # the same where a hand of that other side was near within so many frames: the track may have slid onto it
TELLING = 15  # frames over which looks at a hand tell its side
FILLED = -1  # instead of a row's number


@dataclass(frozen=True, eq=False)
class Piece:
    """T frames of one hand, in order."""

    hand: int  # number of the hand
    side: str
    rows: np.ndarray  # (T,) numbers of the first pass's rows, FILLED where it was not seen
    frames: np.ndarray  # (T,) places in the list of all frames


@dataclass(frozen=True, eq=False)
class Found:
    """All hands of a clip."""

    pieces: list[Piece]
    hands: int
    cuts: int  # scenes that end
    gaps_left: int  # short gaps that were not filled, because the hand after them is, or may be, another one


@dataclass(frozen=True, eq=False)
class _Looks:
    """The first pass's rows of one track, by column."""

    rows: np.ndarray
    frames: np.ndarray  # places in the list of frames
    time: np.ndarray
    middle: np.ndarray  # (n, 2) pixels
    box: np.ndarray  # (n,) pixels
    tone: np.ndarray
    left: np.ndarray


def find_pieces(rows: RowFile, frames: RowFile) -> Found:
    """Sort the rows of the first pass (`scout.ROW`, `scout.FRAME`)."""
    table = frames.columns(('frame', 'time', 'cut'))
    columns = rows.columns(('frame', 'time', 'track', 'left', 'agreement', 'points', 'tone'))
    points = columns.pop('points')
    columns |= {'middle': points.mean(1), 'box': np.maximum(np.ptp(points, axis=1).max(-1), 1.0)}
    place = np.searchsorted(table['frame'], columns['frame'])
    scene = np.cumsum(table['cut'])
    hands: list[list[_Looks]] = []
    gaps_left = 0
    tracks = [np.flatnonzero(columns['track'] == track) for track in np.unique(columns['track'])]
    crowded = _crowded(columns, place, tracks)
    for of_track in tracks:
        lately = np.array([np.convolve(beside, np.ones(LATELY))[:len(of_track)] for beside in crowded[:, of_track]]) > 0
        columns['left'][of_track] = believed_sides(columns['left'][of_track], columns['agreement'][of_track],
                                                   np.where(lately, CROWDED_SWITCH, SWITCH))
    for of_track in tracks:
        looks = _Looks(of_track, place[of_track], *(columns[name][of_track] for name in ('time', 'middle', 'box', 'tone', 'left')))
        another = (np.diff(scene[looks.frames]) > 0) | (np.diff(looks.left) != 0)
        apart = np.diff(looks.frames) > 1
        split = another.copy()
        for gap in np.flatnonzero(apart & ~another):
            fits = _same_hand(looks, gap)
            if looks.time[gap + 1] - looks.time[gap] <= GAP:
                fits = fits and _on_its_way(looks, gap) and not _another_near(columns, place, looks, gap)
                gaps_left += not fits
                split[gap] = not fits
            else:
                split[gap] = not fits or (looks.time[gap + 1] - looks.time[gap] > 2 * GAP)
        bounds = [0, *np.flatnonzero(split) + 1, len(of_track)]
        hands += [_stretches(looks, begin, end) for begin, end in zip(bounds, bounds[1:])]
    hands.sort(key=lambda stretches: (stretches[0].frames[0], stretches[0].rows[0]))
    hands = _joined(hands, columns, place, scene)
    pieces = [_piece(number, looks) for number, stretches in enumerate(hands) for looks in stretches]
    return Found(pieces, len(hands), int(scene[-1]) if len(scene) else 0, gaps_left)


def believed_sides(left: np.ndarray, agreement: np.ndarray, switch: np.ndarray | None = None) -> np.ndarray:
    """(n,) bool looked at as a left hand, (n,) in 0..1 that this was right -> (n,) bool left: the likeliest story with few changes, each of
    which costs `switch` (2, n): to a right hand, to a left one."""
    switch = np.full((2, len(left)), SWITCH) if switch is None else switch
    score, back = np.zeros(2), np.zeros((len(left), 2), np.int8)
    for at, value in enumerate(_for_left(left, agreement)):
        changed = score[::-1] - switch[:, at]
        back[at] = np.where(changed > score, (1, 0), (0, 1))
        score = np.maximum(score, changed) + (-value, value)
    side = int(score[1] > score[0]) if len(left) else 0
    out = np.empty(len(left), bool)
    for at in range(len(left) - 1, -1, -1):
        out[at] = side
        side = back[at, side]
    return out


def _for_left(left: np.ndarray, agreement: np.ndarray) -> np.ndarray:
    """(n,) in -1..1 what each look says for a left hand: log odds, no look more than the next."""
    odds = np.clip(np.log(np.clip(agreement, 1e-3, 1 - 1e-3) / np.clip(1 - agreement, 1e-3, 1)), -1, 1)
    return np.where(left, odds, -odds)


def _crowded(columns: dict, place: np.ndarray, tracks: list[np.ndarray]) -> np.ndarray:
    """(2, R) bool: rows, which come in order of frames, with another hand of the same frame near that looked like a right one, like a left
    one: onto it their track may slide, and not onto one of the other side."""
    looked_left = np.empty(len(place), bool)
    for of_track in tracks:  # by the mean of its looks so far, the last ones above all: while hands meet, looks say little
        kept = np.exp(-np.arange(min(len(of_track), 4 * TELLING)) / TELLING)
        said = _for_left(columns['left'][of_track], columns['agreement'][of_track])
        looked_left[of_track] = np.convolve(said, kept)[:len(of_track)] > 0
    out = np.zeros((2, len(place)), bool)
    near = np.linalg.norm(np.diff(columns['middle'], axis=0), axis=1) < NEAR * np.maximum(columns['box'][1:], columns['box'][:-1])
    near = np.flatnonzero(near & (np.diff(place) == 0))
    out[looked_left[near].astype(int), near + 1] = True
    out[looked_left[near + 1].astype(int), near] = True
    return out


def _stretches(looks: _Looks, begin: int, end: int) -> list[_Looks]:
    """The looks of one hand, apart where a gap is too long to fill."""
    part = slice(begin, end)
    breaks = begin + 1 + np.flatnonzero((np.diff(looks.frames[part]) > 1) & (np.diff(looks.time[part]) > GAP))
    bounds = [begin, *breaks, end]
    return [_Looks(*(getattr(looks, name)[a:b] for name in _Looks.__dataclass_fields__)) for a, b in zip(bounds, bounds[1:])]


def _piece(hand: int, looks: _Looks) -> Piece:
    frames = np.arange(looks.frames[0], looks.frames[-1] + 1)
    rows = np.full(len(frames), FILLED)
    rows[looks.frames - looks.frames[0]] = looks.rows
    return Piece(hand, 'left' if looks.left[0] else 'right', rows, frames)


def _same_hand(looks: _Looks, gap: int) -> bool:
    """Colour and size before and after."""
    before, after = slice(max(gap - 4, 0), gap + 1), slice(gap + 1, gap + 6)
    tone = np.median(looks.tone[after], 0) - np.median(looks.tone[before], 0)
    size = np.median(looks.box[after]) / np.median(looks.box[before])
    return bool(np.sqrt((tone * tone).mean()) < TONE and 1 / SIZE < size < SIZE)


def _on_its_way(looks: _Looks, gap: int) -> bool:
    """Where the motion before leads, and the motion after comes from, seen in the middle of the gap."""
    seconds = looks.time[gap + 1] - looks.time[gap]
    there = looks.middle[gap] + 0.25 * seconds * _speed(looks, slice(max(gap - 4, 0), gap + 1))
    here = looks.middle[gap + 1] - 0.25 * seconds * _speed(looks, slice(gap + 1, gap + 6))
    return bool(np.linalg.norm(here - there) < ASTRAY * max(looks.box[gap], looks.box[gap + 1]))


def _speed(looks: _Looks, part: slice) -> np.ndarray:
    """(2,) pixels per second over a few neighbouring looks."""
    time, middle = looks.time[part], looks.middle[part]
    close = np.abs(time - time[0]) < 0.3
    time, middle = time[close], middle[close]
    return (middle[-1] - middle[0]) / max(time[-1] - time[0], 1e-3) if len(time) > 1 else np.zeros(2)


def _joined(hands: list[list[_Looks]], columns: dict, place: np.ndarray, scene: np.ndarray) -> list[list[_Looks]]:
    """Hands in order of their beginnings -> the same, those put together that are one: the tracker gives a hand that it lost a new number
    when it has moved on too far, or was found anew at once."""
    kept: list[list[_Looks]] = []
    for hand in hands:
        for earlier in kept:
            before, after = earlier[-1], hand[0]
            short = 0 < after.frames[0] - before.frames[-1] and after.time[0] - before.time[-1] <= GAP
            if not short or before.left[-1] != after.left[0] or scene[before.frames[-1]] != scene[after.frames[0]]:
                continue
            both = _Looks(*(np.concatenate([getattr(part, name) for part in (before, after)]) for name in _Looks.__dataclass_fields__))
            gap = len(before.rows) - 1
            if _same_hand(both, gap) and _on_its_way(both, gap) and not _another_near(columns, place, both, gap):
                earlier[-1:] = [both, *hand[1:]]
                break
        else:
            kept.append(list(hand))
    return kept


def _another_near(columns: dict, place: np.ndarray, looks: _Looks, gap: int) -> bool:
    """Whether another hand of the same side was, during the gap, near the way from one end to the other."""
    first, last = np.searchsorted(place, (looks.frames[gap], looks.frames[gap + 1] + 1))  # rows come in order of frames
    others = np.arange(first, last)
    others = others[~np.isin(others, looks.rows[[gap, gap + 1]]) & (columns['left'][others] == looks.left[gap])]
    if not len(others):
        return False
    share = (columns['time'][others] - looks.time[gap]) / (looks.time[gap + 1] - looks.time[gap])
    way = looks.middle[gap] + share[:, None] * (looks.middle[gap + 1] - looks.middle[gap])
    return bool((np.linalg.norm(columns['middle'][others] - way, axis=1) < NEAR * looks.box[gap]).any())
