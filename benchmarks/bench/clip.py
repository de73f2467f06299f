"""The clip that all contenders play: decoded once, or, for those that do as the video command does, each time anew.

A second clip shows two hands: the clip itself if it has two, else the half of each picture with the hand in it and its mirror image. What
two hands cost is told by the same pictures with only one hand looked for.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from app.detection import Detector
from app.errors import InputError
from app.outputs.video import VideoWriter
from app.sources import Source, open_source
from app.types import Frame, Intrinsics

LOOKS = 12  # frames, evenly spread, in which hands are looked for before anything is measured
MOSTLY = 0.75  # share of them with two hands from which on a clip counts as one of two hands

Change = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Clip:
    """Frames with a hand or two."""

    path: Path
    frames: tuple[Frame, ...]
    hands: int
    fps: float  # of the clip as it was filmed
    shown: str  # what the pictures show, for a person
    change: Change  # what is done to a decoded picture (H, W, 3)
    start: int = 0  # number of the first frame in the file

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = self.frames[0].image.shape[:2]
        return width, height

    @property
    def as_filmed(self) -> bool:
        """Whether the pictures are those of the file."""
        return self.change is _same

    @property
    def intrinsics(self) -> Intrinsics:
        return Intrinsics.from_field_of_view(*self.size)

    def decoded(self) -> Iterator[Frame]:
        """The same frames, read from the file again."""
        with opened(self.path, self.start, len(self.frames)) as source:
            for frame in source:
                yield replace(frame, image=self.change(frame.image))


def opened(path: Path, start: int, frames: int) -> Source:
    return open_source(path, start=start, stop=start + frames, sequence=True if path.is_dir() else None)


def read_clip(path: Path, frames: int, size: tuple[int, int] | None = None, start: int = 0) -> Clip:
    """`frames` frames from number `start` on, fitted into width x height `size` with black bars if given.

    Raises InputError when there is no such clip, it cannot be read, is a single picture, or shows no hand.
    """
    if not path.exists():
        raise InputError(f'There is no clip {path}; check the name, or leave --clip out for the bundled one.')
    with opened(path, start, frames) as source:
        if not source.is_sequence:
            raise InputError(f'{path} is a picture; give a video or a folder of pictures that follow each other.')
        given = (source.width, source.height)
        change = fitted(given, size) if size and size != given else _same
        read = tuple(replace(frame, image=change(frame.image)) for frame in source)
    if len(read) < 2:
        raise InputError(f'{path} has {len(read)} frame in this range; at least 2 are needed to follow a hand.')
    found = hands_in(read)
    if not any(len(hands) for hands in found):
        raise InputError(f'No hand was found in {len(found)} frames spread over {path}; give a clip that shows one.')
    hands = 2 if np.mean([len(hands) > 1 for hands in found]) > MOSTLY else 1
    return Clip(path, read, hands, source.fps or 30.0, 'the clip as it is', change, start)


def with_one_hand(clip: Clip) -> Clip:
    """The clip for the contenders that look for one hand."""
    return replace(clip, hands=1)


def with_two_hands(clip: Clip) -> Clip:
    """The clip itself if it has two hands, else two crops of it put side by side, in a picture of the same size."""
    if clip.hands == 2:
        return clip
    width = clip.size[0] // 2
    middle = np.median([hand[:, 0].mean() for hands in hands_in(clip.frames) for hand in hands])
    left = int(np.clip(middle - width / 2, 0, clip.size[0] - width))

    def beside(image: np.ndarray) -> np.ndarray:
        half = image[:, left:left + width]
        return np.ascontiguousarray(np.hstack([half, half[:, ::-1]]))

    frames = tuple(replace(frame, image=beside(frame.image)) for frame in clip.frames)
    return replace(clip, frames=frames, hands=2, shown='the half of each picture with the hand, and its mirror image beside it',
                   change=lambda image: beside(clip.change(image)))


def clips_for(clip: Clip, hands: tuple[int, ...]) -> list[Clip]:
    """What is played for these numbers of hands. Where one and two do not have the same pictures there is a third: those of two with
    only one looked for, which is what two hands are compared with."""
    chosen = [{1: with_one_hand, 2: with_two_hands}[number](clip) for number in hands]
    return chosen + [with_one_hand(one) for one in chosen[1:] if one.shown != chosen[0].shown]


def as_file(clip: Clip, path: Path) -> Clip:
    """The clip for what reads files: as it is, if the pictures are those of its file, else as a video `path`, coded as the program's own
    are. Raises InputError where the disk refuses."""
    if clip.as_filmed:
        return clip
    with VideoWriter(path, *clip.size, clip.fps) as writer:
        for frame in clip.frames:
            writer.write(frame.image, frame.time)
    return replace(clip, path=path, start=0, change=_same)


def hands_in(frames: tuple[Frame, ...]) -> list[list[np.ndarray]]:
    """Points (21, 2) in pixels of the hands in some frames that are spread over the clip."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, LOOKS).round().astype(int))
    with Detector(2) as detector:
        return [[found.points for found in detector.detect(frames[i].image)] for i in chosen]


def fitted(given: tuple[int, int], size: tuple[int, int]) -> Change:
    """What makes pictures of `given` width and height fit into `size`: scaled evenly, with black bars beside or above and below."""
    scale = min(size[0] / given[0], size[1] / given[1])
    inner = max(1, round(given[0] * scale)), max(1, round(given[1] * scale))
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2

    def change(image: np.ndarray) -> np.ndarray:
        out = np.zeros((size[1], size[0], 3), np.uint8)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        out[top:top + inner[1], left:left + inner[0]] = cv2.resize(image, inner, interpolation=how)
        return out

    return change


def _same(image: np.ndarray) -> np.ndarray:
    return image
