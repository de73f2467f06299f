"""Whole runs of the training, small: on made pictures, a small encoder, a few steps."""
from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import training.loop
import training.run_state
from app.errors import InputError
from models.hand_model import HandModel
from tests.training.learned import furthest, weights
from tests.training.made_set import settings_text
from training.config import Config, read_config
from training.loop import StageTraining
from training.train import start_network, train

STAGE = """
[[stages]]
name = 'all'
parts = ['encoder', 'branch', 'decoder']
epochs = 2
batch = 10
ema = 0.9
[stages.losses]
branch = 1.0
presence = 0.05
consistency = 0.1
"""
FULL = """
[[stages]]
name = 'everything'
parts = ['encoder', 'branch', 'decoder', 'texture']
epochs = 1
batch = 10
precision = 'bf16'
schedule = 'step'
render_size = 48
[stages.losses]
branch = 1.0
branch_depth = 0.1
presence = 0.05
consistency = 0.1
photometric = 0.5
outliers = 0.1
smoothness = 1.0
"""


WATCHED = """
import os, sys
import main, torch
from training.loop import StageTraining

finish = StageTraining.run_all

def watched(self, validation):
    finish(self, validation)
    learned = {name: value.detach() for name, value in self.run.network.named_parameters()}
    torch.save(learned, os.path.join(sys.argv[2], os.environ['RANK'] + '.pt'))

StageTraining.run_all = watched
sys.exit(main.main(['train', sys.argv[1]]))
"""


def config_of(made: Path, folder: Path, stages: str = STAGE, **more: str) -> Config:
    path = folder / 'settings.toml'
    path.write_text(settings_text(made, folder / 'run', stages, **more))
    return read_config(path)


def test_a_killed_run_goes_on_and_ends_where_an_undisturbed_one_ends(made, tmp_path, monkeypatch):
    (tmp_path / 'a').mkdir(), (tmp_path / 'b').mkdir()
    straight = weights(train(config_of(made, tmp_path / 'a')))
    broken = config_of(made, tmp_path / 'b', top='save_minutes = 0')
    step, count = StageTraining.step, 0

    def killed(self, batch):
        nonlocal count
        count += 1
        if count == 7:  # in the middle of the second epoch
            raise SystemExit  # nothing is saved after it, as after a kill that cannot be caught
        return step(self, batch)

    monkeypatch.setattr(StageTraining, 'step', killed)
    with pytest.raises(SystemExit):
        train(broken)
    position = torch.load(tmp_path / 'b' / 'run' / 'state.pt', weights_only=True)['position']
    assert position == {'stage': 0, 'epoch': 1, 'step': 2}, f'{position}: with save_minutes = 0 every step is saved'
    monkeypatch.setattr(StageTraining, 'step', step)
    apart = furthest(straight, weights(train(broken)))
    assert apart < 1e-6, f'weights of the interrupted run differ by up to {apart:.1e}; the order, the chance and the state must be the same'


def test_a_run_that_was_killed_between_two_stages_ends_where_an_undisturbed_one_ends(made, tmp_path, monkeypatch):
    (tmp_path / 'a').mkdir(), (tmp_path / 'b').mkdir()
    stages = 2 * STAGE.replace('epochs = 2', 'epochs = 1\ndropout = 0.5')
    straight = weights(train(config_of(made, tmp_path / 'a', stages)))
    broken, start = config_of(made, tmp_path / 'b', stages), StageTraining.__init__

    def killed(self, run, *rest):
        if run.position.stage == 1:
            raise KeyboardInterrupt
        start(self, run, *rest)

    monkeypatch.setattr(StageTraining, '__init__', killed)
    with pytest.raises(KeyboardInterrupt):
        train(broken)
    monkeypatch.setattr(StageTraining, '__init__', start)
    apart = furthest(straight, weights(train(broken)))
    assert apart < 1e-6, f'weights differ by up to {apart:.1e}; dropout must be the same as without the break'


def test_a_finished_run_is_not_run_again_and_other_settings_are_refused(made, tmp_path, capsys):
    config = config_of(made, tmp_path, STAGE.replace('epochs = 2', 'epochs = 1'))
    train(config)
    train(config)
    assert 'is finished' in capsys.readouterr().out
    with pytest.raises(InputError, match='other settings'):
        train(replace(config, seed=2))


