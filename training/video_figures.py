"""Figures of motion: how steady, how consistent and how late a hand is that was followed through a clip.

Pure functions on arrays whose first axis is the frame. A frame without a hand is a row of NaN; nothing is measured across it, and a figure
for which too few frames are left is NaN, never an error. A series (T, ..., d) holds vectors of d numbers: RMS values are of their lengths.
"""
from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import convolve1d

from training.metrics import bone_lengths

WINDOW = 11  # frames of the high pass
SOFTENING = np.array([1, 4, 6, 4, 1]) / 16  # of both series before their lag is sought: noise has no lag, and must not outweigh motion
MOST_LAG = 6  # frames to either side that are tried
SHORTEST = 8  # frames of a stretch that must remain to be compared
STEP = 0.125  # frames between shifts that are tried
BLOCK, FEWEST = 16, 6  # frames of a block at most, and how many blocks there should be, to tell how sure a lag is
VAGUE = 0.35  # frames of standard error from which a lag says nothing
CHUNK = 256  # vertices at a time


def present(series: np.ndarray) -> np.ndarray:
    """(T,) bool: frames of series (T, ...) whose numbers are all finite."""
    return np.isfinite(series).all(tuple(range(1, np.ndim(series))))


def stretches(mask: np.ndarray) -> list[slice]:
    """The runs of True in mask (T,), in order."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(mask, bool), [False]]).astype(np.int8)))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2])]


def high_pass(series: np.ndarray, window: int = WINDOW) -> np.ndarray:
    """Series (T, ..., d) minus its centred moving mean over `window` frames (odd); NaN where a frame of the window is missing, and so at
    the edges. Even motion has none: position, and velocity, are taken out exactly."""
    if window < 3 or window % 2 == 0:
        raise ValueError(f'a centred window is an odd number of frames, at least 3, not {window}')
    series = np.asarray(series, np.float64)
    half, result = window // 2, np.full(series.shape, np.nan)
    for run in stretches(present(series)):
        part = series[run]
        if len(part) >= window:
            mean = convolve1d(part - part[0], np.full(window, 1 / window), axis=0)[half:-half] + part[0]
            result[run][half:-half] = part[half:-half] - mean
    return result


def high_pass_rms(series: np.ndarray, window: int = WINDOW) -> float:
    """RMS length of the vectors of `high_pass`, in the unit of the series (T, ..., d)."""
    rest = high_pass(series, window)
    rest = rest[present(rest)]
    return float(np.sqrt((rest ** 2).sum(-1).mean())) if len(rest) else np.nan


def tremble(series: np.ndarray) -> float:
    """RMS length, in the unit of the series (T, ..., d), of the white noise that would have third differences as large: what shakes from
    frame to frame. Even acceleration has none, and the hand's own motion hardly any, while much of it is in `high_pass_rms`; a slow wobble
    is only there."""
    third = np.diff(np.asarray(series, np.float64), 3, axis=0)
    third = third[present(third)]
    return float(np.sqrt((third ** 2).sum(-1).mean() / 20)) if len(third) else np.nan  # 20 = 1 + 9 + 9 + 1


def acceleration_error(joints: np.ndarray, truth: np.ndarray, fps: float, rooted: bool = False) -> float:
    """Mean distance in m/s^2 between the accelerations (second differences) of joints (T, 21, 3) and of truth, in metres; `rooted`: of the
    joints relative to the wrist, which leaves out where the hand is. Only frames count whose neighbours are there as well."""
    apart = np.asarray(joints, np.float64) - np.asarray(truth, np.float64)
    if rooted:
        apart = apart - apart[:, :1]
    second = (apart[2:] - 2 * apart[1:-1] + apart[:-2]) * fps ** 2
    second = second[present(second)]
    return float(np.linalg.norm(second, axis=-1).mean()) if len(second) else np.nan


def bone_spread(joints: np.ndarray) -> float:
    """Mean over the 20 bones of the standard deviation of their length over its mean, of joints (T, 21, 3) of one track."""
    lengths = bone_lengths(np.asarray(joints, np.float64))
    lengths = lengths[present(lengths)]
    if len(lengths) < 2:
        return np.nan
    return float((lengths.std(0) / np.maximum(lengths.mean(0), 1e-12)).mean())


def texture_spread(colours: np.ndarray, seen: np.ndarray) -> float:
    """RMS over vertices (and the three channels) of the standard deviation of colours (T, N, 3), in their unit, over the frames of one
    track in which a vertex is seen (T, N) bool. Vertices that fewer than two frames see do not count."""
    colours, seen = np.asarray(colours), np.asarray(seen, bool)
    squares, vertices = 0.0, 0
    for start in range(0, seen.shape[1], CHUNK):
        weight = seen[:, start:start + CHUNK, None].astype(np.float64)
        count = weight.sum(0)
        known = count[:, 0] >= 2
        if not known.any():
            continue
        weight, count = weight[:, known], count[known]
        values = np.where(weight > 0, colours[:, start:start + CHUNK][:, known], 0).astype(np.float64)
        mean = values.sum(0) / count
        squares += float(((weight * (values - mean) ** 2).sum(0) / count).mean(-1).sum())
        vertices += int(known.sum())
    return float(np.sqrt(squares / vertices)) if vertices else np.nan


def lag(series: np.ndarray, reference: np.ndarray, most: int = MOST_LAG) -> float:
    """How many frames series (T, ..., d) is late against the reference: the shift, in parts of a frame, at which series(t) and
    reference(t - shift) correlate best. Positive: late; negative: ahead. NaN where too little is left, nothing moves, or so little that the
    shift could not be told to `VAGUE` frames. Neither size nor place of the two need agree.

    Every shift within `most` frames is tried on the same frames. Both are softened alike before, which shifts nothing: jitter that a filter
    took from the reference itself would otherwise agree best without a shift, however late the filter is. How surely the shift is told is
    tried out by leaving out one block of frames after the other (the jackknife).
    """
    products, sizes, early_sizes = _blocks(np.asarray(series, np.float64), np.asarray(reference, np.float64), most)
    if len(products) < 2 or sizes.sum() <= 0 or early_sizes.sum(0).min() <= 0:
        return np.nan
    found = _best(products.sum(0), sizes.sum() * early_sizes.sum(0), most)
    without = np.array([_best(products.sum(0) - p, (sizes.sum() - s) * (early_sizes.sum(0) - e), most)
                        for p, s, e in zip(products, sizes, early_sizes)])
    doubt = np.sqrt((len(without) - 1) * ((without - without.mean()) ** 2).mean())
    return found if doubt < VAGUE else np.nan


def _best(products: np.ndarray, sizes: np.ndarray, most: int) -> float:
    """The shift of the highest of the correlations products / sqrt(sizes), (S,) each, of shifts `STEP` apart from -most to most; NaN if
    none is positive."""
    agreement = products / np.sqrt(np.maximum(sizes, 1e-300))
    at = int(agreement.argmax())
    if not agreement[at] > 0:
        return np.nan
    if 0 < at < len(agreement) - 1:
        before, peak, after = agreement[at - 1:at + 2]
        bend = before - 2 * peak + after
        at += 0.5 * (before - after) / bend if bend < 0 else 0.0  # the vertex of the parabola through the three
    return at * STEP - most


def _blocks(series: np.ndarray, reference: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For blocks of frames and all shifts: sum of the products of series and shifted reference (B, S), sum of squares of the series (B,)
    and of the shifted reference (B, S), each about its mean in the block."""
    shifts, margin = np.arange(round(2 * most / STEP) + 1) * STEP - most, len(SOFTENING) // 2
    runs = []
    for run in stretches(present(series) & present(reference)):
        late, early = (convolve1d(s[run], SOFTENING, axis=0)[margin:-margin] for s in (series, reference))
        if len(late) >= 2 * most + SHORTEST:
            runs.append((late, CubicSpline(np.arange(len(early)), early)))
    frames = sum(len(late) - 2 * most for late, _ in runs)
    length = int(np.clip(frames // FEWEST, 4, BLOCK))
    products, sizes, early_sizes = [], [], []
    for late, spline in runs:
        for start in range(most, len(late) - most - length + 1, length):
            times = np.arange(start, start + length)
            own = late[times] - late[times].mean(0)
            others = spline(times[:, None] - shifts)  # (length, S, ..., d)
            others = others - others.mean(0)
            axes = tuple(range(2, others.ndim))
            products.append((own[:, None] * others).sum((0, *axes)))
            early_sizes.append((others ** 2).sum((0, *axes)))
            sizes.append(float((own ** 2).sum()))
    return np.array(products), np.array(sizes), np.array(early_sizes)
