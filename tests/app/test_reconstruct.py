"""The main job on the bundled clip, and everything a person can do wrong with it."""
import argparse
import json
import os
import shutil
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
import trimesh

import app.reconstruct as reconstruct_module
from app.errors import InputError
from app.hand_model import HandModel
from app.outputs.hands_file import read_hands
from app.outputs.only_run import only_run
from app.reconstruct_settings import ReconstructSettings
from app.regression import has_nvidia_device
from app.types import JOINT_PARENTS, Intrinsics

KEYS = {'frame', 'time', 'track', 'side', 'confidence', 'pose', 'shape', 'translation', 'vertices', 'joints_3d', 'joints_2d', 'colours',
        'filled', 'faces', 'intrinsics'}
REPORT = {'frames', 'frames_with_hand', 'fps', 'stage_ms', 'reprojection_px', 'reprojection_percent', 'provider', 'model', 'versions'}
FRAMES = 40


@pytest.fixture(scope='module', params=['consistent', 'fast'])
def results(request, run_main, demo_clip, tmp_path_factory):
    """The folder that a run over the first frames of the demo clip made."""
    out = tmp_path_factory.mktemp('out')
    options = ['--fast'] if request.param == 'fast' else []
    done = run_main('reconstruct', demo_clip, '--out', out, '--stop', FRAMES, '--hands', 1, *options)
    assert done.returncode == 0, done.stderr
    return out / demo_clip.stem


def is_fast(results):
    return json.loads((results / 'report.json').read_text())['sequence'] is None


def test_a_run_leaves_every_promised_file_and_nothing_half_written(results):
    names = {p.name for p in results.iterdir()}
    promised = {'overlay.mp4', 'hands.npz', 'meshes', 'hands.glb', 'report.json', 'settings.json'}
    assert names == promised | (set() if is_fast(results) else {'texture_0_right.png'}), f'found {sorted(names)}'


def test_the_overlay_has_every_frame(results):
    with av.open(str(results / 'overlay.mp4')) as video:
        stream = video.streams.video[0]
        assert stream.codec_context.name == 'h264' and stream.codec_context.pix_fmt == 'yuv420p'
        count = sum(1 for _ in video.decode(stream))
    assert count == FRAMES, f'{count} frames in the overlay, {FRAMES} were read'


def test_hands_npz_has_exactly_the_documented_keys_and_agrees_with_itself(results):
    with np.load(results / 'hands.npz') as file:
        assert set(file.files) == KEYS
        camera = file['intrinsics']
    hands = read_hands(results / 'hands.npz')
    assert len(hands) >= 0.97 * FRAMES, f'{len(hands)} rows for {FRAMES} frames that all show the hand'
    intrinsics = Intrinsics(camera[0, 0], camera[1, 1], camera[0, 2], camera[1, 2])
    error = np.abs(intrinsics.project(hands.joints_3d.astype(float)) - hands.joints_2d).max()
    assert error < 0.05, f'joints_2d are up to {error:.3f} px from the projection of joints_3d'
    assert hands.translation[:, 2].min() > 0.1, 'a hand lies in the camera'
    assert np.abs(hands.joints_3d[:, 0] - hands.translation).max() < 1e-4, 'translation is not the wrist'