def test_every_term_acts_and_training_lowers_what_it_is_asked_to(made, tmp_path):
    config = config_of(made, tmp_path, FULL.replace('epochs = 1', 'epochs = 6'))
    train(config)
    lines = [line for line in (tmp_path / 'run' / 'train.log').read_text().splitlines() if 'everything ' in line]
    first, last = (dict(zip(words[::2], map(float, words[1::2]))) for words in
                   (line.split(' s: ')[1].split(' |')[0].split() for line in (lines[0], lines[-1])))
    named = {'location', 'orientation', 'branch', 'branch_depth', 'presence', 'consistency', 'photometric', 'smoothness', 'points_3d'}
    assert named <= first.keys(), f'these terms are missing: {named - first.keys()}'
    for name in ('location', 'branch', 'photometric'):
        assert last[name] < first[name], f'{name} was {first[name]:.4f} in the first epoch and {last[name]:.4f} in the last'
    assert any((tmp_path / 'run' / 'board').glob('events*')), 'TensorBoard has nothing to show'


def test_kept_answers_of_frozen_blocks_give_the_same_loss_as_running_them(made, tmp_path):
    losses = []
    for keep in ('true', 'false'):
        folder = tmp_path / keep
        folder.mkdir()
        stage = STAGE.replace("name = 'all'", f"name = 'all'\nfrozen_blocks = 4\nkeep = {keep}\ndropout = 0.0")
        stage = stage.replace('epochs = 2', 'epochs = 1')
        train(config_of(made, folder, stage))
        line = next(line for line in (folder / 'run' / 'train.log').read_text().splitlines() if 'all 1/1' in line)
        losses.append(float(line.split('location ')[1].split()[0]))
    apart = abs(losses[0] - losses[1]) / losses[1]
    assert apart < 0.02, f'location {losses[0]:.4f} kept, {losses[1]:.4f} run anew; half precision explains a per cent'


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_batch(made, tmp_path, monkeypatch):
    config, step, count = config_of(made, tmp_path), StageTraining.step, 0

    def poisoned(self, batch):
        nonlocal count
        count += 1
        if count == 6:
            batch['points'] = batch['points'] * float('nan')
        return step(self, batch)

    monkeypatch.setattr(StageTraining, 'step', poisoned)
    with pytest.raises(InputError, match=r'epoch 2, step \d.*(jpg|rendered picture|without a hand).*last good checkpoint'):
        train(config)
    kept = weights(tmp_path / 'run' / 'small.safetensors')
    assert all(torch.isfinite(value).all() for value in kept.values()), 'the checkpoint that was kept is broken'


def test_a_full_disk_is_one_sentence_and_the_old_state_stays(made, tmp_path, monkeypatch):
    config = config_of(made, tmp_path, STAGE.replace('epochs = 2', 'epochs = 1'))
    target = tmp_path / 'run' / 'state.pt'
    training.run_state.save_state(target, config, training.run_state.Position(), {})
    before = target.read_bytes()

    def full(self, data):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(InputError, match='No space left on device.*last good one'):
        training.run_state.save_state(target, config, training.run_state.Position(), {})
    assert target.read_bytes() == before and not list(target.parent.glob('*.part')), 'a half-written file was left'


def test_two_processes_train_one_network(made, tmp_path):
    path, script = tmp_path / 'settings.toml', tmp_path / 'watched.py'
    path.write_text(settings_text(made, tmp_path / 'run', STAGE))
    script.write_text(WATCHED)
    root = Path(__file__).parents[2]
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', str(script), str(path),
               str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300,
                          env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(root)})
    assert done.returncode == 0, done.stderr[-2000:]
    log = (tmp_path / 'run' / 'train.log').read_text()
    assert log.count('all 2/2') == 1, f'both processes, or none, wrote the log:\n{log}'
    assert np.isfinite(sum(float(value.sum()) for value in weights(tmp_path / 'run' / 'small.safetensors').values()))
    one, other = (torch.load(tmp_path / f'{rank}.pt') for rank in (0, 1))
    apart = max(float((one[name] - other[name]).abs().max()) for name in one)
    assert apart < 1e-6, f'the two processes learned networks that are up to {apart:.1e} apart'


