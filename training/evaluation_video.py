"""`python main.py evaluate --video`: how steady, consistent and late hands are in clips, ours and our peers', on the same frames.

With truth errors are against truth; without it MediaPipe's points of each frame are the only reference: then 2D errors say how far a
contender is from those, and its own lag and 2D error are not known. Figures of one clip, and of all that have the same kind of reference.
"""
from __future__ import annotations

import argparse
import datetime
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm

from app.detection import Detector
from app.detector_file import sha256
from app.errors import InputError
from app.hand_model import HandModel
from app.outputs.picture import write_picture
from app.outputs.report import versions
from training.evaluation_report import check_files, write_files
from training.evaluation_video_clips import USUAL_FPS, Clip, clips_of
from training.evaluation_video_contenders import LABELS, Consistent, Contender, FrameByFrame, Live, MediaPipe, OneEuro, Sight
from training.evaluation_video_figures import MEANINGS, figures_of, ratios_of
from training.evaluation_video_hands import Seen
from training.evaluation_video_plots import plot
from training.evaluation_video_records import REFERENCE, Record, records_of
from training.evaluation_video_report import all_text, clip_text
from training.evaluation_video_sheet import Sheet, pages

ONLY = ('fps', 'hands', 'video_weights', 'plots')  # options that say nothing without --video
SHARED = ('video', 'weights', 'contenders', 'threads', 'json', 'page', *ONLY)  # options that go with it
EXPORTED = '.onnx'  # what the program itself can run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of clips."""
    group = parser.add_argument_group('clips: steadiness, consistency and lag')
    group.add_argument('--video', action='extend', nargs='+', type=Path, default=[], metavar='PATH',
                       help='videos, folders of pictures, clips with truth.npz (python -m training.rendered_clips), or folders of those')
    group.add_argument('--fps', type=float, help=f'rate of folders of pictures; {USUAL_FPS:.0f} if none is given')
    group.add_argument('--hands', type=int, choices=(1, 2), help='hands that are followed at once; 1 if nothing is said')
    group.add_argument('--video-weights', type=Path, metavar='FILE',
                       help='the same network trained on video: .onnx, or a .safetensors checkpoint')
    group.add_argument('--plots', type=Path, metavar='DIR',
                       help='draw a picture of each clip over time into this folder (or, of one clip, a .png)')


def check(options: argparse.Namespace, defaults: argparse.Namespace) -> None:
    """Raise InputError for options that do not fit together, before anything is read."""
    given = [name for name, value in vars(options).items() if value != getattr(defaults, name)]
    if not options.video:
        lonely = [name for name in given if name in ONLY]
        if lonely:
            raise InputError(f'{_typed(lonely)} say{"s" * (len(lonely) == 1)} something only about clips; give --video as well')
        return
    strangers = [name for name in given if name not in SHARED]
    if strangers:
        verb = 'do' if len(strangers) > 1 else 'does'
        raise InputError(f'{_typed(strangers)} {verb} not go with --video; evaluate pictures in a run of their own')
    if options.fps is not None and not 0 < options.fps <= 1000:
        raise InputError(f'--fps is a rate between 0 and 1000 frames a second, not {options.fps:g}')
    if options.threads < 1:
        raise InputError(f'--threads must be at least 1, not {options.threads}')
    check_files(options.page, options.json, options.plots)
    for path in (options.weights, options.video_weights):
        if path is not None and not path.is_file():
            raise InputError(f'the network weights {path} do not exist')


def _typed(names: list[str]) -> str:
    return ', '.join(f'--{name.replace("_", "-")}' for name in names)


