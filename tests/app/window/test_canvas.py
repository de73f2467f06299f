"""Picture and 3D view on the screen: places, pixels, and what the mouse does."""
from __future__ import annotations

import itertools

import numpy as np
import pytest
from PyQt5.QtCore import QEvent, QMimeData, QObject, QPoint, QPointF, QRect, QSize, Qt, QUrl
from PyQt5.QtGui import QDragEnterEvent, QDropEvent, QImage, QMouseEvent, QWheelEvent

from app.live.settings import ViewSettings
from app.window.arrangement import LAYOUTS, arranged, view_pixels
from app.window.canvas import Canvas, filled
from app.window.signs import Message
from tests.app.window.made_engine import shown

PATIENCE = 10_000  # milliseconds


@pytest.fixture
def canvas(qtbot):
    canvas = Canvas()
    canvas.resize(960, 640)
    qtbot.addWidget(canvas)
    canvas.show()
    canvas.show_picture(shown(visibility=(1.0,)))
    qtbot.waitUntil(lambda: (canvas.view.width, canvas.view.height) == view_pixels(canvas.view_place, canvas.devicePixelRatioF()),
                    timeout=PATIENCE)  # the size that its place asks for is settled
    return canvas


def colour(canvas: Canvas, at: QPoint) -> tuple[int, int, int]:
    image = canvas.grab().toImage()
    scale = canvas.devicePixelRatioF()
    pixel = image.pixelColor(round(at.x() * scale), round(at.y() * scale))
    return pixel.red(), pixel.green(), pixel.blue()


def drag(canvas: Canvas, button, start: QPoint, end: QPoint) -> None:
    none = Qt.NoModifier
    canvas.mousePressEvent(QMouseEvent(QEvent.MouseButtonPress, QPointF(start), button, button, none))
    canvas.mouseMoveEvent(QMouseEvent(QEvent.MouseMove, QPointF(end), Qt.NoButton, button, none))
    canvas.mouseReleaseEvent(QMouseEvent(QEvent.MouseButtonRelease, QPointF(end), button, Qt.NoButton, none))


def wheel(canvas: Canvas, at: QPoint, notches: int) -> None:
    canvas.wheelEvent(QWheelEvent(QPointF(at), QPointF(canvas.mapToGlobal(at)), QPoint(), QPoint(0, 120 * notches), Qt.NoButton,
                                  Qt.NoModifier, Qt.NoScrollPhase, False))


SIZES = (960, 640), (320, 240), (1600, 500), (500, 900)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_everything_stands_inside_the_canvas_and_the_picture_keeps_its_shape(layout):
    for size, aspect, foot in itertools.product(SIZES, (4 / 3, 16 / 9, 9 / 16), (0, 112)):
        case, room = f'{layout} in {size}, a picture of {aspect:.3f}', QRect(0, 0, *size)
        places = arranged(QSize(*size), aspect, layout, foot)
        standing = [place for place in (places.picture, places.view, places.foot) if not place.isEmpty()]
        assert all(room.contains(place) for place in standing), f'{case}: {places}'
        assert places.picture.isEmpty() == (layout == 'view') and places.view.isEmpty() == (layout == 'picture'), case
        if layout != 'view':
            real = places.picture.width() / places.picture.height()
            assert abs(real / aspect - 1) < 0.02, f'{case} stands in a place of {real:.3f}'
        assert layout == 'corner' or not places.picture.intersects(places.view), case
        assert not places.foot.intersects(places.picture) and not places.foot.intersects(places.view), case


def test_a_strip_below_makes_no_picture_smaller():
    for layout in LAYOUTS:
        for size in ((960, 640), (1280, 720), (700, 900)):
            without, with_foot = (arranged(QSize(*size), 4 / 3, layout, foot) for foot in (0, 112))
            assert with_foot.picture.size() == without.picture.size(), f'{layout} in {size}'


def test_the_3d_view_is_drawn_as_large_as_it_stands_but_never_larger_than_640_pixels():
    assert view_pixels(QRect(0, 0, 300, 200), 1.0) == (300, 200)
    assert view_pixels(QRect(0, 0, 300, 200), 2.0) == (600, 400)
    assert view_pixels(QRect(0, 0, 800, 400), 2.0) == (640, 320)
    assert view_pixels(QRect(), 1.0) == (0, 0)


