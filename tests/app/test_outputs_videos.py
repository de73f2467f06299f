"""overlay.mp4: plays, keeps every frame and its time, and is there whole or not at all."""
from __future__ import annotations

import threading
import time

import av
import cv2
import numpy as np
import pytest

from app.errors import InputError
from app.outputs.fragments import keep_whole_fragments
from app.outputs.video import VideoWriter, unfinished_name
from app.sources import open_source
from app.sources.mp4_boxes import mp4_boxes
from tests.app.made_clips import number_of, numbered, write_clip


def write(path, count=20, times=None, size=(64, 48), fps=30.0):
    with VideoWriter(path, *size, fps) as writer:
        for number in range(count):
            writer.write(numbered(number, *size), number / fps if times is None else times[number])
    return path


def noise(count=40, width=320, height=240):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (height, width, 3), dtype=np.uint8) for _ in range(count)]


@pytest.mark.parametrize('fps', [24, 25, 30000 / 1001, 30, 60])
def test_another_reader_finds_every_frame_in_order_at_its_time(tmp_path, fps):
    path = write(tmp_path / 'overlay.mp4', 40, fps=fps)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, stream.frames) == ('h264', 'yuv420p', 40)
        frames = list(container.decode(stream))
        assert float(stream.average_rate) == pytest.approx(fps, rel=1e-3)
        assert float(stream.duration * stream.time_base) == pytest.approx(40 / fps, abs=1e-3)
    assert [number_of(f.to_ndarray(format='rgb24')) for f in frames] == list(range(40))
    error = max(abs(float(f.pts * f.time_base) - i / fps) for i, f in enumerate(frames))
    assert error <= 0.5 / 90000 + 1e-9, f'{error * 1e6:.1f} us; half a tick is 5.6 us'


def test_opencv_plays_it_too(tmp_path):
    capture = cv2.VideoCapture(str(write(tmp_path / 'overlay.mp4', 40)))
    seen = []
    while (got := capture.read())[0]:
        seen.append(number_of(got[1]))
    assert seen == list(range(40))


def test_browsers_can_start_it_before_it_is_loaded(tmp_path):
    boxes = mp4_boxes(write(tmp_path / 'overlay.mp4'))
    assert boxes.whole and boxes.names.index(b'moov') < boxes.names.index(b'mdat')


def test_uneven_times_are_kept_and_the_first_is_the_start(tmp_path):
    times = [7.0, 7.04, 7.05, 7.25, 7.9, 7.95, 9.0]
    with open_source(write(tmp_path / 'overlay.mp4', 7, times)) as source:
        got = [frame.time + 7 for frame in source]
    assert got == pytest.approx(times, abs=1e-5), 'a tick is 11 us'


def test_the_overlay_of_a_video_has_exactly_the_videos_times(tmp_path):
    source = open_source(write_clip(tmp_path / 'phone.mp4', 6, [0, 0.033, 0.071, 0.1, 0.5, 0.533]))
    with VideoWriter(tmp_path / 'overlay.mp4', source.width, source.height, source.fps) as writer:
        for frame in source:
            writer.write(frame.image, frame.time)
    assert [f.time for f in open_source(tmp_path / 'overlay.mp4')] == [f.time for f in source]


def test_times_that_do_not_grow_still_give_every_frame(tmp_path):
    source = open_source(write(tmp_path / 'overlay.mp4', 5, [0, 0.1, 0.1, 0.05, 0.3]))
    assert [number_of(f.image) for f in source] == list(range(5))


