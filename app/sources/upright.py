"""Decoded frames as pictures: RGB, square pixels, turned as the file says."""
from __future__ import annotations

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class Upright:
    """Turns the frames of one video into pictures, all of the first one's size. Belongs to one thread."""

    def __init__(self, pixel_ratio: float = 1.0):
        """`pixel_ratio`: width of a pixel over its height."""
        self._ratio = pixel_ratio
        self._size: tuple[int, int] | None = None  # before turning
        # Kept, and with one thread: `frame.to_ndarray('rgb24')` sets up a new one for each frame, threads and all. Measured at 640 x 480:
        # 0.6 to 0.9 ms of processor and, on a busy computer, 8 ms of waiting; this way 0.1 ms of each, and the same picture.
        self._reformatter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """Decoded frame -> (H, W, 3) uint8 RGB."""
        width, height = frame.width, frame.height
        if self._ratio != 1:  # enlarge, so that nothing is lost
            width, height = (round(width * self._ratio), height) if self._ratio > 1 else (width, round(height / self._ratio))
        turn = TURNS.get(round(frame.rotation) % 360)
        if self._size is None:
            self._size = width, height
        width, height = self._size
        image = self._reformatter.reformat(frame, format='rgb24', threads=1).to_ndarray()
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height))
        return image if turn is None else cv2.rotate(image, turn)
