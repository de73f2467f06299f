"""`main.py live`: options that contradict each other, no display, and the way without a window."""
from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import InputError
from app.live import headless
from app.live.settings import LiveSettings, ViewSettings
from app.window import command


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(arguments)


@pytest.fixture
def run_without(monkeypatch):
    """Runs a command line whose pipeline does nothing; the arguments that it got."""
    def run(*arguments: str) -> argparse.Namespace:
        got = []
        monkeypatch.setattr(headless, 'run_headless', lambda args: got.append(args) or 0)
        assert command.run(parsed(*arguments)) == 0
        return got[0]

    return run


@pytest.mark.parametrize('arguments,word', [
    (['--no-display'], '--source'),
    (['--max-frames', '3'], '--no-display'),
    (['--json', 'x.json'], '--no-display'),
    (['--view', '640x480'], '--no-display'),
    (['--fov', '70', '--intrinsics', 'camera.json'], '--fov'),
    (['--intrinsics', 'nowhere/camera.json'], 'nowhere/camera.json'),
    (['--weights', 'nowhere/hand.onnx'], 'nowhere/hand.onnx')])
def test_what_contradicts_or_is_missing_is_one_sentence(monkeypatch, arguments, word):
    monkeypatch.setattr(command, 'why_no_display', lambda: pytest.fail('the display was looked for before the options were read'))
    with pytest.raises(InputError) as caught:
        command.run(parsed(*arguments))
    assert word in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize('arguments', [['--opacity', '2'], ['--fov', '500'], ['--view', 'large'], ['--view', '4x4'], ['--hands', '3'],
                                       ['--threads', '0'], ['--seconds', '-1'], ['--max-frames', '0'], ['--style', 'pretty']])
def test_values_that_make_no_sense_are_refused(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        parsed(*arguments)
    assert caught.value.code == 2 and arguments[0] in capsys.readouterr().err


def test_without_a_display_it_says_so_and_how_to_do_without(monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'linux')
    for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'QT_QPA_PLATFORM'):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match='--no-display'):
        command.run(parsed())


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='other systems always have a display')
def test_a_display_that_does_not_answer_is_said(monkeypatch):
    monkeypatch.delenv('QT_QPA_PLATFORM', raising=False)
    monkeypatch.setenv('DISPLAY', ':4321')
    with pytest.raises(InputError, match=':4321'):
        command.run(parsed())


def test_every_setting_can_be_typed_and_reaches_the_pipeline(run_without, root):
    camera = root / 'assets' / 'demo' / 'demo_camera.json'
    weights = root / 'assets' / 'weights' / 's2hand-lite.onnx'
    args = run_without('--no-display', '--source', 'clip.mp4', '--max-frames', '9', '--json', 'out.json', '--style', 'skeleton',
                       '--opacity', '0.5', '--no-mirror', '--view', '320x200', '--hands', '2', '--intrinsics', str(camera),
                       '--weights', str(weights),
                       '--provider', 'cpu', '--threads', '1', '--no-refine', '--smoothing', '0.25', '--no-ahead', '--no-lock',
                       '--seconds', '2')
    assert args.settings == LiveSettings('skeleton', 0.5, False, ViewSettings(320, 200), 0.25, False, False, False,
                                         LiveSettings().field_of_view, camera, weights, 'cpu', 1, 2)
    assert (args.source, args.max_frames, args.json, args.seconds) == ('clip.mp4', 9, Path('out.json'), 2.0)
    assert {*command.SETTINGS} | {'view'} == {*LiveSettings.names()}, 'a setting has no option'


def test_what_is_not_typed_is_as_usual(run_without):
    args = run_without('--no-display', '--source', '0')
    assert args.settings == LiveSettings() and args.max_frames is args.json is args.seconds is None
    assert run_without('--no-display', '--source', '0', '--view', 'off').settings.view.width == 0


def test_the_options_are_read_without_qt_and_without_what_is_slow(root):
    script = ('import sys, argparse\nfrom app.window import command\nparser = argparse.ArgumentParser()\ncommand.add_arguments(parser)\n'
              'parser.format_help()\nprint(sorted({"PyQt5", "mediapipe", "onnxruntime", "av", "trimesh", "cv2"} & {*sys.modules}))')
    result = subprocess.run([sys.executable, '-c', script], cwd=root, capture_output=True, text=True)
    assert result.stdout.strip() == '[]', f'reading the options loaded {result.stdout}{result.stderr[-1000:]}'
