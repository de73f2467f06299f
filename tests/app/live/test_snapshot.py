"""A snapshot is a folder that other programs read: pictures, textured meshes and numbers of one frame; whole or not there."""
from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import trimesh

from app.errors import InputError
from app.hand_model import HandModel
from app.live.shown import Captured, Inferred, SourceInfo
from app.live.snapshot import save_snapshot
from app.types import Frame
from tests.app.made_clips import numbered
from tests.app.made_hands import CAMERA, made_hand

MODEL = HandModel.load()
SMOOTH = (255 * (MODEL.template - MODEL.template.min(0)) / np.ptp(MODEL.template, axis=0)).astype(np.uint8)
IMAGE = numbered(7, 640, 480)


def inferred(*hands, name='camera 0') -> Inferred:
    source = SourceInfo('0', name, 'camera', 640, 480, 30.0, None, None, False)
    return Inferred(Captured(Frame(IMAGE, 7, 0.25, 0.0), source, 0), hands, (1.0,) * len(hands), CAMERA, ())


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_both_pictures_are_kept_to_the_pixel(tmp_path):
    saved = save_snapshot(tmp_path, inferred(), 255 - IMAGE, MODEL)
    assert saved.files == ('picture.png', 'clean.png', 'hands.json') and names(saved.folder) == sorted(saved.files)
    for name, image in (('picture.png', 255 - IMAGE), ('clean.png', IMAGE)):
        assert np.array_equal(cv2.imread(str(saved.folder / name))[:, :, ::-1], image), name


@pytest.mark.parametrize('side', ['right', 'left'])
def test_another_reader_finds_the_mesh_with_its_texture_and_the_vertices_colours_in_it(tmp_path, side):
    hand = replace(made_hand(MODEL, 1, side=side), colours=SMOOTH)
    saved = save_snapshot(tmp_path, inferred(hand), IMAGE, MODEL)
    mesh = trimesh.load(saved.folder / f'{side}.obj')
    assert len(mesh.faces) == len(MODEL.faces) and mesh.volume > 1e-4, 'turned inside out it would be negative'
    picture = np.asarray(mesh.visual.material.image.convert('RGB')).astype(np.float32)
    x, y = (mesh.visual.uv * (1024, -1024) + (-0.5, 1023.5)).astype(np.float32).T
    sampled = cv2.remap(picture, x[None], y[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
    nearest = np.linalg.norm(mesh.vertices[:, None] - hand.vertices * (1, -1, -1), axis=-1).argmin(1)
    error = np.abs(sampled - SMOOTH[nearest]).max()
    assert error <= 2, f'{error:.1f} levels at a vertex; rounding gives one, and a filter at a border without padding some fifty'


def test_the_numbers_are_all_there(tmp_path):
    right, left = made_hand(MODEL), made_hand(MODEL, 1, 1, 'left')
    saved = save_snapshot(tmp_path, inferred(right, left), IMAGE, MODEL)
    told = json.loads((saved.folder / 'hands.json').read_text())
    assert (told['frame'], told['source'], told['camera']['fx']) == (7, 'camera 0', pytest.approx(CAMERA.fx))
    for hand, entry in zip((right, left), told['hands']):
        vertices, joints = MODEL.posed(np.array(entry['pose']), np.array(entry['shape']), entry['side'])
        error = 1e3 * np.abs(vertices + entry['translation'] - hand.vertices).max()
        assert error < 1e-3, f'{error:.4f} mm: pose, shape and place give the mesh back'
        assert np.abs(joints + entry['translation'] - entry['joints_3d']).max() < 1e-6
        assert (saved.folder / entry['mesh']).is_file()


def test_two_hands_of_one_side_get_two_names(tmp_path):
    saved = save_snapshot(tmp_path, inferred(made_hand(MODEL), made_hand(MODEL, 1, 1)), IMAGE, MODEL)
    assert {'right.obj', 'right_2.obj', 'right_2.mtl', 'right_2.png'} <= set(saved.files)


def test_a_lost_hand_that_fades_out_is_left_out(tmp_path):
    saved = save_snapshot(tmp_path, replace(inferred(made_hand(MODEL), made_hand(MODEL, 1, 1, 'left')), lost=1), IMAGE, MODEL)
    assert 'right.obj' in saved.files and 'left.obj' not in saved.files


def test_a_hand_that_is_not_finite_is_left_out(tmp_path):
    broken = replace(made_hand(MODEL), vertices=np.full_like(MODEL.template, np.nan))
    saved = save_snapshot(tmp_path, inferred(broken, made_hand(MODEL, 1, 1, 'left')), IMAGE, MODEL)
    assert 'left.obj' in saved.files and 'right.obj' not in saved.files
    json.loads((saved.folder / 'hands.json').read_text())


def test_two_snapshots_in_one_second_and_odd_names_of_sources_do_not_meet(tmp_path):
    folders = [save_snapshot(tmp_path, inferred(name='a/b: <c>?'), IMAGE, MODEL).folder for _ in range(3)]
    assert len(set(folders)) == 3 and names(tmp_path) == sorted(f.name for f in folders)


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, limited_files):
    with limited_files(20_000), pytest.raises(InputError, match='disk is full') as caught:
        save_snapshot(tmp_path, inferred(made_hand(MODEL)), IMAGE, MODEL)
    assert '.part' not in str(caught.value) and names(tmp_path) == []


def test_a_folder_that_may_not_be_written_is_one_sentence(tmp_path, unprivileged):
    with unprivileged(), pytest.raises(InputError, match='choose another'):
        save_snapshot(tmp_path / 'new', inferred(), IMAGE, MODEL)
