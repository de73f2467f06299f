"""The terms of the training loss. Each is small, stands alone, and is tested against values worked out by hand.

Keypoint terms work in parts of the hand box's side, so that near and far hands, 128 and 224 px crops, count alike. Every term is (B,),
one number for each example, and depends on no other example of its batch. No term is NaN or has such a gradient where points are missing.

Sources: Chen et al., S2HAND (CVPR 2021), unless a function names another. Where the released code differs from the paper the paper's
meaning is used; each function says in one line what of it was not taken over.
"""
from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from app.types import JOINT_PARENTS
from models.rotations import nearest_rotation
from models.silhouette import edges_of

CHILDREN = tuple(range(1, 21))
PARENTS = JOINT_PARENTS[1:]


def huber(distance: Tensor, delta: float) -> Tensor:
    """Quadratic below `delta`, then linear with slope 1: d^2 / (2 delta) or d - delta / 2."""
    return torch.where(distance < delta, distance * distance / (2 * delta), distance - delta / 2)


def length(vector: Tensor) -> Tensor:
    """Euclidean length over the last axis with a finite gradient at zero."""
    return (vector * vector).sum(-1).clamp(min=1e-12).sqrt()


def confidence(uncertainty: Tensor, usual: float = 0.02) -> Tensor:
    """Weight 0..1 of points whose uncertainty is in parts of the hand box: 1 for certain ones, 1/2 at `usual`, 0 at inf and NaN."""
    return (1 / (1 + (uncertainty / usual) ** 2)).nan_to_num(0.0)


def picture_confidence(weight: Tensor, least: float = 0.1) -> Tensor:
    """(B,) mean of the points' weights (B, 21), 0 if any of them is below `least`: how far a whole picture is believed to show its hand.

    The photometric terms count by it. The released code divides by the batch's sum of these, which is 0/0 when no picture passes.
    """
    return weight.mean(1) * (weight >= least).all(1)


def keypoint_location(joints: Tensor, points: Tensor, weight: Tensor, box: Tensor, delta: float = 0.05) -> Tensor:
    """(B,) confidence-weighted Huber distance of projected joints (B, 21, 2) to points (B, 21, 2), over the box's side (B,).

    The released code squares the confidences and counts the wrist four times; the paper does neither.
    """
    distance = length(joints - points) / box[:, None]
    return (huber(distance, delta) * weight).sum(1) / weight.sum(1).clamp(min=1e-6)


def bone_orientation(joints: Tensor, points: Tensor, weight: Tensor, box: Tensor) -> Tensor:
    """(B,) weighted mean of |u - v|^2 over the 20 bones, u and v the bones' unit directions in the picture; joints, points (B, 21, 2).

    A bone counts by the product of its ends' weights, and the less the shorter it is seen: one that points at the camera has no direction.
    Divided by the sum of weights: the released code's plain mean makes a hand with few sure points cheap.
    """
    bones = joints[:, CHILDREN] - joints[:, PARENTS]
    wanted = points[:, CHILDREN] - points[:, PARENTS]
    seen = length(wanted)
    sure = (seen / (0.05 * box[:, None])).clamp(max=1) * weight[:, CHILDREN] * weight[:, PARENTS]
    apart = bones / length(bones)[..., None] - wanted / seen[..., None]
    return ((apart * apart).sum(-1) * sure).sum(1) / sure.sum(1).clamp(min=1e-6)


def joint_limits(fingers: Tensor, limit_axes: Tensor, limits: Tensor) -> Tensor:
    """(B,) sum of squared radians by which pose45 (B, 45), measured along limit_axes (L, 45), leaves limits (L, 2).

    The axes are the hand model's own (bend, spread, twist): the released code limits raw axis-angle numbers, which MANO's mean pose breaks.
    """
    angle = fingers @ limit_axes.T
    over = (angle - limits[:, 1]).clamp(min=0) + (limits[:, 0] - angle).clamp(min=0)
    return (over * over).sum(1)


def scale_near_one(scale: Tensor) -> Tensor:
    """(B,) squared logarithm of the size (B, 1): a hand's size cannot be told from one picture, so the distance takes it all.

    The paper's scale term holds the middle finger's first bone at 2.82 cm, a constant of its data set. Here the size multiplies a hand
    whose bones are the population's mean when its shape is 0, so size 1 and the shape prior hold that bone, at 4.5 cm, without forbidding
    long fingers.
    """
    return torch.log(scale.clamp(min=1e-3))[:, 0] ** 2


def shape_prior(shape: Tensor) -> Tensor:
    """(B,) mean square of the shape (B, S), which is in standard deviations. (The released code sets it to 0 by default.)"""
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


