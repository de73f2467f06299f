"""Every figure of the records of one contender: of one clip, or of many at once."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.ndimage import convolve1d

from training.evaluation_video_records import TRUTH, Record
from training.metrics import distances, pa_mpjpe
from training.video_figures import (
    SOFTENING, acceleration_error, bone_spread, high_pass_rms, lag, present, stretches, texture_spread, tremble)

MILLIMETRES = 1000
FASTEST = 0.1  # share of the frames that count as fast
AGAINST = 'network', 'mediapipe', 'unfiltered'  # whose figures the others' are divided by
COMPARED = (
    'high_pass_2d_percent', 'tremble_2d_percent', 'jitter_2d_percent', 'high_pass_3d_mm', 'tremble_3d_mm', 'jitter_3d_mm',
    'high_pass_depth_mm', 'tremble_depth_mm', 'jitter_depth_mm', 'bone_spread_percent', 'texture_spread_grey', 'error_2d_percent',
    'error_2d_fast_percent', 'acceleration_error', 'pa_mpjpe_mm')

MEANINGS = {  # of every figure in the JSON file; null: it cannot be had, as of a clip that is too short
    'frames': 'frames that count: all contenders have the hand there',
    'found': 'frames in which it has the hand, of those in which the reference (truth, or MediaPipe) has it',
    'found_of': 'how many those are', 'found_percent': 'the share of them in per cent',
    'tracks': 'tracks that it followed the hands in', 'side_flips': 'changes of side in a track',
    'filled': 'frames that it made up over a gap',
    'error_2d_px': "mean distance of the joints from the reference's points in pixels",
    'error_2d_percent': "the same in per cent of the longer side of the box around the reference's points",
    'error_2d_percent_p95': 'its 95th percentile over the frames',
    'error_2d_fast_percent': 'its mean over the tenth of the frames with the quickest motion',
    'fit_percent': 'mean distance of the joints from the detected points that the hand was fitted to, in per cent of the box',
    'jump_percent': "largest step of the hand's middle from frame to frame in per cent of the box",
    'high_pass_2d_px': 'RMS of the joints in the picture about their centred mean over 11 frames, pixels',
    'high_pass_2d_percent': 'the same in per cent of the usual box of the clip',
    'high_pass_3d_mm': 'the same of the joints relative to the wrist, mm',
    'high_pass_depth_mm': 'the same of the distance of the wrist, mm',
    'tremble_2d_percent': 'RMS of the joints in the picture by their third differences, as if those were white noise: what shakes from '
                          "frame to frame, with next to nothing of the hand's own motion; per cent of the usual box",
    'tremble_3d_mm': 'the same of the joints relative to the wrist, mm', 'tremble_depth_mm': 'the same of the distance of the wrist, mm',
    'jitter_2d_percent': 'the high pass of what the joints in the picture are off the true ones: no real motion is in it; per cent of box',
    'jitter_3d_mm': 'the same of the joints relative to the wrist, mm', 'jitter_depth_mm': 'the same of the distance of the wrist, mm',
    'bone_spread_percent': "standard deviation of a bone's length over its mean, in per cent, mean of the bones, within a track",
    'bone_spread_hand_percent': 'the same over all frames of the hand, in whatever tracks it was followed',
    'texture_spread_grey': "standard deviation of a vertex's colour over the frames in which all contenders with a texture see it, RMS of "
                           'the vertices, grey levels of 255, within a track',
    'lag_frames': "frames by which the joints in the picture are late against the reference's points; null where too little moves. Ours "
                  'live waits one frame, which is counted; all other figures are of the picture that is shown with the hand',
    'lag_pose_frames': 'the same of the joints about their middle: what the fingers do, wherever the hand is',
    'lag_depth_frames': 'the same of the distance of the wrist',
    'acceleration_error': 'mean distance of the accelerations of the joints relative to the wrist from true ones, m/s^2',
    'acceleration_error_camera': 'the same of the joints as they lie before the camera',
    'pa_mpjpe_mm': 'mean distance from the true joints after the best move, turn and scale of each frame',
    'mpjpe_root_mm': 'mean distance from the true joints with the wrists together'}


def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays (T, ...) behind each other, a row of NaN between them, across which nothing is measured."""
    between = np.full((1, *arrays[0].shape[1:]), np.nan)
    return np.concatenate([part for array in arrays for part in (array, between)])


