"""The figures that a run is steered by: 2D on real pictures, 3D on rendered ones. `python main.py evaluate` measures everything."""
from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from models.camera import project
from models.rotations import axis_angle_to_matrix
from models.s2hand import S2Hand
from training.batches import Batch
from training.losses import length
from training.metrics import bone_length_percent, pa_mpjpe
from training.objective import Objective, box_of


@torch.no_grad()
def figures_of(objective: Objective, batches: Iterable[Batch]) -> dict[str, float]:
    """Means over examples: distance of projected joints and of the 2D branch to the points in per cent of the hand box; for rendered
    examples PA-MPJPE and PA-MPVPE in mm, and how far off the bones' lengths are in per cent, the hand's size apart."""
    network: S2Hand = objective.network
    sums: dict[str, list[float]] = {}
    for batch in batches:
        (features, _, fine), _ = objective.encoded(batch)
        seen = network.encoder.landmarks(features)
        geometry = network.decoder(network.encoder.for_mesh(features), seen.points, fine)
        exact = bool(batch['exact'].all())
        if exact:
            vertices, joints, _ = network.place(geometry)
        else:
            joints = objective.place(geometry)[0] + geometry.translation[:, None]
        box, known = box_of(batch['points']), torch.isfinite(batch['uncertainty'])
        for name, flat in (('2d_percent', project(joints, network.size)), ('branch_percent', seen.points[..., :2])):
            apart = (length(flat - batch['points']) * known).sum(1) / known.sum(1).clamp(min=1) / box
            sums.setdefault(name, []).extend((100 * apart).tolist())
        if exact:
            truth = network.hand.skin(true_rotations(batch), batch['shape'])
            sums.setdefault('pa_mpjpe_mm', []).extend(aligned(joints, truth.joints))
            sums.setdefault('pa_mpvpe_mm', []).extend(aligned(vertices, truth.vertices))
            sums.setdefault('bone_percent', []).extend(
                bone_length_percent(a, b, scaled=True) for a, b in zip(joints.cpu().numpy(), truth.joints.cpu().numpy()))
    return {name: float(np.mean(values)) for name, values in sums.items()}


def true_rotations(batch: Batch) -> torch.Tensor:
    """Local rotations (B, 16, 3, 3) of a batch's true hands."""
    return torch.cat([batch['rotation'][:, None], axis_angle_to_matrix(batch['fingers'])], 1)


def aligned(points: torch.Tensor, truth: torch.Tensor) -> list[float]:
    """Mean distances in mm after Procrustes alignment, one for each of (B, P, 3)."""
    return [1000 * pa_mpjpe(a, b) for a, b in zip(points.double().cpu().numpy(), truth.double().cpu().numpy())]

