"""hands.glb: valid by the format's own validator, read by another reader, and its skinning gives the hand model's vertices."""
from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import trimesh

from app.errors import InputError
from app.hand_model import HandModel
from app.outputs.scene import SceneWriter
from app.outputs.texture_files import TextureFiles
from tests.app.made_hands import made_frame, made_hand

MODEL = HandModel.load()
PLAIN = replace(MODEL, pose_basis=0 * MODEL.pose_basis, _flat_pose_basis=0 * MODEL._flat_pose_basis)  # no pose-dependent correctives
TYPES = {5121: 'u1', 5123: 'u2', 5125: 'u4', 5126: 'f4'}
WIDTHS = {'SCALAR': (), 'VEC3': (3,), 'VEC4': (4,), 'MAT4': (4, 4)}


@cache
def clip() -> list:
    """12 frames 1/30 s apart: a right hand in 2..8 but 5, a left hand throughout; the shape of track 0 changes at the end."""
    frames = []
    for index in range(12):
        hands = [made_hand(MODEL, 100 + index, 1, 'left')]
        if 2 <= index <= 8 and index != 5:
            hands.append(made_hand(MODEL, index, 0))
        frames.append((made_frame(index + 30), hands))
    return frames


def written(path, frames=None):
    with SceneWriter(path, MODEL) as writer:
        for frame, hands in clip() if frames is None else frames:
            writer.write(frame, hands)
    return path


