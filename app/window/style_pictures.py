"""A small hand drawn in each overlay style, for the buttons that choose it. Painted, sharp at any size; no files."""
from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QPointF, QRect, QRectF, Qt
from PyQt5.QtGui import QColor, QIcon, QIconEngine, QLinearGradient, QPainter, QPainterPath, QPainterPathStroker, QPen, QPolygonF

from app.live.settings import LiveStyle
from app.window.icons import PaintedIcon
from app.window.theme import colours

_SIDE = 32  # the drawings' grid
# base, middle and tip of each finger on the grid, and the finger's width
_FINGERS = (((11.5, 20.5), (7.5, 17.2), (4.6, 12.6), 3.9), ((11.6, 14.5), (10.6, 9.6), (10.0, 5.2), 3.5),
            ((15.6, 13.6), (15.6, 8.4), (15.6, 3.6), 3.6), ((19.5, 14.2), (20.3, 9.2), (20.8, 5.0), 3.4),
            ((22.9, 16.2), (24.7, 12.2), (26.0, 8.6), 3.0))
_PALM = (10.2, 14.6), (24.2, 15.6), (23.6, 22.6), (20.6, 26.4), (20.4, 31), (12.8, 31), (12.6, 26.6), (9.8, 22.4)
_WRIST = 16.6, 28.5
_BONES = ('#ff8a70', '#ffc766', '#8fd694', '#5cc8d7', '#b79bff')


def style_icon(style: LiveStyle) -> QIcon:
    """The picture of a style."""
    return QIcon(_Engine(style))


def _silhouette() -> QPainterPath:
    hand = QPainterPath()
    hand.addPolygon(QPolygonF([QPointF(*point) for point in _PALM]))
    hand.closeSubpath()
    round_off = QPainterPathStroker()
    round_off.setWidth(1.6)
    round_off.setJoinStyle(Qt.RoundJoin)
    hand = hand.united(round_off.createStroke(hand))
    for base, middle, tip, width in _FINGERS:
        bone = QPainterPath(QPointF(*base))
        bone.quadTo(QPointF(*middle), QPointF(*tip))
        flesh = QPainterPathStroker()
        flesh.setWidth(width)
        flesh.setCapStyle(Qt.RoundCap)
        hand = hand.united(flesh.createStroke(bone))
    return hand.simplified()


_HAND = _silhouette()


class _Engine(PaintedIcon):
    """Draws when asked, so that it is in the theme's colours and sharp on any screen."""

    def __init__(self, style: LiveStyle):
        super().__init__()
        self.style = style

    def clone(self) -> QIconEngine:
        return _Engine(self.style)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        side = min(rect.width(), rect.height())
        painter.save()
        painter.setRenderHint(QPainter.Antialiasing)
        painter.translate(rect.x() + (rect.width() - side) / 2, rect.y() + (rect.height() - side) / 2)
        painter.scale(side / _SIDE, side / _SIDE)
        _DRAWINGS[self.style](painter)
        painter.restore()


def _filled(light: str, dark: str, nails: str) -> Callable[[QPainter], None]:
    def draw(painter: QPainter) -> None:
        shade = QLinearGradient(6, 2, 26, 31)
        shade.setColorAt(0, QColor(light))
        shade.setColorAt(1, QColor(dark))
        painter.fillPath(_HAND, shade)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(nails))
        for _, _, (x, y), width in _FINGERS:
            painter.drawEllipse(QRectF(x - width / 4, y - width / 4, width / 2, width / 1.7))
        painter.setPen(QPen(QColor(dark), 0.7, Qt.SolidLine, Qt.RoundCap))
        for _, (x, y), _, width in _FINGERS[1:]:
            painter.drawLine(QPointF(x - width / 5, y + 1.5), QPointF(x + width / 5, y + 1.5))

    return draw


def _wireframe(painter: QPainter) -> None:
    ink = QColor(colours().text)
    painter.save()
    painter.setClipPath(_HAND)
    painter.setPen(QPen(ink, 0.45))
    for offset in range(-_SIDE, 2 * _SIDE, 3):
        painter.drawLine(QPointF(offset, 0), QPointF(offset + _SIDE * 0.6, _SIDE))
        painter.drawLine(QPointF(offset, 0), QPointF(offset - _SIDE * 0.6, _SIDE))
        painter.drawLine(QPointF(0, offset), QPointF(_SIDE, offset))
    painter.restore()
    painter.strokePath(_HAND, QPen(ink, 0.9))


def _skeleton(painter: QPainter) -> None:
    ink = QColor(colours().text)
    for (base, middle, tip, _), colour in zip(_FINGERS, _BONES):
        painter.setPen(QPen(QColor(colour), 1.7, Qt.SolidLine, Qt.RoundCap, Qt.RoundJoin))
        painter.drawPolyline(QPolygonF([QPointF(*p) for p in (_WRIST, base, middle, tip)]))
    painter.setPen(Qt.NoPen)
    painter.setBrush(ink)
    for x, y in (_WRIST, *(p for finger in _FINGERS for p in finger[:3])):
        painter.drawEllipse(QPointF(x, y), 1.15, 1.15)


def _off(painter: QPainter) -> None:
    pen = QPen(QColor(colours().muted), 1.1, Qt.DashLine)
    pen.setDashPattern([2.2, 2.2])
    painter.strokePath(_HAND, pen)


_DRAWINGS = {'textured': _filled('#f3c3a2', '#b8775a', '#f8dccb'), 'shaded': _filled('#ffffff', '#8d97a6', '#f4f6f9'),
             'wireframe': _wireframe, 'skeleton': _skeleton, 'off': _off}
