"""From answers to figures: every published distance of every contender, on all pictures and on those that all contenders found."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training import metrics
from training.evaluation_answers import Answers, Seen
from training.evaluation_sets import EvaluationSet, Sample

MILLIMETRES = 1000
FIVE, FIFTEEN = 0.005, 0.015  # metres, thresholds of the F-scores
MORE_IS_BETTER = 'psnr_db', 'silhouette_iou'
LEADING = 'pa_mpjpe_mm', 'pa_mpvpe_mm', 'error_2d_percent', 'error_2d_px', *MORE_IS_BETTER  # also get a median and a bad percentile


@dataclass(frozen=True)
class Rows:
    """One contender's errors, a row per picture; NaN where it has no answer. Lengths in millimetres."""

    values: dict[str, np.ndarray]  # name of the figure -> (n,)
    joint_errors: np.ndarray | None  # (n, 21) aligned, metres, for the AUC
    vertex_errors: np.ndarray | None  # (n, V)


def rows_of(chosen: EvaluationSet, answers: Answers) -> Rows:
    """Measure one contender on each picture."""
    n = len(chosen.samples)
    values: dict[str, np.ndarray] = {}
    joint_errors = vertex_errors = None
    if chosen.has_joints and answers.joints is not None:
        joint_errors = np.full((n, 21), np.nan)
    for i, sample in enumerate(chosen.samples):
        if not answers.found[i]:
            continue
        figures = flat_figures(answers.points[i], sample) if answers.points is not None else {}
        if joint_errors is not None and sample.xyz is not None:
            figures |= joint_figures(answers.joints[i], sample.xyz, answers.placed)
            align = metrics.align_officially if chosen.official else metrics.procrustes
            joint_errors[i] = metrics.distances(align(answers.joints[i], sample.xyz), sample.xyz)
        if answers.vertices is not None and sample.vertices is not None:
            more, errors = surface_figures(answers.vertices[i], answers.joints[i], sample, chosen.official)
            figures |= more
            if errors is not None:
                vertex_errors = np.full((n, len(errors)), np.nan) if vertex_errors is None else vertex_errors
                vertex_errors[i] = errors
        for name, value in figures.items():
            values.setdefault(name, np.full(n, np.nan))[i] = value
    return Rows(values, joint_errors, vertex_errors)


def flat_figures(points: np.ndarray, sample: Sample) -> dict[str, float]:
    """2D errors of points (21, 2) against the points of the sample that were seen."""
    seen = sample.seen
    if not seen.any():
        return {}
    apart = metrics.distances(points, sample.points)[seen].mean()
    return {'error_2d_px': float(apart), 'error_2d_percent': float(100 * apart / sample.hand_size)}


def joint_figures(joints: np.ndarray, truth: np.ndarray, placed: bool) -> dict[str, float]:
    """3D errors of joints (21, 3) against truth (21, 3)."""
    def error(found: np.ndarray) -> float:
        return MILLIMETRES * float(metrics.distances(found, truth).mean())

    figures = {
        'mpjpe_root_mm': error(joints - joints[0] + truth[0]), 'pa_mpjpe_mm': error(metrics.procrustes(joints, truth)),
        'pa_mpjpe_official_mm': error(metrics.align_officially(joints, truth)),
        'mpjpe_scale_place_mm': error(metrics.align_scale_and_place(joints, truth)),
        'bone_scaled_percent': metrics.bone_length_percent(joints, truth, scaled=True)}
    if placed:
        figures |= {'mpjpe_camera_mm': error(joints), 'bone_percent': metrics.bone_length_percent(joints, truth)}
    return figures