def test_the_hands_are_plausible_hands(results):
    hands = read_hands(results / 'hands.npz')
    bones = np.linalg.norm(hands.joints_3d[:, 1:] - hands.joints_3d[:, list(JOINT_PARENTS[1:])], axis=-1)
    assert bones.min() > 0.008 and bones.max() < 0.13, f'bones of {bones.min() * 1e3:.0f} to {bones.max() * 1e3:.0f} mm'
    assert len(set(hands.side.tolist())) == 1 and len(set(hands.track.tolist())) == 1, 'one hand became several'
    late = bones[len(bones) // 2:]
    spread = (late.std(0) / late.mean(0)).max()
    assert spread < 0.05, f'a bone changes its length by {100 * spread:.1f} % (standard deviation) in the second half, allowed 5 %'
    jump = np.linalg.norm(np.diff(hands.joints_2d.mean(1), axis=0), axis=1).max()
    box = np.ptp(hands.joints_2d, axis=1).max(-1).mean()
    assert jump < 0.5 * box, f'the hand leaps by {jump:.0f} px in a frame, with a box of {box:.0f} px'


def test_meshes_have_one_topology_and_stand_where_the_hands_are(results):
    hands = read_hands(results / 'hands.npz')
    meshes = sorted((results / 'meshes').glob('*.obj'))
    assert len(meshes) == len(hands) and meshes[0].name == f'{hands.frame[0]:06d}_{hands.side[0]}.obj'
    first, last = (trimesh.load(m, process=False) for m in (meshes[0], meshes[-1]))
    assert np.array_equal(first.faces, last.faces)
    written = [line.split()[1:4] for line in meshes[0].read_text().splitlines() if line.startswith('v ')]
    assert np.allclose(np.array(written, float) * (1, -1, -1), hands.vertices[0], atol=2e-6)


def test_the_scene_opens_elsewhere_with_the_whole_mesh(results):
    scene = trimesh.load(results / 'hands.glb', process=False)
    count = sum(len(g.vertices) for g in scene.geometry.values())
    expected = read_hands(results / 'hands.npz').vertices.shape[1] if is_fast(results) else len(HandModel.load().uv)
    assert count == expected, f'{count} vertices in the scene'


def test_the_report_says_what_happened(results):
    report = json.loads((results / 'report.json').read_text())
    assert REPORT <= set(report), f'missing: {REPORT - set(report)}'
    assert report['frames'] == FRAMES and report['frames_with_hand'] >= 0.97 * FRAMES
    assert report['reprojection_percent'] < 3, f'the mesh lies {report["reprojection_percent"]} % of the hand from its points, allowed 3 %'
    assert {'p50', 'p95'} <= set(report['stage_ms']['network'])
    assert report['provider'] in ('CPU', 'OpenVINO', 'CUDA', 'Tensorrt'), report['provider']
    assert json.loads((results / 'settings.json').read_text())['stop'] == FRAMES


def test_a_picture_gives_a_picture(run_main, demo_clip, tmp_path):
    with av.open(str(demo_clip)) as video:
        frame = next(video.decode(video=0)).to_ndarray(format='bgr24')
    path = tmp_path / 'eine Hand ✋ é.png'
    path.write_bytes(cv2.imencode('.png', cv2.cvtColor(frame, cv2.COLOR_BGR2BGRA))[1].tobytes())
    done = run_main('reconstruct', path, '--out', tmp_path / 'out put', '--style', 'skeleton', '--opacity', '0.7')
    assert done.returncode == 0, done.stderr
    folder = tmp_path / 'out put' / path.stem
    assert (folder / 'overlay.jpg').is_file() and not (folder / 'overlay.mp4').exists()
    assert len(read_hands(folder / 'hands.npz')) == 1
    assert done.stdout.startswith('A hand was found; '), done.stdout


def test_a_folder_of_unrelated_pictures_gets_an_overlay_for_each_and_says_which_is_which(demo_clip, tmp_path, monkeypatch):
    folder, out = tmp_path / 'pictures', tmp_path / 'out'
    folder.mkdir()
    with av.open(str(demo_clip)) as video:
        frame = next(video.decode(video=0)).to_ndarray(format='bgr24')
    for name in ('Hand.jpg', 'hand.png', 'zweite.jpg'):
        cv2.imwrite(str(folder / name), frame)
    (out / 'overlays').mkdir(parents=True)
    (out / 'overlays' / 'of an earlier run.jpg').write_bytes(b'')
    with monkeypatch.context() as patch:
        patch.setattr(reconstruct_module.OverlaysWriter, 'write', interrupt)
        with pytest.raises(KeyboardInterrupt):
            reconstruct_module.reconstruct(folder, out, ReconstructSettings(hands=1, write=('overlay',)))
    assert names_in(out) == ['overlays'] and names_in(out / 'overlays') == ['of an earlier run.jpg'], 'an interrupted run left something'
    outcome = reconstruct_module.reconstruct(folder, out, ReconstructSettings(hands=1, write=('overlay', 'hands')))
    assert names_in(out / 'overlays') == ['Hand.jpg', 'hand_000001.jpg', 'zweite.jpg']
    assert json.loads((out / 'report.json').read_text())['pictures'] == {'0': 'Hand.jpg', '1': 'hand.png', '2': 'zweite.jpg'}
    assert outcome.report.pictures == dict(enumerate(['Hand.jpg', 'hand.png', 'zweite.jpg']))


def test_two_runs_do_not_write_into_one_folder(run_main, demo_clip, tmp_path):
    folder = tmp_path / demo_clip.stem
    folder.mkdir()
    with only_run(folder):
        refused(run_main('reconstruct', demo_clip, '--out', tmp_path, '--stop', 2), 'Another run is writing to')
    assert names_in(folder) == []
    done = run_main('reconstruct', demo_clip, '--out', tmp_path, '--stop', 2, '--hands', 1, '--write', 'hands')
    assert done.returncode == 0 and names_in(folder) == ['hands.npz', 'report.json', 'settings.json'], done.stderr


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def interrupt(*_):
    raise KeyboardInterrupt


def test_only_what_was_asked_for_is_written_and_a_mirrored_run_changes_the_side(run_main, demo_clip, tmp_path):
    done = run_main('reconstruct', demo_clip, '--out', tmp_path, '--write', 'hands,ply', '--stop', 5, '--mirror', '--hands', 1,
                    '--progress-lines')
    assert done.returncode == 0, done.stderr
    folder = tmp_path / demo_clip.stem
    assert {p.name for p in folder.iterdir()} == {'hands.npz', 'meshes_ply', 'report.json', 'settings.json'}
    mesh = trimesh.load(next((folder / 'meshes_ply').iterdir()), process=False)
    assert len(mesh.vertices) == read_hands(folder / 'hands.npz').vertices.shape[1]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0] == {'done': 0, 'total': 5, 'fps': None} and lines[-2]['done'] == 5 and lines[-1]['folder'] == str(folder), lines
    assert read_hands(folder / 'hands.npz').side[0] == 'left'


