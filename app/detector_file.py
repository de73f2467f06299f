"""Where the hand detector's model file lies: in the user's cache, put there by `python main.py setup`, checked before use."""
from __future__ import annotations

import hashlib
import os
from pathlib import Path

from app.errors import InputError

DETECTOR_NAME = 'hand_landmarker.task'
DETECTOR_SHA256 = '76839f622b2923ac8ee857300422283621490de0122425c2313ab8f040a7d100'
HOW_TO_GET_IT = 'run `make setup`, or `python main.py setup` where there is no make (once, with a network)'


def cache_folder() -> Path:
    """The folder for what the set-up downloads: `S2HAND_CACHE`, or `~/.cache/s2hand`. Raises InputError for a user without a home."""
    try:
        return Path(os.environ.get('S2HAND_CACHE') or Path.home() / '.cache' / 's2hand')
    except RuntimeError as error:  # in a container whose user nobody knows
        raise InputError('This user has no home folder: set S2HAND_CACHE to a folder for what the set-up downloads.') from error


def sha256(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def detector_path() -> Path:
    """The checked model file for mediapipe's hand landmarker (8 MB, so hashing it costs a few milliseconds).

    Raises:
        InputError: the file is missing, unreadable or not the one the set-up makes.
    """
    path = cache_folder() / DETECTOR_NAME
    if not path.is_file():
        raise InputError(f"The hand detector's model file {path} is missing: {HOW_TO_GET_IT}")
    try:
        damaged = sha256(path) != DETECTOR_SHA256
    except OSError as error:
        raise InputError(f"The hand detector's model file {path} cannot be read ({error.strerror}): {HOW_TO_GET_IT}") from error
    if damaged:
        raise InputError(f"The hand detector's model file {path} is damaged: {HOW_TO_GET_IT}")
    return path
