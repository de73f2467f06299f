"""Pictures and folders of pictures as sources: every usual kind, upright, as 8-bit RGB, in natural order."""
from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from app.errors import InputError
from app.sources import open_source
from app.sources.folder import natural_key
from tests.app.made_clips import number_of, numbered, write_clip


def scene(width: int = 64, height: int = 48) -> np.ndarray:
    """Smooth, so that JPEG keeps it, with corners that tell how it is turned."""
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * x // width, 255 * y // height, np.full_like(x, 90)], -1).astype(np.uint8)


def only(path) -> np.ndarray:
    with open_source(path) as source:
        frames = list(source)
    assert len(frames) == source.frame_count == 1 and not source.is_sequence and source.fps is None and source.mode == 'image'
    image = frames[0].image
    assert image.dtype == np.uint8 and image.shape == (source.height, source.width, 3)
    assert image.flags.c_contiguous and image.flags.writeable
    assert (frames[0].index, frames[0].time, frames[0].name) == (0, 0.0, path.name)
    return image


@pytest.mark.parametrize('suffix', ['.jpg', '.JPG', '.png', '.webp', '.tif', '.bmp', '.ppm', '.avif', '.jp2'])
def test_every_usual_kind_of_picture_is_read(tmp_path, suffix):
    path = tmp_path / f'hand{suffix}'
    Image.fromarray(scene()).save(path, **({'quality': 95} if suffix.lower() in ('.jpg', '.webp', '.avif') else {}))
    error = np.abs(only(path).astype(int) - scene()).mean()
    assert error < 4, f'{error:.1f} levels from what was saved; 4 for lossy kinds'


def saved(path, array, mode=None, **options):
    picture = Image.fromarray(array)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


def test_grey_pictures_become_rgb(tmp_path):
    image = only(saved(tmp_path / 'grey.png', scene()[:, :, 0]))
    assert np.array_equal(image, np.repeat(scene()[:, :, :1], 3, 2))


@pytest.mark.parametrize(('bits', 'suffix'), [(16, '.png'), (16, '.tif'), (12, '.png'), (10, '.tif')])
def test_deep_grey_pictures_keep_their_range(tmp_path, bits, suffix):
    deep = scene()[:, :, 0].astype(np.uint16) << (bits - 8)
    deep[0, 0] = 2 ** bits - 1
    got = only(saved(tmp_path / f'deep{suffix}', deep))[:, :, 0]
    assert np.abs(got[1:].astype(int) - scene()[1:, :, 0]).max() <= 1


def test_deep_colour_pictures_are_read(tmp_path):
    import cv2
    cv2.imwrite(str(tmp_path / 'deep.png'), scene()[:, :, ::-1].astype(np.uint16) * 257)
    assert np.abs(only(tmp_path / 'deep.png').astype(int) - scene()).max() <= 1


def test_floating_point_pictures_are_read(tmp_path):
    got = only(saved(tmp_path / 'float.tif', scene()[:, :, 0].astype(np.float32) / 255))
    assert np.abs(got[:, :, 0].astype(int) - scene()[:, :, 0]).max() <= 1


def test_black_and_white_and_palette_pictures_are_read(tmp_path):
    assert set(np.unique(only(saved(tmp_path / 'bw.png', scene(), '1')))) == {0, 255}
    assert np.abs(only(saved(tmp_path / 'palette.png', scene(), 'P')).astype(int) - scene()).mean() < 30


def test_transparent_parts_become_white(tmp_path):
    array = np.dstack([scene(), np.full((48, 64), 255, np.uint8)])
    array[:10, :, 3] = 0
    array[10:20, :, 3] = 128
    image = only(saved(tmp_path / 'rgba.png', array))
    assert (image[:10] == 255).all() and np.array_equal(image[20:], scene()[20:])
    assert np.abs(image[10:20].astype(int) - (scene()[10:20].astype(int) + 255) / 2).max() <= 2
    grey_alpha = np.dstack([scene()[:, :, 0], array[:, :, 3]])
    assert (only(saved(tmp_path / 'la.png', grey_alpha))[:10] == 255).all()


