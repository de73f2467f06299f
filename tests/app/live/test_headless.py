"""The live pipeline without a window: a file at its own speed, and the table."""
from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from app.errors import InputError
from app.live.headless import run_headless, run_live, table
from app.live.settings import LiveSettings, ViewSettings
from tests.app.made_clips import write_clip

SETTINGS = LiveSettings(provider='cpu', view=ViewSettings(width=64, height=64))


def arguments(**given) -> Namespace:
    return Namespace(**{'source': None, 'max_frames': None, 'seconds': None, 'json': None, 'settings': SETTINGS, **given})


def test_the_figures_are_printed_and_written(demo_clip, tmp_path, capsys):
    file = tmp_path / 'live.json'
    assert run_headless(arguments(source=str(demo_clip), seconds=2.5, json=str(file))) == 0
    report = json.loads(file.read_text())
    printed = capsys.readouterr().out
    assert report['with_hand'] > 0 and report['provider'] == 'CPU'
    assert {'network', 'overlay', 'view'} <= set(report['stage_ms'])
    assert 0 < report['latency_ms']['p50'] <= report['latency_ms']['p95']
    assert report['shown'] + sum(report['dropped'][c] for c in ('network', 'drawing', 'screen')) == report['delivered']
    for word in ('shown', 'latency', 'dropped', 'network', 'p95', 'CPU'):
        assert word in printed, f'{word!r} is not in the table:\n{printed}'


def test_a_clip_is_played_at_its_own_speed(demo_clip):
    seen = []
    run_live(demo_clip, SETTINGS, seconds=2.5, watch=lambda shown: seen.append((shown.frame.time, shown.frame.captured)))
    (first_time, first), (last_time, last) = seen[0], seen[-1]
    speed = (last_time - first_time) / (last - first)
    assert 0.7 < speed < 1.4, f'{last_time - first_time:.2f} s of the clip took {last - first:.2f} s'


def test_it_ends_with_the_file_or_after_so_many_pictures(tmp_path):
    clip = write_clip(tmp_path / 'short.mp4', 12)
    assert run_live(clip, SETTINGS).delivered == 12
    assert run_live(clip, SETTINGS, max_frames=3).shown == 3


def test_one_picture_gives_a_table_without_rates(demo_frames, tmp_path):
    from PIL import Image

    file = tmp_path / 'hand.png'
    Image.fromarray(demo_frames[0].image).save(file)
    report = run_live(file, SETTINGS, seconds=5, max_frames=1)
    assert report.shown == 1 and report.shown_fps is None
    assert 'hand.png' in table(report)


@pytest.mark.parametrize('source, told', [(None, '--source'), ('/nowhere/clip.mp4', 'no file or folder'), ('camera:99', 'camera 99')])
def test_a_source_that_cannot_be_used_is_one_sentence(source, told):
    with pytest.raises(InputError, match=told):
        run_headless(arguments(source=source))


def test_a_network_that_is_missing_is_one_sentence(demo_clip, tmp_path):
    with pytest.raises(InputError, match='do not exist'):
        run_headless(arguments(source=str(demo_clip), settings=LiveSettings(weights=tmp_path / 'none.onnx')))


def test_the_engine_loads_in_a_process_without_torch_qt_or_anything_slow(root: Path):
    script = ('import sys, app.live.engine\n'
              'print(sorted({"torch", "PyQt5", "mediapipe", "onnxruntime", "trimesh", "pyrender", "av"} & set(sys.modules)))')
    result = subprocess.run([sys.executable, '-c', script], cwd=root, capture_output=True, text=True)
    assert result.stdout.strip() == '[]', f'importing the engine also loads {result.stdout} {result.stderr[-800:]}'
