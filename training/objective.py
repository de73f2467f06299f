"""What a batch costs: the network's answers beside what is known, term by term. One module, so that DDP can wrap it."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from app.errors import InputError
from models.camera import FOCAL, project
from models.encoder import Encoder, Features, Landmarks
from models.renderer import lit, render
from models.rotations import axis_angle_to_matrix
from models.s2hand import Geometry, S2Hand
from models.skeleton import Skeleton
from training import losses, photometric
from training.config import LossWeights, Stage
from training.video_terms import video_terms

PRECISION = {'float32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


class Objective(nn.Module):
    """The network with the losses of one stage: a batch in, the weighted terms out."""

    def __init__(self, network: S2Hand, stage: Stage) -> None:
        super().__init__()
        self.network, self.stage = network, stage
        self.frozen = frozen_blocks_of(stage, network.encoder)
        self.skeleton = Skeleton(network.hand)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The terms, means over the batch, weighted; their sum is the loss. `batch` as `training.crops.collate` or `Kept.batch` make it."""
        network, weights = self.network, self.stage.losses
        (features, low, fine), crop = self.encoded(batch)
        seen = network.encoder.landmarks(features)
        *early, last = network.decoder.steps(network.encoder.for_mesh(features), seen.points, fine)
        each = self.weight_of(batch)
        terms = self.geometry_terms(last, batch, weights)
        for answer in early:
            rougher = self.geometry_terms(answer, batch, weights)
            terms = {name: term + self.stage.early_weight * rougher[name] for name, term in terms.items()}
        terms |= self.branch_terms(seen, last, batch, weights)
        if crop is not None and (weights.photometric or weights.outliers or weights.smoothness):
            terms |= self.appearance_terms(last, low, crop, batch, weights)
        means = {name: (term * each).mean() for name, term in terms.items()}
        if 'window' in batch:
            means |= video_terms(last, *self.place(last), batch, network.size, self.stage.video)
        if weights.presence:
            means['presence'] = weights.presence * self.presence_term(seen, batch)
        return means

    def encoded(self, batch: dict[str, Tensor]) -> tuple[Features, Tensor | None]:
        """Features and the crop, which is None for kept answers."""
        encoder, kind = self.network.encoder, PRECISION[self.stage.precision]
        with torch.autocast(batch['points'].device.type, kind, enabled=kind != torch.float32):
            if 'kept' in batch:
                kept = batch['kept']
                kept = kept.contiguous(memory_format=torch.channels_last) if kept.ndim == 4 else kept
                features = float32(encoder.tail(kept, self.frozen))
                return features._replace(fine=batch['fine']) if 'fine' in batch else features, None
            crop = batch['crop'].float().div(255).contiguous(memory_format=torch.channels_last)
            return float32(encoder(crop)), crop  # frozen blocks have no gradients, so that nothing is remembered for them

    def weight_of(self, batch: dict[str, Tensor]) -> Tensor:
        """(B,) what each example counts: crops without a known hand nothing."""
        return batch['hand'] * (1 + (self.stage.rendered_weight - 1) * batch['exact'])

    def place(self, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """Joints (B, 21, 3) about the wrist and fingers (B, 15, 3) of an answer."""
        fingers = self.network.hand.pose_from_coefficients(geometry.coefficients)
        joints = self.skeleton.from_pose(geometry.rotation, fingers, geometry.shape)
        return joints * geometry.scale[..., None], fingers

    def geometry_terms(self, geometry: Geometry, batch: dict[str, Tensor], w: LossWeights) -> dict[str, Tensor]:
        """Terms (B,) of one answer, weighted."""
        hand, size = self.network.hand, self.network.size
        relative, fingers = self.place(geometry)
        joints = relative + geometry.translation[:, None]
        flat = project(joints, size)
        box, sure = box_of(batch['points']), certainty(batch)
        turned = losses.rotation_distance(axis_angle_to_matrix(fingers), axis_angle_to_matrix(batch['fingers']))
        root = losses.rotation_distance(geometry.rotation[:, None], batch['rotation'][:, None])[:, 0]
        trust = batch['trust']
        guessed = batch['depth_known'] * (1 - batch['exact'])  # where all is known, the 3D terms say it better
        terms = {
            'location': losses.keypoint_location(flat, batch['points'], sure, box, delta=0.02),
            'orientation': losses.bone_orientation(flat, batch['points'], sure, box),
            'depth': losses.relative_depth(joints, batch['depth'], sure, box, FOCAL * size) * guessed,
            'limits': losses.joint_limits(fingers.flatten(1), hand.limit_axes, hand.limits),
            'scale': losses.scale_near_one(geometry.scale),
            'shape': losses.shape_prior(geometry.shape),
            'pose': losses.pose_prior(geometry.coefficients, hand.coefficient_mean, hand.coefficient_sigma),
            'points_3d': losses.points_3d(relative * 10, batch['joints'] * 10, delta=0.05) * trust,
            'aligned_3d': losses.aligned_3d(relative * 10, batch['joints'] * 10, delta=0.02) * trust,
            'rotation': root * trust,
            'fingers': turned.mean(1) * trust,
            'true_shape': losses.shape_prior(geometry.shape - batch['shape']) * trust,
        }
        return {name: term * getattr(w, name) for name, term in terms.items() if getattr(w, name)}

    def branch_terms(self, seen: Landmarks, geometry: Geometry, batch: dict[str, Tensor], w: LossWeights) -> dict[str, Tensor]:
        """Terms (B,) of the 2D keypoint branch, and of its agreement with the mesh, weighted."""
        box, sure, terms = box_of(batch['points']), certainty(batch), {}
        flat = seen.points[..., :2]
        if w.branch:
            terms['branch'] = w.branch * losses.keypoint_branch(flat, batch['points'], sure, box)
        if w.branch_depth:
            apart = (seen.points[..., 2] - batch['depth']).abs() / box[:, None]
            terms['branch_depth'] = w.branch_depth * losses.huber(apart, 0.1).mean(1) * batch['depth_known']
        if w.consistency:
            joints = self.place(geometry)[0] + geometry.translation[:, None]
            terms['consistency'] = w.consistency * losses.consistency(project(joints, self.network.size), flat, box)
        return terms

    def presence_term(self, seen: Landmarks, batch: dict[str, Tensor]) -> Tensor:
        """Cross entropy of presence and, where there is a hand, of its side."""
        def entropy(p: Tensor, truth: Tensor) -> Tensor:
            return F.binary_cross_entropy(p[:, 0].clamp(1e-5, 1 - 1e-5), truth, reduction='none')
        side = entropy(seen.right, batch['right']) * batch['presence']
        return (entropy(seen.presence, batch['presence']) + side).mean()

    def appearance_terms(self, geometry: Geometry, low: Tensor, crop: Tensor, batch: dict[str, Tensor],
                         w: LossWeights) -> dict[str, Tensor]:
        """Terms (B,) of the rendered hand, weighted. Raises FloatingPointError for a mesh that is no number, which cannot be drawn."""
        network, size = self.network, self.stage.render_size
        vertices, _, _ = network.place(geometry)
        if not torch.isfinite(vertices).all():
            raise FloatingPointError('the mesh itself')
        texture, light = network.textured(low, crop, vertices)
        faces = network.hand.faces
        drawn = render(vertices, faces, lit(texture, vertices, faces, light), size=size, focal=FOCAL * size, soft=False)
        picture = F.interpolate(crop, (size, size), mode='area')
        trust = losses.picture_confidence(certainty(batch))
        terms = {}
        if w.photometric:
            terms['photometric'] = w.photometric * photometric.photometric(picture, drawn, trust)
        if w.outliers:
            terms['outliers'] = w.outliers * losses.texture_outliers(texture)
        if w.smoothness:
            hand = network.hand
            rest = hand.template + torch.matmul(geometry.shape, hand.shape_rows).reshape(-1, *hand.template.shape)
            terms['smoothness'] = w.smoothness * losses.mesh_smoothness(vertices, faces, rest)
        return terms


def frozen_blocks_of(stage: Stage, encoder: Encoder) -> int:
    """How many of the encoder's first blocks the stage freezes. Raises InputError where the encoder cannot be cut there."""
    blocks = encoder.depth if stage.frozen_blocks < 0 else stage.frozen_blocks
    if blocks > encoder.depth:
        raise InputError(f'stage {stage.name}: frozen_blocks = {blocks}, but the encoder has {encoder.depth} blocks')
    try:
        encoder.front_modules(blocks)
    except ValueError as error:
        raise InputError(f'stage {stage.name}: frozen_blocks = {blocks}: {error}') from error
    return blocks


def float32(features: Features) -> Features:
    """The same without half precision."""
    return Features(*(None if value is None else value.float() for value in features))


def box_of(points: Tensor) -> Tensor:
    """(B,) the longer side of the box around points (B, 21, 2)."""
    return (points.amax(1) - points.amin(1)).amax(1)


def certainty(batch: dict[str, Tensor]) -> Tensor:
    """(B, 21) weight of each point."""
    return losses.confidence(batch['uncertainty'] / box_of(batch['points'])[:, None])

