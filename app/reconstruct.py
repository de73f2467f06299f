"""`python main.py reconstruct`: videos, pictures and folders of pictures in; overlay, hands, meshes, scene and report out."""
from __future__ import annotations

import argparse
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from app.background import Ahead, Behind
from app.errors import InputError
from app.mirror import mirror_image
from app.outputs.folder import prepare_folder, remove_others, result_folders
from app.outputs.hands_file import HandsWriter
from app.outputs.meshes import MeshWriter
from app.outputs.only_run import only_run
from app.outputs.overlays import OverlaysWriter
from app.outputs.picture import write_picture
from app.outputs.progress_lines import Passes, ProgressLines, end_when_asked, finished
from app.outputs.report import Report, versions, write_report, write_settings
from app.outputs.scene import SceneWriter
from app.outputs.texture_files import TextureFiles
from app.outputs.video import VideoWriter
from app.overlay import Overlay
from app.pipeline import Pipeline, PipelineSettings
from app.reconstruct_settings import ReconstructSettings, add_arguments, from_arguments
from app.sources import Source, open_source
from app.timing import StageClock
from app.types import Frame, Hand, Intrinsics
from app.walk import walk

if TYPE_CHECKING:  # loads scipy
    from app.consistent.sequence import Sequence

__all__ = ['Outcome', 'add_arguments', 'reconstruct', 'run']


@dataclass(frozen=True)
class Outcome:
    """Where the results of one input lie, and its report."""

    folder: Path
    report: Report
    notes: tuple[str, ...] = ()  # warnings that take nothing from the results: drawn without OpenGL, network not on what was asked for


def run(args: argparse.Namespace) -> int:
    """The command. Several inputs are independent: one that cannot be used is named, and the others are done.

    An input that could be read only in part, or shows no hand, keeps what there is; but it is said, and the exit code is 2 as well.
    """
    settings = from_arguments(args)
    end_when_asked(by_pipe=args.progress_lines)
    progress = 'lines' if args.progress_lines else not args.quiet
    complaints = []
    for given, folder in zip(args.inputs, result_folders(args.out, args.inputs)):
        try:
            outcome = reconstruct(given, folder, settings, progress)
        except InputError as error:
            complaints.append(str(error) if len(args.inputs) == 1 else f'{given}: {error}')
            continue
        if args.progress_lines:
            finished(outcome.folder, summary(outcome), outcome.report.warnings)
        else:
            print(summary(outcome))
        complaints += [warning for warning in outcome.report.warnings if warning not in outcome.notes]
    if complaints:
        raise InputError('\n'.join(complaints))
    return 0


def reconstruct(given: str | Path, folder: Path, settings: ReconstructSettings = ReconstructSettings(),
                progress: bool | Literal['lines'] = False) -> Outcome:
    """Do one input. Files get their final names only when they are whole. Raises InputError for whatever a person can mend.

    `progress`: a bar for a person, or lines for another program (`app/outputs/progress_lines.py`).
    """
    with opened(given, settings) as source:
        prepare_folder(folder, given)
        pipeline_settings = PipelineSettings(
            mode='video' if source.is_sequence else 'image', hands=settings.hands, weights=settings.weights, provider=settings.provider,
            threads=settings.threads, refine=settings.refine, smoothing=settings.smoothing, lock=settings.lock)
        with only_run(folder), Pipeline(pipeline_settings) as pipeline:
            return _Run(given, source, folder, settings, pipeline).all_frames(progress)


def opened(given: str | Path, settings: ReconstructSettings) -> Source:
    """The frames that the settings choose."""
    return open_source(given, start=settings.start, stop=settings.stop, step=settings.step, fps=settings.fps, sequence=settings.sequence)


