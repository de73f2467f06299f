"""Going to any frame of a video without decoding all before it: to the keyframe in front of it, and on from there.

Files say when frames are shown, not what number they have. The number follows from that of the keyframe: all packets stored before it are
shown before it, and of those behind it the time stamps tell which are shown before a given frame.
"""
from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av

WHOLE_INDEX = 'mp4'  # containers that list every frame in their index
ATTEMPTS = 12  # containers without an index land somewhere near; each attempt aims earlier than the last


@dataclass(frozen=True)
class Keyframes:
    """Where decoding can begin, in the order of the file."""

    stamps: list[int]  # in ticks of the stream; decoding times if `by_dts`, else presentation times
    numbers: list[int]  # of frames stored, and so shown, before each
    aims: list[int]  # what to ask the container for, so that it goes there
    by_dts: bool

    def before_number(self, number: int) -> int:
        """Which keyframe is the last that may lie at or before frame `number`."""
        return max(0, bisect_right(self.numbers, number) - 1)

    def before_stamp(self, stamp: int) -> int:
        """Which keyframe is the last that may lie at or before a presentation time."""
        return max(0, bisect_right(self.stamps, stamp) - 1)


def keyframes_of(container: av.container.InputContainer, stream: av.VideoStream) -> Keyframes | None:
    """The keyframes of a video, from the index of the file or by reading it through once; None if its time stamps are of no use.

    The container's place is lost. Raises av.FFmpegError when the file cannot be read.
    """
    names = container.format.name.split(',')
    if WHOLE_INDEX in names and stream.frames and len(stream.index_entries) == stream.frames:
        entries = [entry for entry in stream.index_entries if not entry.is_discard]
        stamps = [(entry.timestamp, number) for number, entry in enumerate(entries) if entry.is_keyframe]
        # the reader takes an aim for a presentation time and goes by decoding times: between two keyframes there is no mistaking it
        delay = max(0, (stream.start_time or 0) - entries[0].timestamp)
        after = [stamp for stamp, _ in stamps[1:]] + [stamps[-1][0]] if stamps else []
        found = [(stamp, number, stamp + delay + (behind - stamp) // 2) for (stamp, number), behind in zip(stamps, after, strict=True)]
        by_dts = True
    else:
        if 'avi' in names and stream.codec_context.has_b_frames:
            return None  # AVI knows no presentation times
        container.seek(0, stream=stream)
        shown = (packet for packet in container.demux(stream) if packet.size and not packet.is_discard)
        packets = [(packet.pts, packet.dts, packet.is_keyframe) for packet in shown]
        stamps = {pts for pts, _, _ in packets}
        if None in stamps or len(stamps) < len(packets):
            return None
        by_pts = 'matroska' in names
        found = [(pts, number, pts if by_pts or dts is None else dts) for number, (pts, dts, key) in enumerate(packets) if key]
        by_dts = False
    growing = all(a[0] < b[0] for a, b in zip(found, found[1:], strict=False))
    return Keyframes(*map(list, zip(*found, strict=True)), by_dts) if found and growing else None


class KeyframeReader:
    """Decodes from a keyframe on and numbers the frames."""

    def __init__(self, container: av.container.InputContainer, stream: av.VideoStream, keyframes: Keyframes,
                 decode: Callable[[Iterator[av.Packet]], Iterator[av.VideoFrame]]):
        self._container, self._stream, self._keyframes, self._decode = container, stream, keyframes, decode
        self._stamps: list[int] = []  # presentation times of packets that were read and not shown yet, sorted
        self._shown = 0  # frames shown before those

    def read(self, which: int, early_enough: Callable[[int, int], bool]) -> Iterator[tuple[int, av.VideoFrame]] | None:
        """Frames with their numbers, from a keyframe on: number `which`, or one before it, until `early_enough(frame number, pts)` says
        that the first frame is. None when no keyframe can be reached."""
        for attempt in range(ATTEMPTS):
            frames = self._from_keyframe(which)
            first = next(frames, None)
            if first is not None and (first[0] == 0 or early_enough(first[0], first[1].pts)):
                return _again(first, frames)
            if which == 0:
                return None
            which = max(0, which - 2 ** attempt)
        return None

    def _from_keyframe(self, which: int) -> Iterator[tuple[int, av.VideoFrame]]:
        keys = self._keyframes
        self._container.seek(keys.aims[which], stream=self._stream, backward=True)
        self._stamps, self._shown = [], -1
        start: list[int] = []  # presentation time of the keyframe
        for frame in self._decode(self._noted(start)):
            if frame.pts is None or not start:
                continue
            gone = bisect_left(self._stamps, frame.pts)
            self._shown += gone
            del self._stamps[:gone]
            if frame.pts >= start[0] or self._shown == 0:  # what is shown before the keyframe refers to frames before it
                yield self._shown, frame

    def _noted(self, start: list[int]) -> Iterator[av.Packet]:
        """The packets from the first known keyframe on, their time stamps being noted."""
        keys = self._keyframes
        for packet in self._container.demux(self._stream):
            if packet.size and not packet.is_discard:
                if not start:
                    stamp = packet.dts if keys.by_dts else packet.pts
                    place = bisect_left(keys.stamps, stamp) if stamp is not None else len(keys.stamps)
                    if not packet.is_keyframe or place == len(keys.stamps) or keys.stamps[place] != stamp:
                        continue
                    self._shown = keys.numbers[place]
                    start.append(packet.pts)
                insort(self._stamps, packet.pts)
            elif packet.size and not start:
                continue
            yield packet


def _again(first: tuple, rest: Iterator[tuple]) -> Iterator[tuple]:
    yield first
    yield from rest
