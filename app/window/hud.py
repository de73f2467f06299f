"""How fast it runs and where the time goes, on dark glass. Red is what is too slow; the reason stands beside it.

Where there is room below the picture it is a strip there, else a card over the picture's corner.
"""
from __future__ import annotations

from PyQt5.QtCore import QEvent, QRect, QRectF, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QColor, QFont, QFontMetrics, QPainter, QPainterPath, QPixmap
from PyQt5.QtWidgets import QWidget

from app.live.shown import HandStatus
from app.live.statistics import LiveStatistics, StageTime
from app.window.theme import COLOURS, GRID, RADIUS, colours, translucent

CARD = 264  # pixels, width of the card
BRIEF = 176, 64  # pixels, size of a card on a small picture
STRIP = 14 * GRID  # pixels, height of the strip
_PAD = 2 * GRID
_ROW = 18  # pixels from one line of small text to the next
_SLOW = '#ff6060'
_LATE = 100.0  # milliseconds from camera to screen that one begins to feel
_BEHIND = 0.8  # share of the source's rate below which the rate is red
_ROWS = 4  # of the legend in a strip
_SMALL = 0.04  # share of the whole time below which a stage goes into the rest
_CAUSES = {'camera': 'by the source', 'network': 'waiting for hands', 'drawing': 'waiting for drawing', 'screen': 'by the window',
           'recording': 'in the recording'}
_STAGES = {  # what a person calls a stage, and its colour
    'wait': ('waiting', '#8b93a1'), 'ahead': ('next picture', '#a8b0bd'), 'detect': ('finding', '#b79bff'),
    'crop': ('cutting', '#f29bd0'), 'network': ('network', '#7aa7ff'), 'refine': ('fitting', '#5cc8d7'), 'smooth': ('smoothing', '#cfe06a'),
    'texture': ('skin', '#e9b98f'), 'overlay': ('drawing', '#8fd694'), 'view': ('3D view', '#ffd166'), 'flip': ('mirror', '#c9ced8'),
    'record': ('recording', '#d7c0ae')}
_REST = 'the rest', '#5b6270'
_COVERED = 0.6  # of a picture's width or height, at most, by the card