def test_cmyk_jpegs_of_print_shops_have_their_colours(tmp_path):
    error = np.abs(only(saved(tmp_path / 'cmyk.jpg', scene(), 'CMYK', quality=95)).astype(int) - scene()).mean()
    assert error < 6, f'{error:.1f} levels; an inverted one would be off by 100'


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.webp', '.tif'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_turns_are_undone(tmp_path, orientation, suffix):
    stored = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: a.swapaxes(0, 1),
              6: lambda a: np.rot90(a, 1), 7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: lambda a: np.rot90(a, -1)}[orientation](scene())
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f'turned{suffix}'
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=95)
    image = only(path)
    assert image.shape == scene().shape
    assert np.abs(image.astype(int) - scene()).mean() < 4


@pytest.mark.parametrize('size', [(3840, 2160), (64, 64), (1, 1), (6000, 4000)])
def test_large_and_tiny_pictures_are_read(tmp_path, size):
    path = tmp_path / 'picture.jpg'
    Image.new('RGB', size, (200, 120, 90)).save(path)
    assert only(path).shape == (size[1], size[0], 3)


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path, recwarn):
    Image.fromarray(scene()).save(tmp_path / 'bomb.png')
    data = bytearray((tmp_path / 'bomb.png').read_bytes())
    data[16:24] = struct.pack('>II', 60_000, 60_000)
    data[29:33] = struct.pack('>I', zlib.crc32(data[12:29]))
    (tmp_path / 'bomb.png').write_bytes(data)
    with pytest.raises(InputError, match='60000 x 60000'):
        open_source(tmp_path / 'bomb.png')
    assert not recwarn.list


@pytest.mark.parametrize('name', ['my hand.png', 'Händé 手 🖐.png', 'a:b.png', '%d.png', 'no ending', 'wrong.mp4'])
def test_names_with_spaces_unicode_and_without_sense_are_read(tmp_path, name):
    Image.fromarray(scene()).save(tmp_path / name, format='PNG')
    assert np.array_equal(only(tmp_path / name), scene())


def test_a_cut_picture_is_read_as_far_as_it_goes_and_says_so(tmp_path):
    path = tmp_path / 'cut.jpg'
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)).save(path)
    whole = only(path)
    path.write_bytes(path.read_bytes()[:-1500])
    with open_source(path) as source:
        image = next(iter(source)).image
        assert np.array_equal(image[:16], whole[:16])
        assert source.warnings == ['cut.jpg is cut or damaged: what could not be read of it is blank']


@pytest.mark.parametrize('content', [b'', b'\xff\xd8\xff\xe0 this is no picture', b'\x89PNG\r\n\x1a\n' + b'\0' * 60, b'GIF89a'])
def test_broken_pictures_are_refused_in_one_sentence(tmp_path, content, capfd):
    path = tmp_path / 'broken.png'
    path.write_bytes(content)
    with pytest.raises(InputError, match='broken.png') as refusal:
        list(open_source(path))
    assert '\n' not in str(refusal.value) and capfd.readouterr().err == ''


def frames_in(folder, names, sizes=None) -> None:
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        Image.fromarray(numbered(i, *(sizes[i] if sizes else (64, 48)))).save(folder / name)


def test_a_folder_is_read_in_natural_order_as_a_sequence_at_30_frames_a_second(tmp_path):
    frames_in(tmp_path / 'frames', [f'{i}.png' for i in range(12)])
    (tmp_path / 'frames' / 'notes.txt').write_text('not a picture')
    (tmp_path / 'frames' / '._0.png').write_bytes(b'left by macOS')
    (tmp_path / 'frames' / 'more').mkdir()
    source = open_source(tmp_path / 'frames')
    frames = list(source)
    assert source.is_sequence and (source.name, source.fps, source.frame_count, source.warnings) == ('frames', 30.0, 12, [])
    assert [number_of(f.image) for f in frames] == list(range(12)) and [f.name for f in frames][9:] == ['9.png', '10.png', '11.png']
    assert [f.time for f in frames] == pytest.approx([i / 30 for i in range(12)])


