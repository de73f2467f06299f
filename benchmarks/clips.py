"""Run the pipeline over real clips and compare with MediaPipe frame by frame, in the same run.

    python -m benchmarks.clips [CLIP ...] [--out out/clips] [--json FILE]

Without names every clip and picture sequence under `$S2HAND_DATA/clips` is taken. For each: the share of the frames in which MediaPipe
finds a hand that have a mesh, the distance between our projected joints and MediaPipe's points in percent of the hand's box, flips
of the side, jumps of the wrist, frames per second; and a contact sheet of overlays to look at.
"""
from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from app.detection import quiet_native_stderr
from app.detector_file import detector_path
from app.overlay import Overlay
from app.pipeline import Pipeline, PipelineSettings
from app.sources import open_source
from app.types import Intrinsics
from training.data_folder import data_folder

SHEET = 12  # frames on a contact sheet


class MediaPipeVideo:
    """MediaPipe's hand landmarker as its own users run it on a video."""

    def __init__(self, hands: int):
        import mediapipe as mp
        from mediapipe.tasks.python import BaseOptions, vision

        self.mp, self.clock = mp, -1
        with quiet_native_stderr():
            self.landmarker = vision.HandLandmarker.create_from_options(vision.HandLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=detector_path().read_bytes()), num_hands=hands,
                running_mode=vision.RunningMode.VIDEO))

    def __call__(self, image: np.ndarray, seconds: float) -> list[tuple[np.ndarray, str]]:
        """(points (21, 2) px, side) of each hand."""
        height, width = image.shape[:2]
        self.clock = max(self.clock + 1, round(seconds * 1e3))
        with quiet_native_stderr():
            picture = self.mp.Image(image_format=self.mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
            found = self.landmarker.detect_for_video(picture, self.clock)
        return [(np.array([(p.x, p.y) for p in points]) * (width, height) - 0.5, side[0].category_name.lower())
                for points, side in zip(found.hand_landmarks, found.handedness)]

    def close(self) -> None:
        self.landmarker.close()


def measure(path: Path, most_hands: int, out: Path) -> dict:
    """All figures of one clip, and its contact sheet under `out`."""
    peer, pipeline, overlay = MediaPipeVideo(most_hands), Pipeline(PipelineSettings(hands=most_hands)), None
    seen = met = total = 0
    errors, fits, sides, wrists, seconds, sheet = [], [], {}, {}, [], []
    with open_source(path) as source:
        count = source.frame_count or 100
        for frame in source:
            total += 1
            height, width = frame.image.shape[:2]
            intrinsics = Intrinsics.from_field_of_view(width, height)
            overlay = overlay or Overlay(pipeline.model)
            theirs = peer(frame.image, frame.time)
            start = time.perf_counter()
            hands = pipeline.process(frame, intrinsics)
            seconds.append(time.perf_counter() - start)
            pipeline.clock.end_frame()
            for points, _ in theirs:
                seen += 1
                box = np.ptp(points, 0).max()
                near = [h for h in hands if np.linalg.norm(h.points.mean(0) - points.mean(0)) < 0.5 * box]
                if near:
                    met += 1
                    errors.append(min(np.linalg.norm(h.joints_2d - points, axis=1).mean() for h in near) / box)
            for hand in hands:
                fits.append(hand.reprojection / hand.box_side)
                sides.setdefault(hand.track, []).append(hand.side)
                wrists.setdefault(hand.track, []).append((frame.index, hand.joints_2d.mean(0), hand.box_side))
            if frame.index % max(1, count // SHEET) == 0 and len(sheet) < SHEET:
                drawn = [overlay.draw(frame.image, hands, intrinsics, style) for style in ('textured', 'skeleton')]
                sheet.append(np.hstack([tile(picture) for picture in (frame.image, *drawn)]))
    peer.close()
    pipeline.close()
    save_sheet(sheet, out / f'{path.stem}.jpg')
    flips = sum(a != b for track in sides.values() for a, b in zip(track, track[1:]))
    jumps = [np.linalg.norm(b[1] - a[1]) / a[2] for track in wrists.values() for a, b in zip(track, track[1:]) if b[0] == a[0] + 1]
    return {
        'clip': path.name, 'frames': total, 'hands_mediapipe': seen, 'found_percent': percent(met, seen), 'tracks': len(sides),
        'side_flips': flips,
        'error_percent_mean': mean_percent(errors),
        'error_percent_p95': round(100 * float(np.percentile(errors, 95)), 2) if errors else None,
        'fit_percent_mean': mean_percent(fits), 'jump_percent_max': round(100 * max(jumps), 1) if jumps else None,
        'fps_pipeline': round(1 / float(np.median(seconds)), 1) if seconds else None,
        'stage_ms': pipeline.clock.summary(),
    }


def percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 1) if whole else None


def mean_percent(values: list) -> float | None:
    return round(100 * float(np.mean(values)), 2) if values else None


def tile(image: np.ndarray, height: int = 240) -> np.ndarray:
    return cv2.resize(image, (round(image.shape[1] * height / image.shape[0]), height), interpolation=cv2.INTER_AREA)


def save_sheet(rows: list[np.ndarray], path: Path) -> None:
    """Rows of equal size in two columns."""
    if not rows:
        return
    if len(rows) % 2:
        rows = [*rows, np.zeros_like(rows[0])]
    sheet = np.vstack([np.hstack(rows[i:i + 2]) for i in range(0, len(rows), 2)])
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


def table(rows: list[dict]) -> str:
    keys = [k for k in rows[0] if k != 'stage_ms']
    cells = [keys, *[['-' if r[k] is None else str(r[k]) for k in keys] for r in rows]]
    widths = [max(len(c[i]) for c in cells) for i in range(len(keys))]
    return '\n'.join('  '.join(c.ljust(w) for c, w in zip(row, widths)) for row in cells)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('clips', nargs='*', type=Path)
    parser.add_argument('--hands', type=int, default=1)
    parser.add_argument('--out', type=Path, default=Path('out/clips'))
    parser.add_argument('--json', type=Path)
    args = parser.parse_args(arguments)
    clips = args.clips or sorted(p for split in ('train', 'val') for p in (data_folder('clips') / 'clips' / split).iterdir())
    rows = []
    for clip in clips:
        rows.append(measure(clip, args.hands, args.out))
        print(table(rows[-1:]), flush=True)
    print('\n' + table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
