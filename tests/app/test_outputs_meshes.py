"""meshes/: OBJ files that other programs read, upright, the right way round, always of one topology."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from app.errors import InputError
from app.hand_model import HandModel
from app.outputs.meshes import MeshWriter
from tests.app.made_hands import made_frame, made_hand

MODEL = HandModel.load()


def written(folder, frames, **options):
    with MeshWriter(folder, MODEL.faces, **options) as writer:
        for index, hands in enumerate(frames):
            writer.write(made_frame(index), hands)
    return folder


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize('side', ['right', 'left'])
def test_another_reader_finds_the_hand_upright_and_facing_the_viewer(tmp_path, side):
    hand = made_hand(MODEL, 1, side=side)
    mesh = trimesh.load(written(tmp_path / 'meshes', [[hand]]) / f'000000_{side}.obj', process=False)
    error = 1e3 * np.abs(mesh.vertices - hand.vertices * [1, -1, -1]).max()
    assert error < 1e-3, f'{error:.1e} mm from (x, -y, -z); the file has six digits of a metre'
    assert len(mesh.faces) == len(MODEL.faces) and mesh.vertices[:, 2].max() < 0, 'in front of a camera that looks along -z'


@pytest.mark.parametrize('options', [{}, {'atlas': MODEL}])
def test_every_mesh_has_a_name_of_its_own_for_viewers_that_load_many(tmp_path, options):
    folder = written(tmp_path / 'meshes', [[made_hand(MODEL), made_hand(MODEL, 1, side='left')], [made_hand(MODEL)]], **options)
    called = {path.stem: [line[2:] for line in path.read_text().splitlines() if line.startswith('o ')] for path in folder.glob('*.obj')}
    assert called == {stem: [stem] for stem in ('000000_left', '000000_right', '000001_right')}


@pytest.mark.parametrize('side', ['right', 'left'])
def test_normals_point_out_of_both_hands(tmp_path, side):
    hand = made_hand(MODEL, 1, side=side)
    mesh = trimesh.load(written(tmp_path / 'meshes', [[hand]]) / f'000000_{side}.obj', process=False)
    volume = 1e6 * mesh.volume
    assert 100 < volume < 1000, f'{volume:.0f} ml; a hand has 250 to 500, one turned inside out a negative volume'


def test_colours_stand_behind_the_vertices(tmp_path):
    hand = made_hand(MODEL)
    mesh = trimesh.load(written(tmp_path / 'meshes', [[hand]]) / '000000_right.obj', process=False)
    assert np.array_equal(mesh.visual.vertex_colors[:, :3], hand.colours)


def test_every_file_has_the_same_faces_in_the_same_order(tmp_path):
    folder = written(tmp_path / 'meshes', [[made_hand(MODEL, i)] for i in range(3)])
    faces = {b''.join(line for line in path.read_bytes().splitlines(True) if line.startswith(b'f ')) for path in folder.iterdir()}
    assert len(faces) == 1
    first = trimesh.load(folder / '000000_right.obj', process=False)
    assert np.array_equal(first.faces, MODEL.faces)


def test_names_tell_frame_and_side_and_the_track_only_where_it_is_needed(tmp_path):
    frames = [[], [made_hand(MODEL), made_hand(MODEL, 1, 1, 'left')], [made_hand(MODEL), made_hand(MODEL, 1, 4)]]
    folder = written(tmp_path / 'meshes', frames)
    assert names(folder) == ['000001_left.obj', '000001_right.obj', '000002_right_0.obj', '000002_right_4.obj']


@pytest.mark.parametrize('side', ['right', 'left'])
def test_with_textures_another_reader_finds_each_tracks_colours_on_its_mesh(tmp_path, side):
    smooth = (255 * (MODEL.template - MODEL.template.min(0)) / np.ptp(MODEL.template, axis=0)).astype(np.uint8)
    hands = [replace(made_hand(MODEL, 1, track, side), colours=smooth if track else 255 - smooth) for track in (0, 3)]
    folder = written(tmp_path / 'meshes', [hands], atlas=MODEL)
    assert names(folder) == [f'000000_{side}_0.obj', f'000000_{side}_3.obj', f'hand_0_{side}.png', f'hand_3_{side}.png', 'hands.mtl']
    for hand in hands:
        mesh = trimesh.load(folder / f'000000_{side}_{hand.track}.obj')
        assert mesh.visual.material.image.size == (1024, 1024) and len(mesh.faces) == len(MODEL.faces) and mesh.volume > 1e-4
        picture = np.asarray(mesh.visual.material.image.convert('RGB'))
        x, y = (mesh.visual.uv * (1024, -1024) + (-0.5, 1023.5)).round().astype(int).clip(0, 1023).T
        nearest = np.linalg.norm(mesh.vertices[:, None] - hand.vertices * (1, -1, -1), axis=-1).argmin(1)
        error = np.abs(picture[y, x].astype(int) - hand.colours[nearest]).max()
        assert error <= 5, f'{error} levels between the picture at a vertex and its colour; half a pixel of this ramp is 4'


def test_ply_has_the_same_mesh_and_colours_as_obj(tmp_path):
    for side in ('right', 'left'):
        hand = made_hand(MODEL, 1, side=side)
        mesh = trimesh.load(written(tmp_path / side, [[hand]], kind='ply') / f'000000_{side}.ply', process=False)
        other = trimesh.load(written(tmp_path / f'{side}_obj', [[hand]]) / f'000000_{side}.obj', process=False)
        error = np.abs(mesh.vertices - other.vertices).max()
        assert error < 1e-6 and np.array_equal(mesh.faces, other.faces), f'{error} m; OBJ has six digits'
        assert np.array_equal(mesh.visual.vertex_colors[:, :3], hand.colours)


def test_nothing_has_the_final_name_before_it_is_whole_and_an_older_folder_is_replaced(tmp_path):
    folder = written(tmp_path / 'meshes', [[made_hand(MODEL)]] * 3)
    writer = MeshWriter(folder, MODEL.faces)
    writer.write(made_frame(7), [made_hand(MODEL)])
    assert names(folder) == ['000000_right.obj', '000001_right.obj', '000002_right.obj']
    writer.finish()
    writer.finish()
    assert names(folder) == ['000007_right.obj'] and names(tmp_path) == ['meshes']


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_nothing_and_an_older_folder_as_it_was(tmp_path, error):
    folder = written(tmp_path / 'meshes', [[made_hand(MODEL)]])
    with pytest.raises(error), MeshWriter(folder, MODEL.faces) as writer:
        writer.write(made_frame(7), [made_hand(MODEL)])
        raise error
    assert names(folder) == ['000000_right.obj'] and names(tmp_path) == ['meshes']


def test_a_run_without_a_hand_makes_no_folder(tmp_path):
    written(tmp_path / 'meshes', [[], []])
    assert names(tmp_path) == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, limited_files):
    with limited_files(10_000), pytest.raises(InputError, match='disk is full'):
        written(tmp_path / 'meshes', [[made_hand(MODEL)]])
    assert names(tmp_path) == []


def test_a_really_full_disk_is_one_sentence_and_leaves_nothing(small_disk):
    with pytest.raises(InputError, match='disk is full'):
        written(small_disk / 'meshes', [[made_hand(MODEL)]] * 30)
    assert names(small_disk) == []


def test_a_folder_that_may_not_be_written_is_refused(tmp_path, unprivileged):
    with unprivileged(), pytest.raises(InputError, match='may not be written'):
        MeshWriter(tmp_path / 'meshes', MODEL.faces)


def test_a_ply_file_with_a_texture_or_an_unknown_kind_is_a_mistake_of_the_program(tmp_path):
    for options in ({'kind': 'ply', 'atlas': MODEL}, {'kind': 'stl'}):
        with pytest.raises(ValueError, match='OBJ'):
            MeshWriter(tmp_path / 'meshes', MODEL.faces, **options)


def test_a_hand_of_another_model_is_written_too(tmp_path):
    """A MANO hand has 778 vertices."""
    hand = replace(made_hand(MODEL), vertices=np.random.default_rng(0).normal(size=(4, 3)), colours=np.zeros((4, 3), np.uint8))
    with MeshWriter(tmp_path / 'meshes', np.array([[0, 1, 2], [0, 2, 3]])) as writer:
        writer.write(made_frame(0), [hand])
    assert len(trimesh.load(tmp_path / 'meshes' / '000000_right.obj', process=False).vertices) == 4
