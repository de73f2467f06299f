"""hands.npz: what was written comes back, in bounded memory, whole or not at all; what is no such file is refused."""
from __future__ import annotations

import shutil
import subprocess
import tracemalloc
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from app.errors import InputError
from app.hand_model import HandModel
from app.outputs.crc import combined_crc
from app.outputs.hands_file import HandsWriter, finish_left, read_hands
from app.types import Intrinsics
from tests.app.made_hands import CAMERA, made_frame, made_hand

MODEL = HandModel.load()
KEYS = ['frame', 'time', 'track', 'side', 'confidence', 'pose', 'shape', 'translation', 'vertices', 'joints_3d', 'joints_2d', 'colours',
        'filled', 'faces', 'intrinsics']


def some_frames():
    """Five frames with one, two and no hands."""
    for index, hands in enumerate([[(0, 'right')], [(0, 'right'), (1, 'left')], [], [(1, 'left')], [(0, 'right')]]):
        yield made_frame(index), [made_hand(MODEL, 10 * index + track, track, side) for track, side in hands]


def written(path, frames=None):
    with HandsWriter(path, MODEL.faces) as writer:
        for frame, hands in some_frames() if frames is None else frames:
            writer.write(frame, hands, CAMERA)
    return path


def test_the_file_has_exactly_the_promised_keys_and_shapes(tmp_path):
    vertices = len(MODEL.template)
    with np.load(written(tmp_path / 'hands.npz'), allow_pickle=False) as archive:
        assert sorted(archive.files) == sorted(KEYS)
        shapes = {key: archive[key].shape for key in KEYS}
        kinds = {key: archive[key].dtype.kind for key in KEYS}
    assert shapes == {
        'frame': (5,), 'time': (5,), 'track': (5,), 'side': (5,), 'confidence': (5,), 'pose': (5, 16, 4), 'shape': (5, 10),
        'translation': (5, 3), 'vertices': (5, vertices, 3), 'joints_3d': (5, 21, 3), 'joints_2d': (5, 21, 2), 'colours': (5, vertices, 3),
        'filled': (5,),
        'faces': MODEL.faces.shape, 'intrinsics': (3, 3)}
    assert kinds['side'] == 'U' and all(kinds[key] == 'f' for key in ('pose', 'shape', 'vertices', 'time', 'intrinsics'))


def test_hands_that_were_filled_in_are_marked_and_older_files_have_none(tmp_path):
    with HandsWriter(tmp_path / 'hands.npz', MODEL.faces) as writer:
        for frame, hands in some_frames():
            writer.write(frame, hands, CAMERA, filled={1} if frame.index == 3 else ())
    assert read_hands(tmp_path / 'hands.npz').filled.tolist() == [False, False, False, True, False]
    with np.load(tmp_path / 'hands.npz') as archive:
        np.savez(tmp_path / 'older.npz', **{key: archive[key] for key in archive.files if key != 'filled'})
    assert read_hands(tmp_path / 'older.npz').filled.tolist() == [False] * 5


def test_every_number_comes_back(tmp_path):
    file = read_hands(written(tmp_path / 'hands.npz'))
    rows = [(frame, hand) for frame, hands in some_frames() for hand in hands]
    assert len(file) == len(rows) == 5 and file.frame.tolist() == [0, 1, 1, 3, 4]
    assert file.side.tolist() == ['right', 'right', 'left', 'left', 'right']
    for row, (frame, hand) in enumerate(rows):
        assert file.time[row] == frame.time and file.track[row] == hand.track
        for key in ('pose', 'shape', 'translation', 'vertices', 'joints_3d', 'joints_2d', 'colours', 'confidence'):
            assert np.array_equal(getattr(file, key)[row], np.asarray(getattr(hand, key), getattr(file, key).dtype)), key
    assert np.array_equal(file.faces, MODEL.faces) and np.array_equal(file.intrinsics, CAMERA.matrix)


