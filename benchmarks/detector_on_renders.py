"""Does a detector that never saw the open hand take it for a hand, and see its joints where the model says they are?

    python -m benchmarks.detector_on_renders [--count 300] [--seed 0] [--out out/detector_on_renders]

MediaPipe (Tasks, one picture at a time) looks at random natural poses and views at 640 x 480 over real backgrounds in which it finds no
hand by itself. Printed: the share found; per joint the distance between its points and the model's joints in percent of the hand's size
(the longer side of the box around the joints); the same per kind of view and per gesture; and per joint the mean offset in the axes of the
bone, which says where the model should move its joint. Contact sheets of found and missed hands go to `--out`.
"""
from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from app.detection import Detector
from app.errors import InputError
from app.hand_model import HandModel
from app.rotations import axis_angle_to_matrix
from app.types import Intrinsics
from training.backgrounds import Backgrounds, default_folder
from training.renders import RenderSampler
from training.shading import linear_to_srgb

WIDTH, HEIGHT = 640, 480
DISTANCES = 0.3, 0.9  # metres: a person before a webcam or a phone
NAMES = ('wrist', *(f'{f} {j}' for f in ('thumb', 'index', 'middle', 'ring', 'little')
                    for j in (('cmc', 'mcp', 'ip', 'tip') if f == 'thumb' else ('mcp', 'pip', 'dip', 'tip'))))
WANTED_FOUND, WANTED_ERROR = 90.0, 6.0


def still_backgrounds(detector: Detector, random: np.random.Generator, count: int) -> list[np.ndarray]:
    """Real backgrounds (480, 640, 3) float32 sRGB in which the detector finds no hand."""
    folder = default_folder()
    if folder is None:
        raise InputError('real backgrounds are needed: set S2HAND_DATA to the folder with pictures.jsonl')
    source, found = Backgrounds(folder, measuring=True), []
    while len(found) < count:
        image = source.photo(random, WIDTH, HEIGHT)
        if not detector.detect((image * 255).astype(np.uint8)):
            found.append(image)
    return found


def bone_turns(model: HandModel, pose: np.ndarray) -> np.ndarray:
    """(21, 3, 3) from rest axes to camera axes, of the bone that ends each finger point's joint chain (tips: the last bone)."""
    local, turns = axis_angle_to_matrix(pose), [None] * 16
    for joint, parent in enumerate(model.parents):
        turns[joint] = local[joint] if parent < 0 else turns[parent] @ local[joint]
    tips = model.skin_weights[model.tip_vertices].argmax(1)
    return np.array(turns + [turns[j] for j in tips])[model.joint_map]


def measure(count: int, seed: int, out: Path) -> list[dict]:
    """One row per picture: found, error (21,) in percent, residual, and what the offsets need. Writes the contact sheets."""
    sampler, camera = RenderSampler(), Intrinsics.from_field_of_view(WIDTH, HEIGHT, 60.0)
    rows, tiles = [], {'found': [], 'missed': [], 'far': []}
    with Detector(hands=1) as detector:
        backgrounds = still_backgrounds(detector, np.random.default_rng(seed), 40)
        for number in range(count):
            random = np.random.default_rng((seed, number))
            background = backgrounds[random.integers(len(backgrounds))]
            hand = sampler.hand(random, camera, (WIDTH, HEIGHT), DISTANCES)
            look = sampler.appearance.sample(random, hand, background, props=False)
            picture = sampler.draw(hand, look, background, camera.matrix, factor=1.5)
            image = (linear_to_srgb(picture.linear * look.exposure) * 255 + 0.5).astype(np.uint8)
            truth = camera.project(hand.joints)
            size = np.ptp(truth, axis=0).max()
            near = [d for d in detector.detect(image) if np.linalg.norm(d.points.mean(0) - truth.mean(0)) < 0.5 * size]
            row = {'view': hand.view, 'gesture': hand.gesture, 'found': bool(near), 'size': size}
            if near:
                residual = near[0].points - truth
                row |= {'error': 100 * np.linalg.norm(residual, axis=1) / size, 'residual': residual, 'side': near[0].side,
                        'turns': bone_turns(sampler.model, hand.pose), 'scale': camera.fx / hand.joints[:, 2]}
            rows.append(row)
            kind = 'missed' if not near else 'far' if row['error'].mean() > 12 else 'found'
            if len(tiles[kind]) < 40:
                points = near[0].points if near else None
                tiles[kind].append(tile(faceless(image, picture.covered), truth, points, f'{hand.gesture} {hand.view}'))
    for kind, pictures in tiles.items():
        save_sheet(pictures, out / f'{kind}.png')
    return rows


