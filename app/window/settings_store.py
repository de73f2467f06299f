"""What the window remembers from one day to the next, in one INI file that a person may read, mend or delete.

Nothing in that file can keep the program from starting: a value that makes no sense is replaced by its usual one, and a file that cannot
be read is set aside under another name, which `Stored.note` tells.
"""
from __future__ import annotations

import base64
import errno
import math
import os
import typing
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from PyQt5.QtCore import QSettings, QStandardPaths

from app.live.recorder import RecordingSettings
from app.live.settings import LiveSettings, LiveStyle, ViewSettings
from app.regression import Provider
from app.window.arrangement import Layout

Theme = Literal['dark', 'light']
VERSION = 1
FILE = 'settings.ini'
_CALLED = {'weights': 'the network file', 'intrinsics': 'the camera file'}  # where the field's name says too little


def usual_recording() -> RecordingSettings:
    """Recordings go to the folder for films; where a user has no place for one, as an unknown one in a container, to where the program was
    started."""
    films = Path(QStandardPaths.writableLocation(QStandardPaths.MoviesLocation))
    return RecordingSettings(folder=(films if _writable(films) else Path.cwd()) / 'S2HAND')


def config_folder() -> Path:
    """Where the file lies: the user's folder for settings, or what the environment variable S2HAND_CONFIG says."""
    named = os.environ.get('S2HAND_CONFIG')
    if named:
        return Path(os.path.expanduser(named))
    return Path(QStandardPaths.writableLocation(QStandardPaths.GenericConfigLocation)) / 's2hand'


@dataclass(frozen=True)
class Stored:
    """All that is remembered."""

    live: LiveSettings = LiveSettings()
    recording: RecordingSettings = field(default_factory=usual_recording)
    source: str = ''  # what `Engine.open` was last given; empty: nothing yet
    layout: Layout = 'beside'
    theme: Theme = 'dark'
    hud: bool = True
    panel: bool = True
    geometry: bytes = b''  # QWidget.saveGeometry
    note: str = ''  # what a person should know of the file; never stored


Decoder = Callable[[str], object]  # raises ValueError


def _flag(text: str) -> bool:
    if text not in ('true', 'false'):
        raise ValueError(text)
    return text == 'true'


def _number(low: float, high: float) -> Decoder:
    def decode(text: str) -> float:
        value = float(text)
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(text)
        return value

    return decode


def _whole(low: int, high: int, optional: bool = False) -> Decoder:
    def decode(text: str) -> int | None:
        if optional and not text:
            return None
        value = int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return decode


def _word(choices: typing.Any) -> Decoder:
    def decode(text: str) -> str:
        if text not in typing.get_args(choices):
            raise ValueError(text)
        return text

    return decode


def _file(text: str) -> Path | None:
    if text and not Path(text).is_file():  # ValueError where the name cannot be one
        raise ValueError(text)
    return Path(text) if text else None


def _folder(text: str) -> Path:
    if not text or '\0' in text:
        raise ValueError(text)
    return Path(text)


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


LIVE: dict[str, Decoder] = {
    'style': _word(LiveStyle), 'opacity': _number(0, 1), 'mirror': _flag, 'smoothing': _number(0, 1), 'ahead': _flag, 'refine': _flag,
    'lock': _flag, 'field_of_view': _number(1, 170), 'intrinsics': _file, 'weights': _file, 'provider': _word(Provider),
    'threads': _whole(1, 64, optional=True), 'hands': _whole(1, 2)}
VIEW: dict[str, Decoder] = {
    'width': _whole(0, 4096), 'height': _whole(0, 4096), 'azimuth': _number(-1e6, 1e6), 'elevation': _number(-90, 90),
    'zoom': _number(0.01, 100), 'shift_x': _number(-10, 10), 'shift_y': _number(-10, 10), 'dark': _flag}
RECORDING: dict[str, Decoder] = {'folder': _folder, 'overlay': _flag, 'clean': _flag, 'parameters': _flag, 'meshes': _flag}
WINDOW: dict[str, Decoder] = {
    'source': str, 'layout': _word(Layout), 'theme': _word(Theme), 'hud': _flag, 'panel': _flag, 'geometry': _bytes}


