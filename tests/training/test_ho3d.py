"""HO-3D's official layout, on a data set made here; and what its reader refuses to load."""
from __future__ import annotations

import json
import os
import pickle

import cv2
import numpy as np
import pytest

from app.errors import InputError
from training.ho3d import HO3D_FROM_OPENPOSE, OPENPOSE_FROM_HO3D, person, read_ho3d, read_meta, to_ho3d, to_openpose

CAMERA = np.array([[615.0, 0, 312], [0, 614, 241], [0, 0, 1]])
FRAMES = [('MC1', '0000'), ('MC1', '0001'), ('MC2', '0000'), ('ABF10', '0003')]
EVALUATION = [('SM1', '0000'), ('SM1', '0005')]
NAMES = ['wrist', 'index1', 'index2', 'index3', 'middle1', 'middle2', 'middle3', 'little1', 'little2', 'little3', 'ring1', 'ring2', 'ring3',
         'thumb1', 'thumb2', 'thumb3', 'thumb4', 'index4', 'middle4', 'ring4', 'little4']  # HO-3D's order


def opengl_joints(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal((0, 0, -0.6), 0.04, (21, 3))


@pytest.fixture(params=['.png', '.jpg'], ids=['version2', 'version3'])
def root(request, tmp_path):
    for split, frames in (('train', FRAMES), ('evaluation', EVALUATION)):
        (tmp_path / f'{split}.txt').write_text('\n'.join('/'.join(f) for f in frames) + '\n')
        for number, (sequence, frame) in enumerate(frames):
            for folder in ('rgb', 'meta'):
                (tmp_path / split / sequence / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / split / sequence / 'rgb' / f'{frame}{request.param}'), np.full((480, 640, 3), 10 * number, np.uint8))
            meta = {'camMat': CAMERA, 'objName': '021_bleach_cleanser', 'objLabel': 3}
            joints = opengl_joints(number)
            if split == 'train':
                meta |= {'handJoints3D': joints, 'handPose': np.zeros(48, np.float32), 'handBeta': np.zeros(10), 'handTrans': np.zeros(3)}
            else:
                meta |= {'handJoints3D': joints[0], 'handBoundingBox': [200, 100, 320, 260]}
            with open(tmp_path / split / sequence / 'meta' / f'{frame}.pkl', 'wb') as file:
                pickle.dump(meta, file, protocol=2)
    return tmp_path


def test_joints_are_brought_into_our_order_and_axes(root):
    pictures = read_ho3d(root)
    assert [p.name for p in pictures] == ['MC1/0000', 'MC1/0001', 'MC2/0000', 'ABF10/0003']
    first, given = pictures[0], opengl_joints(0)
    order = ['wrist', *(f'{finger}{i}' for finger in ('thumb', 'index', 'middle', 'ring', 'little') for i in (1, 2, 3, 4))]
    for ours, name in enumerate(order):
        x, y, z = given[NAMES.index(name)]
        assert np.allclose(first.xyz[ours], (x, -y, -z)), f'{name} is at {first.xyz[ours]}'
        by_hand = 615 * x / -z + 312, 614 * -y / -z + 241
        assert np.allclose(first.points[ours], by_hand), f'{name} projects to {first.points[ours]}, by hand {by_hand}'
    assert (first.xyz[:, 2] > 0).all(), 'in front of the camera'
    assert first.read().shape == (480, 640, 3) and first.clip == 'MC1' and pictures[1].frame == 1


def test_going_to_the_official_order_and_back_changes_nothing():
    joints = opengl_joints(5)
    assert np.array_equal(to_ho3d(to_openpose(joints)), joints)
    assert sorted(OPENPOSE_FROM_HO3D) == list(range(21)) and np.array_equal(OPENPOSE_FROM_HO3D[HO3D_FROM_OPENPOSE], np.arange(21))


def test_sequences_of_one_person_and_object_share_a_session(root):
    sessions = [p.session for p in read_ho3d(root)]
    assert sessions == ['ho3d/MC', 'ho3d/MC', 'ho3d/MC', 'ho3d/ABF']
    assert [person(name) for name in ('SMu41', 'ShSu12', 'GPMF14')] == ['SMu', 'ShSu', 'GPMF']


