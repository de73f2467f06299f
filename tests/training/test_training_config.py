"""Settings of a training run."""
from pathlib import Path

import pytest

from app.errors import InputError
from training.config import Config, from_dict, read_config


def test_the_settings_of_the_shipped_network_are_readable():
    config = read_config(Path(__file__).parents[2] / 'training' / 'lite.toml')
    assert (config.name, config.encoder) == ('s2hand-lite', 'landmark')


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
