"""`python main.py meshes`: the numbers of a recording or a reconstruction in; OBJ or PLY files, or one animated GLB, out."""
from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np

from app.errors import InputError
from app.hand_model import HandModel
from app.outputs.folder import prepare_folder
from app.outputs.hands_file import HandsFile, finish_left, read_hands
from app.outputs.meshes import MeshWriter
from app.outputs.only_run import only_run
from app.outputs.progress_lines import ProgressLines, end_when_asked, finished
from app.outputs.scene import SceneWriter
from app.outputs.texture_files import TexturesBeside
from app.types import Frame, Hand

FORMATS = ('obj', 'ply', 'glb')
NO_LIGHT = np.array([[1, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]], np.float32)
NO_PICTURE = np.zeros((0, 0, 3), np.uint8)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument('hands', type=Path, metavar='HANDS.npz',
                        help='the numbers that a recording or `reconstruct` wrote, or the folder hands.unfinished of a killed one')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='where DIR/meshes/ or DIR/hands.glb is made')
    parser.add_argument('--format', choices=FORMATS, default='obj', help='a file for each hand and frame, or one animated scene (glb)')
    parser.add_argument('--textured', action='store_true', help='OBJ: a picture for each hand instead of coloured vertices')
    parser.add_argument('--start', type=int, default=0, metavar='N', help='first frame')
    parser.add_argument('--stop', type=int, metavar='N', help='frame to stop before')
    parser.add_argument('--step', type=int, default=1, metavar='N', help='take every n-th frame')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    parser.add_argument('--progress-lines', action='store_true', help='progress for another program: JSON lines on standard output')


def run(args: argparse.Namespace) -> int:
    """The command. Files get their names when all of it is done; interrupted, it leaves nothing."""
    end_when_asked(by_pipe=args.progress_lines)
    if args.textured and args.format != 'obj':
        raise InputError('--textured is for OBJ files; PLY has the colours at the vertices, and a GLB its texture where the run made one')
    if args.start < 0 or args.step < 1 or (args.stop is not None and args.stop <= args.start):
        raise InputError('--start must not be negative, --stop must be larger than --start, and --step at least 1')
    progress = 'lines' if args.progress_lines else not args.quiet
    written = write_meshes(args.hands, args.out, args.format, args.textured, args.start, args.stop, args.step, progress)
    if args.progress_lines:
        finished(args.out, f'The results lie in {written}')
    else:
        print(f'The results lie in {written}')
    return 0


def write_meshes(hands_file: Path, out: Path, kind: Literal['obj', 'ply', 'glb'] = 'obj', textured: bool = False, start: int = 0,
                 stop: int | None = None, step: int = 1, progress: bool | Literal['lines'] = False) -> Path:
    """Write out/meshes/ or out/hands.glb and return its path; one of an earlier run is replaced when the new one is whole.

    Hands have the textures that their run left beside the file; what has none gets its colours.
    Raises InputError for a file that is none of hands or has none in these frames, hands of another model, and what the disk refuses.
    """
    if hands_file.is_dir():  # what a killed program left of a recording
        finish_left(hands_file, hands_file.with_name('hands.npz'))
        hands_file = hands_file.with_name('hands.npz')
    hands, model = read_hands(hands_file), HandModel.load()
    chosen = [frame for frame in np.unique(hands.frame).tolist() if frame in range(start, frame + 1 if stop is None else stop, step)]
    if not chosen:
        raise InputError(f'{hands_file} has no hand in these frames; it has {_reach(hands)}.')
    if (kind == 'glb' or textured) and not np.array_equal(hands.faces, model.faces):
        raise InputError(f'{hands_file} was made with another hand model; only OBJ and PLY without texture can be made of it.')
    prepare_folder(out)
    with ExitStack() as files:
        files.enter_context(only_run(out))
        target, textures = out / ('hands.glb' if kind == 'glb' else 'meshes'), TexturesBeside(hands_file.parent)
        told = _progress(files, len(chosen), progress)
        if kind == 'glb':
            writer = SceneWriter(target, model, textures)
        else:
            writer = MeshWriter(target, hands.faces, kind, model if textured else None, textures=textures)
        files.enter_context(writer)
        for frame, of_frame in _frames(hands, chosen, step):
            writer.write(frame, of_frame)
            if told is not None and of_frame:
                told.update()
    return target


def _frames(hands: HandsFile, chosen: list[int], step: int) -> Iterator[tuple[Frame, list[Hand]]]:
    """The chosen frames with their hands; an empty one after each gap's beginning, so that a scene's hands vanish there."""
    order = np.argsort(hands.frame, kind='stable')
    begins = np.searchsorted(hands.frame, chosen, 'left', order), np.searchsorted(hands.frame, chosen, 'right', order)
    apart = max(int(np.diff(chosen).min()), step) if len(chosen) > 1 else 1
    before: Frame | None = None
    for number, first, last in zip(chosen, *begins):
        rows = order[first:last]
        frame = _frame(number, float(hands.time[rows[0]]))
        if before is not None and number - before.index > apart:
            share = apart / (number - before.index)
            yield _frame(before.index + apart, before.time + share * (frame.time - before.time)), []
        yield frame, [_hand(hands, row) for row in rows]
        before = frame


def _frame(index: int, time: float) -> Frame:
    return Frame(NO_PICTURE, index, time, 0.0)


def _hand(hands: HandsFile, row: int) -> Hand:
    points = hands.joints_2d[row]
    return Hand(int(hands.track[row]), str(hands.side[row]), float(hands.confidence[row]), hands.pose[row], hands.shape[row],
                hands.translation[row], hands.vertices[row], hands.joints_3d[row], points, hands.colours[row], NO_LIGHT, points)


def _progress(files: ExitStack, total: int, progress: bool | Literal['lines']) -> Any:
    if not progress:
        return None
    if progress == 'lines':
        return ProgressLines(total)
    from tqdm import tqdm

    return files.enter_context(tqdm(total=total, unit=' frames', dynamic_ncols=True))


def _reach(hands: HandsFile) -> str:
    return f'frames {hands.frame.min()} to {hands.frame.max()}' if len(hands) else 'none at all'
