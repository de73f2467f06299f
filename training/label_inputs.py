"""What INPUT... means: videos, folders of pictures (a sequence or not), single pictures; folders are searched with their sub-folders."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import InputError
from app.sources.folder import natural_key
from app.sources.picture import SUFFIXES

VIDEO_SUFFIXES = ('.mp4', '.mov', '.avi', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv', '.3gp', '.ogv')


@dataclass(frozen=True)
class Clip:
    """One thing that `app.sources.open_source` opens."""

    path: Path
    name: str  # no other clip of the run has it; names of crops begin with it
    source: str  # what the split goes by
    person: str = ''  # who it shows, if that was said


def clips_of(inputs: list[Path], person: str = '') -> list[Clip]:
    """All clips, folders and pictures of the inputs. Raises InputError: an input that is not there, a folder without pictures or videos."""
    clips, taken = [], {}
    for path in (found for given in inputs for found in _found(Path(given).expanduser())):
        alone = path.is_file() and path.suffix.lower() in SUFFIXES
        home = path.parent if alone else path
        source = _free(_name(home), home, taken)
        name = _free(f'{source}/{path.stem}', path, taken).split('/')[-1] if alone else source
        clips.append(Clip(path, name, person or source, person))
    return clips


def _found(given: Path) -> Iterator[Path]:
    """The clips that one input holds."""
    if not given.exists():
        raise InputError(f'There is no file or folder {given}; check the name.')
    if not given.is_dir():
        yield given
        return
    found = False
    try:
        folders = [given, *sorted((p for p in given.rglob('*') if p.is_dir() and not _hidden(p, given)), key=lambda p: natural_key(str(p)))]
        for folder in folders:
            files = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith('.')]
            if any(p.suffix.lower() in SUFFIXES for p in files):
                found = True
                yield folder
            for video in sorted((p for p in files if p.suffix.lower() in VIDEO_SUFFIXES), key=lambda p: natural_key(p.name)):
                found = True
                yield video
    except OSError as error:
        raise InputError(f'The folder {given} cannot be read ({error.strerror}).') from error
    if not found:
        raise InputError(f'The folder {given} contains no pictures and no videos; give another one.')


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith('.') for part in path.relative_to(root).parts)


def _name(path: Path) -> str:
    """A name that any file system takes."""
    path = path.resolve()
    return re.sub(r'[^\w.+-]+', '_', path.name if path.is_dir() else path.stem).strip('._') or 'input'


def _free(name: str, path: Path, taken: dict[str, Path]) -> str:
    """The name, or where another path has it, the name with a number behind it."""
    number, wanted = 1, name
    while taken.setdefault(wanted.casefold(), path) != path:
        number += 1
        wanted = f'{name}_{number}'
    return wanted
