"""Words painted on the canvas: on dark glass over a picture, in its place, or while a file is held over the window."""
from __future__ import annotations

from dataclasses import dataclass

from PyQt5.QtCore import QPointF, QRect, QRectF, Qt
from PyQt5.QtGui import QFont, QFontMetrics, QPainter, QPen

from app.window.icons import icon
from app.window.theme import GRID, RADIUS, colours, translucent

_WIDEST = 520  # pixels, of a message's lines
_CENTRED = Qt.AlignHCenter | Qt.TextWordWrap


@dataclass(frozen=True)
class Message:
    """What stands in place of the picture."""

    icon: str
    title: str
    text: str = ''


def paint_card(painter: QPainter, place: QRect) -> None:
    """An empty place for a picture."""
    painter.setPen(Qt.NoPen)
    painter.setBrush(translucent(colours().surface, 1))
    painter.drawRoundedRect(QRectF(place), RADIUS, RADIUS)


def paint_pill(painter: QPainter, text: str, place: QRect, font: QFont, taken: QRect = QRect()) -> None:
    """A line of text on dark glass at the foot of a place, above what is `taken`; where that is narrow it takes several lines."""
    palette, font = colours(), _sized(font, 13)
    painter.setFont(font)
    room = QRect(0, 0, max(place.width() - 6 * GRID, 1), place.height())
    box = QFontMetrics(font).boundingRect(room, Qt.AlignCenter | Qt.TextWordWrap, text)
    pill = QRectF(0, 0, box.width() + 4 * GRID, box.height() + 2 * GRID)
    pill.moveCenter(QPointF(place.center().x() + 0.5, place.bottom() - 2 * GRID - pill.height() / 2))
    if pill.intersects(QRectF(taken)):
        pill.moveBottom(taken.top() - GRID)
    painter.setPen(Qt.NoPen)
    painter.setBrush(translucent(palette.glass, 0.66))
    painter.drawRoundedRect(pill, 2 * GRID, 2 * GRID)
    painter.setPen(translucent(palette.on_glass, 1))
    painter.drawText(pill, Qt.AlignCenter | Qt.TextWordWrap, text)


def paint_message(painter: QPainter, message: Message, whole: QRect, font: QFont) -> None:
    """An icon, a title and a text in the middle of an empty card."""
    palette, room = colours(), _inside(whole)
    paint_card(painter, room)
    middle, width = room.center(), min(room.width() - 4 * GRID, _WIDEST)
    icon(message.icon, 'muted').paint(painter, QRect(middle.x() - 24, middle.y() - 80, 48, 48))
    painter.setFont(_sized(font, 20, QFont.DemiBold))
    painter.setPen(translucent(palette.text, 1))
    box = painter.boundingRect(QRect(middle.x() - width // 2, middle.y() - 16, width, 400), _CENTRED, message.title)
    painter.drawText(box, _CENTRED, message.title)
    painter.setFont(_sized(font, 14))
    painter.setPen(translucent(palette.muted, 1))
    painter.drawText(QRect(middle.x() - width // 2, box.bottom() + GRID, width, 400), _CENTRED, message.text)


def paint_drop_hint(painter: QPainter, name: str, whole: QRect, font: QFont) -> None:
    """What happens if the file is let go."""
    palette, room, font = colours(), _inside(whole), _sized(font, 20, QFont.DemiBold)
    painter.fillRect(whole, translucent(palette.glass, 0.72))
    painter.setPen(QPen(translucent(palette.accent, 1), 2, Qt.DashLine))
    painter.setBrush(Qt.NoBrush)
    painter.drawRoundedRect(QRectF(room), RADIUS, RADIUS)
    painter.setFont(font)
    painter.setPen(translucent(palette.on_glass, 1))
    painter.drawText(room, Qt.AlignCenter, QFontMetrics(font).elidedText(f'Let go to open {name}', Qt.ElideMiddle, room.width() - 8 * GRID))


def _inside(whole: QRect) -> QRect:
    return whole.adjusted(2 * GRID, 2 * GRID, -2 * GRID, -2 * GRID)


def _sized(font: QFont, pixels: int, weight: int = QFont.Normal) -> QFont:
    font = QFont(font)
    font.setPixelSize(pixels)
    font.setWeight(weight)
    return font
