"""A camera, as it comes: every picture it gives, with its measured frame rate."""
from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator

import cv2

from app.errors import InputError
from app.sources.cameras import why_not
from app.sources.source import Selection, Source
from app.types import Frame

BACKENDS = {'linux': (cv2.CAP_V4L2, cv2.CAP_ANY), 'darwin': (cv2.CAP_AVFOUNDATION, cv2.CAP_ANY),
            'win32': (cv2.CAP_DSHOW, cv2.CAP_MSMF, cv2.CAP_ANY)}
ATTEMPTS = 50  # pictures that a camera may fail to give at first; many give none while they warm up
ATTEMPTS_LATER = 25  # and once it has given some, before it counts as gone
PAUSE = 0.02  # seconds between two attempts
PATIENCE = 3.0  # seconds that all attempts together may take; one takes as long as the driver likes
os.environ.setdefault('OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT', '2')  # seconds that OpenCV waits for one picture on Linux; 10 otherwise
MEASURED = 60  # pictures over which the frame rate is measured


class CameraSource(Source):
    """Camera number `index`, asked for MJPG (uncompressed pictures are slow over USB), a size and a rate when it is opened.

    The driver may choose otherwise and may lie about the rate: `width` and `height` come from the first picture, `fps` is measured.
    Raises InputError when there is no such camera or it gives no picture. `warnings` says so when it stops giving them.
    """

    kind = 'camera'

    def __init__(self, index: int, selection: Selection = Selection(), width: int = 640, height: int = 480, fps: float = 30.0,
                 capture: Callable[..., cv2.VideoCapture] = cv2.VideoCapture):
        """`width`, `height`, `fps`: wishes. `capture`: what opens the device; tests give another."""
        name = f'camera {index}'
        wishes = [cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*'MJPG'), cv2.CAP_PROP_FRAME_WIDTH, width, cv2.CAP_PROP_FRAME_HEIGHT, height,
                  cv2.CAP_PROP_FPS, round(fps)]
        self._capture = self._opened(capture, index, wishes)
        if self._capture is None:
            reason = why_not(index) if sys.platform == 'linux' else ''
            raise InputError(reason or f'There is no {name}, or another program is using it; plug it in, close that program, or name '
                                       'another number.')
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.selection = selection
        self._arrivals: deque[float] = deque(maxlen=MEASURED)
        self._first = self._read()
        if self._first is None:
            self.close()
            raise InputError(f'{name} can be opened but gives no picture; unplug it and plug it in again, or name another number.')
        height, width = self._first[0].shape[:2]
        count = None if selection.stop is None else selection.count(selection.stop)
        self._claimed = fps
        super().__init__(name, width, height, fps, count, 'live')

    @property
    def fps(self) -> float:
        """Pictures per second that really arrived lately; what was asked for until ten have."""
        if len(self._arrivals) < 10 or self._arrivals[-1] <= self._arrivals[0]:
            return self._claimed
        return (len(self._arrivals) - 1) / (self._arrivals[-1] - self._arrivals[0])

    @fps.setter
    def fps(self, claimed: float) -> None:
        self._claimed = claimed

    def __iter__(self) -> Iterator[Frame]:
        index, start = 0, None
        while not self.selection.is_past(index):
            got = self._first or self._read()
            self._first = None
            if got is None:
                if self._capture.isOpened():
                    self.warnings.append(f'{self.name} stopped giving pictures after {index}')
                return
            image, captured = got
            start = captured if start is None else start
            if index in self.selection:
                yield Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), index, captured - start, captured)
            index += 1

    def close(self) -> None:
        """Give the camera back."""
        self._capture.release()

    def _read(self) -> tuple | None:
        until = time.monotonic() + PATIENCE
        for _ in range(ATTEMPTS_LATER if self._arrivals else ATTEMPTS):
            if not self._capture.isOpened() or time.monotonic() > until:
                return None
            good, image = self._capture.read()
            if good and image is not None and image.size:
                captured = time.monotonic()
                self._arrivals.append(captured)
                return image, captured
            time.sleep(PAUSE)
        return None

    @staticmethod
    def _opened(capture: Callable[..., cv2.VideoCapture], index: int, wishes: list) -> cv2.VideoCapture | None:
        # for good: a camera that is missing, or unplugged later, is told in one sentence, not in ten lines of OpenCV's at each attempt
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        for backend in BACKENDS.get(sys.platform, (cv2.CAP_ANY,)):
            device = capture(index, backend, wishes)
            if device.isOpened():
                return device
            device.release()
            device = capture(index, backend)  # some drivers refuse the wishes as a whole
            if device.isOpened():
                for key, value in zip(wishes[::2], wishes[1::2], strict=True):
                    device.set(key, value)
                return device
            device.release()
        return None
