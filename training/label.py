"""`python main.py label INPUT... --out SET`: pictures, folders and videos in; crops of hands with points and a manifest out.

The manifest's form stands in `training/manifest.py`. It gets its name last, so a run that was interrupted leaves none; the next run
writes over its crops. What is done to new pictures stands in `label_clips.py`, to the rows of a manifest in `label_rows.py`.
"""
from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import InputError
from app.outputs.atomic import one_sentence, whole_file
from app.outputs.folder import prepare_folder
from app.regression import Provider

if TYPE_CHECKING:  # loaded when there is work to do, so that --help answers at once
    from app.detection import Detector
    from training.label_inputs import Clip
    from training.label_points import Labeller
    from training.label_splits import SplitRule

MANIFEST, SUMMARY, PICTURES = 'manifest.jsonl', 'summary.json', 'pictures'
NEW_SPLIT = 'val:0.2'  # of new pictures, unless the person says
MANIFEST_ENDINGS = ('.jsonl', '.ndjson')


@dataclass(frozen=True)
class LabelSettings:
    """Everything that decides what a run writes."""

    out: Path  # folder of the set
    split: str | None = None  # 'train', 'val:0.2'; None: new pictures 'val:0.2', rows of a manifest keep theirs
    licence: str = 'unknown'
    open: bool = False  # whether the licence lets weights trained on the pictures be passed on
    person: str = ''  # all inputs show this one person
    unrelated: bool = False  # the pictures of a folder show different people
    every: int | None = None  # take every n-th frame; None: about five a second
    still: float = 0.02  # of the hand box: a hand that moved less since its last kept frame is left out
    mirror: bool = False  # clips and pictures are mirror images (selfies); they are flipped first
    hands: int = 2  # at most this many in a picture
    size: int = 256  # pixels; larger crops are shrunk to it
    around: float = 1.8  # side of the crop over the hand box
    looks: int = 5  # of the network at each hand
    smallest: float = 40.0  # pixels of the hand box's longer side
    keep_points: bool = False  # of manifests
    append: bool = False
    overwrite: bool = False
    weights: Path | None = None
    provider: Provider = 'auto'
    threads: int | None = None
    quiet: bool = False


@dataclass
class Outcome:
    """What a run did."""

    rows: list[dict] = field(default_factory=list)  # new ones
    dropped: Counter = field(default_factory=Counter)  # reason: hands, or frames where it says so
    pictures: int = 0  # frames and rows looked at
    seconds: float = 0.0
    divided: bool = False  # whether sources were divided among splits by this run
    warnings: list[str] = field(default_factory=list)

    def summary(self) -> dict:
        """What `summary.json` holds."""
        return {
            'kept': len(self.rows), 'dropped': dict(self.dropped.most_common()), 'pictures_looked_at': self.pictures,
            'pictures_per_second': round(self.pictures / self.seconds, 2) if self.seconds else None,
            'splits': dict(Counter(row['split'] for row in self.rows)),
            'sides': dict(Counter(row['side'] for row in self.rows)),
            'with_depth': sum(row.get('depth') is not None for row in self.rows),
            'sources': len({row['source'] for row in self.rows}), 'sessions': len({row.get('session', row['source']) for row in self.rows}),
            'warnings': self.warnings}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    usual = LabelSettings(Path())
    add = parser.add_argument
    add('inputs', nargs='+', type=Path, metavar='INPUT',
        help='pictures, videos, folders with them (also in sub-folders), a manifest (.jsonl), FreiHAND or HO-3D')
    add('--out', type=Path, required=True, metavar='SET', help='folder of the set; it gets manifest.jsonl, summary.json and pictures/')
    add('--split', default=None, help="'train', 'val', or 'val:0.2': a fifth of the sources, never single frames of one "
                                      "(new pictures: val:0.2; rows of a manifest keep theirs)")
    add('--licence', default=usual.licence, help='recorded in every row')
    add('--open', action='store_true', help='the licence lets weights that were trained on the pictures be passed on')
    add('--person', default='', metavar='NAME', help='all inputs show this one person: one source, one session, one split')
    add('--unrelated', action='store_true', help='the pictures of a folder show different people, so they may go to different splits')
    add('--every', type=int, default=None, metavar='N', help='take every n-th frame of a clip; about five a second unless given')
    add('--still', type=float, default=usual.still, help='leave out a hand whose points moved less than this since its last kept '
                                                         'frame, in parts of its box; 0 keeps all')
    add('--mirror', action='store_true', help='pictures and clips are mirror images (selfies); they are flipped first')
    add('--hands', type=int, default=usual.hands, help='at most this many hands in a picture')
    add('--size', type=int, default=usual.size, help='larger crops are shrunk to this many pixels')
    add('--around', type=float, default=usual.around, help="side of the crop over the longer side of the hand's box")
    add('--looks', type=int, default=usual.looks, help='of the network at each hand; their mean is the label, their spread its uncertainty')
    add('--smallest', type=float, default=usual.smallest, help="hands whose box's longer side has fewer pixels are dropped")
    add('--keep-points', action='store_true', help='of manifests: keep their points, add only what is missing')
    add('--append', action='store_true', help='add to the set that is there')
    add('--overwrite', action='store_true', help='replace the set that is there')
    add('--weights', type=Path, default=None, help='an exported network; the one that ships unless given')
    add('--provider', choices=('auto', 'tensorrt', 'cuda', 'openvino', 'cpu'), default=usual.provider,
        help='what the network should run on')
    add('--threads', type=int, default=None, help='of the network; all cores, at most 4, unless given; half of them with OpenVINO')
    add('--quiet', action='store_true', help='no progress bar')