def test_pose_shape_and_translation_alone_give_the_vertices_again(tmp_path):
    file = read_hands(written(tmp_path / 'hands.npz'))
    for row in range(len(file)):
        vertices = MODEL.posed(file.pose[row], file.shape[row], str(file.side[row]))[0] + file.translation[row]
        error = 1e3 * np.abs(vertices - file.vertices[row]).max()
        assert error < 1e-3, f'{error:.1e} mm; 1e-3 for float32'


def test_projecting_the_3d_joints_with_the_files_camera_gives_its_2d_joints(tmp_path):
    file = read_hands(written(tmp_path / 'hands.npz'))
    pixels = file.joints_3d @ file.intrinsics.T
    error = np.abs(pixels[..., :2] / pixels[..., 2:] - file.joints_2d).max()
    assert error < 1e-3, f'{error:.1e} px'


@pytest.mark.parametrize('frames', [[], [(made_frame(0), []), (made_frame(1), [])]])
def test_a_clip_without_a_hand_gives_a_valid_file_without_rows(tmp_path, frames):
    file = read_hands(written(tmp_path / 'hands.npz', frames))
    assert len(file) == 0 and file.vertices.shape == (0, len(MODEL.template), 3)
    assert file.pose.shape == (0, 16, 4) and file.side.shape == (0,)


def test_pictures_of_different_cameras_keep_each_its_own(tmp_path):
    other = Intrinsics(900, 900, 500, 400)
    with HandsWriter(tmp_path / 'hands.npz', MODEL.faces) as writer:
        for index, (camera, hands) in enumerate([(other, 0), (CAMERA, 2), (other, 0), (CAMERA, 0), (other, 1)]):
            writer.write(made_frame(index), [made_hand(MODEL, track=t) for t in range(hands)], camera)
    file = read_hands(tmp_path / 'hands.npz')
    assert np.array_equal(file.intrinsics, [CAMERA.matrix, CAMERA.matrix, other.matrix])


def test_one_camera_among_frames_without_hands_stays_one(tmp_path):
    with HandsWriter(tmp_path / 'hands.npz', MODEL.faces) as writer:
        for index, camera in enumerate([CAMERA, Intrinsics(900, 900, 500, 400)]):
            writer.write(made_frame(index), [made_hand(MODEL)] if index else [], camera)
    assert read_hands(tmp_path / 'hands.npz').intrinsics.tolist() == [[900, 0, 500], [0, 900, 400], [0, 0, 1]]


def test_a_long_clip_needs_no_more_memory_than_a_short_one(tmp_path):
    hand = made_hand(MODEL)
    with HandsWriter(tmp_path / 'hands.npz', MODEL.faces) as writer:
        writer.write(made_frame(0), [hand], CAMERA)
        tracemalloc.start()
        for index in range(1, 2000):
            writer.write(made_frame(index), [hand], CAMERA)
        writer.finish()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    size = (tmp_path / 'hands.npz').stat().st_size
    assert peak < 6e6 < 20e6 < size, f'{peak / 1e6:.1f} MB at most for a file of {size / 1e6:.0f} MB'


def test_a_long_recording_is_read_without_its_vertices_in_memory(tmp_path, monkeypatch):
    path = written(tmp_path / 'hands.npz', [(made_frame(i, width=1, height=1), [made_hand(MODEL, i)]) for i in range(20)])
    whole = read_hands(path)
    monkeypatch.setattr('app.outputs.hands_file.LARGE', 10_000)
    mapped = read_hands(path)
    assert isinstance(mapped.vertices, np.memmap) and not isinstance(whole.vertices, np.memmap)
    assert np.array_equal(mapped.vertices, whole.vertices) and np.array_equal(mapped.colours, whole.colours)


def test_an_error_leaves_nothing_and_an_older_file_as_it_was(tmp_path):
    (tmp_path / 'hands.npz').write_bytes(b'of yesterday')
    with pytest.raises(KeyboardInterrupt), HandsWriter(tmp_path / 'hands.npz', MODEL.faces) as writer:
        writer.write(made_frame(0), [made_hand(MODEL)], CAMERA)
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ['hands.npz'] and (tmp_path / 'hands.npz').read_bytes() == b'of yesterday'