def surface_figures(vertices: np.ndarray, joints: np.ndarray, sample: Sample, official: bool) -> tuple[dict[str, float], np.ndarray | None]:
    """Errors of the surface (V, 3), and the aligned ones of its vertices (V,). A true mesh of another topology has no corresponding
    vertices: it is aligned by the joints instead, and only the F-scores, which go by nearest neighbours, are taken."""
    truth = sample.vertices
    align = metrics.align_officially if official else metrics.procrustes
    if len(truth) != len(vertices):
        moved = aligned_by_joints(vertices, joints, sample)
        return {'f5': metrics.f_score(moved, truth, FIVE), 'f15': metrics.f_score(moved, truth, FIFTEEN)}, None
    moved = align(vertices, truth)
    errors = metrics.distances(moved, truth)
    rooted = vertices - joints[0] + sample.xyz[0]
    return {'pa_mpvpe_mm': MILLIMETRES * float(errors.mean()),
            'mpvpe_root_mm': MILLIMETRES * float(metrics.distances(rooted, truth).mean()),
            'f5': metrics.f_score(moved, truth, FIVE), 'f15': metrics.f_score(moved, truth, FIFTEEN)}, errors


def aligned_by_joints(vertices: np.ndarray, joints: np.ndarray, sample: Sample) -> np.ndarray:
    """vertices (V, 3) moved, turned and scaled as their joints (21, 3) must be to lie on the sample's true joints."""
    from_joints, to_joints = joints - joints.mean(0), sample.xyz - sample.xyz.mean(0)
    u, s, vt = np.linalg.svd(from_joints.T @ to_joints)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = (s * signs).sum() / (from_joints ** 2).sum()
    return scale * (vertices - joints.mean(0)) @ (u * signs) @ vt + sample.xyz.mean(0)


def summary(rows: Rows, chosen: np.ndarray) -> dict[str, float | int]:
    """The figures of the chosen (n,) pictures: means, for the leading ones medians and 90th percentiles too, and the AUCs."""
    figures: dict[str, float | int] = {}
    for name, values in rows.values.items():
        kept = values[chosen & np.isfinite(values)]
        if not len(kept):
            continue
        figures.setdefault('pictures', len(kept))
        figures[name] = float(kept.mean())
        if name in LEADING:
            figures[f'{name}_median'] = float(np.median(kept))
            bad = 10 if name in MORE_IS_BETTER else 90
            figures[f'{name}_p{bad}'] = float(np.percentile(kept, bad))
    for name, errors in (('auc_joints', rows.joint_errors), ('auc_vertices', rows.vertex_errors)):
        if errors is not None and (kept := chosen & np.isfinite(errors).all(1)).any():
            figures[name] = metrics.area_under_curve(errors[kept])
    return figures


def measure(chosen: EvaluationSet, seen: Seen) -> tuple[dict, dict[str, Rows]]:
    """All figures of a set, ready for JSON, and every contender's rows.

    'all': each contender on every picture it has an answer for; 'common': on those for which all have one.
    """
    rows = {key: rows_of(chosen, answers) for key, answers in seen.answers.items()}
    if 'network' in rows:
        for name, field in (('psnr_db', 'psnr'), ('psnr_flat_db', 'flat'), ('silhouette_iou', 'iou')):
            values = np.array([np.nan if d is None or getattr(d, field) is None else getattr(d, field) for d in seen.drawn], float)
            if np.isfinite(values).any():
                rows['network'].values[name] = values
    n = len(chosen.samples)
    common = np.logical_and.reduce([answers.found for answers in seen.answers.values()])
    figures = {'kind': chosen.kind, 'pictures': n, 'common_pictures': int(common.sum()), 'notes': list(chosen.notes),
               'found': {key: int(answers.found.sum()) for key, answers in seen.answers.items()},
               'all': {key: summary(r, np.ones(n, bool)) for key, r in rows.items()},
               'common': {key: summary(r, common) for key, r in rows.items()}}
    sources = sorted({s.source for s in chosen.samples})
    if len(sources) > 1 and 'network' in rows:
        figures['sources'] = {name: summary(rows['network'], np.array([s.source == name for s in chosen.samples])) for name in sources}
    return figures, rows