def run(args: argparse.Namespace) -> int:
    """The command. An input that cannot be used, or shows no hand, is named at the end with exit code 2; the others are in the set."""
    inputs = args.inputs
    settings = LabelSettings(**{key: value for key, value in vars(args).items() if key != 'inputs'})
    outcome = label(inputs, settings)
    print(printed(outcome, settings))
    if outcome.warnings:
        raise InputError('\n'.join(outcome.warnings))
    return 0


def label(inputs: list[Path], settings: LabelSettings) -> Outcome:
    """Make or extend a set. Raises InputError for whatever a person can mend; then there is no new manifest."""
    from app.detection import Detector
    from app.regression import Regressor
    from training.label_inputs import clips_of
    from training.label_points import Labeller
    from training.label_sets import reader_of
    from training.label_splits import SplitRule

    check(settings)
    rule = SplitRule.parse(settings.split or NEW_SPLIT)
    before = rows_before(settings)
    sets = [path for path in inputs if path.suffix.lower() in MANIFEST_ENDINGS or reader_of(path)]
    inside = next((path for path in inputs if path.resolve().is_relative_to(settings.out.resolve())), None)
    if inside:
        raise InputError(f'{inside} belongs to the set {settings.out} itself; choose another folder for --out')
    clips = [clip for clip in clips_of([path for path in inputs if path not in sets], settings.person)
             if not clip.path.resolve().is_relative_to(settings.out.resolve())]  # a set inside a folder of clips
    prepare_folder(settings.out)
    if settings.overwrite:
        remove_set(settings.out)
    outcome = Outcome()
    regressor = Regressor(settings.weights, settings.provider, settings.threads)
    if regressor.note:
        print(regressor.note, file=sys.stderr)
    labeller = Labeller(regressor, settings.looks)
    started = time.perf_counter()
    with Detector(settings.hands) as detector:
        for path in sets:
            label_set(path, settings, rule, labeller, detector, outcome)
        label_clips(clips, settings, rule, labeller, detector, {row['file'] for row in before}, outcome)
    outcome.seconds = time.perf_counter() - started
    if not outcome.rows:
        raise InputError('; '.join([*outcome.warnings, f'there is nothing for a manifest{reasons(outcome)}']))
    write_set(before, outcome, settings)
    return outcome


def label_set(path: Path, settings: LabelSettings, rule: SplitRule, labeller: Labeller, detector: Detector, outcome: Outcome) -> None:
    """Rows of a manifest, or of FreiHAND or HO-3D, completed or labelled anew."""
    from tqdm import tqdm

    from training.label_rows import Limits, labelled_rows
    from training.label_sets import reader_of, rows_of
    from training.manifest import check_files, read_rows

    reader = reader_of(path)
    rows = rows_of(reader(settings.every), rule, settings.licence, settings.open) if reader else read_rows(path)
    check_files((path.parent / row['file'] for row in rows), path)
    with tqdm(rows, desc=path.name[:30], unit=' pictures', disable=settings.quiet, dynamic_ncols=True) as given:
        made = labelled_rows(given, path.parent, settings.out, labeller, Limits(smallest=settings.smallest), settings.keep_points,
                             outcome.dropped, detector)
        outcome.rows += [{**row, 'split': rule.of(row['source'])} if settings.split and not reader else row for row in made]
    outcome.pictures += len(rows)