def figures_of(records: Sequence[Record]) -> dict[str, float | int]:
    """All figures of records of one contender; NaN for those that cannot be had. Of several records each frame counts the same."""
    found_of = sum(int(r.there.sum()) for r in records)
    found = sum(int((r.found & r.there).sum()) for r in records)
    figures: dict[str, float | int] = {
        'frames': sum(int(r.common.sum()) for r in records), 'found': found, 'found_of': found_of,
        'found_percent': 100 * found / found_of if found_of else np.nan, 'tracks': sum(r.tracks for r in records),
        'side_flips': sum(r.flips for r in records), 'filled': sum(r.filled for r in records)}
    return figures | flat_figures(records) | steadiness(records) | lags(records) | true_figures(records)


def flat_figures(records: Sequence[Record]) -> dict[str, float]:
    """2D errors and steps."""
    apart = [np.linalg.norm(r.points - r.reference, axis=-1).mean(-1) for r in records]
    box = [np.maximum(r.box, 1e-6) for r in records]
    share = 100 * np.concatenate([a / b for a, b in zip(apart, box)])
    fit = 100 * np.concatenate([np.linalg.norm(r.points - r.fitted, axis=-1).mean(-1) / b for r, b in zip(records, box)])
    steps = 100 * np.concatenate([np.linalg.norm(np.diff(r.points.mean(1), axis=0), axis=-1) / b[1:] for r, b in zip(records, box)])
    steps = steps[np.isfinite(steps)]
    figures = {'fit_percent': mean(fit), 'jump_percent': float(steps.max()) if len(steps) else np.nan}
    if records[0].is_reference:
        return dict.fromkeys(('error_2d_px', 'error_2d_percent', 'error_2d_percent_p95', 'error_2d_fast_percent'), np.nan) | figures
    kept = share[np.isfinite(share)]
    return {'error_2d_px': mean(np.concatenate(apart)), 'error_2d_percent': mean(share),
            'error_2d_percent_p95': float(np.percentile(kept, 95)) if len(kept) else np.nan,
            'error_2d_fast_percent': mean(share[fast_frames(records)]), **figures}


def fast_frames(records: Sequence[Record]) -> np.ndarray:
    """(sum of T,) bool: the frames of the records in which the reference's joints move most, in hand boxes per second."""
    speeds = np.concatenate([speed_of(r) for r in records])
    known = np.isfinite(speeds)
    if known.sum() < 1 / FASTEST:
        return np.zeros(len(speeds), bool)
    return known & (np.nan_to_num(speeds) >= np.quantile(speeds[known], 1 - FASTEST))


def speed_of(record: Record) -> np.ndarray:
    """(T,) hand boxes per second: mean speed of the reference's joints, softened; NaN near a gap."""
    speed = np.full(len(record.reference), np.nan)
    margin = len(SOFTENING) // 2
    for run in stretches(present(record.reference)):
        if run.stop - run.start >= 2 * margin + 3:
            soft = convolve1d(record.reference[run], SOFTENING, axis=0)[margin:-margin]
            moved = np.linalg.norm(soft[2:] - soft[:-2], axis=-1).mean(-1) / 2
            speed[run.start + margin + 1:run.stop - margin - 1] = moved * record.fps / max(record.size, 1e-6)
    return speed


def steadiness(records: Sequence[Record]) -> dict[str, float]:
    """Jitter, and what should not change at all."""
    flat = joined([r.points / r.size for r in records])
    solid, far = joined([r.joints - r.joints[:, :1] for r in records]), joined([r.depth[:, None] for r in records])
    return {
        'high_pass_2d_px': high_pass_rms(joined([r.points for r in records])), 'high_pass_2d_percent': 100 * high_pass_rms(flat),
        'high_pass_3d_mm': MILLIMETRES * high_pass_rms(solid), 'high_pass_depth_mm': MILLIMETRES * high_pass_rms(far),
        'tremble_2d_percent': 100 * tremble(flat), 'tremble_3d_mm': MILLIMETRES * tremble(solid),
        'tremble_depth_mm': MILLIMETRES * tremble(far),
        'bone_spread_percent': 100 * within_tracks(records, lambda r, chosen: bone_spread(r.joints[chosen])),
        'bone_spread_hand_percent': 100 * weighted([(bone_spread(r.joints), int(r.common.sum())) for r in records]),
        'texture_spread_grey': within_tracks(records, lambda r, chosen: np.nan if r.colours is None else
                                             texture_spread(r.colours[chosen], r.visible[chosen]))}


