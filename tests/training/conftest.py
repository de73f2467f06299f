"""What these tests share."""
from pathlib import Path

import pytest

from tests.torch_fixtures import hand, one_thread
from tests.training.made_set import make_set

__all__ = ['hand', 'made', 'one_thread']


@pytest.fixture(scope='session')
def made(tmp_path_factory) -> Path:
    """The manifest of a small set to train on, with rendered pictures beside it; nobody writes there."""
    return make_set(tmp_path_factory.mktemp('set'))
