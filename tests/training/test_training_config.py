"""Settings of a training run."""
from pathlib import Path

import pytest

from app.errors import InputError
from training.config import Config, from_dict, read_config


def test_the_settings_of_the_shipped_network_are_readable():
    config = read_config(Path(__file__).parents[2] / 'training' / 'lite.toml')
    assert (config.name, config.encoder) == ('s2hand-lite', 'landmark')


def test_nested_tables_reach_their_fields():
    config = from_dict(Config, {'heads': {'epochs': 3}, 'data': {'jitter': {'scale': [0.9, 1.1]}}})
    assert (config.heads.epochs, config.data.jitter.scale) == (3, (0.9, 1.1))


@pytest.mark.parametrize('values, sentence', [
    ({'headz': {}}, 'do not know headz'),
    ({'heads': {'epoch': 3}}, 'do not know heads.epoch'),
    ({'heads': {'epochs': 'many'}}, 'heads.epochs .* must be a int'),
    ({'heads': 3}, 'must be a table'),
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
