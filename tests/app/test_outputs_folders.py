"""The output folder, the report, the settings and single pictures: usable before the work begins, strictly valid, whole or not at all."""
from __future__ import annotations

import json
from collections import namedtuple
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest

import app.outputs.folder as folder_module
from app.errors import InputError
from app.outputs.folder import prepare_folder, remove_others, result_folders
from app.outputs.picture import write_picture
from app.outputs.report import Report, stage_percentiles, versions, write_report, write_settings
from app.sources import open_source


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(('inputs', 'expected'), [
    (['clip.mp4'], ['clip']), (['a/clip.mp4', 'b/clip.mov', 'c/Clip.avi'], ['clip', 'clip_2', 'Clip_3']),
    (['Händé 手.mp4'], ['Händé 手']),
    (['my clip.final.mp4'], ['my clip.final']), (['é.mp4', 'e\u0301.mp4'], ['é', 'e\u0301_2']), ([0, '1'], ['camera 0', 'camera 1']),
    (['clip', 'clip_2', 'clip'], ['clip', 'clip_2', 'clip_3']), (['.mp4'], ['mp4']), (['...'], ['input']),
])
def test_each_input_has_a_folder_of_its_own_named_after_it(tmp_path, monkeypatch, inputs, expected):
    monkeypatch.chdir(tmp_path)
    assert [folder.name for folder in result_folders(tmp_path / 'out', inputs)] == expected


def test_a_folder_of_pictures_keeps_its_whole_name(tmp_path):
    (tmp_path / 'take.1').mkdir()
    assert result_folders(tmp_path / 'out', [tmp_path / 'take.1'])[0].name == 'take.1'


def test_the_folder_is_made_and_left_empty(tmp_path):
    folder = prepare_folder(tmp_path / 'a' / 'Händé 手 🖐')
    assert folder.is_dir() and names(folder) == []
    assert prepare_folder(folder) == folder, 'a second run may use it again'


def test_a_folder_that_may_not_be_made_or_written_is_refused(tmp_path, unprivileged):
    (tmp_path / 'locked').mkdir(mode=0o755)
    with unprivileged():
        with pytest.raises(InputError, match='may not'):
            prepare_folder(tmp_path / 'locked' / 'clip')
        with pytest.raises(InputError, match='may not'):
            prepare_folder(tmp_path / 'locked')


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path):
    (tmp_path / 'out').write_text('')
    for folder in (tmp_path / 'out', tmp_path / 'out' / 'clip'):
        with pytest.raises(InputError, match='a file is in its place'):
            prepare_folder(folder)


def test_too_little_space_is_said_before_the_work_begins(tmp_path, monkeypatch):
    usage = namedtuple('usage', 'total used free')
    monkeypatch.setattr(folder_module.shutil, 'disk_usage', lambda path: usage(10 ** 9, 10 ** 9 - 3_000_000, 3_000_000))
    with pytest.raises(InputError, match='Only 3 MB are free'):
        prepare_folder(tmp_path / 'clip')


def test_a_full_disk_is_said_before_the_work_begins(small_disk):
    with pytest.raises(InputError, match='Only 1 MB'):
        prepare_folder(small_disk / 'clip')
    with pytest.raises(OSError), (small_disk / 'filler').open('wb', buffering=0) as filler:
        while filler.write(b'\0' * 4096):
            pass
    with pytest.raises(InputError, match='disk is full'):
        prepare_folder(small_disk, needed=0)


def test_results_never_go_among_the_pictures_they_come_from(tmp_path):
    (tmp_path / 'frames').mkdir()
    with pytest.raises(InputError, match='among the pictures'):
        prepare_folder(result_folders(tmp_path, [tmp_path / 'frames'])[0], tmp_path / 'frames')


def test_results_of_an_earlier_run_do_not_mix_with_this_ones(tmp_path):
    for name in ('overlay.mp4', 'hands.npz', 'my notes.txt'):
        (tmp_path / name).write_text('')
    (tmp_path / 'meshes').mkdir()
    (tmp_path / 'meshes' / '000000_right.obj').write_text('')
    remove_others(tmp_path, {'hands.npz'})
    assert names(tmp_path) == ['hands.npz', 'my notes.txt']


