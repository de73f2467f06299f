"""The demo command, its clip and its truth."""
from __future__ import annotations

import json

import numpy as np
import pytest

from app.demo import FOLDER, compare, superimposed
from app.errors import InputError
from app.rotations import axis_angle_to_matrix

WIDTH, HEIGHT = 640, 480


@pytest.fixture(scope='module')
def truth() -> dict[str, np.ndarray]:
    with np.load(FOLDER / 'demo_truth.npz', allow_pickle=False) as file:
        return dict(file)


def perfect(truth: dict[str, np.ndarray], frames: range) -> dict[str, np.ndarray]:
    """The arrays of a hands.npz that says the truth, with a mesh of one triangle per frame that fits its silhouette nowhere."""
    count = len(frames)
    joints = truth['joints_3d'][frames]
    return {'frame': np.array(frames), 'side': np.array(['right'] * count), 'joints_2d': truth['joints_2d'][frames], 'joints_3d': joints,
            'vertices': joints[:, [0, 5, 17]], 'faces': np.array([[0, 1, 2]])}


def test_the_demo_files_are_small():
    sizes = {p.name: p.stat().st_size / 1e6 for p in FOLDER.iterdir()}
    assert sum(sizes.values()) <= 3.0, f'assets/demo holds {sum(sizes.values()):.2f} MB (3 MB at most): {sizes}'


def test_the_clip_is_h264_with_a_frame_for_every_row_of_the_truth(truth, demo_clip):
    import av

    with av.open(str(demo_clip)) as container:
        stream = container.streams.video[0]
        name, size, rate = stream.codec_context.name, (stream.width, stream.height), float(stream.average_rate)
        frames = sum(1 for _ in container.decode(video=0))
    assert (name, size, rate) == ('h264', (WIDTH, HEIGHT), 30.0)
    assert frames == len(truth['joints_3d']) == len(truth['silhouette']) and 6 <= frames / rate <= 11


def test_the_true_joints_project_onto_the_true_pixels_and_the_silhouette(truth):
    matrix = truth['intrinsics']
    flat = truth['joints_3d'] @ matrix.T
    flat = flat[..., :2] / flat[..., 2:]
    worst = np.abs(flat - truth['joints_2d']).max()
    assert worst < 0.02, f'{worst:.3f} px between joints_3d and joints_2d (float32 allows 0.02)'
    on = []
    for bits, points in zip(truth['silhouette'], truth['joints_2d']):
        mask = np.unpackbits(bits, axis=1).astype(bool)
        x, y = np.clip(np.round(points), 1, (WIDTH - 2, HEIGHT - 2)).astype(int).T
        on.append(np.mean([mask[b - 1:b + 2, a - 1:a + 2].any() for a, b in zip(x, y)]))
    assert np.mean(on) > 0.995, f'{100 * np.mean(on):.2f} % of the joints lie on the silhouette'


def test_the_camera_file_is_the_truth_s_camera(truth):
    camera = json.loads((FOLDER / 'demo_camera.json').read_text())
    matrix = truth['intrinsics']
    assert [camera[k] for k in ('fx', 'fy', 'cx', 'cy')] == pytest.approx([matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]])
    assert (camera['width'], camera['height']) == (WIDTH, HEIGHT)


def test_the_hand_moves_smoothly_and_stays_in_the_picture(truth):
    points = truth['joints_2d']
    assert (points > 0).all() and (points < (WIDTH, HEIGHT)).all(), 'every joint is in the picture in every frame'
    jump = np.linalg.norm(np.diff(points, axis=0), axis=2).max()
    assert jump < 45, f'a joint jumps by {jump:.0f} px from one frame to the next (a finger that closes in a third of a second moves 45)'


def test_the_detector_finds_the_hand_in_the_clip(truth, demo_clip):
    import av

    from app.detection import Detector

    found, errors = 0, []
    with Detector(hands=1) as detector, av.open(str(demo_clip)) as container:
        looked = [(n, f.to_ndarray(format='rgb24')) for n, f in enumerate(container.decode(video=0)) if n % 8 == 0]
        for number, image in looked:
            true = truth['joints_2d'][number]
            for detection in detector.detect(image):
                found += 1
                errors.append(100 * np.linalg.norm(detection.points - true, axis=1).mean() / np.ptp(true, 0).max())
    assert found >= 0.93 * len(looked), f'found in {found} of {len(looked)} single frames'
    assert np.median(errors) < 6, f'the detected points lie {np.median(errors):.1f} % of the hand from the truth'


def test_a_perfect_reconstruction_has_no_error(truth):
    result = compare(perfect(truth, range(0, 20)), truth)
    assert result.frames_with_hand == 20 and result.pa_mpjpe_mm < 1e-3, 'the alignment goes through float32'
    assert max(result.joints_px, result.mpjpe_mm, result.depth_mm) < 1e-6
    assert 0 < result.silhouette_iou < 0.7, f'a triangle cannot overlap a hand by {result.silhouette_iou:.2f}'


def test_known_errors_are_measured_as_they_are(truth):
    hands = perfect(truth, range(0, 20))
    hands['joints_2d'] = hands['joints_2d'] + np.float32([3, 4])
    hands['joints_3d'] = 1.1 * hands['joints_3d']
    result = compare(hands, truth)
    size = np.linalg.norm(truth['joints_3d'][:20] - truth['joints_3d'][:20, :1], axis=2).mean()
    assert result.joints_px == pytest.approx(5, abs=1e-4)
    assert result.mpjpe_mm == pytest.approx(100 * size, rel=1e-3), 'a tenth too large'
    assert result.pa_mpjpe_mm < 0.01, 'the best alignment takes the scale away'


def test_hands_called_left_are_counted_and_not_compared(truth):
    hands = perfect(truth, range(0, 10))
    hands['side'] = np.array(['left'] * 4 + ['right'] * 6)
    result = compare(hands, truth)
    assert (result.wrong_side, result.frames_with_hand) == (4, 6)
    hands['side'] = np.array(['left'] * 10)
    with pytest.raises(InputError, match='No right hand'):
        compare(hands, truth)


def test_alignment_undoes_turn_shift_and_scale_but_no_mirror():
    random = np.random.default_rng(0)
    target = random.normal(size=(21, 3))
    moved = 0.7 * target @ axis_angle_to_matrix(np.array([0.4, -1.0, 2.0])).T + (1, 2, 3)
    assert np.abs(superimposed(moved, target) - target).max() < 1e-9
    assert np.abs(superimposed(moved * (-1, 1, 1), target) - target).max() > 0.1


@pytest.mark.slow
def test_the_demo_command_says_where_the_results_lie_and_how_good_they_are(run_main, tmp_path):
    done = run_main('demo', '--out', tmp_path / 'results', '--quiet')
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / 'results' / 'demo' / 'demo.json').read_text())
    assert str(tmp_path / 'results' / 'demo') in done.stdout
    share = 100 * result['frames_with_hand'] / result['frames']
    assert share >= 97, f'a hand in {share:.1f} % of the frames (97 wanted)'
    assert result['silhouette_iou'] >= 0.85, f'silhouette IoU {result["silhouette_iou"]:.3f} (0.85 wanted)'
    assert result['joints_percent'] <= 8, f'joints {result["joints_percent"]:.1f} % of the hand from the truth (8 at most)'
    assert result['wrong_side'] == 0, f'called left {result["wrong_side"]} times'
