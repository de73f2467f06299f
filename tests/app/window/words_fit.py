"""Whether the words of labels and buttons have the room that they need."""
from __future__ import annotations

from PyQt5.QtWidgets import QAbstractButton, QLabel, QWidget


def assert_words_fit(widgets: list[QLabel | QAbstractButton], where: QWidget) -> None:
    """Fails for the first visible one, in `where`, whose words are cut off."""
    for widget in widgets:
        if not widget.isVisible() or not widget.text():
            continue
        if isinstance(widget, QLabel) and widget.wordWrap():
            need, there = widget.heightForWidth(widget.width()), widget.height()
        else:
            need, there = widget.fontMetrics().horizontalAdvance(widget.text()), widget.contentsRect().width()
        assert need <= there, f'{widget.text()!r} needs {need} pixels and has {there} in {where!r}, {where.width()} wide'
