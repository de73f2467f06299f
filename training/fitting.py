"""The hand model fitted to detected points, many pictures at once: extra supervision that has depth, where 2D points have none.

Per picture: root rotation, pose coefficients, wrist. Per session: one shape. Minimised with Adam: 2D distance, the detector's relative
depths, joint limits, natural pose, mean shape.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix
from models.s2hand import rotation_from_6d
from training import losses
from models.skeleton import Skeleton


@dataclass(frozen=True)
class FitWeights:
    """Weights of the terms; those of location and depth are in parts of the hand box."""

    depth: float = 0.5
    orientation: float = 0.02
    limits: float = 1.0
    pose: float = 0.0005
    shape: float = 0.002


@dataclass(frozen=True)
class Fits:
    """Fitted right hands (left ones mirrored) in a camera with the optical axis through each picture's middle."""

    rotation: np.ndarray  # (n, 3, 3) of the wrist
    coefficients: np.ndarray  # (n, K)
    shape: np.ndarray  # (n, S)
    translation: np.ndarray  # (n, 3) metres, the wrist
    error: np.ndarray  # (n,) mean 2D distance over the box's side


def depth_in_pixels(points: np.ndarray, world: np.ndarray) -> np.ndarray:
    """Relative depths (n, 21) in pixels, wrist = 0: the world points' depths, scaled as their picture must be to fit points (n, 21, 2)."""
    flat = world[..., :2] - world[..., :2].mean(1, keepdims=True)
    seen = points - points.mean(1, keepdims=True)
    scale = np.sqrt((seen ** 2).sum((1, 2)) / np.maximum((flat ** 2).sum((1, 2)), 1e-9))
    return (world[..., 2] - world[:, :1, 2]) * scale[:, None]


def start_rotation(skeleton: Skeleton, joints: Tensor) -> Tensor:
    """Rotations (n, 3, 3) that lay the resting palm onto the palm of rough joints (n, 21, 3) (Kabsch)."""
    palm = [0, 1, 5, 9, 13, 17]
    rest = skeleton.template[skeleton.joint_map][palm]
    rest, seen = rest - rest.mean(0), joints[:, palm] - joints[:, palm].mean(1, keepdim=True)
    u, _, vh = torch.linalg.svd(torch.einsum('pi,npj->nij', rest, seen))
    sign = torch.linalg.det(u @ vh).sign()
    flip = torch.diag_embed(torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], -1))
    return (u @ flip @ vh).transpose(1, 2)


def fit(hand: HandModel, points: np.ndarray, uncertainty: np.ndarray, depth: np.ndarray, session: np.ndarray, focal: np.ndarray,
        steps: int = 400, weights: FitWeights = FitWeights()) -> Fits:
    """Fit right hands to points (n, 21, 2) in pixels about the principal point.

    uncertainty (n, 21) pixels; depth (n, 21) pixels, relative; session (n,) whole numbers from 0: those who share one have one shape;
    focal (n,) pixels.
    """
    skeleton = Skeleton(hand)
    p, d, f = (torch.as_tensor(x, dtype=torch.float32) for x in (points, depth, focal))
    box = (p.amax(1) - p.amin(1)).amax(1)
    weight = losses.confidence(torch.as_tensor(uncertainty, dtype=torch.float32) / box[:, None])
    rough = torch.cat([p, d[..., None]], -1)
    sixes = start_rotation(skeleton, rough)[:, :, :2].transpose(1, 2).reshape(-1, 6)
    coefficients = hand.coefficient_mean.repeat(len(p), 1)
    with torch.no_grad():
        mean = torch.zeros(len(p), hand.shape_rows.shape[0])
        rest = skeleton.from_pose(rotation_from_6d(sixes), hand.pose_from_coefficients(coefficients), mean)
        spread = (rest[..., :2] - rest[..., :2].mean(1, keepdim=True)).pow(2).sum((1, 2)).sqrt()
        seen = (p - p.mean(1, keepdim=True)).pow(2).sum((1, 2)).sqrt()
        far = f * spread / seen
        wrist = torch.cat([p[:, 0] / f[:, None], far.log()[:, None]], 1)  # place over focal length, log depth
    shape = torch.zeros(int(session.max()) + 1, hand.shape_rows.shape[0])
    member = torch.as_tensor(session, dtype=torch.long)
    variables = [v.clone().requires_grad_() for v in (sixes, coefficients, wrist, shape)]
    optimiser = torch.optim.Adam([{'params': [variables[0], variables[1]], 'lr': 0.04}, {'params': [variables[2]], 'lr': 0.01},
                                  {'params': [variables[3]], 'lr': 0.03}], betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, 1e-3)
    count = torch.bincount(member, minlength=len(shape)).clamp(min=1)

    def placed() -> tuple[Tensor, Tensor, Tensor]:
        six, coefficient, place, shapes = variables
        fingers = hand.pose_from_coefficients(coefficient)
        depth_now = place[:, 2:].exp()
        where = torch.cat([place[:, :2] * depth_now, depth_now], 1)
        joints = skeleton.from_pose(rotation_from_6d(six), fingers, shapes[member]) + where[:, None]
        return joints, fingers.flatten(1), where

    for _ in range(steps):
        joints, fingers, _ = placed()
        seen = joints[..., :2] / joints[..., 2:].clamp(min=0.05) * f[:, None, None]
        behind = (joints[..., 2] - joints[:, :1, 2]) * f[:, None] / joints[:, :1, 2].clamp(min=0.05)
        near = losses.huber((behind - d).abs() / box[:, None], 0.1)
        total = (losses.keypoint_location(seen, p, weight, box, delta=0.03) + weights.depth * near.mean(1)
                 + weights.orientation * losses.bone_orientation(seen, p, weight, box)
                 + weights.limits * losses.joint_limits(fingers, hand.limit_axes, hand.limits)
                 + weights.pose * losses.pose_prior(variables[1], hand.coefficient_mean, hand.coefficient_sigma)).sum()
        total = total + weights.shape * (losses.shape_prior(variables[3]) * count.sqrt()).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        joints, _, where = placed()
        seen = joints[..., :2] / joints[..., 2:].clamp(min=0.05) * f[:, None, None]
        error = losses.length(seen - p).mean(1) / box
        return Fits(rotation_from_6d(variables[0]).numpy(), variables[1].detach().numpy(), variables[3].detach()[member].numpy(),
                    where.numpy(), error.numpy())
