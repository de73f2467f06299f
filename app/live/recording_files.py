"""The files of one recording: opened, written and finished together, so that one that fails does not take the others with it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.hand_model import HandModel
from app.live.shown import SourceInfo
from app.outputs.atomic import one_sentence
from app.outputs.finite import finite_hands
from app.outputs.hands_file import HandsWriter
from app.outputs.meshes import MeshWriter
from app.outputs.reserve import Reserve
from app.outputs.video import VideoWriter
from app.types import Frame, Hand, Intrinsics

NAMES = ('overlay.mp4', 'clean.mp4', 'hands.npz', 'meshes')
END_OF_A_FRAME = 100  # bytes a frame that the indices of two videos need at the end, with room to spare
FIRST_RESERVE = 2_000_000  # bytes: the headers, recording.json, the last frames that the encoders hold


class RecordingFiles:
    """Writers by the settings (`RecordingSettings`), in one folder. `finish` always gives what there is its name."""

    def __init__(self, folder: Path, settings, model: HandModel, source: SourceInfo):
        self.folder, self.settings, self.model, self.source = folder, settings, model, source
        self.size: tuple[int, int] | None = None  # of the pictures, from the first frame on
        self.left_out = 0  # hands with numbers that are not finite
        self._writers: dict[str, VideoWriter | HandsWriter | MeshWriter] = {}
        self._reserve: Reserve | None = None
        self._frames = 0
        self._tracks = _Tracks()

    def open(self) -> None:
        """What needs no picture. Raises InputError where the disk refuses."""
        with one_sentence(self.folder):
            self._reserve = Reserve(self.folder, FIRST_RESERVE)
        if self.settings.parameters:
            self._writers['hands.npz'] = HandsWriter(self.folder / 'hands.npz', self.model.faces, self.folder / 'hands.unfinished')
        if self.settings.meshes:
            self._writers['meshes'] = MeshWriter(self.folder / 'meshes', self.model.faces, part=self.folder / 'meshes.unfinished')

    def write(self, frame: Frame, hands: Sequence[Hand], generation: int, intrinsics: Intrinsics, overlay: np.ndarray) -> None:
        """One frame, numbered and timed as in the recording. Raises InputError where the disk refuses."""
        if self.size is None:
            height, width = frame.image.shape[:2]
            self.size = width, height
            for name in ('overlay.mp4', 'clean.mp4'):
                if getattr(self.settings, name.removesuffix('.mp4')):
                    self._writers[name] = VideoWriter(self.folder / name, width, height, self.source.fps, live=True)
        numbers = self._writers.get('hands.npz')
        with one_sentence(self.folder):
            self._reserve.grow(FIRST_RESERVE + END_OF_A_FRAME * self._frames + (numbers.needed if numbers else 0))
        pictures = {'overlay.mp4': overlay, 'clean.mp4': frame.image}
        whole = finite_hands(hands)
        self.left_out += len(hands) - len(whole)
        whole = self._tracks.numbered(whole, generation)
        for name, writer in self._writers.items():
            if name in pictures:
                writer.write(pictures[name], frame.time)
            elif name == 'meshes':
                writer.write(frame, whole)
            else:
                writer.write(frame, whole, intrinsics)
        self._frames += 1

    @property
    def bytes(self) -> int:
        """How much is on the disk."""
        return sum(writer.bytes for writer in self._writers.values())

    def finish(self) -> list[str]:
        """Give every file its name. What cannot be finished is told by a sentence; numbers without a row are left out."""
        if self._reserve is not None:
            self._reserve.release()
        sentences = []
        for name, writer in self._writers.items():
            try:
                if name == 'hands.npz' and not self._frames:
                    writer.discard()
                else:
                    writer.finish()
            except (InputError, RuntimeError) as error:
                sentences.append(str(error))
        return sentences

    def names(self) -> tuple[str, ...]:
        """The files that are there now."""
        return tuple(name for name in NAMES if (self.folder / name).exists())


class _Tracks:
    """Track numbers begin anew when the source does; in a recording a number means one hand."""

    def __init__(self) -> None:
        self._generation: int | None = None
        self._first = self._next = 0

    def numbered(self, hands: Sequence[Hand], generation: int) -> list[Hand]:
        if generation != self._generation:
            self._generation, self._first = generation, self._next
        numbered = [replace(hand, track=hand.track + self._first) for hand in hands]
        self._next = max([self._next, *(hand.track + 1 for hand in numbered)])
        return numbered
