"""A clip in three passes over its pictures: look, gather the skin, answer; between the first two the motion of each hand is solved.

Nothing but a few numbers of each hand and frame is kept, and those on the disk, so a long clip takes no more memory than a short one.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from app.background import Ahead
from app.consistent.pieces import FILLED, find_pieces
from app.consistent.row_file import RowFile
from app.consistent.scout import Scout
from app.consistent.skins import Skins
from app.consistent.solving import SOLVED, Solved, Solver
from app.pipeline import DEFAULT_LIGHT, Pipeline
from app.types import Frame, Hand, Intrinsics, Side

PASSES = {'look': 0.5, 'solve': 0.15, 'skin': 0.15, 'answer': 0.2}  # shares of the whole work, for the progress


@dataclass(frozen=True)
class SequenceReport:
    """What was done to a clip as a whole."""

    hands: int  # that were told apart
    scene_cuts: int
    gaps_filled: int
    frames_filled: int  # hands that were filled in
    gaps_left: int  # short gaps left open: the hand after them is, or may be, another one
    frames_doubted: int  # hands whose frame contradicts those around it, and hardly counted
    textures: int

    def sentence(self) -> str:
        """For a person."""
        said = ['One hand' if self.hands == 1 else f'{self.hands} hands were told apart']
        said.append('each with one shape' if self.hands > 1 else 'with one shape')
        gaps = 'one gap' if self.gaps_filled == 1 else f'{self.gaps_filled} gaps'
        said.append(f'filled in {_times(self.frames_filled)} over {gaps}' if self.frames_filled else 'nothing filled in')
        if self.frames_doubted:
            said.append(f'hardly believed {_times(self.frames_doubted)}, where the frames around contradict it')
        if self.scene_cuts:
            said.append('one scene cut' if self.scene_cuts == 1 else f'{self.scene_cuts} scene cuts')
        return ', '.join(said) + '.'


def _times(count: int) -> str:
    return 'once' if count == 1 else f'{count} times'


class Sequence:
    """One clip. `prepare`, then `hands` for each frame in order. A context manager that leaves nothing on the disk."""

    def __init__(self, frames: Callable[[], Iterator[Frame]], camera: Callable[[int, int], Intrinsics], pipeline: Pipeline, folder: Path,
                 save: Callable[[int, Side, np.ndarray], None], tell: Callable[[str, int], None] = lambda part, count: None):
        """`frames()` reads the clip from its beginning, each time it is called; `camera(width, height)`; `folder` for what is remembered;
        `save` gets each hand's number, side and texture; `tell` hears the part (of PASSES) and how many frames of it are done."""
        self._frames, self._camera, self.pipeline, self._save, self._tell = frames, camera, pipeline, save, tell
        self._scout = Scout(pipeline, folder)
        self._out = RowFile(folder, SOLVED)
        self._plain = np.round(255 * pipeline.model.albedo).astype(np.uint8)

    def prepare(self) -> None:
        """Everything up to the answers."""
        clock = self.pipeline.clock
        with Ahead(self._frames()) as frames:
            for frame in frames:
                height, width = frame.image.shape[:2]
                self._scout.look(frame, self._camera(width, height))
                clock.end_frame()
                self._tell('look', 1)
        with clock.stage('solve'):
            self.solved = self._solve()
        self._order = self._in_order()
        self.skins = Skins(self.pipeline.model, self.solved, self._scout.rows, self._save)
        with Ahead(self._frames()) as frames:
            for frame in frames:
                place = self._place(frame)
                if place is not None and self.skins.wants(place):
                    height, width = frame.image.shape[:2]
                    intrinsics = self._camera(width, height)
                    with clock.stage('skin'):
                        self.skins.look(frame.image, place, intrinsics, self._posed(frame, intrinsics))
                self._tell('skin', 1)
        clock.end_frame()

    def hands(self, frame: Frame, intrinsics: Intrinsics) -> list[Hand]:
        """The hands of a frame. `filled` says which of them were not seen."""
        with self.pipeline.clock.stage('pose'):
            hands = self._posed(frame, intrinsics)
        with self.pipeline.clock.stage('light'):
            return [self.skins.lit(frame.image, intrinsics, hand, [h for h in hands if h is not hand]) for hand in hands]

    def _posed(self, frame: Frame, intrinsics: Intrinsics) -> list[Hand]:
        """The hands of a frame, in the model's own colours."""
        rows, model = self._rows_of(frame), self.pipeline.model
        hands = []
        for row in rows:
            number, side = int(row['hand']), 'left' if row['left'] else 'right'
            shape, translation = self.solved.shapes[number], row['translation'].astype(np.float64)
            vertices, joints = model.posed(row['pose'], shape, side)
            vertices, joints = vertices + translation, joints + translation
            flat = intrinsics.project(joints)
            points = flat if row['row'] == FILLED else self._scout.rows.read(row['row'][None])['points'][0].astype(float)
            hands.append(Hand(number, side, float(row['confidence']), row['pose'], shape, translation, vertices, joints, flat,
                              self._plain, DEFAULT_LIGHT, points))
        return hands

    def filled(self, frame: Frame) -> frozenset[int]:
        """The hands of a frame that were filled in, by their numbers."""
        return frozenset(int(row['hand']) for row in self._rows_of(frame) if row['row'] == FILLED)

    @property
    def report(self) -> SequenceReport:
        """What was done; after `prepare`."""
        found, solved = self._found, self.solved
        return SequenceReport(found.hands, found.cuts, solved.gaps, solved.filled, found.gaps_left, solved.wrong, self.skins.textures)

    def __enter__(self) -> Sequence:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._scout.close()
        self._out.close()

    def _solve(self) -> Solved:
        rows, frames = self._scout.rows, self._scout.frames
        self._found = find_pieces(rows, frames)
        table = frames.columns(('frame', 'time'))
        self._numbers = table['frame']
        total, done = max(sum(len(piece.rows) for piece in self._found.pieces), 1), 0

        def tell(count: int) -> None:  # in frames of the clip, as the other passes count
            nonlocal done
            before, done = len(table['frame']) * done // total, done + count
            self._tell('solve', len(table['frame']) * done // total - before)

        strength = self.pipeline.settings.smoothing
        solved = Solver(self.pipeline.model, self.pipeline.refiner, strength).solve(rows, table['time'], self._found, self._out, tell)
        tell(total - done)  # a clip without a hand has nothing to solve
        return solved

    def _in_order(self) -> np.ndarray:
        """Numbers of the solved rows in order of frames, then hands; `_places` (R,) are their frames."""
        columns = self._out.columns(('place', 'hand'))
        order = np.lexsort((columns['hand'], columns['place']))
        self._places = columns['place'][order]
        return order

    def _place(self, frame: Frame) -> int | None:
        """Of a frame in the list of all frames; None for one that could not be read the first time."""
        place = int(np.searchsorted(self._numbers, frame.index))
        return place if place < len(self._numbers) and self._numbers[place] == frame.index else None

    def _rows_of(self, frame: Frame) -> np.ndarray:
        place = self._place(frame)
        if place is None:
            return np.empty(0, SOLVED)
        first, last = np.searchsorted(self._places, (place, place + 1))
        return self._out.read(self._order[first:last])
