"""The hand model in numpy: pose and shape in, mesh and joints out. The torch twin is `models/hand_model.py`.

Linear blend skinning as in MANO, for any file with the same keys: sizes come from the file. Axes at rest: the wrist at the origin,
+y to the finger tips, +z out of the back of the hand, -x towards the thumb of the right hand; metres. See `assets/open_hand.npz`.
"""
from __future__ import annotations

import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.mirror import mirror_points_3d, mirror_pose
from app.rotations import axis_angle_to_matrix, quaternion_to_matrix
from app.types import Side

DEFAULT_PATH = Path(__file__).resolve().parent.parent / 'assets' / 'open_hand.npz'
JOINTS, POSED_JOINTS, POINTS, SHAPES = 16, 15, 21, 10

# key -> shape; letters are sizes that the file decides, the same letter the same size
SCHEMA = {
    'template': ('N', 3), 'faces': ('F', 3), 'shape_basis': ('N', 3, SHAPES), 'pose_basis': ('N', 3, 9 * POSED_JOINTS),
    'joint_regressor': (JOINTS, 'N'), 'skin_weights': ('N', JOINTS), 'parents': (JOINTS,), 'tip_vertices': (5,), 'joint_map': (POINTS,),
    'pose_mean': (3 * POSED_JOINTS,), 'pose_components': ('K', 3 * POSED_JOINTS), 'coefficient_mean': ('K',), 'coefficient_sigma': ('K',),
    'limit_axes': ('L', 3 * POSED_JOINTS), 'limits': ('L', 2), 'uv': ('T', 2), 'uv_faces': ('F', 3), 'albedo': ('N', 3),
    'skin_basis': ('M', 'N', 3), 'skin_sigma': ('M',),
}
NAMES = ('coefficient_names', 'joint_names')
INTEGERS = ('faces', 'parents', 'tip_vertices', 'joint_map', 'uv_faces')
_EYE = np.eye(3)