def test_natural_order_counts():
    names = ['b1.png', 'a10.png', 'a2.png', 'A1.png', 'a02.png', 'a.png']
    assert sorted(names, key=natural_key) == ['A1.png', 'a02.png', 'a2.png', 'a10.png', 'a.png', 'b1.png']


def test_pictures_that_do_not_count_evenly_have_nothing_to_do_with_each_other(tmp_path):
    frames_in(tmp_path / 'album', ['anna.png', 'bert.png', 'IMG_2031.png', 'IMG_2088.png'], [(64, 48), (80, 60), (48, 64), (64, 48)])
    source = open_source(tmp_path / 'album')
    frames = list(source)
    assert not source.is_sequence and source.fps is None and len(frames) == 4 and source.warnings == []
    assert [f.image.shape[:2] for f in frames] == [(48, 64), (60, 80), (64, 48), (48, 64)]


def test_the_person_can_say_whether_pictures_follow_each_other(tmp_path):
    frames_in(tmp_path / 'frames', [f'{i}.png' for i in range(4)])
    assert not open_source(tmp_path / 'frames', sequence=False).is_sequence
    source = open_source(tmp_path / 'frames', fps=12.5)
    assert source.is_sequence and [f.time for f in source] == pytest.approx([0, 0.08, 0.16, 0.24])
    with pytest.raises(InputError, match='frames a second'):
        open_source(tmp_path / 'frames', fps=-1)


def test_frames_of_a_folder_can_be_chosen(tmp_path):
    frames_in(tmp_path / 'frames', [f'{i}.png' for i in range(12)])
    source = open_source(tmp_path / 'frames', start=2, stop=9, step=3)
    frames = list(source)
    assert [f.index for f in frames] == [2, 5, 8] == [number_of(f.image) for f in frames] and source.frame_count == 3
    assert [f.time for f in frames] == pytest.approx([2 / 30, 5 / 30, 8 / 30])


def test_pictures_of_a_folder_that_cannot_be_used_are_left_out_and_named(tmp_path):
    folder = tmp_path / 'frames'
    frames_in(folder, [f'{i}.png' for i in range(6)], [(64, 48)] * 4 + [(32, 32), (64, 48)])
    (folder / '1.png').write_bytes(b'broken')
    source = open_source(folder)
    assert [f.index for f in source] == [0, 2, 3, 5]
    assert source.warnings == ['1.png could not be read and was left out',
                               '4.png was left out of the sequence: not 64 x 48 like its first picture']


@pytest.mark.parametrize('broken', [0, 2])
def test_a_folder_without_a_readable_picture_is_refused(tmp_path, broken):
    (tmp_path / 'frames').mkdir()
    for i in range(broken):
        (tmp_path / 'frames' / f'{i}.jpg').write_bytes(b'broken')
    with pytest.raises(InputError, match='frames'):
        list(open_source(tmp_path / 'frames'))


def test_a_video_named_like_a_picture_is_still_a_video(tmp_path):
    path = write_clip(tmp_path / 'clip.mp4', 3)
    path = path.rename(tmp_path / 'clip.jpg')
    assert len(list(open_source(path))) == 3


def test_a_folder_that_may_not_be_read_is_refused(tmp_path, unprivileged):
    frames_in(tmp_path / 'frames', ['0.png'])
    (tmp_path / 'frames').chmod(0)
    with unprivileged(), pytest.raises(InputError, match='frames'):
        open_source(tmp_path / 'frames')
