"""From clips and pictures to a training set: the real detector and the real network on the bundled clip, whose truth is known."""
from __future__ import annotations

import errno
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.detection import Detector
from app.errors import InputError
from app.mirror import mirror_image, mirror_points_2d
from app.regression import Regressor
from app.sources import open_source
from training.label import MANIFEST, LabelSettings, label
from training.label_clips import ClipLabeller
from training.label_crops import square_around
from training.label_points import Labeller
from training.label_rows import Limits, labelled_rows
from training.label_sets import rows_of
from training.label_splits import SplitRule, torn_sessions
from training.label_tracks import Follower, distinct
from training.manifest import read_rows, write_rows
from training.pictures import Picture, read_pictures

EVERY = 60  # of the 300 frames of the clip
QUICK = {'looks': 2, 'threads': 1, 'quiet': True, 'hands': 1}


@pytest.fixture(scope='module')
def frames(demo_clip) -> list:
    with open_source(demo_clip, step=EVERY) as source:
        return list(source)


@pytest.fixture(scope='module')
def truth(root):
    with np.load(root / 'assets' / 'demo' / 'demo_truth.npz') as file:
        return {key: file[key] for key in ('joints_2d', 'joints_3d', 'intrinsics')}


@pytest.fixture(scope='module')
def labeller() -> Labeller:
    return Labeller(Regressor(provider='cpu', threads=1))