@pytest.mark.parametrize('size', [(641, 479), (640, 482), (64, 63), (65, 64), (66, 66), (64, 64), (17, 17), (1, 1), (1280, 720)])
def test_any_size_is_written_with_its_pixels_where_they_were(tmp_path, size):
    y, x = np.mgrid[:size[1], :size[0]]
    image = np.stack([255 * x // size[0], 255 * y // size[1], np.full_like(x, 90)], -1).astype(np.uint8)
    with VideoWriter(tmp_path / 'overlay.mp4', *size, 30) as writer:
        for i in range(3):
            writer.write(image, i / 30)
    got = list(open_source(tmp_path / 'overlay.mp4'))
    assert len(got) == 3 and got[0].image.shape == (max(16, size[1] + size[1] % 2), max(16, size[0] + size[0] % 2), 3)
    error = np.abs(got[0].image[:size[1], :size[0]].astype(int) - image).mean()
    assert error < 8, f'{error:.1f} grey levels; 8 for half the colour resolution of a steep ramp, rows gone astray give 50'


def test_colours_are_kept_to_two_levels_as_two_readers_see_them(tmp_path):
    image = np.kron(np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))
    with VideoWriter(tmp_path / 'overlay.mp4', 128, 96, 30) as writer:
        for i in range(5):
            writer.write(image, i / 30)
    ours = next(iter(open_source(tmp_path / 'overlay.mp4'))).image
    theirs = cv2.VideoCapture(str(tmp_path / 'overlay.mp4')).read()[1][:, :, ::-1]
    for name, got in (('PyAV', ours), ('OpenCV', theirs)):
        error = np.abs(got.astype(int) - image)[8::16, 8::16].mean()
        assert error < 2.5, f'{name}: {error:.2f} levels; another colour matrix would be off by 8'


def test_the_caller_may_reuse_its_image(tmp_path):
    image = np.zeros((48, 64, 3), np.uint8)
    with VideoWriter(tmp_path / 'overlay.mp4', 64, 48, 30) as writer:
        for number in range(20):
            image[:] = numbered(number)
            writer.write(image, number / 30)
    assert [number_of(f.image) for f in open_source(tmp_path / 'overlay.mp4')] == list(range(20))


def left_in(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_has_the_final_name_before_it_is_whole(tmp_path):
    writer = VideoWriter(tmp_path / 'overlay.mp4', 320, 240, 30)
    for i, image in enumerate(noise()):
        writer.write(image, i / 30)
    assert 'overlay.mp4' not in left_in(tmp_path)
    writer.finish()
    writer.finish()
    assert left_in(tmp_path) == ['overlay.mp4']


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt, InputError])
def test_an_error_or_ctrl_c_leaves_nothing_and_an_older_video_as_it_was(tmp_path, error):
    (tmp_path / 'overlay.mp4').write_bytes(b'of yesterday')
    with pytest.raises(error), VideoWriter(tmp_path / 'overlay.mp4', 320, 240, 30) as writer:
        for i, image in enumerate(noise()):
            writer.write(image, i / 30)
        raise error('stop')
    assert left_in(tmp_path) == ['overlay.mp4'] and (tmp_path / 'overlay.mp4').read_bytes() == b'of yesterday'


def test_a_run_that_is_cut_short_on_purpose_can_finish_what_it_has(tmp_path):
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / 'overlay.mp4', 64, 48, 30) as writer:
        try:
            for number in range(100):
                writer.write(numbered(number), number / 30)
                if number == 9:
                    raise KeyboardInterrupt
        finally:
            writer.finish()
    assert len(list(open_source(tmp_path / 'overlay.mp4'))) == 10


def test_without_a_frame_there_is_no_file(tmp_path):
    with VideoWriter(tmp_path / 'overlay.mp4', 64, 48, 30):
        pass
    assert left_in(tmp_path) == []