def wanted(options: argparse.Namespace, default: str) -> tuple[tuple[str, ...], list[str]]:
    """The keys of the contenders, and sentences on those that cannot be had. Raises InputError for a key that is none, or for one asked for
    by name that cannot be had."""
    asked = options.contenders != default
    keys = tuple(dict.fromkeys(k.strip() for k in options.contenders.split(',') if k.strip())) if asked else tuple(LABELS)
    unknown = [key for key in keys if key not in LABELS]
    if unknown or not keys:
        raise InputError(f'with --video, --contenders knows {", ".join(LABELS)}, not {", ".join(unknown) or "nothing"}')
    missing = {}
    if options.video_weights is None:
        missing['video_network'] = 'give --video-weights'
    if program_weights(options) is None:
        missing |= dict.fromkeys(('unfiltered', 'live', 'consistent'), f'the program runs exported networks ({EXPORTED}) only; '
                                                                       'export this one with `python main.py export onnx`')
    if asked and (without := [key for key in keys if key in missing]):
        raise InputError(f'{LABELS[without[0]]!r} cannot be measured: {missing[without[0]]}')
    reference = () if REFERENCE in keys else (REFERENCE,)
    notes = [f'{LABELS[key]!r} is left out: {why}' for key, why in missing.items() if key in keys and key != 'video_network']
    return (*reference, *(key for key in keys if key not in missing)), notes


def program_weights(options: argparse.Namespace) -> Path | None:
    """What the program runs: the network trained on video if it is exported, else the other one; None if neither is."""
    return next((path for path in (options.video_weights, options.weights) if path is not None and path.suffix == EXPORTED), None)


class Contenders:
    """Those that are wanted, loaded once and closed at the end (a context manager)."""

    def __init__(self, keys: tuple[str, ...], options: argparse.Namespace) -> None:
        self.model = HandModel.load()
        threads, hands = options.threads, options.hands or 1
        with ExitStack() as files:  # closes what was made if the rest cannot be
            sight, program = Sight(self.model), program_weights(options)
            detector = files.enter_context(Detector(hands)) if {'network', 'video_network'} & {*keys} else None
            media_pipe = MediaPipe(hands)
            make = {'mediapipe': lambda: media_pipe, 'one_euro': lambda: OneEuro(media_pipe),
                    'network': lambda: FrameByFrame('network', options.weights, threads, hands, sight, detector),
                    'video_network': lambda: FrameByFrame('video_network', options.video_weights, threads, hands, sight, detector),
                    'unfiltered': lambda: Live('unfiltered', program, threads, hands, sight),
                    'live': lambda: Live('live', program, threads, hands, sight),
                    'consistent': lambda: Consistent(program, threads, hands, sight)}
            self.all: list[Contender] = []
            for key in LABELS:  # MediaPipe before the one that filters it
                if key in keys:
                    self.all.append(make[key]())
                    files.callback(self.all[-1].close)
            self._files = files.pop_all()

    def __enter__(self) -> Contenders:
        return self

    def __exit__(self, *_) -> None:
        self._files.close()

    def look(self, clip: Clip, sheet: Sheet | None = None) -> tuple[dict[str, list[list[Seen]]], np.ndarray, float, list[str]]:
        """What each says of every frame of a clip; the frames' times (T,), frames a second, and the source's warnings. Raises InputError if
        the clip cannot be read, or is not what its truth belongs to."""
        looks: dict[str, list[list[Seen]]] = {contender.key: [] for contender in self.all}
        times = []
        with tqdm(desc=clip.name[:30], unit=' frames', leave=False, dynamic_ncols=True, disable=None) as bar:
            for contender in self.all:
                contender.begin(clip)
            with clip.open() as source:
                for frame in source:
                    height, width = frame.image.shape[:2]
                    camera = clip.camera(width, height)
                    for contender in self.all:
                        looks[contender.key].append(contender.look(frame, camera))
                    if sheet is not None:
                        live = next((c for c in self.all if c.key == 'live'), None)
                        sheet.add(frame, [] if live is None else live.hands, camera, source.frame_count)
                    times.append(frame.time)
                    bar.update()
                warnings, rate = list(source.warnings), source.fps
        clip.check_count(len(times), warnings)
        steps = np.diff(times)
        usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
        return looks, np.array(times), 1 / usual if usual else float(rate or USUAL_FPS), warnings


