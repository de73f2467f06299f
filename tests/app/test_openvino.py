"""OpenVINO answers what ONNX Runtime answers, faster; it is left where it is missing or fails, and it is silent on the network."""
from __future__ import annotations

import gc
import importlib.util
import os
import signal
import subprocess
import sys
import weakref
from dataclasses import fields
from hashlib import sha256
from pathlib import Path

import av
import numpy as np
import onnxruntime
import pytest

from app import openvino_session, regression
from app.crop import crop_from_points, cut
from app.errors import InputError
from app.graph_cache import KeptGraph
from app.openvino_parts import FRONT, HEAD, LAST, POINTS, TRUNK, parts_of
from app.openvino_session import import_openvino, openvino_pays
from app.regression import FIRST, LAST as LAST_ANSWERS, OUTPUTS, SKIN, WEIGHTS, Prediction, Regressor
from tests.app.test_regression import META, tiny_network
from tests.export.tiny_graph import METADATA, SIZE, tiny_graph

ROOT = Path(__file__).resolve().parent.parent.parent
CROPS = np.random.default_rng(0).integers(0, 255, (3, SIZE, SIZE, 3), np.uint8)
NUMBERS = [field.name for field in fields(Prediction)]
needs_openvino = pytest.mark.skipif(importlib.util.find_spec('openvino') is None, reason='openvino is not installed')


@pytest.fixture
def network(tmp_path) -> Path:
    return tiny_graph(tmp_path / 'tiny.onnx')


@pytest.fixture
def kept(tmp_path, monkeypatch) -> Path:
    """The folder where even tiny networks are kept."""
    monkeypatch.setenv('S2HAND_CACHE', str(tmp_path / 'große Ablage'))
    monkeypatch.setattr(openvino_session, 'KeptGraph', lambda graph, runtime, ending: KeptGraph(graph, runtime, smallest=0, ending=ending))
    return tmp_path / 'große Ablage' / 'graphs'


