"""`main.py meshes`: a recording's numbers become the meshes they came from, in three formats."""
from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from app.errors import InputError
from app.hand_model import HandModel
from app.meshes_command import write_meshes
from app.outputs.hands_file import HandsWriter
from app.outputs.only_run import only_run
from app.outputs.picture import write_picture
from app.outputs.scene import SceneWriter
from tests.app.made_hands import CAMERA, made_frame, made_hand

MODEL = HandModel.load()


def frames():
    """Twelve frames: a right hand, which is away in frames 4 to 6, and a left one in the last four."""
    for index in range(12):
        right = [] if 4 <= index <= 6 else [made_hand(MODEL, index)]
        yield made_frame(index), right + ([made_hand(MODEL, index, 1, 'left')] if index >= 8 else [])


@pytest.fixture(scope='module')
def hands_file(tmp_path_factory):
    path = tmp_path_factory.mktemp('recording') / 'hands.npz'
    with HandsWriter(path, MODEL.faces) as writer:
        for frame, hands in frames():
            writer.write(frame, hands, CAMERA)
    return path


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize('kind', ['obj', 'ply'])
def test_there_is_a_mesh_for_each_hand_and_frame_where_it_was(tmp_path, hands_file, kind):
    folder = write_meshes(hands_file, tmp_path, kind)
    assert folder == tmp_path / 'meshes' and names(tmp_path) == ['meshes']
    expected = {f'{frame.index:06d}_{hand.side}.{kind}': hand for frame, hands in frames() for hand in hands}
    assert names(folder) == sorted(expected)
    for name in (f'000003_right.{kind}', f'000011_left.{kind}'):
        mesh = trimesh.load(folder / name, process=False)
        error = 1e3 * np.abs(mesh.vertices - expected[name].vertices * (1, -1, -1)).max()
        assert error < 2e-3, f'{error:.4f} mm; six digits of a metre'
        assert mesh.volume > 1e-4 and np.array_equal(mesh.visual.vertex_colors[:, :3], expected[name].colours)


def test_with_textures_each_hand_has_one_picture(tmp_path, hands_file):
    folder = write_meshes(hands_file, tmp_path, 'obj', textured=True, stop=10)
    assert {'hand_0_right.png', 'hand_1_left.png', 'hands.mtl'} < set(names(folder))
    assert trimesh.load(folder / '000009_left.obj').visual.material.image.size == (1024, 1024)


def test_hands_keep_the_textures_that_their_run_left_beside_them(tmp_path, hands_file):
    (tmp_path / 'run').mkdir()
    shutil.copy(hands_file, tmp_path / 'run')
    picture = np.random.default_rng(0).integers(0, 255, (1024, 1024, 3)).astype(np.uint8)
    write_picture(tmp_path / 'run' / 'texture_1_left.png', picture)
    scene = trimesh.load(write_meshes(tmp_path / 'run' / 'hands.npz', tmp_path / 'out', 'glb'), process=False)
    mesh = trimesh.load(write_meshes(tmp_path / 'run' / 'hands.npz', tmp_path / 'out', textured=True) / '000009_left.obj', process=False)
    for found in (scene.geometry['hand_1_left'].visual.material.baseColorTexture, mesh.visual.material.image):
        assert np.array_equal(np.asarray(found.convert('RGB')), picture)
    assert 'color' in scene.geometry['hand_0_right'].visual.vertex_attributes, 'a hand without a texture keeps its colours'


def test_two_commands_do_not_write_into_one_folder(tmp_path, hands_file):
    with only_run(tmp_path), pytest.raises(InputError, match='Another run'):
        write_meshes(hands_file, tmp_path)
    assert names(tmp_path) == []


def test_the_scene_is_the_one_that_was_never_written_as_numbers(tmp_path, hands_file):
    with SceneWriter(tmp_path / 'direct.glb', MODEL) as writer:
        for frame, hands in frames():
            kept = [replace(hand, pose=hand.pose.astype(np.float32), shape=hand.shape.astype(np.float32)) for hand in hands]
            writer.write(frame, kept)
    scene, direct = (trimesh.load(path) for path in (write_meshes(hands_file, tmp_path / 'out', 'glb'), tmp_path / 'direct.glb'))
    assert set(scene.geometry) == set(direct.geometry)
    animations = [animation(path) for path in (tmp_path / 'out' / 'hands.glb', tmp_path / 'direct.glb')]
    assert [c['target']['path'] for c in animations[0]['channels']] == [c['target']['path'] for c in animations[1]['channels']]
    paths = {channel['target']['path'] for channel in animations[0]['channels']}
    assert 'scale' in paths, 'the right hand was away in between, and vanishes'


def animation(path) -> dict:
    data = path.read_bytes()
    return json.loads(data[20:20 + int.from_bytes(data[12:16], 'little')])['animations'][0]


def test_start_stop_and_step_choose_frames(tmp_path, hands_file):
    folder = write_meshes(hands_file, tmp_path, start=1, stop=10, step=2)
    assert names(folder) == ['000001_right.obj', '000003_right.obj', '000007_right.obj', '000009_left.obj', '000009_right.obj']


def test_frames_without_a_hand_are_one_sentence(tmp_path, hands_file):
    with pytest.raises(InputError, match='frames 0 to 11'):
        write_meshes(hands_file, tmp_path, start=4, stop=7)
    assert names(tmp_path) == []


def test_hands_of_another_model_become_meshes_but_no_scene(tmp_path):
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    hand = replace(made_hand(MODEL), vertices=np.random.default_rng(0).normal(size=(4, 3)), colours=np.zeros((4, 3), np.uint8))
    with HandsWriter(tmp_path / 'hands.npz', faces) as writer:
        writer.write(made_frame(0), [hand], CAMERA)
    assert names(write_meshes(tmp_path / 'hands.npz', tmp_path / 'out', 'ply')) == ['000000_right.ply']
    for options in ({'kind': 'glb'}, {'kind': 'obj', 'textured': True}):
        with pytest.raises(InputError, match='another hand model'):
            write_meshes(tmp_path / 'hands.npz', tmp_path / 'out', **options)


@pytest.mark.parametrize('kind', ['obj', 'glb'])
def test_a_full_disk_is_one_sentence_and_leaves_the_older_result(tmp_path, hands_file, limited_files, kind):
    target = write_meshes(hands_file, tmp_path, kind, stop=2)
    before = target.read_bytes() if target.is_file() else names(target)
    with limited_files(50_000), pytest.raises(InputError, match='disk is full'):
        write_meshes(hands_file, tmp_path, kind)
    assert names(tmp_path) == [target.name] and (target.read_bytes() if target.is_file() else names(target)) == before


def test_the_command_tells_its_progress_in_lines(run_main, tmp_path, hands_file):
    done = run_main('meshes', hands_file, '--out', tmp_path, '--format', 'ply', '--progress-lines')
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0] == {'done': 0, 'total': 9, 'fps': None} and lines[-2]['done'] == 9 and lines[-2]['fps'] > 0
    assert lines[-1]['folder'] == str(tmp_path) and lines[-1]['warnings'] == []


@pytest.mark.parametrize('arguments', [
    ['--format', 'glb', '--textured'], ['--start', '5', '--stop', '5'], ['--step', '0'], ['--start', '-1']])
def test_options_that_contradict_each_other_are_one_sentence(run_main, tmp_path, hands_file, arguments):
    done = run_main('meshes', hands_file, '--out', tmp_path, *arguments)
    assert done.returncode == 2 and 'Traceback' not in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
