"""The terms of the clips in a batch, from the geometry that the network answers. Formulas: `training/video_losses.py`."""
from __future__ import annotations

import torch
from torch import Tensor

from models.rotations import axis_angle_to_matrix
from models.s2hand import Geometry
from training import video_losses as video
from training.config import VideoWeights
from training.losses import confidence


def video_terms(
    geometry: Geometry, relative: Tensor, fingers: Tensor, batch: dict[str, Tensor], size: int, w: VideoWeights,
) -> dict[str, Tensor]:
    """Means over windows and groups, weighted, of a batch of `VideoBatches`; nothing where there are none.

    relative (B, 21, 3) joints about the wrist and fingers (B, 15, 3) axis-angle of the answer; size: of the crops, pixels.
    """
    sums: dict[str, list[Tensor]] = {}
    box = (batch['points'].amax(1) - batch['points'].amin(1)).amax(1)
    sure = confidence(batch['uncertainty'] / box[:, None]).mean(1) * batch['hand']
    plain = relative / geometry.scale[..., None]  # of a hand of size 1, as the program shows it
    turned = only_turned(plain, geometry.rotation)
    for count in batch['window'].unique().tolist():
        if count < 2:
            continue
        rows = torch.nonzero(batch['window'] == count)[:, 0]

        def of(values: Tensor) -> Tensor:
            return values[rows].unflatten(0, (-1, count))

        weight = of(sure)
        terms = {'same_shape': video.same_shape(of(geometry.shape), weight), 'same_scale': video.same_scale(of(geometry.scale), weight),
                 'same_bones': video.same_bones(of(plain), weight)}
        time = of(batch['time'])
        if torch.isfinite(time).any():
            terms |= motion_terms(geometry, turned, fingers, batch, size, rows, time, weight)
        for name, term in terms.items():
            if getattr(w, name):
                sums.setdefault(name, []).append(term)
    terms = {name: torch.cat(parts).mean() for name, parts in sums.items()}
    if w.same_joints:
        upright = torch.matmul(turned, batch['rotation'])  # axes of the hand as it is known: the same for every cut of a picture
        terms['same_joints'] = video.same_joints(upright, batch['picture'], sure)
    if w.first_fingers:
        terms['first_fingers'] = weighted_mean((fingers - batch['first_fingers']).square().mean((1, 2)), batch['hand'])
    if w.first_shape:
        terms['first_shape'] = weighted_mean((geometry.shape - batch['first_shape']).square().mean(1), batch['hand'])
    return {name: getattr(w, name) * term for name, term in terms.items()}


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """() of values and weights (B,); 0 where nothing has weight."""
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)


def only_turned(joints: Tensor, rotation: Tensor) -> Tensor:
    """Joints (B, 21, 3) where they are, whose gradients go to the hand's rotation (B, 3, 3) alone and not to its pose.

    Most of what shakes is the rotation, above all out of the picture's plane. Where all that moves a joint was held alike, fingers learned
    to bend less: shaking fell by 39 %, but 3D errors grew by 27 %.
    """
    posed = torch.matmul(joints, rotation).detach()
    return torch.matmul(posed, rotation.transpose(-1, -2))


def motion_terms(geometry: Geometry, plain: Tensor, fingers: Tensor, batch: dict[str, Tensor], size: int, rows: Tensor, time: Tensor,
                 weight: Tensor) -> dict[str, Tensor]:
    """Terms (W,) of windows whose rows stand side by side; plain (B, 21, 3): joints about the wrist of a hand of size 1."""
    def of(values: Tensor) -> Tensor:
        return values[rows].unflatten(0, time.shape)

    turn, exact = of(batch['turn']), of(batch['exact'])
    root = torch.matmul(turn, of(geometry.rotation))
    wrist = video.frame_wrist(*(values[rows] for values in (geometry.translation, geometry.scale, batch['cut'], batch['camera'])), size)
    wrist = wrist.unflatten(0, time.shape)[:, :, None]
    joints, truth = (torch.matmul(of(values), turn.transpose(-1, -2)) for values in (plain, batch['joints']))  # axes of the frame's camera
    guessed = weight * (1 - exact)
    return {
        'motion_fingers': video.motion_rotation(video.quaternions_of(axis_angle_to_matrix(of(fingers))), time, guessed),
        'motion_root': video.motion_rotation(video.quaternions_of(root)[:, :, None], time, guessed),
        'motion_wrist': video.motion_translation(wrist, time, guessed),
        'tremble_joints': video.tremble(joints, time, guessed),
        'tremble_wrist': video.tremble(wrist, time, guessed, delta=0.005),
        'true_joints': video.true_motion(joints, truth, time, weight * exact),
        'true_wrist': video.true_motion(wrist, of(batch['wrist'])[:, :, None], time, weight * exact, delta=0.005),
    }
