"""Settings of a training run."""
from pathlib import Path

import pytest

from app.errors import InputError
from training.config import Config, from_dict, read_config


@pytest.mark.parametrize('name', ['lite', 'small', 'video', 'ablation'])
def test_the_settings_that_come_along_are_readable(name):
    config = read_config(Path(__file__).parents[2] / 'training' / f'{name}.toml')
    assert config.encoder in ('landmark', 'resnet18-half') and config.stages


def test_what_switches_a_part_off_is_allowed():
    config = from_dict(Config, {'panels': 0, 'data': {'rendered': 0, 'workers': 0, 'flipped': 0}, 'texture': {'epochs': 0},
                                'stages': [{'epochs': 0, 'steps': 5, 'ema': 0, 'frozen_blocks': -1, 'losses': {'scale': 0, 'depth': 0}}]})
    assert (config.panels, config.data.rendered, config.stages[0].losses.scale) == (0, 0, 0)


def test_nested_tables_reach_their_fields():
    config = from_dict(Config, {'stages': [{'epochs': 3, 'losses': {'branch': 1}}, {}], 'data': {'jitter': {'scale': [0.9, 1.1]}}})
    assert (config.stages[0].epochs, config.stages[0].losses.branch, len(config.stages)) == (3, 1.0, 2)
    assert config.data.jitter.scale == (0.9, 1.1)


@pytest.mark.parametrize('values, sentence', [
    ({'stagez': {}}, 'do not know stagez'),
    ({'stages': [{'epoch': 3}]}, 'do not know stages.epoch'),
    ({'stages': [{'epochs': 'many'}]}, 'stages.epochs .* must be a int'),
    ({'stages': [{'keep': 1}]}, 'stages.keep .* must be a bool'),
    ({'stages': [{'schedule': 'cosin'}]}, 'one of cosine, step, constant'),
    ({'stages': 3}, 'must be a list'),
    ({'data': 3}, 'must be a table'),
    ({'threads': 0}, 'threads .* must be 1 or more, not 0'),
    ({'seed': -1}, 'seed .* must be 0 or more'),
    ({'data': {'jitter': {'scale': [0.0, 1.0]}}}, 'data.jitter.scale .* must be 0.01 or more'),
    ({'data': {'jitter': {'scale': [0.9]}}}, 'data.jitter.scale .* a list of 2'),
    ({'stages': [{'learning_rate': float('nan')}]}, 'stages.learning_rate .* must be 0 or more, not nan'),
    ({'stages': [{'learning_rate': float('inf')}]}, 'stages.learning_rate .* not inf'),
    ({'stages': [{'ema': 1.5}]}, 'stages.ema .* 0 or more and less than 1'),
    ({'stages': [{'warm_up': 1.0}]}, 'less than 1'),
    ({'stages': [{'milestones': [0.5, -1.0]}]}, 'stages.milestones .* not -1.0'),
    ({'stages': [{'frozen_blocks': -2}]}, 'must be -1 or more'),
])
def test_wrong_settings_are_named(values, sentence):
    with pytest.raises(InputError, match=sentence):
        from_dict(Config, values)


def test_a_missing_or_broken_file_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match='cannot be read'):
        read_config(tmp_path / 'none.toml')
    broken = tmp_path / 'broken.toml'
    broken.write_text('name = ')
    with pytest.raises(InputError, match='is not TOML'):
        read_config(broken)
