"""Fixtures of the program's tests."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def unprivileged(tmp_path: Path) -> Callable[[], AbstractContextManager]:
    """`with unprivileged():` what runs inside is bound by permissions, also when the tests run as root."""
    @contextmanager
    def drop() -> Iterator[None]:
        if not hasattr(os, 'geteuid') or os.geteuid() != 0:
            yield
            return
        for folder in (tmp_path, *tmp_path.parents):
            if folder == Path('/tmp') or os.stat(folder).st_uid != 0:
                break
            folder.chmod(folder.stat().st_mode | 0o011)  # others may walk through, as to their own home
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return drop
