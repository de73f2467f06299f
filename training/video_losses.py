"""What the frames of a clip must have in common: the motion, shape and texture terms of S2HAND(V).

Tu et al., 'Consistent 3D Hand Reconstruction in Video via Self-Supervised Learning' (TPAMI 2023), train one network for single frames on
the unlabelled frames of a clip, so that rotations between neighbours, written as unit quaternions, follow each other evenly, and texture
and shape agree within a clip. Their exact formulas were not at hand: those here are ours, following that description. What is ours and why:
- a term compares a frame with the slerp of two outer ones by their true times, because cameras do not keep their rate;
- what counts is bounded (`bounded`), because a hand that really starts or stops is no mistake, and the bound grows with what natural hands
  reach in that time;
- rotations of the root are compared in the frame's camera, because every crop turns with its hand;
- beside neighbours, four frames in a row are asked to lie on a curve (`tremble`): that holds no acceleration back, and can count for much;
- crops of one picture are asked for the same joints (`same_joints`): most of what shakes from frame to frame comes from where the crop is
  cut, and from noise, and two cuts of any still show as much. (How far that can go: the mean of 16 disturbed crops of each frame is what a
  network would answer that no cut and no noise disturbs. It trembles 0.7 times as much as one look, on real and on rendered clips, shakes
  0.9 times, and its accelerations are 0.7 times as far off. What is left is the same in all crops of a frame: the hand's own motion, and
  what the picture does not show.);
- where the truth is known (rendered clips), accelerations are compared with the true ones instead, which holds no motion back.

Answers of a clip are (W, T, ...): W clips of T frames each, in order. Times are (W, T) seconds, weights (W, T) in 0..1, 0: the frame shows
no hand. Terms are (W,). A clip with too few frames, or frames without time between them, has terms of 0 with gradients 0, never NaN.
"""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from app.types import JOINT_PARENTS
from models.camera import FOCAL
from models.light import linear_to_srgb, srgb_to_linear
from models.rotations import matrix_to_quaternion
from training.losses import huber, length

TURN_NOISE, TURN_RATE = 0.02, 80.0  # radians that estimates tremble by; radians/s^2 that natural motion often reaches
MOVE_NOISE, MOVE_RATE = 0.002, 8.0  # the same of places: metres, metres/s^2
LEAST_STEP = 1e-3  # seconds: frames closer than that have no motion between them
BONES, ENDS = tuple(range(1, 21)), JOINT_PARENTS[1:]


def bounded(value: Tensor) -> Tensor:
    """x^2 / (1 + x^2): as a square where small, and at most 1, so that one real jerk counts no more than one mistake (Geman-McClure)."""
    square = value * value
    return square / (1 + square)


