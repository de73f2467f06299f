"""The manifest: what is read, what is refused with the number of its line, and how it is written."""
from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from app.errors import InputError
from training.manifest import NEEDED, check_files, read_rows, uncertainty_of_confidence, write_rows

ROW = {'file': 'a.jpg', 'split': 'train', 'source': 's', 'side': 'left', 'keypoints': np.zeros((21, 2)).tolist()}


def manifest(folder: Path, *lines: object) -> Path:
    path = folder / 'manifest.jsonl'
    path.write_text('\n'.join(line if isinstance(line, str) else json.dumps(line) for line in lines) + '\n')
    return path


def test_what_is_written_is_read_back(tmp_path):
    points = np.random.default_rng(0).normal(size=(21, 2))
    points[3] = np.nan
    row = {**ROW, 'keypoints': points, 'keypoint_uncertainty': np.full(21, np.inf), 'depth': np.arange(21, dtype=np.float32),
           'open': np.bool_(True), 'frame': np.int64(4), 'time': 0.25, 'own': {'note': 'Hände'}}
    assert write_rows(tmp_path / 'm.jsonl', [row, ROW]) == 2
    first, second = read_rows(tmp_path / 'm.jsonl')
    back = np.array(first['keypoints'], float)
    assert np.array_equal(back, points, equal_nan=True), 'a point that was not seen comes back as NaN, the others to the last bit'
    assert first['keypoint_uncertainty'] == [None] * 21 and first['depth'][20] == 20 and first['open'] is True
    assert (first['frame'], first['time'], first['own']) == (4, 0.25, {'note': 'Hände'})
    assert second == ROW


def test_every_line_is_json_that_other_programs_can_read(tmp_path):
    write_rows(tmp_path / 'm.jsonl', [{**ROW, 'time': float('nan'), 'keypoint_uncertainty': [float('inf')] * 21}])

    def refuse(word):
        raise AssertionError(f'{word} is not JSON')

    json.loads((tmp_path / 'm.jsonl').read_text(), parse_constant=refuse)


@pytest.mark.parametrize('key', NEEDED)
def test_a_missing_key_is_named_with_its_line(tmp_path, key):
    with pytest.raises(InputError, match=f'line 2 of .* lacks {key}'):
        read_rows(manifest(tmp_path, ROW, {k: v for k, v in ROW.items() if k != key}))


@pytest.mark.parametrize('change, words', [
    ({'keypoints': [[1, 2]] * 20}, r'keypoints must be numbers of shape \(21, 2\), not shape \(20, 2\)'),
    ({'keypoints': [[1, 2]] * 20 + [[1]]}, 'keypoints must be numbers'), ({'keypoints': 'here'}, 'keypoints must be numbers'),
    ({'depth': [0] * 20}, 'depth must be numbers'), ({'confidence': [-0.5] * 21}, 'confidence has negative numbers'),
    ({'K': [[1, 0, 0], [0, None, 0], [0, 0, 1]]}, 'K has numbers that are not finite'), ({'side': 'both'}, 'side is'),
    ({'file': ''}, 'file is not'), ({'source': 3}, 'source is not a text'), ({'width': '256'}, 'width is not a number'),
    ({'time': True}, 'time is not a number')])
def test_a_wrong_value_is_named_with_its_line(tmp_path, change, words):
    with pytest.raises(InputError, match=f'line 3 of .*{words}'):
        read_rows(manifest(tmp_path, ROW, '', {**ROW, **change}))


@pytest.mark.parametrize('line, words', [('{"file": ', 'line 2 of .* is not JSON'), ('[1]', 'line 2 of .* is not a JSON object')])
def test_a_line_that_is_no_json_object_is_named(tmp_path, line, words):
    with pytest.raises(InputError, match=words):
        read_rows(manifest(tmp_path, ROW, line))


def test_null_counts_as_absent(tmp_path):
    row = {**ROW, 'depth': None, 'K': None, 'time': None, 'clip': None}
    assert read_rows(manifest(tmp_path, row)) == [row]


@pytest.mark.parametrize('content', [b'', b'\n\n', b'\xff\xd8\xff\xe0 a picture'])
def test_an_empty_or_binary_file_is_one_sentence(tmp_path, content):
    (tmp_path / 'm.jsonl').write_bytes(content)
    with pytest.raises(InputError):
        read_rows(tmp_path / 'm.jsonl')
    with pytest.raises(InputError, match='cannot be read'):
        read_rows(tmp_path / 'other.jsonl')


def test_missing_pictures_are_counted_and_the_first_is_named(tmp_path):
    (tmp_path / 'b.jpg').touch()
    with pytest.raises(InputError, match=r'2 of the 3 pictures .* the first is .*a\.jpg'):
        check_files([tmp_path / name for name in ('b.jpg', 'a.jpg', 'c.jpg')], tmp_path / 'm.jsonl')


def test_a_full_disk_leaves_the_old_manifest_whole(tmp_path, monkeypatch):
    path = tmp_path / 'm.jsonl'
    write_rows(path, [ROW])
    before = path.read_bytes()
    real = Path.open

    class Full:
        """A file on a full disk: it can be opened, nothing can be written."""

        def __init__(self, file):
            self.file = file

        def write(self, _):
            raise OSError(errno.ENOSPC, 'No space left on device')

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

    monkeypatch.setattr(Path, 'open', lambda self, *a, **o: Full(real(self, *a, **o)))
    with pytest.raises(InputError, match='The disk is full'):
        write_rows(path, [ROW, ROW])
    monkeypatch.undo()
    assert path.read_bytes() == before and sorted(p.name for p in tmp_path.iterdir()) == ['m.jsonl']


def test_confidence_is_turned_into_pixels_and_none_into_infinity():
    points = np.array([[0.0, 0], [100, 50]]).repeat([1, 20], 0)
    confidence = np.array([0, 0.5] + [1.0] * 19)
    uncertainty = uncertainty_of_confidence(confidence, points)
    assert np.isinf(uncertainty[0]) and uncertainty[2] == 0
    assert uncertainty[1] == pytest.approx(2.0), f'half the trust is 2 % of a box of 100 px, not {uncertainty[1]:.2f} px'
