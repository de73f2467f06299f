"""Fixtures of the tests that need torch."""
from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.hand_model import HandModel


@pytest.fixture(scope='module', autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads that share a busy core are slower than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope='module')
def hand() -> HandModel:
    """The open hand."""
    return HandModel.load()
