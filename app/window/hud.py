"""How fast it runs and where the time goes, on dark glass over the picture. Red is what is too slow; the reason stands below."""
from __future__ import annotations

from PyQt5.QtCore import QRect, QRectF, Qt
from PyQt5.QtGui import QColor, QFont, QFontMetrics, QPainter, QPainterPath, QPixmap
from PyQt5.QtWidgets import QWidget

from app.live.shown import HandStatus
from app.live.statistics import LiveStatistics, StageTime
from app.window.theme import COLOURS, GRID, RADIUS, STAGE_COLOURS, translucent

WIDTH = 272
_PAD = 2 * GRID
_ROW = 20  # pixels from one line of small text to the next
_SLOW = '#ff5d5d'
_LATE = 100.0  # milliseconds from camera to screen that one begins to feel
_BEHIND = 0.8  # share of the source's rate below which the rate is red
CAUSES = {'camera': 'by the source', 'network': 'waiting for hands', 'drawing': 'waiting for drawing', 'screen': 'by the window',
          'recording': 'in the recording'}
STAGES = {'detect': 'find', 'crop': 'cut', 'network': 'network', 'refine': 'fit', 'smooth': 'smooth', 'texture': 'skin', 'overlay': 'draw',
          'view': '3D view', 'flip': 'mirror', 'record': 'record', 'capture': 'camera', 'decode': 'read'}


