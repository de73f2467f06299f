"""The clips of `evaluate --video`: video files, folders of pictures, rendered clips with exact truth, and stereo recordings.

Truth is `truth.npz` beside the folder `frames/` of a clip (`training/rendered_clips.py`), or `NAME_truth.npz` beside a video `NAME.mp4`
(`benchmarks/demo_clip.py`); of it `joints_3d` (T, 21, 3), `joints_2d` (T, 21, 2) and `intrinsics` (3, 3) are read, and `fps` and `side`
where they are there. One hand, and a row for each frame. A stereo recording (`evaluation_truth.read_stereo`) is two clips, with truth
in its good frames; its joints are triangulated from detected points, so look at PA-MPJPE.
"""
from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.sources import Source, open_source
from app.sources.folder import natural_key, pictures_in
from app.sources.picture import SUFFIXES
from app.types import Intrinsics, Side
from training.evaluation_truth import read_stereo

TRUTH, FRAMES, STEREO = 'truth.npz', 'frames', 'cameras.json'
VIDEOS = ('.mp4', '.mov', '.m4v', '.avi', '.mkv', '.webm', '.mpg', '.mpeg')
FIT = 2.0  # pixels by which true points may miss the projected true joints
USUAL_FPS = 30.0  # of pictures whose rate nobody says


@dataclass(frozen=True, eq=False)
class Truth:
    """Where the one hand of a clip really is."""

    joints: np.ndarray  # (T, 21, 3) metres, camera frame
    points: np.ndarray  # (T, 21, 2) pixels
    camera: Intrinsics
    fps: float | None
    side: Side | None


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip that is still on the disk."""

    name: str
    path: Path  # of the video, or of the folder that holds the pictures themselves
    fps: float | None  # of a folder of pictures; None for a video, which knows its own times
    truth: Truth | None = None

    def open(self) -> Source:
        """The clip's frames. Raises InputError when they cannot be read."""
        return open_source(self.path, fps=self.fps, sequence=True if self.fps else None)

    def camera(self, width: int, height: int) -> Intrinsics:
        """The true camera, or a usual one. Raises InputError for a true one that belongs to other pictures."""
        if self.truth is None:
            return Intrinsics.from_field_of_view(width, height)
        camera = self.truth.camera
        if not (0 < camera.cx < width and 0 < camera.cy < height):
            raise InputError(f'{self.name}: the camera of the truth looks through ({camera.cx:.0f}, {camera.cy:.0f}), outside of frames of '
                             f'{width} x {height} pixels; they do not belong together')
        return camera

    def check_count(self, frames: int, warnings: Sequence[str] = ()) -> None:
        """Raise InputError if the truth is of another number of frames than could be read, where `warnings` may say why."""
        if self.truth is not None and frames != len(self.truth.joints):
            why = '; '.join(warnings) or 'they do not belong together'
            raise InputError(f'{self.name} has {frames} frames, but the truth has {len(self.truth.joints)}: {why}')


def clips_of(paths: Sequence[Path], fps: float | None = None) -> list[Clip]:
    """All clips that the paths name; `fps` is that of folders of pictures without truth. Raises InputError for what is no clip, before any
    is read, and for truth that cannot be used."""
    clips = [clip for path in paths for clip in _clips_at(Path(path).expanduser(), fps)]
    if fps is not None and not any(clip.fps and clip.truth is None for clip in clips):
        raise InputError('--fps is the rate of folders of pictures, and none of the clips is one: leave it out')
    for clip in clips:
        with clip.open() as source:
            if not source.is_sequence:
                raise InputError(f'{clip.path} is a single picture; --video measures motion and needs a video or a folder of frames')
            if clip.fps and source.frame_count:
                clip.check_count(source.frame_count)
            clip.camera(source.width, source.height)
    return _named_apart(clips)


