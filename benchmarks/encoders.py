"""Which encoder is best for the same time: each learns the same hands from the same pictures for so many minutes, then is measured.

    python -m benchmarks.encoders [--minutes 6] [--encoders resnet18-half,efficientnet-b0,landmark] [--json FILE]

ResNet-18 of half the width (128 px) and EfficientNet-b0 (224 px) start from nothing and learn end to end; the landmark trunk starts from
MediaPipe's weights, its first blocks frozen. All learn from 2D points, depths, fits and rendered pictures (the last row of the ablation
without its photometric terms). The time is processor time of the training's one thread, a fair clock on a machine that others use too; the
steps that fit into it are found by timing a few.
"""
from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from app.errors import exit_code
from benchmarks.ablation import FIGURES, ROOT, figure, measured, table
from export.onnx_export import export_onnx, metadata_of
from models.checkpoint import load_checkpoint
from training.config import Config, read_config
from training.train import train

FROZEN = {'landmark': 11}
PROBE = 8  # steps that are timed


def settings_of(base: Config, encoder: str, steps: int, out: Path) -> Config:
    """The settings for one encoder."""
    stage = base.stages[0]
    weights = replace(stage.losses, photometric=0.0, outliers=0.0, smoothness=0.0)
    parts = ('encoder', 'decoder') if encoder in FROZEN else ('encoder', 'branch', 'decoder')  # the landmark trunk knows its points
    stage = replace(stage, steps=steps, losses=weights, frozen_blocks=FROZEN.get(encoder, 0), parts=parts,
                    encoder_rate=0.5 if encoder in FROZEN else 1.0,
                    precision='float32' if encoder in FROZEN else stage.precision)  # bf16 makes its depthwise convolutions slower
    return replace(base, encoder=encoder, out=str(out), threads=1, stages=(stage,), data=replace(base.data, rendered_validation=''))


def seconds_of(base: Config, encoder: str, steps: int, folder: Path) -> float:
    """Processor seconds that a run of so many steps takes; what it leaves in `folder` serves the next one."""
    (folder / 'state.pt').unlink(missing_ok=True)
    started = time.process_time()
    train(settings_of(base, encoder, steps, folder))
    return time.process_time() - started


def milliseconds(checkpoint: Path) -> float:
    """Median time of one crop in ONNX Runtime at one thread."""
    network = load_checkpoint(checkpoint)
    graph = checkpoint.with_suffix('.onnx')
    export_onnx(network, graph, metadata_of(checkpoint, network))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session, times = ort.InferenceSession(str(graph), options, providers=['CPUExecutionProvider']), []
    crop = np.random.default_rng(0).random((1, 3, network.size, network.size), np.float32)
    for _ in range(40):
        started = time.perf_counter()
        session.run(None, {'crop': crop})
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--minutes', type=float, default=6.0, help='of processor time for the training of each encoder')
    parser.add_argument('--encoders', default='resnet18-half,efficientnet-b0,landmark')
    parser.add_argument('--config', type=Path, default=ROOT / 'training' / 'small.toml')
    parser.add_argument('--out', type=Path, default=ROOT / 'runs' / 'encoders')
    parser.add_argument('--json', type=Path, help='write the figures to this file too')
    options = parser.parse_args()
    base, lines = read_config(options.config), []
    for encoder in options.encoders.split(','):
        probe = options.out / f'{encoder}-probe'
        seconds_of(base, encoder, 1, probe)  # fits are made and kept, everything is read once
        few, more = (seconds_of(base, encoder, steps, probe) for steps in (PROBE, 3 * PROBE))
        step = max(more - few, 1e-3) / (2 * PROBE)
        config = settings_of(base, encoder, max(1, int(60 * options.minutes / step)), options.out / encoder)
        shutil.rmtree(config.out, ignore_errors=True)
        checkpoint = train(config)
        sets = measured(checkpoint, base.data.rendered_validation, Path(config.out) / 'figures.json')
        lines.append({'encoder': encoder, 'examples seen': config.stages[0].steps * config.stages[0].batch,
                      'ms a crop': milliseconds(checkpoint), **{title: figure(sets, part, name) for part, name, title in FIGURES}})
        print(json.dumps(lines[-1]), flush=True)
    print(table('encoder', [(line['encoder'], line) for line in lines], ('examples seen', 'ms a crop')))
    if options.json:
        options.json.write_text(json.dumps(lines, indent=1))


if __name__ == '__main__':
    sys.exit(exit_code(main))