@pytest.fixture(scope='module')
def hand_crops(demo_clip) -> np.ndarray:
    """(8, 224, 224, 3): the right hand of the bundled clip, from all over it."""
    with np.load(demo_clip.with_name('demo_truth.npz')) as truth:
        points = truth['joints_2d']
    with av.open(str(demo_clip)) as clip:
        pictures = [frame.to_ndarray(format='rgb24') for frame in clip.decode(video=0)]
    seen = [i for i in range(len(pictures)) if np.isfinite(points[i]).all()]
    return np.stack([cut(pictures[i], crop_from_points(points[i], 'right', 224)) for i in seen[::len(seen) // 8][:8]])


class PlayedSession:
    """OpenVINO as it is where it does not work: it fails, or its answers are no numbers."""

    def __init__(self, graph: bytes, how: str) -> None:
        if how == 'creation':
            raise RuntimeError('no such kernel')
        if how == 'memory':
            raise RuntimeError('std::bad_alloc: out of memory')
        if how == 'too old':
            raise AttributeError("module 'openvino' has no attribute 'opset13'")
        self._how, self._real = how, onnxruntime.InferenceSession(graph, providers=['CPUExecutionProvider'])

    def __getattr__(self, name: str):
        return getattr(self._real, name)

    def get_providers(self) -> list[str]:
        return ['OpenVINOExecutionProvider']

    def run(self, names, inputs):
        if self._how == 'run':
            raise RuntimeError('no such kernel')
        return [np.full_like(value, np.nan) for value in self._real.run(names, inputs)]


def differences(found: list[Prediction], expected: list[Prediction]) -> dict[str, float]:
    """The largest difference in each of a prediction's numbers."""
    return {name: max(float(np.abs(np.asarray(getattr(a, name)) - getattr(b, name)).max()) for a, b in zip(found, expected, strict=True))
            for name in NUMBERS if getattr(expected[0], name) is not None}


def test_where_it_is_not_installed_the_package_is_named(network, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    regressor = Regressor(network, 'openvino', 1)
    assert regressor.provider == 'CPU' and len(regressor(CROPS)) == 3
    assert 'pip install openvino' in regressor.note, f'the note says {regressor.note!r}'


def test_automatic_without_it_is_onnx_runtime_and_needs_no_words(network, monkeypatch):
    monkeypatch.setattr(regression, 'has_nvidia_device', lambda: False)
    monkeypatch.setitem(sys.modules, 'openvino', None)
    assert not openvino_pays()
    regressor = Regressor(network, 'auto', 1)
    assert (regressor.provider, regressor.note) == ('CPU', '')


@pytest.mark.parametrize(('how', 'said'), [
    ('creation', 'no such kernel'), ('run', 'no such kernel'), ('numbers', 'no numbers'), ('memory', 'not enough free memory'),
    ('too old', 'opset13')])
@pytest.mark.parametrize('provider', ['openvino', 'auto'])
def test_where_it_fails_onnx_runtime_goes_on_and_that_is_said(network, monkeypatch, provider, how, said):
    monkeypatch.setattr(regression, 'has_nvidia_device', lambda: False)
    monkeypatch.setattr(regression, 'openvino_pays', lambda: True)
    monkeypatch.setattr(regression, 'OpenVinoSession', lambda graph, *_: PlayedSession(graph, how))
    regressor = Regressor(network, provider, 1)
    assert regressor.provider == ('OpenVINO' if how in ('run', 'numbers') else 'CPU')
    worst = max(differences(regressor(CROPS), Regressor(network, 'cpu', 1)(CROPS)).values())
    assert worst == 0 and regressor.provider == 'CPU', f'ONNX Runtime answered something else, by {worst:.3g}'
    assert said in regressor.note and 'ONNX Runtime' in regressor.note and regressor.note.startswith('OpenVINO'), regressor.note


def test_automatic_with_one_that_is_broken_says_so(network, monkeypatch):
    def broken() -> bool:
        raise ImportError('libopenvino.so: cannot open shared object file', name='openvino._pyopenvino')

    monkeypatch.setattr(regression, 'has_nvidia_device', lambda: False)
    monkeypatch.setattr(regression, 'openvino_pays', broken)
    regressor = Regressor(network, 'auto', 1)
    assert regressor.provider == 'CPU' and 'libopenvino.so' in regressor.note, f'the note says {regressor.note!r}'


@needs_openvino
@pytest.mark.parametrize('machine, taken', [('x86_64', True), ('AMD64', True), ('aarch64', False), ('arm64', False)])
def test_automatic_takes_it_where_it_was_measured(network, monkeypatch, machine, taken):
    monkeypatch.setattr(regression, 'has_nvidia_device', lambda: False)
    monkeypatch.setattr(openvino_session.platform, 'machine', lambda: machine)
    regressor = Regressor(network, 'auto', 1)
    assert (regressor.provider, regressor.note) == ('OpenVINO' if taken else 'CPU', '')


@needs_openvino
@pytest.mark.parametrize('can', [['WINOGRAD', 'FP32'], ['FP32']], ids=['AVX-512', 'AVX2'])
def test_on_processors_without_bfloat16_it_answers_in_float32(hand_crops, monkeypatch, can):
    monkeypatch.setattr(openvino_session, 'capabilities', lambda openvino: can)
    found, expected = Regressor(WEIGHTS, 'openvino', 1), Regressor(WEIGHTS, 'cpu', 1)
    assert found.provider == 'OpenVINO', found.note
    worst = differences(found(hand_crops[:2]), expected(hand_crops[:2]))
    assert worst['points'] < 0.01 and worst['pose'] < 1e-3 and worst['texture'] < 0.01, f'beside ONNX Runtime in float32: {worst}'


@needs_openvino
def test_a_tiny_network_answers_the_same_but_for_rounding(network):
    regressor = Regressor(network, 'openvino', 1)
    assert regressor.provider == 'OpenVINO' and not regressor.note, regressor.note
    for found, expected in zip(regressor(CROPS), Regressor(network, 'cpu', 1)(CROPS)):
        apart = float(np.abs(found.points - expected.points).max() / np.abs(expected.points).max())
        assert apart < 0.03, f'points are {apart:.3f} of the largest apart; bfloat16 has eight bits'
        assert found.texture.shape == expected.texture.shape


@needs_openvino
def test_the_network_that_ships_answers_the_same_but_for_rounding(hand_crops):
    """bfloat16 has eight bits: 0.1 to 0.3 of the crop's 224 pixels and 0.2 to 0.6 mm are usual on real hands, which no eye sees."""
    found, expected = Regressor(WEIGHTS, 'openvino', 1), Regressor(WEIGHTS, 'cpu', 1)
    assert found.provider == 'OpenVINO', found.note
    names = ('joints_2d', 'points', 'joints_3d', 'vertices', 'texture')
    batch = regression._batch(hand_crops)
    ours, theirs = (dict(zip(names, regressor.session.run(names, {'crop': batch}))) for regressor in (found, expected))
    for name in ('joints_2d', 'points'):
        apart = np.linalg.norm((ours[name] - theirs[name])[..., :2], axis=-1).mean(1)
        assert apart.mean() < 0.4 and apart.max() < 1, f'{name} are {apart.mean():.2f}, at worst {apart.max():.2f} pixels apart'
    for name in ('joints_3d', 'vertices'):
        one, other = (answer[name] - answer['joints_3d'][:, :1] for answer in (ours, theirs))
        apart = 1e3 * np.linalg.norm(one - other, axis=-1).mean(1)
        assert apart.mean() < 1 and apart.max() < 2, f'{name} are {apart.mean():.2f}, at worst {apart.max():.2f} mm apart'
    apart = float(np.abs(ours['texture'] - theirs['texture']).mean())
    assert apart < 0.01, f'textures are {255 * apart:.1f} of 255 apart'


@needs_openvino
def test_all_but_the_texture_is_the_same_without_it():
    regressor, crops = Regressor(WEIGHTS, 'openvino', 2), np.random.default_rng(0).integers(0, 255, (1, 224, 224, 3), np.uint8)
    regressor(crops), regressor(255 - crops)
    without, = regressor(crops, textured=False)
    assert without.texture is without.light is None
    worst = differences(regressor(crops), [without])
    assert max(worst.values()) == 0, f'without the texture others differ: {worst}'


@needs_openvino
@pytest.mark.parametrize('threads', [1, 2])
def test_crops_at_once_are_answered_as_each_alone(hand_crops, threads):
    regressor, hand_crops = Regressor(WEIGHTS, 'openvino', threads), hand_crops[:7]  # three pairs and one more
    one_by_one = regressor(hand_crops)
    regressor.settle()
    assert [group.network.crops for group in regressor.begin(hand_crops).rest.groups] == [2, 2, 2, 1]
    assert max(differences(regressor(hand_crops), one_by_one).values()) < 0.5, 'answers leap when crops begin to go two by two'
    worst = differences(regressor(hand_crops), [regressor(crop[None])[0] for crop in hand_crops])
    assert worst['points'] < 0.5 and worst['translation'] < 2e-3, f'at once the answers differ by {worst}'
    again = differences(regressor(hand_crops), regressor(hand_crops))
    assert max(again.values()) == 0, f'the same crops are answered differently: {again}'


@needs_openvino
@pytest.mark.parametrize('harm', ['missing', 'foreign', 'other network'])
def test_where_the_network_for_two_crops_cannot_be_made_one_follows_another(tmp_path, harm):
    regressor = Regressor(tiny_graph(tmp_path / 'tiny.onnx'), 'openvino', 1)
    if harm == 'missing':
        regressor.path.unlink()
    elif harm == 'foreign':
        regressor.path.write_bytes(b'not a network')
    else:
        tiny_graph(regressor.path, metadata=METADATA | {'checkpoint': 'other'})
    first = regressor(CROPS)
    assert regressor.session._two.exception(60) is not None
    assert max(differences(regressor(CROPS), first).values()) == 0 and regressor.provider == 'OpenVINO' and not regressor.note


@needs_openvino
def test_crops_that_were_begun_with_are_not_touched_by_those_that_come_after(hand_crops):
    """Nothing is copied between the halves: each group that is under way has tensors of its own."""
    regressor = Regressor(None, 'openvino', 1)
    expected = [regressor(crop[None])[0] for crop in hand_crops[:4]]
    begun = [regressor.begin(crop[None]) for crop in hand_crops[:4]]
    found = [regressor.finish(one)[0] for one in begun[::-1]][::-1]
    assert max(differences(found, expected).values()) == 0
    assert len(regressor.session._one._free) == 4, 'ways that were used are not used again'
    del begun
    regressor(hand_crops[:1])
    assert len(regressor.session._one._free) == 4


@needs_openvino
@pytest.mark.parametrize('make', [
    lambda path: path.write_bytes(b'not a network'), lambda path: path.write_bytes(b''),
    lambda path: tiny_network(path, outputs=('points', 'presence')), lambda path: tiny_network(path, meta={'name': 'x'}),
    lambda path: tiny_network(path, meta=META | {'version': '7'}), lambda path: tiny_network(path, meta=META | {'size': 'big'}),
    lambda path: tiny_network(path, meta=META | {'hand_model': 'other'}), lambda path: None],
    ids=['no network', 'empty', 'lacks answers', 'lacks metadata', 'version', 'size', 'hand model', 'missing'])
def test_what_is_wrong_with_a_file_is_told_in_the_same_words(tmp_path, make):
    make(tmp_path / 'a.onnx')
    told = []
    for provider in ('openvino', 'cpu'):
        with pytest.raises(InputError) as raised:
            Regressor(tmp_path / 'a.onnx', provider, 1, hand_model_hash='abc')
        told.append(str(raised.value))
    assert told[0] == told[1]


@needs_openvino
def test_a_network_that_nobody_holds_is_let_go_at_once(network):
    regressor = Regressor(network, provider='openvino')
    session = weakref.ref(regressor.session)
    gc.disable()  # what holds itself in a circle would stay until then
    try:
        del regressor
        assert session() is None, 'a circle holds the session of a network that is no longer used'
    finally:
        gc.enable()


@needs_openvino
def test_names_and_size_are_read_without_onnx_runtime(network):
    ours, theirs = Regressor(network, 'openvino', 1), Regressor(network, 'cpu', 1)
    assert ours._spare is None, 'ONNX Runtime was opened, though it is not needed'
    for name in ('name', 'version', 'precision', 'size', 'focal'):
        assert getattr(ours, name) == getattr(theirs, name)


@needs_openvino
def test_a_network_is_cut_into_parts_that_give_all_its_answers(network):
    openvino = import_openvino()
    model = openvino.Core().read_model(network.read_bytes())
    model.reshape([1, 3, SIZE, SIZE])
    parts = {part.name: part for part in parts_of(openvino, model, LAST_ANSWERS, FIRST)}
    kinds = {name: {node.get_type_name() for node in part.model.get_ops()} for name, part in parts.items()}
    assert [*parts] == [FRONT, POINTS, HEAD, LAST] and list(parts[FRONT].inputs) == ['crop']
    assert 'Convolution' in kinds[FRONT] and 'MatMul' not in kinds[FRONT]
    assert 'Convolution' not in kinds[POINTS] | kinds[HEAD] | kinds[LAST]
    assert set(parts[POINTS].outputs) == {*FIRST} and set(parts[LAST].outputs) == {*LAST_ANSWERS}
    assert {*OUTPUTS} - {*SKIN, *FIRST} <= {*parts[HEAD].outputs}


@needs_openvino
def test_the_points_of_the_network_that_ships_do_not_wait_for_the_meshs_convolutions():
    openvino = import_openvino()
    model = openvino.Core().read_model(WEIGHTS)
    model.reshape([1, 3, 224, 224])
    parts = {part.name: part.model for part in parts_of(openvino, model, LAST_ANSWERS, FIRST)}
    convolutions = {name: sum('Convolution' in node.get_type_name() for node in model.get_ops()) for name, model in parts.items()}
    assert [*parts] == [FRONT, POINTS, TRUNK, HEAD, LAST]
    assert convolutions[FRONT] > 40 and convolutions[TRUNK] > 12 and not convolutions[HEAD], convolutions


@needs_openvino
@pytest.mark.parametrize('usual, taken', [(1, 1), (2, 1), (4, 2)])
def test_it_leaves_half_of_the_cores_to_the_other_stages_unless_told(network, monkeypatch, usual, taken):
    monkeypatch.setattr(regression, 'usual_threads', lambda: usual)
    assert Regressor(network, 'openvino').threads == taken
    assert Regressor(network, 'openvino', 4).threads == 4 and Regressor(network, 'cpu').threads == usual


@needs_openvino
@pytest.mark.parametrize('threads', [1, 2])
def test_crops_begun_with_one_after_the_other_can_be_finished_later(hand_crops, threads):
    regressor = Regressor(None, 'openvino', threads)
    groups = [hand_crops[:1], hand_crops[1:2], hand_crops[2:4], hand_crops[4:5]]
    whole = [regressor(crops) for crops in groups]
    begun = [regressor.begin(crops) for crops in groups]
    for one, expected in zip(begun, whole):
        for (points, presence, right), prediction in zip(one.first, expected, strict=True):
            assert np.array_equal(points, prediction.points) and (presence, right) == (prediction.presence, prediction.right)
    later = [regressor.finish(one) for one in begun]
    for found, expected in zip(later, whole):
        apart = differences(found, expected)
        assert max(apart.values()) == 0, apart


@needs_openvino
def test_a_failure_in_the_second_half_is_mended_as_one_in_the_first(hand_crops, monkeypatch):
    regressor = Regressor(None, 'openvino', 1)
    begun = regressor.begin(hand_crops[:1])
    monkeypatch.setattr(openvino_session.OpenVinoSession, 'finish', lambda self, begun: 1 / 0)
    found = regressor.finish(begun)
    assert regressor.provider == 'CPU' and 'OpenVINO' in regressor.note, regressor.note
    expected = Regressor(None, 'cpu', 1)(hand_crops[:1])
    assert max(differences(found, expected).values()) < 1e-3


@needs_openvino
def test_what_it_made_of_a_network_is_kept_and_gives_the_same_answers(network, kept, monkeypatch):
    regressor = Regressor(network, 'openvino', 2)
    first = regressor(CROPS)
    regressor.settle()
    files = sorted(kept.iterdir())
    assert len(files) == 2, 'one for a single crop, one for two'
    monkeypatch.setattr(openvino_session, 'parts_of', lambda *arguments: pytest.fail('the network was cut again'))
    again = Regressor(network, 'openvino', 2)
    assert again.provider == 'OpenVINO' and not again.note
    again(CROPS), again.settle()
    assert max(differences(again(CROPS), first).values()) < 1e-6 and sorted(kept.iterdir()) == files


@needs_openvino
@pytest.mark.parametrize('harm', ['cut', 'foreign', 'other form'])
def test_a_kept_file_that_cannot_be_used_is_made_anew(network, kept, harm):
    first = Regressor(network, 'openvino', 1)(CROPS[:1])
    file, = kept.iterdir()
    if harm == 'cut':
        file.write_bytes(file.read_bytes()[:-1000])
    else:  # whole by its name
        content = b'not a network' if harm == 'foreign' else b'{"metadata": {}, "outputs": [], "parts": [["trunk", [], [], 9]]}\n'
        file.unlink()
        file = file.with_name(f'{file.stem.split("-")[0]}-{sha256(content).hexdigest()}.openvino')
        file.write_bytes(content)
    regressor = Regressor(network, 'openvino', 1)
    assert regressor.provider == 'OpenVINO' and not regressor.note, regressor.note
    assert max(differences(regressor(CROPS[:1]), first).values()) == 0 and file not in kept.iterdir()


@needs_openvino
@pytest.mark.slow
def test_it_makes_no_network_call_and_loads_nothing_that_would(tmp_path):
    """With OpenVINO's telemetry installed, as pip does it; a stand-in tells whether it was imported."""
    told = tmp_path / 'imported'
    (tmp_path / 'openvino_telemetry').mkdir()
    (tmp_path / 'openvino_telemetry' / '__init__.py').write_text(f'open({str(told)!r}, "w").close()')
    program = """
import sys
import numpy as np
from app.regression import Regressor
regressor = Regressor(provider='openvino', threads=1)
assert len(regressor(np.zeros((2, 224, 224, 3), np.uint8))) == 2
assert sys.modules['openvino_telemetry'] is None
assert 'onnxruntime' not in sys.modules
print(regressor.provider)
"""
    environment = {name: value for name, value in os.environ.items() if name != 'ORT_DISABLE_TELEMETRY'}
    paths = os.pathsep.join([str(tmp_path), str(ROOT), environment.get('PYTHONPATH', '')])
    result = subprocess.run([sys.executable, str(ROOT / 'tests' / 'network_guard.py'), sys.executable, '-c', program], timeout=300,
                            env={**environment, 'PYTHONPATH': paths}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode == 77:
        pytest.skip('this system takes no seccomp filter, so programs cannot be watched')
    assert result.returncode != -signal.SIGSYS, f'OpenVINO opened a network socket: {result.stderr[-1000:]}'
    assert (result.returncode, result.stdout.strip()) == (0, 'OpenVINO'), result.stderr[-1000:]
    assert not told.exists(), 'the telemetry was imported'
