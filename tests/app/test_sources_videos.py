"""Videos as sources: every frame, upright, at its own time; what is cut or is no video is said in a sentence."""
from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from app.errors import InputError
from app.sources import open_source
from tests.app.made_clips import cut, number_of, numbered, write_clip


def numbers(source) -> list[int]:
    return [number_of(frame.image) for frame in source]


def test_a_video_gives_every_frame_once_in_order_with_its_size_rate_and_times(tmp_path):
    with open_source(write_clip(tmp_path / 'clip.mp4', 20, fps=25)) as source:
        frames = list(source)
    assert (source.name, source.width, source.height, source.frame_count, source.is_sequence) == ('clip.mp4', 64, 48, 20, True)
    assert source.fps == pytest.approx(25, abs=0.01)
    assert [number_of(f.image) for f in frames] == list(range(20)) == [f.index for f in frames]
    assert [f.time for f in frames] == pytest.approx([i / 25 for i in range(20)], abs=1e-4)
    assert all(f.image.shape == (48, 64, 3) and f.image.dtype == np.uint8 for f in frames)
    assert all(a.captured <= b.captured for a, b in zip(frames, frames[1:], strict=False)) and source.warnings == []


def test_a_source_can_be_read_twice(tmp_path):
    source = open_source(write_clip(tmp_path / 'clip.mp4', 5))
    assert numbers(source) == numbers(source) == list(range(5))


@pytest.mark.parametrize(('name', 'codec'), [
    ('clip.mov', 'libx264'), ('clip.mkv', 'libx264'), ('clip.avi', 'mjpeg'), ('clip.webm', 'libvpx'), ('clip.ts', 'libx264')])
def test_other_containers_and_codecs_are_read_too(tmp_path, name, codec):
    source = open_source(write_clip(tmp_path / name, 8, codec=codec))
    assert numbers(source) == list(range(8)) and source.warnings == []


def test_a_variable_frame_rate_keeps_each_frames_own_time(tmp_path):
    times = [0.0, 0.04, 0.05, 0.25, 0.9, 0.95, 2.0]
    frames = list(open_source(write_clip(tmp_path / 'clip.mp4', 7, times)))
    error = max(abs(f.time - t) for f, t in zip(frames, times, strict=True))
    assert error < 2e-5, f'times are off by {error * 1e6:.0f} us; a tick of the file is 11 us'


def test_times_begin_at_zero_even_when_the_files_own_do_not(tmp_path):
    frames = list(open_source(write_clip(tmp_path / 'clip.mkv', 4, [5.0, 5.1, 5.2, 5.4])))
    assert [f.time for f in frames] == pytest.approx([0, 0.1, 0.2, 0.4], abs=2e-3), 'Matroska counts in milliseconds'


@pytest.mark.parametrize('rotation', [90, -90, 180])
def test_a_turned_phone_video_comes_upright_as_opencv_shows_it(tmp_path, rotation):
    path = write_clip(tmp_path / 'clip.mp4', 3, rotation=rotation)
    source = open_source(path)
    image = next(iter(source)).image
    good, seen = cv2.VideoCapture(str(path)).read()
    assert good and image.shape == seen.shape == (source.height, source.width, 3)
    difference = np.abs(image.astype(int) - seen[:, :, ::-1]).mean()
    assert difference < 2, f'{difference:.2f} grey levels from what OpenCV shows; 2 for the two colour conversions'


def test_pixels_that_are_not_square_become_square(tmp_path):
    source = open_source(write_clip(tmp_path / 'clip.mp4', 3, pixel_ratio=Fraction(3, 2)))
    assert (source.width, source.height) == (96, 48) and numbers(source) == [0, 1, 2]