@pytest.mark.skipif(os.name != 'posix', reason='signals')
def test_a_run_that_is_told_to_end_leaves_nothing_half_written(root, demo_clip, tmp_path):
    command = [sys.executable, str(root / 'main.py'), 'reconstruct', str(demo_clip), '--out', str(tmp_path), '--progress-lines']
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=root)
    while json.loads(run.stdout.readline())['done'] < 3:
        pass
    run.terminate()
    _, said = run.communicate(timeout=120)
    assert run.returncode == 130 and 'Traceback' not in said, said
    assert list((tmp_path / demo_clip.stem).iterdir()) == []


def test_that_hands_are_drawn_without_opengl_is_a_warning_but_no_failure(demo_clip, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reconstruct_module.Overlay, 'note', 'The hands are drawn by the processor.', raising=False)
    arguments = argparse.ArgumentParser()
    reconstruct_module.add_arguments(arguments)
    code = reconstruct_module.run(arguments.parse_args(
        [str(demo_clip), '--out', str(tmp_path), '--stop', '3', '--hands', '1', '--write', 'overlay', '--style', 'skeleton', '--quiet']))
    report = json.loads((tmp_path / demo_clip.stem / 'report.json').read_text())
    assert code == 0 and report['warnings'] == ['The hands are drawn by the processor.']
    assert 'drawn by the processor' in capsys.readouterr().out


@pytest.mark.skipif(has_nvidia_device(), reason='there is a GPU')
def test_that_the_network_does_not_run_on_what_was_asked_for_is_a_warning_with_its_reason_but_no_failure(demo_clip, tmp_path, capsys):
    arguments = argparse.ArgumentParser()
    reconstruct_module.add_arguments(arguments)
    code = reconstruct_module.run(arguments.parse_args(
        [str(demo_clip), '--out', str(tmp_path), '--stop', '3', '--hands', '1', '--write', 'hands', '--fast', '--provider', 'cuda', '--quiet']))
    report = json.loads((tmp_path / demo_clip.stem / 'report.json').read_text())
    said = capsys.readouterr().out
    assert code == 0 and report['provider'] == 'CPU', report
    assert len(report['warnings']) == 1 and report['warnings'][0].startswith('CUDA was asked for, but '), report['warnings']
    assert report['warnings'][0] in said, said


def write_video(path, pictures, fps=30):
    with av.open(str(path), 'w') as video:
        stream = video.add_stream('libx264', rate=fps, options={'crf': '20'})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = 'yuv420p'
        for picture in pictures:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format='rgb24')))
        video.mux(stream.encode())


def refused(done, *words):
    """One clear sentence, exit code 2, no traceback."""
    assert done.returncode == 2, f'exit code {done.returncode}: {done.stderr}'
    assert 'Traceback' not in done.stderr
    for word in words:
        assert word in done.stderr, f'{word!r} is not in {done.stderr!r}'


@pytest.fixture
def bad(tmp_path, demo_clip):
    (tmp_path / 'text.mp4').write_text('this is no video')
    (tmp_path / 'empty.mp4').write_bytes(b'')
    (tmp_path / 'no pictures').mkdir()
    (tmp_path / 'weights.onnx').write_bytes(b'nothing')
    (tmp_path / 'camera.json').write_text('{"fx": "wide"}')
    return tmp_path