@pytest.mark.parametrize('limit', [0, 1000, 100_000])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, limited_files, limit):
    with limited_files(limit), pytest.raises(InputError, match='disk is full'):
        written(tmp_path / 'hands.npz', [(made_frame(i), [made_hand(MODEL)]) for i in range(30)])
    assert list(tmp_path.iterdir()) == []


def test_a_really_full_disk_is_one_sentence_and_leaves_nothing(small_disk):
    hand = made_hand(MODEL)
    with pytest.raises(InputError, match='disk is full'):
        written(small_disk / 'hands.npz', [(made_frame(i), [hand]) for i in range(300)])
    assert list(small_disk.iterdir()) == []


def test_what_was_written_before_the_disk_was_full_can_be_finished(tmp_path, limited_files):
    writer = HandsWriter(tmp_path / 'hands.npz', MODEL.faces)
    hand, count = made_hand(MODEL), 0
    with limited_files(300_000), pytest.raises(InputError, match='disk is full'):
        while True:
            writer.write(made_frame(count), [hand], CAMERA)
            count += 1
    writer.finish()
    file = read_hands(tmp_path / 'hands.npz')
    assert len(file) == count > 10 and np.array_equal(file.vertices[-1], hand.vertices.astype(np.float32))
    assert [p.name for p in tmp_path.iterdir()] == ['hands.npz']


def test_finishing_takes_no_more_room_than_was_said(tmp_path):
    writer = HandsWriter(tmp_path / 'hands.npz', MODEL.faces)
    random = np.random.default_rng(0)
    for index in range(50):
        hand = replace(made_hand(MODEL, index), colours=random.integers(0, 255, MODEL.template.shape, dtype=np.uint8))  # nothing to shrink
        writer.write(made_frame(index), [hand], CAMERA)
    before = writer.bytes
    writer.finish()
    size = (tmp_path / 'hands.npz').stat().st_size
    assert size < before + 60_000, f'{size} bytes, {before} before: faces and headers take 45 kB'
    assert writer.needed < 0.35 * before, f'{writer.needed} of {before} bytes must be free to finish; a second copy of all would be as many'


def left_behind(folder, frames) -> None:
    """What a killed program leaves: all files as they are, nothing closed."""
    writer = HandsWriter(folder / 'hands.npz', MODEL.faces, folder / 'left')
    for frame, hands, camera in frames:
        writer.write(frame, hands, camera)
    shutil.copytree(folder / 'left', folder / 'kept')
    writer.discard()
    (folder / 'kept').rename(folder / 'left')


def test_of_what_a_killed_program_left_the_same_file_is_made(tmp_path):
    other = Intrinsics(900, 900, 500, 400)
    frames = [(frame, hands, CAMERA if frame.index < 3 else other) for frame, hands in some_frames()]
    left_behind(tmp_path, frames)
    assert finish_left(tmp_path / 'left', tmp_path / 'hands.npz') == 5 and [p.name for p in tmp_path.iterdir()] == ['hands.npz']
    with HandsWriter(tmp_path / 'direct.npz', MODEL.faces) as writer:
        for frame, hands, camera in frames:
            writer.write(frame, hands, camera)
    left, direct = read_hands(tmp_path / 'hands.npz'), read_hands(tmp_path / 'direct.npz')
    assert all(np.array_equal(getattr(left, key), getattr(direct, key)) for key in KEYS)
    assert zipfile.ZipFile(tmp_path / 'hands.npz').testzip() is None


