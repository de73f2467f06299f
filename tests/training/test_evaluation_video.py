"""The figures of `main.py evaluate --video`: known motion scores what it must, nobody gains by leaving frames out."""
from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

import main
from app.hand_model import HandModel
from app.sources import open_source
from app.types import Intrinsics
from training.evaluation_video_clips import Truth, clips_of, read_truth
from training.evaluation_video_contenders import LABELS
from training.evaluation_video_figures import MEANINGS, figures_of, ratios_of
from training.evaluation_video_hands import Linker, Seen, nearest, placed
from training.evaluation_video_plots import panels_of, plot, ticks
from training.evaluation_video_records import TRUTH, records_of
from training.evaluation_video_report import clip_text

CAMERA = Intrinsics(550.0, 550.0, 319.5, 239.5)
FPS, FRAMES, VERTICES = 30.0, 80, 40


def bent(count: int = FRAMES, late: float = 0.0) -> np.ndarray:
    """Joints (count, 21, 3) in metres of a hand that waves and curls smoothly before the camera."""
    model, time = HandModel.load(), np.arange(count) - late
    flexion = np.array(['flexion' in name for name in model.coefficient_names])
    joints = []
    for t in time:
        curl = 0.8 + 0.6 * np.sin(2 * np.pi * t / 31)
        turn = 0.3 * np.sin(2 * np.pi * t / 47), np.pi, 0
        pose = model.pose_of(model.coefficient_mean + curl * model.coefficient_sigma * flexion, turn)
        joints.append(model.joints(pose, np.zeros(10)) + (0.05 * np.sin(2 * np.pi * t / 40), 0.02 * np.cos(2 * np.pi * t / 53), 0.5))
    return np.stack(joints).astype(float)


def seen_of(joints: np.ndarray, track: int = 0, colours: np.ndarray | None = None) -> list[list[Seen]]:
    """One hand a frame, as a contender says it; None where the joints (T, 21, 3) are NaN. `colours` (T, N, 3), all of them visible."""
    frames = []
    for t, hand in enumerate(joints):
        texture = None if colours is None else colours[t]
        visible = None if colours is None else np.ones(len(texture), bool)
        frames.append([] if np.isnan(hand).any() else [Seen(track, 'right', CAMERA.project(hand), hand, texture, visible)])
    return frames


def truth_of(joints: np.ndarray) -> Truth:
    return Truth(joints, CAMERA.project(joints), CAMERA, FPS, 'right')


def measured(looks: dict[str, list[list[Seen]]], truth: Truth | None) -> dict[str, dict[str, float]]:
    count = len(next(iter(looks.values())))
    records = records_of(looks, np.arange(count) / FPS, FPS, truth)
    return {key: figures_of(parts) for key, parts in records.items()}


@pytest.fixture(scope='module')
def joints() -> np.ndarray:
    return bent()


def test_the_truth_fed_through_scores_perfectly(joints):
    figures = measured({'live': seen_of(joints)}, truth_of(joints))['live']
    for name in ('error_2d_px', 'error_2d_percent', 'pa_mpjpe_mm', 'mpjpe_root_mm', 'acceleration_error', 'acceleration_error_camera',
                 'jitter_2d_percent', 'jitter_3d_mm', 'jitter_depth_mm', 'bone_spread_percent'):
        assert figures[name] == pytest.approx(0, abs=1e-4), f'{name} is {figures[name]}'
    assert abs(figures['lag_frames']) < 1e-3 and abs(figures['lag_pose_frames']) < 1e-3, figures
    assert (figures['found'], figures['found_percent'], figures['frames'], figures['tracks'], figures['side_flips']) == (80, 100, 80, 1, 0)


def test_a_hand_one_and_a_half_frames_late_is_told_in_the_picture_and_of_its_fingers(joints):
    figures = measured({'live': seen_of(bent(late=1.5))}, truth_of(joints))['live']
    assert figures['lag_frames'] == pytest.approx(1.5, abs=0.02) and figures['lag_pose_frames'] == pytest.approx(1.5, abs=0.02), figures
    assert figures['error_2d_percent'] > 1 and figures['bone_spread_percent'] < 1e-4
    assert figures['error_2d_fast_percent'] > 1.2 * figures['error_2d_percent'], 'what is late is farthest off where motion is quickest'


