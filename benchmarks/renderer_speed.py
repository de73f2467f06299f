"""How fast the differentiable renderer is: 32 open hands forward and backward, beside the numpy rasteriser and pyrender in the same run.

    python -m benchmarks.renderer_speed [--rounds 5] [--json FILE]

The peers draw the same hands one by one, without gradients and without a soft silhouette. Rounds alternate; the best and the median of
each are printed. The machine may be busy with other things: look at the ratios, and at the best round.
"""
from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.rendering import Mesh, Renderer
from app.types import Intrinsics
from models.camera import FOCAL
from models.hand_model import HandModel
from models.renderer import lit, render
from training.rasteriser import rasterise

BATCH = 32
LIGHT = (0.5, 0.6, 1, 1, 1, 1, 1, 1, 0.3, 0.4, 1.0)


def hands(model: HandModel, count: int = BATCH) -> Tensor:
    """(count, N, 3) hands in various poses and shapes that fill much of the crop."""
    rng = torch.Generator().manual_seed(0)
    pose = 0.2 * torch.randn(count, 16, 3, generator=rng)
    pose[:, 0] = torch.tensor([0, np.pi, 0.3]) + 0.4 * torch.randn(count, 3, generator=rng)
    vertices = model(pose, torch.randn(count, 10, generator=rng)).vertices
    return vertices - vertices.mean(1, keepdim=True) + torch.tensor([0, 0, 0.6])


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Milliseconds and the result."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start), result


def ours(vertices: Tensor, faces: Tensor, colours: Tensor, size: int) -> dict[str, float]:
    """Milliseconds of one batch, forward and backward, and of the picture alone."""
    vertices, colours = vertices.clone().requires_grad_(), colours.clone().requires_grad_()
    forward, drawn = timed(lambda: render(vertices, faces, colours, size=size, focal=FOCAL * size))
    loss = drawn.colour.mean() + drawn.silhouette.mean() + drawn.depth.mean()
    backward, _ = timed(loss.backward)
    with torch.no_grad():
        picture, _ = timed(lambda: render(vertices, faces, colours, size=size, focal=FOCAL * size, soft=False))
    return {'forward': forward, 'backward': backward, 'picture alone': picture}


def numpy_rasteriser(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray, size: int) -> None:
    """One hand with interpolated colours."""
    points = np.concatenate([vertices[:, :2] / vertices[:, 2:] * (FOCAL * size) + (size - 1) / 2, vertices[:, 2:]], 1)
    picture = np.zeros((size * size, 3), np.float32)
    fragments = rasterise(points, faces, size, size)
    picture[fragments.pixels] = fragments.interpolate(colours, faces)


def peers(vertices: np.ndarray, faces: np.ndarray, colours: np.ndarray, size: int) -> dict[str, float]:
    """Milliseconds of the same batch, hand by hand."""
    camera, renderer = Intrinsics(FOCAL * size, FOCAL * size, (size - 1) / 2, (size - 1) / 2), Renderer(size, size)
    return {'numpy rasteriser': timed(lambda: [numpy_rasteriser(v, faces, c, size) for v, c in zip(vertices, colours)])[0],
            'pyrender': timed(lambda: [renderer.render([Mesh(v, faces, c)], camera) for v, c in zip(vertices, colours)])[0]}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    model = HandModel.load()
    vertices = hands(model)
    colours = lit(model.albedo.expand(BATCH, -1, -1), vertices, model.faces, torch.tensor([LIGHT]).expand(BATCH, -1))
    arrays = vertices.numpy(), model.faces.numpy(), colours.numpy()
    report: dict = {'batch': BATCH, 'faces': len(model.faces), 'milliseconds': {}}
    places = [('cpu', 1), ('cpu', 2)] + ([('cuda', 1)] if torch.cuda.is_available() else [])
    for size in (112, 224):
        rounds: dict[str, list[float]] = {}
        for _ in range(args.rounds + 1):
            for device, threads in places:
                torch.set_num_threads(threads)
                name = f'{threads} thread{"s" * (threads > 1)}' if device == 'cpu' else torch.cuda.get_device_name()
                for part, value in ours(vertices.to(device), model.faces.to(device), colours.to(device), size).items():
                    rounds.setdefault(f'torch, {name}, {part}', []).append(value)
            for part, value in peers(*arrays, size).items():
                rounds.setdefault(part, []).append(value)
        print(f'{BATCH} hands of {len(model.faces)} faces, {size} x {size} pixels: ms, best and median of {args.rounds}')
        for part, values in rounds.items():
            best, median = min(values[1:]), float(np.median(values[1:]))  # the first round warms up
            report['milliseconds'].setdefault(str(size), {})[part] = {'best': round(best, 1), 'median': round(median, 1)}
            print(f'  {part:40} {best:8.1f} {median:8.1f}')
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
