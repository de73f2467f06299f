"""Fixtures of the program's tests."""
from __future__ import annotations

import os
import shutil
import subprocess
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


@pytest.fixture
def limited_files() -> Callable[[int], AbstractContextManager]:
    """`with limited_files(bytes):` no file can grow beyond that inside, as on a disk that fills up."""
    resource = pytest.importorskip('resource', reason='only Unix can limit the size of files')

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own with 1 MB."""
    folder = tmp_path / 'disk'
    folder.mkdir()
    mount = shutil.which('mount')
    if not mount or subprocess.run([mount, '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', str(folder)], capture_output=True).returncode:
        pytest.skip('a small disk can only be mounted by root on Linux')
    try:
        yield folder
    finally:
        subprocess.run(['umount', str(folder)], check=True)
