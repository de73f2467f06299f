"""FreiHAND's official layout, on a data set of three poses made here."""
from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from app.errors import InputError
from training.freihand import read_freihand
from training.truth_sets import project

POSES = 3
CAMERA = np.array([[480.0, 0, 112], [0, 490, 110], [0, 0, 1]])


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for split, versions in (('training', 4), ('evaluation', 1)):
        (tmp_path / split / 'rgb').mkdir(parents=True)
        for number in range(POSES * versions):
            cv2.imwrite(str(tmp_path / split / 'rgb' / f'{number:08d}.jpg'), np.full((224, 224, 3), number, np.uint8))
        (tmp_path / f'{split}_K.json').write_text(json.dumps([CAMERA.tolist()] * POSES))
        write(tmp_path, split, 'xyz', rng.normal((0, 0, 0.7), 0.04, (POSES, 21, 3)))
        write(tmp_path, split, 'verts', rng.normal((0, 0, 0.7), 0.04, (POSES, 778, 3)))
    (tmp_path / 'training' / 'mask').mkdir()
    for pose in range(POSES):
        mask = np.zeros((224, 224), np.uint8)
        mask[:, :pose + 1] = 255
        cv2.imwrite(str(tmp_path / 'training' / 'mask' / f'{pose:08d}.jpg'), mask)
    return tmp_path


def write(root, split: str, what: str, values) -> None:
    (root / f'{split}_{what}.json').write_text(json.dumps(np.asarray(values).tolist()))


def truth(root, split: str, what: str) -> np.ndarray:
    return np.array(json.loads((root / f'{split}_{what}.json').read_text()))


def test_joints_cameras_and_pictures_belong_together(root):
    pictures = read_freihand(root, vertices=True)
    assert [p.name for p in pictures] == ['00000000', '00000001', '00000002']
    for number, picture in enumerate(pictures):
        assert np.array_equal(picture.xyz, truth(root, 'training', 'xyz')[number])
        assert np.array_equal(picture.vertices, truth(root, 'training', 'verts')[number]) and picture.vertices.shape == (778, 3)
        x, y, z = picture.xyz[8]
        by_hand = 480 * x / z + 112, 490 * y / z + 110
        assert np.allclose(picture.points[8], by_hand), f'joint 8 projects to {by_hand}, given is {picture.points[8]}'
        assert picture.side == 'right' and abs(float(picture.read().mean()) - number) < 1
        assert abs(picture.read_mask()[:, :100].sum() / 224 - (number + 1)) < 8, 'the mask is that of the pose, JPEG ringing aside'


def test_the_four_versions_of_a_pose_share_joints_mask_and_session(root):
    pictures = read_freihand(root, versions=4)
    assert len(pictures) == 12
    for pose in range(POSES):
        same = pictures[pose::POSES]
        assert len({p.session for p in same}) == 1 and len({p.path for p in same}) == 4
        assert all(np.array_equal(p.xyz, same[0].xyz) for p in same)
        assert len({p.mask for p in same}) == 1
    assert len({p.session for p in pictures}) == POSES


def test_the_evaluation_pictures_never_share_a_session_with_training_ones(root):
    assert not {p.session for p in read_freihand(root)} & {p.session for p in read_freihand(root, 'evaluation')}


def test_evaluation_without_published_joints_gives_pictures_but_no_points(root):
    (root / 'evaluation_xyz.json').unlink()
    pictures = read_freihand(root, 'evaluation')
    assert len(pictures) == POSES and all(p.xyz is None and np.isinf(p.uncertainty).all() for p in pictures)
    assert all(60 < np.ptp(p.points, axis=0).max() < 120 for p in pictures), 'a hand in the middle, to be cut around'


def test_detected_points_replace_the_projected_ones_for_every_version(root):
    points = np.random.default_rng(1).uniform(50, 150, (POSES, 21, 2))
    confidence = np.full((POSES, 21, 1), 0.5)
    confidence[0, 4], points[0, 4], confidence[1] = 0, 0, 0
    path = root / 'openpose_v2' / 'training' / 'detect_all.json'
    path.parent.mkdir(parents=True)
    names = [f'{i:08d}.jpg' for i in reversed(range(POSES))]
    path.write_text(json.dumps([points[::-1].tolist(), confidence[::-1].tolist(), names]))
    pictures = read_freihand(root, versions=2)
    for number in (0, POSES):
        picture = pictures[number]
        assert np.allclose(np.delete(picture.points, 4, 0), np.delete(points[0], 4, 0)), 'a detection belongs to the picture of its name'
        assert np.isinf(picture.uncertainty[4]) and np.isfinite(np.delete(picture.uncertainty, 4)).all()
        assert np.allclose(picture.points[4], np.delete(points[0], 4, 0).mean(0))
    assert np.isinf(pictures[1].uncertainty).all() and np.isfinite(pictures[1].points).all(), 'nothing found: never the true points instead'


def test_projection_is_the_pinhole_camera():
    assert np.allclose(project(CAMERA, np.array([[0.0, 0, 0.5], [0.1, -0.05, 0.5]])), [[112, 110], [208, 61]])


@pytest.mark.parametrize('name, content, sentence', [
    ('training_K.json', None, 'there is no'), ('training_xyz.json', '[[[1, 2', 'cannot be read'),
    ('training_xyz.json', '[[[1, 2, 3]]]', 'shape'),
    ('openpose_v2/training/detect_all.json', '[1, 2]', 'not a file of detections')])
def test_what_is_missing_or_broken_is_one_sentence(root, name, content, sentence):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=sentence):
        read_freihand(root)


def test_missing_pictures_are_counted(root):
    (root / 'training' / 'rgb' / '00000001.jpg').unlink()
    with pytest.raises(InputError, match=r'1 of the 3 pictures .*00000001\.jpg'):
        read_freihand(root)