def faceless(image: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """The picture with what is not drawn blurred beyond recognition: people may stand in real backgrounds, and no face is to be shown."""
    alpha = covered[..., None]
    return (alpha * image + (1 - alpha) * cv2.GaussianBlur(image, (0, 0), 16)).astype(np.uint8)


def tile(image: np.ndarray, truth: np.ndarray, points: np.ndarray | None, words: str) -> np.ndarray:
    """The hand's surroundings, 224 px, with the model's joints (green) and the detector's (red)."""
    low, high = truth.min(0), truth.max(0)
    side = 1.7 * (high - low).max() + 20
    scale = 224 / side
    matrix = np.array([[scale, 0, 112 - scale * (low + high)[0] / 2], [0, scale, 112 - scale * (low + high)[1] / 2]])
    shown = cv2.warpAffine(image, matrix, (224, 224), flags=cv2.INTER_AREA)
    for spots, colour in ((truth, (0, 255, 0)), (points, (255, 0, 0))):
        for spot in [] if spots is None else spots:
            cv2.circle(shown, np.round(matrix[:, :2] @ spot + matrix[:, 2]).astype(int).tolist(), 2, colour, -1, cv2.LINE_AA)
    cv2.putText(shown, words, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return shown


def save_sheet(tiles: list[np.ndarray], path: Path, columns: int = 8) -> None:
    """Equal pictures in rows of `columns`."""
    if not tiles:
        return
    tiles = tiles + [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack([np.hstack(tiles[k:k + columns]) for k in range(0, len(tiles), columns)])[..., ::-1])


def mean_offsets(rows: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Per joint (21, 3) mm: what to add to the model's joint, in rest axes of its bone, so that it lies where the detector sees it; and how
    sure that is, as standard errors (21, 3). Least squares over all views (two equations each), outliers left out twice."""
    offsets, errors = np.zeros((21, 3)), np.zeros((21, 3))
    good = [r for r in rows if r['found'] and r['error'].mean() < 12]
    for joint in range(21):
        a = np.concatenate([r['turns'][joint][:2] for r in good])
        b = np.concatenate([r['residual'][joint] / r['scale'][joint] for r in good])
        keep = np.ones(len(b), bool)
        for _ in range(3):
            d, *_ = np.linalg.lstsq(a[keep], b[keep], rcond=None)
            left = np.abs(b - a @ d)
            keep = left < 3 * np.median(left[keep])
        offsets[joint] = 1e3 * d
        errors[joint] = 1e3 * np.sqrt(np.diag(np.linalg.inv(a[keep].T @ a[keep])) * np.var(b[keep] - a[keep] @ d))
    return offsets, errors


def report(rows: list[dict]) -> str:
    """The tables as text."""
    found = [r for r in rows if r['found']]
    errors = np.array([r['error'] for r in found])
    right = 100 * np.mean([r['side'] == 'right' for r in found])
    lines = [f'found {100 * len(found) / len(rows):.1f} % of {len(rows)} (wanted {WANTED_FOUND:.0f}); called right {right:.0f} %',
             f'median error {np.median(errors):.2f} % of the hand (wanted {WANTED_ERROR:.0f}), mean {errors.mean():.2f}', '',
             f'{"joint":<12} median %  p90 %   offset of the detector in rest axes of the bone, mm (+x little finger, +y tips, +z back)']
    offsets, sure = mean_offsets(rows)
    for joint, name in enumerate(NAMES):
        lines.append(f'{name:<12} {np.median(errors[:, joint]):7.2f} {np.percentile(errors[:, joint], 90):7.2f}   '
                     + ' '.join(f'{v:+6.1f}' for v in offsets[joint]) + '  +-' + ' '.join(f'{v:4.1f}' for v in sure[joint]))
    for key in ('view', 'gesture'):
        groups = defaultdict(list)
        for row in rows:
            groups[row[key]].append(row)
        lines += ['', f'{key:<14} count  found %  median error %']
        for name, group in sorted(groups.items()):
            seen = [np.median(r['error']) for r in group if r['found']]
            lines.append(f'{name:<14} {len(group):5d} {100 * len(seen) / len(group):8.1f} {np.median(seen) if seen else np.nan:15.2f}')
    return '\n'.join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--count', type=int, default=300)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, default=Path('out/detector_on_renders'), help='folder for the contact sheets')
    args = parser.parse_args(arguments)
    rows = measure(args.count, args.seed, args.out)
    text = report(rows)
    print(text)
    (args.out / 'report.txt').write_text(text + '\n')
    found = [r for r in rows if r['found']]
    fine = 100 * len(found) >= WANTED_FOUND * len(rows) and np.median([r['error'] for r in found]) <= WANTED_ERROR
    print(f'\ncontact sheets: {args.out}; {"as wanted" if fine else "NOT as wanted"}')
    return 0 if fine else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