@dataclass(frozen=True, eq=False)
class HandModel:
    """Arrays of the model (float32, indices int32) and what follows from them. Made by `HandModel.load`."""

    name: str
    template: np.ndarray  # (N, 3) metres, rest vertices of the mean right hand
    faces: np.ndarray  # (F, 3) counter-clockwise from outside
    shape_basis: np.ndarray  # (N, 3, 10) metres per standard deviation
    pose_basis: np.ndarray  # (N, 3, 135) metres, times the flattened R_j - I
    joint_regressor: np.ndarray  # (16, N)
    skin_weights: np.ndarray  # (N, 16) rows sum to 1
    parents: np.ndarray  # (16,) -1 for the wrist
    tip_vertices: np.ndarray  # (5,) thumb to little
    joint_map: np.ndarray  # (21,) the 21 points in [16 joints, 5 tips]
    pose_mean: np.ndarray  # (45,)
    pose_components: np.ndarray  # (K, 45)
    coefficient_mean: np.ndarray  # (K,)
    coefficient_sigma: np.ndarray  # (K,)
    limit_axes: np.ndarray  # (L, 45)
    limits: np.ndarray  # (L, 2) radians
    uv: np.ndarray  # (T, 2)
    uv_faces: np.ndarray  # (F, 3)
    albedo: np.ndarray  # (N, 3) sRGB 0..1
    skin_basis: np.ndarray  # (M, N, 3)
    skin_sigma: np.ndarray  # (M,)
    coefficient_names: tuple[str, ...]  # K
    joint_names: tuple[str, ...]  # 16
    levels: tuple[np.ndarray, ...] = ()  # joints by depth in the tree, the wrist left out
    steps: tuple[tuple, ...] = ()  # the same and their parents, as slices where they are evenly spaced
    _shaped: OrderedDict = field(default_factory=OrderedDict, repr=False)  # the last few shapes: vertices (N, 3), joints (16, 3)
    _flat_pose_basis: np.ndarray = field(default=None, repr=False)  # (3N, 135) contiguous
    _weight_rows: np.ndarray = field(default=None, repr=False)  # (16, N) contiguous

    @staticmethod
    def load(path: str | Path | None = None) -> HandModel:
        """Read and check a model file; `assets/open_hand.npz` when no path is given.

        Raises InputError when the file is missing, unreadable, incomplete, or its arrays contradict each other.
        """
        path = Path(path or DEFAULT_PATH)
        arrays = _read(path)
        _check(arrays, path)
        levels = _levels(arrays['parents'])
        return HandModel(
            **arrays, levels=levels, steps=tuple((_as_slice(level), _as_slice(arrays['parents'][level])) for level in levels),
            _flat_pose_basis=np.ascontiguousarray(arrays['pose_basis'].reshape(-1, 9 * POSED_JOINTS)),
            _weight_rows=np.ascontiguousarray(arrays['skin_weights'].T),
        )

    def shaped(self, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shape (10,) -> rest vertices (N, 3) and joints (16, 3), metres, float32, read-only; the last four shapes are remembered."""
        shape = _sized(shape, (SHAPES,), 'shape')
        key = shape.tobytes()
        found = self._shaped.get(key)
        if found is None:
            vertices = self.template + self.shape_basis @ shape.astype(np.float32)
            joints = (self.joint_regressor.astype(np.float64) @ vertices).astype(np.float32)  # long sums: keep their last digits
            vertices.flags.writeable = joints.flags.writeable = False
            found = self._shaped[key] = (vertices, joints)
            while len(self._shaped) > 4:
                self._shaped.popitem(last=False)
        return found

    def posed(self, pose: np.ndarray, shape: np.ndarray, side: Side = 'right') -> tuple[np.ndarray, np.ndarray]:
        """Pose (16, 3) axis-angle or (16, 4) quaternions, row 0 the wrist's turn, and shape (10,) ->
        vertices (N, 3) and the 21 joints (21, 3), metres, float32, the wrist at the origin. Raises ValueError on other shapes."""
        rotations, mirrored = self._rotations(pose, side)
        rest, joints = self.shaped(shape)
        transforms = self._transforms(rotations, joints)
        offsets = (self._flat_pose_basis @ self._features(rotations)).reshape(-1, 3)
        offsets += rest
        vertices = _skin(offsets, self._weight_rows, transforms)
        points = self._points(transforms, joints, vertices[self.tip_vertices])
        return (mirror_points_3d(vertices), mirror_points_3d(points)) if mirrored else (vertices, points)

    def joints(self, pose: np.ndarray, shape: np.ndarray, side: Side = 'right') -> np.ndarray:
        """As `posed`, but only the 21 joints (21, 3): some ten times faster."""
        rotations, mirrored = self._rotations(pose, side)
        rest, joints = self.shaped(shape)
        transforms = self._transforms(rotations, joints)
        tips = self.tip_vertices
        tips = _skin(rest[tips] + self.pose_basis[tips] @ self._features(rotations), self._weight_rows[:, tips], transforms)
        points = self._points(transforms, joints, tips)
        return mirror_points_3d(points) if mirrored else points

    def coefficients(self, pose: np.ndarray) -> np.ndarray:
        """Pose (16, 3) axis-angle -> the nearest coefficients (K,), least squares."""
        pose = _sized(pose, (JOINTS, 3), 'pose')
        return np.linalg.lstsq(self.pose_components.T.astype(np.float64), pose[1:].ravel() - self.pose_mean, rcond=None)[0]

    def pose_of(self, coefficients: np.ndarray, wrist: np.ndarray = (0, 0, 0)) -> np.ndarray:
        """Coefficients (K,) and the wrist's axis-angle (3,) -> pose (16, 3)."""
        coefficients = _sized(coefficients, (len(self.pose_components),), 'coefficients')
        return np.concatenate([np.reshape(wrist, (1, 3)), (self.pose_mean + coefficients @ self.pose_components).reshape(-1, 3)])

    def beyond_limits(self, pose: np.ndarray) -> np.ndarray:
        """Pose (16, 3) axis-angle -> (L,) radians beyond the joint limits, 0 inside, negative below the lower one."""
        angles = self.limit_axes @ _sized(pose, (JOINTS, 3), 'pose')[1:].ravel()
        return angles - np.clip(angles, self.limits[:, 0], self.limits[:, 1])

    def _rotations(self, pose: np.ndarray, side: Side) -> tuple[np.ndarray, bool]:
        """(16, 3, 3) float64 of the right hand, and whether the result must be mirrored."""
        if side not in ('right', 'left'):
            raise ValueError(f"a side is 'right' or 'left', not {side!r}")
        pose = np.asarray(pose, np.float64)
        if pose.shape not in ((JOINTS, 3), (JOINTS, 4)):
            raise ValueError(f'a pose is axis-angle (16, 3) or quaternions (16, 4), not {pose.shape}')
        if side == 'left':
            pose = mirror_pose(pose)
        return (axis_angle_to_matrix if pose.shape[1] == 3 else quaternion_to_matrix)(pose), side == 'left'

    @staticmethod
    def _features(rotations: np.ndarray) -> np.ndarray:
        return (rotations[1:] - _EYE).reshape(-1).astype(np.float32)

    def _transforms(self, rotations: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """(16, 3, 4) float64: rest position -> posed position, per joint, the posed wrist at the origin."""
        turns, places = rotations.copy(), np.zeros((JOINTS, 3))
        joints = joints.astype(np.float64)
        for level, above in self.steps:
            turns[level] = turns[above] @ rotations[level]
            places[level] = places[above] + (turns[above] @ (joints[level] - joints[above])[:, :, None])[:, :, 0]
        transforms = np.empty((JOINTS, 3, 4))
        transforms[:, :, :3] = turns
        transforms[:, :, 3] = places - (turns @ joints[:, :, None])[:, :, 0]
        return transforms

    def _points(self, transforms: np.ndarray, joints: np.ndarray, tips: np.ndarray) -> np.ndarray:
        posed = np.einsum('jab,jb->ja', transforms[:, :, :3], joints) + transforms[:, :, 3]
        return np.concatenate([posed.astype(np.float32), tips])[self.joint_map]


def _skin(vertices: np.ndarray, weights: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Vertices (V, 3), weights (16, V), transforms (16, 3, 4) -> skinned vertices (V, 3) float32.

    By coordinate, in rows of V numbers: twice as fast as a small matrix for each vertex.
    """
    blended = (transforms.reshape(JOINTS, 12).T.astype(np.float32) @ weights).reshape(3, 4, -1)
    blended[:, :3] *= vertices.T
    return np.ascontiguousarray(blended.sum(1).T)


def _as_slice(indices: np.ndarray) -> np.ndarray | slice:
    """Evenly spaced indices as a slice: reading through it copies nothing."""
    steps = np.diff(indices)
    if len(indices) > 1 and steps[0] > 0 and (steps == steps[0]).all():
        return slice(int(indices[0]), int(indices[-1]) + 1, int(steps[0]))
    if len(indices) and (indices == indices[0]).all():
        return slice(int(indices[0]), int(indices[0]) + 1)  # one parent for all: it broadcasts
    return indices


def _levels(parents: np.ndarray) -> tuple[np.ndarray, ...]:
    depth = np.zeros(len(parents), int)
    for joint in range(1, len(parents)):  # a parent comes before its children
        depth[joint] = depth[parents[joint]] + 1
    return tuple(np.flatnonzero(depth == level) for level in range(1, depth.max() + 1))


def _sized(values: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.shape != shape:
        raise ValueError(f'{name} must have shape {shape}, not {values.shape}')
    return values


def _read(path: Path) -> dict:
    wanted = [f.name for f in fields(HandModel) if f.name in SCHEMA or f.name in (*NAMES, 'name')]
    if not path.is_file():
        raise InputError(f'The hand model {path} does not exist; name another file, or take assets/open_hand.npz from the repository.')
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in wanted if key not in archive.files]
            arrays = {} if missing else {key: archive[key] for key in wanted}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise InputError(f'{path} cannot be read as a hand model ({error}); fetch it again or build it anew.') from error
    if missing:
        raise InputError(f'{path} is not a complete hand model: {", ".join(missing)} missing; fetch it again or build it anew.')
    for key, values in arrays.items():
        if key in SCHEMA:
            if values.dtype.kind not in 'fiu':
                raise InputError(f'{path} is not a hand model: {key} holds no numbers; fetch it again or build it anew.')
            arrays[key] = np.ascontiguousarray(values, np.int32 if key in INTEGERS else np.float32)
    arrays['name'] = str(arrays['name'])
    for key in NAMES:
        arrays[key] = tuple(str(name) for name in arrays[key].ravel())
    return arrays


def _check(arrays: dict, path: Path) -> None:
    def demand(fine: bool, what: str) -> None:
        if not fine:
            raise InputError(f'{path} is not a valid hand model: {what}; fetch it again or build it anew.')

    sizes: dict[str, int] = {}
    for key, shape in SCHEMA.items():
        actual = arrays[key].shape
        demand(len(actual) == len(shape), f'{key} has shape {actual}')
        for size, expected in zip(actual, shape, strict=True):
            demand(size == (sizes.setdefault(expected, size) if isinstance(expected, str) else expected), f'{key} has shape {actual}')
        demand(bool(np.isfinite(arrays[key]).all()), f'{key} has numbers that are not finite')
    demand(len(arrays['coefficient_names']) == sizes['K'], f'{len(arrays["coefficient_names"])} names for {sizes["K"]} coefficients')
    demand(len(arrays['joint_names']) == JOINTS, f'{len(arrays["joint_names"])} names for {JOINTS} joints')
    for key, top in (('faces', 'N'), ('tip_vertices', 'N'), ('uv_faces', 'T'), ('joint_map', JOINTS + 5)):
        top = sizes.get(top, top)
        demand(arrays[key].min() >= 0 and arrays[key].max() < top, f'{key} points outside 0..{top - 1}')
    parents = arrays['parents']
    demand(parents[0] < 0 and bool((parents[1:] >= 0).all()) and bool((parents[1:] < np.arange(1, JOINTS)).all()), 'parents are no tree')
    for key, total in (('skin_weights', arrays['skin_weights'].sum(1)), ('joint_regressor', arrays['joint_regressor'].sum(1))):
        demand(bool(np.abs(total - 1).max() < 1e-3), f'rows of {key} do not sum to 1')
    demand(bool((arrays['limits'][:, 0] <= arrays['limits'][:, 1]).all()), 'a lower joint limit lies above its upper one')
