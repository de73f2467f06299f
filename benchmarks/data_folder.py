"""Where the real pictures and clips for measuring lie; they are not part of the project."""
from __future__ import annotations

import os
from pathlib import Path

from app.errors import InputError


def data_folder() -> Path:
    """`$S2HAND_DATA`, or `../shared/data` beside the project. Raises InputError if there is none."""
    folder = Path(os.environ.get('S2HAND_DATA') or Path(__file__).parent.parent.parent / 'shared' / 'data')
    if not folder.is_dir():
        raise InputError(f'the folder of real pictures and clips {folder} does not exist; set S2HAND_DATA to it')
    return folder
