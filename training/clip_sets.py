"""Clips to learn from: folders of ordered frames with labels (`training/clip_labels.py`) or with truth (`training/rendered_clips.py`)."""
from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from app.errors import InputError
from app.mirror import mirror_image, mirror_intrinsics, mirror_points_2d, mirror_points_3d
from app.rotations import axis_angle_to_matrix
from app.types import Intrinsics
from models.hand_model import HandModel
from models.skeleton import Skeleton
from training.examples import Subject
from training.real import kept_fits, trust_of

LABELS, TRUTH = 'labels.npz', 'truth.npz'
FEWEST = 3  # frames of a clip: with fewer nothing moves evenly or unevenly
PAUSE = 4.0  # steps: where frames are missing for longer, a window ends
SURE = 1.0  # pixels of a 224 px crop that true points are taken to be off


@dataclass(frozen=True)
class ClipFrames:
    """The frames of one right hand, or of the mirror image of a left one; whole frames are those of that picture."""

    name: str
    person: str  # clips of one person share a shape
    files: list[Path]
    mirrored: bool  # the files show a left hand
    matrices: np.ndarray  # (T, 2, 3) pixels of the whole frame -> pixels of the picture
    time: np.ndarray  # (T,) seconds, rising
    subjects: list[Subject]  # in the whole frame
    wrist: np.ndarray  # (T, 3) metres in the camera of the whole frame; NaN where it is not known
    exact: bool  # rendered
    albedo: np.ndarray | None = None  # (N, 3) sRGB 0..1, of rendered clips

    def __len__(self) -> int:
        return len(self.files)

    def picture(self, number: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB, mirrored if the hand is a left one. Raises InputError."""
        image = cv2.imread(str(self.files[number]))
        if image is None:
            raise InputError(f'the picture {self.files[number]} cannot be read; make the clips anew')
        image = np.ascontiguousarray(image[..., ::-1])
        return mirror_image(image) if self.mirrored else image


def read_clips(folders: list[Path], hand: HandModel, size: int, fit_steps: int, kept: Path | None = None, say=print) -> list[ClipFrames]:
    """All clips in the folders, in order of their names. `size`: of the crops; `kept` (.npz): where fits of labelled clips are kept.

    Clips with fewer than three frames that show a hand are left out, which is said. Raises InputError: nothing there, pictures missing,
    times that do not rise, and files that hold something else.
    """
    found = []
    for folder in folders:
        here = sorted(path.parent for name in (LABELS, TRUTH) for path in Path(folder).glob(f'**/{name}'))
        if not here:
            raise InputError(f'there are no clips in {folder}; make some with `python -m training.clip_labels` or '
                             '`python -m training.rendered_clips`')
        found += here
    skeleton = Skeleton(hand)
    clips = [exact_clip(path, skeleton, size) if (path / TRUTH).exists() else path for path in found]
    labelled = [clip for clip in clips if isinstance(clip, Path)]
    fitted = iter(labelled_clips(labelled, hand, fit_steps, kept))
    clips = [next(fitted) if isinstance(clip, Path) else clip for clip in clips]
    short = [clip.name for clip in clips if len(clip) < FEWEST]
    if short:
        say(f'{len(short)} clips left out, because they show a hand in fewer than {FEWEST} frames: {", ".join(short[:5])}')
    clips = [clip for clip in clips if len(clip) >= FEWEST]
    if not clips:
        raise InputError(f'no clip in {", ".join(str(f) for f in folders)} shows a hand in {FEWEST} frames; give longer ones')
    return clips


def read_numbers(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Arrays of an .npz. Raises InputError when it cannot be read, lacks one, or its times do not rise."""
    try:
        with np.load(path, allow_pickle=False) as file:
            numbers = {key: file[key] for key in keys}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f'{path} is not what belongs to a clip ({error}); make the clip anew') from error
    time = numbers['time']
    if not np.isfinite(time).all() or (np.diff(time) <= 0).any():
        worst = int(np.argmin(np.diff(time))) if np.isfinite(time).all() else int(np.argmin(np.isfinite(time)))
        raise InputError(f'the times in {path} do not rise from frame {worst} on; frames of a clip need times in order, no two the same')
    return numbers


def frames_of(folder: Path, count: int) -> list[Path]:
    """The clip's pictures. Raises InputError when there are others than its numbers say."""
    files = [folder / 'frames' / f'{number:04d}.jpg' for number in range(count)]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise InputError(f'{len(missing)} of the {count} pictures of the clip {folder} are missing, the first is {missing[0].name}; '
                         'make the clip anew or remove its folder')
    return files