class Scene:
    """A glTF player of the least kind, by the specification: poses the joints at a time, skins the meshes."""

    def __init__(self, path: Path):
        data = path.read_bytes()
        magic, version, length = struct.unpack('<4sII', data[:12])
        assert (magic, version, length) == (b'glTF', 2, len(data))
        size = struct.unpack('<I', data[12:16])[0]
        self.document = json.loads(data[20:20 + size])
        self.binary = data[28 + size:]

    def array(self, number: int) -> np.ndarray:
        accessor = self.document['accessors'][number]
        view = self.document['bufferViews'][accessor['bufferView']]
        shape = (accessor['count'], *WIDTHS[accessor['type']])
        values = np.frombuffer(self.binary, '<' + TYPES[accessor['componentType']], int(np.prod(shape)), view['byteOffset']).reshape(shape)
        return values.swapaxes(1, 2) if accessor['type'] == 'MAT4' else values

    def node(self, name: str) -> int:
        return next(i for i, node in enumerate(self.document['nodes']) if node['name'] == name)

    def channel(self, node: int, path: str) -> tuple[np.ndarray, np.ndarray, str] | None:
        animation = self.document['animations'][0]
        for channel in animation['channels']:
            if channel['target'] == {'node': node, 'path': path}:
                sampler = animation['samplers'][channel['sampler']]
                return self.array(sampler['input']), self.array(sampler['output']), sampler['interpolation']
        return None

    def value(self, node: int, path: str, time: float) -> np.ndarray:
        channel = self.channel(node, path)
        if channel is None:
            default = {'translation': (0, 0, 0), 'rotation': (0, 0, 0, 1), 'scale': (1, 1, 1)}[path]
            return np.array(self.document['nodes'][node].get(path, default), float)
        times, values, interpolation = channel
        key = int(np.searchsorted(times, time + 1e-4, 'right')) - 1
        assert interpolation == 'STEP' or abs(times[max(key, 0)] - time) < 1e-4, 'asked between two keys'
        return values[max(key, 0)].astype(float)

    def vertices(self, name: str, time: float) -> np.ndarray:
        node = self.document['nodes'][self.node(name)]
        skin, mesh = self.document['skins'][node['skin']], self.document['meshes'][node['mesh']]['primitives'][0]['attributes']
        parents = {child: i for i, n in enumerate(self.document['nodes']) for child in n.get('children', ())}

        def world(joint: int) -> np.ndarray:
            local = np.eye(4)
            x, y, z, w = self.value(joint, 'rotation', time)
            local[:3, :3] = [[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                             [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                             [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]
            local[:3, :3] *= self.value(joint, 'scale', time)
            local[:3, 3] = self.value(joint, 'translation', time)
            return world(parents[joint]) @ local if joint in parents else local

        matrices = np.stack([world(j) for j in skin['joints']]) @ self.array(skin['inverseBindMatrices'])
        rest = np.c_[self.array(mesh['POSITION']), np.ones(len(self.array(mesh['POSITION'])))]
        moved = np.zeros_like(rest)
        for number in range(4):
            if f'JOINTS_{number}' in mesh:
                joints, weights = self.array(mesh[f'JOINTS_{number}']), self.array(mesh[f'WEIGHTS_{number}'])
                for i in range(4):
                    moved += weights[:, i:i + 1] * np.einsum('vab,vb->va', matrices[joints[:, i]], rest)
        return moved[:, :3]


def test_a_player_gets_the_hand_models_vertices_at_every_key(tmp_path):
    scene = Scene(written(tmp_path / 'hands.glb'))
    worst = correctives = 0.0
    for frame, hands in clip():
        for hand in hands:
            shape = clip()[-1][1][0].shape if hand.side == 'left' else made_hand(MODEL, 8, 0).shape
            got = scene.vertices(f'hand_{hand.track}_{hand.side}', frame.time - 1)
            plain = (PLAIN.posed(hand.pose, shape, hand.side)[0] + hand.translation) * [1, -1, -1]
            worst = max(worst, np.abs(got - plain).max())
            correctives = max(correctives, np.linalg.norm(got - hand.vertices * [1, -1, -1], axis=1).mean())
    assert worst < 1e-5, f'{worst * 1e3:.1e} mm from blend skinning; 1e-2 is the promise'
    assert correctives < 2e-3, f'{correctives * 1e3:.2f} mm from the model with its correctives, which glTF cannot hold'


def test_the_formats_own_validator_finds_nothing_to_say(tmp_path, gltf_validator):
    found = gltf_validator(written(tmp_path / 'hands.glb'))
    counts = {key: found['issues'][key] for key in ('numErrors', 'numWarnings', 'numInfos', 'numHints')}
    assert not any(counts.values()), found['issues']['messages'][:5]
    assert found['info']['hasSkins'] and found['info']['animationCount'] == 1
    assert found['info']['totalTriangleCount'] == 2 * len(MODEL.faces)


@pytest.fixture
def textured(tmp_path):
    """A scene of which one track has a texture, and that texture: red grows to the right, green downwards."""
    y, x = np.mgrid[:256, :256].astype(np.uint8)
    picture = np.stack([x, y, np.full_like(x, 90)], -1)
    with TextureFiles(tmp_path) as textures:
        textures.add(1, 'left', picture)
        with SceneWriter(tmp_path / 'hands.glb', MODEL, textures) as writer:
            for frame, hands in clip():
                writer.write(frame, hands)
    return tmp_path / 'hands.glb', picture


def test_a_scene_with_a_texture_is_valid(textured, gltf_validator):
    found = gltf_validator(textured[0])
    assert not any(found['issues'][key] for key in ('numErrors', 'numWarnings')), found['issues']['messages'][:5]
    assert found['info']['hasTextures'] and found['info']['totalTriangleCount'] == 2 * len(MODEL.faces)


def test_another_reader_finds_the_texture_where_the_atlas_says(textured):
    path, picture = textured
    scene = trimesh.load(path, process=False)
    mesh = scene.geometry['hand_1_left']
    assert np.array_equal(np.asarray(mesh.visual.material.baseColorTexture.convert('RGB')), picture)
    assert np.allclose(mesh.visual.uv, MODEL.uv, atol=1e-6), 'trimesh turns them to an origin at the bottom left, as the atlas has'
    assert len(mesh.vertices) == len(MODEL.uv) and 1e-4 < mesh.convex_hull.volume and len(mesh.faces) == len(MODEL.faces)
    assert scene.geometry['hand_0_right'].visual.vertex_attributes['color'].shape[1] == 4, 'a track without a texture keeps its colours'


def test_every_hand_has_a_material_of_its_own_and_none_is_left_over(textured):
    document = Scene(textured[0]).document
    used = {document['materials'][mesh['primitives'][0]['material']]['name']: mesh['name'] for mesh in document['meshes']}
    assert used == {'hand_0_right': 'hand_0_right', 'hand_1_left': 'hand_1_left'} and len(document['materials']) == 2


def test_one_frame_alone_is_valid_too(tmp_path, gltf_validator):
    found = gltf_validator(written(tmp_path / 'hands.glb', [(made_frame(0), [made_hand(MODEL)])]))
    assert not found['issues']['messages'], found['issues']['messages'][:5]


def test_another_reader_finds_a_mesh_for_each_track_with_colours_and_outward_normals(tmp_path):
    scene = trimesh.load(written(tmp_path / 'hands.glb'), process=False)
    assert sorted(scene.geometry) == ['hand_0_right', 'hand_1_left']
    for mesh in scene.geometry.values():
        assert len(mesh.vertices) == len(MODEL.template) and len(mesh.faces) == len(MODEL.faces)
        assert 1e-4 < mesh.volume < 1e-3, f'{1e6 * mesh.volume:.0f} ml'
        colours = mesh.visual.vertex_attributes['color']
        assert len(colours) == len(mesh.vertices) and len(np.unique(colours, axis=0)) > 10


def test_normals_stand_on_the_surface_and_point_out(tmp_path):
    scene = Scene(written(tmp_path / 'hands.glb'))
    for mesh in scene.document['meshes']:
        attributes, faces = mesh['primitives'][0]['attributes'], scene.array(mesh['primitives'][0]['indices']).reshape(-1, 3)
        true = trimesh.Trimesh(scene.array(attributes['POSITION']), faces, process=False).vertex_normals
        cosine = (true * scene.array(attributes['NORMAL'])).sum(1)
        assert np.median(cosine) > 0.99 and cosine.min() > 0.5, f'{np.median(cosine):.3f}, {cosine.min():.2f} at worst'


def test_colours_are_linear_as_the_format_wants(tmp_path):
    scene = Scene(written(tmp_path / 'hands.glb'))
    colours = scene.array(scene.document['meshes'][0]['primitives'][0]['attributes']['COLOR_0'])[:, :3] / 65535
    again = np.where(colours <= 0.0031308, colours * 12.92, 1.055 * colours ** (1 / 2.4) - 0.055) * 255
    assert np.abs(again - made_hand(MODEL).colours).max() < 0.5


def test_a_hand_is_seen_exactly_in_its_frames(tmp_path):
    scene = Scene(written(tmp_path / 'hands.glb'))
    wrist = scene.node(f'hand_0_right_{MODEL.joint_names[0]}')
    shown = [bool(scene.value(wrist, 'scale', index / 30).all()) for index in range(12)]
    assert shown == [2 <= index <= 8 and index != 5 for index in range(12)]
    assert scene.channel(wrist, 'scale')[2] == 'STEP', 'it must not shrink slowly'
    assert scene.channel(scene.node(f'hand_1_left_{MODEL.joint_names[0]}'), 'scale') is None, 'always there'


def test_hidden_hands_take_no_space(tmp_path):
    scene = Scene(written(tmp_path / 'hands.glb'))
    wrist = scene.node(f'hand_0_right_{MODEL.joint_names[0]}')
    times, _, _ = scene.channel(wrist, 'scale')
    assert times[0] == 0 and np.all(np.diff(times) > 0)


def test_neighbouring_rotations_never_go_the_long_way_round(tmp_path):
    scene = Scene(written(tmp_path / 'hands.glb'))
    for channel in scene.document['animations'][0]['channels']:
        if channel['target']['path'] == 'rotation':
            values = scene.channel(channel['target']['node'], 'rotation')[1]
            assert ((values[1:] * values[:-1]).sum(1) >= 0).all() and np.allclose(np.linalg.norm(values, axis=1), 1, atol=1e-6)


def test_a_track_that_changes_its_side_becomes_two_meshes(tmp_path):
    scene = Scene(written(tmp_path / 'hands.glb', [(made_frame(0), [made_hand(MODEL)]), (made_frame(1), [made_hand(MODEL, 1, 0, 'left')])]))
    assert [mesh['name'] for mesh in scene.document['meshes']] == ['hand_0_left', 'hand_0_right']


def test_frames_must_come_in_order(tmp_path):
    with pytest.raises(ValueError, match='later'):
        written(tmp_path / 'hands.glb', [(made_frame(1), []), (made_frame(0), [])])


@pytest.mark.parametrize('frames', [[], [(made_frame(0), [])]])
def test_without_a_hand_there_is_no_file(tmp_path, frames):
    written(tmp_path / 'hands.glb', frames)
    assert list(tmp_path.iterdir()) == []


def test_an_error_or_a_full_disk_leaves_nothing(tmp_path, limited_files):
    with pytest.raises(KeyboardInterrupt), SceneWriter(tmp_path / 'hands.glb', MODEL) as writer:
        writer.write(*clip()[0])
        raise KeyboardInterrupt
    with limited_files(1000), pytest.raises(InputError, match='disk is full'):
        written(tmp_path / 'hands.glb')
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope='session')
def gltf_validator():
    """The Khronos validator, an npm package kept in the cache; skips where node or the package cannot be had."""
    node, npm = shutil.which('node'), shutil.which('npm')
    if not node or not npm:
        pytest.skip('the glTF validator needs node and npm')
    folder = Path(os.environ.get('S2HAND_CACHE') or Path.home() / '.cache' / 's2hand') / 'gltf-validator'
    if not (folder / 'node_modules' / 'gltf-validator').is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run([npm, 'install', '--prefix', str(folder), '--no-audit', '--no-fund', 'gltf-validator@2.0.0-dev.3.10'],
                           check=True, capture_output=True, timeout=60, cwd=folder)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f'the glTF validator cannot be installed ({error})')
    script = ('const v = require("gltf-validator"), fs = require("fs");'
              'v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1]))).then(r => console.log(JSON.stringify(r)));')

    def validate(path: Path) -> dict:
        done = subprocess.run([node, '-e', script, str(path)], capture_output=True, text=True, timeout=60, cwd=folder, check=True)
        return json.loads(done.stdout)

    return validate