@pytest.mark.parametrize('arguments, words', [
    (['{bad}/missing.mp4'], ['missing.mp4']),
    (['{bad}/text.mp4'], ['text.mp4']),
    (['{bad}/empty.mp4'], ['empty']),
    (['{bad}/no pictures'], ['no pictures']),
    (['{clip}', '--weights', '{bad}/absent.onnx'], ['absent.onnx']),
    (['{clip}', '--weights', '{bad}/weights.onnx'], ['weights.onnx']),
    (['{clip}', '--intrinsics', '{bad}/camera.json'], ['camera.json']),
    (['{clip}', '--intrinsics', '{bad}/camera.json', '--fov', '60'], ['--fov']),
    (['{clip}', '--start', '100000'], ['frame']),
    (['{clip}', '--out', '{bad}/text.mp4'], ['text.mp4']),
])
def test_bad_input_gets_one_sentence_and_exit_code_2(run_main, demo_clip, bad, arguments, words):
    arguments = [a.format(bad=bad, clip=demo_clip) for a in arguments]
    if '--out' not in arguments:
        arguments += ['--out', bad / 'out']
    refused(run_main('reconstruct', *arguments), *words)
    left = [p for p in (bad / 'out').rglob('*') if p.is_file()]
    assert not left, f'files were left behind: {left}'


@pytest.mark.parametrize('arguments', [['--opacity', '2'], ['--write', 'everything'], ['--fov', '400'], ['--hands', '9']])
def test_an_option_out_of_range_is_told(run_main, demo_clip, tmp_path, arguments):
    refused(run_main('reconstruct', demo_clip, '--out', tmp_path, *arguments))


def test_a_clip_without_a_hand_still_gets_its_report(run_main, tmp_path):
    write_video(tmp_path / 'wall.mp4', [np.full((240, 320, 3), 90, np.uint8)] * 10)
    refused(run_main('reconstruct', tmp_path / 'wall.mp4', '--out', tmp_path / 'out'), 'No hand was found')
    folder = tmp_path / 'out' / 'wall'
    report = json.loads((folder / 'report.json').read_text())
    assert report['frames'] == 10 and report['frames_with_hand'] == 0 and report['warnings']
    assert len(read_hands(folder / 'hands.npz')) == 0


def test_a_cut_video_keeps_what_could_be_read_and_says_so(run_main, demo_clip, tmp_path):
    whole = demo_clip.read_bytes()
    (tmp_path / 'cut.mp4').write_bytes(whole[:len(whole) // 4])
    done = run_main('reconstruct', tmp_path / 'cut.mp4', '--out', tmp_path / 'out', '--hands', 1, '--write', 'hands')
    refused(done, 'cut')
    report = json.loads((tmp_path / 'out' / 'cut' / 'report.json').read_text())
    assert 5 < report['frames'] < 200, f'{report["frames"]} frames were kept of a quarter of the clip'
    assert report['warnings']


@pytest.mark.parametrize('kind', ['grey', 'tiny', '4k'])
def test_unusual_pictures_are_read(run_main, demo_clip, tmp_path, kind):
    with av.open(str(demo_clip)) as video:
        frame = next(video.decode(video=0)).to_ndarray(format='bgr24')
    picture = {'grey': lambda: cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY),
               'tiny': lambda: cv2.resize(frame, (64, 48), interpolation=cv2.INTER_AREA),
               '4k': lambda: cv2.resize(frame, (3840, 2880))}[kind]()
    cv2.imwrite(str(tmp_path / f'{kind}.png'), picture)
    done = run_main('reconstruct', tmp_path / f'{kind}.png', '--out', tmp_path / 'out')
    assert done.returncode in (0, 2) and 'Traceback' not in done.stderr, done.stderr
    assert (tmp_path / 'out' / kind / 'report.json').is_file() and (tmp_path / 'out' / kind / 'overlay.jpg').is_file()
    if kind == '4k':
        assert done.returncode == 0, 'the hand of a 4K picture was not found'


def test_a_folder_that_may_not_be_written_is_told_before_the_work(run_main, demo_clip, tmp_path):
    if os.geteuid() == 0:
        target = '/proc/nowhere'
    else:
        (tmp_path / 'closed').mkdir(mode=0o500)
        target = tmp_path / 'closed' / 'out'
    refused(run_main('reconstruct', demo_clip, '--out', target), 'output folder')


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which('mount'), reason='a small file system can only be mounted by root')
def test_a_disk_that_fills_up_leaves_no_half_written_file(demo_clip, tmp_path, monkeypatch):
    disk = tmp_path / 'disk'
    disk.mkdir()
    if os.system(f'mount -t tmpfs -o size=3m tmpfs "{disk}" 2>/dev/null'):
        pytest.skip('this machine does not let root mount a file system')
    monkeypatch.setattr(reconstruct_module, 'prepare_folder', lambda folder, source: folder.mkdir())  # it would refuse so small a disk
    try:
        with pytest.raises(InputError, match='disk is full'):
            reconstruct_module.reconstruct(demo_clip, disk / 'out', ReconstructSettings(hands=1, stop=100))
        left = [p.name for p in (disk / 'out').rglob('*') if p.is_file()]
        assert not left, f'left behind: {left}'
    finally:
        os.system(f'umount "{disk}"')
