"""The terms of the training loss. Each is small, stands alone, and is tested against values worked out by hand.

Keypoint terms work in parts of the hand box's side, so that near and far hands, 128 and 224 px crops, count alike.
Sources: Chen et al., S2HAND (CVPR 2021) for location, orientation, limits, scale and shape; where the released code differs from the
paper (squared confidences, sums that depend on the batch) the paper's meaning is used.
"""
from __future__ import annotations

import torch
from torch import Tensor

from app.types import JOINT_PARENTS

CHILDREN = tuple(range(1, 21))
PARENTS = JOINT_PARENTS[1:]


def huber(distance: Tensor, delta: float) -> Tensor:
    """Quadratic below `delta`, then linear with slope 1: d^2 / (2 delta) or d - delta / 2."""
    return torch.where(distance < delta, distance * distance / (2 * delta), distance - delta / 2)


def length(vector: Tensor) -> Tensor:
    """Euclidean length over the last axis with a finite gradient at zero."""
    return (vector * vector).sum(-1).clamp(min=1e-12).sqrt()


def confidence(uncertainty: Tensor, usual: float = 0.02) -> Tensor:
    """Weight 0..1 of points whose uncertainty is given in parts of the hand box: 1 for certain ones, 1/2 at `usual`."""
    return 1 / (1 + (uncertainty / usual) ** 2)


def keypoint_location(joints: Tensor, points: Tensor, weight: Tensor, box: Tensor, delta: float = 0.05) -> Tensor:
    """(B,) confidence-weighted Huber distance of projected joints (B, 21, 2) to points (B, 21, 2), over the box's side (B,)."""
    distance = length(joints - points) / box[:, None]
    return (huber(distance, delta) * weight).sum(1) / weight.sum(1).clamp(min=1e-6)


def bone_orientation(joints: Tensor, points: Tensor, weight: Tensor, box: Tensor) -> Tensor:
    """(B,) weighted mean of |u - v|^2 over the 20 bones, u and v the bones' unit directions in the picture; joints, points (B, 21, 2).

    A bone counts by the product of its ends' weights, and the less the shorter it is seen: one that points at the camera has no direction.
    """
    bones = joints[:, CHILDREN] - joints[:, PARENTS]
    wanted = points[:, CHILDREN] - points[:, PARENTS]
    seen = length(wanted)
    sure = (seen / (0.05 * box[:, None])).clamp(max=1) * weight[:, CHILDREN] * weight[:, PARENTS]
    apart = bones / length(bones)[..., None] - wanted / seen[..., None]
    return ((apart * apart).sum(-1) * sure).sum(1) / sure.sum(1).clamp(min=1e-6)


def joint_limits(fingers: Tensor, limit_axes: Tensor, limits: Tensor) -> Tensor:
    """(B,) sum of squared radians by which pose45 (B, 45), measured along limit_axes (L, 45), leaves limits (L, 2)."""
    angle = fingers @ limit_axes.T
    over = (angle - limits[:, 1]).clamp(min=0) + (limits[:, 0] - angle).clamp(min=0)
    return (over * over).sum(1)


def scale_near_one(scale: Tensor) -> Tensor:
    """(B,) squared logarithm of the size (B, 1): a hand's size cannot be told from one picture, so the distance takes it all."""
    return torch.log(scale.clamp(min=1e-3))[:, 0] ** 2


def shape_prior(shape: Tensor) -> Tensor:
    """(B,) mean square of the shape (B, S), which is in standard deviations."""
    return (shape * shape).mean(1)


def pose_prior(coefficients: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
    """(B,) mean squared deviation of pose coefficients (B, K) from their natural mean (K,), in their sigmas (K,)."""
    return (((coefficients - mean) / sigma) ** 2).mean(1)


def relative_depth(joints: Tensor, depth: Tensor, weight: Tensor, box: Tensor, focal: float, delta: float = 0.1) -> Tensor:
    """(B,) weighted Huber difference of the joints' depths behind the wrist and the detector's, both in pixels, over the box's side (B,).

    joints (B, 21, 3) metres in the crop camera of `focal` pixels; depth (B, 21) pixels at the hand's distance, wrist = 0.
    """
    behind = (joints[..., 2] - joints[:, :1, 2]) * focal / joints[:, :1, 2].clamp(min=0.05)
    return (huber((behind - depth).abs() / box[:, None], delta) * weight).sum(1) / weight.sum(1).clamp(min=1e-6)


def rotation_distance(rotation: Tensor, truth: Tensor) -> Tensor:
    """(B, J) half the squared Frobenius distance of rotations (B, J, 3, 3): the squared angle in radians while that is small."""
    return ((rotation - truth) ** 2).sum((-1, -2)) / 2


def points_3d(points: Tensor, truth: Tensor, delta: float = 0.01) -> Tensor:
    """(B,) mean Huber distance in metres of points (B, P, 3), both relative to the wrist."""
    return huber(length(points - truth), delta).mean(1)