def test_a_filter_whose_middle_follows_cannot_hide_that_its_fingers_are_late(joints):
    late = bent(late=2.0)
    centred = late - late.mean(1, keepdims=True) + joints.mean(1, keepdims=True)
    figures = measured({'live': seen_of(centred)}, truth_of(joints))['live']
    assert figures['lag_frames'] < 1, figures['lag_frames']
    assert figures['lag_pose_frames'] == pytest.approx(2, abs=0.3), f'{figures["lag_pose_frames"]} frames instead of 2'


def test_known_noise_comes_out_as_it_went_in(joints):
    noise = np.random.default_rng(0).normal(0, 0.002, joints.shape)
    noise[:, 0] = 0  # the wrist is exact, so that what is relative to it has the noise of one point
    figures = measured({'network': seen_of(joints + noise)}, truth_of(joints))
    wanted = 1000 * 0.002 * np.sqrt(3 * (1 - 1 / 11)) * np.sqrt(20 / 21)
    assert figures['network']['jitter_3d_mm'] == pytest.approx(wanted, rel=0.05), f'{figures["network"]["jitter_3d_mm"]} mm, not {wanted}'
    assert figures['network']['high_pass_3d_mm'] > figures[TRUTH]['high_pass_3d_mm'] > 0, 'real motion has a high pass of its own'
    assert figures['network']['acceleration_error'] == pytest.approx(0.002 * np.sqrt(6) * FPS ** 2 * np.sqrt(8 / np.pi) * 20 / 21, rel=0.05)


def test_a_still_hand_shakes_not_at_all(joints):
    still = np.repeat(joints[:1], 40, axis=0)
    figures = measured({'mediapipe': seen_of(still), 'live': seen_of(still)}, None)['live']
    for name in ('high_pass_2d_px', 'high_pass_3d_mm', 'high_pass_depth_mm', 'tremble_2d_percent', 'bone_spread_percent'):
        assert figures[name] == pytest.approx(0, abs=1e-9), f'{name} is {figures[name]}'
    assert np.isnan(figures['lag_frames']), 'what does not move has no lag'


def test_frames_that_one_contender_leaves_out_count_for_nobody(joints):
    wild = joints.copy()
    wild[30:40] += np.random.default_rng(0).normal(0, 0.01, wild[30:40].shape)
    lazy = joints.copy()
    lazy[28:42] = np.nan  # leaves out where it is hard
    figures = measured({'mediapipe': seen_of(joints), 'network': seen_of(wild), 'live': seen_of(lazy)}, None)
    assert figures['network']['frames'] == figures['live']['frames'] == 80 - 14
    assert figures['live']['found'] == 66 and figures['live']['found_percent'] == pytest.approx(82.5)
    assert figures['network']['error_2d_percent'] == pytest.approx(0, abs=1e-9), 'the hard frames counted for one of them'
    assert figures['network']['high_pass_2d_px'] == pytest.approx(figures['live']['high_pass_2d_px'])


def test_a_contender_that_finds_nothing_does_not_take_all_frames_from_the_others(joints):
    made = measured({'mediapipe': seen_of(joints), 'network': seen_of(joints), 'live': [[] for _ in joints]}, None)
    assert 'live' not in made and made['network']['frames'] == FRAMES


def test_without_truth_the_reference_is_not_compared_with_itself(joints):
    figures = measured({'mediapipe': seen_of(joints), 'live': seen_of(joints)}, None)
    assert all(np.isnan(figures['mediapipe'][name]) for name in ('error_2d_px', 'error_2d_percent', 'lag_frames', 'lag_pose_frames'))
    assert figures['live']['error_2d_px'] == pytest.approx(0) and 'pa_mpjpe_mm' not in figures['live']
    with pytest.raises(ValueError, match='reference'):
        records_of({'live': seen_of(joints)}, np.arange(FRAMES) / FPS, FPS)


def test_a_shape_that_changes_between_tracks_only_has_no_spread_but_two_tracks(joints):
    halves = seen_of(joints[:40], 0) + seen_of(joints[40:] * 1.1, 1)
    same = seen_of(joints[:40], 0) + seen_of(joints[40:] * 1.1, 0)
    figures = measured({'live': halves, 'network': same}, truth_of(joints))
    assert figures['live']['bone_spread_percent'] == pytest.approx(0, abs=1e-4) and figures['live']['tracks'] == 2
    assert figures['live']['bone_spread_hand_percent'] == pytest.approx(figures['network']['bone_spread_percent']), 'but it is one hand'
    assert figures['network']['bone_spread_percent'] == pytest.approx(100 * 0.05 / 1.05, rel=1e-3)


