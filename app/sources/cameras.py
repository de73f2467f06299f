"""Which cameras there are, by name. Nothing is opened: that would light their lamps, take a second each, and fail for one in use."""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SYSFS, DEVICES = Path('/sys/class/video4linux'), Path('/dev')
TIMEOUT = 10.0  # seconds for the tools of macOS and Windows
NO_CAMERAS = re.compile(r'codec|\b(dec|decoder|enc|encoder|isp|m2m|output|hevc)\b|rpivid', re.IGNORECASE)  # they have such nodes too
MACOS = 'system_profiler', 'SPCameraDataType', '-json'
WINDOWS = ('powershell', '-NoProfile', '-NonInteractive', '-Command',
           "Get-CimInstance Win32_PnPEntity -Filter \"PNPClass='Camera' OR PNPClass='Image'\" | "
           'Select-Object Name,PNPClass,Status | ConvertTo-Json -Compress')


@dataclass(frozen=True)
class Camera:
    """A camera that could be opened."""

    index: int  # what `open_source` takes
    name: str  # as its maker calls it; two of one kind are told apart by a number


def list_cameras(platform: str = sys.platform, sysfs: Path = SYSFS, run: Callable[[tuple[str, ...]], str] | None = None) -> list[Camera]:
    """The cameras of this computer in the order of their numbers; empty when there are none, or nobody can say.

    On Linux this reads a few small files. On macOS and Windows it asks a tool of the system, which takes a second or two, so it belongs
    on a thread; the numbers there are the order in which the system names them. `run`: starts the tool; tests give another.
    """
    run = run or _run
    if platform == 'linux':
        cameras = _linux(sysfs)
    elif platform == 'darwin':
        cameras = [Camera(index, name) for index, name in enumerate(_macos(run(MACOS)))]
    elif platform == 'win32':
        cameras = [Camera(index, name) for index, name in enumerate(_windows(run(WINDOWS)))]
    else:
        cameras = []
    return _told_apart(cameras)


def why_not(index: int, devices: Path = DEVICES) -> str:
    """Why a camera of a Linux computer could not be opened, and what to do; empty when there is nothing to be said about it."""
    device = devices / f'video{index}'
    if not devices.is_dir() or not any(devices.glob('video*')):
        return ''
    if not device.exists():
        return f'There is no camera {index}; plug it in, or choose another.'
    if not os.access(device, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        return f'camera {index} may not be used by you; add yourself to the group that owns {device} (mostly "video") and log in again.'
    return f'camera {index} is there but does not open: another program is using it; close that program, or choose another camera.'


def _linux(sysfs: Path) -> list[Camera]:
    """One camera has several nodes: pictures from the first, then data about them, and other formats."""
    cameras = []
    for node in sysfs.glob('video*'):
        number, name = re.fullmatch(r'video([0-9]+)', node.name), _text(node / 'name')
        if number and _text(node / 'index') in ('0', '') and not NO_CAMERAS.search(name):
            cameras.append(Camera(int(number[1]), name or f'camera {number[1]}'))
    return sorted(cameras, key=lambda camera: camera.index)


def _macos(answer: str) -> list[str]:
    answered = _json(answer)
    entries = answered.get('SPCameraDataType', []) if isinstance(answered, dict) else []
    return [entry['_name'] for entry in entries if entry.get('_name')]


def _windows(answer: str) -> list[str]:
    entries = _json(answer)
    entries = entries if isinstance(entries, list) else [entries]  # a single one comes without a list
    good = [e for e in entries if e.get('Name') and e.get('Status', 'OK') == 'OK']
    cameras = [e['Name'] for e in good if e.get('PNPClass') == 'Camera']
    # scanners are of the class Image, and so are old webcams
    return cameras + [e['Name'] for e in good if e.get('PNPClass') == 'Image' and re.search('cam|video|capture', e['Name'], re.IGNORECASE)]


def _told_apart(cameras: list[Camera]) -> list[Camera]:
    seen: dict[str, int] = {}
    named = []
    for camera in cameras:
        seen[camera.name] = seen.get(camera.name, 0) + 1
        named.append(camera if seen[camera.name] == 1 else Camera(camera.index, f'{camera.name} ({seen[camera.name]})'))
    return named


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding='utf-8', errors='replace').strip()
    except OSError:
        return ''


def _json(text: str) -> dict | list:
    try:
        return json.loads(text)
    except ValueError:
        return []


def _run(command: tuple[str, ...]) -> str:
    """What a tool of the system prints; nothing when it is not there or does not answer."""
    hidden = {'creationflags': subprocess.CREATE_NO_WINDOW} if sys.platform == 'win32' else {}
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL, **hidden).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ''