def run(options: argparse.Namespace, default_contenders: str) -> int:
    """The command."""
    keys, notes = wanted(options, default_contenders)
    clips = clips_of(options.video, options.fps)
    if options.plots and options.plots.suffix and (options.plots.suffix.lower() != '.png' or len(clips) > 1):
        raise InputError(f'--plots writes a folder of pictures, or a .png of one clip; {options.plots.name} is neither for {len(clips)}')
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    started = time.monotonic()
    files = {'network': options.weights, 'video_network': options.video_weights, 'program': program_weights(options)}
    report = {'command': ['main.py', *sys.argv[1:]], 'date': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
              'weights': {key: {'file': str(path), 'sha256': sha256(path)} for key, path in files.items() if path},
              'versions': {**versions(), 'torch': torch.__version__}, 'threads': options.threads, 'hands': options.hands or 1,
              'figures': MEANINGS, 'notes': notes, 'clips': {}, 'all': {}}
    if options.video_weights and files['program']:
        notes.append(f'our live running and --consistent use {files["program"].name}')
    for note in notes:
        print(note)
    of_kind: dict[str, dict[str, list[Record]]] = {}
    counts: dict[str, int] = {}
    sheets = []
    with Contenders(keys, options) as contenders:
        for clip in clips:
            sheet = Sheet(contenders.model) if options.page else None
            looks, times, fps, warnings = contenders.look(clip, sheet)
            records = records_of(looks, times, fps, clip.truth)
            made = clip_report(clip, records, looks, times, fps, warnings)
            report['clips'][clip.name] = made
            print(clip_text(clip.name, made), flush=True)
            if options.plots:
                print(f'{draw(options.plots, clip, records, len(clips))} written')
            if sheet is not None:
                sheets.append((clip.name, sheet.page()))
            counts[made['reference']] = counts.get(made['reference'], 0) + 1
            for key, parts in records.items():
                of_kind.setdefault(made['reference'], {}).setdefault(key, []).extend(parts)
    for kind, records in of_kind.items():
        figures = {key: figures_of(parts) for key, parts in records.items() if parts}
        report['all'][kind] = {'clips': counts[kind], 'contenders': figures, 'ratios': ratios_of(figures)}
        print(all_text(kind, report['all'][kind]), flush=True)
    report['seconds'] = round(time.monotonic() - started, 1)
    write_files((options.page, pages(sheets)) if sheets else None, options.json, report)
    return 0


def clip_report(clip: Clip, records: dict[str, list[Record]], looks: dict[str, list[list[Seen]]], times: np.ndarray, fps: float,
                warnings: list[str]) -> dict:
    """All of one clip, ready for JSON."""
    kind = 'mediapipe' if clip.truth is None else 'truth'
    figures = {key: figures_of(parts) for key, parts in records.items() if parts}
    nothing = [LABELS[key] for key in looks if key not in records]
    notes = list(warnings)
    if nothing:
        notes.append(f'no hand, or none near the reference\'s: {", ".join(nothing)}')
    common = sum(int(record.common.sum()) for record in next(iter(records.values()), ()))
    hands = max((len(parts) for parts in records.values()), default=0)
    return {'frames': len(times), 'fps': round(fps, 3), 'reference': kind, 'hands': hands,
            'common_frames': common, 'notes': notes, 'contenders': figures, 'ratios': ratios_of(figures)}


def draw(target: Path, clip: Clip, records: dict[str, list[Record]], clips: int) -> Path:
    """Plot one clip into its file, whose name comes back."""
    if clips == 1 and target.suffix:
        path = target
    else:
        try:
            target.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f'the folder {target} cannot be made ({error.strerror})') from error
        path = target / f'{clip.name.replace("/", "_")}.png'
    write_picture(path, plot(clip.name, records))
    return path
