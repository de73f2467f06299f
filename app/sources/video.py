"""A video file: every frame upright, with the time that the file itself gives it."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av

from app.errors import InputError
from app.sources.keyframes import KeyframeReader, Keyframes, keyframes_of
from app.sources.mp4_boxes import mp4_boxes
from app.sources.source import TICK, Selection, Source
from app.sources.upright import Upright
from app.sources.wholeness import ends_early
from app.types import Frame

NOT_VIDEOS = ('tty', 'bin', 'image2', 'concat', 'concatf', 'hls', 'dash')  # FFmpeg plays text files, and lists that name other files
OPTIONS = {'protocol_whitelist': 'file'}  # a file that names an address must not make the program call it
DEFAULT_FPS = 30.0
SAME = 1e-6  # seconds
MATROSKA = 'matroska'


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
        self._kept: tuple[av.container.InputContainer, av.VideoStream] | None = None  # open for the next jump
        self._keyframes: Keyframes | None = None
        self._has_keyframes: bool | None = None  # None: not looked for yet
        try:
            with self._open() as container:
                stream = self._stream(container)
                first = next(self._decode(container.demux(stream), []), None)
                if first is None:
                    raise InputError(self._nothing_readable())
                self._upright = Upright(float(stream.sample_aspect_ratio or 1))
                self._base = stream.time_base
                self._first = first.pts  # in ticks
                rate = stream.average_rate or stream.guessed_rate
                self._total = stream.frames or None
                whole = container.duration and container.duration / av.time_base  # seconds
                if whole and MATROSKA in container.format.name:  # counted from 0, not from the first frame
                    whole -= max(0, container.start_time or 0) / av.time_base
                duration = stream.duration * stream.time_base if stream.duration else whole
        except av.FFmpegError as error:
            raise InputError(self._not_a_video()) from error
        fps = float(rate) if rate and 0 < rate <= 1000 else DEFAULT_FPS
        self._expected = self._total or (round(float(duration) * fps) if duration else None)
        if self._total and not self._cut:
            selection.check(self._total, path.name)
        height, width = self._upright(first).shape[:2]
        super().__init__(path.name, width, height, fps, selection.count(self._total) if self._total else None, 'video')
        self.duration = float(duration) if duration else self.duration

    def __iter__(self) -> Iterator[Frame]:
        self.warnings.clear()
        problems: list[str] = []
        index, offset, last = -1, None, None
        with self._open() as container:
            stream = self._stream(container)
            for index, picture in enumerate(self._decode(container.demux(stream), problems)):
                if self.selection.is_past(index):
                    return
                seconds = None if picture.pts is None else float(picture.pts * picture.time_base)
                if seconds is not None and offset is None:
                    offset = seconds
                now = 0.0 if last is None else last + 1 / self.fps if seconds is None else seconds - offset
                if last is not None and now <= last + SAME:  # a broken or repeated time stamp
                    now = last + 1 / self.fps
                last = now
                if index in self.selection:
                    yield Frame(self._upright(picture), index, now, time.monotonic())
        self._conclude(index + 1, problems)

    def from_index(self, index: int) -> Iterator[Frame]:
        """The frames from number `index` on, or from the last one where there are fewer."""
        yield from self._jumped(lambda keys: keys.before_number(index), lambda number, pts: number <= index) or super().from_index(index)

    def from_time(self, seconds: float) -> Iterator[Frame]:
        """The frames from the one that is to be seen at `seconds`."""
        stamp = (self._first or 0) + round((seconds + TICK) / self._base)
        yield from self._jumped(lambda keys: keys.before_stamp(stamp), lambda number, pts: pts <= stamp) or super().from_time(seconds)

    def close(self) -> None:
        """Give back the file."""
        if self._kept is not None:
            self._kept[0].close()
            self._kept = None

    def _jumped(self, keyframe: Callable[[Keyframes], int], not_later: Callable[[int, int], bool]) -> Iterator[Frame] | None:
        """The frames from the last one that is `not_later(number, pts)`; None if the file does not allow such a jump."""
        try:
            if self._kept is None:
                container = self._open()
                self._kept = container, self._stream(container)
            container, stream = self._kept
            if self._has_keyframes is None:
                self._keyframes = None if self._first is None else keyframes_of(container, stream)
                self._has_keyframes = self._keyframes is not None
            if not self._has_keyframes:
                return None
            problems: list[str] = []
            reader = KeyframeReader(container, stream, self._keyframes, lambda packets: self._decode(packets, problems))
            frames = reader.read(keyframe(self._keyframes), not_later)
        except av.FFmpegError:
            self._has_keyframes = False
            return None
        return None if frames is None else self._dated(frames, not_later, problems)

    def _dated(self, frames: Iterator[tuple[int, av.VideoFrame]], not_later: Callable[[int, int], bool],
               problems: list[str]) -> Iterator[Frame]:
        self.warnings.clear()
        held: tuple[int, av.VideoFrame] | None = None  # the last that is not later; those before it need not become pictures
        number = -1
        for number, frame in frames:
            if held is not None:
                if not_later(number, frame.pts):
                    held = number, frame
                    continue
                yield from self._picture(*held)
                held = None
            elif not_later(number, frame.pts):
                held = number, frame
                continue
            if self.selection.is_past(number):
                return
            yield from self._picture(number, frame)
        if held is not None:
            yield from self._picture(*held)
        self._conclude(number + 1, problems)

    def _picture(self, number: int, frame: av.VideoFrame) -> Iterator[Frame]:
        if number in self.selection:
            yield Frame(self._upright(frame), number, float((frame.pts - self._first) * self._base), time.monotonic())

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
    def _decode(packets: Iterator[av.Packet], problems: list[str]) -> Iterator[av.VideoFrame]:
        """All frames that can be decoded; `problems` gets an entry for each piece that cannot."""
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
