"""Rendered clips: the truth beside them is true, and the hand moves as hands do."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from app.errors import InputError
from app.mirror import mirror_points_3d
from app.types import Intrinsics
from training.rendered_clips import FRAME, ClipSampler, main, make_clips

SECONDS, FPS = 0.4, 20.0


@pytest.fixture(scope='module')
def sampler() -> ClipSampler:
    return ClipSampler()


@pytest.fixture(scope='module')
def clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('clips')
    make_clips(folder, 3, SECONDS, FPS, 5)
    return folder


def truths(folder: Path) -> list[dict[str, np.ndarray]]:
    return [dict(np.load(path)) for path in sorted(folder.glob('clip-*/truth.npz'))]


def test_a_clip_has_a_frame_and_a_row_of_truth_for_each_moment(clips, sampler):
    count, vertices = round(SECONDS * FPS), len(sampler.model.template)
    for folder, truth in zip(sorted(clips.glob('clip-*')), truths(clips)):
        files = sorted((folder / 'frames').glob('*.jpg'))
        assert [f.name for f in files] == [f'{k:04d}.jpg' for k in range(count)]
        assert cv2.imread(str(files[0])).shape == (FRAME[1], FRAME[0], 3)
        assert np.allclose(np.diff(truth['time']), 1 / FPS) and truth['fps'] == FPS
        shapes = {'joints_3d': (count, 21, 3), 'vertices': (count, vertices, 3), 'joints_2d': (count, 21, 2), 'shape': (10,),
                  'colours': (vertices, 3), 'pose': (count, 16, 3), 'translation': (count, 3), 'light': (count, 11), 'visible': (count, 21)}
        assert {key: truth[key].shape for key in shapes} == shapes
        assert truth['side'] in ('right', 'left') and 0 <= truth['colours'].min() and 30 < truth['colours'].mean() < 255


def test_the_truth_agrees_with_itself_and_with_the_hand_model(clips, sampler):
    for truth in truths(clips):
        (fx, _, cx), (_, fy, cy), _ = truth['intrinsics']
        off = np.abs(Intrinsics(fx, fy, cx, cy).project(truth['joints_3d']) - truth['joints_2d']).max()
        assert off < 1e-2, f'{off:.4f} px between the projected 3D joints and the 2D joints (float32 allows 0.01)'
        for pose, wrist, vertices in zip(truth['pose'], truth['translation'], truth['vertices']):
            made = sampler.model.posed(pose, truth['shape'])[0]
            made = (mirror_points_3d(made) if truth['side'] == 'left' else made) + wrist
            off = 1000 * np.abs(made - vertices).max()
            assert off < 0.01, f'{off:.4f} mm between the vertices and the hand model of pose and shape (float32 allows 0.01)'


def test_the_picture_shows_the_hand_where_the_truth_says(clips):
    for folder, truth in zip(sorted(clips.glob('clip-*')), truths(clips)):
        files = sorted((folder / 'frames').glob('*.jpg'))
        first, last = (cv2.imread(str(files[k])).astype(float) for k in (0, -1))
        changed = np.abs(first - last).mean(2)
        near = np.zeros(changed.shape, np.uint8)
        for points in truth['joints_2d'][[0, -1]]:
            cv2.fillConvexPoly(near, cv2.convexHull(np.round(points).astype(np.int32)), 255)
        below = cv2.dilate(near, np.ones((61, 61), np.uint8))
        inside, outside = changed[near > 0].mean(), np.median(changed[below == 0])
        assert inside > outside, f'{inside:.1f} grey levels changed on the hand and {outside:.1f} on the background, which stands still'


def test_joints_move_smoothly_and_stay_within_their_limits(sampler):
    camera = Intrinsics.from_field_of_view(*FRAME, 60.0)
    fastest, quick = 0.0, 0.0
    for seed in range(6):
        motion = sampler.motions.sample(np.random.default_rng(seed), 3.0, camera, FRAME)
        joints = np.stack([sampler.hand(motion, when).joints for when in np.arange(0, 3, 1 / 60)])
        speed = np.linalg.norm(np.diff(joints, axis=0), axis=-1).max(1) * 60
        jump = np.abs(np.diff(speed)).max() / 60
        fastest, quick = max(fastest, speed.max()), max(quick, jump)
        low, high = sampler.renders.poses.low, sampler.renders.poses.high
        over = np.degrees(max((low - motion.coefficients).max(), (motion.coefficients - high).max()))
        assert over < 0.01, f'{over:.2f} degrees beyond the limits of a joint'
    assert 0.5 < fastest < 12, f'the fastest joint moves at {fastest:.1f} m/s; a quick hand reaches some metres a second'
    assert quick < 0.06, f'a joint jumps by {1000 * quick:.0f} mm between frames of 60 a second'


def test_a_seed_always_makes_the_same_clip_and_whole_clips_are_left_alone(tmp_path, clips):
    make_clips(tmp_path, 1, SECONDS, FPS, 5)
    again, first = tmp_path / 'clip-0000' / 'frames' / '0003.jpg', clips / 'clip-0000' / 'frames' / '0003.jpg'
    assert again.read_bytes() == first.read_bytes()
    changed = again.stat().st_mtime_ns
    make_clips(tmp_path, 1, SECONDS, FPS, 5)
    assert again.stat().st_mtime_ns == changed


@pytest.mark.parametrize('numbers', [(0, 1.0, 30.0), (1, 0.0, 30.0), (1, 1.0, -5.0), (1, float('nan'), 30.0)])
def test_numbers_that_make_no_clip_are_refused(tmp_path, numbers):
    with pytest.raises(InputError, match='cannot be made'):
        make_clips(tmp_path, *numbers, 0)


def test_the_command_says_in_one_sentence_that_a_folder_cannot_be_made(tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    assert main(['--out', str(tmp_path / 'file'), '--clips', '1', '--seconds', '0.1', '--no-photos']) == 2
    assert 'cannot be made' in capsys.readouterr().err
