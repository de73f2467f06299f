"""Shows a folder in the system's file manager."""
from __future__ import annotations

from pathlib import Path

from PyQt5.QtCore import QUrl
from PyQt5.QtGui import QDesktopServices


def open_folder(folder: Path) -> str:
    """Open it. Returns an empty string, or the sentence that says where it is when it cannot be shown."""
    if not folder.is_dir():
        return f'The folder {folder} is no longer there.'
    if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder.resolve()))):
        return f'No file manager could be opened here; the folder is {folder}'
    return ''
