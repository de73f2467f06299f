"""`python main.py bench`: its figures mean what they say, and it refuses before it works. Nothing here says how fast anything is."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import main
from app.detection import Detector
from app.passing import Looked, Placed
from app.reconstruct_settings import ReconstructSettings
from app.regression import WEIGHTS, has_nvidia_device
from app.timing import StageClock
from benchmarks.bench import peers
from benchmarks.bench.clip import Clip, as_file, clips_for, fitted, read_clip, with_one_hand, with_two_hands
from benchmarks.bench.contenders import Command, Contender, Overlapped, Play, both_clocks
from benchmarks.bench.goals import goals_of
from benchmarks.bench.network import SKINNED, TEXTURED, Beside, together
from benchmarks.bench.operations import count_operations
from benchmarks.bench.plot import HEIGHT, WIDTH
from benchmarks.bench.rounds import SecondHand, figures, second_hands, stages_of

KINDS = ['mediapipe', 'mesh', 'halves', 'overlay', 'overlapped']


@pytest.fixture(scope='module')
def clip(demo_clip) -> Clip:
    return read_clip(demo_clip, 12)


@pytest.fixture(scope='module')
def quick(run_main, tmp_path_factory):
    """A quick look at the bundled clip, as a person takes it: what was printed, the JSON file and the picture."""
    folder = tmp_path_factory.mktemp('bench')
    result = run_main('bench', '--quick', '--frames', 8, '--json', folder / 'bench.json', '--plot', folder / 'bench.png')
    assert result.returncode == 0, result.stderr
    return result.stdout, json.loads((folder / 'bench.json').read_text(encoding='utf-8')), folder / 'bench.png'


def test_a_quick_look_measures_everything_it_names(quick):
    printed, told, _ = quick
    assert [one['kind'] for one in told['contenders']] == KINDS
    for one in told['contenders']:
        assert one['fps'] > 0 and one['cpu_ms'] > 0 and one['p50'] <= one['p95'], one
        assert one['found'] >= 0.8, f'{one["kind"]} found the hand in {100 * one["found"]:.0f} % of the bundled clip\'s 8 first frames'
    for provider in {one['provider'] for one in told['network']['single']}:
        assert [one['batch'] for one in told['network']['batches'] if one['provider'] == provider] == [1, 2], provider
    missing = [part for part in ('One hand', 'Where a frame goes', 'The network alone', 'A new process', 'Goals') if part not in printed]
    assert not missing, f'{missing} in: {printed}'


def test_the_json_file_says_what_it_was_measured_on(quick):
    _, told, _ = quick
    machine = told['machine']
    assert machine['cpu'] and machine['cores'] >= 1 and {'python', 'mediapipe', 'numpy'} <= machine['versions'].keys(), machine
    assert told['frames'] == 8 and told['size'] == [640, 480] and told['date'].startswith('20'), told
    assert any('EfficientNet-b0' in sentence for sentence in told['left_out']), 'a quick look leaves it out and must say so'
    for name in ('OpenVINO', 'CUDA', 'TensorRT'):
        measured = any(one['provider'].lower() == name.lower() for one in told['network']['single'])
        said = any(name in sentence for sentence in told['left_out'])
        assert measured != said, f'{name} is measured, or it is said why not: {told["left_out"]}'


def test_our_network_is_measured_with_and_without_the_texture(quick):
    _, told, _ = quick
    for provider in {one['provider'] for one in told['network']['single']}:
        parts = [one['part'] for one in told['network']['single'] if one['provider'] == provider]
        assert parts == [SKINNED, TEXTURED], parts


def test_mediapipe_is_what_is_compared_with(quick):
    _, told, _ = quick
    peer, *ours = told['contenders']
    assert (peer['fps_of_mediapipe'], peer['cpu_of_mediapipe']) == (1, 1)
    for one in ours:  # one round: its ratio is the ratio of the figures
        assert one['fps_of_mediapipe'] == pytest.approx(one['fps'] / peer['fps'])
        assert one['cpu_of_mediapipe'] == pytest.approx(one['cpu_ms'] / peer['cpu_ms'])


def test_the_stages_add_up_to_no_more_than_the_frame(quick):
    _, told, _ = quick
    overlay = next(one for one in told['contenders'] if one['kind'] == 'overlay')
    stages = {stage['name']: stage['cpu'] for stage in overlay['stages']}
    assert {'crop', 'network', 'refine', 'smooth', 'texture', 'overlay'} <= stages.keys()
    total = sum(stages.values())
    assert 0.5 * overlay['cpu_ms'] < total <= 1.02 * overlay['cpu_ms'], f'stages {total:.2f} ms, the whole frame {overlay["cpu_ms"]:.2f} ms'


def test_a_new_process_needs_no_torch_and_says_its_memory(quick):
    _, told, _ = quick
    assert [start['kind'] for start in told['starts']] == ['mediapipe', 'mesh', 'overlay']
    for start in told['starts']:
        assert start['heavy'] == [], f'{start["kind"]} loaded {start["heavy"]}, which only training, export or the window need'
        assert 0 < start['imported_ms'] < start['first_ms'], start
        assert 30 < start['memory_mb'] <= start['peak_mb'] < 4000, start


def test_the_plot_is_a_picture(quick):
    picture = cv2.imread(str(quick[2]))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert np.ptp(picture[:, :, 0]) > 150, 'there is nothing on it'


def test_operations_are_counted_by_hand():
    weights = {'kernel': (8, 3, 5, 5), 'deep': (8, 1, 3, 3), 'matrix': (8, 10)}
    fixed = [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()]
    node = helper.make_node
    nodes = [node('Conv', ['x', 'kernel'], ['a'], pads=[2] * 4), node('Conv', ['a', 'deep'], ['b'], group=8, pads=[1] * 4),
             node('ReduceMean', ['b', 'axes'], ['c'], keepdims=0), node('Gemm', ['c', 'matrix'], ['y'])]
    fixed.append(numpy_helper.from_array(np.array([2, 3]), 'axes'))
    x = helper.make_tensor_value_info('x', TensorProto.FLOAT, ['batch', 3, 16, 16])
    y = helper.make_tensor_value_info('y', TensorProto.FLOAT, ['batch', 10])
    graph = helper.make_graph(nodes, 'by hand', [x], [y], fixed)
    counted = count_operations(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)]))
    assert counted.by_kind == {'Conv': 16 * 16 * 8 * (3 * 25 + 9), 'Gemm': 80}
    assert (counted.macs, counted.parameters, counted.uncounted) == (16 * 16 * 8 * 84 + 80, 600 + 72 + 80, 0)


def test_no_product_of_the_network_is_left_uncounted():
    counted = count_operations(onnx.load(str(WEIGHTS)))
    assert counted.uncounted == 0 and counted.macs > 1e8, counted


def test_graphs_of_peers_are_made_once_and_those_of_earlier_code_removed(monkeypatch, tmp_path):
    monkeypatch.setenv('S2HAND_CACHE', str(tmp_path))
    made = []

    def export(command, **_):  # the export itself takes half a minute
        made.append(Path(command[-1]))
        made[-1].mkdir(parents=True)
        for name in peers.NAMES:
            (made[-1] / f'{name}.onnx').touch()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(peers.subprocess, 'run', export)
    old = tmp_path / 'bench' / '0123456789abcdef'
    old.mkdir(parents=True)
    assert peers.peer_graphs() == peers.peer_graphs() == {name: made[0] / f'{name}.onnx' for name in peers.NAMES}
    assert len(made) == 1 and list((tmp_path / 'bench').iterdir()) == made, 'only those of the present code are kept'


@pytest.mark.skipif(sys.platform == 'win32', reason='a shell script plays Python')
def test_peers_that_cannot_be_made_are_left_out_with_the_reason(monkeypatch, tmp_path):
    monkeypatch.setenv('S2HAND_CACHE', str(tmp_path))
    monkeypatch.setattr(sys, 'executable', str(tmp_path / 'python'))
    (tmp_path / 'python').write_text('#!/bin/sh\necho "ModuleNotFoundError: No module named \'torch\'" >&2\nexit 1\n')
    (tmp_path / 'python').chmod(0o755)
    with pytest.raises(peers.NoPeers, match="No module named 'torch'"):
        peers.peer_graphs()


def contender(kind: str, hands: int, threads: int | None, clip: Clip) -> Contender:
    made = type(kind, (Contender,), {'kind': kind, 'threads': threads, 'one': lambda self, frame: hands})
    return made(replace(clip, hands=hands))


def play(seconds: float, frames: int = 10) -> Play:
    return Play(frames, frames, seconds, seconds / 2, np.full(frames, 1e3 * seconds / frames))


def test_a_machine_that_slows_down_between_rounds_leaves_the_ratio(clip):
    ours = contender('mesh', 1, 1, clip)
    peers = [play(9), play(1), play(3), play(2)]  # the first play does not count
    result = figures(ours, [play(7), play(2), play(6), play(4)], peers)
    assert (result.fps_of_mediapipe, result.cpu_of_mediapipe) == (pytest.approx(0.5), pytest.approx(2.0))
    assert result.fps_first == pytest.approx(10 / 7) and result.fps_rounds == pytest.approx((5, 10 / 6, 2.5))


def beside_b0(part: str, provider: str, threads: int, wall: float) -> Beside:
    return Beside(part, provider, threads, wall, wall + 0.1)


@pytest.mark.parametrize('busy, told', [(False, 0.65), (True, 0.75)])
def test_the_network_is_held_against_b0_as_most_frames_run_it_on_what_the_program_takes(busy, told):
    ratios = [beside_b0(SKINNED, 'OpenVINO', 1, 0.65), beside_b0(TEXTURED, 'OpenVINO', 1, 0.9), beside_b0(SKINNED, 'CPU', 1, 1.2),
              beside_b0(SKINNED, 'OpenVINO', 4, 0.3)]
    result = SimpleNamespace(machine=SimpleNamespace(busy=busy), contenders=[], second_hand=[], starts=[], provider='OpenVINO',
                             network=SimpleNamespace(of_b0=ratios))
    goal, = goals_of(result)
    assert (goal.is_, goal.reached) == (pytest.approx(told), told < 4.0 / 5.8), goal
    assert SKINNED in goal.what and '1 thread,' in goal.what and ('processor' in goal.what) == busy, goal.what


def test_places_on_one_processor_are_measured_in_turn():
    places = [('openvino', 1), ('openvino', 2), ('cpu', 1), ('cpu', 2), ('cuda', None)]
    assert together(places) == {('cpu', 1): ['openvino', 'cpu'], ('cpu', 2): ['openvino', 'cpu'], ('cuda', None): ['cuda']}


def test_two_hands_are_compared_with_one_of_the_same_kind_and_threads_in_the_same_pictures(clip):
    two = with_two_hands(clip)
    plays = {contender('mesh', 1, 1, clip): [play(9), play(0.1)], contender('mesh', 1, 1, two): [play(9), play(1)],
             contender('mesh', 1, 2, two): [play(9), play(0.5)], contender('mesh', 2, 1, two): [play(9), play(1.5)],
             contender('mediapipe', 2, None, two): [play(9), play(5)]}
    ratios = second_hands(plays)
    assert [(r.kind, r.threads, r.wall, r.cpu) for r in ratios] == [('mesh', 1, pytest.approx(1.5), pytest.approx(1.5))]


def test_one_hand_is_looked_for_in_the_pictures_of_two_as_well(clip):
    one, two, beside = clips_for(clip, (1, 2))
    assert [c.hands for c in (one, two, beside)] == [1, 2, 1]
    assert one.as_filmed and not two.as_filmed and beside.shown == two.shown and beside.frames is two.frames
    assert [c.hands for c in clips_for(clip, (1,))] == [1] and [c.hands for c in clips_for(clip, (2,))] == [2]
    assert [c.hands for c in clips_for(replace(clip, hands=2), (1, 2))] == [1, 2], 'a clip of two hands serves for both'


@pytest.mark.parametrize('busy, told', [(False, 1.6), (True, 1.4)])
def test_what_two_hands_cost_is_told_for_each_way_and_names_the_best(busy, told):
    ratios = [SecondHand('mesh', 1, 1.8, 1.4), SecondHand('halves', 2, 1.6, 1.7), SecondHand('overlapped', 1, 1.3, 1.3),
              SecondHand('fast', 2, 1.45, 1.55)]
    result = SimpleNamespace(machine=SimpleNamespace(busy=busy), contenders=[], second_hand=ratios, starts=[], provider='OpenVINO',
                             network=SimpleNamespace(of_b0=[]))
    mesh, drawn, whole = goals_of(result)
    assert (mesh.is_, mesh.way) == (told, 'one thread, network on 1' if busy else 'two threads, network on 2'), mesh
    assert ('processor' in mesh.what) == busy and mesh.reached == (told < 1.5), mesh
    assert (drawn.is_, drawn.way, drawn.reached) == (1.3, 'three threads, network on 1', True), drawn
    assert (whole.is_, 'reconstruct' in whole.what, whole.reached) == (1.55 if busy else 1.45, True, not busy), whole


def test_a_stage_has_wall_clock_and_processor_time():
    with both_clocks():
        clock = StageClock()
        with clock.stage('waits'):
            time.sleep(0.05)
        with clock.stage('works'):
            end = time.process_time() + 0.03
            while time.process_time() < end:
                pass
        stages = {stage.name: stage for stage in stages_of([clock.end_frame()])}
    assert stages['waits'].p50 >= 49 and stages['waits'].cpu < 25, stages['waits']
    assert 29 <= stages['works'].cpu <= 1.01 * stages['works'].p50, stages['works']
    assert isinstance(StageClock.now(), float), 'clocks made afterwards read the wall clock only'


def test_the_video_command_itself_can_play(clip):
    settings = ReconstructSettings(threads=1, provider='cpu', consistent=False, write=('overlay',))
    command = Command(replace(with_one_hand(clip), frames=clip.frames[2:6], start=2), 'fast', settings)
    played = command.play()
    assert (played.frames, played.full) == (4, 4) and played.fps > 0, played
    assert 0 < played.cpu_ms < 500, f'{played.cpu_ms:.0f} ms of processor time a frame'
    assert command.settings.write == ('overlay',), 'the numbers are written for counting only'
    result = figures(contender('fast', 1, 1, clip), [played, played], [play(1, 4), play(1, 4)])
    assert result.fps_of_mediapipe > 0 and np.isnan(result.p50), 'single frames are not seen, and nothing is made up for them'


def test_two_hands_are_in_the_doubled_clip(clip):
    two = with_two_hands(clip)
    assert (two.size, two.hands, len(two.frames)) == (clip.size, 2, len(clip.frames))
    with Detector(2) as detector:
        found = detector.detect(two.frames[6].image)
    assert {hand.side for hand in found} == {'left', 'right'}, 'the hand and its mirror image'


def test_the_video_command_finds_both_hands_in_a_file_of_the_doubled_clip(clip, tmp_path):
    settings = ReconstructSettings(threads=1, provider='cpu', consistent=False, write=('overlay',))
    two = as_file(with_two_hands(clip), tmp_path / 'two.mp4')
    played = Command(replace(two, frames=two.frames[:4]), 'fast', settings).play()
    assert (played.frames, played.full) == (4, 4), f'both hands were found in {played.full} of {played.frames} frames'
    assert as_file(clip, tmp_path / 'one.mp4').path == clip.path and not (tmp_path / 'one.mp4').exists()
    assert len([*two.decoded()]) == len(clip.frames)


def test_a_clip_may_begin_later(clip, demo_clip):
    later = read_clip(demo_clip, 4, start=5)
    assert [frame.index for frame in later.frames] == [5, 6, 7, 8]
    assert np.array_equal(later.frames[0].image, clip.frames[5].image) and np.array_equal(next(later.decoded()).image, clip.frames[5].image)


def test_decoding_again_gives_the_same_pictures(clip):
    two = with_two_hands(clip)
    for kept, again in zip(two.frames, two.decoded(), strict=True):
        assert np.array_equal(kept.image, again.image), f'frame {kept.index}'


def test_every_frame_is_drawn_before_an_overlapped_play_ends(clip):
    class Slow:
        """A pipeline and an overlay that only count."""

        model, settings, drawn = None, type('', (), {'threads': 1}), 0
        clock = StageClock()

        def look(self, frame):
            return Looked(frame, (), frozenset(), {})

        def settle(self, looked, intrinsics):
            return [Placed(looked.frame, ['hand'], intrinsics)]

        def flush(self):
            return []

        def jump(self):
            pass

        def draw(self, image, hands, intrinsics):
            time.sleep(0.005)
            self.drawn += 1

    slow = Slow()
    played = Overlapped.__new__(Overlapped)
    played.clip, played.pipeline, played.overlay, played.intrinsics = clip, slow, slow, clip.intrinsics
    result = played.play()
    assert (slow.drawn, result.frames, result.full) == (12, 12, 12)
    assert result.wall >= 12 * 0.005, 'drawing the last frames belongs to the time'


@pytest.mark.parametrize('size, inside', [
    ((640, 480), (0, 60, 640, 360)), ((320, 320), (0, 70, 320, 180)), ((2560, 1440), (0, 0, 2560, 1440))])
def test_pictures_keep_their_proportions_in_another_size(size, inside):
    out = fitted((1280, 720), size)(np.full((720, 1280, 3), 200, np.uint8))
    assert out.shape == (size[1], size[0], 3)
    rows, columns = np.flatnonzero(out.any((1, 2))), np.flatnonzero(out.any((0, 2)))
    assert (columns[0], rows[0], len(columns), len(rows)) == inside


@pytest.mark.parametrize('options, said', [
    (['--clip', 'no-such-clip.mp4'], 'There is no clip'),
    (['--json', 'no/such/folder/bench.json'], 'does not exist'),
    (['--plot', 'no/such/folder/bench.png'], 'does not exist'),
    (['--plot', 'bench.pdf'], 'PNG'),
    (['--weights', 'no-such-network.onnx'], 'do not exist'),
    (['--frames', '1'], 'at least 2'),
    (['--start', '100000'], 'frame'),
])
def test_what_cannot_be_measured_is_refused_in_a_sentence(options, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main.main(['bench', *options]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.err.count('\n') == 1 and told.out == '', told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('options', [['--frames', '0'], ['--start', '-1'], ['--rounds', '0'], ['--hands', '3'], ['--hands', '1,1'],
                                     ['--threads', ''], ['--size', '640'], ['--size', '0x480'], ['--provider', 'npu']])
def test_options_that_make_no_sense_are_refused(options, capsys):
    with pytest.raises(SystemExit) as end:
        main.main(['bench', *options])
    assert end.value.code == 2 and options[0] in capsys.readouterr().err


def test_a_clip_without_a_hand_is_refused(tmp_path, capsys):
    folder = tmp_path / 'empty'
    folder.mkdir()
    for i in range(4):
        cv2.imwrite(str(folder / f'{i:04d}.png'), np.full((120, 160, 3), 40 * i, np.uint8))
    assert main.main(['bench', '--clip', str(folder)]) == 2
    assert 'No hand was found' in capsys.readouterr().err


def test_a_single_picture_is_no_clip(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'one.png'), np.zeros((120, 160, 3), np.uint8))
    assert main.main(['bench', '--clip', str(tmp_path / 'one.png')]) == 2
    assert 'is a picture' in capsys.readouterr().err


@pytest.mark.skipif(has_nvidia_device() or shutil.which('nvidia-smi') is not None, reason='there is a GPU')
@pytest.mark.parametrize('provider', ['cuda', 'tensorrt'])
def test_a_provider_that_is_not_there_is_refused_with_the_reason(provider, capsys):
    assert main.main(['bench', '--provider', provider]) == 2
    error = capsys.readouterr().err
    assert 'was asked for' in error and ('no NVIDIA driver' in error or 'pip install' in error) and '--provider cpu' in error, error


def test_a_provider_whose_package_is_missing_is_refused_with_its_name(monkeypatch, capsys):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CPUExecutionProvider'])
    assert main.main(['bench', '--provider', 'cuda']) == 2
    assert 'pip install onnxruntime-gpu' in capsys.readouterr().err


def test_a_real_clip_is_read_from_a_folder_of_pictures(shared_data):
    read = read_clip(Path(shared_data) / 'clips' / 'val' / 'w_nhhuy__20', 5)
    assert (read.size, read.hands, len(read.frames)) == ((640, 480), 1, 5)
