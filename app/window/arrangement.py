"""Where the picture and the 3D view stand: four layouts."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PyQt5.QtCore import QRect, QSize

from app.window.theme import GRID

Layout = Literal['beside', 'corner', 'picture', 'view']
LAYOUTS: tuple[Layout, ...] = ('beside', 'corner', 'picture', 'view')
NAMES: dict[Layout, str] = {'beside': 'Side by side', 'corner': '3D view in the corner', 'picture': 'Picture only', 'view': '3D view only'}

_MARGIN = 2 * GRID
_PICTURE_SHARE = 0.62  # of the width at most, side by side
_CORNER_SHARE = 0.3  # of the picture's width
_FOOT_WIDTH = 640  # pixels, at least, of a foot that holds anything
_SIDE = 640  # device pixels: drawing a larger 3D view costs more than it shows


@dataclass(frozen=True)
class Places:
    """Where things stand in a canvas; an empty QRect is not shown."""

    picture: QRect
    view: QRect
    foot: QRect  # free room below both, as wide as both


def arranged(size: QSize, aspect: float, layout: Layout, foot: int = 0) -> Places:
    """Places in a canvas of this size for a picture whose width over its height is `aspect`.

    `foot`: height in pixels of a strip that is wanted below; it gets its room only where that makes the picture no smaller.
    """
    room = QRect(_MARGIN, _MARGIN, max(size.width() - 2 * _MARGIN, 1), max(size.height() - 2 * _MARGIN, 1))
    if layout == 'picture':
        return _with_foot(room, _fitted(room, aspect), QRect(), foot)
    if layout == 'view':
        return Places(QRect(), room, QRect())
    if layout == 'corner':
        picture = _fitted(room, aspect)
        side = max(round(_CORNER_SHARE * picture.width()), min(128, picture.height() // 2))
        view = QRect(picture.right() + 1 - side - _MARGIN, picture.bottom() + 1 - side - _MARGIN, side, side)
        return _with_foot(room, picture, view, foot)
    width = min(round(_PICTURE_SHARE * room.width()), round(aspect * room.height()))
    height = min(round(width / aspect), room.height())
    rest = min(room.width() - width - GRID, round(1.25 * height))  # a view much wider than high is mostly empty
    left = room.x() + (room.width() - width - GRID - rest) // 2
    top = room.y() + (room.height() - height) // 2
    return _with_foot(room, QRect(left, top, width, height), QRect(left + width + GRID, top, rest, height), foot)


def view_pixels(view: QRect, scale: float) -> tuple[int, int]:
    """Width and height that the 3D view should be drawn with for its place on a screen with `scale` device pixels a pixel; even numbers."""
    if view.isEmpty():
        return 0, 0
    width, height = view.width() * scale, view.height() * scale
    shrink = min(1.0, _SIDE / max(width, height))
    return max(2 * round(width * shrink / 2), 2), max(2 * round(height * shrink / 2), 2)


def _with_foot(room: QRect, picture: QRect, view: QRect, foot: int) -> Places:
    """Move both up by half of the foot's height, if it fits."""
    both = picture.united(view)
    if not foot or both.width() < _FOOT_WIDTH or room.height() - both.height() < foot + GRID:
        return Places(picture, view, QRect())
    up = (foot + GRID) // 2
    both.translate(0, -up)
    return Places(picture.translated(0, -up), view.translated(0, -up) if not view.isEmpty() else view,
                  QRect(both.x(), both.bottom() + 1 + GRID, both.width(), foot))


def _fitted(room: QRect, aspect: float) -> QRect:
    width = min(room.width(), round(aspect * room.height()))
    height = min(room.height(), round(width / aspect))
    return QRect(room.x() + (room.width() - width) // 2, room.y() + (room.height() - height) // 2, max(width, 1), max(height, 1))
