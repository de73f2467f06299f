"""The textured hands of reconstructed clips from six views, to be judged by eye: no smeared background, fingers apart, nails, right tone.

    python main.py reconstruct clip.mp4 --consistent --out out
    python -m benchmarks.avatar_sheet out/clip [FOLDER ...] [--out out/avatars.png] [--size 320] [--most 3]

One row for each hand that has a texture: its own shape, opened, in its own skin.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from app.hand_model import HandModel
from app.outputs.hands_file import HandsFile, read_hands
from benchmarks.hand_sheet import POSES, VIEWS, Studio, pose_of


def rows_of(folder: Path, model: HandModel, size: int, most: int) -> list[np.ndarray]:
    """A row of pictures for each hand of a result folder, those seen longest first, at most so many."""
    hands = read_hands(folder / 'hands.npz')
    numbers, counts = np.unique(hands.track, return_counts=True)
    rows = []
    for number in numbers[np.argsort(-counts)]:
        path = folder / f'texture_{number}_{_of(hands, number).side[0]}.png'
        if path.is_file() and len(rows) < most:
            rows.append(_row(path, _of(hands, number), model, size))
    return rows


def _of(hands: HandsFile, number: int) -> HandsFile:
    chosen = hands.track == number
    return HandsFile(**{name: value if name in ('faces', 'intrinsics') else value[chosen] for name, value in vars(hands).items()})


def _row(path: Path, hands: HandsFile, model: HandModel, size: int) -> np.ndarray:
    studio, left = Studio(model, size, True), str(hands.side[0]) == 'left'
    studio.picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    vertices = model.posed(pose_of(model, POSES['rest']), hands.shape[0], 'left' if left else 'right')[0]
    flip = np.diag([-1.0, 1, 1])
    return np.hstack([studio.draw(vertices, flip @ view @ flip if left else view, left=left) for view in VIEWS])


def main(arguments: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folders', nargs='+', type=Path, help='of results')
    parser.add_argument('--out', type=Path, default=Path('out/avatars.png'))
    parser.add_argument('--size', type=int, default=320, help='pixels of a view')
    parser.add_argument('--most', type=int, default=3, help='hands of one folder')
    options = parser.parse_args(arguments)
    model = HandModel.load()
    rows = [row for folder in options.folders for row in rows_of(folder, model, options.size, options.most)]
    if not rows:
        print('none of the folders holds a textured hand: reconstruct with --consistent', file=sys.stderr)
        return 2
    options.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.out), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
    print(options.out)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