def test_every_limit_of_the_disk_is_one_sentence_and_leaves_nothing(tmp_path, limited_files):
    images = noise(8)
    with VideoWriter(tmp_path / 'whole.mp4', 320, 240, 30) as writer:
        for i, image in enumerate(images):
            writer.write(image, i / 30)
    size = (tmp_path / 'whole.mp4').stat().st_size
    for limit in (0, 10, 1000, size // 2, size - 1000, size - 1):  # down to the last byte of the index
        with limited_files(limit), pytest.raises(InputError, match='disk is full'):
            with VideoWriter(tmp_path / 'overlay.mp4', 320, 240, 30) as writer:
                for i, image in enumerate(images):
                    writer.write(image, i / 30)
        assert left_in(tmp_path) == ['whole.mp4'], f'with {limit} of {size} bytes'


def test_a_full_disk_is_one_sentence_and_leaves_nothing(small_disk):
    with pytest.raises(InputError, match='disk is full'), VideoWriter(small_disk / 'overlay.mp4', 320, 240, 30) as writer:
        for i, image in enumerate(noise(200)):
            writer.write(image, i / 30)
    assert left_in(small_disk) == []


def test_a_folder_that_may_not_be_written_is_refused(tmp_path, unprivileged):
    with unprivileged(), pytest.raises(InputError, match='may not be written'):
        VideoWriter(tmp_path / 'overlay.mp4', 64, 48, 30)


def test_a_frame_of_another_size_is_a_mistake_of_the_program(tmp_path):
    with VideoWriter(tmp_path / 'overlay.mp4', 64, 48, 30) as writer:
        writer.write(numbered(0), 0)
        with pytest.raises(ValueError, match='uint8'):
            writer.write(numbered(0, 48, 64), 0)
        with pytest.raises(ValueError, match='uint8'):
            writer.write(numbered(0).astype(float), 0)


def test_no_thread_is_left_behind_however_it_ends(tmp_path, limited_files):
    before = threading.active_count()
    write(tmp_path / 'a.mp4')
    VideoWriter(tmp_path / 'b.mp4', 64, 48).discard()
    with limited_files(10), pytest.raises(InputError):
        write(tmp_path / 'c.mp4')
    assert threading.active_count() == before


@pytest.mark.parametrize('name', ['Händé 手 🖐.mp4', 'a:b.mp4', '-y.mp4', '%d.mp4'])
def test_any_name_can_be_written(tmp_path, name):
    assert len(list(open_source(write(tmp_path / name)))) == 20


def live(path, images, fps=30.0):
    with VideoWriter(path, 320, 240, fps, live=True) as writer:
        for i, image in enumerate(images):
            writer.write(image, i / fps)


def test_a_recordings_video_is_an_ordinary_whole_file_in_the_end(tmp_path):
    live(tmp_path / 'overlay.mp4', [numbered(n, 320, 240) for n in range(50)])
    boxes = mp4_boxes(tmp_path / 'overlay.mp4')
    assert boxes.whole and boxes.names.count(b'mdat') == 1 and b'moof' not in boxes.names, boxes
    assert [number_of(f.image) for f in open_source(tmp_path / 'overlay.mp4')] == list(range(50)) and left_in(tmp_path) == ['overlay.mp4']


def test_a_recordings_video_plays_while_it_grows_and_wherever_it_is_cut_off(tmp_path):
    writer = VideoWriter(tmp_path / 'overlay.mp4', 320, 240, 30, live=True)
    part = unfinished_name(tmp_path / 'overlay.mp4')
    for i, image in enumerate(noise(8) * 16):
        writer.write(image, i / 30)
    end = time.monotonic() + 60
    while len(mp4_boxes(part).names) < 9:  # three fragments
        assert time.monotonic() < end, 'the fragments do not come'
        time.sleep(0.01)
    data = part.read_bytes()
    writer.discard()
    assert left_in(tmp_path) == []
    cut = tmp_path / 'cut.mp4'
    counts = []
    for share in (0, 0.001, 0.3, 0.6, 0.9, 1):
        cut.write_bytes(data[:int(share * len(data))])
        counts.append(len(list(open_source(cut))) if keep_whole_fragments(cut) else 0)
    assert counts[0] == counts[1] == 0 and counts == sorted(counts) and counts[-1] >= 60, f'{counts} frames play'


def test_a_recordings_video_keeps_what_plays_at_every_limit_of_the_disk(tmp_path, limited_files):
    images = noise(8) * 10
    live(tmp_path / 'whole.mp4', images)
    size = (tmp_path / 'whole.mp4').stat().st_size
    counts = []
    for limit in (0, 10, 1000, size // 4, size // 2, size - 1000, size - 1):
        with limited_files(limit), pytest.raises(InputError, match='disk is full'):
            live(tmp_path / 'overlay.mp4', images)
        there = (tmp_path / 'overlay.mp4').exists()
        counts.append(len(list(open_source(tmp_path / 'overlay.mp4'))) if there else 0)
        assert left_in(tmp_path) == (['overlay.mp4', 'whole.mp4'] if there else ['whole.mp4']), f'with {limit} of {size} bytes'
        (tmp_path / 'overlay.mp4').unlink(missing_ok=True)
    assert counts[0] == 0 and counts == sorted(counts) and counts[-1] >= 60, f'{counts} of {len(images)} frames were kept'


@pytest.mark.parametrize('end', ['finish', 'discard'])
def test_a_recordings_video_without_a_frame_leaves_nothing(tmp_path, end):
    getattr(VideoWriter(tmp_path / 'overlay.mp4', 64, 48, 30, live=True), end)()
    assert left_in(tmp_path) == []
