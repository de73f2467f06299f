"""The options of `python main.py reconstruct`: what they are, how they are typed, and how they are written beside the results."""
from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.types import DEFAULT_FIELD_OF_VIEW, Intrinsics

PRODUCTS = ('overlay', 'hands', 'meshes', 'glb', 'textures')  # written unless something else is asked for
ALL_PRODUCTS = (*PRODUCTS, 'ply')
STYLES = ('textured', 'shaded', 'wireframe', 'skeleton', 'off')  # as in `app/overlay.py`, which is too heavy to import for --help


@dataclass(frozen=True)
class ReconstructSettings:
    """Everything that decides what a run writes."""

    write: tuple[str, ...] = PRODUCTS  # what to write; report.json and settings.json always are
    start: int = 0  # first frame
    stop: int | None = None  # frame to stop before
    step: int = 1  # take every n-th frame
    fps: float | None = None  # frames per second of a folder of pictures
    sequence: bool | None = None  # whether a folder's pictures follow each other; None: told by their names
    hands: int = 2  # at most this many at once
    mirror: bool = False  # the input is a mirror image: flip it first; all results refer to the flipped picture
    intrinsics: Path | None = None  # JSON file with the camera
    fov: float | None = None  # field of view along the longer side, degrees; None: 60, and sizes are not metric
    style: str = 'textured'  # of the overlay
    opacity: float = 1.0  # of the overlay, 0..1
    weights: Path | None = None  # an exported network; None: the one that ships
    provider: str = 'auto'  # what the network should run on
    threads: int | None = None  # of the network; None: all cores, at most 4; half of them with OpenVINO
    refine: bool = True  # fit the mesh to the detected points
    smoothing: float = 0.5  # 0 none .. 1 strongest
    lock: bool = True  # one shape and texture per hand
    consistent: bool | None = None  # a clip as a whole, in several passes (also when None); False: frame by frame, in one

    def takes_passes(self, is_sequence: bool) -> bool:
        """Whether an input is done in several passes. Pictures never are, nor what leaves out what the passes are for."""
        if not is_sequence or not (self.refine and self.lock):
            return False
        return self.consistent is not False

    def camera(self, width: int, height: int) -> Intrinsics:
        """The camera of pictures of this size. Raises InputError for a file that cannot be used."""
        if self.intrinsics is None:
            return Intrinsics.from_field_of_view(width, height, self.fov or DEFAULT_FIELD_OF_VIEW, metric=self.fov is not None)
        return read_intrinsics(self.intrinsics, width, height)

    def as_json(self) -> dict:
        """What `settings.json` holds."""
        return {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self).items()}


