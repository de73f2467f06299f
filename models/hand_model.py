"""The hand model in torch: pose and shape in, vertices and 21 joints out, batched and differentiable.

Linear blend skinning as in MANO (Romero et al., 2017), sizes taken from the file, so that any hand of that form can be read.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from models.chain import Chain
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
        self._keep_for_skinning(keep)
        keep('mirror', np.array([-1., 1, 1]))
        keep('mirror_axial', np.array([1., -1, -1]))

    def _keep_for_skinning(self, keep: Callable[[str, np.ndarray], None]) -> None:
        """Constants of `skin`: joints by depth in the tree, coordinates before vertices, everything measured from the wrist."""
        self.chain, shapes = Chain(self.parents), len(self.shape_rows)
        order, above = self.chain.order.tolist(), [self.parents[j] if j else 0 for j in self.chain.order.tolist()]
        rest, rows = self.joint_template.numpy(), self.joint_rows.reshape(shapes, -1, 3).numpy()
        template = self.template.numpy() - rest[0]
        wrist = np.concatenate([rows[:, 0], np.zeros((len(self.corrective_rows), 3), np.float32)])  # correctives leave it where it is
        moves = np.concatenate([self.shape_rows.numpy(), self.corrective_rows.numpy()]).reshape(len(wrist), -1, 3) - wrist[:, None]
        keep('column_template', template.T.reshape(-1))  # (3N,)
        keep('column_rows', moves.transpose(0, 2, 1).reshape(len(wrist), -1))  # (S + 135, 3N)
        ways, way_rows = rest[order] - rest[above], rows[:, order] - rows[:, above]
        keep('chain_template', np.concatenate([rest[order] - rest[0], ways]).reshape(-1))  # (2 x 48,)
        keep('chain_rows', np.concatenate([rows[:, order] - rows[:, :1], way_rows], 1).reshape(shapes, -1))  # (S, 2 x 48)
        keep('chain_weights', self.skin_weights.numpy()[:, order].T)  # (16, N)
        keep('tips', np.array(self.tip_vertices))
        places = [*order, *range(len(order), len(order) + len(self.tip_vertices))]
        keep('points_order', np.array([places.index(j) for j in self.joint_map]))

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

    def skin(self, rotations: Tensor, shape: Tensor, scale: Tensor | None = None, wrist: Tensor | None = None) -> HandOutput:
        """Local rotations (B, 16, 3, 3) and shape (B, S) -> the posed right hand, its wrist at the origin, or sized by `scale` (B, 1) and
        with the wrist at `wrist` (B, 3). Few and large operators, no einsum, scatter or in-place write: exportable, and quick everywhere.
        """
        identity = torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        feature = (rotations[:, 1:] - identity).flatten(1)
        columns = torch.addmm(self.column_template, torch.cat([shape, feature], 1), self.column_rows).unflatten(1, (1, 3, -1))
        rest = torch.addmm(self.chain_template, shape, self.chain_rows).unflatten(1, (2, 16, 3))  # places, and ways from the parents

        turned, joints = self.chain(rotations.index_select(1, self.chain.order), rest[:, 1, :, :, None])
        if scale is not None:
            turned, joints = turned * scale[..., None, None], joints * scale[..., None]
        if wrist is not None:
            joints = joints + wrist[:, None]
        shift = joints - (turned * rest[:, 0, :, None]).sum(-1)
        # channels before vertices: sums over three long rows, not over thousands of short ones
        blended = torch.matmul(turned.permute(0, 3, 2, 1).flatten(1, 2), self.chain_weights).unflatten(1, (3, 3))  # (B, 3 in, 3 out, N)
        moved = (blended * columns.transpose(1, 2)).sum(1) + torch.matmul(shift.transpose(1, 2), self.chain_weights)

        vertices = moved.transpose(1, 2)
        points = torch.cat([joints, vertices.index_select(1, self.tips)], 1)
        return HandOutput(vertices, points.index_select(1, self.points_order))
