"""An H.264 video that plays in browsers, each frame at its own time."""
from __future__ import annotations

import queue
import threading
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np

from app.errors import InputError
from app.outputs.atomic import one_sentence, sentence, temporary_name
from app.outputs.fragments import keep_whole_fragments
from app.sources.mp4_boxes import mp4_boxes

TICKS = 90_000  # a second; divides the usual frame rates, 29.97 too, evenly
BT601 = 6  # the colour matrix of cv2's conversion (SMPTE 170M), written into the file so that players undo the right one
LIMITED = 1  # range 16..235
SMALLEST = 16  # pixels of a side that the encoder takes
WAITING = 4  # frames that may wait for the encoder
PATIENCE = 60.0  # seconds that closing waits for the encoder
# ultrafast's small set of tools, with the two that make files three times smaller for 0.2 ms a frame, and no block edges
PRESET = {'preset': 'ultrafast', 'crf': '22', 'x264-params': 'mbtree=1:rc-lookahead=10:aq-mode=1:no-deblock=0'}
IN_FRONT = {'movflags': '+faststart'}  # the index, so that a browser can start before it has the whole file
# A recording shares the machine with all the rest and must outlive the program: half the work for files of twice the size, written
# in fragments of a second, each of which can be played without what follows; the index comes at the end and needs no second copy.
LIVE_PRESET = {'preset': 'ultrafast', 'crf': '22', 'x264-params': 'no-deblock=0', 'threads': '1', 'g': '60'}
IN_FRAGMENTS = {'movflags': '+hybrid_fragmented+default_base_moof', 'frag_duration': '1000000', 'flush_packets': '1'}


def unfinished_name(path: Path) -> Path:
    """Where a recording of `path` is while it runs, and where it stays when the program is killed; it plays."""
    return path.with_name(f'{path.stem}.unfinished{path.suffix}')


