"""The output folder: DIR/<name>/ for each input, found usable before the work begins."""
from __future__ import annotations

import re
import shutil
import tempfile
import unicodedata
from datetime import datetime
from pathlib import Path

from app.errors import InputError
from app.outputs.atomic import FORBIDDEN, one_sentence

LEAST_FREE = 50_000_000  # bytes; some seconds of everything
TEXTURES = 'texture_*_*.png'
RESULTS = ('overlay.mp4', 'overlay.jpg', 'overlays', 'hands.npz', 'meshes', 'meshes_ply', 'hands.glb', 'report.json', 'settings.json')


def result_folders(out: Path, inputs: list[Path | str | int]) -> list[Path]:
    """The folder of each input, in order: out / its name without ending; a second input of that name gets `_2`, and so on.

    Names count as the same when some file system takes them as the same (large and small letters, composed and decomposed accents).
    """
    taken: set[str] = set()
    folders = []
    for given in inputs:
        base = _base_name(given)
        name, number = base, 1
        while _key(name) in taken:
            number += 1
            name = f'{base}_{number}'
        taken.add(_key(name))
        folders.append(Path(out) / name)
    return folders


def prepare_folder(folder: Path, source: Path | str | int | None = None, needed: int = LEAST_FREE) -> Path:
    """Make the folder and try it out: `needed` bytes must be free and a file must be writable. Files in it stay as they are.

    Raises InputError when that fails, or when the results of a folder of pictures (`source`) would lie among its pictures.
    """
    if isinstance(source, (str, Path)) and Path(source).is_dir() and folder.resolve() == Path(source).resolve():
        raise InputError(f'The results would be written among the pictures of {source} itself; choose another output folder.')
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f'{folder} cannot be made: a file is in its place; choose another output folder.') from error
    except OSError as error:
        why = 'you may not write there' if error.errno in FORBIDDEN else error.strerror
        raise InputError(f'The output folder {folder} cannot be made: {why}; choose another one.') from error
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(f'Only {free / 1e6:.0f} MB are free for {folder}, {needed / 1e6:.0f} MB are needed; '
                         'free some space or choose another one.')
    with one_sentence(folder / 'hands.npz'), tempfile.TemporaryFile(dir=folder) as file:  # permissions do not tell; writing does
        file.write(b'\0' * 4096)
        file.flush()
    return folder


def dated_folder(parent: Path, name: str, needed: int = LEAST_FREE) -> Path:
    """Make a new folder `<parent>/<name> <date> <time>`; a second one in the same second gets ` (2)`, and so on.

    Raises InputError when that fails or fewer than `needed` bytes are free.
    """
    prepare_folder(parent, needed=needed)
    base = f'{plain_name(name)} {datetime.now():%Y-%m-%d %H.%M.%S}'
    number = 1
    while True:
        folder = parent / (base if number == 1 else f'{base} ({number})')
        try:
            with one_sentence(folder):
                folder.mkdir()
            return folder
        except InputError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
        number += 1


def plain_name(name: str) -> str:
    """A file name that every system takes, out of what a person or a camera calls something: at most 60 characters."""
    plain = re.sub(r'[<>:"/\\|?*\x00-\x1f\x7f]+', ' ', name)
    return re.sub(r'\s+', ' ', plain)[:60].strip(' .') or 'recording'


def earlier_results(folder: Path) -> list[str]:
    """Names of what an earlier run left in a folder (RESULTS, and textures): a new run replaces or removes all of it."""
    return [name for name in (*RESULTS, *sorted(path.name for path in folder.glob(TEXTURES))) if (folder / name).exists()]


def remove_others(folder: Path, written: set[str]) -> None:
    """Remove the results of an earlier run that this run did not write anew, so that a folder tells one story."""
    for name in earlier_results(folder):
        path = folder / name
        if name in written:
            continue
        with one_sentence(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _base_name(given: Path | str | int) -> str:
    if isinstance(given, int) or str(given).isdigit() and not Path(given).exists():
        return f'camera {given}'
    path = Path(given).resolve()
    name = path.name if path.is_dir() else path.stem
    return name.replace(':', ' ').strip(' .') or 'input'


def _key(name: str) -> str:
    return unicodedata.normalize('NFC', name).casefold()