def _clips_at(path: Path, fps: float | None, within: bool = False) -> list[Clip]:
    """The clips of one path; folders in a folder (not deeper) count, and there what is no clip is passed over."""
    if not path.exists():
        raise InputError(f'there is no file or folder {path}; check the name')
    if path.is_file():
        truth = path.with_name(f'{path.stem}_{TRUTH}')
        return [Clip(path.name, path, None, read_truth(truth) if truth.is_file() else None)]
    if (path / TRUTH).is_file():
        truth = read_truth(path / TRUTH)
        frames = path / FRAMES if (path / FRAMES).is_dir() else path
        pictures_in(frames)
        return [Clip(path.resolve().name, frames, truth.fps or USUAL_FPS, truth)]
    if (path / STEREO).is_file():
        return _stereo_clips(path)
    entries = sorted(path.iterdir(), key=lambda p: natural_key(p.name))
    if any(p.suffix.lower() in SUFFIXES and not p.name.startswith('.') for p in entries):
        return [Clip(path.resolve().name, path, fps or USUAL_FPS)]
    if within:
        return []
    clips = [clip for p in entries if p.is_dir() or p.suffix.lower() in VIDEOS for clip in _clips_at(p, fps, within=True)]
    if not clips:
        raise InputError(f'{path} holds no pictures, no videos and no folders of them')
    return clips


def _stereo_clips(folder: Path) -> list[Clip]:
    """The two views of a stereo recording. Raises InputError where a file of it is missing or broken."""
    samples, clips = read_stereo(folder).samples, []
    for name in json.loads((folder / STEREO).read_text()):
        view, path = [sample for sample in samples if sample.source == name], folder / f'{name}_test.mp4'
        with open_source(path) as source:
            joints, points = np.full((source.frame_count, 21, 3), np.nan), np.full((source.frame_count, 21, 2), np.nan)
        for sample in view:
            number = int(Path(sample.name).stem)
            joints[number], points[number] = sample.xyz, sample.points
        clips.append(Clip(f'{folder.name} {name}', path, None, Truth(joints, points, view[0].camera, None, view[0].side)))
    return clips


def _named_apart(clips: list[Clip]) -> list[Clip]:
    """Clips of one name get numbers: figures and pictures are kept by name."""
    taken: dict[str, int] = {}
    named = []
    for clip in clips:
        taken[clip.name] = count = taken.get(clip.name, 0) + 1
        named.append(clip if count == 1 else Clip(f'{clip.name} ({count})', clip.path, clip.fps, clip.truth))
    return named


def read_truth(path: Path) -> Truth:
    """Read and check the truth of a clip. Raises InputError when it cannot be read, lacks something, contradicts itself, or is not
    finite."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in ('joints_3d', 'joints_2d', 'intrinsics', 'fps', 'side') if key in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise InputError(f'{path} is not a whole file of truth; make it again') from error
    missing = [key for key in ('joints_3d', 'joints_2d', 'intrinsics') if key not in arrays]
    if missing:
        raise InputError(f'{path} is no truth of a clip: {", ".join(missing)} missing')
    joints, points, matrix = (arrays[key] for key in ('joints_3d', 'joints_2d', 'intrinsics'))
    count = len(joints) if joints.ndim else 0
    if joints.shape != (count, 21, 3) or points.shape != (count, 21, 2) or matrix.shape != (3, 3) or not count:
        raise InputError(f'{path}: joints_3d must be (T, 21, 3), joints_2d (T, 21, 2) and intrinsics (3, 3), not {joints.shape}, '
                         f'{points.shape} and {matrix.shape}')
    for key, values in (('joints_3d', joints), ('joints_2d', points), ('intrinsics', matrix)):
        if values.dtype.kind != 'f' or not np.isfinite(values).all():
            raise InputError(f'{path}: {key} holds values that are no finite numbers')
    joints, points = joints.astype(np.float64), points.astype(np.float64)
    if joints[..., 2].min() <= 0 or min(matrix[0, 0], matrix[1, 1]) <= 0:
        raise InputError(f'{path}: joints lie behind the camera, or its focal length is none')
    camera = Intrinsics(*(float(matrix[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2))), metric=True)
    apart = float(np.linalg.norm(camera.project(joints) - points, axis=-1).mean())
    if apart > FIT:
        raise InputError(f'{path}: joints_3d seen by its camera lie {apart:.1f} px from joints_2d; the three do not belong together')
    fps, side = arrays.get('fps'), arrays.get('side')
    if fps is not None and not (fps.size == 1 and fps.dtype.kind in 'fiu' and 0 < float(fps.reshape(())) <= 1000):
        raise InputError(f'{path}: fps is no rate between 0 and 1000')
    return Truth(joints, points, camera, None if fps is None else float(fps.reshape(())),
                 str(side) if side is not None and str(side) in ('left', 'right') else None)