class SettingsStore:
    """The file, read once and written as often as one likes.

    QSettings does the reading and writing of the form, but on a file of its own each time: it remembers what it once read or could not
    write under a path, and would bring it back at the next use of that path.
    """

    def __init__(self, folder: Path | None = None):
        self.file = (folder or config_folder()) / FILE

    def load(self) -> Stored:
        """What is remembered, or the usual where nothing sensible is. Never raises because of the file."""
        texts, whole = self._texts()
        usual, notes, broken = Stored(), [], []

        def read(section: str, decoders: dict[str, Decoder], into):
            known = {}
            for name, decode in decoders.items():
                try:
                    if (key := f'{section}/{name}') in texts:
                        known[name] = decode(texts[key])
                except ValueError:
                    broken.append(_CALLED.get(name, name.replace('_', ' ')))
            return replace(into, **known)

        live = replace(read('live', LIVE, usual.live), view=read('view', VIEW, ViewSettings()))
        stored = replace(read('window', WINDOW, usual), live=live, recording=_useful(read('recording', RECORDING, usual.recording)))
        if not whole:
            notes.append(self._set_aside())
        elif broken:
            notes.append(f'These settings could not be used and are as usual again: {", ".join(broken)}.')
        if texts.get('file/version', '').isdecimal() and int(texts['file/version']) > VERSION:
            notes.append('The settings were written by a newer version of the program; what this one does not know is left out.')
        if not _writable(self.file):
            notes.append(f'Settings will not be remembered, because {self.file} may not be written; S2HAND_CONFIG can name another folder.')
        return replace(stored, note=' '.join(notes))

    def save(self, stored: Stored) -> str:
        """Write all of it, whole or not at all. Returns an empty string, or the sentence that says why it could not be kept."""
        parts = {'live': (LIVE, stored.live), 'view': (VIEW, stored.live.view), 'recording': (RECORDING, stored.recording),
                 'window': (WINDOW, stored)}
        part = self.file.with_name(f'.{FILE}.part')
        try:
            with TemporaryDirectory(prefix='s2hand-') as folder:
                path = Path(folder) / FILE
                settings = QSettings(str(path), QSettings.IniFormat)
                settings.setValue('file/version', str(VERSION))
                for section, (names, values) in parts.items():
                    for name in names:
                        settings.setValue(f'{section}/{name}', _text(getattr(values, name)))
                settings.sync()
                content = path.read_bytes()
            if not content.endswith(b'\n') or not all(f'{name}='.encode() in content for names, _ in parts.values() for name in names):
                raise OSError(errno.ENOSPC, 'the disk is full')  # QSettings does not notice
            self.file.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            part.replace(self.file)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return f'Settings could not be remembered, because {self.file} could not be written.'
        return ''

    def _texts(self) -> tuple[dict[str, str], bool]:
        """The file's values by key, and whether all of it could be read; no file at all is nothing, wholly read."""
        if not os.path.lexists(self.file):
            return {}, True
        try:
            content = self.file.read_bytes()
        except OSError:
            return {}, False
        try:
            with TemporaryDirectory(prefix='s2hand-') as folder:
                path = Path(folder) / FILE
                path.write_bytes(content)
                settings = QSettings(str(path), QSettings.IniFormat)
                return {key: _plain(settings, key) for key in settings.allKeys()}, settings.status() == QSettings.NoError
        except OSError:  # no room for the copy: the file itself is not to blame, and stays
            return {}, True

    def _set_aside(self) -> str:
        """Rename the broken file to the first free `.broken-N`; the sentence that says so."""
        number = 1
        while os.path.lexists(aside := self.file.with_name(f'{self.file.name}.broken-{number}')):
            number += 1
        try:
            self.file.rename(aside)
        except OSError:
            return f'The settings file {self.file} cannot be read; what could not be read of it is as usual.'
        return f'The settings file could not be read. It now lies in {aside}; what could not be read of it is as usual.'


def _plain(settings: QSettings, key: str) -> str:
    """A stored text; a value of another kind, which only a foreign hand can have written, as what Python shows of it."""
    try:
        value = settings.value(key)
    except TypeError:  # a kind of value that Python has no name for
        return '@'
    return value if isinstance(value, str) else repr(value)


def _text(value: object) -> str:
    """As the decoders read it."""
    if value is None:
        return ''
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return repr(value) if isinstance(value, float) else str(value)


def _useful(recording: RecordingSettings) -> RecordingSettings:
    """A recording of nothing is no recording."""
    chosen = [getattr(recording, f.name) for f in fields(recording) if f.name != 'folder']
    return recording if any(chosen) else replace(recording, overlay=True)


def _writable(file: Path) -> bool:
    """Whether the file, if there is one, and the nearest folder that exists above it may be written."""
    folder = file.parent
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    effective = os.access in os.supports_effective_ids
    return all(os.access(path, os.W_OK, effective_ids=effective) for path in (folder, file) if os.path.lexists(path))