def test_texture_is_compared_on_vertices_that_all_see(joints):
    colours = np.full((FRAMES, VERTICES, 3), 120, np.uint8)
    flicker = colours.copy()
    flicker[::2, :20] += 10  # deviation 5 in half of the vertices
    looks = {'network': seen_of(joints, colours=flicker), 'live': seen_of(joints, colours=colours), 'one_euro': seen_of(joints)}
    figures = measured(looks, truth_of(joints))
    assert figures['network']['texture_spread_grey'] == pytest.approx(5 / np.sqrt(2)) and figures['live']['texture_spread_grey'] == 0
    assert np.isnan(figures['one_euro']['texture_spread_grey'])
    for frame in looks['live']:
        frame[0].visible[:20] = False
    assert measured(looks, truth_of(joints))['network']['texture_spread_grey'] == 0, 'the flickering half is not seen by all'


def test_ratios_are_against_the_network_and_mediapipe(joints):
    noise = np.random.default_rng(0).normal(0, 0.001, joints.shape)
    figures = measured({'network': seen_of(joints + 2 * noise), 'live': seen_of(joints + noise)}, truth_of(joints))
    made = ratios_of(figures)
    assert set(made) == {'network'} and set(made['network']) == {'live'}
    assert made['network']['live']['jitter_3d_mm'] == pytest.approx(0.5, abs=0.01)


def test_hands_that_cross_keep_to_the_nearest_points():
    a, b = (np.random.default_rng(0).uniform(0, 100, (21, 2)) + (x, 0) for x in (0, 300))
    assert nearest([a, b], [b + 5, a + 5]) == [(0, 1), (1, 0)]
    assert nearest([a], [a + 200]) == [] and nearest([], [a]) == []
    assert nearest([a, a + 20], [a + 20]) == [(1, 0)], 'one hand answers for one hand only'
    link = Linker()
    assert link([a, b], 0.0) == [0, 1] and link([b + 4, a + 4], 0.03) == [1, 0] and link([a + 8], 0.4) == [0]
    assert link([b], 5.0) == [2], 'a hand that comes back after seconds is another one'


def test_two_hands_are_two_records_whatever_the_order_in_which_they_are_told(joints):
    other = joints + (0.25, 0, 0)
    both = [a + b for a, b in zip(seen_of(joints, 0), seen_of(other, 1))]
    swapped = [(b + a)[::1 if t % 2 else -1] for t, (a, b) in enumerate(zip(seen_of(joints, 7), seen_of(other, 8)))]
    one = seen_of(other, 3)  # follows a single hand
    records = records_of({'mediapipe': both, 'live': swapped, 'network': one}, np.arange(FRAMES) / FPS, FPS)
    assert {key: [int(r.common.sum()) for r in parts] for key, parts in records.items()} == dict.fromkeys(records, [0, FRAMES])
    assert {int(n) for n in records['live'][1].track} == {8}, 'the nearest points are those of the same hand'
    figures = figures_of(records['network'])
    assert figures['found_percent'] == 50 and figures['frames'] == FRAMES
    pair = figures_of(records_of({'mediapipe': both, 'live': swapped}, np.arange(FRAMES) / FPS, FPS)['live'])
    assert pair['frames'] == 2 * FRAMES and pair['error_2d_px'] == pytest.approx(0) and pair['tracks'] == 2


def test_world_points_are_placed_where_the_camera_sees_them(joints):
    world = joints[3] - joints[3].mean(0)
    found = placed(world, CAMERA.project(joints[3]), CAMERA)
    assert np.abs(found - joints[3]).max() < 1e-9
    assert np.isnan(placed(-world * (1, 1, 1), CAMERA.project(joints[3]), CAMERA)).all() or found[0, 2] > 0