def test_evaluation_pictures_have_a_box_but_no_points(root):
    pictures = read_ho3d(root, 'evaluation')
    assert all(p.xyz is None and np.isinf(p.uncertainty).all() for p in pictures)
    low, high = pictures[0].points.min(0), pictures[0].points.max(0)
    assert np.allclose([*low, *high], (200, 100, 320, 260)), f'the points fill {low} to {high}, not the given box'


def test_published_evaluation_joints_are_used(root):
    joints = np.stack([opengl_joints(i) for i in range(2)])
    (root / 'evaluation_xyz.json').write_text(json.dumps(joints.tolist()))
    (root / 'evaluation_verts.json').write_text(json.dumps(np.zeros((2, 778, 3)).tolist()))
    pictures = read_ho3d(root, 'evaluation')
    assert np.allclose(pictures[1].xyz, to_openpose(joints[1])) and pictures[1].vertices.shape == (778, 3)


def test_frames_without_joints_are_left_out_and_counted(root, capsys):
    path = root / 'train' / 'MC2' / 'meta' / '0000.pkl'
    path.write_bytes(pickle.dumps({'camMat': CAMERA, 'handJoints3D': None}))
    assert len(read_ho3d(root)) == 3
    assert '1 pictures left out' in capsys.readouterr().out


def test_every_other_frame(root):
    assert [p.name for p in read_ho3d(root, every=2)] == ['MC1/0000', 'MC2/0000']


class Malicious:
    """Pickles as a call of os.mkdir."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_runs_nothing_and_what_it_wanted_is_named(tmp_path, protocol):
    path, made = tmp_path / '0000.pkl', tmp_path / 'made'
    path.write_bytes(pickle.dumps({'camMat': Malicious(made)}, protocol))
    with pytest.raises(InputError, match=r'mkdir.*was not loaded'):
        read_meta(path)
    assert not made.exists(), 'the pickle made a folder: it was executed'
    pickle.loads(path.read_bytes())
    assert made.exists(), 'an ordinary unpickler must run it, or this test proves nothing'


WANTED = ['builtins.eval', 'builtins.getattr', 'numpy.load', 'numpy.core.multiarray.fromfile', 'functools.partial']


@pytest.mark.parametrize('wanted', WANTED)
def test_even_harmless_looking_makers_are_refused(tmp_path, wanted):
    path = tmp_path / '0000.pkl'
    module, name = wanted.rsplit('.', 1)
    path.write_bytes(f'c{module}\n{name}\n.'.encode())
    with pytest.raises(InputError, match=wanted.replace('.', r'\.')):
        read_meta(path)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_plain_values_come_through_every_protocol(tmp_path, protocol):
    path = tmp_path / '0000.pkl'
    meta = {'a': np.arange(6.0).reshape(2, 3), 'b': np.float32(2), 'c': 'text', 'd': [1, None, True], 'e': np.array([b'x', b'y']),
            'f': b'\xff\x00'}
    path.write_bytes(pickle.dumps(meta, protocol))
    read = read_meta(path)
    assert np.array_equal(read['a'], meta['a']) and read['b'] == 2 and read['d'] == [1, None, True] and read['f'] == b'\xff\x00'


@pytest.mark.parametrize('content', [b'', b'nonsense', pickle.dumps({'a': np.zeros(50)})[:-20], pickle.dumps([1, 2])])
def test_damaged_meta_files_are_one_sentence(tmp_path, content):
    path = tmp_path / '0000.pkl'
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_meta(path)


def test_missing_parts_are_one_sentence(root):
    with pytest.raises(InputError, match='there is no list'):
        read_ho3d(root / 'train')
    (root / 'train' / 'MC1' / 'meta' / '0001.pkl').unlink()
    with pytest.raises(InputError, match=r'0001\.pkl cannot be read'):
        read_ho3d(root)
