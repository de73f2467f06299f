"""`python main.py demo`: the main job on the bundled clip, and how far the result is from the truth that was rendered with it.

The clip and its truth are made by `benchmarks/demo_clip.py`, whose first lines list the truth's keys.
"""
from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.errors import InputError
from app.outputs.report import write_json
from app.reconstruct import reconstruct, summary
from app.reconstruct_settings import ReconstructSettings
from app.rendering.renderer import Mesh, Renderer
from app.types import Intrinsics

FOLDER = Path(__file__).resolve().parent.parent / 'assets' / 'demo'
CLIP, CAMERA, TRUTH = 'demo.mp4', 'demo_camera.json', 'demo_truth.npz'


@dataclass(frozen=True)
class Comparison:
    """The reconstruction against the truth, over the frames that have a right hand."""

    frames: int  # of the clip
    frames_with_hand: int
    joints_px: float  # mean distance of the projected joints
    joints_percent: float  # the same, of the longer side of the box around the true joints
    mpjpe_mm: float  # mean joint distance in 3D, both wrists put together
    pa_mpjpe_mm: float  # the same after the best turn, shift and scale
    depth_mm: float  # mean absolute error of the wrist's distance from the camera
    silhouette_iou: float  # mean overlap of the meshes' silhouettes, 0..1
    silhouette_iou_worst: float  # the fifth percentile over the frames
    wrong_side: int  # hands called left


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--out', type=Path, default=Path('out'), metavar='DIR', help='where DIR/demo/ is made')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')


def run(args: argparse.Namespace) -> int:
    """The command."""
    started = time.perf_counter()
    for name in (CLIP, CAMERA, TRUTH):
        if not (FOLDER / name).is_file():
            raise InputError(f'{FOLDER / name} is missing: fetch the project again, or make it with `python -m benchmarks.demo_clip`')
    settings = ReconstructSettings(intrinsics=FOLDER / CAMERA, hands=1)
    outcome = reconstruct(FOLDER / CLIP, args.out / 'demo', settings, progress=not args.quiet)
    print(summary(outcome))
    with np.load(FOLDER / TRUTH) as truth, np.load(outcome.folder / 'hands.npz') as hands:
        result = compare(dict(hands), dict(truth))
    write_json(outcome.folder / 'demo.json', result)
    print(table(result))
    print(f'All of it took {time.perf_counter() - started:.1f} s. Look at {outcome.folder / "overlay.mp4"}')
    return 0


def compare(hands: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> Comparison:
    """`hands`: the arrays of hands.npz; `truth`: those of demo_truth.npz. Raises InputError if no frame has a right hand."""
    total = len(truth['joints_3d'])
    side = hands['side'].astype(str)
    rows = [row for row in range(len(side)) if side[row] == 'right' and hands['frame'][row] < total]
    if not rows:
        raise InputError('No right hand was found in the demo clip, so there is nothing to compare.')
    frames = hands['frame'][rows]
    true_2d, true_3d = truth['joints_2d'][frames].astype(float), truth['joints_3d'][frames].astype(float)
    flat, solid = hands['joints_2d'][rows].astype(float), hands['joints_3d'][rows].astype(float)
    pixels = np.linalg.norm(flat - true_2d, axis=2).mean(1)
    box = np.ptp(true_2d, axis=1).max(1)
    rooted = np.linalg.norm((solid - solid[:, :1]) - (true_3d - true_3d[:, :1]), axis=2)
    aligned = np.array([np.linalg.norm(superimposed(a, b) - b, axis=1).mean() for a, b in zip(solid, true_3d)])
    matrix = truth['intrinsics']
    camera = Intrinsics(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2], True)
    height, width = truth['silhouette'].shape[1], truth['silhouette'].shape[2] * 8
    renderer, overlaps = Renderer(width, height), []
    for row, frame in zip(rows, frames):
        true = np.unpackbits(truth['silhouette'][frame], axis=1) > 0
        vertices = hands['vertices'][row]
        ours = renderer.silhouette([Mesh(vertices, hands['faces'], np.ones_like(vertices))], camera)
        overlaps.append((ours & true).sum() / max((ours | true).sum(), 1))
    depth = np.abs(solid[:, 0, 2] - true_3d[:, 0, 2])
    return Comparison(
        frames=total, frames_with_hand=len(set(frames.tolist())),
        joints_px=float(pixels.mean()), joints_percent=float((100 * pixels / box).mean()),
        mpjpe_mm=1e3 * float(rooted.mean()), pa_mpjpe_mm=1e3 * float(aligned.mean()), depth_mm=1e3 * float(depth.mean()),
        silhouette_iou=float(np.mean(overlaps)), silhouette_iou_worst=float(np.percentile(overlaps, 5)),
        wrong_side=int((side == 'left').sum()))


def superimposed(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Points (n, 3) turned, shifted and scaled to lie as near to `target` (n, 3) as they can (Umeyama 1991)."""
    a, b = points - points.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    turn = (u * sign) @ vt
    return (s * sign).sum() / (a * a).sum() * a @ turn.T + target.mean(0)


def table(result: Comparison) -> str:
    """What is printed."""
    lines = [
        ('frames with the hand', f'{result.frames_with_hand} of {result.frames}'),
        ('projected joints', f'{result.joints_px:.2f} px ({result.joints_percent:.2f} % of the hand) from the truth'),
        ('joints in 3D, wrists together', f'{result.mpjpe_mm:.1f} mm from the truth'),
        ('joints in 3D, best aligned', f'{result.pa_mpjpe_mm:.1f} mm from the truth'),
        ("the wrist's distance from the camera", f'{result.depth_mm:.0f} mm off'),
        ('silhouette', f'{result.silhouette_iou:.3f} overlap (IoU) with the true one, at worst {result.silhouette_iou_worst:.3f}'),
    ]
    if result.wrong_side:
        lines.append(('called a left hand', f'{result.wrong_side} times'))
    wide = max(len(name) for name, _ in lines)
    return '\n'.join(['Against the truth of the clip:', *(f'  {name:<{wide}}  {words}' for name, words in lines)])
