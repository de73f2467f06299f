"""Going anywhere in a source gives exactly the frames that reading all of it gives there."""
from __future__ import annotations

import shutil
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from app.sources import open_source
from app.sources.source import Source
from tests.app.made_clips import TICKS, cut, number_of, numbered, write_clip


def long_clip(path: Path, count: int = 58, group: int = 12, between: int = 3, open_groups: bool = False, times: list[float] | None = None,
              codec: str = 'libx264', rotation: int = 0, images: list | None = None, preset: str = 'veryfast', **options: str) -> Path:
    """A clip with several keyframes and frames that refer to later ones."""
    with av.open(str(path), 'w', options=options) as container:
        x264 = {'g': str(group), 'bf': str(between), 'x264-params': f'open-gop={int(open_groups)}:b-adapt=0', 'crf': '1', 'preset': preset}
        stream = container.add_stream(codec, rate=30, options=x264 if codec == 'libx264' else {'g': str(group)})
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
        base = Fraction(1, 30) if times is None else Fraction(1, TICKS)
        stream.codec_context.time_base = base
        if codec != 'libx264':
            stream.codec_context.bit_rate = 4_000_000
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(images[number] if images else numbered(number), format='rgb24')
            frame.pts, frame.time_base = number if times is None else round(times[number] * TICKS), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


UNEVEN = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.3, 58)).tolist()
CLIPS = {
    'frames that refer to later ones': ('clip.mp4', {}),
    'groups that refer to the group before': ('clip.mp4', {'open_groups': True}),
    'a variable frame rate': ('clip.mp4', {'times': UNEVEN}),
    'a start that is not 0': ('clip.mp4', {'times': [7 + t for t in UNEVEN]}),
    'one keyframe only': ('clip.mp4', {'group': 500}),
    'every frame a keyframe': ('clip.mp4', {'group': 1, 'between': 0}),
    'a phone held upright': ('clip.mov', {'rotation': -90}),
    'fragments': ('clip.mp4', {'movflags': 'frag_keyframe+empty_moov+default_base_moof'}),
    'Matroska': ('clip.mkv', {}),
    'Matroska, open groups, uneven': ('clip.mkv', {'open_groups': True, 'times': [3 + t for t in UNEVEN]}),
    'a transport stream': ('clip.ts', {'open_groups': True}),
    'motion JPEG': ('clip.avi', {'codec': 'mjpeg'}),
    'WebM': ('clip.webm', {'codec': 'libvpx'}),
}


def check_everywhere(source: Source, torn: bool = False) -> None:
    """Every place, forwards, and some at random, by number and by time. `torn`: half of the last frame is missing, and guessed."""
    whole = list(source)
    said = list(source.warnings)
    assert len(whole) > 1
    places = {place: 3 for place in np.random.default_rng(1).permutation(len(whole))[:12].tolist()} | {len(whole) - 1: 1, 0: 1}
    for place, following in places.items():
        ways = {'number': source.from_index(whole[place].index), 'time': source.from_time(whole[place].time)}
        if place + 1 < len(whole):
            ways['between'] = source.from_time(0.6 * whole[place].time + 0.4 * whole[place + 1].time)
        for way, frames in ways.items():
            for want in whole[place:place + following]:
                got = next(frames, None)
                assert got is not None and got.index == want.index, f'{way} of {want.index}: {got and got.index}'
                assert abs(got.time - want.time) < 1e-6, f'frame {want.index} by {way}: {got.time} s instead of {want.time}'
                difference = np.abs(got.image.astype(int) - want.image).max()
                assert difference == 0 or (torn and want is whole[-1]), f'frame {want.index} by {way} differs by {difference} levels'
    for place in range(len(whole) - torn):
        got = next(source.from_index(whole[place].index))
        assert got.index == whole[place].index and np.array_equal(got.image, whole[place].image), f'frame {whole[place].index}'
    for frames in (source.from_index(10 ** 6), source.from_time(1e6)):
        assert [f.index for f in frames] == [whole[-1].index], 'behind the end there is the last frame'
    assert next(source.from_time(-5.0)).index == next(source.from_index(-3)).index == whole[0].index
    assert [f.index for f in source.from_index(whole[-4].index)] == [f.index for f in whole[-4:]]
    assert source.warnings == said, 'what cannot be read is said after a jump as well'


