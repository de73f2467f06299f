"""`python main.py evaluate`: every published figure of a network on pictures with truth, beside its peers on the same pictures.

2D errors are those of the network's joints projected by its own camera; 3D joints and vertices are turned into the picture's camera as the
program does. All contenders get the same crop, cut around the known points; MediaPipe on whole pictures cuts its own.
"""
from __future__ import annotations

import argparse
import datetime
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from app.detector_file import sha256
from app.errors import InputError
from app.outputs.report import versions
from app.regression import WEIGHTS
from models.hand_model import HandModel
from training import evaluation_video
from training.evaluation_answers import LABELS, Contenders
from training.evaluation_export import write_predictions
from training.evaluation_figures import measure
from training.evaluation_page import page, set_sheet
from training.evaluation_rendered import read_rendered
from training.evaluation_report import MEANINGS, check_files, set_text, write_files
from training.evaluation_sets import EvaluationSet, evenly
from training.evaluation_truth import read_manifest, read_official, read_stereo, read_truth

SPEED_RUNS = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group('what to evaluate on (each may be given several times)')
    many = {'action': 'append', 'type': Path, 'default': [], 'metavar': 'DIR'}
    data.add_argument('--truth', **many, help='folder with gt.jsonl: image, K, xyz_mm, uv (measured joints)')
    data.add_argument('--stereo', **many, help='folder with a stereo recording: gt.jsonl, cameras.json, two clips')
    data.add_argument('--rendered', **many, help='shards of rendered pictures (python -m training.renders), a folder or one file')
    data.add_argument('--pictures', **{**many, 'metavar': 'MANIFEST'}, help='manifest of pictures with detected 2D points, or its folder')
    data.add_argument('--freihand', **many, help='FreiHAND as it is unpacked')
    data.add_argument('--ho3d', **many, help='HO-3D, version 2 or 3, as it is unpacked')
    parser.add_argument('--split', default='val', help='which split of the manifests')
    parser.add_argument('--official-split', choices=('evaluation', 'training'), default='evaluation',
                        help='which part of FreiHAND and HO-3D')
    parser.add_argument('--side', choices=('right', 'left'),
                        help='side of the hands of --truth whose rows name none; without it, their bend tells')
    parser.add_argument('--weights', type=Path, default=WEIGHTS, help='network: .onnx, or a .safetensors checkpoint')
    parser.add_argument('--contenders', default=','.join(LABELS),
                        help=f'which of these are measured; with --video, which of {",".join(evaluation_video.LABELS)}')
    parser.add_argument('--crop', choices=('given', 'detected'), default='given',
                        help='cut around the known points, or around those that MediaPipe finds in the whole picture, where it does')
    parser.add_argument('--limit', type=int, help='at most this many pictures of each set, evenly spread')
    parser.add_argument('--draw', type=int, default=300,
                        help='at most this many pictures of each set are drawn and compared (PSNR, silhouette)')
    parser.add_argument('--threads', type=int, default=2, help='of the network')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write every figure to this file')
    parser.add_argument('--page', type=Path, metavar='FILE',
                        help='write a page of pictures (.png or .jpg): best, middle and worst of each set; of clips, frames of each')
    parser.add_argument('--page-rows', type=int, default=3, help='pictures of each kind on the page')
    parser.add_argument('--pred', type=Path, metavar='FILE',
                        help='write pred.json (or a .zip with it) of the one set, as FreiHAND and HO-3D want it')
    parser.add_argument('--pred-of', choices=('network', 'refined'), default='network', help='whose answers go into it')
    evaluation_video.add_arguments(parser)


def wanted_contenders(text: str) -> tuple[str, ...]:
    """The keys of a comma-separated list. Raises InputError for an unknown one."""
    keys = tuple(dict.fromkeys(part.strip() for part in text.split(',') if part.strip()))
    unknown = [key for key in keys if key not in LABELS]
    if unknown or not keys:
        raise InputError(f'--contenders knows {", ".join(LABELS)}, not {", ".join(unknown) or "nothing"}')
    return keys