def neighbours(time: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of every three frames in a row: the middle one's place between the outer ones in 0..1, h1 h2 / 2 in s^2, and the weight, the product
    of the three frames'; all (W, T - 2). The weight is 0 where a time is unknown or does not rise."""
    before, after = time[:, 1:-1] - time[:, :-2], time[:, 2:] - time[:, 1:-1]
    ordered = (before > LEAST_STEP) & (after > LEAST_STEP)  # False where a time is NaN
    one = torch.ones_like(before)
    before, after = torch.where(ordered, before, one), torch.where(ordered, after, one)
    return before / (before + after), before * after / 2, weight[:, :-2] * weight[:, 1:-1] * weight[:, 2:] * ordered


def weighted(values: Tensor, weight: Tensor) -> Tensor:
    """(W,) weighted mean over all other axes; values (W, K, ...), weight (W, K); 0 where nothing has weight."""
    values = values.flatten(2).mean(2) if values.ndim > 2 else values
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1e-6)


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Quaternions (..., 4) as (w, x, y, z) -> a b."""
    w = a[..., :1] * b[..., :1] - (a[..., 1:] * b[..., 1:]).sum(-1, keepdim=True)
    v = a[..., :1] * b[..., 1:] + b[..., :1] * a[..., 1:] + torch.linalg.cross(a[..., 1:], b[..., 1:])
    return torch.cat([w, v], -1)


def conjugate(q: Tensor) -> Tensor:
    return torch.cat([q[..., :1], -q[..., 1:]], -1)


def turn_of(q: Tensor) -> Tensor:
    """Unit quaternions (..., 4) -> axis-angle (..., 3) of the shorter way round: the sign of a quaternion has no meaning."""
    q = torch.where(q[..., :1] < 0, -q, q)
    sine = length(q[..., 1:])[..., None]
    angle = 2 * torch.atan2(sine, q[..., :1])
    return q[..., 1:] * torch.where(sine > 1e-5, angle / sine, 2 - 0 * sine)


def off_the_slerp(quaternions: Tensor, place: Tensor) -> Tensor:
    """(W, T - 2, J, 3) radians, axis-angle, from slerp(q0, q2, place) to q1, for quaternions (W, T, J, 4) and places (W, T - 2).

    With r = turn_of(q0* q2), the slerp is q0 exp(place r): signs are aligned by `turn_of`.
    """
    first, middle, last = quaternions[:, :-2], quaternions[:, 1:-1], quaternions[:, 2:]
    part = place[..., None, None] * turn_of(multiply(conjugate(first), last))
    half = length(part)[..., None] / 2
    step = torch.cat([torch.cos(half), part * torch.where(half > 1e-5, torch.sin(half) / (2 * half), 0.5 + 0 * half)], -1)
    return turn_of(multiply(conjugate(multiply(first, step)), middle))


def motion_rotation(quaternions: Tensor, time: Tensor, weight: Tensor) -> Tensor:
    """(W,) mean of bounded(e / s) over frames and joints: e the angle from the slerp of the outer frames,
    s = sqrt(noise^2 + (rate h1 h2 / 2)^2).

    quaternions (W, T, J, 4): of the fingers' joints, or the root's in the frame's camera. A steady angular acceleration a is off the slerp
    by a h1 h2 / 2; so a motion as quick as `TURN_RATE` counts 1/2 at most, at any frame rate.
    """
    if quaternions.shape[1] < 3:
        return 0 * quaternions.sum((1, 2, 3))
    place, step, sure = neighbours(time, weight)
    scale = torch.sqrt(TURN_NOISE ** 2 + (TURN_RATE * step) ** 2)[..., None]
    return weighted(bounded(length(off_the_slerp(quaternions, place)) / scale), sure)


def motion_translation(points: Tensor, time: Tensor, weight: Tensor) -> Tensor:
    """(W,) the same of places (W, T, P, 3) in metres: e is the distance from the line between the outer frames."""
    if points.shape[1] < 3:
        return 0 * points.sum((1, 2, 3))
    place, step, sure = neighbours(time, weight)
    scale = torch.sqrt(MOVE_NOISE ** 2 + (MOVE_RATE * step) ** 2)[..., None]
    return weighted(bounded(length(off_the_line(points, place)) / scale), sure)


def off_the_line(points: Tensor, place: Tensor) -> Tensor:
    """(W, T - 2, P, 3) from the line between the outer frames to the middle one, of points (W, T, P, 3)."""
    part = place[..., None, None]
    return points[:, 1:-1] - (1 - part) * points[:, :-2] - part * points[:, 2:]


def true_motion(points: Tensor, truth: Tensor, time: Tensor, weight: Tensor, delta: float = 0.002) -> Tensor:
    """(W,) mean Huber difference in metres of how far points and truth (W, T, P, 3) leave the line between neighbours.

    That is the error of the acceleration. Where truth is known nothing is smoothed: only what the true hand did not do counts.
    """
    if points.shape[1] < 3:
        return 0 * points.sum((1, 2, 3))
    place, _, sure = neighbours(time, weight)
    return weighted(huber(length(off_the_line(points, place) - off_the_line(truth, place)), delta), sure)


def off_the_curve(points: Tensor, time: Tensor) -> Tensor:
    """(W, T - 3, P, 3) how far four frames in a row are from a parabola through time, of points (W, T, P, 3) at times (W, T).

    sum of c_i x_i with c_i ~ 1 / prod_{j != i} (t_i - t_j), the third divided difference, and sum of c_i^2 = 1, so that it is as large as
    white noise on the points; at even steps c = (-1, 3, -3, 1) / sqrt(20). Even acceleration has none. Times must rise.
    """
    four = time.unfold(1, 4, 1)  # (W, T - 3, 4)
    apart = four[..., :, None] - four[..., None, :] + torch.eye(4, device=time.device, dtype=time.dtype)
    share = 1 / (apart / (four[..., -1:, None] - four[..., :1, None])).prod(-1)
    share = share / length(share)[..., None]
    return (points.unfold(1, 4, 1) * share[:, :, None, None]).sum(-1)


def tremble(points: Tensor, time: Tensor, weight: Tensor, delta: float = 0.002) -> Tensor:
    """(W,) mean Huber length in metres of what points (W, T, P, 3) are off the curve of four frames in a row.

    That is what shakes from frame to frame. A hand's own motion hardly counts: it changes its acceleration little within a tenth of a
    second, so that this can be asked of clips without truth with a large weight, where `motion_translation` must be bounded and small.
    """
    if points.shape[1] < 4:
        return 0 * points.sum((1, 2, 3))
    rises = (time[:, 1:] - time[:, :-1] > LEAST_STEP).all(1, keepdim=True)  # False where a time is NaN
    even = torch.arange(time.shape[1], device=time.device, dtype=time.dtype).expand_as(time)
    sure = weight.unfold(1, 4, 1).prod(-1) * rises
    return weighted(huber(length(off_the_curve(points, torch.where(rises, time, even))), delta), sure)


def same_joints(joints: Tensor, picture: Tensor, weight: Tensor, delta: float = 0.005) -> Tensor:
    """() mean Huber distance in metres of joints (B, 21, 3) from their mean over the crops of the same picture, in axes of that picture.

    picture (B,) its number, -1: it is there once; weight (B,). Crops differ in place, turn, size, colours, noise and sharpness; the hand
    does not.
    """
    rows = torch.nonzero(picture >= 0)[:, 0]
    if not len(rows):
        return 0 * joints.sum()
    _, of = picture[rows].unique(return_inverse=True)
    joints, weight = joints[rows], weight[rows]
    share = torch.zeros(int(of.max()) + 1, device=joints.device).index_add(0, of, weight).clamp(min=1e-6)
    mean = torch.zeros(len(share), *joints.shape[1:], device=joints.device).index_add(0, of, joints * weight[:, None, None])
    apart = huber(length(joints - (mean / share[:, None, None])[of]), delta).mean(1)
    return (apart * weight).sum() / weight.sum().clamp(min=1e-6)


def same_shape(shape: Tensor, weight: Tensor) -> Tensor:
    """(W,) weighted mean square distance of the shapes (W, T, S), in standard deviations, from their weighted mean."""
    return spread_of(shape, weight)


def same_scale(scale: Tensor, weight: Tensor) -> Tensor:
    """(W,) the same of the logarithm of the sizes (W, T, 1)."""
    return spread_of(torch.log(scale.clamp(min=1e-3)), weight)


def same_bones(joints: Tensor, weight: Tensor) -> Tensor:
    """(W,) the same of the logarithms of the 20 bones' lengths, of joints (W, T, 21, 3): squared relative spread."""
    lengths = length(joints[:, :, BONES] - joints[:, :, ENDS])
    return spread_of(torch.log(lengths.clamp(min=1e-4)), weight)


