"""Pictures of a manifest, and what becomes of rows that cannot be used."""
from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from app.errors import InputError
from training.pictures import read_pictures

POINTS = np.random.default_rng(0).uniform(40, 90, (21, 2))


def make_set(folder, rows: list[dict], image: np.ndarray | None = None):
    """A manifest in `folder`; each row gets what it does not say itself, and a picture of 128 x 96."""
    image = np.random.default_rng(1).integers(0, 255, (96, 128, 3), np.uint8) if image is None else image
    with open(folder / 'manifest.jsonl', 'w') as file:
        for number, row in enumerate(rows):
            row = {'file': f'{number}.png', 'split': 'train', 'source': 'a', 'session': 'a0', 'side': 'right', 'open': True, 'width': 128,
                   'height': 96, 'keypoints': POINTS.tolist(), **row}
            file.write(json.dumps(row) + '\n')
            cv2.imwrite(str(folder / f'{number}.png'), image)
    return folder / 'manifest.jsonl'


def test_a_left_hand_is_given_as_the_mirror_of_a_right_one(tmp_path):
    camera, xyz = [[200.0, 3, 60], [0, 210, 50], [0, 0, 1]], np.random.default_rng(2).normal((0, 0, 0.5), 0.05, (21, 3))
    picture = read_pictures('train', make_set(tmp_path, [{'side': 'left', 'K': camera, 'xyz_m': xyz.tolist()}]))[0]
    right = picture.right()
    seen = right.xyz @ right.intrinsics.T
    before = picture.xyz @ picture.intrinsics.T
    apart = np.abs(seen[:, 0] / seen[:, 2] - (127 - before[:, 0] / before[:, 2])).max()
    assert apart < 1e-9, f'joints of the mirrored hand project {apart:.2g} px from the mirrored projections'
    assert np.allclose(right.points[:, 0], 127 - picture.points[:, 0])
    assert np.array_equal(picture.read_right(), picture.read()[:, ::-1])
    assert right.right() is right, 'mirroring what is a right hand already must change nothing'


def test_a_point_that_was_not_seen_has_no_certainty_and_lies_among_the_others(tmp_path):
    points = POINTS.tolist()
    points[5] = [float('nan'), float('nan')]
    points[6] = [None, None]
    confidence = np.full(21, 0.5)
    confidence[7] = 0
    picture = read_pictures('train', make_set(tmp_path, [{'keypoints': points, 'confidence': confidence.tolist()}]))[0]
    assert np.isinf(picture.uncertainty[[5, 6, 7]]).all() and np.isfinite(np.delete(picture.uncertainty, [5, 6, 7])).all()
    others = np.delete(POINTS, [5, 6, 7], 0).mean(0)
    assert np.allclose(picture.points[[5, 6, 7]], others)


def test_confidence_becomes_the_uncertainty_that_the_losses_turn_back_into_it(tmp_path):
    import torch

    from training.losses import confidence as weight
    confidence = np.linspace(0.1, 0.9, 21)
    picture = read_pictures('train', make_set(tmp_path, [{'confidence': confidence.tolist()}]))[0]
    back = weight(torch.tensor(picture.uncertainty / np.ptp(POINTS, axis=0).max())).numpy()
    assert np.abs(back - confidence).max() < 1e-6


def test_rows_in_which_nothing_was_seen_are_left_out_and_counted(tmp_path, capsys):
    rows = [{}, {'confidence': [0] * 21}, {'keypoints': [[None, None]] * 21}, {'keypoints': [[5, 5]] * 21}]
    assert len(read_pictures('train', make_set(tmp_path, rows))) == 1
    printed = capsys.readouterr().out
    assert printed.count('\n') == 1 and '3 of 4 rows left out' in printed, printed


def test_a_manifest_in_which_nothing_was_seen_at_all_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match='no picture of the split'):
        read_pictures('train', make_set(tmp_path, [{'confidence': [0] * 21}]))


def test_missing_pictures_are_counted_and_the_first_is_named(tmp_path):
    manifest = make_set(tmp_path, [{}, {}, {}])
    (tmp_path / '1.png').unlink()
    (tmp_path / '2.png').unlink()
    with pytest.raises(InputError, match=r'2 of the 3 pictures .* are missing, the first is .*1\.png'):
        read_pictures('train', manifest)


def test_pictures_with_one_channel_are_read_as_three_equal_ones(tmp_path):
    grey = np.random.default_rng(3).integers(0, 255, (96, 128), np.uint8)
    image = read_pictures('train', make_set(tmp_path, [{}], grey))[0].read()
    assert image.shape == (96, 128, 3) and np.array_equal(image, np.repeat(grey[..., None], 3, 2))


def test_a_picture_of_another_size_than_its_row_says_is_refused(tmp_path):
    with pytest.raises(InputError, match='128 x 96 pixels, not 64 x 96'):
        read_pictures('train', make_set(tmp_path, [{'width': 64}]))[0].read()


def test_training_takes_openly_licensed_pictures_unless_told_otherwise(tmp_path):
    manifest = make_set(tmp_path, [{'open': False}, {'open': True}])
    assert len(read_pictures('train', manifest)) == 1
    assert len(read_pictures('train', manifest, any_licence=True)) == 2
    with pytest.raises(InputError, match='marked `open`'):
        read_pictures('train', make_set(tmp_path, [{'open': False}]))


def test_pictures_whose_side_is_uncertain_are_not_used(tmp_path):
    assert len(read_pictures('train', make_set(tmp_path, [{'side_agreement': 0.6}, {'side_agreement': 1}, {'side_agreement': None}]))) == 2


def test_a_split_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(InputError, match="'val', only of train"):
        read_pictures('val', make_set(tmp_path, [{}]))


def test_world_and_depth_never_hand_on_numbers_that_are_not_finite(tmp_path):
    points, depth = POINTS.tolist(), np.arange(21.0)
    points[3] = [None, None]
    depth[3] = np.nan
    holes = np.arange(21.0)
    holes[4] = np.nan
    unseen, seen = read_pictures('train', make_set(tmp_path, [{'keypoints': points, 'depth': depth.tolist()}, {'depth': holes.tolist()}]))
    assert np.isfinite(unseen.depth).all() and unseen.depth[3] == pytest.approx(np.delete(np.arange(21.0), 3).mean())
    assert seen.depth is None, 'a depth that lacks a number for a point that was seen is none at all'


def test_the_shared_pictures_are_read_as_they_are(shared_data):
    pictures = {split: read_pictures(split, shared_data) for split in ('train', 'val')}
    assert (len(pictures['train']), len(pictures['val'])) == (5006, 2096)
    both = {p.source for p in pictures['train']} & {p.source for p in pictures['val']}
    assert both <= {'misc_demo'}, f'{both}: only the collection of single pictures from many places may be in both, and none of its people'
    assert not {p.session for p in pictures['train']} & {p.session for p in pictures['val']}
    assert pictures['train'][0].read().shape == (256, 256, 3)