@pytest.mark.parametrize('kind', CLIPS)
def test_a_jump_in_a_video_gives_exactly_what_reading_gives(tmp_path, kind, monkeypatch):
    name, options = CLIPS[kind]
    monkeypatch.delattr(Source, '_from')  # reading all that lies before
    with open_source(long_clip(tmp_path / name, **options)) as source:
        check_everywhere(source)


@pytest.mark.parametrize('name', ['clip.mp4', 'clip.mkv', 'clip.ts'])
def test_a_cut_video_can_be_sought_up_to_its_cut(tmp_path, name):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(58)]
    options = {'movflags': 'faststart'} if name.endswith('mp4') else {}
    with open_source(cut(long_clip(tmp_path / name, images=noise, **options), 0.6, f'cut-{name}')) as source:
        check_everywhere(source, torn=name.endswith('ts'))


def test_a_video_trimmed_by_an_edit_list_is_sought_as_it_is_shown(tmp_path):
    """As phones trim without encoding again: frames from the last keyframe on are in the file, but not shown."""
    long_clip(tmp_path / 'whole.mp4')
    with av.open(str(tmp_path / 'whole.mp4')) as source, av.open(str(tmp_path / 'trimmed.mp4'), 'w') as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts -= 17 * 512
                packet.dts -= 17 * 512
                packet.stream = stream
                target.mux(packet)
    with open_source(tmp_path / 'trimmed.mp4') as source:
        check_everywhere(source)


def test_only_chosen_frames_are_given_after_a_jump_too(tmp_path):
    with open_source(long_clip(tmp_path / 'clip.mp4'), start=5, stop=50, step=3) as source:
        got = [f.index for f in source.from_index(20)]
    assert got == list(range(20, 50, 3))


def test_a_jump_survives_that_the_file_is_gone(tmp_path):
    path = long_clip(tmp_path / 'clip.mp4')
    with open_source(path) as source:
        assert next(source.from_index(30)).index == 30
        path.unlink()
        assert number_of(next(source.from_index(40)).image) == 40, 'it is still open'


def test_a_jump_in_a_long_video_takes_no_longer_than_in_a_short_one(tmp_path):
    """Both have a keyframe each second; decoding all that lies before takes 30 times as long."""
    picture, seconds = numbered(7), {}
    for count in (240, 7200):
        with open_source(long_clip(tmp_path / f'{count}.mp4', count, 30, 0, images=[picture] * count, preset='ultrafast')) as source:
            next(source.from_time(0))
            taken = []
            for place in (0.9, 0.2, 0.6, 0.99, 0.5, 0.3, 0.8):
                start = time.perf_counter()
                next(source.from_time(place * count / 30))
                taken.append(time.perf_counter() - start)
        seconds[count] = min(taken)
    ratio = seconds[7200] / seconds[240]
    assert ratio < 8, f'{seconds[7200] * 1e3:.1f} ms in 4 minutes, {seconds[240] * 1e3:.1f} ms in 8 s'


def test_folders_and_pictures_can_be_sought_too(tmp_path):
    for number in range(12):
        cv2.imwrite(str(tmp_path / f'frame_{number:03}.png'), numbered(number)[:, :, ::-1])
    with open_source(tmp_path) as source:
        check_everywhere(source)
    (tmp_path / 'frame_004.png').write_bytes(b'no picture')
    shutil.copy(tmp_path / 'frame_000.png', tmp_path / 'single')
    with open_source(tmp_path) as source:
        assert [f.index for f in source.from_index(3)][:2] == [3, 5]
    with open_source(tmp_path / 'single') as source:
        assert next(source.from_time(9.0)).index == next(source.from_index(7)).index == 0


@pytest.mark.parametrize('times', [None, [0.0, 0.0002, 0.0004, *(0.1 * i for i in range(1, 56))]])
def test_where_keyframes_do_not_help_a_jump_reads_what_lies_before(tmp_path, times):
    """AVI knows no presentation times; a broken recorder repeats its time stamps."""
    path = long_clip(tmp_path / ('clip.mkv' if times else 'clip.avi'), times=times)
    with open_source(path) as source:
        check_everywhere(source)


@pytest.mark.parametrize('name', ['clip.mp4', 'clip.mkv', 'clip.ts'])
def test_the_duration_counts_from_the_first_frame(tmp_path, name):
    with open_source(long_clip(tmp_path / name, times=[5 + i / 30 for i in range(58)])) as source:
        assert source.duration == pytest.approx(58 / 30, abs=0.08), f'{source.duration:.3f} s of 58 frames, 30 a second'