def spread_of(values: Tensor, weight: Tensor) -> Tensor:
    """(W,) variance of values (W, T, K) over the frames, weighted (W, T), mean over K; 0 for a single frame."""
    share = (weight / weight.sum(1, keepdim=True).clamp(min=1e-6))[..., None]
    mean = (values * share).sum(1, keepdim=True)
    return ((values - mean) ** 2 * share).sum(1).mean(1)


def same_texture(texture: Tensor, seen: Tensor, delta: float = 0.02) -> Tensor:
    """(W,) mean Huber distance of the albedos (W, T, N, 3) from their mean over the frames that see the vertex, seen (W, T, N) in 0..1.

    A vertex counts from two frames on: c_v = sum_t seen - max_t seen. Only albedo agrees; the light of each frame is its own.
    """
    total = seen.sum(1, keepdim=True)
    mean = (texture * seen[..., None]).sum(1, keepdim=True) / total.clamp(min=1e-6)[..., None]
    often = (total - seen.amax(1, keepdim=True)).clamp(max=1)
    counts = seen * often
    apart = huber((texture - mean).abs(), delta).mean(-1)
    return (apart * counts).sum((1, 2)) / counts.sum((1, 2)).clamp(min=1e-6)


def cross_pixels(texture: Tensor, shade: Tensor, pixels: Tensor, corners: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
    """(W, T) the cross term: frame i, drawn with other frames' shape and the albedo of frame i + 1 under its own light, on picture i.

    The geometry is held while this is asked for: which vertices lie around a pixel is found out before, by the mesh of frame i with the
    shape that the clip's other frames have (`training/video_texture.py`), so that drawing is a look-up and the gradients go to the skin. Of
    the geometry it would ask nothing that `same_shape` does not say better: photometric terms did not help it in single pictures.

    texture (W, T, 3, N) sRGB, shade (W, T, 3, N) linear light on each vertex, pixels (W, T, 3, P) sRGB 0..1, corners (W, T, P, 3) vertices
    around a pixel, weights (W, T, P, 3), counts (W, T, N) in 0..1 how surely a vertex' pixel shows the hand in both frames. Mean L1.
    """
    lit_colours = linear_to_srgb((srgb_to_linear(texture.roll(-1, 1)) * shade).clamp(0, 1))
    clips, frames, points, _ = corners.shape

    def at(values: Tensor) -> Tensor:
        index = corners.flatten(2)[:, :, None].expand(-1, -1, values.shape[2], -1)
        return (values.gather(3, index).unflatten(3, (points, 3)) * weights[:, :, None]).sum(-1)

    sure = at(counts[:, :, None])[:, :, 0]
    apart = (at(lit_colours) - pixels).abs().mean(2)
    return (apart * sure).sum(2) / sure.sum(2).clamp(min=20)


def frame_wrist(wrist: Tensor, scale: Tensor, crop: Tensor, camera: Tensor, size: int) -> Tensor:
    """(B, 3) metres in the frame's camera: the wrist of a hand of size 1, as `app.crop_camera.wrist_in_frame` places it, differentiable.

    wrist (B, 3) and scale (B, 1) are the network's, crop (B, 2, 3) frame pixels -> crop pixels, camera (B, 4) fx, fy, cx, cy of the frame.
    """
    focal, linear = FOCAL * size, crop[:, :, :2]
    pixel = wrist[:, :2] / wrist[:, 2:].clamp(min=0.05) * focal + (size - 1) / 2
    pixel = torch.linalg.solve(linear, (pixel - crop[:, :, 2])[..., None])[..., 0]
    zoom = torch.linalg.det(linear).abs().sqrt()
    depth = camera[:, :2].mean(1) * zoom * wrist[:, 2].clamp(min=0.05) / (focal * scale[:, 0].clamp(min=1e-3))
    return torch.cat([(pixel - camera[:, 2:]) / camera[:, :2], torch.ones_like(depth)[:, None]], 1) * depth[:, None]


def quaternions_of(matrices: Tensor) -> Tensor:
    """Rotations (..., 3, 3) -> unit quaternions (..., 4) whose gradients are finite."""
    return F.normalize(matrix_to_quaternion(matrices), dim=-1, eps=1e-12)
