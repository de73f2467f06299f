"""The regressor learns on fixed features: minutes instead of hours, because the trunk does not run."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from models.camera import FOCAL, project
from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix
from models.s2hand import Geometry, S2Hand
from training import losses
from training.config import Heads, LossWeights
from training.examples import Examples
from models.skeleton import Skeleton


class HeadLoss:
    """All terms for a batch of features' answers, per example."""

    def __init__(self, hand: HandModel, size: int, weights: LossWeights) -> None:
        self.hand, self.size, self.weights = hand, size, weights
        self.skeleton = Skeleton(hand)

    def place(self, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """Joints (B, 21, 3) about the wrist and fingers (B, 15, 3) of an answer."""
        fingers = self.hand.pose_from_coefficients(geometry.coefficients)
        joints = self.skeleton.from_pose(geometry.rotation, fingers, geometry.shape)
        return joints * geometry.scale[..., None], fingers

    def __call__(self, geometry: Geometry, target: dict[str, Tensor]) -> dict[str, Tensor]:
        """Terms (B,), weighted. `target` has the fields of `Examples` as float tensors."""
        hand, w = self.hand, self.weights
        relative, fingers = self.place(geometry)
        joints = relative + geometry.translation[:, None]
        seen = project(joints, self.size)
        box = (target['points'].amax(1) - target['points'].amin(1)).amax(1)
        weight = losses.confidence(target['uncertainty'] / box[:, None])
        guessed = 1 - target['exact']
        turned = losses.rotation_distance(axis_angle_to_matrix(fingers), axis_angle_to_matrix(target['fingers']))
        root = losses.rotation_distance(geometry.rotation[:, None], target['rotation'][:, None])[:, 0]
        trust = target['trust']
        terms = {
            'location': losses.keypoint_location(seen, target['points'], weight, box, delta=0.02),
            'orientation': losses.bone_orientation(seen, target['points'], weight, box),
            'depth': losses.relative_depth(joints, target['depth'], weight, box, FOCAL * self.size) * guessed,
            'limits': losses.joint_limits(fingers.flatten(1), hand.limit_axes, hand.limits),
            'scale': losses.scale_near_one(geometry.scale),
            'shape': losses.shape_prior(geometry.shape),
            'pose': losses.pose_prior(geometry.coefficients, hand.coefficient_mean, hand.coefficient_sigma),
            'points_3d': losses.points_3d(relative * 10, target['joints'] * 10, delta=0.05) * trust,
            'rotation': root * trust,
            'fingers': turned.mean(1) * trust,
            'true_shape': losses.shape_prior(geometry.shape - target['shape']) * trust,
        }
        return {name: term * getattr(w, name) for name, term in terms.items()}


def tensors(examples: Examples, rows: np.ndarray) -> dict[str, Tensor]:
    """Chosen rows of every array as float tensors."""
    names = ('features', 'points', 'uncertainty', 'depth', 'rotation', 'fingers', 'shape', 'joints', 'exact', 'trust')
    return {name: torch.from_numpy(np.asarray(getattr(examples, name)[rows], np.float32)) for name in names}


def train_heads(network: S2Hand, examples: Examples, validation: Examples, settings: Heads, weights: LossWeights,
                seed: int, say: Callable[[str], None] = print) -> dict[str, float]:
    """Train the regressor of `network` in place; returns the last validation figures. One line per epoch goes to `say`."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(seed)
    decoder, loss = network.decoder, HeadLoss(network.hand, network.size, weights)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    steps = max(1, len(examples) // settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps * settings.epochs, pct_start=0.15)
    figures: dict[str, float] = {}
    for epoch in range(settings.epochs):
        decoder.train()
        started, sums = time.monotonic(), {}
        order = rng.permutation(len(examples))
        for step in range(steps):
            target = tensors(examples, np.sort(order[step * settings.batch:(step + 1) * settings.batch]))
            with torch.no_grad():
                points = network.encoder.landmarks(target['features']).points
            *early, last = decoder.steps(target['features'], points)
            terms = loss(last, target)
            each = sum(terms.values()) + settings.early_weight * sum(sum(loss(answer, target).values()) for answer in early)
            total = (each * (1 + (settings.rendered_weight - 1) * target['exact'])).mean()
            if not torch.isfinite(total):
                raise FloatingPointError(f'the loss became {total.item()} in epoch {epoch}, step {step}; lower the learning rate')
            optimiser.zero_grad()
            total.backward()
            torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + float(term.detach().mean()) / steps
        figures = measure(network, loss, validation)
        say(f'epoch {epoch + 1}/{settings.epochs} {time.monotonic() - started:.0f} s: ' + ' '.join(f'{k} {v:.4f}' for k, v in sums.items())
            + ' | validation: ' + ' '.join(f'{k} {v:.2f}' for k, v in figures.items()))
    return figures


@torch.no_grad()
def measure(network: S2Hand, loss: HeadLoss, examples: Examples) -> dict[str, float]:
    """On examples: mean 2D distance in per cent of the hand box; mean 3D distance about the wrist to the fit or truth in mm."""
    network.decoder.eval()
    distances, apart = [], []
    for start in range(0, len(examples), 1024):
        target = tensors(examples, np.arange(start, min(start + 1024, len(examples))))
        geometry = network.decoder(target['features'], network.encoder.landmarks(target['features']).points)
        relative, _ = loss.place(geometry)
        seen = project(relative + geometry.translation[:, None], loss.size)
        box = (target['points'].amax(1) - target['points'].amin(1)).amax(1)
        distances.append(losses.length(seen - target['points']).mean(1) / box)
        apart.append(losses.length(relative - target['joints']).mean(1))
    return {'2d_percent': 100 * float(torch.cat(distances).mean()), 'apart_mm': 1000 * float(torch.cat(apart).mean())}


def settings_text(settings: Heads, weights: LossWeights) -> str:
    """One line that says with what the heads were trained."""
    return f'heads {asdict(settings)} losses {asdict(weights)}'