def within_tracks(records: Sequence[Record], figure: Callable[[Record, np.ndarray], float]) -> float:
    """The mean of a figure over the tracks of the records, each weighted by its frames."""
    values = []
    for record in records:
        for number in np.unique(record.track[record.common]):
            chosen = record.common & (record.track == number)
            values.append((figure(record, chosen), int(chosen.sum())))
    return weighted(values)


def weighted(values: Sequence[tuple[float, float]]) -> float:
    """The mean of (value, weight); what is not finite does not count. NaN for none."""
    known = [(value, weight) for value, weight in values if np.isfinite(value) and weight > 0]
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known) if known else np.nan


def lags(records: Sequence[Record]) -> dict[str, float]:
    """How late it is, against a reference that is somebody else's, what was waited for included."""
    if records[0].is_reference:
        return {'lag_frames': np.nan, 'lag_pose_frames': np.nan, 'lag_depth_frames': np.nan}
    own, other = (joined([points / r.size for r, points in zip(records, parts)])
                  for parts in ([r.points for r in records], [r.reference for r in records]))
    far, other_far = (joined([np.log(np.maximum(d, 1e-3))[:, None] for d in parts])
                      for parts in ([r.depth for r in records], [r.reference_depth for r in records]))
    found = {'lag_frames': lag(own, other), 'lag_depth_frames': lag(far, other_far),
             'lag_pose_frames': lag(own - own.mean(1, keepdims=True), other - other.mean(1, keepdims=True))}
    return {name: frames + records[0].waited for name, frames in found.items()}


def true_figures(records: Sequence[Record]) -> dict[str, float]:
    """Distances from true joints; none without truth."""
    if records[0].truth is None:
        return {}
    parts = [(r, r.common & np.isfinite(r.truth).all((1, 2))) for r in records]
    aligned = [pa_mpjpe(a, b) for r, rows in parts for a, b in zip(r.joints[rows], r.truth[rows])]
    rooted = [distances(r.joints[rows] - r.joints[rows][:, :1], r.truth[rows] - r.truth[rows][:, :1]).mean(-1) for r, rows in parts]
    figures = {
        'jitter_2d_percent': 100 * high_pass_rms(joined([(r.points - r.reference) / r.size for r in records])),
        'jitter_3d_mm': MILLIMETRES * high_pass_rms(joined([(r.joints - r.joints[:, :1]) - (r.truth - r.truth[:, :1]) for r in records])),
        'jitter_depth_mm': MILLIMETRES * high_pass_rms(joined([(r.depth - r.reference_depth)[:, None] for r in records])),
        'pa_mpjpe_mm': MILLIMETRES * mean(np.array(aligned)), 'mpjpe_root_mm': MILLIMETRES * mean(np.concatenate(rooted))}
    for name, is_rooted in (('acceleration_error', True), ('acceleration_error_camera', False)):
        figures[name] = weighted([(acceleration_error(r.joints, r.truth, r.fps, is_rooted), int(rows.sum())) for r, rows in parts])
    return figures


def mean(values: np.ndarray) -> float:
    """Of the finite values; NaN for none."""
    kept = values[np.isfinite(values)]
    return float(kept.mean()) if len(kept) else np.nan


def ratios_of(figures: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, dict[str, float]]]:
    """Figures of contenders over the same ones of those in `AGAINST`: by whom, then contender, then figure."""
    made: dict[str, dict[str, dict[str, float]]] = {}
    for base in AGAINST:
        for key in figures if base in figures else ():
            if key in (base, TRUTH):
                continue
            pairs = ((name, figures[key].get(name, np.nan), figures[base].get(name, np.nan)) for name in COMPARED)
            made.setdefault(base, {})[key] = {name: a / b for name, a, b in pairs if np.isfinite(a) and np.isfinite(b) and b > 0}
    return made
