"""Icons drawn with strokes on a 24 x 24 grid, in the theme's colours, sharp at any size. No files."""
from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PyQt5.QtGui import QColor, QIcon, QIconEngine, QPainter, QPainterPath, QPen, QPixmap, QPolygonF

from app.window.theme import COLOURS, colours

GRID = 24


def icon(name: str, colour: str = 'text', glass: bool = False) -> QIcon:
    """The icon `name`; `colour`: a field of the theme's palette, or of the dark one for an icon on dark glass. Checked it is drawn in the
    accent. Raises KeyError for an unknown name."""
    return QIcon(_Engine(name, colour, glass))


def names() -> tuple[str, ...]:
    """All icons there are."""
    return tuple(_DRAWINGS)


class PaintedIcon(QIconEngine):
    """An icon that only has to say how it paints itself."""

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        pixmap = QPixmap(size)
        pixmap.fill(Qt.transparent)
        painter = QPainter(pixmap)
        self.paint(painter, QRect(0, 0, size.width(), size.height()), mode, state)
        painter.end()
        return pixmap


class _Engine(PaintedIcon):
    """Draws when asked, so that a theme switch and another screen's scale need no new icon."""

    def __init__(self, name: str, colour: str, glass: bool):
        super().__init__()
        self.name, self.colour, self.glass, self.drawing = name, colour, glass, _DRAWINGS[name]

    def clone(self) -> QIconEngine:
        return _Engine(self.name, self.colour, self.glass)

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        palette = COLOURS['dark'] if self.glass else colours()
        wanted = 'accent' if state == QIcon.On and self.colour == 'text' else self.colour
        colour = QColor(palette.faint if mode == QIcon.Disabled else getattr(palette, wanted))
        side = min(rect.width(), rect.height())
        painter.save()
        painter.setRenderHint(QPainter.Antialiasing)
        painter.translate(rect.x() + (rect.width() - side) / 2, rect.y() + (rect.height() - side) / 2)
        painter.scale(side / GRID, side / GRID)
        painter.setPen(QPen(colour, 1.75, Qt.SolidLine, Qt.RoundCap, Qt.RoundJoin))
        painter.setBrush(Qt.NoBrush)
        self.drawing(painter, colour)
        painter.restore()


def _lines(*strokes: tuple[tuple[float, float], ...]) -> Callable[[QPainter, QColor], None]:
    def draw(painter: QPainter, _: QColor) -> None:
        for stroke in strokes:
            painter.drawPolyline(QPolygonF([QPointF(*point) for point in stroke]))

    return draw


def _filled(*shapes: tuple[tuple[float, float], ...]) -> Callable[[QPainter, QColor], None]:
    def draw(painter: QPainter, colour: QColor) -> None:
        painter.setBrush(colour)
        for shape in shapes:
            painter.drawPolygon(QPolygonF([QPointF(*point) for point in shape]))

    return draw


def _boxes(*boxes: tuple[float, float, float, float], solid: tuple[int, ...] = (), radius: float = 2) -> Callable[[QPainter, QColor], None]:
    def draw(painter: QPainter, colour: QColor) -> None:
        for number, box in enumerate(boxes):
            painter.setBrush(colour if number in solid else Qt.NoBrush)
            painter.drawRoundedRect(QRectF(*box), radius, radius)

    return draw


def _both(*drawings: Callable[[QPainter, QColor], None]) -> Callable[[QPainter, QColor], None]:
    def draw(painter: QPainter, colour: QColor) -> None:
        for drawing in drawings:
            drawing(painter, colour)
            painter.setBrush(Qt.NoBrush)

    return draw


def _circle(x: float, y: float, radius: float, solid: bool = False) -> Callable[[QPainter, QColor], None]:
    def draw(painter: QPainter, colour: QColor) -> None:
        painter.setBrush(colour if solid else Qt.NoBrush)
        painter.drawEllipse(QPointF(x, y), radius, radius)

    return draw


def _arc(x: float, y: float, radius: float, start: float, span: float) -> Callable[[QPainter, QColor], None]:
    """Degrees, counter-clockwise from three o'clock."""
    def draw(painter: QPainter, _: QColor) -> None:
        painter.drawArc(QRectF(x - radius, y - radius, 2 * radius, 2 * radius), round(16 * start), round(16 * span))

    return draw


def _moon(painter: QPainter, _: QColor) -> None:
    whole, bite = QPainterPath(), QPainterPath()
    whole.addEllipse(QPointF(12, 12), 8, 8)
    bite.addEllipse(QPointF(16, 9), 7, 7)
    painter.drawPath(whole.subtracted(bite))


def _camera(painter: QPainter, colour: QColor) -> None:
    _boxes((3, 7, 18, 13), radius=3)(painter, colour)
    _lines(((8, 7), (9.5, 4), (14.5, 4), (16, 7)))(painter, colour)
    _circle(12, 13.5, 3.5)(painter, colour)


def _hand(painter: QPainter, _: QColor) -> None:
    path = QPainterPath(QPointF(7, 13))
    for left, top in ((7, 6), (10.2, 4), (13.4, 4.6), (16.6, 7)):  # four fingers, 3.2 wide
        path.lineTo(left, top + 1)
        path.arcTo(QRectF(left, top - 0.6, 3.2, 3.2), 180, -180)
        path.lineTo(left + 3.2, 11.5)
    path.lineTo(19.8, 15)
    path.cubicTo(19.8, 19, 17, 21, 13.5, 21)
    path.cubicTo(10, 21, 8.5, 19.5, 7, 17)
    path.lineTo(4, 13)
    path.cubicTo(3.4, 11.6, 5.2, 10.6, 6.2, 11.8)
    path.lineTo(7, 13)
    painter.drawPath(path)