def aligned_3d(points: Tensor, truth: Tensor, delta: float = 0.01) -> Tensor:
    """(B,) mean Huber distance of points (B, P, 3) to truth (B, P, 3) once they are moved, turned and scaled onto it, as PA-MPJPE measures.

    Beside `points_3d`, where an error of the wrist's turn hides those of the fingers. The alignment is held while gradients are taken:
    where it is best, a small change of it changes nothing.
    """
    scale, turn = similarity(points.detach(), truth)
    onto = scale[:, None, None] * (points - points.detach().mean(1, keepdim=True)) @ turn
    return huber(length(onto - (truth - truth.mean(1, keepdim=True))), delta).mean(1)


def similarity(points: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """scale (B,) and turn (B, 3, 3), a rotation from the right, that take points (B, P, 3) about their mean best onto truth about its own
    (Umeyama, 1991); never mirrored."""
    a, b = points - points.mean(1, keepdim=True), truth - truth.mean(1, keepdim=True)
    turn, along = nearest_rotation((a.transpose(1, 2) @ b).nan_to_num())  # points that are no numbers make the term NaN, not the SVD fail
    return along / (a * a).sum((1, 2)).clamp(min=1e-12), turn


def keypoint_branch(points: Tensor, wanted: Tensor, weight: Tensor, box: Tensor) -> Tensor:
    """(B,) weighted mean distance of the 2D branch's points (B, 21, 2) to the detected ones (B, 21, 2), over the box's side (B,).

    No Huber curve, as in the paper: the branch shall end at the points themselves. The released code squares the confidences.
    """
    return (length(points - wanted) / box[:, None] * weight).sum(1) / weight.sum(1).clamp(min=1e-6)


def consistency(joints: Tensor, points: Tensor, box: Tensor, delta: float = 0.02) -> Tensor:
    """(B,) mean Huber distance of projected joints (B, 21, 2) and the 2D branch's points (B, 21, 2), over the box's side (B,).

    Without weights, also where the detector saw nothing: there each is all that the other has. Gradients go to both; detach one to hold it.
    """
    return huber(length(joints - points) / box[:, None], delta).mean(1)


def texture_outliers(texture: Tensor, apart: float = 2.0) -> Tensor:
    """(B,) mean over vertices and channels of |c - mean|, where that is more than `apart` standard deviations, of textures (B, N, C).

    Mean and deviation are those of the picture's own channel, and held: only the outliers move. (The released code compares every texture
    of the batch with the statistics of all others, by a broadcast that was not meant.)
    """
    with torch.no_grad():
        mean, deviation = texture.mean(1, keepdim=True), texture.std(1, keepdim=True, correction=0)
    off = (texture - mean).abs()
    return torch.where(off > apart * deviation, off, 0).mean((1, 2))


_laplacians: WeakIdKeyDictionary = WeakIdKeyDictionary()


@torch.inference_mode(False)  # what is kept must also serve where gradients are wanted
def laplacian(faces: Tensor, count: int) -> Tensor:
    """(N, N) sparse: mean of a vertex's neighbours less the vertex, of a mesh with faces (F, 3) and `count` vertices; worked out once."""
    version, matrix = _laplacians.get(faces, (None, None))
    if version != (faces._version, count):
        ends = edges_of(faces).ends
        row, column = torch.cat([ends, ends.flip(0)], 1)
        share = 1 / torch.bincount(row, minlength=count)[row].float()
        own = row.unique()  # a vertex without faces has no neighbours and stays out
        index = torch.stack([torch.cat([row, own]), torch.cat([column, own])])
        values = torch.cat([share, share.new_full(own.shape, -1)])
        matrix = torch.sparse_coo_tensor(index, values, (count, count), check_invariants=False).coalesce()
        _laplacians[faces] = (faces._version, count), matrix
    return matrix


def mesh_smoothness(vertices: Tensor, faces: Tensor, rest: Tensor | None = None) -> Tensor:
    """(B,) metres: mean over vertices (B, N, 3) of their distance to the middle of their neighbours, faces (F, 3).

    With `rest` (N, 3) or (B, N, 3), the same hand before it was posed: mean of how far that distance differs from its value at rest. That
    is better for a skinned hand, because the plain term is least for a small hand with thin fingers; distances, not vectors, as skinning
    turns them. Uniform weights, which need no mesh: the released code takes cotangents from the first hand of the batch for all. On the
    open hand, whose triangles are even, the two correlate at 0.9.
    """
    def bend(points: Tensor) -> Tensor:
        rows = torch.sparse.mm(matrix.to(points.dtype), points.transpose(0, 1).flatten(1))
        return length(rows.view(-1, len(points), 3)).T

    matrix = laplacian(faces, vertices.shape[1])
    here = bend(vertices)
    if rest is None:
        return here.mean(1)
    return (here - bend(rest.expand(len(vertices), -1, -1) if rest.ndim == 2 else rest)).abs().mean(1)