def label_clips(clips: list[Clip], settings: LabelSettings, rule: SplitRule, labeller: Labeller, detector: Detector, taken: set[str],
                outcome: Outcome) -> None:
    """Rows of videos and pictures; one that cannot be read is named in the warnings, and the others are done."""
    from training.label_clips import ClipLabeller, ClipSettings
    from training.label_rows import Limits

    names = ('out', 'licence', 'open', 'unrelated', 'every', 'still', 'mirror', 'size', 'around', 'quiet')
    same = {name: getattr(settings, name) for name in names}
    worker = ClipLabeller(ClipSettings(rule=rule, limits=Limits(smallest=settings.smallest), **same), labeller, detector, taken)
    for clip in clips:
        try:
            rows, warnings = worker(clip)
        except InputError as error:
            if isinstance(error.__cause__, OSError) and 'could not be written' in str(error):  # the next clip could not be written either
                raise
            outcome.warnings.append(str(error))
        else:
            outcome.rows += rows
            outcome.warnings += warnings
    outcome.divided |= bool(clips)
    outcome.dropped += worker.dropped
    outcome.pictures += worker.frames


def write_set(before: list[dict], outcome: Outcome, settings: LabelSettings) -> None:
    """Write the summary, then the manifest. Raises InputError when a session would be in two splits, and where the disk refuses."""
    from training.label_splits import torn_sessions
    from training.manifest import write_rows

    rows = [*before, *outcome.rows]
    there = {row['file'] for row in before}
    twice = [row['file'] for row in outcome.rows if row['file'] in there]
    if twice:
        raise InputError(f'{len(twice)} of the pictures are in the set already, the first is {twice[0]}; leave them out')
    torn = torn_sessions(rows)
    if torn:
        raise InputError(f'{len(torn)} sessions would be in two splits, the first is {torn[0]}; give all of their pictures one --split')
    options = {key: str(value) if isinstance(value, Path) else value for key, value in vars(settings).items()}
    with whole_file(settings.out / SUMMARY) as file:
        file.write((json.dumps({**outcome.summary(), 'rows_in_all': len(rows), 'settings': options}, indent=1) + '\n').encode())
    write_rows(settings.out / MANIFEST, rows)


def check(settings: LabelSettings) -> None:
    """Raise InputError for options that make no sense, and for a set that is there already."""
    for name, least in (('every', 1), ('hands', 1), ('looks', 1), ('size', 32), ('around', 1.0), ('still', 0.0), ('smallest', 1.0),
                        ('threads', 1)):
        value = getattr(settings, name)
        if value is not None and not value >= least:
            raise InputError(f'--{name} {value} is not possible; give {least} or more')
    if settings.append and settings.overwrite:
        raise InputError('--append and --overwrite contradict each other; give one of them')
    if (settings.out / MANIFEST).exists() and not settings.append and not settings.overwrite:
        raise InputError(f'there is a set in {settings.out} already; add to it with --append, replace it with --overwrite, '
                         'or choose another folder')


def rows_before(settings: LabelSettings) -> list[dict]:
    """The rows of the set that is appended to."""
    from training.manifest import read_rows
    path = settings.out / MANIFEST
    return read_rows(path) if settings.append and path.exists() else []


def remove_set(folder: Path) -> None:
    """Remove an earlier set's manifest first, then the crops it names that lie in its own folder; nothing else."""
    from training.manifest import read_rows
    path = folder / MANIFEST
    if not path.exists():
        return
    try:
        names = [row['file'] for row in read_rows(path)]
    except InputError:  # a manifest that cannot be read names nothing that could be removed
        names = []
    with one_sentence(path):
        path.unlink()
        for name in names:
            if name.startswith(f'{PICTURES}/') and '..' not in Path(name).parts:
                (folder / name).unlink(missing_ok=True)


def reasons(outcome: Outcome) -> str:
    """'; dropped: 3 hand too small, ...'"""
    return f' ({", ".join(f"{number} x {reason}" for reason, number in outcome.dropped.most_common())})' if outcome.dropped else ''


def printed(outcome: Outcome, settings: LabelSettings) -> str:
    """What is printed at the end."""
    summary = outcome.summary()
    splits = ', '.join(f'{number} {name}' for name, number in summary['splits'].items())
    lines = [f'{summary["kept"]} hands kept ({splits}) from {summary["pictures_looked_at"]} pictures, {summary["sources"]} sources, '
             f'{summary["sessions"]} sessions; {summary["pictures_per_second"]} pictures per second.']
    lines += [f'  {number:6} x {reason}' for reason, number in summary['dropped'].items()]
    if outcome.divided and len(summary['splits']) == 1 and settings.split is None and not settings.append:
        lines.append(f"All of it is '{splits.split()[-1]}', because a source is never divided; --split train decides otherwise.")
    lines.append(f'The manifest is {settings.out / MANIFEST}')
    return '\n'.join(lines)
