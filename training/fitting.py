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
from models.rotations import nearest_rotation
from models.s2hand import rotation_from_6d
from models.skeleton import Skeleton
from training import losses


SURE = 0.1  # least weight of the depth of a point that was seen


@dataclass(frozen=True)
class FitWeights:
    """Weights of the terms; those of location and depth are in parts of the hand box."""

    depth: float = 0.2
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
    error: np.ndarray  # (n,) mean 2D distance of the points that were seen, over the box's side
    depth_error: np.ndarray  # (n,) mean difference of relative depths over the box's side, NaN where no depth is known


def depth_in_pixels(points: np.ndarray, world: np.ndarray) -> np.ndarray:
    """Relative depths (n, 21) in pixels, wrist = 0: the world points' depths, scaled as their picture must be to fit points (n, 21, 2)."""
    flat = world[..., :2] - world[..., :2].mean(1, keepdims=True)
    seen = points - points.mean(1, keepdims=True)
    scale = np.sqrt((seen ** 2).sum((1, 2)) / np.maximum((flat ** 2).sum((1, 2)), 1e-9))
    return (world[..., 2] - world[:, :1, 2]) * scale[:, None]


def start_rotation(skeleton: Skeleton, joints: Tensor, weight: Tensor) -> Tensor:
    """Rotations (n, 3, 3) that lay the resting palm onto the palm of rough joints (n, 21, 3) of weights (n, 21) (Kabsch)."""
    palm = [0, 1, 5, 9, 13, 17]
    rest, share = skeleton.template[skeleton.joint_map][palm], (weight[:, palm] + 1e-3) / (weight[:, palm] + 1e-3).sum(1, keepdim=True)
    seen = joints[:, palm] - torch.einsum('np,npj->nj', share, joints[:, palm])[:, None]
    return nearest_rotation(torch.einsum('np,pi,npj->nij', share, rest - rest.mean(0), seen))[0].transpose(1, 2)


def fit(hand: HandModel, points: np.ndarray, uncertainty: np.ndarray, depth: np.ndarray, session: np.ndarray, focal: np.ndarray,
        steps: int = 300, weights: FitWeights = FitWeights()) -> Fits:
    """Fit right hands to points (n, 21, 2) in pixels about the principal point.

    uncertainty (n, 21) pixels, inf for points that were not seen; depth (n, 21) pixels, relative, NaN where unknown; session (n,) whole
    numbers from 0: those who share one have one shape; focal (n,) pixels.
    """
    skeleton = Skeleton(hand)
    p, d, f = (torch.as_tensor(x, dtype=torch.float32) for x in (points, depth, focal))
    box = (p.amax(1) - p.amin(1)).amax(1).clamp(min=1e-3)
    weight = losses.confidence(torch.as_tensor(uncertainty, dtype=torch.float32) / box[:, None])
    deep = weight.clamp(min=SURE) * (weight > 0) * torch.isfinite(d)
    d = d.nan_to_num(0.0, 0.0, 0.0)
    share = deep / deep.sum(1, keepdim=True).clamp(min=1e-6)
    # the detector saw a crop: its depths lie along the line of sight to the hand, not along the camera's axis
    middle = (p * weight[..., None]).sum(1) / weight.sum(1, keepdim=True).clamp(min=1e-6)
    sight = torch.nn.functional.normalize(torch.cat([middle / f[:, None], torch.ones(len(p), 1)], 1), dim=1)
    sixes = start_rotation(skeleton, torch.cat([p, d[..., None]], -1), weight)[:, :, :2].transpose(1, 2).reshape(-1, 6)
    coefficients = hand.coefficient_mean.repeat(len(p), 1)
    with torch.no_grad():
        mean = torch.zeros(len(p), hand.shape_rows.shape[0])
        rest = skeleton.from_pose(rotation_from_6d(sixes), hand.pose_from_coefficients(coefficients), mean)
        spread = (rest[..., :2] - rest[..., :2].mean(1, keepdim=True)).pow(2).sum((1, 2)).sqrt()
        seen = (p - p.mean(1, keepdim=True)).pow(2).sum((1, 2)).sqrt().clamp(min=1e-3)
        far = f * spread.clamp(min=1e-3) / seen
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

    def off_depth(joints: Tensor) -> Tensor:
        """(n, 21) differences of depth in boxes, about their mean: the detector is less sure of the wrist than of the hand's middle."""
        along = torch.einsum('npi,ni->np', joints, sight)
        off = ((along - along[:, :1]) * f[:, None] / joints[:, :1, 2].clamp(min=0.05) - d) / box[:, None]
        return off - (off * share).sum(1, keepdim=True)

    for _ in range(steps):
        joints, fingers, _ = placed()
        seen = joints[..., :2] / joints[..., 2:].clamp(min=0.05) * f[:, None, None]
        near = losses.huber(off_depth(joints).abs(), 0.1)
        total = (losses.keypoint_location(seen, p, weight, box, delta=0.03) + weights.depth * (near * share).sum(1)
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
        error = (losses.length(seen - p) * weight).sum(1) / weight.sum(1).clamp(min=1e-6) / box
        off = off_depth(joints)
        depth_error = torch.where(deep.sum(1) > 0, (off.abs() * share).sum(1), torch.nan)
        return Fits(rotation_from_6d(variables[0]).numpy(), variables[1].detach().numpy(), variables[3].detach()[member].numpy(),
                    where.numpy(), error.numpy(), depth_error.numpy())
