"""A video file: every frame upright, with the time that the file itself gives it."""
from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from app.errors import InputError
from app.sources.mp4_boxes import mp4_boxes
from app.sources.source import Selection, Source
from app.sources.wholeness import ends_early
from app.types import Frame

NOT_VIDEOS = ('tty', 'bin', 'image2', 'concat', 'concatf', 'hls', 'dash')  # FFmpeg plays text files, and lists that name other files
OPTIONS = {'protocol_whitelist': 'file'}  # a file that names an address must not make the program call it
DEFAULT_FPS = 30.0
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class VideoSource(Source):
    """A video file, decoded by FFmpeg (PyAV); iterating again starts again.

    The first frame has time 0, the others their own time stamps behind it, so a variable frame rate is kept.
    A cut or damaged file gives what can be read, and `warnings` says how much that was.
    Raises InputError when the file is no video, has no frames, or none that can be read.
    """

    kind = 'video'

    def __init__(self, path: Path, selection: Selection = Selection()):
        self.path = path
        self.selection = selection
        self._cut = ends_early(path)
        self._size: tuple[int, int] | None = None  # of every frame before it is turned
        try:
            with self._open() as container:
                stream = self._stream(container)
                first = next(self._decode(container, stream, []), None)
                if first is None:
                    raise InputError(self._nothing_readable())
                self._pixel_ratio = float(stream.sample_aspect_ratio or 1)
                rate = stream.average_rate or stream.guessed_rate
                self._total = stream.frames or None
                whole = container.duration and container.duration / av.time_base  # seconds
                duration = stream.duration * stream.time_base if stream.duration else whole
        except av.FFmpegError as error:
            raise InputError(self._not_a_video()) from error
        fps = float(rate) if rate and 0 < rate <= 1000 else DEFAULT_FPS
        self._expected = self._total or (round(float(duration) * fps) if duration else None)
        if self._total and not self._cut:
            selection.check(self._total, path.name)
        height, width = self._upright(first).shape[:2]
        super().__init__(path.name, width, height, fps, selection.count(self._total) if self._total else None, 'video')

    def __iter__(self) -> Iterator[Frame]:
        self.warnings.clear()
        problems: list[str] = []
        index, offset, last = -1, None, None
        with self._open() as container:
            stream = self._stream(container)
            for index, picture in enumerate(self._decode(container, stream, problems)):
                if self.selection.is_past(index):
                    return
                seconds = None if picture.pts is None else float(picture.pts * picture.time_base)
                if seconds is not None and offset is None:
                    offset = seconds
                now = 0.0 if last is None else last + 1 / self.fps if seconds is None else seconds - offset
                if last is not None and now <= last:  # a broken or repeated time stamp
                    now = last + 1 / self.fps
                last = now
                if index in self.selection:
                    yield Frame(self._upright(picture), index, now, time.monotonic())
        self._conclude(index + 1, problems)

    def _conclude(self, count: int, problems: list[str]) -> None:
        """Say what was missing, once the end is reached."""
        if not count:
            raise InputError(self._nothing_readable())
        if self._cut or 'end' in problems:
            of = f' of {self._expected}' if self._expected and self._expected > count else ''
            self.warnings.append(f'the video is cut: {count}{of} frames could be read')
        elif problems:
            self.warnings.append(f'the video is damaged: {len(problems)} pieces of it could not be decoded, {count} frames could')
        self.selection.check(count, self.path.name)

    def _open(self) -> av.container.InputContainer:
        return av.open(f'file:{self.path}', options=OPTIONS, metadata_errors='replace')

    def _stream(self, container: av.container.InputContainer) -> av.VideoStream:
        if set(container.format.name.split(',')) & set(NOT_VIDEOS):
            raise InputError(self._not_a_video())
        streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not container.streams:
            raise InputError(self._nothing_readable())
        if not streams:
            raise InputError(f'{self.path.name} contains no video, only sound or other data.')
        streams[0].thread_type = 'AUTO'
        return streams[0]

    @staticmethod
    def _decode(container: av.container.InputContainer, stream: av.VideoStream, problems: list[str]) -> Iterator[av.VideoFrame]:
        """All frames that can be decoded; `problems` gets an entry for each piece that cannot."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError):
                problems.append('end')
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except av.FFmpegError:
                problems.append('piece')
                continue
            yield from frames

    def _upright(self, picture: av.VideoFrame) -> np.ndarray:
        """Decoded frame -> (H, W, 3) uint8 RGB with square pixels, turned as the file says, all frames of the first one's size."""
        width, height = picture.width, picture.height
        ratio = self._pixel_ratio
        if ratio != 1:  # enlarge, so that nothing is lost
            width, height = (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))
        turn = TURNS.get(round(picture.rotation) % 360)
        if self._size is None:
            self._size = width, height
        width, height = self._size
        image = picture.to_ndarray(format='rgb24')
        if image.shape[:2] != (height, width):
            image = cv2.resize(image, (width, height))
        return image if turn is None else cv2.rotate(image, turn)

    def _not_a_video(self) -> str:
        boxes = mp4_boxes(self.path)
        if boxes and not boxes.has_index:
            return f'{self.path.name} is a cut video: its index, which is written last, is missing; copy or record it again.'
        if self.path.suffix.lower() in ('.heic', '.heif'):
            return f'{self.path.name} is a HEIC picture, which cannot be read; save it as JPEG or PNG.'
        return f'{self.path.name} is not a video or picture that can be read.'

    def _nothing_readable(self) -> str:
        if self._cut:
            return f'{self.path.name} is cut before the end of its first frame; copy or record it again.'
        return f'{self.path.name} has no frames.'
