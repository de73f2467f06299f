"""How far a graph's hands are from the truth, and how long it takes: two graphs side by side, in turn."""
from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from export.calibration import Hands
from training.metrics import pa_mpjpe

BATCH = 8
RUNS, WARM_UP = 30, 3


@dataclass(frozen=True)
class Accuracy:
    """Mean errors on a set."""

    pa_mpjpe_mm: float | None  # of the joints; None: no truth
    points_percent: float  # of the 2D branch, of the longer side of the box around the points


def answers(session: ort.InferenceSession, crops: np.ndarray, names: tuple[str, ...]) -> list[np.ndarray]:
    """The named outputs for crops (n, S, S, 3) uint8, a few at a time."""
    parts = []
    for start in range(0, len(crops), BATCH):
        batch = np.ascontiguousarray(crops[start:start + BATCH].transpose(0, 3, 1, 2), np.float32) / 255
        parts.append(session.run(names, {'crop': batch}))
    return [np.concatenate(values) for values in zip(*parts)]


def accuracy(session: ort.InferenceSession, hands: Hands) -> Accuracy:
    """Measure a graph on a set."""
    joints, points = answers(session, hands.crops, ('joints_3d', 'points'))
    side = np.nanmax(np.nanmax(hands.points, 1) - np.nanmin(hands.points, 1), 1)
    apart = np.nanmean(np.linalg.norm(points[..., :2] - hands.points, axis=-1), 1)
    aligned = None if hands.joints is None else 1000 * float(np.mean([pa_mpjpe(a.astype(float), b) for a, b in zip(joints, hands.joints)]))
    return Accuracy(aligned, float(100 * np.mean(apart / side)))


def milliseconds(sessions: dict[str, ort.InferenceSession], size: int, runs: int = RUNS) -> dict[str, float]:
    """Mean processor time of one crop for each session, of one thread, which is this one: what else runs hardly changes it. They take turns
    all the same, as a busy machine has its caches full for all."""
    crop = {'crop': np.random.default_rng(0).random((1, 3, size, size), np.float32)}
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(runs + WARM_UP):
        for name, session in sessions.items():
            start = time.thread_time()
            session.run(['vertices'], crop)
            times[name].append(time.thread_time() - start)
    return {name: 1000 * float(np.mean(values[WARM_UP:])) for name, values in times.items()}
