"""The networks that ours is compared with, as ONNX files: made once, in a process of its own, since that needs torch.

    python -m benchmarks.bench.peers FOLDER    (the child)

EfficientNet-b0 with this project's own regressor, hand model, skinning and texture, weights random: for timing only. And the layout of
MediaPipe's landmark network, whose 21 points are all that MediaPipe Hands runs for a hand that it follows.
"""
from __future__ import annotations

import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from app.detector_file import cache_folder

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = {'efficientnet-b0': 'EfficientNet-b0', 'landmarks': "MediaPipe's landmark network, points only"}
LONGEST = 900.0  # seconds


class NoPeers(Exception):
    """The peers could not be made; the message says why."""


def peer_graphs() -> dict[str, Path]:
    """Name -> ONNX file, from the cache folder if they were made before by the same code. Raises NoPeers."""
    sources = [path for part in ('models', 'export') for path in sorted((ROOT / part).rglob('*.py'))] + [Path(__file__)]
    key = sha256(b''.join(path.read_bytes() for path in sources)).hexdigest()[:16]
    folder = cache_folder() / 'bench' / key
    files = {name: folder / f'{name}.onnx' for name in NAMES}
    if not all(path.is_file() for path in files.values()):
        try:
            done = subprocess.run([sys.executable, '-m', __name__, str(folder)], capture_output=True, text=True, timeout=LONGEST, cwd=ROOT)
        except subprocess.TimeoutExpired as error:
            raise NoPeers(f'exporting them took more than {LONGEST:.0f} s') from error
        if done.returncode:
            raise NoPeers((done.stderr.strip().splitlines() or ['exporting them failed'])[-1])
        for old in folder.parent.glob('[0-9a-f]' * len(key)):  # what earlier code made, 40 MB each
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
    return files


def make(folder: Path) -> None:
    """Write the graphs into `folder`. Needs torch."""
    import torch
    from torch import nn

    from export.onnx_export import export_onnx
    from models.landmark_trunk import LandmarkTrunk
    from models.s2hand import S2Hand

    class Points(nn.Module):
        """The landmark network's own way: one end, four heads."""

        def __init__(self) -> None:
            super().__init__()
            self.trunk = LandmarkTrunk()

        def forward(self, crop: torch.Tensor) -> tuple[torch.Tensor, ...]:
            x = self.trunk.begin(crop)
            for block in self.trunk.blocks:
                x = block(x)
            x = x.mean((2, 3))
            return self.trunk.points(x), self.trunk.world(x), self.trunk.presence(x).sigmoid(), self.trunk.right(x).sigmoid()

    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    export_onnx(S2Hand('efficientnet-b0').eval(), folder / 'efficientnet-b0.onnx', {'name': 'random weights, for timing'})
    points = Points().eval()
    torch.onnx.export(points, (torch.rand(2, 3, 224, 224),), str(folder / 'landmarks.part'), input_names=['crop'],
                      output_names=['points', 'world', 'presence', 'right'], dynamo=True, verbose=False, external_data=False,
                      dynamic_shapes=({0: torch.export.Dim('batch', min=1, max=4096)},))
    (folder / 'landmarks.part').rename(folder / 'landmarks.onnx')


if __name__ == '__main__':
    make(Path(sys.argv[1]))
