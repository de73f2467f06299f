"""`hands.glb`: the whole clip as one scene, a skinned, animated mesh for each track. Opens in Blender, Unity and web viewers.

Axes as in the OBJ files: x right, y up, z towards the viewer; metres; one second of animation is one second of the clip, from its first
frame. Each hand has 16 joints with rotation keys at every frame in which it was seen, a wrist with place keys, and is shrunk to nothing
(scale 0) while it was not. The mesh is the track's last shape at rest, with its last colours, so blend skinning in the viewer
gives what the model gives but for the pose-dependent correctives, which glTF cannot hold. A track that has a texture gets it instead of
colours of its vertices; those on the seams of the atlas are then there once for each side.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from app.hand_model import HandModel
from app.mirror import mirror_faces, mirror_points_3d
from app.outputs.atomic import whole_file
from app.outputs.glb import INDICES, VERTICES, Glb
from app.outputs.obj import TO_VIEWER
from app.outputs.texture_files import TextureFiles, TexturesBeside
from app.types import Frame, Hand

LEAST_WEIGHT = 1e-5  # a joint that moves a vertex by less than this is left out


@dataclass
class _Track:
    """What is remembered of a track: some 270 bytes a frame."""

    side: str
    shape: np.ndarray
    colours: np.ndarray
    frames: list[int] = field(default_factory=list)  # positions in the list of all times
    poses: list[np.ndarray] = field(default_factory=list)  # (16, 4) float32 w, x, y, z
    places: list[np.ndarray] = field(default_factory=list)  # (3,) float32, camera frame


class SceneWriter:
    """Writes `hands.glb`. A context manager: leaving it well writes the file, leaving it by an error leaves nothing, and neither
    does a run without a hand. A track whose side changes becomes two meshes. Raises InputError where the disk refuses."""

    def __init__(self, path: Path, model: HandModel, textures: TextureFiles | TexturesBeside | None = None):
        self.path = path
        self.model = model
        self._textures = textures
        self._times: list[float] = []
        self._tracks: dict[tuple[int, str], _Track] = {}
        self._open = True

    def write(self, frame: Frame, hands: Iterable[Hand]) -> None:
        """Add a frame, in order of time, also one without hands: that is when hands vanish. Raises ValueError for a time out of order."""
        if self._times and frame.time <= self._times[-1]:
            raise ValueError(f'frame {frame.index} at {frame.time} s is not later than the one before, at {self._times[-1]} s')
        self._times.append(frame.time)
        for hand in hands:
            track = self._tracks.setdefault((hand.track, hand.side), _Track(hand.side, hand.shape, hand.colours))
            track.shape, track.colours = hand.shape, hand.colours
            track.frames.append(len(self._times) - 1)
            track.poses.append(np.asarray(hand.pose, np.float32))
            track.places.append(np.asarray(hand.translation, np.float32))

    def finish(self) -> None:
        """Write the file if there was a hand. Closing again does nothing."""
        if not self._open:
            return
        self._open = False
        if self._tracks:
            with whole_file(self.path) as file:
                file.write(self._scene())

    def discard(self) -> None:
        """Write nothing."""
        self._open = False

    def __enter__(self) -> SceneWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.finish() if kind is None else self.discard()

    def _scene(self) -> bytes:
        glb = Glb('s2hand')
        glb.document |= {
            'scene': 0, 'scenes': [{'name': 'hands', 'nodes': []}], 'nodes': [], 'meshes': [], 'skins': [], 'materials': [],
            'animations': [{'name': 'hands', 'channels': [], 'samplers': []}],
        }
        times = (np.array(self._times) - self._times[0]).astype(np.float32)
        for (number, side), track in sorted(self._tracks.items()):
            texture = self._textures.png(number, side) if self._textures else None
            self._add_track(glb, f'hand_{number}_{side}', track, times, texture)
        return glb.to_bytes()

    def _add_track(self, glb: Glb, name: str, track: _Track, times: np.ndarray, texture: bytes | None) -> None:
        document, model = glb.document, self.model
        vertices, joints = model.shaped(track.shape)
        faces = model.faces
        if track.side == 'left':
            vertices, joints, faces = mirror_points_3d(vertices), mirror_points_3d(joints), mirror_faces(faces)
        rotations = _to_gltf(_continuous(np.array(track.poses)))  # (T, 16, 4)
        places = np.array(track.places) * TO_VIEWER.astype(np.float32)
        skeleton = len(document['nodes'])  # a node of its own above the wrist: Blender makes one armature of what has no such node
        first = skeleton + 1
        document['nodes'].append({'name': f'{name}_skeleton', 'children': [first]})
        for joint, parent in enumerate(model.parents):
            place = places[0] if parent < 0 else joints[joint] - joints[parent]
            children = [first + int(child) for child in np.flatnonzero(model.parents == joint)]
            document['nodes'].append({
                'name': f'{name}_{model.joint_names[joint]}', 'translation': place.astype(float).tolist(),
                'rotation': rotations[0, joint].astype(float).tolist(), **({'children': children} if children else {})})
        bind = np.tile(np.eye(4, dtype=np.float32), (len(joints), 1, 1))
        bind[:, :3, 3] = -joints
        document['skins'].append({'name': name, 'joints': list(range(first, first + len(joints))), 'inverseBindMatrices': glb.add(bind)})
        attributes = self._attributes(glb, vertices, faces, track.colours, textured=texture is not None)
        if texture is not None:
            faces = model.uv_faces if track.side == 'right' else mirror_faces(model.uv_faces)
        document['meshes'].append({'name': name, 'primitives': [{
            'attributes': attributes, 'material': _add_material(glb, name, texture),
            'indices': glb.add(faces.astype(np.uint32).ravel(), INDICES)}]})
        document['nodes'].append({'name': name, 'mesh': len(document['meshes']) - 1, 'skin': len(document['skins']) - 1})
        document['scenes'][0]['nodes'] += [skeleton, len(document['nodes']) - 1]
        keys = glb.add(times[track.frames], limits=True)
        _animate(glb, first, 'translation', keys, places)
        for joint in range(len(joints)):
            _animate(glb, first + joint, 'rotation', keys, rotations[:, joint])
        shown = np.isin(np.arange(len(times)), track.frames)
        changes = np.flatnonzero(np.diff(shown, prepend=~shown[:1]))
        if len(changes) > 1 or not shown[0]:
            scales = np.repeat(shown[changes, None], 3, axis=1).astype(np.float32)
            _animate(glb, first, 'scale', glb.add(times[changes], limits=True), scales, 'STEP')

    def _attributes(self, glb: Glb, vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray, textured: bool) -> dict[str, int]:
        """Those of the mesh's vertices (N), or of the places on the atlas (T), if it is textured."""
        model = self.model
        rows = np.arange(len(vertices))
        if textured:
            rows = np.zeros(len(model.uv), int)
            rows[model.uv_faces.ravel()] = model.faces.ravel()
        attributes = {'POSITION': glb.add(vertices[rows].astype(np.float32), VERTICES, limits=True),
                      'NORMAL': glb.add(_normals(vertices, faces)[rows], VERTICES)}
        if textured:
            attributes['TEXCOORD_0'] = glb.add((model.uv * (1, -1) + (0, 1)).astype(np.float32), VERTICES)
        else:
            attributes['COLOR_0'] = glb.add(_linear(colours), VERTICES, normalized=True)
        joints, weights = _influences(model.skin_weights)
        for number in range(joints.shape[1] // 4):
            attributes[f'JOINTS_{number}'] = glb.add(joints[rows, 4 * number:4 * number + 4], VERTICES)
            attributes[f'WEIGHTS_{number}'] = glb.add(weights[rows, 4 * number:4 * number + 4], VERTICES)
        return attributes


def _add_material(glb: Glb, name: str, texture: bytes | None) -> int:
    """A hand's own material, with a picture (PNG) of its skin where there is one; its number."""
    document, surface = glb.document, {'metallicFactor': 0, 'roughnessFactor': 0.7}
    if texture is not None:
        for key in ('images', 'textures'):
            document.setdefault(key, [])
        document['images'].append({'name': name, 'bufferView': glb.attach(texture), 'mimeType': 'image/png'})
        document['textures'].append({'source': len(document['images']) - 1})
        surface['baseColorTexture'] = {'index': len(document['textures']) - 1}
    document['materials'].append({'name': name, 'doubleSided': True, 'pbrMetallicRoughness': surface})
    return len(document['materials']) - 1


def _animate(glb: Glb, node: int, path: str, keys: int, values: np.ndarray, interpolation: str = 'LINEAR') -> None:
    animation = glb.document['animations'][0]
    animation['channels'].append({'sampler': len(animation['samplers']), 'target': {'node': node, 'path': path}})
    animation['samplers'].append({'input': keys, 'output': glb.add(values.astype(np.float32)), 'interpolation': interpolation})


def _continuous(poses: np.ndarray) -> np.ndarray:
    """Quaternions (T, 16, 4) of either sign -> unit ones of which none lies opposite to the one before: players go the short way."""
    poses = poses / np.linalg.norm(poses, axis=-1, keepdims=True)
    flips = np.where((poses[1:] * poses[:-1]).sum(-1) < 0, -1.0, 1.0).cumprod(axis=0)
    poses[1:] *= flips[..., None]
    return poses


def _to_gltf(poses: np.ndarray) -> np.ndarray:
    """(T, 16, 4) w, x, y, z with the wrist in camera axes -> x, y, z, w with the wrist in the viewer's: a half turn about x before it."""
    poses = poses.copy()
    w, x, y, z = np.moveaxis(poses[:, 0], -1, 0).copy()
    poses[:, 0] = np.stack([-x, w, -z, y], -1)  # the quaternion (0, 1, 0, 0) times it
    return np.roll(poses, -1, axis=-1)


def _influences(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Skinning weights (N, 16) -> joints (N, 4k) uint8 and weights (N, 4k) float32, largest first, summing to 1; k as small as will do."""
    weights = np.where(weights < LEAST_WEIGHT, 0, weights.astype(np.float64))
    width = 4 * -(-int((weights > 0).sum(1).max()) // 4)
    joints = np.argsort(-weights, axis=1, kind='stable')[:, :width]
    values = np.take_along_axis(weights, joints, 1)
    values = (values / values.sum(1, keepdims=True)).astype(np.float32)
    values[:, 0] = 1 - values[:, 1:].sum(1, dtype=np.float64)  # so that the rounded ones sum to 1
    return np.where(values > 0, joints, 0).astype(np.uint8), values


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit vertex normals (N, 3) float32, the faces around a vertex weighted by area."""
    a, b, c = (vertices[faces[:, i]].astype(np.float64) for i in range(3))
    normals = np.zeros((len(vertices), 3))
    for corner in range(3):
        np.add.at(normals, faces[:, corner], np.cross(b - a, c - a))
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 0, normals / np.maximum(length, 1e-30), (0, 0, 1)).astype(np.float32)


def _linear(colours: np.ndarray) -> np.ndarray:
    """sRGB (N, 3) uint8 -> linear RGBA (N, 4) uint16, as glTF wants vertex colours."""
    c = colours.astype(np.float64) / 255
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return np.concatenate([np.round(c * 65535), np.full((len(c), 1), 65535)], 1).astype(np.uint16)
