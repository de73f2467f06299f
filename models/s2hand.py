"""S2HAND: one crop in, a textured 3D hand, its light and its 2D points out.

After Chen et al., 'Model-based 3D Hand Reconstruction via Self-Supervised Learning' (CVPR 2021): encoder, geometry regressor and texture
and light head, sized by the hand model. Written anew, with four changes, each for a reason:
- the root rotation is regressed as 6 numbers (Zhou et al., 2019), which are continuous where axis-angle is not; results are axis-angle;
- pose coefficients are regressed in standard deviations about their natural mean, so that an unsure network answers a relaxed hand;
- the wrist is regressed as a place in the crop and a log depth, so that errors of depth do not move the hand in the picture;
- the first answer is projected and compared with the 2D branch's points, and with what the picture shows where its joints fall; a small
  network corrects it by that, twice: the 2D-3D consistency that S2HAND asks for in training, asked for in the answer. (Features sampled
  at the projected mesh are the idea of PyMAF, Zhang et al., ICCV 2021.)
"""
from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.camera import FOCAL, project, unproject
from models.encoders import EncoderName, make_encoder
from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix, cross, matrix_to_axis_angle, unit
from models.skeleton import Skeleton
from models.texture_head import TextureHead

HIDDEN, WIDTH = 1024, 512
CORRECTIONS = 2
LOOK, LOCAL = 128, 32  # channels inside of what looks at the fine map, and of what it says around each joint
START_DEPTH = 0.75  # metres; where a mean hand fills its crop


@dataclass(frozen=True)
class Geometry:
    """What the regressor says, before the hand model. Right hand, crop camera."""

    coefficients: Tensor  # (B, K) pose coefficients of the hand model
    rotation: Tensor  # (B, 3, 3) of the wrist
    shape: Tensor  # (B, 10) standard deviations
    scale: Tensor  # (B, 1) size relative to the hand model's; training holds it near 1
    translation: Tensor  # (B, 3) metres, the wrist


@dataclass(frozen=True)
class S2HandOutput:
    """All answers of the network; field names are the outputs of the ONNX graph."""

    vertices: Tensor  # (B, N, 3) metres, crop camera
    joints_3d: Tensor  # (B, 21, 3) metres, crop camera
    joints_2d: Tensor  # (B, 21, 2) crop pixels, projection of joints_3d
    pose: Tensor  # (B, 16, 3) axis-angle, row 0 the wrist in the crop camera
    shape: Tensor  # (B, 10)
    scale: Tensor  # (B, 1)
    translation: Tensor  # (B, 3) metres, the wrist
    texture: Tensor  # (B, N, 3) sRGB albedo 0..1
    light: Tensor  # (B, 11) see models/light.py
    points: Tensor  # (B, 21, 3) the 2D branch: crop pixels and relative depth in pixels
    presence: Tensor  # (B, 1)
    right: Tensor  # (B, 1)


def rotation_from_6d(values: Tensor) -> Tensor:
    """Six numbers (B, 6), two columns of a matrix not yet orthonormal -> rotations (B, 3, 3)."""
    first = unit(values[:, :3], 1, 1e-6)
    second = unit(values[:, 3:] - (first * values[:, 3:]).sum(1, keepdim=True) * first, 1, 1e-6)
    return torch.cat([first, second, cross(first, second)], 1).unflatten(1, (3, 3)).transpose(1, 2)


def head(outputs: int, start: tuple[float, ...] | None = None) -> nn.Sequential:
    """512 -> 128 -> outputs; with `start` through 32 more, starting as that constant (S2HAND's rotation, scale and translation heads)."""
    if start is None:
        return nn.Sequential(nn.Linear(WIDTH, 128), nn.ReLU(), nn.Linear(128, outputs))
    layers = nn.Sequential(nn.Linear(WIDTH, 128), nn.ReLU(), nn.Linear(128, 32), nn.Linear(32, outputs))
    nn.init.normal_(layers[-1].weight, std=0.01)
    with torch.no_grad():
        layers[-1].bias.copy_(torch.tensor(start))
    return layers


