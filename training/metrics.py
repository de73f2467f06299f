"""Distances that published figures are given in.

The official protocol of FreiHAND and HO-3D (`eval.py` of lmb-freiburg/freihand and shreyashampali/ho3d) aligns with an orthogonal matrix
that may mirror; `align_officially` does as they do, `procrustes` never mirrors. They differ only where a mirror image is better.
Units are the caller's but for shares and percentages.
"""
from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from app.types import JOINT_PARENTS

AUC_STEPS, AUC_END = 100, 0.05  # thresholds, and the last of them, metres
CHILDREN = np.arange(1, 21)
PARENTS = np.array(JOINT_PARENTS[1:])
MIDDLE_KNUCKLE = 9
LEAST = 1e-12


def procrustes(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """points (P, 3) moved, turned and scaled onto truth (P, 3) in the least-squares sense (Umeyama, 1991); never mirrored."""
    a, b = points - points.mean(0), truth - truth.mean(0)
    u, s, vt = np.linalg.svd(a.T @ b)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = (s * signs).sum() / max((a * a).sum(), LEAST)
    return scale * a @ (u * signs) @ vt + truth.mean(0)


def align_officially(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """points (P, 3) onto truth (P, 3) as the official scripts do: both centred and divided by their norms, an orthogonal matrix (which may
    mirror) with its scale, then the truth's norm and mean given back."""
    a, b = points - points.mean(0), truth - truth.mean(0)
    size_a, size_b = np.linalg.norm(a) + LEAST, np.linalg.norm(b) + LEAST
    u, s, vt = np.linalg.svd((a / size_a).T @ (b / size_b))
    return (a / size_a) @ u @ vt * s.sum() * size_b + truth.mean(0)


def align_scale_and_place(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """points (21, 3) onto truth (21, 3) by HO-3D's second protocol: wrists together, the middle knuckle as far from it as in truth."""
    bone, true_bone = (x[MIDDLE_KNUCKLE] - x[0] for x in (points, truth))
    return (points - points[0]) * (np.linalg.norm(true_bone) / max(np.linalg.norm(bone), LEAST)) + truth[0]


def distances(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Euclidean distances (..., P) of points (..., P, D) to truth (..., P, D)."""
    return np.linalg.norm(np.asarray(points, float) - np.asarray(truth, float), axis=-1)


def pa_mpjpe(points: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of points (P, 3) to truth (P, 3) after `procrustes`, in their unit."""
    return float(distances(procrustes(points, truth), truth).mean())


def area_under_curve(errors: np.ndarray, end: float = AUC_END) -> float:
    """Official AUC of errors (n, P): for each point the share of samples within t, for 100 values of t from 0 to `end`, integrated by
    trapezoids and divided by `end`; then the mean over points. 1 is perfect."""
    steps = np.linspace(0, end, AUC_STEPS)
    within = (np.asarray(errors)[:, :, None] <= steps).mean(0)  # (P, steps)
    return float((np.trapezoid(within, steps, axis=-1) / end).mean())


def f_score(points: np.ndarray, truth: np.ndarray, threshold: float) -> float:
    """Harmonic mean of the shares of points (A, 3) near truth (B, 3) and of truth near points, by nearest neighbours within `threshold`.

    No correspondence is needed, so hands of different meshes can be compared.
    """
    to_truth, _ = cKDTree(truth).query(points)
    to_points, _ = cKDTree(points).query(truth)
    precision, recall = float((to_truth < threshold).mean()), float((to_points < threshold).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def bone_lengths(joints: np.ndarray) -> np.ndarray:
    """Lengths (..., 20) of the bones that end in joints 1..20 of joints (..., 21, 3)."""
    return np.linalg.norm(joints[..., CHILDREN, :] - joints[..., PARENTS, :], axis=-1)


def bone_length_percent(joints: np.ndarray, truth: np.ndarray, *, scaled: bool = False) -> float:
    """Mean |length - true length| of the 20 bones in per cent of the true one, for joints and truth (21, 3); `scaled`: with the lengths'
    sum first made the true one, which leaves the proportions."""
    found, true = bone_lengths(joints), bone_lengths(truth)
    if scaled:
        found = found * (true.sum() / max(found.sum(), LEAST))
    return float(100 * (np.abs(found - true) / np.maximum(true, LEAST)).mean())


def mask_iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks (H, W); 1 if both are empty."""
    mask, truth = mask > 0, truth > 0
    union = (mask | truth).sum()
    return float((mask & truth).sum() / union) if union else 1.0
