"""Whole runs of the training on clips, small: made pictures and clips, a small encoder, a few steps."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.optim.swa_utils import AveragedModel

import training.train
from app.errors import InputError
from tests.training.learned import furthest, weights
from tests.training.made_clips import make_small_clips
from tests.training.made_set import settings_text
from training.config import Config, read_config
from training.loop import StageTraining, running_mean
from training.train import train
from training.video_sets import learns_from_clips

STAGES = """
[[stages]]
name = 'heads'
parts = ['decoder']
frozen_blocks = -1
keep = true
steps = 4
batch = 6
ema = 0.9
[stages.video]
same_shape = 0.1
same_bones = 1.0
first_shape = 1.0
true_joints = 1.0
[[stages]]
name = 'ends'
parts = ['encoder', 'decoder']
frozen_blocks = 5
keep = true
epochs = 2
batch = 10
[stages.video]
same_shape = 0.1
same_scale = 0.1
motion_fingers = 0.1
motion_root = 0.1
motion_wrist = 0.1
tremble_joints = 1.0
tremble_wrist = 1.0
same_joints = 1.0
first_fingers = 1.0
first_shape = 1.0
true_joints = 1.0
true_wrist = 1.0
"""
VIDEO = """
[video]
clips = ['{clips}']
length = 5
draws = 2
windows = 2
views = 2
people = 2
shown = 3
apart = 2
settle = 3.0
"""
TEXTURE = """
[video.texture]
steps = 3
stills = 4
windows = 1
length = 3
"""


@pytest.fixture(scope='module')
def clips(tmp_path_factory) -> Path:
    return make_small_clips(tmp_path_factory.mktemp('clips'), clips=2, seconds=0.6)


def config_of(made: Path, folder: Path, clips: Path | str, stages: str = STAGES, texture: str = '', **more: str) -> Config:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'settings.toml'
    video = VIDEO.format(clips=clips) + texture
    path.write_text(settings_text(made, folder / 'run', video + stages, **more))
    return read_config(path)


def test_a_run_on_clips_goes_through_its_stages_and_resumes_where_it_was_killed(made, clips, tmp_path, monkeypatch):
    straight = weights(train(config_of(made, tmp_path / 'a', clips)))
    log = (tmp_path / 'a' / 'run' / 'train.log').read_text()
    assert '2 clips of 2 people, 24 frames' in log and 'true_joints' in log and 'motion' not in log.split('ends 1/2')[0]
    broken, step, count = config_of(made, tmp_path / 'b', clips), StageTraining.step, 0

    def killed(self, batch):
        nonlocal count
        count += 1
        if count == 7:  # in the second stage
            raise KeyboardInterrupt
        return step(self, batch)

    monkeypatch.setattr(StageTraining, 'step', killed)
    with pytest.raises(KeyboardInterrupt):
        train(broken)
    monkeypatch.setattr(StageTraining, 'step', step)
    resumed = weights(train(broken))
    assert furthest(straight, resumed) < 1e-6, f'{furthest(straight, resumed):.1e} apart; a resumed run is the same run'


def test_the_texture_head_learns_from_clips_while_the_geometry_stays(made, clips, tmp_path):
    first = '[[stages]]' + STAGES.split('[[stages]]')[1].replace('steps = 4', 'steps = 1')
    config = config_of(made, tmp_path, clips, first, TEXTURE)
    config = replace(config, texture=replace(config.texture, real=6, rendered=6))
    after = weights(train(config))
    log = (tmp_path / 'run' / 'train.log').read_text()
    assert 'same_texture' in log and 'cross' in log and 'true_texture' in log and 'texture of clips 3/3' in log
    without = replace(config.video, texture=replace(config.video.texture, steps=0))
    before = weights(train(replace(config, out=str(tmp_path / 'without'), video=without)))
    moved = {key.split('.')[0] for key in after if (after[key] - before[key]).abs().max() > 0}
    assert moved == {'texture_light_from_low'}


def test_without_rendered_pictures_clips_or_fits_people_alone_share_a_shape(made, tmp_path):
    stages = STAGES.split('[[stages]]')[2]
    config = config_of(made, tmp_path, tmp_path / 'no-such-folder', '[[stages]]' + stages)
    config = replace(config, data=replace(config.data, rendered=0), video=replace(config.video, clips=()))
    train(config)
    log = (tmp_path / 'run' / 'train.log').read_text()
    assert 'same_shape' in log and 'motion_' not in log


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_batch(made, clips, tmp_path, monkeypatch):
    from training import video_terms
    monkeypatch.setattr(video_terms.video, 'same_shape', lambda shape, weight: shape.sum((1, 2)) * float('nan'))
    with pytest.raises(InputError, match='in the term same_shape; the batch begins with kept crop'):
        train(config_of(made, tmp_path, clips))


@pytest.mark.parametrize(('changed', 'message'), [
    (('keep = true', 'keep = false'), 'need kept answers'), (('length = 5', 'length = 400'), 'no clip has 400 frames in a row'),
    (('same_shape', 'same_shoe'), 'do not know stages.video.same_shoe')])
def test_settings_that_cannot_work_are_one_sentence(made, clips, tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        config_of(made, tmp_path, clips)
        path = tmp_path / 'settings.toml'
        path.write_text(path.read_text().replace(*changed))
        train(read_config(path))


def test_folders_without_clips_are_said_before_anything_takes_long(made, tmp_path, monkeypatch):
    monkeypatch.setattr(training.train, 'read_pictures', lambda *_, **__: pytest.fail('the pictures were read first'))
    with pytest.raises(InputError, match='there are no clips in'):
        train(config_of(made, tmp_path, tmp_path / 'empty'))


def test_the_settings_of_the_run_on_clips_are_readable(root):
    config = read_config(root / 'training' / 'video.toml')
    assert config.video.clips and learns_from_clips(config.stages[0]) and config.stages[0].keep


@pytest.mark.parametrize('decay', [0.9, 0.99, 0.995, 0.997, 0.999])
def test_the_running_mean_leaves_tables_of_indices_alone(decay):
    network = torch.nn.Module()
    network.register_buffer('table', torch.arange(2000), persistent=False)
    network.register_buffer('mean', torch.ones(3))
    mean = AveragedModel(network, multi_avg_fn=running_mean(decay), use_buffers=True)
    network.mean.fill_(2.0)
    for _ in range(20):
        mean.update_parameters(network)
    assert torch.equal(mean.module.table, network.table) and 1 < float(mean.module.mean[0]) <= 2