@pytest.mark.parametrize('stages, sentence', [
    (FULL.replace("precision = 'bf16'", "precision = 'bf16'\nkeep = true\nfrozen_blocks = 4"), 'photometric'),
    (STAGE.replace("'branch', ", "'branhc', "), 'branhc'),
    (STAGE.replace('ema = 0.9', 'keep = true'), 'frozen_blocks'),
    (STAGE.replace('ema = 0.9', 'frozen_blocks = 99'), 'the encoder has 8 blocks'),
    (STAGE.replace('epochs = 2', 'epochs = 0'), 'both are 0'),
    (STAGE.replace('batch = 10', 'batch = 1'), 'two examples for each process'),
    pytest.param(STAGE.replace('ema = 0.9', "precision = 'fp16'"), 'needs a GPU',
                 marks=pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')),
])
def test_settings_that_contradict_each_other_are_named(made, tmp_path, stages, sentence):
    with pytest.raises(InputError, match=sentence):
        train(config_of(made, tmp_path, stages))


def test_pictures_that_are_not_open_are_left_out_where_the_settings_say_so(made, tmp_path):
    with pytest.raises(InputError, match='none of the 24 training pictures .* is marked `open`'):
        train(config_of(made, tmp_path, data='open_only = true'))


def test_what_a_run_cannot_begin_with_is_one_sentence(tmp_path, monkeypatch):
    hand = HandModel.load()
    with pytest.raises(InputError, match="no encoder 'vgg'; known: landmark"):
        start_network(Config(encoder='vgg'), hand)
    for name, content in (('none.tflite', None), ('foreign.tflite', b'abcd' * 40), ('foreign.task', b'abcd'),
                          ('cut.safetensors', b'\x08\x00')):
        if content:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f'{name} has no weights of the trunk'):
            start_network(Config(trunk=str(tmp_path / name)), hand)
    (tmp_path / 'file').write_text('')
    with pytest.raises(InputError, match='file could not be written'):
        train(Config(out=str(tmp_path / 'file')))


@pytest.mark.parametrize('poisoned, sentence', [
    ('gradient', r'epoch 1, step 1, in its gradient; the batch begins with .*(jpg|rendered|without)'),
    ('weight', 'weights are no numbers any more, or huge ones, after epoch 1 of stage all'),
    ('answer', 'answers are no numbers any more')])
def test_steps_that_spoil_the_weights_stop_the_run_before_the_checkpoint_is_written(made, tmp_path, monkeypatch, poisoned, sentence):
    config, step = config_of(made, tmp_path, STAGE.replace('epochs = 2', 'steps = 1')), StageTraining.step

    def spoilt(self, batch):
        weight = self.run.network.decoder.base_layers[0].weight
        if poisoned == 'gradient':
            weight.register_hook(lambda gradient: gradient * float('inf'))
        terms = step(self, batch)
        if poisoned == 'weight':
            self.measured.decoder.base_layers[0].weight.data[0, 0] = 1e5  # more than float16 holds
        if poisoned == 'answer':
            self.measured.decoder.base_layers[0].bias.data[0] = float('nan')
        return terms

    monkeypatch.setattr(StageTraining, 'step', spoilt)
    with pytest.raises(InputError, match=sentence):
        train(config)
    assert not (tmp_path / 'run' / 'small.safetensors').exists() and not (tmp_path / 'run' / 'state.pt').exists()


def test_a_broken_state_and_a_broken_start_are_one_sentence(made, tmp_path):
    config = config_of(made, tmp_path)
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'state.pt').write_bytes(b'nothing')
    with pytest.raises(InputError, match='cannot be read; delete it'):
        train(config)
    (tmp_path / 'run' / 'state.pt').unlink()
    cut = tmp_path / 'cut.safetensors'
    cut.write_bytes(b'\x08\x00')
    with pytest.raises(InputError, match='not a readable checkpoint'):
        train(replace(config, start=str(cut)))


def test_the_running_mean_averages_the_batch_norms_too(made, tmp_path, monkeypatch):
    config, seen = config_of(made, tmp_path), []
    finish = StageTraining.run_all

    def watched(self, validation):
        finish(self, validation)
        seen.append(self)

    monkeypatch.setattr(StageTraining, 'run_all', watched)
    norms = []
    step = StageTraining.step

    def noted(self, batch):
        terms = step(self, batch)
        norms.append(self.run.network.decoder.base_layers[1].running_var.clone())
        return terms

    monkeypatch.setattr(StageTraining, 'step', noted)
    train(config)
    mean = norms[0]
    for value in norms[1:]:
        mean = 0.9 * mean + 0.1 * value
    apart = float((seen[0].mean.module.decoder.base_layers[1].running_var - mean).abs().max() / mean.abs().max())
    assert apart < 1e-4, f'statistics are {apart:.1e} from their running mean: weights of the past with norms of now answer badly'


def test_a_full_disk_spares_the_last_checkpoint(made, tmp_path, monkeypatch):
    config = config_of(made, tmp_path, STAGE.replace('epochs = 2', 'epochs = 1'))
    checkpoint = train(config)
    before, write = checkpoint.read_bytes(), Path.write_bytes

    def full(self, data):
        if 'safetensors' in self.name or self.suffix == '.part' and self.stem == 'small':
            raise OSError(28, 'No space left on device')
        return write(self, data)

    (tmp_path / 'run' / 'state.pt').unlink()
    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(InputError, match='No space left on device'):
        train(config)
    assert checkpoint.read_bytes() == before and not list(checkpoint.parent.glob('*.part')), 'the good checkpoint was hurt'
