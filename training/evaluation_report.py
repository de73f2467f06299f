"""Figures as text tables, and the files that hold them."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.outputs.picture import write_picture
from app.outputs.report import write_json
from training.evaluation_answers import LABELS

COLUMNS = (  # heading, figure, decimals
    ('n', 'pictures', 0), ('PA-MPJPE', 'pa_mpjpe_mm', 2), ('median', 'pa_mpjpe_mm_median', 2), ('90 %', 'pa_mpjpe_mm_p90', 2),
    ('official', 'pa_mpjpe_official_mm', 2), ('AUC', 'auc_joints', 3), ('MPJPE wrist', 'mpjpe_root_mm', 2),
    ('MPJPE scale', 'mpjpe_scale_place_mm', 2), ('MPJPE camera', 'mpjpe_camera_mm', 1), ('bones %', 'bone_percent', 1),
    ('scaled', 'bone_scaled_percent', 1), ('PA-MPVPE', 'pa_mpvpe_mm', 2), ('AUC V', 'auc_vertices', 3),
    ('F@5', 'f5', 3), ('F@15', 'f15', 3))
FLAT_COLUMNS = (
    ('n', 'pictures', 0), ('2D px', 'error_2d_px', 2), ('median', 'error_2d_px_median', 2), ('% of hand', 'error_2d_percent', 2),
    ('median', 'error_2d_percent_median', 2), ('90 %', 'error_2d_percent_p90', 2), ('IoU', 'silhouette_iou', 3),
    ('median', 'silhouette_iou_median', 3), ('PSNR dB', 'psnr_db', 2), ('median', 'psnr_db_median', 2), ('one colour', 'psnr_flat_db', 2))

MEANINGS = {  # of every figure in the JSON file; `_median`, `_p90` and `_p10` are its median and percentiles over the pictures
    'pictures': 'pictures that count', 'pa_mpjpe_mm': 'mean distance of the 21 joints after the best move, turn and scale, never mirrored',
    'pa_mpjpe_official_mm': 'the same by the official scripts, which may mirror',
    'mpjpe_root_mm': 'mean distance of the joints with the wrists together',
    'mpjpe_scale_place_mm': 'wrists together, the length from wrist to middle knuckle made the true one (HO-3D)',
    'mpjpe_camera_mm': 'mean distance of the joints as they lie before the camera',
    'auc_joints': 'share of aligned joints within t, over t from 0 to 50 mm',
    'bone_percent': 'mean error of the 20 bone lengths in per cent',
    'bone_scaled_percent': 'the same with the sum of the lengths made the true one',
    'pa_mpvpe_mm': 'mean distance of the vertices, aligned by the vertices',
    'mpvpe_root_mm': 'mean distance of the vertices with the wrists together',
    'auc_vertices': 'as auc_joints, of aligned vertices',
    'f5': 'F-score of the aligned surfaces at 5 mm', 'f15': 'F-score of the aligned surfaces at 15 mm',
    'error_2d_px': 'mean distance of the joints in pixels of the picture',
    'error_2d_percent': 'the same in per cent of the longer side of the box around the upright hand',
    'silhouette_iou': 'drawn against true silhouette of the whole hand in the crop, intersection over union',
    'psnr_db': 'drawn, lit hand against the crop inside the drawn silhouette, mean of the pictures\' values',
    'psnr_flat_db': 'the same of one flat colour, the mean of the crop inside the drawn silhouette'}


def check_files(page: Path | None, *others: Path | None) -> None:
    """Raise InputError for files that cannot be written, before anything is worked out; `page` is a picture."""
    for path in (page, *others):
        if path is not None and not path.parent.is_dir():
            raise InputError(f'there is no folder {path.parent} to write {path.name} into; make it first')
    if page and page.suffix.lower() not in ('.png', '.jpg', '.jpeg'):
        raise InputError(f'--page writes a .png or .jpg picture, not {page.name}')


def write_files(page: tuple[Path, np.ndarray] | None, json: Path | None, report: dict) -> None:
    """Write the page and the figures that were asked for, and say so."""
    if page is not None:
        write_picture(*page)
        print(f'{page[0]} written')
    if json:
        write_json(json, report)
        print(f'{json} written')


def table(figures: dict[str, dict], columns: Sequence[tuple[str, str, int]], labels: dict[str, str] = LABELS) -> list[str]:
    """Lines of a table with a row for each entry of `figures`; columns that nobody fills are left out, and so are rows without a figure."""
    used = [c for c in columns if any(c[1] in row for row in figures.values())]
    rows = {key: row for key, row in figures.items() if any(c[1] in row for c in used if c[1] != 'pictures')}
    if not rows:
        return []
    cells = [['', *(heading for heading, _, _ in used)]]
    for key, row in rows.items():
        cells.append([labels.get(key, key), *(f'{row[name]:.{digits}f}' if name in row else '-' for _, name, digits in used)])
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    padded = [[line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))] for line in cells]
    return [('  ' + '  '.join(line)).rstrip() for line in padded]


def set_text(name: str, figures: dict) -> str:
    """All tables of one set."""
    whole = figures['common_pictures'] == figures['pictures']
    lines = [f'{name}: {figures["pictures"]} pictures ({figures["kind"]})', *(f'  {note}' for note in figures['notes'])]
    missed = {key: n for key, n in figures['found'].items() if n < figures['pictures']}
    lines += [f'  {LABELS[key]} finds the hand in {n} of {figures["pictures"]} ({100 * n / figures["pictures"]:.1f} %)'
              for key, n in missed.items()]
    parts = [('', figures['all'])] if whole else [
        ('on all pictures:', {k: v for k, v in figures['all'].items() if k not in missed}),
        (f'on the {figures["common_pictures"]} pictures in which all find the hand:', figures['common'])]
    for title, part in parts:
        blocks = [table(part, FLAT_COLUMNS), table(part, COLUMNS)]
        lines += ['', *([f'  {title}'] if title else [])] if any(blocks) else []
        lines += [line for block in blocks if block for line in (*block, '')]
    if 'sources' in figures:
        chosen = ('n', 'pictures', 0), ('2D %', 'error_2d_percent', 2), ('PA-MPJPE', 'pa_mpjpe_mm', 2), ('PSNR dB', 'psnr_db', 2)
        lines += ['  network alone, by source:', *table(figures['sources'], chosen, {})]
    return '\n'.join(lines).rstrip() + '\n'
