"""The hand model in torch: pose and shape in, vertices and 21 joints out, batched and differentiable.

Linear blend skinning as in MANO (Romero et al., 2017), sizes taken from the file, so that any hand of that form can be read.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from models.rotations import axis_angle_to_matrix

OPEN_HAND = Path(__file__).resolve().parent.parent / 'assets' / 'open_hand.npz'


@dataclass(frozen=True)
class HandOutput:
    """A posed hand, its wrist at the origin."""

    vertices: Tensor  # (B, N, 3) metres
    joints: Tensor  # (B, 21, 3) metres, OpenPose order


class HandModel(nn.Module):
    """A right hand at rest with its shape space, correctives, skeleton and skin; a left hand is its mirror image in x."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        super().__init__()
        self.name = str(arrays['name'])
        self.parents = [int(p) for p in arrays['parents']]
        self.joint_map = [int(j) for j in arrays['joint_map']]
        self.tip_vertices = [int(v) for v in arrays['tip_vertices']]
        self.coefficient_names = [str(n) for n in arrays['coefficient_names']]

        def keep(key: str, value: np.ndarray) -> None:
            kind = torch.int64 if np.issubdtype(value.dtype, np.integer) else torch.float32
            self.register_buffer(key, torch.as_tensor(np.ascontiguousarray(value), dtype=kind), persistent=False)

        for key in ('template', 'faces', 'skin_weights', 'pose_mean', 'pose_components', 'coefficient_mean', 'coefficient_sigma',
                    'limit_axes', 'limits', 'uv', 'uv_faces', 'albedo', 'skin_basis', 'skin_sigma'):
            keep(key, arrays[key])
        n = len(arrays['template'])
        shapes = arrays['shape_basis'].shape[-1]
        keep('shape_rows', arrays['shape_basis'].reshape(3 * n, shapes).T)  # (S, 3N)
        keep('corrective_rows', arrays['pose_basis'].reshape(3 * n, -1).T)  # (135, 3N)
        keep('joint_template', arrays['joint_regressor'] @ arrays['template'])  # (16, 3)
        joints = np.tensordot(arrays['joint_regressor'].astype(np.float64), arrays['shape_basis'].astype(np.float64), 1)
        keep('joint_rows', joints.reshape(-1, shapes).T)  # (S, 48)
        keep('mirror', np.array([-1., 1, 1]))
        keep('mirror_axial', np.array([1., -1, -1]))

    @staticmethod
    def load(path: str | Path | None = None) -> HandModel:
        """The model of an `.npz` file (default: the open hand). Raises FileNotFoundError when there is none."""
        with np.load(OPEN_HAND if path is None else path, allow_pickle=False) as file:
            return HandModel({key: file[key] for key in file.files})

    def pose_from_coefficients(self, coefficients: Tensor) -> Tensor:
        """Coefficients (B, K) -> axis-angle (B, 15, 3) of the joints 1..15."""
        return (self.pose_mean + torch.matmul(coefficients, self.pose_components)).reshape(-1, 15, 3)

    def rest_joints(self, shape: Tensor) -> Tensor:
        """Shapes (B, S) -> joints at rest (B, 16, 3), metres, as the file has them."""
        return self.joint_template + torch.matmul(shape, self.joint_rows).reshape(-1, 16, 3)

    def forward(self, pose: Tensor, shape: Tensor, side: Literal['right', 'left'] = 'right') -> HandOutput:
        """Axis-angle pose (B, 16, 3) (row 0 turns the whole hand) and shape (B, S) in standard deviations -> the posed hand."""
        if side == 'left':
            right = self.forward(pose * self.mirror_axial, shape)
            return HandOutput(right.vertices * self.mirror, right.joints * self.mirror)
        return self.skin(axis_angle_to_matrix(pose), shape)

    def skin(self, rotations: Tensor, shape: Tensor) -> HandOutput:
        """Local rotations (B, 16, 3, 3) and shape (B, S) -> the posed right hand. No einsum, scatter or in-place write: exportable."""
        rest = self.rest_joints(shape)
        identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        feature = (rotations[:, 1:] - identity).reshape(-1, 135)
        offsets = torch.matmul(shape, self.shape_rows) + torch.matmul(feature, self.corrective_rows)
        vertices = self.template + offsets.reshape(-1, self.template.shape[0], 3)

        turned, moved = [rotations[:, 0]], [rest[:, 0, :, None]]
        for j in range(1, len(self.parents)):
            p = self.parents[j]
            bone = (rest[:, j] - rest[:, p])[..., None]
            moved.append(moved[p] + torch.matmul(turned[p], bone))
            turned.append(torch.matmul(turned[p], rotations[:, j]))
        turned, joints = torch.stack(turned, 1), torch.stack(moved, 1)[..., 0]  # (B, 16, 3, 3), (B, 16, 3)

        shift = joints - torch.matmul(turned, rest[..., None])[..., 0]
        blended = torch.matmul(self.skin_weights, turned.reshape(-1, 16, 9)).reshape(-1, self.template.shape[0], 3, 3)
        vertices = torch.matmul(blended, vertices[..., None])[..., 0] + torch.matmul(self.skin_weights, shift)

        wrist = joints[:, :1]
        vertices = vertices - wrist
        points = torch.cat([joints - wrist, vertices[:, self.tip_vertices]], 1)
        return HandOutput(vertices, points[:, self.joint_map])
