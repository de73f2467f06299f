"""Crops to learn from: what is known of them is true, and chance is the seed's."""
from pathlib import Path

import numpy as np
import pytest

from models.camera import FOCAL
from models.hand_model import HandModel
from tests.training.made_set import make_set
from training.augment import Augment
from training.backgrounds import Backgrounds
from training.batches import Share, order
from training.config import Data
from training.crops import Crops, Meshes, Place, collate
from training.pictures import read_pictures
from training.real import fit_pictures
from training.rendered import Rendered
from training.subjects import outlines, unfitted

COUNT = 12


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> Path:
    return make_set(tmp_path_factory.mktemp('set'), train=COUNT, val=4, rendered=6)


def crops_of(made: Path, size: int = 128, **settings: object) -> Crops:
    hand = HandModel.load()
    pictures = read_pictures('train', made, any_licence=True)
    rendered = Rendered(made.parent / 'renders', size, 6, hand)
    return Crops(pictures, unfitted(pictures, hand, size), rendered, size, 10, 3, Data(crops_per_picture=2, **settings), Backgrounds(None))


def test_the_same_place_is_the_same_crop_and_another_epoch_another(made):
    crops = crops_of(made)
    for index in (0, COUNT + 1, 2 * COUNT, len(crops) - 1):
        (first, row), (again, _), (later, _) = crops[Place(0, index)], crops[Place(0, index)], crops[Place(1, index)]
        assert (first == again).all(), f'crop {index} is drawn differently the second time'
        assert (first != later).any(), f'crop {index} is the same in the next epoch'
        told = crops.row(Place(0, index))
        assert all(np.array_equal(row[key], told[key]) for key in row), f'row and crop {index} do not belong together'


def test_points_lie_where_the_picture_shows_them_also_in_the_network_s_size(made):
    crops = crops_of(made, augment=Augment.none(), flipped=0.0)
    truth = crops.rendered.rows['joints'][2] + 0
    small = crops.rendered.row(2)
    behind = (truth[:, 2]) * (FOCAL * 128)
    assert np.corrcoef(small['depth'], behind)[0, 1] > 0.99, 'relative depths do not follow the joints'
    scaled = (crops.rendered.rows['points'][2] + 0.5) * 128 / 224 - 0.5
    apart = float(np.abs(small['points'] - scaled).max())
    assert apart < 1e-3, f'points are {apart:.3f} px off after shrinking'


def test_flipped_and_empty_crops_ask_only_for_presence_and_side(made):
    crops = crops_of(made, flipped=1.0, empty=0.2)
    _, left = crops[Place(0, 0)]
    _, nothing = crops[Place(0, len(crops) - 1)]
    assert (left['hand'], left['presence'], left['right']) == (0, 1, 0)
    assert (nothing['hand'], nothing['presence']) == (0, 0)
    assert crops.empty == int(0.25 * crops.drawn), f'{crops.empty} empty crops beside {crops.drawn} others are not a fifth of all'
    batch = collate([crops[Place(0, 0)], crops[Place(0, 2 * COUNT)]])
    assert batch['crop'].shape == (2, 3, 128, 128) and batch['points'].shape == (2, 21, 2)


def test_another_background_leaves_the_hand_as_it_is(made):
    hand = HandModel.load()
    pictures = read_pictures('train', made, any_licence=True)
    fits, subjects = fit_pictures(pictures, hand, 128, 60)
    meshes = Meshes(outlines(fits, subjects, hand), hand.faces.numpy())
    seen = []
    for share in (0.0, 1.0):
        data = Data(crops_per_picture=1, flipped=0.0, augment=Augment(**{**vars(Augment.none()), 'background': share}))
        seen.append(Crops(pictures, subjects, None, 128, 10, 3, data, Backgrounds(None), meshes))
    trusted = [i for i, s in enumerate(subjects) if s.trust > 0.5]
    assert trusted, 'no fit of the made pictures is trusted'
    for i in trusted[:4]:
        random = np.random.default_rng(0)
        row, crop, _ = seen[1].drawn_as(i, random)
        image = np.full((128, 128, 3), 128, np.uint8)
        changed = seen[1].spoilt(image, i, crop, row, np.random.default_rng(1))
        at = np.round(row['points'][9]).astype(int)
        assert (changed[at[1], at[0]] == 128).all(), 'the middle of the hand was painted over'
        assert (changed != 128).any(-1).mean() > 0.2, 'hardly anything of the background is another'


def test_every_example_comes_once_an_epoch_and_processes_share_a_batch():
    whole = order(100, 10, (1, 0, 0))
    halves = [order(100, 10, (1, 0, 0), Share(rank, 2)) for rank in (0, 1)]
    assert sorted(np.concatenate(whole)) == list(range(100))
    for full, left, right in zip(whole, *halves):
        assert sorted(full) == sorted([*left, *right])
    assert len(order(7, 10, (0,))) == 1, 'a set smaller than a batch is a batch'
