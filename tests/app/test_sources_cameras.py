"""Cameras as sources. Only the device is faked: a capture that gives numbered pictures and keeps or ignores what it is asked for."""
from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

import app.sources.camera as camera_module
from app.errors import InputError
from app.sources import open_source
from app.sources.camera import CameraSource
from app.sources.source import Selection
from tests.app.made_clips import number_of, numbered


class FakeCamera:
    """Looks like cv2.VideoCapture: claims 30 frames a second, gives `rate`; silent for the first `warm_up` reads; gone after `pictures`."""

    def __init__(self, pictures: int = 20, rate: float = 1000, warm_up: int = 0, there: bool = True, takes_wishes: bool = True):
        self.pictures, self.rate, self.warm_up, self.there, self.takes_wishes = pictures, rate, warm_up, there, takes_wishes
        self.given, self.released, self.set_later, self.wishes = 0, 0, {}, None

    def __call__(self, index, backend, wishes=None):
        self.open = self.there and (wishes is None or self.takes_wishes)
        self.wishes = wishes or self.wishes
        return self

    def isOpened(self):
        return self.open

    def set(self, key, value):
        self.set_later[key] = value
        return True

    def read(self):
        if self.warm_up or self.given == self.pictures:
            self.warm_up = max(0, self.warm_up - 1)
            return False, None
        time.sleep(1 / self.rate)
        self.given += 1
        return True, numbered(self.given - 1, 80, 60)[:, :, ::-1].copy()

    def release(self):
        self.open = False
        self.released += 1


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(camera_module, 'PAUSE', 0.0)


def test_a_camera_gives_rgb_pictures_in_order_with_the_time_of_their_arrival():
    with CameraSource(0, Selection(stop=8), capture=FakeCamera()) as source:
        before = time.monotonic()
        frames = list(source)
    assert [number_of(f.image) for f in frames] == list(range(8)) == [f.index for f in frames]
    assert frames[0].image[0, 0].tolist() == [255, 0, 0], 'red is red'
    assert frames[0].time == 0 and all(a.captured < b.captured for a, b in zip(frames, frames[1:], strict=False))
    assert all(f.time == pytest.approx(f.captured - frames[0].captured) for f in frames) and frames[-1].captured >= before
    assert (source.name, source.mode, source.is_sequence, source.frame_count) == ('camera 0', 'live', True, 8)


def test_the_size_is_what_the_camera_gives_not_what_it_was_asked_for():
    source = CameraSource(0, width=1920, height=1080, capture=FakeCamera())
    assert (source.width, source.height) == (80, 60)


@pytest.mark.parametrize('takes_wishes', [True, False])
def test_mjpg_the_size_and_the_rate_are_asked_for_when_it_is_opened(takes_wishes):
    device = FakeCamera(takes_wishes=takes_wishes)
    CameraSource(0, width=640, height=480, fps=60, capture=device)
    asked = dict(zip(device.wishes[::2], device.wishes[1::2], strict=True)) if takes_wishes else device.set_later
    assert asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*'MJPG')
    assert (asked[cv2.CAP_PROP_FRAME_WIDTH], asked[cv2.CAP_PROP_FRAME_HEIGHT], asked[cv2.CAP_PROP_FPS]) == (640, 480, 60)


def test_the_rate_is_measured_because_drivers_lie():
    source = CameraSource(0, Selection(stop=20), capture=FakeCamera(rate=100))
    assert source.fps == 30, 'what was asked for, until enough arrived'
    times = [f.captured for f in source]
    true = (len(times) - 1) / (times[-1] - times[0])
    assert source.fps == pytest.approx(true, rel=0.05) and source.fps > 35, f'{source.fps:.0f} measured, {true:.0f} true, 30 claimed'


def test_a_camera_may_need_a_while_for_its_first_picture():
    assert len(list(CameraSource(0, Selection(stop=3), capture=FakeCamera(warm_up=20)))) == 3


def test_a_camera_that_is_unplugged_ends_the_run_with_a_warning():
    source = CameraSource(0, capture=FakeCamera(pictures=5))
    assert len(list(source)) == 5 and source.warnings == ['camera 0 stopped giving pictures after 5']


@pytest.mark.parametrize('device', [FakeCamera(there=False), FakeCamera(pictures=0)])
def test_a_camera_that_is_not_there_or_gives_nothing_is_refused(device):
    with pytest.raises(InputError, match='camera 3'):
        CameraSource(3, capture=device)
    assert device.released


def test_a_camera_is_given_back():
    device = FakeCamera()
    with CameraSource(0, capture=device) as source:
        next(iter(source))
    assert device.released == 1


@pytest.mark.parametrize('name', [97, '97', 'camera:97'])
def test_a_number_is_a_camera_and_its_absence_is_one_sentence(name, capfd):
    with pytest.raises(InputError, match='camera 97'):
        open_source(name)
    assert capfd.readouterr().err == '', 'OpenCV prints ten lines of its own otherwise'


def test_a_file_whose_name_is_a_number_is_still_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    good, data = cv2.imencode('.png', np.zeros((8, 8, 3), np.uint8))
    (tmp_path / '0').write_bytes(data.tobytes())
    assert open_source('0').mode == 'image'