def sets_of(options: argparse.Namespace) -> list[EvaluationSet]:
    """Read all that was asked for. Raises InputError if that is nothing."""
    limit = options.limit
    sets = [read_truth(folder, limit, options.side) for folder in options.truth]
    sets += [read_stereo(folder, limit) for folder in options.stereo]
    sets += [read_rendered(folder, limit) for folder in options.rendered]
    sets += [read_manifest(path, options.split, limit) for path in options.pictures]
    official = options.official_split
    sets += [read_official('freihand', folder, official, limit) for folder in options.freihand]
    sets += [read_official('ho3d', folder, official.replace('training', 'train'), limit) for folder in options.ho3d]
    if not sets:
        raise InputError('there is nothing to evaluate on; give --truth, --pictures, --rendered, --stereo, --freihand, --ho3d or --video')
    return sets


def crop_milliseconds(contenders: Contenders) -> float:
    """Median time in milliseconds of the network for one crop."""
    crop = np.random.default_rng(0).integers(0, 255, (1, contenders.network.size, contenders.network.size, 3), np.uint8)
    times = []
    for _ in range(SPEED_RUNS):
        start = time.perf_counter()
        contenders.network(crop)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def check(options: argparse.Namespace, keys: tuple[str, ...]) -> None:
    """Raise InputError for options that cannot be, before anything is worked out."""
    for name, least in (('limit', 1), ('draw', 0), ('threads', 1), ('page_rows', 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise InputError(f'--{name.replace("_", "-")} must be at least {least}, not {value}')
    check_files(options.page, options.json, options.pred)
    if options.page and 'network' not in keys:
        raise InputError('--page shows the network; have it among the --contenders')
    if options.pred and options.pred_of not in keys:
        raise InputError(f'--pred writes the answers of {options.pred_of}; have it among the --contenders')
    if options.pred and options.limit:
        raise InputError('--pred needs every picture of the set; leave out --limit')


def run(options: argparse.Namespace) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    defaults = parser.parse_args([])
    evaluation_video.check(options, defaults)
    if options.video:
        return evaluation_video.run(options, defaults.contenders)
    keys = wanted_contenders(options.contenders)
    check(options, keys)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)  # small batches: more threads wait for each other more than they help
    started = time.monotonic()
    sets = sets_of(options)
    if options.pred and len(sets) > 1:
        raise InputError(f'--pred writes one set, not {len(sets)}; evaluate them one by one')
    blind = any(not s.seen.any() for chosen in sets for s in chosen.samples)
    contenders = Contenders(options.weights, keys, options.threads, options.crop, blind)
    report = {'command': ['main.py', *sys.argv[1:]], 'date': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
              'weights': {'file': str(options.weights), 'sha256': sha256(options.weights)},
              'versions': {**versions(), 'torch': torch.__version__}, 'milliseconds_a_crop': crop_milliseconds(contenders),
              'threads': options.threads, 'crop': options.crop, 'figures': MEANINGS, 'sets': {}}
    sheets, hand = [], HandModel.load()
    try:
        for chosen in sets:
            draw = np.zeros(len(chosen.samples), bool)
            draw[evenly(len(draw), options.draw)] = options.draw > 0
            seen = contenders.look(chosen, draw)
            figures, rows = measure(chosen, seen)
            report['sets'][unused(chosen.name, report['sets'])] = figures
            print(set_text(chosen.name, figures), flush=True)
            if options.pred:
                print(write_predictions(options.pred, chosen, seen.answers[options.pred_of]))
            if options.page and (sheet := set_sheet(chosen, rows['network'], contenders.network, hand, options.page_rows)) is not None:
                sheets.append(sheet)
    finally:
        contenders.close()
    report['seconds'] = round(time.monotonic() - started, 1)
    print(f'{options.weights.name}, {report["milliseconds_a_crop"]:.1f} ms a crop at {options.threads} threads; '
          f'{report["seconds"]:.0f} s in all')
    write_files((options.page, page(sheets)) if sheets else None, options.json, report)
    return 0


def unused(name: str, taken: dict) -> str:
    """`name`, numbered if another set has it already."""
    return next(n for n in (name, *(f'{name} {k}' for k in range(2, 1000))) if n not in taken)