_FOLDER = _lines(((3, 19), (3, 5), (9, 5), (11, 8), (21, 8), (21, 19), (3, 19)))
_DRAWINGS: dict[str, Callable[[QPainter, QColor], None]] = {
    'play': _filled(((7, 4.5), (19, 12), (7, 19.5))),
    'pause': _boxes((6, 5, 3.5, 14), (14.5, 5, 3.5, 14), solid=(0, 1), radius=1),
    'step_back': _both(_filled(((17, 6), (9, 12), (17, 18))), _lines(((6.5, 6), (6.5, 18)))),
    'step_forward': _both(_filled(((7, 6), (15, 12), (7, 18))), _lines(((17.5, 6), (17.5, 18)))),
    'loop': _lines(((17, 3), (20.5, 6.5), (17, 10)), ((20, 6.5), (7, 6.5), (4, 9.5), (4, 11)),
                   ((7, 21), (3.5, 17.5), (7, 14)), ((4, 17.5), (17, 17.5), (20, 14.5), (20, 13))),
    'record': _circle(12, 12, 7, solid=True),
    'stop': _boxes((6.5, 6.5, 11, 11), solid=(0,)),
    'snapshot': _camera,
    'camera': _both(_boxes((3, 6, 13, 12), radius=3), _lines(((16, 10.5), (21, 7.5), (21, 16.5), (16, 13.5)))),
    'film': _both(_boxes((3, 5, 18, 14)), _lines(((8, 5), (8, 19)), ((16, 5), (16, 19)), ((3, 12), (8, 12)), ((16, 12), (21, 12)))),
    'folder': _FOLDER,
    'close': _lines(((6, 6), (18, 18)), ((18, 6), (6, 18))),
    'check': _lines(((5, 12.5), (10, 17.5), (19, 7))),
    'info': _both(_circle(12, 12, 9), _lines(((12, 11), (12, 16.5))), _circle(12, 7.6, 0.4, solid=True)),
    'warning': _both(_lines(((12, 3.5), (21.5, 20), (2.5, 20), (12, 3.5))), _lines(((12, 10), (12, 14.5))), _circle(12, 17.2, 0.4, True)),
    'error': _both(_circle(12, 12, 9), _lines(((12, 7), (12, 13))), _circle(12, 16.4, 0.4, solid=True)),
    'panel': _both(_boxes((3, 4, 18, 16), radius=3), _lines(((15, 4), (15, 20)))),
    'hud': _lines(((3, 20), (21, 20)), ((6, 16), (6, 12)), ((12, 16), (12, 5)), ((18, 16), (18, 9))),
    'layout_beside': _boxes((3, 6, 9.5, 12), (15.5, 6, 5.5, 12), solid=(1,)),
    'layout_corner': _boxes((3, 5, 18, 14), (13.5, 12.5, 5, 4), solid=(1,), radius=1.5),
    'layout_picture': _boxes((3, 5, 18, 14)),
    'layout_view': _both(_lines(((12, 3.5), (19.5, 7.75), (19.5, 16.25), (12, 20.5), (4.5, 16.25), (4.5, 7.75), (12, 3.5))),
                         _lines(((4.5, 7.75), (12, 12), (19.5, 7.75)), ((12, 12), (12, 20.5)))),
    'sun': _both(_circle(12, 12, 4), _lines(*[((12 + 7 * x, 12 + 7 * y), (12 + 9 * x, 12 + 9 * y)) for x, y in (
        (1, 0), (-1, 0), (0, 1), (0, -1), (0.71, 0.71), (-0.71, 0.71), (0.71, -0.71), (-0.71, -0.71))])),
    'moon': _moon,
    'full_screen': _lines(((4, 9), (4, 4), (9, 4)), ((15, 4), (20, 4), (20, 9)),
                          ((20, 15), (20, 20), (15, 20)), ((9, 20), (4, 20), (4, 15))),
    'help': _both(_circle(12, 12, 9), _arc(12, 9.8, 2.8, -60, 240), _lines(((13.2, 12.3), (12, 13.6), (12, 14.2))),
                  _circle(12, 17, 0.4, solid=True)),
    'reset': _both(_arc(12, 12, 8, 110, 310), _lines(((9.5, 1.8), (9.2, 4.8), (12.2, 5.6)))),
    'lock': _both(_boxes((5, 11, 14, 10)), _lines(((8, 11), (8, 8))), _arc(12, 8, 4, 0, 180), _lines(((16, 8), (16, 11)))),
    'unlocked': _both(_boxes((5, 11, 14, 10)), _lines(((8, 11), (8, 7))), _arc(12, 7, 4, 0, 180)),
    'mirror': _both(_lines(((12, 3), (12, 21))), _lines(((9, 6), (9, 18), (3, 18), (9, 6))), _filled(((15, 6), (15, 18), (21, 18)))),
    'export': _lines(((12, 14), (12, 3)), ((8, 7), (12, 3), (16, 7)), ((4, 14), (4, 20), (20, 20), (20, 14))),
    'offline': _both(_circle(12, 12, 9), _lines(((12, 6.5), (12, 12), (16, 14)))),
    'plus': _lines(((12, 5), (12, 19)), ((5, 12), (19, 12))),
    'minus': _lines(((5, 12), (19, 12))),
    'down': _lines(((6, 9), (12, 15), (18, 9))),
    'right': _lines(((9, 6), (15, 12), (9, 18))),
    'hand': _hand,
    'keys': _both(_boxes((2.5, 6, 19, 12), radius=3), _lines(((8, 14.5), (16, 14.5)), ((6.5, 10), (6.5, 10)), ((10.2, 10), (10.2, 10)),
                                                            ((13.8, 10), (13.8, 10)), ((17.5, 10), (17.5, 10)))),
}