def exact_clip(folder: Path, skeleton: Skeleton, size: int) -> ClipFrames:
    """A rendered clip."""
    keys = ('time', 'intrinsics', 'side', 'joints_3d', 'joints_2d', 'shape', 'pose', 'translation', 'colours', 'visible')
    n = read_numbers(folder / TRUTH, keys)
    files, left = frames_of(folder, len(n['time'])), str(n['side']) == 'left'
    camera = Intrinsics(n['intrinsics'][0, 0], n['intrinsics'][1, 1], n['intrinsics'][0, 2], n['intrinsics'][1, 2], True)
    points, wrist = n['joints_2d'].astype(float), n['translation'].astype(float)
    if left:
        height, width = cv2.imread(str(files[0])).shape[:2]
        camera, points, wrist = mirror_intrinsics(camera, width), mirror_points_2d(points, width), mirror_points_3d(wrist)
    rotation = axis_angle_to_matrix(n['pose'][:, 0].astype(float))
    with torch.no_grad():
        joints = skeleton.from_pose(torch.from_numpy(rotation).float(), torch.from_numpy(n['pose'][:, 1:]),
                                    torch.from_numpy(n['shape']).expand(len(points), -1)).numpy().astype(float)
    subjects = []
    for t in range(len(points)):
        pixels = camera.fx / wrist[t, 2]  # per metre
        crop_pixels = 2.2 * float(np.ptp(points[t], axis=0).max()) / size  # of the frame, about
        uncertainty = np.where(n['visible'][t] > 0, SURE * crop_pixels, np.inf)
        subjects.append(Subject(points[t], uncertainty, joints[t, :, 2] * pixels, camera, rotation[t], n['pose'][t, 1:], n['shape'],
                                joints[t], 1.0))
    plain = np.tile(np.eye(2, 3), (len(points), 1, 1))
    return ClipFrames(folder.name, str(folder), files, left, plain, n['time'], subjects, wrist, True, n['colours'] / 255)


def labelled_clips(folders: list[Path], hand: HandModel, steps: int, kept: Path | None) -> list[ClipFrames]:
    """Labelled clips; the hand model is fitted to all of their frames, one shape for a person. Frames without points are left out."""
    parts = []
    for folder in folders:
        n = read_numbers(folder / LABELS, ('time', 'size', 'matrix', 'side', 'person', 'points', 'uncertainty', 'depth'))
        files, (width, height) = frames_of(folder, len(n['time'])), (int(v) for v in n['size'])
        left = str(n['side']) == 'left'
        there = np.isfinite(n['points']).all((1, 2)) & (np.ptp(np.nan_to_num(n['points']), axis=1).max(-1) > 1)
        matrix, points = n['matrix'][there], n['points'][there]
        if left:
            points, matrix = mirror_points_2d(points, width), mirror_matrices(matrix, width, cv2.imread(str(files[0])).shape[1])
        parts.append((folder, str(n['person']), [f for f, use in zip(files, there) if use], left, matrix, n['time'][there], points,
                      n['uncertainty'][there], n['depth'][there], Intrinsics.from_field_of_view(width, height)))
    whole = [part for part in parts if len(part[2])]
    if not whole:
        return [ClipFrames(part[0].name, part[1], [], part[3], part[4], part[5], [], np.zeros((0, 3)), False) for part in parts]
    counts = [len(part[2]) for part in whole]
    points, uncertainty, depth = (np.concatenate([part[k] for part in whole]) for k in (6, 7, 8))
    middle = np.repeat([(part[9].cx, part[9].cy) for part in whole], counts, 0)[:, None]
    session = np.repeat(np.unique([part[1] for part in whole], return_inverse=True)[1], counts)
    inputs = {'points': points - middle, 'uncertainty': uncertainty, 'depth': depth, 'session': session,
              'focal': np.repeat([part[9].fx for part in whole], counts)}
    fits, fingers, joints = kept_fits(inputs, hand, steps, kept)
    trust, clips, at = trust_of(fits, points, uncertainty), {}, 0
    for folder, person, files, left, matrix, time, own, unsure, deep, camera in whole:
        rows = range(at, at + len(files))
        subjects = [Subject(own[i], unsure[i], deep[i], camera, fits.rotation[k], fingers[k], fits.shape[k], joints[k],
                            float(trust[k])) for i, k in enumerate(rows)]
        clips[folder] = ClipFrames(folder.name, person, files, left, matrix, time, subjects, np.full((len(files), 3), np.nan), False)
        at += len(files)
    empty = {part[0]: ClipFrames(part[0].name, part[1], [], part[3], part[4], part[5], [], np.zeros((0, 3)), False) for part in parts}
    return [clips.get(part[0], empty[part[0]]) for part in parts]


def mirror_matrices(matrices: np.ndarray, width: int, picture_width: int) -> np.ndarray:
    """Matrices (T, 2, 3) from frames to pictures -> those from the mirrored frames, `width` pixels wide, to the mirrored pictures."""
    mirrored = matrices.copy()
    mirrored[:, :, 2] += (width - 1) * matrices[:, :, 0]
    mirrored[:, :, 0] = -matrices[:, :, 0]
    mirrored[:, 0] = -mirrored[:, 0]
    mirrored[:, 0, 2] += picture_width - 1
    return mirrored


def windows_of(time: np.ndarray, length: int, stride: int, rate: float) -> np.ndarray:
    """(n, length) numbers of frames in order: windows of a clip with times (T,), a new one begins every `stride` frames.

    rate: frames a second to take, 0: all. A slower clip gives all of its frames; a faster one those that come next. No window goes on where
    frames are missing for longer than `PAUSE` steps.
    """
    steps = np.diff(time)
    step = max(1 / rate if rate else 0.0, float(np.median(steps)) if len(steps) else 0.0)
    windows = []
    for start in range(0, len(time), stride):
        window = [start]
        while len(window) < length:
            following = max(window[-1] + 1, int(np.searchsorted(time, time[window[-1]] + 0.75 * step)))
            if following >= len(time) or time[following] - time[window[-1]] > PAUSE * step:
                break
            window.append(following)
        if len(window) == length:
            windows.append(window)
    return np.array(windows, int).reshape(-1, length)