class Hud(QWidget):
    """Give it statistics a few times a second. It is painted into a picture of its own then, so that live pictures below cost nothing."""

    covers = pyqtSignal(QRect)  # what its card lies on now; empty for a strip, or while it is hidden

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setAttribute(Qt.WA_TransparentForMouseEvents)
        self.setAccessibleName('Speed and delay')
        self.statistics: LiveStatistics | None = None
        self._resting = ''
        self._strip = 0  # width of the strip; 0: a card
        self._picture, self._view = QRect(), QRect()  # what the card lies on, and the 3D view where that lies there too
        self._covered = QRect()
        self._ink = self._muted = self._red = ''  # colours of the ground that it stands on
        self._pixmap = QPixmap()
        self.hide()

    def show_statistics(self, statistics: LiveStatistics, resting: str = '') -> None:
        """Show these from now on. `resting`: why no rate or delay means anything, as 'Paused'."""
        self.statistics, self._resting = statistics, resting
        self._render()
        self.setAccessibleDescription('. '.join(self.words()))

    def place(self, foot: QRect, picture: QRect, view: QRect = QRect()) -> None:
        """Be a strip in `foot`, or where that is empty a card in a left corner of `picture` that leaves `view` free."""
        self._strip, self._picture, self._view = (0 if foot.isEmpty() else foot.width()), picture, view
        if self._strip:
            self.move(foot.topLeft())
        self._render()

    def words(self) -> list[str]:
        """All that it says, for those who cannot see it and for tests."""
        s = self.statistics
        if s is None:
            return []
        speed = [self._resting.lower()] if self._resting else [f'{s.fps:.0f} fps', f'{s.latency_ms:.0f} ms', *s.remarks]
        return [*speed, *(f'{name} {ms:.1f} ms' for name, ms, _ in _grouped(s.stages)),
                *(_hand(h) for h in s.hands), _drops(s)]

    def paintEvent(self, event) -> None:
        if not self._pixmap.isNull():
            QPainter(self).drawPixmap(0, 0, self._pixmap)

    def _render(self) -> None:
        if self.statistics is None:
            return
        palette, scale = colours() if self._strip else COLOURS['dark'], self.devicePixelRatioF()
        self._ink, self._muted, self._red = palette.text, palette.muted, palette.bad
        draw, size = self._wide, QSize(self._strip, STRIP)
        if not self._strip:
            draw, size = self._card, QSize(CARD, self._card(None))
            room = self._picture.adjusted(GRID, GRID, -GRID, -GRID)
            place = _low_in(room, size)
            if place.width() > _COVERED * room.width() or place.height() > _COVERED * room.height() or place.intersects(self._view):
                draw, size = self._brief, QSize(*BRIEF)
                place = _low_in(room, size)
            self.move(room.topLeft() if place.intersects(self._view) else place.topLeft())
        self.setFixedSize(size)
        self._pixmap = QPixmap(round(size.width() * scale), round(size.height() * scale))
        self._pixmap.setDevicePixelRatio(scale)
        self._pixmap.fill(Qt.transparent)
        painter = QPainter(self._pixmap)
        painter.setRenderHints(QPainter.Antialiasing | QPainter.TextAntialiasing)
        painter.setPen(Qt.NoPen)
        painter.setBrush(QColor(colours().surface) if self._strip else translucent(COLOURS['dark'].glass, 0.7))
        painter.drawRoundedRect(QRectF(0, 0, size.width(), size.height()), RADIUS, RADIUS)
        draw(painter)
        painter.end()
        self.update()
        self._tell_covered()

    def _tell_covered(self) -> None:
        covered = self.geometry() if self.isVisible() and not self._strip else QRect()
        if covered != self._covered:
            self._covered = covered
            self.covers.emit(covered)

    def showEvent(self, event) -> None:
        super().showEvent(event)
        self._tell_covered()

    def hideEvent(self, event) -> None:
        super().hideEvent(event)
        self._tell_covered()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.PaletteChange:
            self._render()
        super().changeEvent(event)

    # two shapes

    def _card(self, painter: QPainter | None) -> int:
        """Draw the card, or with no painter only measure; its height in pixels."""
        s, y, width = self.statistics, _PAD, CARD - 2 * _PAD
        if painter is not None:
            self._figures(painter, _PAD, y, width)
        y += 52
        stages = _grouped(s.stages)
        if stages:
            if painter is not None:
                self._bar(painter, QRect(_PAD, y, width, GRID), stages)
                self._legend(painter, QRect(_PAD, y + GRID + 4, width, 0), stages, 2)
            y += GRID + 4 + -(-len(stages) // 2) * _ROW + GRID // 2
        for text, colour in self._lines():
            y = self._text(painter, text, QRect(_PAD, y, width, 400), colour)
        return y + _PAD - 6

    def _brief(self, painter: QPainter) -> None:
        """The figures alone, for a small picture."""
        self._figures(painter, _PAD, _PAD - 4, 0)

    def _wide(self, painter: QPainter) -> None:
        """Three columns: figures; where the time goes; what is seen and what is wrong."""
        room = self._strip - 2 * _PAD
        first, second = 168, min(312, round(0.36 * room))
        self._figures(painter, _PAD, _PAD, first)
        stages, x = _grouped(self.statistics.stages, 2 * _ROWS), _PAD + first + 3 * GRID
        if stages:
            self._bar(painter, QRect(x, _PAD + 4, second, GRID), stages)
            self._legend(painter, QRect(x, _PAD + GRID + 8, second, 0), stages, 2)
        x += second + 4 * GRID
        y, end = _PAD - 4, STRIP - GRID
        for text, colour in self._lines():
            if y + _ROW > end:
                break
            y = self._text(painter, text, QRect(x, y, self._strip - _PAD - x, end - y), colour)

    # their parts

    def _lines(self) -> list[tuple[str, str]]:
        """What is seen, what is wrong and what was left out; a strip has less room, so the less telling comes last."""
        s = self.statistics
        hands = [(_hand(h), self._ink) for h in s.hands] or [('No hand in sight', self._muted)]
        remarks, drops = [(remark, self._red) for remark in s.remarks if not self._resting], [(_drops(s), self._muted)]
        return [*hands, *remarks, *drops] if self._strip else [*hands, *drops, *remarks]

    def _figures(self, painter: QPainter, x: int, y: int, width: int) -> None:
        s = self.statistics
        behind = s.source_fps is not None and 0 < s.fps < _BEHIND * s.source_fps
        of = f'fps of {s.source_fps:.0f}' if s.source_fps else 'fps'
        delay = f'ms behind, at most {s.latency_p95_ms:.0f}' if width > 220 else 'ms behind'
        if self._resting:
            painter.setFont(_font(self, 18, QFont.DemiBold))
            painter.setPen(QColor(self._ink))
            painter.drawText(x, y + 22, self._resting)
            return
        for number, unit, left, bad in ((f'{s.fps:.0f}', of, x, behind), (f'{s.latency_ms:.0f}', delay, x + 80, s.latency_ms > _LATE)):
            painter.setFont(_font(self, 26, QFont.DemiBold))
            painter.setPen(QColor(self._red if bad else self._ink))
            painter.drawText(left, y + 22, number)
            painter.setFont(_font(self, 12))
            painter.setPen(QColor(self._muted))
            painter.drawText(left, y + 40, unit)

    def _bar(self, painter: QPainter, place: QRect, stages: list[tuple[str, float, str]]) -> None:
        """The stages' shares of a picture's time, next to each other."""
        clip = QPainterPath()
        clip.addRoundedRect(QRectF(place), GRID / 2, GRID / 2)
        painter.save()
        painter.setClipPath(clip)
        total, x = max(sum(ms for _, ms, _ in stages), 1e-6), float(place.x())
        for _, ms, colour in stages:
            width = ms / total * place.width()
            painter.fillRect(QRectF(x, place.y(), max(width - 1, 1), GRID), QColor(colour))
            x += width
        painter.restore()

    def _legend(self, painter: QPainter, place: QRect, stages: list[tuple[str, float, str]], columns: int) -> None:
        column = (place.width() - (columns - 1) * 2 * GRID) // columns
        painter.setFont(_font(self, 12))
        for number, (name, ms, colour) in enumerate(stages):
            box = QRect(place.x() + (number % columns) * (column + 2 * GRID), place.y() + (number // columns) * _ROW, column, _ROW)
            painter.setPen(Qt.NoPen)
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(QRectF(box.x(), box.y() + 5, GRID, GRID), 2, 2)
            painter.setPen(QColor(self._red if colour == _SLOW else self._muted))
            painter.drawText(box.adjusted(_PAD, 0, 0, 0), Qt.AlignLeft | Qt.AlignVCenter, name)
            painter.setPen(QColor(self._red if colour == _SLOW else self._ink))
            unit = ' ms' if column > 120 else ''
            painter.drawText(box, Qt.AlignRight | Qt.AlignVCenter, f'{ms:.0f}{unit}' if ms >= 9.95 else f'{ms:.1f}{unit}')

    def _text(self, painter: QPainter | None, text: str, room: QRect, colour: str) -> int:
        """A line, or several as there is room; where the next one begins."""
        font = _font(self, 12)
        text, height = fitting(text, QFontMetrics(font), room.size())
        if painter is not None:
            painter.setFont(font)
            painter.setPen(QColor(colour))
            painter.drawText(QRect(room.x(), room.y(), room.width(), height), Qt.TextWordWrap | Qt.TextDontClip, text)
        return room.y() + max(height + 3, _ROW)


def _low_in(room: QRect, size: QSize) -> QRect:
    """A place of this size in the lower left corner of a room."""
    return QRect(room.x(), room.bottom() + 1 - size.height(), size.width(), size.height())


def fitting(text: str, metrics: QFontMetrics, room: QSize) -> tuple[str, int]:
    """As much of a text as fits, in several lines if need be, with dots where there is more; and its height in pixels."""
    words, shown = text.split(' '), text
    while True:
        height = metrics.boundingRect(QRect(0, 0, room.width(), 400), Qt.TextWordWrap, shown).height()
        if height <= room.height() or len(words) == 1:
            return shown, height
        words.pop()
        shown = f'{" ".join(words).rstrip(",;:.")}…'


def _font(widget: QWidget, pixels: int, weight: int = QFont.Normal) -> QFont:
    font = QFont(widget.font())
    font.setPixelSize(pixels)
    font.setWeight(weight)
    return font


def _grouped(stages: tuple[StageTime, ...], most: int = 100) -> list[tuple[str, float, str]]:
    """Name, milliseconds and colour of what is worth telling apart, at most so many; the small ones as one."""
    least = _SMALL * sum(s.ms for s in stages)
    telling = sorted((s for s in stages if s.slow or s.ms >= least), key=lambda s: (not s.slow, -s.ms))
    apart = telling if len(telling) == len(stages) <= most else telling[:most - 1]
    told = [(name, s.ms, _SLOW if s.slow else colour) for s in stages if s in apart
            for name, colour in [_STAGES.get(s.name, (s.name, _REST[1]))]]
    return told if len(apart) == len(stages) else [*told, (_REST[0], sum(s.ms for s in stages if s not in apart), _REST[1])]


def _hand(hand: HandStatus) -> str:
    if not hand.kept:
        state = 'shape free'
    elif hand.shape_locked:
        state = 'shape locked'
    elif hand.learning:
        state = f'calibrating {min(100 * hand.shape_certainty, 99):.0f}\xa0%'
    else:
        state = 'not calibrating'
    return f'{hand.side.capitalize()} hand {100 * hand.confidence:.0f}\xa0% sure, {state}'


def _drops(statistics: LiveStatistics) -> str:
    """Pictures left out, by cause: in all, and per second where it goes on."""
    parts = []
    for cause, count in statistics.dropped.items():
        if count:
            lately = statistics.dropped_lately.get(cause, 0)
            parts.append(f'{count} {_CAUSES.get(cause, cause)}' + (f' ({lately:.0f} a second)' if lately >= 0.5 else ''))
    return f'Left out: {", ".join(parts)}' if parts else 'No picture left out'