def test_clips_shorter_than_the_window_have_dashes_and_nulls(joints):
    short = joints[:5]
    records = records_of({'mediapipe': seen_of(short), 'live': seen_of(short)}, np.arange(5) / FPS, FPS)
    figures = {key: figures_of(parts) for key, parts in records.items()}
    assert np.isnan(figures['live']['high_pass_2d_px']) and np.isnan(figures['live']['lag_frames'])
    assert figures['live']['error_2d_px'] == pytest.approx(0)
    text = clip_text('short', {'frames': 5, 'fps': 30, 'hands': 1, 'common_frames': 5, 'reference': 'mediapipe', 'notes': [],
                               'contenders': figures})
    assert 'nan' not in text.lower() and 'ours live' in text, text
    assert plot('short', records).shape[1] > 500


def test_the_panels_show_what_the_figures_say(joints):
    colours = np.full((FRAMES, VERTICES, 3), 120, np.uint8)
    grown = joints.copy()
    grown[40:] = (grown[40:] - grown[40:, :1]) * 1.1 + grown[40:, :1]
    records = records_of({'live': seen_of(grown, colours=colours)}, np.arange(FRAMES) / FPS, FPS, truth_of(joints))
    shake, depth, size, texture = panels_of({key: parts[0] for key, parts in records.items()})
    assert np.isnan(shake.lines['live'][:5]).all() and np.nanmax(np.abs(shake.lines[TRUTH])) < 1e-9
    assert size.lines['live'][10] == pytest.approx(100 * (1 / 1.05 - 1), rel=1e-4) and np.nanmax(np.abs(size.lines[TRUTH])) < 1e-4
    assert np.abs(texture.lines['live']).max() == 0 and set(texture.lines) == {'live'} and np.isfinite(depth.lines['live']).all()
    picture = plot('grown', records)
    assert picture.dtype == np.uint8 and len({tuple(c) for c in picture[::7, ::7].reshape(-1, 3)}) > 20, 'the picture is empty'


@pytest.mark.parametrize('low, high', [(0, 1), (0, 0.003), (-7, 7), (0, 12345)])
def test_ticks_are_few_and_round(low, high):
    values = ticks(low, high, 5)
    assert 2 <= len(values) <= 6 and low <= values[0] and values[-1] <= high and np.allclose(np.diff(values), values[1] - values[0])


# The command, on a piece of the bundled clip


def write_truth(path: Path, joints: np.ndarray, **other) -> Path:
    arrays = {'joints_3d': joints.astype(np.float32), 'joints_2d': CAMERA.project(joints).astype(np.float32), 'intrinsics': CAMERA.matrix,
              'fps': np.float64(FPS), 'side': np.array('right')}
    np.savez(path, **{key: value for key, value in {**arrays, **other}.items() if value is not None})
    return path