@pytest.mark.parametrize('matrix', [1, 5, 9])
def test_colours_survive_whatever_matrix_the_file_names(tmp_path, matrix):
    """BT.709, BT.601 and BT.2020: taking one for another is off by up to 30 levels."""
    image = np.kron(np.random.default_rng(0).integers(20, 235, (6, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    path = tmp_path / 'clip.mp4'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=30, options={'crf': '1'})
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 1
        red, green, blue = np.moveaxis(image.astype(float), -1, 0)
        kr, kb = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
        luma = kr * red + (1 - kr - kb) * green + kb * blue
        planes = [16 + luma * 219 / 255, *(128 + (c - luma) / (2 * (1 - k)) * 224 / 255 for c, k in ((blue, kb), (red, kr)))]
        small = [planes[0], planes[1][::2, ::2], planes[2][::2, ::2]]
        packed = np.concatenate([p.round().astype(np.uint8).ravel() for p in small]).reshape(72, 64)
        frame = av.VideoFrame.from_ndarray(packed, format='yuv420p')
        frame.colorspace, frame.color_range, frame.pts = matrix, 1, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    got = next(iter(open_source(path))).image
    difference = np.abs(got.astype(int) - image)[4::8, 4::8].max()
    assert difference <= 4, f'{difference} levels; 4 are rounding and compression'


def test_frames_are_chosen_by_start_stop_and_step(tmp_path):
    path = write_clip(tmp_path / 'clip.mp4', 20)
    source = open_source(path, start=3, stop=15, step=5)
    frames = list(source)
    assert [f.index for f in frames] == [3, 8, 13] == [number_of(f.image) for f in frames] and source.frame_count == 3
    assert [f.time for f in frames] == pytest.approx([0.1, 8 / 30, 13 / 30], abs=1e-4), 'times are the source\'s own'


@pytest.mark.parametrize('choice', [{'start': 20}, {'start': -1}, {'stop': 0}, {'start': 5, 'stop': 5}, {'step': 0}])
def test_a_choice_without_a_single_frame_is_refused(tmp_path, choice):
    path = write_clip(tmp_path / 'clip.mp4', 20)
    with pytest.raises(InputError) as refusal:
        open_source(path, **choice)
    assert one_sentence(refusal)


def one_sentence(refusal) -> str:
    text = str(refusal.value)
    assert text[0].isupper() or text[0].isalnum()
    assert '\n' not in text and 10 < len(text) < 300 and 'Errno' not in text and 'Traceback' not in text, text
    return text


@pytest.mark.parametrize('name', ['a hand.mp4', 'Händé 手 🖐.mp4', "it's 100%.mp4", 'a:b.mp4', '-i.mp4', '%03d.mp4'])
def test_names_with_spaces_unicode_and_signs_are_read(tmp_path, monkeypatch, name):
    write_clip(tmp_path / name, 4)
    monkeypatch.chdir(tmp_path)
    assert numbers(open_source(name)) == [0, 1, 2, 3]


def test_a_video_cut_in_its_data_keeps_what_is_readable_and_says_how_much(tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(30)]
    path = write_clip(tmp_path / 'clip.mp4', 30, images=noise, options={'movflags': 'faststart'})
    source = open_source(cut(path, 0.6, 'cut.mp4'))
    count = len(list(source))
    assert 12 <= count <= 20, f'{count} of 30 frames from 60 % of the bytes'
    assert source.warnings == [f'the video is cut: {count} of 30 frames could be read']


def test_a_fragmented_recording_that_was_cut_off_is_readable_up_to_there(tmp_path):
    path = write_clip(tmp_path / 'clip.mp4', 40, options={'movflags': 'frag_keyframe+empty_moov+default_base_moof'})
    source = open_source(cut(path, 0.5, 'cut.mp4'))
    got = numbers(source)
    assert 5 <= len(got) < 40 and got == list(range(len(got)))
    assert len(source.warnings) == 1 and source.warnings[0].startswith(f'the video is cut: {len(got)} ')


@pytest.mark.parametrize('name', ['clip.mkv', 'clip.avi'])
def test_other_cut_containers_give_what_they_have_and_say_so(tmp_path, name):
    path = write_clip(tmp_path / name, 40, codec='mjpeg' if name.endswith('avi') else 'libx264')
    source = open_source(cut(path, 0.5, 'cut-' + name))
    got = numbers(source)
    assert 5 <= len(got) < 40 and len(source.warnings) == 1 and 'cut' in source.warnings[0], (len(got), source.warnings)


def test_a_whole_video_is_never_called_cut(shared_data):
    for path in sorted((shared_data / 'clips').rglob('*.M*')):
        source = open_source(path)
        count = sum(1 for _ in source)
        assert source.warnings == [] and count == source.frame_count, path.name


@pytest.mark.parametrize('tail', [b'\0' * 100, b'appended by some camera', b'\0\0\0\x10free\0\0\0\0\0\0\0\0'])
def test_a_video_with_something_behind_it_is_not_called_cut(tmp_path, tail):
    path = write_clip(tmp_path / 'clip.mp4', 8)
    path.write_bytes(path.read_bytes() + tail)
    source = open_source(path)
    assert numbers(source) == list(range(8)) and source.warnings == []


def test_a_video_without_its_index_says_so(tmp_path):
    path = write_clip(tmp_path / 'clip.mp4', 30)  # the index is written last
    with pytest.raises(InputError, match='index') as refusal:
        open_source(cut(path, 0.5, 'cut.mp4'))
    assert 'cut.mp4' in one_sentence(refusal)


def test_a_damaged_stretch_in_the_middle_costs_only_that_stretch(tmp_path):
    path = write_clip(tmp_path / 'clip.mp4', 40, options={'movflags': 'faststart'})
    data = bytearray(path.read_bytes())
    start = data.index(b'mdat') + (len(data) - data.index(b'mdat')) // 2
    data[start:start + 300] = b'\xff' * 300
    (tmp_path / 'bad.mp4').write_bytes(data)
    source = open_source(tmp_path / 'bad.mp4')
    frames = list(source)
    assert len(frames) >= 20, f'{len(frames)} of 40 frames'
    assert all(a.time < b.time for a, b in zip(frames, frames[1:], strict=False))


def make_text(path: Path) -> None:
    path.write_text('not a video\n' * 200)


def make_noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(20_000))


def make_sound(path: Path) -> None:
    with av.open(str(path), 'w', format='mp4') as container:
        stream = container.add_stream('aac', rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), np.float32), format='fltp', layout='mono')
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def make_without_frames(path: Path) -> None:
    with av.open(str(path), 'w', format='mp4') as container:
        stream = container.add_stream('libx264', rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, 'yuv420p'
        container.start_encoding()


def make_playlist(path: Path) -> None:
    path.write_text('#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n')


@pytest.mark.parametrize(('name', 'make', 'word'), [
    ('notes.txt', make_text, 'not a video'), ('notes.mp4', make_text, 'not a video'), ('noise.mp4', make_noise, 'not a video'),
    ('song.mp4', make_sound, 'no video'), ('none.mp4', make_without_frames, 'no frames'), ('empty.mp4', Path.touch, 'empty'),
    ('list.m3u8', make_playlist, 'not a video'), ('missing.mp4', lambda path: None, 'no file'), ('photo.heic', make_noise, 'HEIC'),
    ('folder', Path.mkdir, 'no pictures'),
])
def test_what_is_no_video_is_refused_in_one_sentence_that_names_it(tmp_path, capfd, name, make, word):
    make(tmp_path / name)
    with pytest.raises(InputError) as refusal:
        list(open_source(tmp_path / name))
    text = one_sentence(refusal)
    assert name in text and word in text, text
    assert capfd.readouterr().err == '', 'the libraries print nothing of their own'


def test_a_file_that_may_not_be_read_is_refused(tmp_path, unprivileged):
    path = write_clip(tmp_path / 'clip.mp4', 3)
    shutil.copy(path, tmp_path / 'secret.mp4')
    (tmp_path / 'secret.mp4').chmod(0)
    with unprivileged(), pytest.raises(InputError, match='may not be read'):
        open_source(tmp_path / 'secret.mp4')


def test_a_device_is_no_input():
    with pytest.raises(InputError, match='neither a file nor a folder'):
        open_source('/dev/null')


@pytest.mark.parametrize('size', [(3840, 2160), (64, 64), (16, 16), (130, 98)])
def test_large_and_small_videos_are_read(tmp_path, size):
    source = open_source(write_clip(tmp_path / 'clip.mp4', 2, size=size))
    assert numbers(source) == [0, 1] and (source.width, source.height) == size


def test_a_video_that_changes_size_keeps_its_first(tmp_path):
    """Calls recorded in a browser do this."""
    parts = [write_clip(tmp_path / f'{i}.ts', 4, size=size) for i, size in enumerate([(64, 48), (128, 96)])]
    whole = tmp_path / 'both.ts'
    whole.write_bytes(b''.join(part.read_bytes() for part in parts))
    source = open_source(whole)
    frames = list(source)
    assert {f.image.shape for f in frames} == {(48, 64, 3)} and len(frames) >= 7
    assert np.array_equal(frames[0].image[:12, :16].mean((0, 1)).round(-1) > 100, numbered(0)[0, 0] > 100)
    assert all(a.time < b.time for a, b in zip(frames, frames[1:], strict=False)), 'times grow although the second part\'s start again'