@pytest.fixture(scope='module')
def demo_set(demo_clip, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('sets') / 'demo'
    label([demo_clip], LabelSettings(out, every=EVERY, split='train', open=True, licence='Apache-2.0', **QUICK))
    return out


def picture_file(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)
    return path


def only_row(folder: Path) -> Path:
    """A manifest beside a set with the set's first row."""
    path = folder.parent / 'first.jsonl'
    row = read_rows(folder / MANIFEST)[0]
    write_rows(path, [{**row, 'file': str(folder / row['file'])}])
    return path


def test_labels_lie_on_the_true_joints_and_their_depths_are_those_of_the_hand(frames, truth, labeller):
    off, given, true = [], [], []
    for frame in frames:
        joints, xyz = truth['joints_2d'][frame.index], truth['joints_3d'][frame.index]
        found = labeller(frame.image, joints + np.random.default_rng(frame.index).normal(0, 4, (21, 2)), 'right')
        box = np.ptp(joints, axis=0).max()
        off.append(np.linalg.norm(found.points - joints, axis=-1).mean() / box)
        given.append(found.depth[1:] / box)
        true.append((xyz[1:, 2] - xyz[0, 2]) * truth['intrinsics'][0, 0] / xyz[:, 2].mean() / box)
        assert found.presence > 0.8 and found.side == 'right' and found.depth[0] == 0
    assert np.mean(off) < 0.06, f'labels lie {100 * np.mean(off):.1f} % of the hand box from the true joints; 6 % is the most'
    slope = np.sum(np.multiply(given, true)) / np.sum(np.square(true))
    correlation = np.corrcoef(np.ravel(given), np.ravel(true))[0, 1]
    assert correlation > 0.7 and 0.5 < slope < 1.6, f'depths correlate by {correlation:.2f} with the true ones, {slope:.2f} times as large'


def test_the_label_of_a_mirrored_picture_is_the_mirrored_label(frames, truth, labeller):
    frame = frames[1]
    width = frame.image.shape[1]
    joints = truth['joints_2d'][frame.index]
    one, other = labeller(frame.image, joints, 'right'), labeller(mirror_image(frame.image), mirror_points_2d(joints, width), 'left')
    apart = np.abs(mirror_points_2d(other.points, width) - one.points).max() / one.box_side
    assert other.side == 'left' and one.side == 'right'
    assert apart < 0.05, f'{100 * apart:.1f} % of the box apart; looks are turned the other way, so not 0, but 5 % is the most'


def test_a_clip_becomes_a_set_that_training_reads(demo_set):
    pictures = read_pictures('train', demo_set)
    assert [p.frame for p in pictures] == [0, 60, 120, 180, 240] and {p.clip for p in pictures} == {'demo'}
    assert [round(p.time, 2) for p in pictures] == [0, 2, 4, 6, 8], 'the clip has 30 frames per second'
    assert len({p.session for p in pictures}) == 1, 'one hand, one session'
    for picture in pictures:
        image = picture.read()
        assert image.shape[0] == image.shape[1] == picture.width <= 256
        assert (picture.points > 0).all() and (picture.points < picture.width).all() and picture.side == 'right'
        assert 1.6 < picture.width / np.ptp(picture.points, axis=0).max() < 2
        assert picture.depth is not None and (picture.uncertainty > 0).all()
    rows, summary = read_rows(demo_set / MANIFEST), json.loads((demo_set / 'summary.json').read_text())
    assert all(row['licence'] == 'Apache-2.0' and row['open'] and row['valid_area'] == 1 for row in rows)
    assert summary['kept'] == len(rows) and summary['pictures_per_second'] > 0


def test_labelling_the_crops_anew_finds_the_same_points(demo_set, tmp_path):
    label([demo_set / MANIFEST], LabelSettings(tmp_path / 'again', **QUICK))
    old, new = read_pictures('train', demo_set), read_pictures('train', tmp_path / 'again')
    assert [p.path for p in new] == [p.path for p in old], 'crops stay where they are'
    off = [np.linalg.norm(a.points - b.points, axis=-1).mean() / np.ptp(a.points, axis=0).max() for a, b in zip(old, new)]
    assert max(off) < 0.04, f'{100 * max(off):.1f} % of the box; shrinking, JPEG and another cut may move them 4 %'


def test_points_that_are_kept_stay_and_what_was_missing_is_added(demo_set, tmp_path):
    rows = read_rows(demo_set / MANIFEST)
    for row in rows:
        row['file'] = str(demo_set / row['file'])
        del row['depth'], row['keypoint_uncertainty'], row['width'], row['height']
    rows[0]['keypoints'] = (np.array(rows[0]['keypoints'])[::-1]).tolist()  # of no hand that anybody sees
    write_rows(tmp_path / 'in.jsonl', rows)
    outcome = label([tmp_path / 'in.jsonl'], LabelSettings(tmp_path / 'set', keep_points=True, **QUICK))
    made = read_rows(tmp_path / 'set' / MANIFEST)
    assert [row['keypoints'] for row in made] == [row['keypoints'] for row in rows]
    assert all(row['width'] == 256 and len(row['keypoint_uncertainty']) == 21 for row in made)
    assert 'depth' not in made[0] and all('depth' in row for row in made[1:])
    assert outcome.dropped == {'kept, but without depth: the looks do not see these points': 1}


def test_rows_that_show_no_hand_or_cannot_be_read_are_dropped_with_the_reason(demo_set, tmp_path, labeller):
    row = {**read_rows(demo_set / MANIFEST)[0]}
    picture_file(tmp_path / 'grey.png', np.full((256, 256, 3), 128, np.uint8))
    (tmp_path / 'broken.png').write_bytes(b'no picture')
    rows = [{**row, 'file': 'grey.png'}, {**row, 'file': 'broken.png'}, {**row, 'file': str(demo_set / row['file'])},
            {**row, 'file': str(demo_set / row['file']), 'keypoints': [[None, None]] * 21}]
    dropped = Counter()
    made = list(labelled_rows(rows, tmp_path, tmp_path, labeller, Limits(), False, dropped))
    assert len(made) == 1 and dropped == {'no hand seen in the crop': 1, 'picture cannot be read': 1, 'no hand found': 1}


def test_a_picture_with_one_channel_and_a_left_hand_are_labelled(frames, tmp_path):
    grey = cv2.cvtColor(frames[1].image, cv2.COLOR_RGB2GRAY)
    folder = tmp_path / 'photos'
    picture_file(folder / 'grey.png', grey)
    picture_file(folder / 'left.jpg', mirror_image(frames[1].image))
    outcome = label([folder], LabelSettings(tmp_path / 'set', **QUICK))
    assert {row['session']: row['side'] for row in outcome.rows} == {'photos/grey': 'right', 'photos/left': 'left'}
    assert len({row['source'] for row in outcome.rows}) == len({row['split'] for row in outcome.rows}) == 1, 'a folder is never divided'


def test_a_hand_that_does_not_move_is_taken_once(frames, tmp_path):
    for number in range(3):
        picture_file(tmp_path / 'clip' / f'{number:03d}.png', frames[1].image)
    outcome = label([tmp_path / 'clip'], LabelSettings(tmp_path / 'set', every=1, **QUICK))
    assert len(outcome.rows) == 1 and outcome.dropped == {'near duplicate': 2}


@pytest.mark.parametrize('share', [0.2, 0.5])
def test_no_session_and_no_source_is_ever_in_two_splits(share):
    rule, rng = SplitRule.parse(f'val:{share}'), np.random.default_rng(0)
    sources = [f'clip_{n}' for n in range(2000)]
    rows = [{'source': source, 'session': f'{source}/hand{hand}', 'split': rule.of(source)} for source in sources for hand in range(2)
            for _ in range(int(rng.integers(1, 4)))]
    assert torn_sessions(rows) == []
    assert all(len({row['split'] for row in rows if row['source'] == source}) == 1 for source in sources[:50])
    part = np.mean([rule.of(source) == 'val' for source in sources])
    assert abs(part - share) < 0.03, f'{part:.3f} of 2,000 sources are val, asked for {share}; chance alone makes 0.03'
    assert [rule.of(s) for s in sources] == [SplitRule.parse(f'val:{share}').of(s) for s in sources], 'the same in every run'


def test_the_versions_and_sequences_of_the_data_sets_are_never_torn(tmp_path):
    pictures = [Picture(tmp_path / f'{n}.jpg', 'freihand', f'freihand/training/{n % 50:08d}', 'right', np.zeros((21, 2)), np.ones(21))
                for n in range(200)]
    rows = rows_of({'training': pictures, 'evaluation': pictures[:10]}, SplitRule.parse('val:0.3'), 'research only', False)
    assert torn_sessions(rows) == []
    assert {row['split'] for row in rows} == {'train', 'val', 'test'}


def test_a_torn_session_is_refused_and_the_old_manifest_stays(demo_set, tmp_path):
    rows = read_rows(demo_set / MANIFEST)[:2]
    for row, split in zip(rows, ('train', 'val')):
        row['file'], row['split'] = str(demo_set / row['file']), split
    write_rows(tmp_path / 'in.jsonl', rows)
    with pytest.raises(InputError, match='1 sessions would be in two splits, the first is demo/hand0'):
        label([tmp_path / 'in.jsonl'], LabelSettings(tmp_path / 'set', keep_points=True, **QUICK))
    assert not (tmp_path / 'set' / MANIFEST).exists()


def test_a_set_that_is_there_is_refused_added_to_or_replaced(frames, tmp_path):
    one, two = (picture_file(tmp_path / name / 'a.png', frames[1].image) for name in ('one', 'two'))
    settings = LabelSettings(tmp_path / 'set', split='train', **QUICK)
    label([one], settings)
    with pytest.raises(InputError, match='already; add to it with --append, replace it with --overwrite'):
        label([two], settings)
    label([two], replace(settings, append=True))
    rows = read_rows(tmp_path / 'set' / MANIFEST)
    assert [row['source'] for row in rows] == ['one', 'two'] and all((tmp_path / 'set' / row['file']).is_file() for row in rows)
    with pytest.raises(InputError, match='is in the set already'):
        label([one], replace(settings, append=True))
    assert read_rows(tmp_path / 'set' / MANIFEST) == rows
    with pytest.raises(InputError, match='1 of the pictures are in the set already'):
        label([only_row(tmp_path / 'set')], replace(settings, append=True, split=None))
    (tmp_path / 'set' / 'mine.txt').write_text('kept')
    label([two], replace(settings, overwrite=True))
    assert [row['source'] for row in read_rows(tmp_path / 'set' / MANIFEST)] == ['two']
    files = sorted(p.relative_to(tmp_path / 'set').as_posix() for p in (tmp_path / 'set').rglob('*') if p.is_file())
    assert files == ['manifest.jsonl', 'mine.txt', 'pictures/two/a_0.jpg', 'summary.json'], files


def test_a_set_is_never_made_from_itself(frames, tmp_path):
    picture_file(tmp_path / 'clips' / 'a.png', frames[1].image)
    settings = LabelSettings(tmp_path / 'clips' / 'set', overwrite=True, **QUICK)
    label([tmp_path / 'clips'], settings)
    assert len(label([tmp_path / 'clips'], settings).rows) == 1, "a second run must not take the first one's crops for new pictures"
    with pytest.raises(InputError, match='belongs to the set'):
        label([tmp_path / 'clips' / 'set' / MANIFEST], settings)
    assert len(read_pictures(None, settings.out)) == 1, 'and its crops are still there'


def test_an_interrupted_run_leaves_no_manifest(frames, tmp_path, monkeypatch):
    files = [picture_file(tmp_path / f'{name}.png', frames[1].image) for name in 'abc']
    real, calls = ClipLabeller.__call__, []

    def interrupted(self, clip):
        calls.append(clip)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, clip)

    monkeypatch.setattr(ClipLabeller, '__call__', interrupted)
    with pytest.raises(KeyboardInterrupt):
        label(files, LabelSettings(tmp_path / 'set', **QUICK))
    assert not (tmp_path / 'set' / MANIFEST).exists() and not (tmp_path / 'set' / 'summary.json').exists()
    monkeypatch.undo()
    assert len(label(files, LabelSettings(tmp_path / 'set', **QUICK)).rows) == 3, 'and the next run simply works'


