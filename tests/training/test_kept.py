"""Answers of frozen blocks that are kept in files, and crops that are cut in other processes."""
from __future__ import annotations

import resource
import signal

import numpy as np
import pytest
import torch

from app.errors import InputError
from models.encoders import make_encoder
from training.batches import CropBatches
from training.crops import Place
from training.kept import kept_at

BLOCKS = 2


class Noise:
    """Crops of noise, of which some cannot be read."""

    def __init__(self, count: int, broken: int = -1) -> None:
        self.count, self.broken = count, broken

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: Place) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        if place.index == self.broken:
            raise InputError(f'the picture {place.index} cannot be read')
        return np.random.default_rng(place.index).integers(0, 255, (3, 128, 128), np.uint8), self.row(place)

    def row(self, place: Place) -> dict[str, np.ndarray]:
        return {'number': np.float32(place.index)}


@pytest.fixture(scope='module')
def encoder():
    torch.manual_seed(0)
    return make_encoder('resnet18-half').eval()


def test_kept_answers_are_those_of_the_blocks_in_the_order_of_the_crops(encoder, tmp_path):
    crops, path = Noise(40), tmp_path / 'kept.npy'  # more than one batch
    kept = kept_at(path, crops, encoder, BLOCKS, 'noise', 0, 0)
    seen = kept.batch(np.array([3, 39]))
    images = torch.from_numpy(np.stack([crops[Place(0, index)][0] for index in (3, 39)])).float() / 255
    with torch.no_grad():
        wanted = encoder.front(images, BLOCKS)
    apart = float((seen['kept'] - wanted).abs().max() / wanted.abs().max())
    assert apart < 1e-3, f'kept answers are off by {apart:.1e} of the largest; half precision explains 5e-4'
    assert seen['number'].tolist() == [3, 39] and [file.name for file in tmp_path.iterdir()] == ['kept.npy']
    assert np.load(path, mmap_mode='r').shape == (40, *wanted.shape[1:]), 'other programs could not map the file'


def test_a_disk_that_is_full_while_answers_are_kept_is_one_sentence_and_leaves_nothing(encoder, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(InputError, match='The disk is full: .*kept.npy'):
            kept_at(tmp_path / 'kept.npy', Noise(40), encoder, BLOCKS, 'noise', 0, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not any(tmp_path.iterdir()), f'{[path.name for path in tmp_path.iterdir()]} was left'


@pytest.mark.parametrize('workers', [0, 2])
def test_a_picture_that_cannot_be_read_is_the_same_sentence_from_whichever_process(workers):
    batches = CropBatches(Noise(8, broken=5), workers)
    with pytest.raises(InputError) as caught:
        list(batches.epoch(0, [np.arange(4), np.arange(4, 8)]))
    assert str(caught.value) == 'the picture 5 cannot be read'


def test_processes_that_cut_crops_leave_no_handler_behind(monkeypatch):
    monkeypatch.setattr('torch.utils.data._utils.signal_handling._SIGCHLD_handler_set', False)  # it is set once in a process
    before = signal.getsignal(signal.SIGCHLD)
    assert len(list(CropBatches(Noise(8), 2).epoch(0, [np.arange(4), np.arange(4, 8)]))) == 2
    assert signal.getsignal(signal.SIGCHLD) is before, 'a later subprocess would crash Python 3.11'
