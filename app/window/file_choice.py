"""Asking for a file or a folder without holding up the window: the dialog opens, and the answer comes later or never."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QDir, Qt
from PyQt5.QtWidgets import QFileDialog, QWidget


def choose_file(parent: QWidget, title: str, start: Path | None, kinds: str, then: Callable[[Path], None]) -> QFileDialog:
    """Ask for a file that exists. `kinds`: as QFileDialog reads them, 'Networks (*.onnx)'. `then` gets it; a person who cancels ends it."""
    dialog = QFileDialog(parent, title, _folder_of(start), kinds)
    dialog.setFileMode(QFileDialog.ExistingFile)
    return _opened(dialog, then)


def choose_folder(parent: QWidget, title: str, start: Path | None, then: Callable[[Path], None]) -> QFileDialog:
    """Ask for a folder; as `choose_file`."""
    dialog = QFileDialog(parent, title, _folder_of(start))
    dialog.setFileMode(QFileDialog.Directory)
    dialog.setOption(QFileDialog.ShowDirsOnly)
    return _opened(dialog, then)


def _opened(dialog: QFileDialog, then: Callable[[Path], None]) -> QFileDialog:
    dialog.setAttribute(Qt.WA_DeleteOnClose)
    # where Qt draws it itself, and not the desktop
    dialog.setStyleSheet('QToolButton { padding: 4px; } QHeaderView::section { padding: 4px 8px; border: none; }')
    dialog.fileSelected.connect(lambda name: then(Path(name)))
    dialog.open()
    return dialog


def _folder_of(start: Path | None) -> str:
    """The nearest folder above `start`, itself included, that exists; else the person's own."""
    for path in (start, *start.parents) if start else ():
        if path.is_dir():
            return str(path)
    return QDir.homePath()