class GeometryHead(nn.Module):
    """Pooled features (B, F), the 2D branch's points (B, 21, 3) and the fine map (B, C, h, h) -> `Geometry`; layer names follow the
    official decoder. Without a map (pooled features were all that was kept) the corrections see the points alone."""

    def __init__(self, features: int, fine_channels: int, hand: HandModel, size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.size, self.skeleton = size, Skeleton(hand)
        self.base_layers = nn.Sequential(
            nn.Linear(features, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(HIDDEN, WIDTH), nn.BatchNorm1d(WIDTH), nn.ReLU(), nn.Dropout(dropout))
        self.sizes = [len(hand.pose_components), hand.shape_rows.shape[0], 6, 1, 3]
        self.pose_reg, self.shape_reg = head(self.sizes[0]), head(self.sizes[1])
        self.rot_reg = head(6, (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0))  # an upright hand that shows its palm: x and y point left and up
        self.scale_reg = head(1, (0.0,))
        self.trans_reg = head(3, (0.0, 0.3, 0.0))
        self.correction = nn.Sequential(nn.Linear(WIDTH + sum(self.sizes) + 63, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
                                        nn.Linear(256, sum(self.sizes)))
        nn.init.zeros_(self.correction[-1].weight)
        nn.init.zeros_(self.correction[-1].bias)
        self.look = nn.Sequential(nn.Conv2d(fine_channels, LOOK, 1), nn.ReLU(), nn.Conv2d(LOOK, LOOK, 3, padding=1, groups=LOOK), nn.ReLU(),
                                  nn.Conv2d(LOOK, LOCAL, 1))
        self.local = nn.Sequential(nn.Linear(21 * LOCAL, 256), nn.ReLU(), nn.Linear(256, 256))
        nn.init.zeros_(self.local[-1].weight)
        nn.init.zeros_(self.local[-1].bias)
        for name in ('coefficient_mean', 'coefficient_sigma', 'pose_mean', 'pose_components'):
            self.register_buffer(name, getattr(hand, name).clone(), persistent=False)

    def forward(self, features: Tensor, points: Tensor, fine: Tensor | None) -> Geometry:
        return self.steps(features, points, fine)[-1]

    def steps(self, features: Tensor, points: Tensor, fine: Tensor | None) -> list[Geometry]:
        """The first answer and the corrected ones, the last of which counts."""
        x = self.base_layers(features)
        looked = None if fine is None else F.relu(self.look(fine))
        raw = torch.cat([self.pose_reg(x), self.shape_reg(x), self.rot_reg(x), self.scale_reg(x), self.trans_reg(x)], 1)
        answers = [self.geometry(raw)]
        for _ in range(CORRECTIONS):
            seen, flat = self.off(answers[-1], points.detach())
            hidden = self.correction[0](torch.cat([x, raw, seen], 1))
            if looked is not None:
                hidden = hidden + self.local(self.around(looked, flat.detach()))
            raw = raw + self.correction[1:](hidden)
            answers.append(self.geometry(raw))
        return answers

    def around(self, looked: Tensor, flat: Tensor) -> Tensor:
        """(B, 21 * C) what a map (B, C, h, h) of the crop says at pixels (B, 21, 2) of the crop; nothing outside of it."""
        places = (flat + 0.5) * (2 / self.size) - 1
        return F.grid_sample(looked, places[:, None], align_corners=False)[:, :, 0].flatten(1)

    def geometry(self, raw: Tensor) -> Geometry:
        """The regressed numbers (B, R) -> what they mean."""
        pose, shape, six, scale, place = torch.split(raw, self.sizes, 1)
        depth = START_DEPTH * torch.exp(place[:, 2:].clamp(-2, 2))
        wrist = unproject(place[:, :2], depth)
        coefficients = self.coefficient_mean + self.coefficient_sigma * pose
        return Geometry(coefficients, rotation_from_6d(six), shape, torch.exp(scale.clamp(-1, 1)), wrist)

    def off(self, geometry: Geometry, points: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 63) how far points (B, 21, 3) lie from the answer's joints, in tenths of the crop's side: x, y and relative depth; and where
        in the crop (B, 21, 2) the joints fall."""
        fingers = (self.pose_mean + torch.matmul(geometry.coefficients, self.pose_components)).reshape(-1, 15, 3)
        joints = self.skeleton.from_pose(geometry.rotation, fingers, geometry.shape) * geometry.scale[..., None]
        wrist = geometry.translation[:, None]
        flat = project(joints + wrist, self.size)
        depth = joints[..., 2:] * (FOCAL * self.size) / wrist[..., 2:]
        return ((points - torch.cat([flat, depth], -1)) * (10 / self.size)).flatten(1), flat


class S2Hand(nn.Module):
    """The whole network. Crops (B, 3, S, S) of upright right hands, RGB in [0, 1] -> `S2HandOutput`."""

    def __init__(self, encoder: EncoderName = 'landmark', hand: HandModel | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.hand = hand or HandModel.load()
        self.encoder_name = encoder
        self.encoder = make_encoder(encoder)
        self.size = self.encoder.size
        self.decoder = GeometryHead(self.encoder.features, self.encoder.fine_channels, self.hand, self.size, dropout)
        self.texture_light_from_low = TextureHead(self.encoder.low_channels, self.hand)

    def place(self, geometry: Geometry) -> tuple[Tensor, Tensor, Tensor]:
        """Geometry -> vertices (B, N, 3), joints (B, 21, 3), both in metres in the crop camera, and the fingers' pose (B, 15, 3)."""
        fingers = self.hand.pose_from_coefficients(geometry.coefficients)
        turns = torch.cat([geometry.rotation[:, None], axis_angle_to_matrix(fingers)], 1)
        made = self.hand.skin(turns, geometry.shape, geometry.scale, geometry.translation)
        return made.vertices, made.joints, fingers

    def textured(self, low: Tensor, crop: Tensor, vertices: Tensor) -> tuple[Tensor, Tensor]:
        """Albedo (B, N, 3) and light (B, 11) of the hand at vertices (B, N, 3) in crop (B, 3, S, S)."""
        low = low if low.shape[-1] == 56 else F.interpolate(low, (56, 56), mode='bilinear')  # the size that the head's kernels are made for
        return self.texture_light_from_low(low, crop, vertices)

    def forward(self, crop: Tensor) -> S2HandOutput:
        features, low, fine = self.encoder(crop)
        seen = self.encoder.landmarks(features)
        geometry = self.decoder(self.encoder.for_mesh(features), seen.points, fine)
        vertices, joints, fingers = self.place(geometry)
        texture, lights = self.textured(low, crop, vertices)
        pose = torch.cat([matrix_to_axis_angle(geometry.rotation)[:, None], fingers], 1)
        return S2HandOutput(vertices, joints, project(joints, self.size), pose, geometry.shape, geometry.scale, geometry.translation,
                            texture, lights, seen.points, seen.presence, seen.right)
