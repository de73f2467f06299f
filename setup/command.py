"""`python main.py setup`: what pip's requirements cannot bring. `make setup` ends with it; on macOS and Windows it is run by hand."""
from __future__ import annotations

import argparse
from pathlib import Path

from setup.detector_model import ensure_detector
from setup.pyrender_package import ensure_pyrender


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the set-up."""
    parser.add_argument('--wheel', type=Path, metavar='FILE',
                        help='the mediapipe 0.10.21 wheel (manylinux, any machine may use it) when pip cannot reach a package index')


def run(args: argparse.Namespace) -> int:
    """Make what is missing and say where it lies. Returns the exit code."""
    ensure_pyrender()
    print(f'hand detector: {ensure_detector(args.wheel)}')
    return 0