REPORT = Report(120, 118, 31.5, {'detect': {'p50': 4.5, 'p95': 6.0}}, 2.1, 1.9, 'CPUExecutionProvider', 'open', versions(),
                ('the video is cut: 57 of 120 frames could be read',))


def test_the_report_has_the_promised_keys_and_is_plain_json(tmp_path):
    write_report(tmp_path / 'report.json', REPORT)
    report = json.loads((tmp_path / 'report.json').read_text('utf-8'))
    assert list(report) == ['frames', 'frames_with_hand', 'fps', 'stage_ms', 'reprojection_px', 'reprojection_percent', 'provider', 'model',
                            'versions', 'sequence', 'warnings', 'pictures']
    assert list(report) == [f.name for f in fields(Report)] and report['stage_ms']['detect'] == {'p50': 4.5, 'p95': 6.0}
    assert {'python', 'numpy', 'av', 'mediapipe', 'opencv-python'} <= set(report['versions'])


def test_numbers_that_are_none_become_null_and_not_invalid_json(tmp_path):
    write_report(tmp_path / 'report.json', Report(3, 0, None, {}, float('nan'), np.float32('inf'), 'CPU', 'open', {}))
    text = (tmp_path / 'report.json').read_text('utf-8')
    report = json.loads(text, parse_constant=lambda constant: pytest.fail(f'{constant} is no JSON'))
    assert report['reprojection_px'] is None and report['reprojection_percent'] is None and report['frames_with_hand'] == 0


def test_percentiles_of_stages_are_those_of_the_samples():
    got = stage_percentiles({'detect': list(range(101)), 'never ran': []})
    assert got == {'detect': {'p50': 50.0, 'p95': 95.0}}


@dataclass(frozen=True)
class Nested:
    scale: np.ndarray
    path: Path


@dataclass(frozen=True)
class Settings:
    name: str
    sizes: tuple[int, ...]
    nested: Nested
    missing: float | None = None


def test_settings_of_any_kind_are_written_readably(tmp_path):
    write_settings(tmp_path / 'settings.json', Settings('Händé', (1, np.int64(2)), Nested(np.array([0.5, 1.0]), Path('a/b'))))
    text = (tmp_path / 'settings.json').read_text('utf-8')
    nested = {'scale': [0.5, 1.0], 'path': str(Path('a/b'))}
    assert json.loads(text) == {'name': 'Händé', 'sizes': [1, 2], 'nested': nested, 'missing': None}
    assert 'Händé' in text and text.endswith('\n')


@pytest.mark.parametrize('write', [
    lambda path: write_report(path, REPORT), lambda path: write_picture(path.with_suffix('.jpg'), np.zeros((300, 300, 3), np.uint8))])
def test_a_full_disk_leaves_no_piece_of_a_report_or_picture(tmp_path, limited_files, write):
    with limited_files(100), pytest.raises(InputError, match='disk is full'):
        write(tmp_path / 'report.json')
    assert names(tmp_path) == []


@pytest.mark.parametrize('name', ['overlay.jpg', 'overlay.png', 'Händé 手 🖐.jpg'])
def test_a_picture_comes_back_with_its_colours(tmp_path, name):
    y, x = np.mgrid[:47, :65]
    image = np.stack([3 * x, 5 * y, np.full_like(x, 90)], -1).astype(np.uint8)
    write_picture(tmp_path / name, image)
    got = next(iter(open_source(tmp_path / name))).image
    assert np.abs(got.astype(int) - image).mean() < 2.5 and names(tmp_path) == [name]


def test_what_is_no_picture_is_a_mistake_of_the_program(tmp_path):
    for image in (np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3))):
        with pytest.raises(ValueError, match='uint8'):
            write_picture(tmp_path / 'overlay.jpg', image)
    with pytest.raises(ValueError, match='ending'):
        write_picture(tmp_path / 'overlay.xyz', np.zeros((5, 5, 3), np.uint8))
    assert names(tmp_path) == []
