"""The picture with its hands, and the 3D view beside it, which the mouse turns. Also what stands there when there is no picture."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PyQt5.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, QTimer, pyqtSignal
from PyQt5.QtGui import QBrush, QImage, QPainter, QPen
from PyQt5.QtWidgets import QSizePolicy, QWidget

from app.live import view as views
from app.live.settings import ViewSettings
from app.live.shown import Shown
from app.window.arrangement import LAYOUTS, Layout, arranged, view_pixels
from app.window.signs import Message, paint_card, paint_drop_hint, paint_message, paint_pill
from app.window.theme import RADIUS, colours, translucent

_SETTLED = 150  # milliseconds without another size before the 3D view is asked for in the new one
_ZOOM_STEP = 1.1  # of one notch of the wheel
_VISIBLE = 0.05  # a hand fainter than this is no hand to the eye


class Canvas(QWidget):
    """Shows the newest `Shown` and nothing else: it keeps no older one."""

    stands = pyqtSignal()  # painted for the first time, whatever it shows
    painted = pyqtSignal(object)  # Shown, once, after it was painted for the first time
    view_changed = pyqtSignal(object)  # ViewSettings: the mouse turned the 3D view, or its place has another size
    arranged = pyqtSignal()  # picture and view have other places
    dropped = pyqtSignal(list)  # list[str], paths of files and folders let go over the window

    def __init__(self, parent: QWidget | None = None):
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Expanding)
        self.setMinimumSize(320, 240)
        self.setMouseTracking(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.ClickFocus)  # has the keyboard at first: Space plays, and presses no button of the panel
        self.setAttribute(Qt.WA_OpaquePaintEvent)
        self.setAccessibleName('Picture and 3D view')
        self.shown: Shown | None = None
        self.layout_name: Layout = 'beside'
        self.view = ViewSettings()
        self.message: Message | None = None
        self.note = ''  # a sentence at the picture's foot, such as 'loading the network'
        self.hint = 'Show a hand to the camera'  # on the 3D view while there is no hand
        self.taken = QRect()  # where something lies on it that no words may be written on
        self.foot = 0  # height in pixels of a strip that somebody wants below the picture
        self.picture_place, self.view_place, self.foot_place = QRect(), QRect(), QRect()
        self._stands = False
        self._unseen = False  # the picture was not painted yet
        self._grabbed: QPoint | None = None  # where the mouse was, while it drags
        self._drop_name: str | None = None
        self._settle = QTimer(self, singleShot=True, interval=_SETTLED)
        self._settle.timeout.connect(self._ask_for_size)

    # what to show

    def show_picture(self, shown: Shown) -> None:
        """Show it from the next paint on."""
        other = self.shown is None or self.message is not None or self.shown.picture.shape != shown.picture.shape
        self.shown, self._unseen, self.message = shown, True, None
        if other:
            self._arrange()
            self.update()
        else:  # nothing else changes, and painting is what the window spends its time on
            for place in (self.picture_place, self.view_place):
                self.update(place.adjusted(-1, -1, 1, 1))  # it touches more than its place where a pixel is 1.25 of the screen's

    def show_message(self, message: Message | None) -> None:
        """Put a message in place of the picture; None brings the picture back."""
        if message is not None:
            self.shown = None
        self.message = message
        self._arrange()
        self.update()

    def set_note(self, note: str) -> None:
        """A sentence at the picture's foot; '' for none."""
        self.note = note
        self.update()

    def set_hint(self, hint: str) -> None:
        """What the 3D view says while there is no hand."""
        self.hint = hint
        self.update()

    def set_taken(self, place: QRect) -> None:
        """Something lies there now; an empty place for nothing."""
        self.taken = place
        self.update()

    def set_layout(self, name: str) -> None:
        """One of `LAYOUTS`; another word is 'beside'."""
        self.layout_name = name if name in LAYOUTS else 'beside'
        self._arrange()
        self.update()

    def set_foot(self, height: int) -> None:
        """Keep a strip of this height in pixels free below the picture, where that makes the picture no smaller."""
        if height != self.foot:
            self.foot = height
            self._arrange()
            self.update()

    def set_view(self, view: ViewSettings) -> None:
        """How the 3D view is seen; its size stays what its place asks for."""
        self.view = replace(view, width=self.view.width, height=self.view.height)

    def reset_view(self) -> None:
        """As the real camera sees it."""
        self._change_view(views.reset(self.view))

    # places

    def _arrange(self) -> None:
        aspect = 4 / 3
        if self.shown is not None:
            height, width = self.shown.picture.shape[:2]
            aspect = width / height
        places = arranged(self.size(), aspect, self.layout_name, self.foot)
        self.picture_place, self.view_place, self.foot_place = places.picture, places.view, places.foot
        self._settle.start()
        self.arranged.emit()

    def _ask_for_size(self) -> None:
        width, height = view_pixels(self.view_place, self.devicePixelRatioF())
        if (width, height) != (self.view.width, self.view.height):
            self._change_view(replace(self.view, width=width, height=height))

    def _change_view(self, view: ViewSettings) -> None:
        if view != self.view:
            self.view = view
            self.view_changed.emit(view)

    def sizeHint(self) -> QSize:
        return QSize(960, 640)

    def resizeEvent(self, event) -> None:
        self._arrange()
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.PaletteChange, QEvent.StyleChange):
            self.update()
        super().changeEvent(event)

    # painting

    def paintEvent(self, event) -> None:
        palette = colours()
        painter = QPainter(self)
        painter.setRenderHints(QPainter.Antialiasing | QPainter.TextAntialiasing)
        painter.fillRect(event.rect(), translucent(palette.ground, 1))
        if self.message is not None:
            paint_message(painter, self.message, self.rect(), self.font())
        elif self.shown is not None:
            self._paint_shown(painter, self.shown)
        if self._drop_name is not None:
            paint_drop_hint(painter, self._drop_name, self.rect(), self.font())
        painter.end()
        if not self._stands:
            self._stands = True
            QTimer.singleShot(0, self.stands.emit)
        if self._unseen and self.shown is not None:
            self._unseen = False
            shown = self.shown
            QTimer.singleShot(0, lambda: self.painted.emit(shown))  # the pixels leave for the screen when this event has ended

    def _paint_shown(self, painter: QPainter, shown: Shown) -> None:
        if not self.picture_place.isEmpty():
            self._paint_image(painter, shown.picture, self.picture_place)
        if not self.view_place.isEmpty():
            if shown.view is not None and shown.view.size:
                self._paint_image(painter, shown.view, self.view_place)
            elif self.layout_name != 'corner':
                paint_card(painter, self.view_place)
            if self.layout_name == 'corner' and shown.view is not None:
                painter.setPen(QPen(translucent('#ffffff', 0.16), 1))
                painter.setBrush(Qt.NoBrush)
                painter.drawRoundedRect(QRectF(self.view_place), RADIUS, RADIUS)
            if not any(v > _VISIBLE for v in shown.inferred.visibility) and not self.note:
                paint_pill(painter, self.hint, self.view_place, self.font(), self.taken)
        if self.note:
            place = self.view_place if self.picture_place.isEmpty() else self.picture_place
            paint_pill(painter, self.note, place, self.font(), self.taken)

    def _paint_image(self, painter: QPainter, image: np.ndarray, place: QRect) -> None:
        """The image (H, W, 3) uint8 fills the place with round corners; what does not fit its aspect is cut away on both sides."""
        to_screen = painter.deviceTransform()
        scale, exact = to_screen.m11(), to_screen.mapRect(QRectF(place))
        left, top = round(exact.left()), round(exact.top())
        width, height = max(round(exact.right()) - left, 1), max(round(exact.bottom()) - top, 1)
        scaled = np.ascontiguousarray(filled(image, width, height))
        picture = QImage(scaled.data, width, height, 3 * width, QImage.Format_RGB888)  # `scaled` must outlive it
        painter.save()
        painter.translate(to_screen.inverted()[0].map(QPointF(left, top)))
        painter.scale(1 / scale, 1 / scale)  # device pixels one to one: Qt's own scaling of pictures is five times slower
        painter.setPen(Qt.NoPen)
        painter.setBrush(QBrush(picture))
        painter.drawRoundedRect(QRectF(0, 0, width, height), RADIUS * scale, RADIUS * scale)
        painter.restore()

    # the mouse turns the 3D view

    def _over_view(self, position: QPoint) -> bool:
        return self.shown is not None and self.view_place.contains(position)

    def mousePressEvent(self, event) -> None:
        if self._over_view(event.pos()) and event.button() in (Qt.LeftButton, Qt.RightButton, Qt.MiddleButton):
            self._grabbed = event.pos()
            self.setCursor(Qt.ClosedHandCursor)

    def mouseMoveEvent(self, event) -> None:
        if self._grabbed is None:
            self.setCursor(Qt.OpenHandCursor if self._over_view(event.pos()) else Qt.ArrowCursor)
            return
        moved = event.pos() - self._grabbed
        self._grabbed = event.pos()
        if event.buttons() & Qt.LeftButton:
            self._change_view(views.turned(self.view, moved.x(), moved.y()))
        else:
            place = self.view_place
            self._change_view(views.shifted(self.view, moved.x() / max(place.width(), 1), moved.y() / max(place.height(), 1)))

    def mouseReleaseEvent(self, event) -> None:
        self._grabbed = None
        self.setCursor(Qt.OpenHandCursor if self._over_view(event.pos()) else Qt.ArrowCursor)

    def mouseDoubleClickEvent(self, event) -> None:
        if self._over_view(event.pos()) and event.button() == Qt.LeftButton:
            self.reset_view()

    def wheelEvent(self, event) -> None:
        if not self._over_view(event.pos()):
            event.ignore()
            return
        self._change_view(views.zoomed(self.view, _ZOOM_STEP ** (event.angleDelta().y() / 120)))
        event.accept()

    # files let go over the window

    def dragEnterEvent(self, event) -> None:
        paths = _local_paths(event.mimeData())
        if paths:
            self._drop_name = Path(paths[0]).name
            event.acceptProposedAction()
            self.update()

    def dragLeaveEvent(self, event) -> None:
        self._drop_name = None
        self.update()

    def dropEvent(self, event) -> None:
        self._drop_name = None
        self.update()
        paths = _local_paths(event.mimeData())
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)


def filled(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """The image's middle, scaled to (height, width, 3), nothing stretched."""
    rows, columns = image.shape[:2]
    scale = max(width / columns, height / rows)
    take_columns, take_rows = min(columns, max(round(width / scale), 1)), min(rows, max(round(height / scale), 1))
    x, y = (columns - take_columns) // 2, (rows - take_rows) // 2
    part = image[y:y + take_rows, x:x + take_columns]
    if part.shape[:2] == (height, width):
        return part
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR)


def _local_paths(mime) -> list[str]:
    return [url.toLocalFile() for url in mime.urls() if url.isLocalFile()]
