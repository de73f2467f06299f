"""Find hands in a whole picture with MediaPipe's hand landmarker.

Runs only when a hand must be found; while it is followed, the network's own points (`app/regression.py`) take over.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np

from app.detector_file import detector_path
from app.errors import InputError
from app.mirror import opposite
from app.types import Detection

SMALLEST_SCORE = 0.5  # MediaPipe's own default for palm and hand presence
SECOND_LOOK = 1280  # pixels of the longer side, at most, of a picture that is looked at again
MARGIN = 0.25  # of each side, around it
BRIGHTER = np.round(255 * np.sqrt(np.arange(256) / 255)).astype(np.uint8)


@contextmanager
def quiet_native_stderr():
    """Drop what C++ code writes to the error stream: MediaPipe's start-up lines cannot be switched off in any other way."""
    sys.stderr.flush()
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)


def landmarker(hands: int, score: float = SMALLEST_SCORE, video: bool = False):
    """MediaPipe's own hand landmarker, for pictures that have nothing to do with each other or for those of a video. Its start-up lines are
    dropped."""
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.HandLandmarkerOptions(
        # the file's bytes, not its path: MediaPipe cannot open every Unicode path
        base_options=BaseOptions(model_asset_buffer=detector_path().read_bytes()),
        running_mode=vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE,
        num_hands=hands,
        min_hand_detection_confidence=score,
        min_hand_presence_confidence=score,
    )
    with quiet_native_stderr():
        return vision.HandLandmarker.create_from_options(options)


def mediapipe_image(image: np.ndarray):
    """A picture (H, W, 3) uint8 RGB as MediaPipe takes it."""
    from mediapipe import Image, ImageFormat

    return Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(image))


class Detector:
    """Up to `hands` hands per picture. Close it when done (a context manager). Raises InputError if the model's file cannot be used."""

    def __init__(self, hands: int = 2, score: float = SMALLEST_SCORE):
        try:
            self._landmarker = landmarker(hands, score)
            with quiet_native_stderr():
                self.detect(np.zeros((128, 128, 3), np.uint8))  # the first picture prints lines too
        except (RuntimeError, ValueError) as error:
            raise InputError(f'The hand detector at {detector_path()} cannot be loaded; '
                             'run `python main.py setup` to make it anew') from error

    def detect(self, image: np.ndarray, again: bool = False) -> list[Detection]:
        """Hands in image (H, W, 3) uint8 RGB, best first. `again`: where none is found, look at the picture otherwise, up to three times."""
        found = self._found(image)
        if found or not again:
            return found
        shrink = min(1.0, SECOND_LOOK / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA) if shrink < 1 else image
        scale = image.shape[1] / small.shape[1], image.shape[0] / small.shape[0]
        for look, direction, offset in _other_looks(small):
            if found := self._found(look):
                return [replace(d, points=((d.points * (direction, 1) + offset) + 0.5) * scale - 0.5, depths=d.depths * scale[0],
                                side=d.side if direction == 1 else opposite(d.side)) for d in found]
        return []

    def _found(self, image: np.ndarray) -> list[Detection]:
        height, width = image.shape[:2]
        found = self._landmarker.detect(mediapipe_image(image))
        detections = []
        for landmarks, handedness in zip(found.hand_landmarks, found.handedness):
            points = np.array([(p.x, p.y, p.z) for p in landmarks]) * (width, height, width) - (0.5, 0.5, 0)
            best = handedness[0]
            detections.append(Detection(
                points=points[:, :2], depths=points[:, 2] - points[0, 2], confidence=np.full(21, best.score), score=best.score,
                side='right' if best.category_name == 'Right' else 'left', side_score=best.score))
        return sorted(detections, key=lambda d: -d.score)

    def close(self) -> None:
        """Free MediaPipe's graph."""
        self._landmarker.close()

    def __enter__(self) -> Detector:
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _other_looks(image: np.ndarray) -> Iterator[tuple[np.ndarray, int, tuple[int, int]]]:
    """The picture mirrored, brighter, and smaller within a grey margin: the detector finds most hands that it misses in one of these. With
    what takes points back: the direction of x, and an offset (x, y) in pixels."""
    height, width = image.shape[:2]
    yield image[:, ::-1], -1, (width - 1, 0)
    yield BRIGHTER[image], 1, (0, 0)
    x, y = round(MARGIN * width), round(MARGIN * height)
    yield cv2.copyMakeBorder(image, y, y, x, x, cv2.BORDER_CONSTANT, value=(114, 114, 114)), 1, (-x, -y)
