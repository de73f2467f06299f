"""What the network is measured against on the same pictures: MediaPipe's own 3D, and a plain skeleton fitted to its points."""
from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from app.crop import to_frame
from app.crop_camera import crop_to_frame_rotation
from app.detection import Detector, mediapipe_image
from app.detector_file import detector_path
from app.mirror import mirror_points_3d
from app.types import JOINT_PARENTS, Crop
from models.landmark_trunk import LandmarkTrunk
from training.evaluation_sets import Sample
from training.import_trunk import read_landmark_file, trunk_weights
from training.losses import huber, length

FOUND = 0.5  # of the hand box: a detection farther off on average is another hand
MEAN_BONE = 0.035  # metres; only the size of the fitted skeleton, which nothing in its data tells
PARENTS = list(JOINT_PARENTS[1:])
STEPS = 400
DEPTH_WEIGHT = 0.5  # of relative depths against 2D points, both in parts of the hand box
FLAT_WEIGHT = 0.05  # of depth 0 where no depths are known: else each bone falls forward or back at random, which is worse than a flat hand


class LandmarkPeer:
    """MediaPipe's landmark network as it is, on the network's own crops."""

    size = LandmarkTrunk.size

    def __init__(self) -> None:
        self.trunk = LandmarkTrunk()
        self.trunk.load_state_dict(trunk_weights(read_landmark_file(detector_path())))
        self.trunk.eval().to(memory_format=torch.channels_last)  # depthwise convolutions are more than twice as fast so

    @torch.inference_mode()
    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Crops (B, 224, 224, 3) uint8 -> points (B, 21, 3) in crop pixels with relative depth, world points (B, 21, 3) metres."""
        batch = torch.from_numpy(np.float32(crops) / 255).permute(0, 3, 1, 2)  # a view: channels last in memory
        seen = self.trunk.landmarks(self.trunk(batch)[0])
        return seen.points.numpy(), seen.world.numpy()


def world_in_picture(world: np.ndarray, crop: Crop, sample: Sample) -> np.ndarray:
    """World points (21, 3) of an upright crop turned into the axes of the picture's camera, a left hand unmirrored."""
    turned = world @ crop_to_frame_rotation(crop, sample.right_camera).T
    return mirror_points_3d(turned) if sample.side == 'left' else turned


def points_in_picture(points: np.ndarray, crop: Crop, sample: Sample) -> np.ndarray:
    """Crop pixels (..., 2) -> pixels of the picture, a left hand unmirrored."""
    return sample.to_right(to_frame(points.astype(float), crop))


class MediaPipePeer(Detector):
    """MediaPipe's hand landmarker on whole pictures, as its own users run it, with its world points."""

    def hand(self, image: np.ndarray, near: np.ndarray, certain: bool = True) -> tuple[np.ndarray, np.ndarray] | None:
        """Points (21, 2) px and world points (21, 3) metres of the hand of image (H, W, 3) that lies nearest to points `near` (21, 2);
        None if none is within half of their box, or none at all if those are not `certain`."""
        height, width = image.shape[:2]
        found = self._landmarker.detect(mediapipe_image(image))
        best, least = None, FOUND * float(np.ptp(near, axis=0).max()) if certain else math.inf
        for landmarks, world in zip(found.hand_landmarks, found.hand_world_landmarks):
            points = np.array([(p.x, p.y) for p in landmarks]) * (width, height) - 0.5
            apart = float(np.linalg.norm(points - near, axis=-1).mean())
            if apart < least:
                best, least = (points, np.array([(p.x, p.y, p.z) for p in world])), apart
        return best


def fit_skeleton(points: np.ndarray, depth: np.ndarray | None, focal: np.ndarray, session: np.ndarray, steps: int = STEPS) -> np.ndarray:
    """A skeleton without a hand model: 20 free bone directions for each picture, 20 bone lengths for each session.

    points (n, 21, 2) pixels about the principal point; depth (n, 21) pixels relative to the wrist, forward positive, or None for 2D points
    alone; focal (n,) pixels; session (n,) whole numbers from 0. Returns joints (n, 21, 3), metres up to a common factor, camera axes.

    Huber distances of the projected joints and of the depths about their mean, in parts of the hand box; Adam with a cosine schedule. How
    much a detector under- or overstates depth is one more unknown, the same in all pictures.
    """
    p, f = torch.as_tensor(points, dtype=torch.float32), torch.as_tensor(focal, dtype=torch.float32)
    d = torch.zeros(p.shape[:2]) if depth is None else torch.as_tensor(depth, dtype=torch.float32)
    weight = FLAT_WEIGHT if depth is None else DEPTH_WEIGHT
    box = (p.amax(1) - p.amin(1)).amax(1)
    bones = torch.cat([p, d[..., None]], -1)
    bones = bones[:, 1:] - bones[:, PARENTS]
    if depth is None:
        bones[..., 2] = 0.05 * box[:, None] * torch.randn(bones.shape[:2], generator=torch.Generator().manual_seed(0))
    member = torch.as_tensor(session, dtype=torch.long)
    sizes = length(bones) / box[:, None]
    usual = torch.stack([sizes[member == s].median(0).values for s in range(int(session.max()) + 1)]).clamp(min=1e-3)
    away = (f * MEAN_BONE / (usual.mean(1)[member] * box)).log()
    start = [F.normalize(bones, dim=-1), usual.log(), p[:, 0] / f[:, None], away, torch.zeros(1)]
    directions, sizes, place, far, overstated = variables = [value.clone().requires_grad_() for value in start]
    rates = (0.03, 0.01, 0.003, 0.01, 0.01 if depth is not None else 0.0)
    optimiser = torch.optim.Adam([{'params': [v], 'lr': rate} for v, rate in zip(variables, rates)], betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 0.5 + 0.5 * math.cos(math.pi * step / steps))

    def placed() -> Tensor:
        lengths = 20 * MEAN_BONE * sizes.softmax(1)  # the overall size is nobody's to tell
        offsets = F.normalize(directions, dim=-1) * lengths[member][..., None]
        z = far.exp()
        joints = [torch.cat([place * z[:, None], z[:, None]], 1)]
        for joint, parent in enumerate(PARENTS):
            joints.append(joints[parent] + offsets[:, joint])
        return torch.stack(joints, 1)

    for _ in range(steps):
        joints = placed()
        z = joints[..., 2:].clamp(min=0.05)
        apart = length(joints[..., :2] / z * f[:, None, None] - p) / box[:, None]
        behind = ((joints[..., 2] - joints[:, :1, 2]) * f[:, None] / z[:, 0] - d * overstated.exp()) / box[:, None]
        behind = behind - behind.mean(1, keepdim=True)
        total = (huber(apart, 0.03) + weight * huber(behind.abs(), 0.1)).mean(1).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return placed().numpy()
