"""How good labels are: against pictures with true joints, beside a single run of MediaPipe's hand landmarker on the same pictures.

    python -m training.label_check [--truth DIR]
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from app.detection import Detector
from app.errors import exit_code
from app.regression import Regressor
from training.data_folder import data_folder
from training.evaluation_sets import Sample
from training.evaluation_truth import read_truth
from training.label_points import LOOKS, Labeller

MEDIAPIPE = 'MediaPipe, one run'


def depth_along_sight(xyz: np.ndarray, focal: float) -> np.ndarray:
    """True depths (21,) in pixels at the hand's distance, relative to the wrist, of joints (21, 3) in the camera frame.

    Depth is meant along the line of sight to the hand, as a crop shows it, not along the camera's axis.
    """
    sight = xyz.mean(0) / np.linalg.norm(xyz.mean(0))
    along = xyz @ sight
    return (along - along[0]) * focal / float(np.mean(along))


def found_in(sample: Sample, detector: Detector, labellers: dict[str, Labeller]) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Points (21, 2), depths (21,) and uncertainties (21,), pixels, by name of the method; empty when MediaPipe finds no hand."""
    image = sample.image()
    found = detector.detect(image)
    if not found:
        return {}
    best = found[0]
    answers = {MEDIAPIPE: (best.points, best.depths, np.full(21, np.nan))}
    for name, labeller in labellers.items():
        label = labeller(image, best.points, best.side)
        answers[name] = label.points, label.depth, label.uncertainty
    return answers


def measure(samples: list[Sample], detector: Detector, labellers: dict[str, Labeller]) -> dict[str, dict[str, float]]:
    """By name of the method: mean errors of points and depths in percent of the true hand box; how well depths correlate with the truth,
    and uncertainty with the error."""
    errors: dict[str, list[np.ndarray]] = {}
    for sample in samples:
        true_depth = depth_along_sight(sample.xyz, sample.camera.fx)
        box = float(np.ptp(sample.points, axis=0).max())
        for name, (points, depth, uncertainty) in found_in(sample, detector, labellers).items():
            apart = np.linalg.norm(points - sample.points, axis=-1)
            errors.setdefault(name, []).append(np.stack([apart, true_depth, depth, uncertainty]) / box)
    figures = {}
    for name, values in errors.items():
        apart, truth, depth, uncertainty = np.stack(values, 1)
        correlation = float(np.corrcoef(apart.ravel(), uncertainty.ravel())[0, 1]) if np.ptp(uncertainty) > 0 else float('nan')
        figures[name] = {
            'pictures': len(values), 'points_percent': 100 * float(apart.mean()),
            'depth_percent': 100 * float(np.abs(depth - truth)[:, 1:].mean()),
            'depth_correlation': float(np.corrcoef(depth[:, 1:].ravel(), truth[:, 1:].ravel())[0, 1]),
            'uncertainty_correlation': correlation}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--truth', type=Path, default=None, help='folder with gt.jsonl; that of the real pictures unless given')
    truth = read_truth(parser.parse_args().truth or data_folder('truth') / 'truth' / 'fridge')
    regressor = Regressor(provider='cpu', threads=1)
    labellers = {f'{looks} looks': Labeller(regressor, looks) for looks in (1, LOOKS, 2 * LOOKS)}
    with Detector(1) as detector:
        figures = measure(list(truth.samples), detector, labellers)
    print(f'{len(truth.samples)} pictures; errors in percent of the true hand box')
    print(f'{"":<20} found  points  depth  depth corr.  uncertainty corr.')
    for name, f in figures.items():
        print(f'{name:<20} {f["pictures"]:>5} {f["points_percent"]:>7.2f} {f["depth_percent"]:>6.2f} {f["depth_correlation"]:>12.2f} '
              f'{f["uncertainty_correlation"]:>18.2f}')


if __name__ == '__main__':
    sys.exit(exit_code(main))
