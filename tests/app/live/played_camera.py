"""A camera made of a clip: the one thing that tests and benchmarks of the live pipeline fake.

`PlayedCamera` is the device, plugged into a socket of the computer; called like `cv2.VideoCapture` it gives a handle with `isOpened`,
`read`, `set`, `get` and `release`, as `CameraSource(0, capture=camera)` expects. Pictures come in real time, by the device's own clock,
whether or not anybody reads: who reads too late gets the newest and never sees the others. They are kept as JPEG and decoded in `read`,
which is what a webcam costs too.

    camera = PlayedCamera.from_clip(path, fps=30, jitter=0.005)
    player = Player(out, listener, open_source=camera.open_source)     # any camera number is this camera, files are files
    player.open(0)
    camera.stall(1.5)       # silent for a while
    camera.unplug()         # reading fails, opening fails
    camera.plug_in()
    camera.hang()           # whoever reads or opens waits until `let_go()`
"""
from __future__ import annotations

import threading
import time
from pathlib import Path

import cv2
import numpy as np

from app.sources import Source, open_source
from app.sources.camera import CameraSource


class PlayedCamera:
    """Plays pictures, to and fro so that nothing jumps at the ends. All faults can be changed from any thread at any time."""

    def __init__(self, pictures: list[np.ndarray], fps: float = 30.0, jitter: float = 0.0, loss: float = 0.0, seed: int = 0,
                 busy: bool = False, plugged: bool = True, quality: int = 95):
        """`pictures`: (H, W, 3) uint8 RGB. `jitter`: seconds that a picture may be late, at random; at most a picture's time counts.
        `loss`: share of the pictures that the camera loses, at random. `busy`: another program has it. `quality`: of the JPEGs."""
        self.fps, self.jitter, self.loss, self.busy = fps, jitter, loss, busy
        self.given = self.lost = self.missed = 0  # pictures that somebody read, that the camera lost, that were read too late
        self.opened = self.handles = self.most_handles = 0  # times opened; handles open now, and at most at once
        self._jpegs = [cv2.imencode('.jpg', picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for picture in pictures]
        self._chance = np.random.default_rng(seed)
        self._state = threading.Condition()
        self._plugged, self._hanging = plugged, False
        self._silent_until = 0.0
        self._start, self._number = time.monotonic(), -1  # of the device's clock; number of the last picture that was looked at

    @classmethod
    def from_clip(cls, path: str | Path, fps: float | None = None, most: int = 150, **options) -> PlayedCamera:
        """At most `most` pictures of a video or a folder, at its own frame rate unless `fps` says otherwise."""
        with open_source(path, stop=most, sequence=True if Path(path).is_dir() else None) as source:
            return cls([frame.image for frame in source], fps or source.fps or 30.0, **options)

    def open_source(self, spec: str | int | Path) -> Source:
        """As `app.sources.open_source`, but every camera number means this camera."""
        from app.sources.opening import camera_number

        number = camera_number(spec)
        return open_source(spec) if number is None else CameraSource(number, fps=self.fps, capture=self)

    def stall(self, seconds: float) -> None:
        """Give no picture for that long; those of that time are lost."""
        with self._state:
            self._silent_until = time.monotonic() + seconds
            self._state.notify_all()

    def unplug(self) -> None:
        """Pull the cable: reading and opening fail at once."""
        with self._state:
            self._plugged = False
            self._state.notify_all()

    def plug_in(self) -> None:
        """Put the cable in again. Handles from before stay dead, as real ones do."""
        with self._state:
            self._plugged = True

    def hang(self) -> None:
        """From now on `read` and opening do not return, as with a broken driver."""
        with self._state:
            self._hanging = True
            self._state.notify_all()

    def let_go(self) -> None:
        """End the hanging."""
        with self._state:
            self._hanging = False
            self._state.notify_all()

    def __call__(self, index: int, backend: int = cv2.CAP_ANY, wishes: list[int] | None = None) -> _Handle:
        """What `cv2.VideoCapture(index, backend, wishes)` gives."""
        with self._state:
            self._state.wait_for(lambda: not self._hanging)
            good = self._plugged and not self.busy
            if good:
                self.opened += 1
                self.handles += 1
                self.most_handles = max(self.most_handles, self.handles)
                self._start, self._number = time.monotonic(), -1
        return _Handle(self, good)

    def _read(self, handle: _Handle) -> np.ndarray | None:
        """The next picture, (H, W, 3) BGR, when it is there; None when the cable is out."""
        while True:
            with self._state:
                if self._hanging:
                    self._state.wait_for(lambda: not self._hanging)
                if not self._plugged:
                    handle.dead = True
                if handle.dead:
                    return None
                now = time.monotonic()
                newest = int((now - self._start) * self.fps)
                number = max(self._number + 1, newest)
                due = max(self._start + number / self.fps + self._late(), self._silent_until)
                self._state.wait_for(lambda: self._hanging or not self._plugged, max(0.0, due - now))
                if self._hanging or not self._plugged:
                    continue
                number = max(number, int((time.monotonic() - self._start) * self.fps))
                self.missed += number - self._number - 1
                self._number = number
                if self._chance.random() < self.loss:
                    self.lost += 1
                    continue
                self.given += 1
                jpeg = self._jpegs[self._place(self._number)]
            return cv2.imdecode(jpeg, cv2.IMREAD_COLOR)

    def _late(self) -> float:
        return min(self._chance.random() * self.jitter, 1 / self.fps)

    def _place(self, number: int) -> int:
        """To and fro: 0 1 2 3 2 1 0 1 ..."""
        last = len(self._jpegs) - 1
        return last - abs(last - number % (2 * last)) if last else 0

    def _close(self) -> None:
        with self._state:
            self.handles -= 1


class _Handle:
    """What a program holds of the device."""

    def __init__(self, camera: PlayedCamera, is_open: bool):
        self._camera, self._open = camera, is_open
        self.dead = False  # the cable was pulled since it was opened
        self.wishes: dict[int, float] = {}

    def isOpened(self) -> bool:
        return self._open

    def set(self, key: int, value: float) -> bool:
        self.wishes[key] = value
        return True

    def get(self, key: int) -> float:
        return self._camera.fps if key == cv2.CAP_PROP_FPS else 0.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        picture = self._camera._read(self) if self._open else None
        return picture is not None, picture

    def release(self) -> None:
        if self._open:
            self._open = False
            self._camera._close()
