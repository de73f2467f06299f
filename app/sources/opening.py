"""Which source a name means: a camera, a picture, a video or a folder of pictures."""
from __future__ import annotations

import os
import re
from pathlib import Path

from app.errors import InputError
from app.sources.source import Selection, Source


def open_source(path: str | Path | int, *, start: int = 0, stop: int | None = None, step: int = 1, fps: float | None = None,
                sequence: bool | None = None) -> Source:
    """Open a video file, a picture, a folder of pictures, or a camera (a number, or 'camera:1').

    `start`, `stop`, `step`: take the frames whose number is in range(start, stop, step). `fps` and `sequence` are for folders
    (`FolderSource`). What a file is, its content says, not its name. Raises InputError when it cannot be used.
    """
    # not above: what reads videos and pictures takes 0.3 s to load, and the window opens before anything is read
    from app.sources.camera import CameraSource
    from app.sources.folder import FolderSource
    from app.sources.picture import PictureSource, is_picture
    from app.sources.video import VideoSource

    selection = Selection(start, stop, step)
    camera = camera_number(path)
    if camera is not None:
        return CameraSource(camera, selection, **({'fps': fps} if fps else {}))
    path = Path(os.path.expanduser(path))  # which leaves `~` where nobody has a home
    try:
        if path.is_dir():
            return FolderSource(path, selection, fps, sequence)
        size = path.stat().st_size
        if not path.is_file():
            raise InputError(f'{path} is neither a file nor a folder.')
        if size == 0:
            raise InputError(f'{path.name} is an empty file.')
        return PictureSource(path, selection) if is_picture(path) else VideoSource(path, selection)
    except FileNotFoundError as error:
        raise InputError(f'There is no file or folder {path}; check the name.') from error
    except PermissionError as error:
        raise InputError(f'{path} may not be read by you; change its permissions or copy it.') from error
    except OSError as error:
        raise InputError(f'{path} cannot be read ({error.strerror}).') from error


def camera_number(path: str | Path | int) -> int | None:
    """The camera that a name means, or None when it means a file or a folder."""
    if isinstance(path, int):
        return path
    match = re.fullmatch(r'(?:camera:)?([0-9]{1,3})', str(path))
    return int(match[1]) if match and not Path(path).exists() else None