class VideoWriter:
    """Writes frames (H, W, 3) uint8 RGB as MP4 (H.264, yuv420p, index in front), on a thread of its own.

    A context manager: leaving it well finishes the file under its name, leaving it by an error leaves nothing. A run
    that was cut short on purpose calls `finish`: what was written plays. Odd sizes are enlarged by one
    repeated column or row, so pixels stay where they are.
    Whatever the disk refuses is raised as InputError by the next `write` or `finish`.

    With `live` it is a recording, which nothing may cost: it is cheaper to encode, can be played at any time under the name
    `unfinished_name`, also after the program was killed, and when the disk refuses more, `finish` gives what was written its name
    before it raises. (Its index is at the end.)
    """

    def __init__(self, path: Path, width: int, height: int, fps: float | None = None, live: bool = False):
        """`fps`: how long the last frame lasts, and a hint to players; the times given with the frames count."""
        self.path = path
        self.width, self.height = width, height
        self._live = live
        self._part = unfinished_name(path) if live else temporary_name(path)
        self._fps = fps or 30.0
        self._duration = round(TICKS / self._fps)
        self._first: float | None = None
        self._last = -1
        self._error: BaseException | None = None
        self._frames: queue.Queue[tuple[np.ndarray, int] | None] = queue.Queue(WAITING)
        self._open = True
        self._thread: threading.Thread | None = None
        self._container: av.container.OutputContainer | None = None
        if not live:  # FFmpeg crashes when it ends a file in fragments that never got a frame, so a recording's begins with the first
            self._begin()

    def write(self, image: np.ndarray, time: float) -> None:
        """Add a frame at `time` seconds; the first one's time is the video's start. Returns before it is encoded; the image is copied.

        A time that is not later than the last frame's is moved behind it by the shortest step, 1/90000 s.
        """
        if not self._open:
            raise ValueError('the video is closed')
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise ValueError(f'a frame must be ({self.height}, {self.width}, 3) uint8, not {image.shape} {image.dtype}')
        self._raise()
        if self._thread is None:
            self._begin()
        self._first = time if self._first is None else self._first
        self._last = max(round((time - self._first) * TICKS), self._last + 1)
        self._frames.put((image.copy(), self._last))

    def finish(self) -> None:
        """Encode what waits, write the index and give the file its name. Without a frame there is no file. Closing again does nothing."""
        if not self._open:
            return
        self._stop()
        try:
            self._raise()
            if self._last < 0:
                self._remove()
                return
            with one_sentence(self.path):
                boxes = mp4_boxes(self._part)
                if boxes is None or not boxes.whole or not boxes.has_index:
                    raise InputError(f'{self.path} could not be written whole; is the disk full? Free some space and try again.')
                self._part.replace(self.path)
        except BaseException:
            if not (self._live and self._saved_what_plays()):
                self._remove()
            raise

    @property
    def bytes(self) -> int:
        """How much of it is on the disk."""
        for path in (self._part, self.path):
            with suppress(OSError):
                return path.stat().st_size
        return 0

    def _saved_what_plays(self) -> bool:
        """After the disk refused: the fragments that are whole become the video, if there are any."""
        with suppress(OSError):
            if keep_whole_fragments(self._part):
                self._part.replace(self.path)
                return True
        return False

    def discard(self) -> None:
        """Stop and leave nothing. Closing again does nothing."""
        if self._open:
            self._stop()
            self._remove()

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.finish() if kind is None or self._live else self.discard()

    def _begin(self) -> None:
        self._container = av.open(f'file:{self._part}', 'w', format='mp4', options=IN_FRAGMENTS if self._live else IN_FRONT)
        rate = Fraction(self._fps).limit_denominator(1001)
        self._stream = self._container.add_stream('libx264', rate=rate, options=LIVE_PRESET if self._live else PRESET)
        self._stream.width, self._stream.height = (max(side + side % 2, SMALLEST) for side in (self.width, self.height))
        self._stream.pix_fmt = 'yuv420p'
        self._stream.time_base = Fraction(1, TICKS)
        codec = self._stream.codec_context
        codec.time_base = Fraction(1, TICKS)
        codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range = BT601, BT601, BT601, LIMITED
        try:
            with one_sentence(self.path):
                self._container.start_encoding()  # this opens the file, not the line that says so
        except BaseException:
            self._container = None
            self._remove()
            raise
        self._thread = threading.Thread(target=self._work, name=f'write {self.path.name}', daemon=True)
        self._thread.start()

    def _work(self) -> None:
        """The encoder's thread. After an error it only empties the queue, so that `write` never waits for ever."""
        while (item := self._frames.get()) is not None:
            if self._error is None:
                try:
                    self._encode(*item)
                except Exception as error:
                    self._error = error
        try:
            if self._last >= 0:
                self._container.mux(self._stream.encode())
        except Exception as error:
            self._error = self._error or error
        try:
            self._container.close()
        except Exception as error:
            self._error = self._error or error

    def _encode(self, image: np.ndarray, ticks: int) -> None:
        below, right = self._stream.height - self.height, self._stream.width - self.width
        if below or right:
            image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)
        frame = _yuv420(image)
        frame.pts, frame.time_base, frame.duration = ticks, Fraction(1, TICKS), self._duration
        frame.colorspace, frame.color_range = BT601, LIMITED
        self._container.mux(self._stream.encode(frame))

    def _stop(self) -> None:
        self._open = False
        if self._thread is None:
            return
        self._frames.put(None)
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise RuntimeError(f'{self.path.name}: the encoder did not end within {PATIENCE:.0f} s')

    def _raise(self) -> None:
        if self._error is None:
            return
        error = self._error
        if isinstance(error, OSError) and error.errno and error.errno > 0:
            raise InputError(sentence(error, self.path)) from error
        raise error

    def _remove(self) -> None:
        with suppress(OSError):
            self._part.unlink(missing_ok=True)


def _yuv420(image: np.ndarray) -> av.VideoFrame:
    """RGB (H, W, 3), both even -> a frame in BT.601. PyAV's own from_numpy_buffer loses rows where H is no multiple of four."""
    height, width = image.shape[:2]
    planes = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).ravel()  # Y, then U and V of half the size, without gaps
    frame, start = av.VideoFrame(width, height, 'yuv420p'), 0
    for plane in frame.planes:
        size = plane.height * plane.width
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        rows[:plane.height, :plane.width] = planes[start:start + size].reshape(plane.height, plane.width)
        start += size
    return frame