@pytest.mark.parametrize('key', ['growing.npz', 'pose.rows', 'colours.rows'])
def test_a_row_that_a_killed_program_had_begun_is_left_out(tmp_path, key):
    left_behind(tmp_path, [(frame, hands, CAMERA) for frame, hands in some_frames()])
    path = tmp_path / 'left' / key
    path.write_bytes(path.read_bytes()[:-1])
    assert finish_left(tmp_path / 'left', tmp_path / 'hands.npz') == 4
    file = read_hands(tmp_path / 'hands.npz')
    assert file.frame.tolist() == [0, 1, 1, 3] and zipfile.ZipFile(tmp_path / 'hands.npz').testzip() is None


def test_where_the_disk_is_full_what_was_left_stays_and_can_be_finished_later(tmp_path, limited_files):
    left_behind(tmp_path, [(frame, hands, CAMERA) for frame, hands in some_frames()])
    with limited_files(80_000), pytest.raises(InputError, match='disk is full'):
        finish_left(tmp_path / 'left', tmp_path / 'hands.npz')
    assert [p.name for p in tmp_path.iterdir()] == ['left']
    assert finish_left(tmp_path / 'left', tmp_path / 'hands.npz') == 5 == len(read_hands(tmp_path / 'hands.npz'))


def test_another_folder_is_not_touched(tmp_path):
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'photos' / 'a.jpg').write_bytes(b'of yesterday')
    with pytest.raises(InputError, match='no numbers'):
        finish_left(tmp_path / 'photos', tmp_path / 'hands.npz')
    assert [p.name for p in (tmp_path / 'photos').iterdir()] == ['a.jpg'] and not (tmp_path / 'hands.npz').exists()


def test_an_older_reader_of_zip_files_finds_nothing_wrong(tmp_path):
    path = written(tmp_path / 'hands.npz')
    assert zipfile.ZipFile(path).testzip() is None, 'a checksum is wrong'
    found = shutil.which('unzip')
    assert not found or subprocess.run([found, '-tq', path], capture_output=True).returncode == 0


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_checksum_of_two_pieces_is_that_of_the_whole(first, second):
    assert combined_crc(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


def test_arrays_of_another_shape_are_a_mistake_of_the_program(tmp_path):
    with pytest.raises(ValueError, match='vertices'), HandsWriter(tmp_path / 'hands.npz', MODEL.faces) as writer:
        writer.write(made_frame(0), [replace(made_hand(MODEL), vertices=np.zeros((5, 3)))], CAMERA)
    assert list(tmp_path.iterdir()) == []


def altered(path, **changes):
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files} | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})


@pytest.mark.parametrize(('changes', 'word'), [
    ({'pose': None}, 'pose missing'), ({'pose': np.ones((5, 16, 4))}, 'length 1'), ({'pose': np.zeros((5, 15, 4))}, 'shape'),
    ({'shape': np.full((5, 10), np.nan)}, 'finite'), ({'side': np.array(['right', 'left', 'up', 'right', 'left'])}, 'side'),
    ({'frame': np.arange(4)}, 'shape'), ({'frame': np.arange(5.0)}, 'whole'), ({'faces': np.array([[0, 1, 99999]])}, 'faces'),
    ({'vertices': np.zeros((5, 3))}, 'shape'), ({'intrinsics': np.eye(4)}, 'intrinsics'),
    ({'colours': np.zeros((5, 9, 3), np.uint8)}, 'shape'),
])
def test_a_file_that_contradicts_itself_is_refused(tmp_path, changes, word):
    path = written(tmp_path / 'hands.npz')
    altered(path, **changes)
    with pytest.raises(InputError, match=word):
        read_hands(path)


@pytest.mark.parametrize('content', [b'', b'no archive', b'PK\x03\x04 broken'])
def test_what_is_no_such_file_is_refused(tmp_path, content):
    (tmp_path / 'hands.npz').write_bytes(content)
    with pytest.raises(InputError, match='hands.npz'):
        read_hands(tmp_path / 'hands.npz')


def test_a_missing_or_cut_file_is_refused(tmp_path):
    with pytest.raises(InputError, match='no file'):
        read_hands(tmp_path / 'none.npz')
    path = written(tmp_path / 'hands.npz')
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match='not a whole file'):
        read_hands(path)
