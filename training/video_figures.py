"""Figures of motion: how steady, how consistent and how late a hand is that was followed through a clip.

Pure functions on arrays whose first axis is the frame. A frame without a hand is a row of NaN; nothing is measured across it, and a figure
for which too few frames are left is NaN, never an error. A series (T, ..., d) holds vectors of d numbers: RMS values are of their lengths.
"""
from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import convolve1d
from scipy.optimize import minimize_scalar

from training.metrics import bone_lengths

WINDOW = 11  # frames of the high pass
SOFTENING = np.array([1, 4, 6, 4, 1]) / 16  # of both series before their lag is sought: noise has no lag, and must not outweigh motion
MOST_LAG = 6  # frames to either side that are tried
SHORTEST = 8  # frames of a stretch that must remain to be compared
REPEATED = 8  # neighbouring frames that repeat each other's errors
VAGUE = 0.5  # frames of standard error from which a lag says nothing
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
    reference(t - shift) correlate best. Positive: late; negative: ahead. NaN where too little is left, nothing moves, or so little that its
    moment could not be told to `VAGUE` frames. Neither size nor place of the two need agree.

    Every shift within `most` frames is tried on the same frames. Both are softened alike before, which shifts nothing: jitter that a filter
    took from the reference itself would otherwise agree best without a shift, however late the filter is.
    """
    series, reference = (np.asarray(s, np.float64) for s in (series, reference))
    runs = []
    margin = len(SOFTENING) // 2
    for run in stretches(present(series) & present(reference)):
        late, early = (convolve1d(s[run], SOFTENING, axis=0)[margin:-margin] for s in (series, reference))
        if len(late) >= 2 * most + SHORTEST:
            late, frames = late[most:-most], np.arange(most, len(early) - most)
            runs.append((late - late.mean(0), CubicSpline(np.arange(len(early)), early), frames))
    if not runs:
        return np.nan
    size = sum(float((late ** 2).sum()) for late, _, _ in runs)

    def agreement(shift: float) -> float:
        product = early_size = 0.0
        for late, spline, frames in runs:
            early = spline(frames - shift)
            early = early - early.mean(0)
            product, early_size = product + float((late * early).sum()), early_size + float((early ** 2).sum())
        return product / max(np.sqrt(size * early_size), 1e-12)

    shifts = range(-most, most + 1)
    best = max(shifts, key=agreement)
    if abs(best) < most:
        best = float(minimize_scalar(lambda s: -agreement(s), bounds=(best - 1, best + 1), method='bounded', options={'xatol': 1e-4}).x)
    return float(best) if agreement(best) > 0 and _doubt(runs, best) < VAGUE else np.nan


def _doubt(runs: list, shift: float) -> float:
    """Standard error in frames of a best shift: what remains unexplained over the speed, as if only one frame in `REPEATED` said anything
    new, and all joints the same."""
    rest = speed = product = size = 0.0
    parts = [(late, spline(frames - shift), spline(frames - shift, 1)) for late, spline, frames in runs]
    for late, early, _ in parts:
        early = early - early.mean(0)
        product, size = product + float((late * early).sum()), size + float((early ** 2).sum())
    gain, frames = product / max(size, 1e-12), sum(len(late) for late, _, _ in parts)
    for late, early, slope in parts:
        rest += float(((late - gain * (early - early.mean(0))) ** 2).sum())
        speed += float(((gain * slope) ** 2).sum())
    return np.sqrt(rest / max(speed, 1e-12) * REPEATED / frames) if speed > 0 else np.inf
