"""Where the real pictures and clips lie; they are not part of the project."""
from __future__ import annotations

import os
from pathlib import Path

from app.errors import InputError

MANIFEST = 'pictures.jsonl'  # of the pictures, in that folder
BESIDE = Path(__file__).resolve().parents[2] / 'shared' / 'data'  # beside the project


def data_folder(needed: str = '') -> Path:
    """`$S2HAND_DATA`, or `../shared/data` beside the project. Raises InputError if there is none, or if it lacks what is `needed`."""
    folder = Path(os.environ.get('S2HAND_DATA') or BESIDE)
    if not (folder / needed).exists():
        what = f'{needed} in ' if needed else 'folder '
        raise InputError(f'there is no {what}{folder}; set S2HAND_DATA to the folder of real pictures and clips')
    return folder
