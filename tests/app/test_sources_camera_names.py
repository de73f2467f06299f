"""The names of the cameras, from made trees and made answers of the systems' tools."""
from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from app.sources.cameras import Camera, list_cameras, why_not


@pytest.fixture
def nodes(tmp_path):
    """`nodes(('video0', '0', 'Webcam'), ...)` makes a tree as Linux has it: folder, index, name."""
    def make(*entries: tuple[str, str, str]) -> Path:
        for folder, index, name in entries:
            (tmp_path / folder).mkdir()
            (tmp_path / folder / 'index').write_text(index + '\n')
            (tmp_path / folder / 'name').write_text(name + '\n', encoding='utf-8')
        return tmp_path

    return make


def test_one_camera_with_several_nodes_is_one_camera(nodes):
    tree = nodes(('video0', '0', 'HD Webcam: HD Webcam'), ('video1', '1', 'HD Webcam: HD Webcam'), ('video2', '0', 'Kamera für Händé'),
                 ('video3', '1', 'Kamera für Händé'))
    assert list_cameras('linux', tree) == [Camera(0, 'HD Webcam: HD Webcam'), Camera(2, 'Kamera für Händé')]


def test_cameras_come_in_the_order_of_their_numbers_and_two_of_a_kind_are_told_apart(nodes):
    tree = nodes(('video10', '0', 'C920'), ('video2', '0', 'C920'), ('video4', '0', 'Other'))
    assert list_cameras('linux', tree) == [Camera(2, 'C920'), Camera(4, 'Other'), Camera(10, 'C920 (2)')]


@pytest.mark.parametrize('name', ['bcm2835-codec-decode', 'bcm2835-isp', 'rpivid', 'mtk-vcodec-enc', 'rkvdec dec'])
def test_what_only_codes_video_is_no_camera(nodes, name):
    assert list_cameras('linux', nodes(('video10', '0', name), ('video0', '0', 'Webcam'))) == [Camera(0, 'Webcam')]


def test_without_any_camera_the_list_is_empty(tmp_path):
    assert list_cameras('linux', tmp_path) == list_cameras('linux', tmp_path / 'none') == list_cameras('plan9') == []


def test_a_mac_names_its_cameras():
    answer = json.dumps({'SPCameraDataType': [{'_name': 'FaceTime HD Camera', 'spcamera_model-id': 'x'}, {'_name': 'Händy'}]})
    assert list_cameras('darwin', run=lambda command: answer) == [Camera(0, 'FaceTime HD Camera'), Camera(1, 'Händy')]


def test_windows_names_its_cameras_and_no_scanners():
    entries = [{'Name': 'Scanner', 'PNPClass': 'Image', 'Status': 'OK'}, {'Name': 'USB Video Device', 'PNPClass': 'Image', 'Status': 'OK'},
               {'Name': 'Integrated Webcam', 'PNPClass': 'Camera', 'Status': 'OK'},
               {'Name': 'Gone', 'PNPClass': 'Camera', 'Status': 'Error'}]
    assert [c.name for c in list_cameras('win32', run=lambda command: json.dumps(entries))] == ['Integrated Webcam', 'USB Video Device']
    assert [c.name for c in list_cameras('win32', run=lambda command: json.dumps(entries[2]))] == ['Integrated Webcam']


@pytest.mark.parametrize('platform', ['darwin', 'win32'])
@pytest.mark.parametrize('answer', ['', 'no such tool', '{}', '[]'])
def test_a_tool_that_answers_nothing_sensible_gives_no_cameras(platform, answer):
    assert list_cameras(platform, run=lambda command: answer) == []


@pytest.mark.skipif(sys.platform != 'linux', reason='macOS and Windows ask a tool, which takes a second')
def test_listing_takes_no_time():
    list_cameras()
    start = time.perf_counter()
    list_cameras()
    seconds = time.perf_counter() - start
    assert seconds < 0.1, f'{seconds * 1e3:.0f} ms; a menu opens meanwhile'


def test_a_camera_that_does_not_open_is_missing_or_in_use_or_forbidden(tmp_path, unprivileged):
    (tmp_path / 'video0').touch()
    assert 'There is no camera 3' in why_not(3, tmp_path)
    assert 'another program' in why_not(0, tmp_path)
    tmp_path.chmod(0o755)
    (tmp_path / 'video0').chmod(0)
    with unprivileged():
        assert 'may not be used' in why_not(0, tmp_path)
    assert why_not(0, tmp_path / 'none') == '', 'where nothing is known, nothing is said'
