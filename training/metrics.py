"""Distances that published figures are given in."""
from __future__ import annotations

import numpy as np


def procrustes(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """points (P, 3) moved, turned and scaled onto truth (P, 3) in the least-squares sense (Umeyama, 1991); never mirrored."""
    a, b = points - points.mean(0), truth - truth.mean(0)
    u, s, vt = np.linalg.svd(a.T @ b)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    scale = (s * signs).sum() / max((a * a).sum(), 1e-12)
    return scale * a @ (u * signs) @ vt + truth.mean(0)


def pa_mpjpe(points: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of points (P, 3) to truth (P, 3) after `procrustes`, in their unit."""
    return float(np.linalg.norm(procrustes(points, truth) - truth, axis=-1).mean())


def box_percent(points: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of points (21, 2) to truth (21, 2) in per cent of the longer side of the box around truth."""
    return float(100 * np.linalg.norm(points - truth, axis=-1).mean() / np.ptp(truth, axis=0).max())
