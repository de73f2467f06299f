"""How well the network alone lays its joints on detected points, and how good its 3D is, beside the landmark network it grew from.

    python -m benchmarks.network_2d [--weights FILE.onnx] [--json FILE]

2D: validation pictures (sources not trained on), plain crops, no refinement; distance to the detected points in per cent of the hand box.
3D: pictures with measured joints (`truth/fridge`), PA-MPJPE in mm; the peer is the landmark network's world points on the same crops.
Both networks get the crop around the known points, mirrored if the hand is a left one.
"""
from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import torch

from app.crop import crop_from_points, cut, to_crop
from app.detector_file import detector_path
from models.landmark_trunk import LandmarkTrunk
from training.import_trunk import read_landmark_file, trunk_weights
from training.metrics import box_percent, pa_mpjpe
from training.data_folder import MANIFEST, data_folder
from training.pictures import read_pictures

ROOT = Path(__file__).resolve().parent.parent
BATCH = 16


def landmark_network() -> LandmarkTrunk:
    """The peer: MediaPipe's landmark network as it is."""
    trunk = LandmarkTrunk()
    trunk.load_state_dict(trunk_weights(read_landmark_file(detector_path())))
    return trunk.eval()


def answers(session: ort.InferenceSession, peer: LandmarkTrunk, crops: np.ndarray) -> dict[str, np.ndarray]:
    """Both networks on crops (n, S, S, 3) uint8."""
    names = ['joints_2d', 'joints_3d', 'points', 'presence']
    parts = {name: [] for name in (*names, 'peer_points', 'peer_world')}
    for start in range(0, len(crops), BATCH):
        batch = np.ascontiguousarray(crops[start:start + BATCH].transpose(0, 3, 1, 2), np.float32) / 255
        for name, value in zip(names, session.run(names, {'crop': batch})):
            parts[name].append(value)
        with torch.inference_mode():
            seen = peer.landmarks(peer(torch.from_numpy(batch))[0])
        parts['peer_points'].append(seen.points.numpy())
        parts['peer_world'].append(seen.world.numpy())
    return {name: np.concatenate(values) for name, values in parts.items()}


def measure_pictures(session: ort.InferenceSession, peer: LandmarkTrunk) -> dict[str, float]:
    """2D figures on the validation pictures."""
    crops, points, sources = [], [], []
    for picture in read_pictures('val'):
        right = picture.right()
        crop = crop_from_points(right.points, 'right', 224)
        crops.append(cut(picture.read_right(), crop))
        points.append(to_crop(right.points, crop))
        sources.append(picture.source)
    found = answers(session, peer, np.stack(crops))
    errors = {name: np.array([box_percent(a[:, :2], b) for a, b in zip(found[key], points)])
              for name, key in (('mesh', 'joints_2d'), ('branch', 'points'), ('peer', 'peer_points'))}
    figures = {'pictures': len(crops)}
    for name, error in errors.items():
        figures |= {f'{name}_2d_percent': float(error.mean()), f'{name}_2d_percent_median': float(np.median(error)),
                    f'{name}_2d_percent_p90': float(np.percentile(error, 90))}
    figures['worst_source'], figures['worst_source_2d_percent'] = max(
        ((s, float(errors['mesh'][np.array(sources) == s].mean())) for s in sorted(set(sources))), key=lambda pair: pair[1])
    return figures


def measure_truth(session: ort.InferenceSession, peer: LandmarkTrunk, folder: Path) -> dict[str, float]:
    """3D figures on pictures of left hands with measured joints, mirrored."""
    crops, truth = [], []
    for line in (folder / 'gt.jsonl').read_text().splitlines():
        row = json.loads(line)
        image = np.ascontiguousarray(cv2.imread(str(folder / row['image']))[:, ::-1, ::-1])
        points = np.array(row['uv'], float)
        points[:, 0] = image.shape[1] - 1 - points[:, 0]
        crops.append(cut(image, crop_from_points(points, 'right', 224)))
        truth.append(np.array(row['xyz_mm']) * (-1, 1, 1))
    found = answers(session, peer, np.stack(crops))
    figures = {'pictures': len(crops)}
    for name, key in (('mesh', 'joints_3d'), ('peer', 'peer_world')):
        figures[f'{name}_pa_mpjpe_mm'] = float(np.mean([pa_mpjpe(a, b) for a, b in zip(found[key], truth)]))
    return figures


def milliseconds(weights: Path, threads: int, runs: int = 60) -> float:
    """Median time of one crop."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    session = ort.InferenceSession(str(weights), options, providers=['CPUExecutionProvider'])
    crop, times = np.random.default_rng(0).random((1, 3, 224, 224), np.float32), []
    for _ in range(runs):
        start = time.perf_counter()
        session.run(None, {'crop': crop})
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--weights', type=Path, default=ROOT / 'assets' / 'weights' / 's2hand-lite.onnx')
    parser.add_argument('--json', type=Path, help='write the figures to this file too')
    options = parser.parse_args()
    session = ort.InferenceSession(str(options.weights), providers=['CPUExecutionProvider'])
    peer = landmark_network()
    figures = {'pictures': measure_pictures(session, peer), 'milliseconds': {str(n): milliseconds(options.weights, n) for n in (1, 2)}}
    p, ms = figures['pictures'], figures['milliseconds']
    print(f'{options.weights.name}, {p["pictures"]} validation pictures, 2D distance in % of the hand box (mean, median, 90th percentile)')
    for name, label in (('mesh', 'joints of the mesh'), ('branch', '2D branch'), ('peer', 'landmark network')):
        print(f'  {label:<20} {p[f"{name}_2d_percent"]:6.2f} {p[f"{name}_2d_percent_median"]:6.2f} {p[f"{name}_2d_percent_p90"]:6.2f}')
    print(f'  worst source: {p["worst_source"]}, {p["worst_source_2d_percent"]:.2f} %')
    truth = data_folder(MANIFEST) / 'truth' / 'fridge'
    if truth.is_dir():
        t = figures['truth'] = measure_truth(session, peer, truth)
        print(f'{t["pictures"]} pictures with measured joints, PA-MPJPE: mesh {t["mesh_pa_mpjpe_mm"]:.2f} mm, '
              f'landmark network {t["peer_pa_mpjpe_mm"]:.2f} mm')
    print(f'one crop: {ms["1"]:.1f} ms at 1 thread, {ms["2"]:.1f} ms at 2')
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == '__main__':
    main()
