"""Figures of clips as text tables."""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.evaluation_report import table
from training.evaluation_video_contenders import LABELS
from training.evaluation_video_figures import AGAINST
from training.evaluation_video_records import TRUTH

NAMES = {**LABELS, TRUTH: 'the truth itself'}
REFERENCES = {'truth': 'truth', 'mediapipe': "MediaPipe's points of each frame"}
FLAT = (  # heading, figure, decimals
    ('frames', 'frames', 0), ('found %', 'found_percent', 1), ('tracks', 'tracks', 0), ('flips', 'side_flips', 0), ('filled', 'filled', 0),
    ('2D px', 'error_2d_px', 2), ('2D %', 'error_2d_percent', 2), ('95 %', 'error_2d_percent_p95', 2), ('fast', 'error_2d_fast_percent', 2),
    ('fit %', 'fit_percent', 2), ('jump %', 'jump_percent', 1), ('shake px', 'high_pass_2d_px', 2), ('shake %', 'high_pass_2d_percent', 2),
    ('tremble %', 'tremble_2d_percent', 2), ('off truth %', 'jitter_2d_percent', 2), ('lag', 'lag_frames', 2),
    ('finger lag', 'lag_pose_frames', 2))
SOLID = (
    ('frames', 'frames', 0), ('shake mm', 'high_pass_3d_mm', 2), ('tremble', 'tremble_3d_mm', 2), ('off truth', 'jitter_3d_mm', 2),
    ('depth shake', 'high_pass_depth_mm', 2), ('d. tremble', 'tremble_depth_mm', 2), ('d. off truth', 'jitter_depth_mm', 2),
    ('depth lag', 'lag_depth_frames', 2), ('bones %', 'bone_spread_percent', 3), ('of hand', 'bone_spread_hand_percent', 3),
    ('texture', 'texture_spread_grey', 2), ('acc. m/s2', 'acceleration_error', 2), ('in camera', 'acceleration_error_camera', 2),
    ('PA-MPJPE', 'pa_mpjpe_mm', 2), ('MPJPE wrist', 'mpjpe_root_mm', 2))
RATIOS = (
    ('2D', 'error_2d_percent', 2), ('2D fast', 'error_2d_fast_percent', 2), ('shake 2D', 'high_pass_2d_percent', 2),
    ('tremble 2D', 'tremble_2d_percent', 2), ('off truth 2D', 'jitter_2d_percent', 2), ('shake 3D', 'high_pass_3d_mm', 2),
    ('tremble 3D', 'tremble_3d_mm', 2), ('off truth 3D', 'jitter_3d_mm', 2), ('depth shake', 'high_pass_depth_mm', 2),
    ('d. tremble', 'tremble_depth_mm', 2), ('d. off truth', 'jitter_depth_mm', 2), ('bones', 'bone_spread_percent', 2),
    ('texture', 'texture_spread_grey', 2), ('acc.', 'acceleration_error', 2), ('PA-MPJPE', 'pa_mpjpe_mm', 2))
LEGEND = (
    '2D: from the reference, mean, 95th percentile, and mean of the tenth of the frames with the quickest motion',
    'shake: RMS about the centred mean of 11 frames: joints in the picture, joints relative to the wrist, distance (d.). Motion is in it;',
    'tremble: what shakes from frame to frame, by third differences; off truth: shake of the distance from truth. Motion is in neither',
    'bones, texture: what changes within a track; of hand: whatever the track. Lags in frames; ours live is shown one frame later than',
    '  its picture was taken, together with it: that frame is in its lag, and in no other figure')


def known(figures: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Rows in the tables' order, without what could not be had, and without counts of nothing."""
    def shown(name: str, value: float) -> bool:
        return bool(np.isfinite(value)) and not (name == 'filled' and value == 0)

    return {key: {name: value for name, value in figures[key].items() if shown(name, value)} for key in NAMES if key in figures}


def tables(figures: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Both tables, in lines."""
    rows = known(figures)
    lines = []
    for columns in (FLAT, SOLID):
        if any(name in row for row in rows.values() for _, name, _ in columns[1:]):
            lines += ['', *table(rows, columns, NAMES)]
    return lines


def clip_text(name: str, made: dict) -> str:
    """All of one clip."""
    frames, hands = made['frames'], made['hands']
    lines = [f'{name}: {frames} frames at {made["fps"]:g} per second, measured against {REFERENCES[made["reference"]]}']
    if not hands:
        return '\n'.join([*lines, '  no hand in it', *(f'  {note}' for note in made['notes']), ''])
    many = f'{hands} hands, or one that was lost between,' if hands > 1 else 'one hand,'
    lines.append(f'  {many} compared where all contenders have it: {made["common_frames"]} frames')
    return '\n'.join([*lines, *(f'  {note}' for note in made['notes']), *tables(made['contenders']), ''])


def all_text(kind: str, made: dict) -> str:
    """All clips that have one kind of reference, and how the contenders compare."""
    many = made['clips'] > 1
    lines = [f'All {made["clips"]} clips measured against {REFERENCES[kind]}', *tables(made['contenders'])] if many else []
    for base in AGAINST:
        if rows := table(made['ratios'].get(base, {}), RATIOS, NAMES):
            lines += ['', f'  times those of: {NAMES[base]}', *rows]
    return '\n'.join([*lines, '', *(f'  {line}' for line in LEGEND), '']).lstrip('\n')
