"""Videos of hands -> ordered frames of one hand with its points, for training on clips.

    python -m training.clip_labels VIDEO... --out runs/clips-real [--person NAME] [--mirror]

Every frame is looked at as `python main.py label` does; a hand that is followed becomes a folder `NAME-hand0/` with `frames/0000.jpg ...`,
the square around the hand in each frame that shows it, and, written last, `labels.npz`:

| key | shape | meaning |
| --- | --- | --- |
| time | (T,) | seconds since the clip's start, rising |
| size | (2,) | width and height of the whole frames |
| matrix | (T, 2, 3) | pixels of the whole frame -> pixels of the picture |
| side | () str | 'right' or 'left', told by all frames together |
| person | () str | clips of one person share a hand shape |
| points | (T, 21, 2) | pixels of the whole frame |
| uncertainty | (T, 21) | pixels |
| depth | (T, 21) | pixels at the hand's distance, relative to the wrist, forward positive |

A folder of pictures whose files count is a video of 30 frames a second.
"""
from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np

import app  # noqa: F401  its threads, before anything else
from app.detection import Detector
from app.errors import InputError, exit_code
from app.outputs.atomic import whole_file
from app.regression import Regressor
from app.sources import Source
from app.types import Frame
from training.label_clips import ClipLabeller, ClipSettings, _Found
from training.label_crops import write_crop
from training.label_inputs import Clip, clips_of
from training.label_points import Labeller
from training.label_rows import Limits
from training.label_splits import SplitRule

LOOKS = 3  # at each hand: neighbouring frames check each other
SIZE, AROUND = 320, 2.6  # pixels of a picture's side; its side over the hand's box, so that crops may be turned and shifted
VALID = 0.4  # share of the picture that must lie in the frame
SHORTEST = 5  # frames; a hand that is seen less often is no clip


class VideoLabeller(ClipLabeller):
    """Labels every frame; its rows hold numbers of the whole frame. The pictures lie where `file` says until the sides are settled."""

    def _row(self, found: _Found, image: np.ndarray, frame: Frame, clip: Clip, source: Source, number: int) -> dict:
        square, label, hand = found.square, found.label, found.hand.number
        file = f'{clip.name}-hand{hand}/frames/at-{frame.index:06d}.jpg'
        write_crop(self.settings.out / file, square.cut(image))
        shift = 0.5 * square.scale - 0.5 - square.scale * np.array((square.left, square.top))
        return {'file': file, '_hand': hand, 'hand': hand, 'time': frame.time, 'size': image.shape[1::-1], 'points': label.points,
                'uncertainty': label.uncertainty, 'depth': label.depth, 'matrix': np.column_stack([square.scale * np.eye(2), shift])}


def label_clip(clip: Clip, labeller: VideoLabeller, person: str) -> list[str]:
    """One clip's folders, one for each hand that was followed; their names. Raises InputError when it cannot be read or written."""
    out = labeller.settings.out
    for old in out.glob(f'{clip.name}-hand*'):
        shutil.rmtree(old)
    rows, _ = labeller(clip)
    made = []
    for hand in sorted({row['hand'] for row in rows}):
        own = sorted((row for row in rows if row['hand'] == hand), key=lambda row: row['time'])
        folder = out / f'{clip.name}-hand{hand}'
        if len(own) < SHORTEST:
            shutil.rmtree(folder)
            continue
        for number, row in enumerate(own):
            (out / row['file']).rename(folder / 'frames' / f'{number:04d}.jpg')
        numbers = {key: np.stack([row[key] for row in own]) for key in ('time', 'matrix', 'points', 'uncertainty', 'depth')}
        with whole_file(folder / 'labels.npz') as file:
            np.savez(file, size=np.array(own[0]['size']), side=np.array(own[0]['side']), person=np.array(person or clip.name), **numbers)
        made.append(folder.name)
    for folder in out.glob(f'{clip.name}-hand*'):  # sides that stayed uncertain
        if not (folder / 'labels.npz').exists():
            shutil.rmtree(folder)
    return made


def label_videos(
    inputs: list[Path], out: Path, person: str = '', mirror: bool = False, weights: Path | None = None, say=print,
) -> list[str]:
    """All clips of the inputs; the folders' names. Raises InputError for what cannot be read, and when no hand was followed at all."""
    settings = ClipSettings(out, SplitRule.parse('train'), Limits(valid=VALID), every=1, still=0.0, mirror=mirror, size=SIZE, around=AROUND)
    made = []
    with Detector(2) as detector:
        labeller = VideoLabeller(settings, Labeller(Regressor(weights, 'cpu', 1), LOOKS), detector)
        for clip in clips_of(inputs, person):
            names = label_clip(clip, labeller, person)
            say(f'{clip.name}: {len(names)} hands followed')
            made += names
    if not made:
        raise InputError(f'no hand was followed in {", ".join(str(path) for path in inputs)}; give clips that show a hand')
    return made


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('inputs', nargs='+', type=Path, metavar='VIDEO', help='videos, folders of them, folders of numbered pictures')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--person', default='', help='all inputs show this one person')
    parser.add_argument('--mirror', action='store_true', help='mirror images (selfies); they are flipped first')
    parser.add_argument('--weights', type=Path, default=None, help='an exported network; the one that ships unless given')
    args = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    return exit_code(lambda: label_videos(args.inputs, args.out, args.person, args.mirror, args.weights,
                                          lambda line: print(line, flush=True)))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