@pytest.fixture(scope='module')
def piece(demo_clip, tmp_path_factory) -> Path:
    """A folder with a clip of 26 frames and its truth, as rendered clips are."""
    folder = tmp_path_factory.mktemp('clips') / 'clip-0000'
    (folder / 'frames').mkdir(parents=True)
    with open_source(demo_clip, stop=26) as source:
        for frame in source:
            cv2.imwrite(str(folder / 'frames' / f'{frame.index:04d}.jpg'), frame.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    with np.load(demo_clip.with_name('demo_truth.npz')) as truth:
        np.savez(folder / 'truth.npz', joints_3d=truth['joints_3d'][:26], joints_2d=truth['joints_2d'][:26],
                 intrinsics=truth['intrinsics'], fps=FPS)
    return folder


@pytest.mark.slow
def test_the_whole_command_measures_all_contenders(piece, tmp_path, capsys):
    out = tmp_path / 'figures.json'
    checkpoint = 'assets/weights/s2hand-lite.safetensors'
    code = main.main(['evaluate', '--video', str(piece.parent), '--video-weights', checkpoint, '--threads', '1',
                      '--json', str(out), '--plots', str(tmp_path / 'plots'), '--page', str(tmp_path / 'page.jpg')])
    printed = capsys.readouterr().out
    assert code == 0, printed
    text = out.read_text()
    report = json.loads(text)
    assert 'NaN' not in text, 'what cannot be had must be null'
    made = report['clips']['clip-0000']
    assert made['reference'] == 'truth' and made['frames'] == 26 and made['common_frames'] > 20, made
    assert set(made['contenders']) == {*LABELS, TRUTH}
    network = made['contenders']['network']
    assert network['error_2d_percent'] < 4 and network['pa_mpjpe_mm'] < 6, f'on the whole clip it has 1.4 % and 2.3 mm: {network}'
    assert made['contenders']['live']['bone_spread_percent'] < made['contenders']['mediapipe']['bone_spread_percent']
    assert made['contenders']['consistent']['bone_spread_percent'] < 1e-3 and made['contenders']['consistent']['texture_spread_grey'] == 0
    assert network['texture_spread_grey'] > 0 and made['contenders']['mediapipe']['texture_spread_grey'] is None
    same = made['contenders']['video_network']
    assert same['pa_mpjpe_mm'] == pytest.approx(network['pa_mpjpe_mm'], rel=0.05), 'the same network as a checkpoint'
    assert {*network} <= {*MEANINGS}, {*network} - {*MEANINGS}
    assert all(name in printed for name in ('MediaPipe + One-Euro', 'ours live', 'the truth itself', 'PA-MPJPE'))
    assert cv2.imread(str(tmp_path / 'plots' / 'clip-0000.png')).shape[1] > 1000 and cv2.imread(str(tmp_path / 'page.jpg')) is not None


def blank_clip(folder: Path, frames: int) -> Path:
    folder.mkdir()
    for i in range(frames):
        cv2.imwrite(str(folder / f'{i:03d}.png'), np.full((120, 160, 3), 90 + i, np.uint8))
    return folder


def test_a_clip_without_a_hand_is_said_and_leaves_nulls(tmp_path, capsys):
    clip = blank_clip(tmp_path / 'nothing', 5)
    out = tmp_path / 'f.json'
    assert main.main(['evaluate', '--video', str(clip), '--fps', '25', '--contenders', 'mediapipe,network', '--threads', '1',
                      '--json', str(out), '--plots', str(tmp_path / 'p.png')]) == 0
    made = json.loads(out.read_text())['clips']['nothing']
    assert made['frames'] == 5 and made['fps'] == 25 and made['hands'] == 0 and made['contenders'] == {}
    assert 'no hand' in capsys.readouterr().out and cv2.imread(str(tmp_path / 'p.png')) is not None


def fails(capsys, *arguments: object) -> str:
    """The sentence with which the command refuses."""
    assert main.main(['evaluate', *map(str, arguments)]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith('main.py: ') and 'Traceback' not in said and '\n' not in said, said
    return said


def test_options_that_do_not_fit_are_refused_in_one_sentence(piece, tmp_path, capsys):
    assert '--limit' in fails(capsys, '--video', piece, '--limit', '3')
    assert '--truth' in fails(capsys, '--video', piece, '--truth', tmp_path)
    assert '--video' in fails(capsys, '--plots', tmp_path / 'p', '--truth', tmp_path)
    assert 'refined' in fails(capsys, '--video', piece, '--contenders', 'refined')
    assert '--video-weights' in fails(capsys, '--video', piece, '--contenders', 'video_network')
    assert 'export' in fails(capsys, '--video', piece, '--contenders', 'live', '--weights', 'assets/weights/s2hand-lite.safetensors')
    assert '--fps' in fails(capsys, '--video', piece, '--fps', '25') and '--fps' in fails(capsys, '--video', piece, '--fps', '0')
    assert 'no.onnx' in fails(capsys, '--video', piece, '--weights', tmp_path / 'no.onnx')


def test_a_missing_folder_for_the_figures_is_said_before_the_work(piece, tmp_path, capsys):
    assert 'no folder' in fails(capsys, '--video', piece, '--json', tmp_path / 'missing' / 'f.json')
    assert 'no folder' in fails(capsys, '--video', piece, '--plots', tmp_path / 'missing' / 'deeper')


def test_clips_that_cannot_be_read_are_one_sentence(tmp_path, capsys):
    assert 'there is no' in fails(capsys, '--video', tmp_path / 'absent.mp4')
    (tmp_path / 'broken.mp4').write_bytes(b'no video at all' * 50)
    assert 'broken.mp4' in fails(capsys, '--video', tmp_path / 'broken.mp4')
    (tmp_path / 'empty').mkdir()
    assert 'holds no' in fails(capsys, '--video', tmp_path / 'empty')
    cv2.imwrite(str(tmp_path / 'one.png'), np.zeros((40, 40, 3), np.uint8))
    assert 'single picture' in fails(capsys, '--video', tmp_path / 'one.png')


def test_truth_that_does_not_fit_is_one_sentence(joints, tmp_path):
    def refused(**other) -> str:
        with pytest.raises(Exception) as caught:
            read_truth(write_truth(tmp_path / 'truth.npz', joints, **other))
        assert type(caught.value).__name__ == 'InputError', caught.value
        return str(caught.value)

    assert read_truth(write_truth(tmp_path / 'truth.npz', joints)).fps == FPS
    spoilt = joints.astype(np.float32).copy()
    spoilt[3, 4] = np.nan
    assert 'finite' in refused(joints_3d=spoilt)
    assert 'px from' in refused(joints_2d=CAMERA.project(joints) + 9)
    assert 'missing' in refused(intrinsics=None) and '(T, 21, 3)' in refused(joints_3d=joints[:, :20])
    assert 'fps' in refused(fps=np.float64(0)) and 'behind' in refused(joints_3d=joints - (0, 0, 3))
    (tmp_path / 'truth.npz').write_bytes(b'PK nothing')
    with pytest.raises(Exception, match='not a whole file'):
        read_truth(tmp_path / 'truth.npz')


def test_truth_of_another_number_of_frames_is_one_sentence(joints, tmp_path, capsys):
    clip = blank_clip(tmp_path / 'clip', 6)
    write_truth(clip / 'truth.npz', joints[:5])
    assert '6 frames, but the truth has 5' in fails(capsys, '--video', clip)


def test_a_frame_that_cannot_be_read_is_named_where_there_is_truth(joints, tmp_path, capsys):
    clip = blank_clip(tmp_path / 'clip', 5)
    write_truth(clip / 'truth.npz', joints[:5], intrinsics=np.array([[550, 0, 79.5], [0, 550, 59.5], [0, 0, 1]]),
                joints_2d=CAMERA.project(joints[:5]) - (240, 180))
    (clip / '002.png').write_bytes(b'no picture')
    assert '002.png' in fails(capsys, '--video', clip, '--contenders', 'mediapipe')


def test_a_camera_of_other_pictures_is_one_sentence(joints, tmp_path, capsys):
    clip = blank_clip(tmp_path / 'clip', 5)  # 160 x 120, and the principal point at (320, 240)
    write_truth(clip / 'truth.npz', joints[:5])
    assert 'outside' in fails(capsys, '--video', clip)


def test_folders_of_clips_are_opened_and_equal_names_told_apart(piece, demo_clip, tmp_path):
    assert [clip.name for clip in clips_of([piece.parent, piece])] == ['clip-0000', 'clip-0000 (2)']
    (demo,) = clips_of([demo_clip])
    assert demo.truth is not None and len(demo.truth.joints) == 300, 'demo_truth.npz lies beside the clip'
    (tmp_path / 'many').mkdir()
    for name in ('b10', 'b2'):
        blank_clip(tmp_path / 'many' / name, 3)
    assert [(clip.name, clip.fps) for clip in clips_of([tmp_path / 'many'], 50)] == [('b2', 50), ('b10', 50)]


def test_a_stereo_recording_is_two_clips_with_truth_in_its_good_frames(tmp_path, demo_clip):
    with np.load(demo_clip.with_name('demo_truth.npz')) as truth:
        joints, points, matrix = truth['joints_3d'], truth['joints_2d'], truth['intrinsics']
    for name in ('cam0', 'cam1'):
        (tmp_path / f'{name}_test.mp4').symlink_to(demo_clip)
    (tmp_path / 'cameras.json').write_text(json.dumps({name: {'K': matrix.tolist()} for name in ('cam0', 'cam1')}))
    rows = [{f'{key}{view}{unit}': value for view in range(2) for key, unit, value in (
        ('frame', '', f'cam{view}/{number:04d}.jpg'), ('xyz_cam', '_mm', (1e3 * joints[number]).tolist()),
        ('uv', '', points[number].tolist()))}
        | {'good': number != 7} for number in (5, 7, 9)]
    (tmp_path / 'gt.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    clips = clips_of([tmp_path])
    assert [clip.path.name for clip in clips] == ['cam0_test.mp4', 'cam1_test.mp4']
    for clip in clips:
        known = np.isfinite(clip.truth.joints).all((1, 2))
        assert len(known) == len(joints) and set(np.flatnonzero(known)) == {5, 9}, f'truth in frames {np.flatnonzero(known)}'
        assert np.allclose(clip.truth.joints[5], joints[5], atol=1e-5)