def test_picture_and_view_are_painted_where_they_stand(canvas):
    assert colour(canvas, canvas.picture_place.center()) == (128, 128, 128)
    assert colour(canvas, canvas.view_place.center()) == (0, 160, 0)


def test_a_picture_is_shown_the_way_round_that_it_has(canvas):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = 200, 0, 0
    picture[:, 32:] = 0, 0, 200
    canvas.show_picture(shown(picture))
    place = canvas.picture_place
    left, right = (colour(canvas, QPoint(place.x() + part * place.width() // 4, place.center().y())) for part in (1, 3))
    assert left == (200, 0, 0) and right == (0, 0, 200), f'left is {left}, right is {right}'


@pytest.mark.parametrize('scale', [1.0, 1.04, 1.25, 1.5, 2.0])
def test_the_edges_of_picture_and_view_are_sharp_on_every_screen(canvas, scale):
    image = QImage(QSize(int(960 * scale), int(640 * scale)), QImage.Format_RGB32)
    image.setDevicePixelRatio(scale)
    canvas.render(image)
    for place in (canvas.picture_place, canvas.view_place):
        x, y = round(place.center().x() * scale), round(place.center().y() * scale)
        for name, line in (('column', [image.pixel(x, row) for row in range(image.height())]),
                           ('row', [image.pixel(column, y) for column in range(image.width())])):
            known = {image.pixel(2, 2), *(image.pixel(round(at.center().x() * scale), round(at.center().y() * scale))
                                          for at in (canvas.picture_place, canvas.view_place))}
            mixed = [at for at, pixel in enumerate(line) if pixel not in known]
            assert not mixed, f'at {scale} pixels a pixel, {len(mixed)} pixels of the middle {name} are neither picture nor ground: {mixed}'


def test_a_new_picture_also_repaints_the_pixels_that_its_place_only_touches(qtbot, canvas):
    class Regions(QObject):
        painted = []

        def eventFilter(self, watched, event):
            if event.type() == QEvent.Paint:
                self.painted.append(event.region())
            return False

    regions = Regions()
    qtbot.wait(20)
    canvas.installEventFilter(regions)
    canvas.show_picture(shown(visibility=(1.0,)))
    qtbot.waitUntil(lambda: bool(regions.painted), timeout=PATIENCE)
    for place in (canvas.picture_place, canvas.view_place):
        assert regions.painted[-1].contains(place.adjusted(-1, -1, 1, 1).topLeft()), f'only {regions.painted[-1].rects()} of {place}'
        assert regions.painted[-1].contains(place.adjusted(-1, -1, 1, 1).bottomRight()), f'only {regions.painted[-1].rects()} of {place}'


def test_a_picture_is_said_to_be_painted_once_and_only_after_it_was(qtbot, canvas):
    seen = []
    qtbot.wait(20)
    canvas.painted.connect(seen.append)
    picture = shown(index=7)
    canvas.show_picture(picture)
    assert not seen, 'a picture was said to be painted before it was'
    qtbot.waitUntil(lambda: bool(seen), timeout=PATIENCE)
    canvas.repaint()
    qtbot.wait(20)
    assert len(seen) == 1 and seen[0] is picture, f'one picture was said to be painted {len(seen)} times'


def test_dragging_with_the_left_button_turns_the_view(canvas):
    middle = canvas.view_place.center()
    drag(canvas, Qt.LeftButton, middle, middle + QPoint(40, 20))
    assert canvas.view.azimuth > 5 and canvas.view.elevation > 2, canvas.view


def test_dragging_with_the_right_or_middle_button_shifts_the_view_with_the_mouse(canvas):
    middle, place = canvas.view_place.center(), canvas.view_place
    for button in (Qt.RightButton, Qt.MiddleButton):
        canvas.reset_view()
        drag(canvas, button, middle, middle + QPoint(30, -20))
        assert canvas.view.shift_x == pytest.approx(30 / place.width()) and canvas.view.shift_y == pytest.approx(-20 / place.height())


def test_the_wheel_zooms_and_a_double_click_resets(canvas):
    middle = canvas.view_place.center()
    wheel(canvas, middle, 3)
    assert canvas.view.zoom > 1.2, f'three notches zoomed to {canvas.view.zoom}'
    size = canvas.view.width, canvas.view.height
    canvas.mouseDoubleClickEvent(QMouseEvent(QEvent.MouseButtonDblClick, QPointF(middle), Qt.LeftButton, Qt.LeftButton, Qt.NoModifier))
    start = ViewSettings()
    assert (canvas.view.zoom, canvas.view.azimuth) == (start.zoom, start.azimuth)
    assert (canvas.view.width, canvas.view.height) == size, 'resetting the view changed its size'


def test_the_mouse_on_the_picture_turns_nothing(canvas):
    before, middle = canvas.view, canvas.picture_place.center()
    drag(canvas, Qt.LeftButton, middle, middle + QPoint(50, 50))
    wheel(canvas, middle, 2)
    assert canvas.view == before


def test_a_new_size_is_asked_for_once_it_has_settled(qtbot, canvas):
    asked = []
    canvas.view_changed.connect(asked.append)
    for width in range(900, 700, -20):
        canvas.resize(width, 640)
    assert not asked, 'a size was asked for while the window was still being dragged'
    qtbot.waitUntil(lambda: bool(asked), timeout=PATIENCE)
    qtbot.wait(20)
    assert [(view.width, view.height) for view in asked] == [view_pixels(canvas.view_place, canvas.devicePixelRatioF())]


def test_without_a_place_the_view_is_not_drawn_at_all(qtbot, canvas):
    canvas.set_layout('picture')
    qtbot.waitUntil(lambda: (canvas.view.width, canvas.view.height) == (0, 0), timeout=PATIENCE)


def test_the_view_says_what_to_do_while_there_is_no_hand(canvas):
    at = canvas.view_place
    with_hand = canvas.grab(at).toImage()
    canvas.show_picture(shown(visibility=(0.0,)))
    assert canvas.grab(at).toImage() != with_hand, 'the hint is not painted'


@pytest.mark.parametrize('layout', LAYOUTS)
def test_no_words_are_written_where_something_lies(canvas, layout):
    canvas.set_layout(layout)
    canvas.show_picture(shown(visibility=(0.0,)))
    place = canvas.picture_place if canvas.view_place.isEmpty() or layout == 'corner' else canvas.view_place
    taken = QRect(place.x() + 8, place.bottom() - 120, 3 * place.width() // 4, 110)
    canvas.set_taken(taken)
    canvas.set_note('')
    canvas.set_hint('')
    without = canvas.grab(taken).toImage()
    canvas.set_hint('Show a hand to the camera')
    if canvas.picture_place.isEmpty() or layout in ('corner', 'picture'):
        canvas.set_note('Soon with hands: loading the network')
    assert canvas.grab(taken).toImage() == without, f'words are written over what lies at {taken}'


def test_a_message_takes_the_pictures_place_until_there_is_one(canvas):
    canvas.show_message(Message('error', 'clip.mp4 could not be opened', 'It is not a video.'))
    assert canvas.shown is None and colour(canvas, canvas.picture_place.center()) != (128, 128, 128)
    canvas.show_picture(shown())
    assert canvas.message is None and colour(canvas, canvas.picture_place.center()) == (128, 128, 128)


def test_a_file_let_go_over_the_canvas_is_told_and_a_web_address_is_not(qtbot, canvas, tmp_path):
    told = []
    canvas.dropped.connect(told.append)
    for url, accepted in ((QUrl.fromLocalFile(str(tmp_path / 'clip.mp4')), True), (QUrl('https://example.org/clip.mp4'), False)):
        data = QMimeData()
        data.setUrls([url])
        enter = QDragEnterEvent(QPoint(10, 10), Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier)
        enter.ignore()
        canvas.dragEnterEvent(enter)
        assert enter.isAccepted() == accepted, url
        canvas.grab()
        canvas.dropEvent(QDropEvent(QPointF(10, 10), Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier))
    assert told == [[str(tmp_path / 'clip.mp4')]]


@pytest.mark.parametrize('size', [(64, 48), (640, 480), (37, 90), (500, 20)])
def test_filling_a_place_stretches_nothing_and_loses_nothing_of_one_side(size):
    rows, columns = np.mgrid[0:48, 0:64]
    image = np.stack([rows * 4, columns * 3, rows * 0], -1).astype(np.uint8)
    picture = filled(image, *size)
    assert picture.shape == (size[1], size[0], 3)
    scale = max(size[0] / 64, size[1] / 48)
    spans = np.ptp(picture[..., 0].astype(float)) / 4, np.ptp(picture[..., 1].astype(float)) / 3
    wanted = min(47, size[1] / scale), min(63, size[0] / scale)
    assert spans == pytest.approx(wanted, abs=2.5), f'of 48 x 64 pixels {spans} are seen, not {wanted}'