def test_a_full_disk_is_one_sentence_and_leaves_no_manifest(frames, tmp_path, monkeypatch):
    file, real = picture_file(tmp_path / 'a.png', frames[1].image), Path.open

    class Full:
        """A file on a full disk: it can be opened, nothing can be written."""

        def __init__(self, opened):
            self.opened = opened

        def write(self, _):
            raise OSError(errno.ENOSPC, 'No space left on device')

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.opened.close()

    def opened(self, *args, **options):
        return Full(real(self, *args, **options)) if self.name.endswith('.jpg.part') else real(self, *args, **options)

    monkeypatch.setattr(Path, 'open', opened)
    with pytest.raises(InputError, match='The disk is full'):
        label([file, file], LabelSettings(tmp_path / 'set', **QUICK))
    assert [p for p in (tmp_path / 'set').rglob('*') if p.is_file()] == []


def test_inputs_without_a_hand_are_one_sentence_with_the_count(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'empty.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10, (160, 120))
    for shade in range(0, 60, 10):
        writer.write(np.full((120, 160, 3), shade, np.uint8))
    writer.release()
    with pytest.raises(InputError, match='empty.avi gave no row.*nothing for a manifest.*3 x frame without a hand'):
        label([tmp_path / 'empty.avi'], LabelSettings(tmp_path / 'set', **QUICK))
    assert not (tmp_path / 'set' / MANIFEST).exists()


def test_a_bad_input_among_good_ones_is_named_at_the_end(frames, tmp_path):
    good = picture_file(tmp_path / 'good.png', frames[1].image)
    (tmp_path / 'bad.mp4').write_bytes(b'not a video')
    outcome = label([tmp_path / 'bad.mp4', good], LabelSettings(tmp_path / 'set', **QUICK))
    assert len(outcome.rows) == 1 and len(outcome.warnings) == 1 and 'bad.mp4' in outcome.warnings[0]


@pytest.mark.parametrize('change, words', [({'every': 0}, '--every 0'), ({'size': 8}, '--size 8'), ({'split': 'val:2'}, '--split val:2'),
                                           ({'split': 'val:x'}, '--split'), ({'append': True, 'overwrite': True}, 'contradict')])
def test_options_that_make_no_sense_are_refused(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        label([tmp_path], LabelSettings(tmp_path / 'set', **{**QUICK, **change}))


def test_folders_without_pictures_and_outputs_that_are_files_are_refused(run_main, tmp_path):
    (tmp_path / 'empty').mkdir()
    result = run_main('label', tmp_path / 'empty', '--out', tmp_path / 'set')
    assert result.returncode == 2 and 'no pictures and no videos' in result.stderr and result.stderr.count('\n') == 1, result.stderr
    (tmp_path / 'file').touch()
    picture_file(tmp_path / 'a.png', np.zeros((50, 50, 3), np.uint8))
    result = run_main('label', tmp_path / 'a.png', '--out', tmp_path / 'file')
    assert result.returncode == 2 and 'a file is in its place' in result.stderr and result.stderr.count('\n') == 1, result.stderr


def test_a_crop_is_a_piece_of_the_frame_and_points_move_with_it():
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    points = np.random.default_rng(1).uniform((40, 30), (70, 60), (21, 2))
    square = square_around(points, 1.5, 256)
    crop = square.cut(image)
    x, y = 50, 40
    u, v = square.to_crop(np.array([x, y], float)).astype(int)
    assert np.array_equal(crop[v, u], image[y, x]) and square.scale == 1, 'not enlarged, not resampled'
    small = square_around(points, 1.5, 20)
    apart = (small.to_crop(points) + 0.5) / 20 - (square.to_crop(points) + 0.5) / square.side
    assert np.abs(apart).max() < 1e-12 and small.cut(image).shape == (20, 20, 3), 'a shrunk crop shows the same square'


def test_beyond_the_frame_the_edge_is_repeated_and_the_share_of_picture_is_told():
    image = np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8)
    square = square_around(np.array([[0.0, 10], [19, 29]]).repeat([1, 20], 0), 2.0, 256)
    crop = square.cut(image)
    assert (square.left, square.top, square.side) == (-9, 1, 38) and square.valid_area(60, 50) == pytest.approx(29 / 38)
    assert all(np.array_equal(crop[:, i], crop[:, 9]) for i in range(9)) and np.array_equal(crop[:, 9:], image[1:39, :29])


def test_two_hands_that_move_keep_their_numbers_and_one_that_returns_late_gets_a_new_one():
    hand, follower = np.random.default_rng(0).uniform(0, 80, (21, 2)), Follower()
    for step in range(8):
        left, right = hand + (10 * step, 0), hand + (300 - 10 * step, 5)
        order = [left, right] if step % 2 else [right, left]
        found = follower(order, [0.1, 0.9] if step % 2 else [0.9, 0.1], 0.2 * step)
        numbers = {('left' if points is left else 'right'): f.number for points, f in zip(order, found)}
        assert numbers == {'right': 0, 'left': 1}, f'step {step}: {numbers}'
    assert follower([hand + (70, 0)], [0.1], 1.8)[0].number == 1
    assert follower([hand + (70, 0)], [0.1], 9.0)[0].number == 2, 'after seven seconds nobody knows whose hand it is'


def test_of_two_tracks_as_near_the_one_of_the_same_side_goes_on():
    hand, follower = np.random.default_rng(0).uniform(0, 80, (21, 2)), Follower()
    right, left = follower([hand, hand + (60, 0)], [0.9, 0.1], 0.0)
    between = follower([hand + (32, 0), hand + (28, 0)], [0.9, 0.1], 0.2)  # each a little nearer to the other one's place
    assert [found.number for found in between] == [right.number, left.number]


def test_a_hand_found_twice_counts_once():
    hand = np.random.default_rng(0).uniform(0, 80, (21, 2))
    assert distinct([hand, hand + 3, hand + (200, 0)]) == [0, 2]


def test_the_side_of_a_track_is_what_most_of_its_frames_say():
    follower = Follower()
    hand = np.random.default_rng(0).uniform(0, 80, (21, 2))
    for step, right in enumerate((0.95, 0.9, 0.3, 0.99, 0.97, 0.96)):
        followed = follower([hand], [right], 0.2 * step)[0]
    assert followed.number == 0 and followed.side == 'right' and followed.side_is_certain, followed.right


def test_a_detector_is_not_needed_where_points_are_known(demo_set, labeller):
    rows = read_rows(demo_set / MANIFEST)[:1]
    assert len(list(labelled_rows(rows, demo_set, demo_set, labeller, Limits(), False, Counter()))) == 1
    with Detector(1) as detector:
        lost = [{**rows[0], 'keypoints': [[None, None]] * 21}]
        found = list(labelled_rows(lost, demo_set, demo_set, labeller, Limits(), False, Counter(), detector))
    apart = np.linalg.norm(np.array(found[0]['keypoints']) - np.array(rows[0]['keypoints']), axis=-1).mean()
    assert apart < 0.05 * np.ptp(rows[0]['keypoints'], axis=0).max(), f'the detector finds the lost hand again, {apart:.1f} px off'