class Hud(QWidget):
    """Give it statistics a few times a second. It is painted into a picture of its own then, so that live pictures below cost nothing."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setAttribute(Qt.WA_TransparentForMouseEvents)
        self.setFixedWidth(WIDTH)
        self.setAccessibleName('Speed and delay')
        self.statistics: LiveStatistics | None = None
        self._colours: dict[str, str] = {}  # of stages, in the order in which they first came
        self._pixmap = QPixmap()
        self._height = 0.0
        self.hide()

    def show_statistics(self, statistics: LiveStatistics) -> None:
        """Show these from now on."""
        self.statistics = statistics
        for stage in statistics.stages:
            self._colours.setdefault(stage.name, STAGE_COLOURS[len(self._colours) % len(STAGE_COLOURS)])
        self._render()
        self.update()

    def words(self) -> list[str]:
        """All that it says, for those who cannot see it and for tests."""
        s = self.statistics
        if s is None:
            return []
        return [_rate(s), f'{s.latency_ms:.0f} ms', *(f'{STAGES.get(t.name, t.name)} {t.ms:.1f}' for t in s.stages), *_drops(s),
                *(_hand(h) for h in s.hands), *s.remarks]

    def paintEvent(self, event) -> None:
        if not self._pixmap.isNull():
            QPainter(self).drawPixmap(0, 0, self._pixmap)

    def _render(self) -> None:
        scale = self.devicePixelRatioF()
        height = self._draw(None)
        if height != self.height():
            self.setFixedHeight(height)
        self._pixmap = QPixmap(round(WIDTH * scale), round(height * scale))
        self._pixmap.setDevicePixelRatio(scale)
        self._pixmap.fill(Qt.transparent)
        painter = QPainter(self._pixmap)
        painter.setRenderHints(QPainter.Antialiasing | QPainter.TextAntialiasing)
        painter.setPen(Qt.NoPen)
        painter.setBrush(translucent(COLOURS['dark'].glass, 0.74))
        painter.drawRoundedRect(QRectF(0, 0, WIDTH, height), RADIUS, RADIUS)
        self._draw(painter)
        painter.end()
        self.setAccessibleDescription('. '.join(self.words()))

    def _draw(self, painter: QPainter | None) -> int:
        """Draw all of it, or with no painter only measure; the height in pixels."""
        s, y = self.statistics, _PAD - 2
        glass = COLOURS['dark']
        behind = s.source_fps is not None and 0 < s.fps < _BEHIND * s.source_fps
        late = s.latency_ms > _LATE
        if painter is not None:
            half = (WIDTH - 2 * _PAD) // 2
            of = f'of {s.source_fps:.0f}' if s.source_fps else ''
            self._figure(painter, _PAD, y, f'{s.fps:.0f}', f'fps {of}'.strip(), behind)
            self._figure(painter, _PAD + half, y, f'{s.latency_ms:.0f}', f'ms, at worst {s.latency_p95_ms:.0f}', late)
        y += 32 + GRID
        if s.stages:
            if painter is not None:
                self._bar(painter, y, s.stages)
            y += GRID + 6
            for number, stage in enumerate(s.stages):
                if painter is not None:
                    self._legend(painter, number, y + (number // 2) * _ROW, stage)
            y += -(-len(s.stages) // 2) * _ROW + GRID // 2
        lines = [(text, glass.on_glass, bool(status.shape_locked)) for text, status in ((_hand(h), h) for h in s.hands)]
        if not s.hands:
            lines.append(('No hand in sight', glass.on_glass_muted, False))
        for text, colour, _ in lines:
            y = self._text(painter, text, y, colour)
        for text in _drops(s):
            y = self._text(painter, text, y, glass.on_glass_muted)
        if s.remarks:
            y += GRID // 2
            for remark in s.remarks:
                y = self._text(painter, remark, y, _SLOW)
        return y + _PAD - 4

    def _figure(self, painter: QPainter, x: int, y: int, number: str, unit: str, bad: bool) -> None:
        large, small = _font(self, 26, QFont.DemiBold), _font(self, 12)
        painter.setFont(large)
        painter.setPen(QColor(_SLOW if bad else COLOURS['dark'].on_glass))
        painter.drawText(x, y + 26, number)
        painter.setFont(small)
        painter.setPen(QColor(COLOURS['dark'].on_glass_muted))
        painter.drawText(x + QFontMetrics(large).horizontalAdvance(number) + 6, y + 26, unit)

    def _bar(self, painter: QPainter, y: float, stages: tuple[StageTime, ...]) -> None:
        """The stages' shares of a picture's time, next to each other."""
        whole = QRectF(_PAD, y, WIDTH - 2 * _PAD, GRID)
        clip = QPainterPath()
        clip.addRoundedRect(whole, GRID / 2, GRID / 2)
        painter.save()
        painter.setClipPath(clip)
        total, x = max(sum(s.ms for s in stages), 1e-6), whole.x()
        for stage in stages:
            width = stage.ms / total * whole.width()
            painter.fillRect(QRectF(x, y, width, GRID), QColor(_SLOW if stage.slow else self._colours[stage.name]))
            x += width
        painter.restore()

    def _legend(self, painter: QPainter, number: int, y: int, stage: StageTime) -> None:
        column = (WIDTH - 2 * _PAD - 2 * GRID) // 2
        x = _PAD + (number % 2) * (column + 2 * GRID)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(_SLOW if stage.slow else self._colours[stage.name]))
        painter.drawRoundedRect(QRectF(x, y + 6, GRID, GRID), 2, 2)
        painter.setFont(_font(self, 12))
        painter.setPen(QColor(_SLOW if stage.slow else COLOURS['dark'].on_glass_muted))
        painter.drawText(QRect(x + 2 * GRID, y, column - 2 * GRID, _ROW), Qt.AlignLeft | Qt.AlignVCenter, STAGES.get(stage.name, stage.name))
        painter.setPen(QColor(_SLOW if stage.slow else COLOURS['dark'].on_glass))
        painter.drawText(QRect(x, y, column, _ROW), Qt.AlignRight | Qt.AlignVCenter, f'{stage.ms:.1f} ms')

    def _text(self, painter: QPainter | None, text: str, y: int, colour: str) -> int:
        """A line, or several; where the next one begins."""
        font = _font(self, 12)
        room = QRect(_PAD, y, WIDTH - 2 * _PAD, 400)
        box = QFontMetrics(font).boundingRect(room, Qt.TextWordWrap, text)
        if painter is not None:
            painter.setFont(font)
            painter.setPen(QColor(colour))
            painter.drawText(room, Qt.TextWordWrap, text)
        return y + max(box.height() + 4, _ROW)


def _font(widget: QWidget, pixels: int, weight: int = QFont.Normal) -> QFont:
    font = QFont(widget.font())
    font.setPixelSize(pixels)
    font.setWeight(weight)
    return font


def _rate(statistics: LiveStatistics) -> str:
    return f'{statistics.fps:.0f} fps'


def _hand(hand: HandStatus) -> str:
    if hand.shape_locked:
        state = 'shape locked'
    elif hand.shape_certainty > 0:
        state = f'calibrating {100 * hand.shape_certainty:.0f} %'
    else:
        state = 'shape free'
    return f'{hand.side.capitalize()} hand, {100 * hand.confidence:.0f} % sure, {state}'


def _drops(statistics: LiveStatistics) -> list[str]:
    """Pictures left out: lately and in all, by cause."""
    dropped = {cause: count for cause, count in statistics.dropped.items() if count}
    if not dropped:
        return ['No picture left out']
    parts = []
    for cause, count in dropped.items():
        lately = statistics.dropped_lately.get(cause, 0)
        parts.append(f'{count} {CAUSES.get(cause, cause)}' + (f' ({lately:.0f} a second)' if lately >= 0.5 else ''))
    return [f'Left out: {", ".join(parts)}']
