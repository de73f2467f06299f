"""Frames become RGB by one converter that is kept; it must give what a new one for each frame gives."""
from __future__ import annotations

import av
import numpy as np
import pytest

from app.sources import open_source
from app.sources.upright import Upright
from tests.app.made_clips import write_clip

FORMATS = ['yuv420p', 'yuvj420p', 'yuv422p', 'yuv444p', 'yuv420p10le', 'nv12', 'gray', 'rgb24', 'bgr24', 'gbrp']


def decoded(kind: str, space: int, limits: int, size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    """A frame as a decoder gives it: `space` 1 is BT.709, 5 BT.601, 9 BT.2020, 2 unsaid; `limits` 1 is 16 to 235, 2 is 0 to 255."""
    picture = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format='rgb24').reformat(format=kind)
    if kind not in ('rgb24', 'bgr24', 'gbrp'):
        frame.colorspace, frame.color_range = space, limits
    return frame


@pytest.mark.parametrize('limits', [0, 1, 2])
@pytest.mark.parametrize('space', [1, 2, 5, 9])
@pytest.mark.parametrize('kind', FORMATS)
def test_colours_are_those_of_the_library_itself(kind, space, limits):
    frame = decoded(kind, space, limits)
    difference = np.abs(Upright()(frame).astype(int) - frame.to_ndarray(format='rgb24')).max()
    assert difference == 0, f'{difference} levels'


def test_one_converter_takes_frames_of_all_kinds_in_turn():
    upright = Upright()
    for kind in FORMATS:
        for space, limits in ((1, 1), (5, 2)):
            frame = decoded(kind, space, limits)
            assert np.array_equal(upright(frame), frame.to_ndarray(format='rgb24')), kind


def test_pictures_are_independent_of_each_other_and_may_be_written_to(tmp_path):
    with open_source(write_clip(tmp_path / 'clip.mp4', 6)) as source:
        first, *rest = [frame.image for frame in source]
    kept = rest[0].copy()
    first[:] = 0
    assert np.array_equal(rest[0], kept) and all(image.flags.c_contiguous for image in rest)