def read_intrinsics(path: Path, width: int, height: int) -> Intrinsics:
    """A JSON file with fx, fy, cx, cy (or K, 3 x 3) in pixels, and width, height of the pictures they were measured on (optional)."""
    try:
        data = json.loads(path.read_text())
        if 'K' in data:
            k = np.array(data['K'], float).reshape(3, 3)
            data = {'fx': k[0, 0], 'fy': k[1, 1], 'cx': k[0, 2], 'cy': k[1, 2], **data}
        fx, fy, cx, cy = (float(data[key]) for key in ('fx', 'fy', 'cx', 'cy'))
        ratio = width / float(data.get('width', width)), height / float(data.get('height', height))
    except OSError as error:
        raise InputError(f'the camera file {path} cannot be read ({error.strerror})') from error
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise InputError(f'{path} is not a camera file: it must be JSON with the numbers fx, fy, cx, cy in pixels, or a 3 x 3 K') from error
    if not (np.isfinite([fx, fy, cx, cy, *ratio]).all() and min(fx, fy, *ratio) > 0):
        raise InputError(f'{path}: the focal lengths fx and fy must be positive numbers of pixels')
    return Intrinsics(fx * ratio[0], fy * ratio[1], (cx + 0.5) * ratio[0] - 0.5, (cy + 0.5) * ratio[1] - 0.5, metric=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The typed form of the settings."""
    default = ReconstructSettings()
    parser.add_argument('inputs', nargs='+', metavar='INPUT', help='a video, a picture, or a folder of pictures')
    parser.add_argument('--out', type=Path, default=Path('out'), metavar='DIR', help='where DIR/<name>/ is made for each input')
    what = parser.add_argument_group('what to write')
    what.add_argument('--write', type=_products, default=PRODUCTS, metavar='LIST', help=f'comma-separated: {", ".join(ALL_PRODUCTS)}')
    what.add_argument('--style', choices=STYLES, default=default.style, help='of the overlay')
    what.add_argument('--opacity', type=_share, default=default.opacity, metavar='0..1', help='of the overlay')
    which = parser.add_argument_group('which frames')
    which.add_argument('--start', type=int, default=0, metavar='N', help='first frame')
    which.add_argument('--stop', type=int, metavar='N', help='frame to stop before')
    which.add_argument('--step', type=int, default=1, metavar='N', help='take every n-th frame')
    which.add_argument('--fps', type=_positive, help='frames per second of a folder of pictures')
    which.add_argument('--sequence', action=argparse.BooleanOptionalAction,
                       help="a folder's pictures follow each other (told by their names)")
    seen = parser.add_argument_group('camera and hands')
    seen.add_argument('--hands', type=int, choices=(1, 2), default=default.hands, help='how many hands at once')
    seen.add_argument('--mirror', action='store_true', help='the input is a mirror image (selfie): flip it first')
    seen.add_argument('--intrinsics', type=Path, metavar='FILE', help='JSON with fx, fy, cx, cy in pixels (width, height optional)')
    seen.add_argument('--fov', type=_degrees, metavar='DEGREES', help=f'of the longer side ({DEFAULT_FIELD_OF_VIEW:.0f} assumed)')
    how = parser.add_argument_group('how')
    how.add_argument('--weights', type=Path, metavar='FILE', help='an exported network (.onnx) instead of the one that ships')
    how.add_argument('--provider', choices=('auto', 'tensorrt', 'cuda', 'openvino', 'cpu'), default=default.provider,
                     help='what the network runs on')
    how.add_argument('--threads', type=int, default=default.threads, choices=range(1, 65), metavar='N',
                     help='of the network on the CPU (all cores, at most 4; half of them with OpenVINO)')
    how.add_argument('--refine', action=argparse.BooleanOptionalAction, default=True, help='fit the mesh to the detected points')
    how.add_argument('--smoothing', type=_share, default=default.smoothing, metavar='0..1', help='of a video, over time')
    how.add_argument('--lock', action=argparse.BooleanOptionalAction, default=True, help='one shape and one texture per hand')
    ways = how.add_mutually_exclusive_group()
    ways.add_argument('--consistent', action='store_true', default=None,
                      help='a video as a whole (as is done anyway): one shape, one texture and one smooth motion for each hand')
    ways.add_argument('--fast', '--no-consistent', dest='consistent', action='store_false', default=None,
                      help='a video in one pass, frame by frame')
    how.add_argument('--quiet', action='store_true', help='no progress bar')
    how.add_argument('--progress-lines', action='store_true', help='progress for another program: JSON lines on standard output')


def from_arguments(args: argparse.Namespace) -> ReconstructSettings:
    """Settings out of parsed arguments. Raises InputError where two options contradict each other."""
    if args.intrinsics and args.fov:
        raise InputError('--intrinsics and --fov both say what the camera is; give one of them')
    if args.consistent and not (args.refine and args.lock):
        raise InputError('--consistent fits hands with one shape each: leave out --no-refine and --no-lock, or take --fast')
    return ReconstructSettings(**{f.name: getattr(args, f.name) for f in fields(ReconstructSettings)})


def _products(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(',') if part.strip())
    wrong = [n for n in names if n not in ALL_PRODUCTS]
    if wrong:
        raise argparse.ArgumentTypeError(f'{", ".join(wrong)} cannot be written; choose from {", ".join(ALL_PRODUCTS)}')
    return names


def _number(text: str, low: float, high: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f'{text} is not {what}')
    return value


def _share(text: str) -> float:
    return _number(text, 0, 1, 'a number from 0 to 1')


def _positive(text: str) -> float:
    return _number(text, 1e-3, 1e5, 'a positive number')


def _degrees(text: str) -> float:
    return _number(text, 1, 170, 'an angle from 1 to 170 degrees')