class _Run:
    """One source going through the pipeline into its folder."""

    def __init__(self, given: str | Path, source: Source, folder: Path, settings: ReconstructSettings, pipeline: Pipeline):
        self.given, self.passes = given, settings.takes_passes(source.is_sequence) and source.kind in ('video', 'folder')
        self.source, self.folder, self.settings, self.pipeline = source, folder, settings, pipeline
        self.overlay = Overlay(pipeline.model) if 'overlay' in settings.write else None
        self.video: VideoWriter | None = None
        self.overlays: OverlaysWriter | None = None
        self.reading, self.writing = StageClock(), StageClock()  # one clock per thread; the pipeline has the third
        self.frames = self.with_hand = 0
        self.pixels: list[float] = []
        self.percents: list[float] = []
        self.pictures: dict[int, str] = {}
        self.written: set[str] = {'report.json', 'settings.json'}

    def all_frames(self, progress: bool | Literal['lines']) -> Outcome:
        """Every frame in order, then the report. Frames are decoded ahead, looked at by the network ahead, and drawn
        and written behind, each on its own thread."""
        started = time.perf_counter()
        sequence, textures = None, None
        with ExitStack() as files:
            bar = self._progress(files, progress)
            if self.passes:
                from app.consistent.sequence import PASSES, Sequence  # loads scipy

                told = Passes(bar, PASSES, self.source.frame_count)
                textures = files.enter_context(TextureFiles(self.folder, publish='textures' in self.settings.write))
                sequence = files.enter_context(Sequence(
                    self._again, self.settings.camera, self.pipeline, self.folder, textures.add, told.tell))
                sequence.prepare()
            self._open_writers(files, textures)
            with Behind(lambda done: self._write(*done, files)) as writer, Ahead(self._decoded(self.source)) as frames, \
                    closing(self._of_passes(frames, sequence) if sequence else walk(self.pipeline, frames, self._camera)) as answers:
                for frame, hands, intrinsics in answers:
                    filled = sequence.filled(frame) if sequence else frozenset()
                    self.pipeline.clock.end_frame()
                    self._count(frame, hands, filled)
                    writer.put((frame, hands, intrinsics, filled))
                    if sequence is not None:
                        told.tell('answer', 1)
                    elif bar is not None:
                        bar.update()
            whole = sequence.report if sequence else None
        seconds = time.perf_counter() - started
        self.written |= {name for name, wrote in (('hands.npz', self.hands), ('meshes', self.meshes and self.meshes.files),
                                                  ('meshes_ply', self.ply and self.ply.files),
                                                  ('hands.glb', self.scene and self.with_hand)) if wrote}
        self.written |= textures.names if textures else set()
        remove_others(self.folder, self.written)
        notes = tuple(filter(None, (getattr(self.overlay, 'note', ''), self.pipeline.regressor.note)))
        report = self._report(seconds, notes, whole)
        write_settings(self.folder / 'settings.json', self.settings.as_json())
        write_report(self.folder / 'report.json', report)
        return Outcome(self.folder, report, notes)

    def _again(self) -> Iterator[Frame]:
        """The frames once more from the beginning; what cannot be read is said by the last pass."""
        with opened(self.given, self.settings) as source:
            yield from self._decoded(source)

    def _of_passes(self, frames: Iterable[Frame], sequence: Sequence) -> Iterator[tuple[Frame, list[Hand], Intrinsics]]:
        """Every frame with the hands that the passes before have settled."""
        for frame in frames:
            camera = self._camera(frame)
            yield frame, sequence.hands(frame, camera), camera

    def _camera(self, frame: Frame) -> Intrinsics:
        height, width = frame.image.shape[:2]
        return self.settings.camera(width, height)

    def _decoded(self, source: Source) -> Iterator[Frame]:
        iterator = iter(source)
        while True:
            with self.reading.stage('decode'):
                frame = next(iterator, None)
                if frame is not None and self.settings.mirror:
                    frame = replace(frame, image=mirror_image(frame.image))
            if frame is None:
                return
            self.reading.end_frame()
            yield frame

    def _open_writers(self, files: ExitStack, textures: TextureFiles | None) -> None:
        write, model = self.settings.write, self.pipeline.model
        self.hands = files.enter_context(HandsWriter(self.folder / 'hands.npz', model.faces)) if 'hands' in write else None
        self.meshes = files.enter_context(
            MeshWriter(self.folder / 'meshes', model.faces, atlas=textures and model, textures=textures)) if 'meshes' in write else None
        self.ply = files.enter_context(MeshWriter(self.folder / 'meshes_ply', model.faces, 'ply')) if 'ply' in write else None
        self.scene = files.enter_context(SceneWriter(self.folder / 'hands.glb', model, textures)) if 'glb' in write else None

    def _progress(self, files: ExitStack, progress: bool | Literal['lines']) -> Any:
        """What is told of each frame (`update`), or None."""
        if not progress:
            return None
        if progress == 'lines':
            return ProgressLines(self.source.frame_count)
        from tqdm import tqdm

        return files.enter_context(tqdm(total=self.source.frame_count, unit=' frames', desc=self.source.name[:30], dynamic_ncols=True))

    def _count(self, frame: Frame, hands: list[Hand], filled: Collection[int]) -> None:
        self.frames += 1
        if not self.source.is_sequence:
            self.pictures[frame.index] = frame.name
        hands = [hand for hand in hands if hand.track not in filled]
        self.with_hand += bool(hands)
        self.pixels += [hand.reprojection for hand in hands]
        self.percents += [100 * hand.reprojection / hand.box_side for hand in hands]

    def _write(self, frame: Frame, hands: list[Hand], intrinsics: Intrinsics, filled: Collection[int], files: ExitStack) -> None:
        settings, clock = self.settings, self.writing
        if self.overlay is not None:
            with clock.stage('overlay'):
                picture = self.overlay.draw(frame.image, hands, intrinsics, settings.style, settings.opacity)
            with clock.stage('encode'):
                self._save_overlay(frame, picture, files)
        with clock.stage('write'):
            if self.hands is not None:
                self.hands.write(frame, hands, intrinsics, filled)
            for meshes in (self.meshes, self.ply):
                if meshes is not None:
                    meshes.write(frame, hands)
            if self.scene is not None:
                self.scene.write(frame, hands)
        clock.end_frame()

    def _save_overlay(self, frame: Frame, picture: np.ndarray, files: ExitStack) -> None:
        """A sequence becomes a video, one picture `overlay.jpg`, a folder of unrelated pictures a folder of overlays."""
        if self.source.is_sequence:
            if self.video is None:
                height, width = picture.shape[:2]
                self.video = files.enter_context(VideoWriter(self.folder / 'overlay.mp4', width, height, self.source.fps))
            self.video.write(picture, frame.time)
            self.written.add('overlay.mp4')
        elif self.source.frame_count == 1:
            write_picture(self.folder / 'overlay.jpg', picture)
            self.written.add('overlay.jpg')
        else:
            if self.overlays is None:
                self.overlays = files.enter_context(OverlaysWriter(self.folder / 'overlays'))
            self.overlays.write(frame, picture)
            self.written.add('overlays')

    def _report(self, seconds: float, notes: tuple[str, ...], whole: Any) -> Report:
        warnings = list(self.source.warnings)
        if not self.with_hand:
            warnings.append(f'No hand was found in any frame of {self.source.name}; there is nothing to reconstruct.')
        warnings += notes
        regressor = self.pipeline.regressor
        return Report(
            frames=self.frames, frames_with_hand=self.with_hand, fps=round(self.frames / seconds, 2) if self.frames else None,
            stage_ms={**self.reading.summary(), **self.pipeline.clock.summary(), **self.writing.summary()},
            reprojection_px=_mean(self.pixels), reprojection_percent=_mean(self.percents),
            provider=regressor.provider, model=f'{regressor.name}, hand model {self.pipeline.model.name}',
            versions={**versions(), 'network': regressor.version}, sequence=whole, warnings=tuple(warnings),
            pictures=self.pictures or None)


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def summary(outcome: Outcome) -> str:
    """What is printed when an input is done."""
    report = outcome.report
    found = f'{report.frames_with_hand} of {report.frames} frames have a hand'
    if report.frames == 1:
        found = 'A hand was found' if report.frames_with_hand else 'No hand was found'
    lines = [f'{found}; {report.fps} frames per second on {report.provider}.']
    if report.reprojection_percent is not None:
        lines.append(f'The mesh lies {report.reprojection_px} px ({report.reprojection_percent} % of the hand) from the detected points.')
    if report.sequence is not None and report.sequence.hands:
        lines.append(report.sequence.sentence())
    lines += [*outcome.notes, f'The results lie in {outcome.folder}']
    return '\n'.join(lines)
