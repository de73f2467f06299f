"""Render the bundled demo clip and its truth: the open hand moving before a room made by code.

    python -m benchmarks.demo_clip [--out assets/demo] [--sheet FILE.png]

Writes `demo.mp4` (H.264, 640 x 480, 30 frames a second), `demo_camera.json` (its intrinsics, as `reconstruct --intrinsics` takes them) and
`demo_truth.npz`, and says in how many frames MediaPipe finds the hand (wanted: 97 %). Keys of the truth, T frames:

| key | shape | meaning |
| --- | --- | --- |
| joints_3d | (T, 21, 3) float32 | metres, camera frame |
| joints_2d | (T, 21, 2) float32 | pixels |
| pose | (T, 16, 3) float32 | axis-angle, row 0 the wrist in the camera frame |
| shape | (10,) float32 | standard deviations |
| translation | (T, 3) float32 | metres, the wrist in the camera frame |
| intrinsics | (3, 3) float64 | camera matrix |
| silhouette | (T, 480, 80) uint8 | the hand mesh's silhouette, packed bits along rows; what a sleeve hides of it included |
"""
from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import av
import cv2
import numpy as np

from app.hand_model import HandModel
from app.outputs.atomic import temporary_name, whole_file
from app.rotations import matrix_to_axis_angle
from app.types import Frame, Intrinsics
from benchmarks.demo_motion import FPS, demo_motion
from benchmarks.demo_room import room
from training.appearance import folded_sleeve
from training.evaluation_video_contenders import MediaPipe
from training.forearm import tube
from training.rasteriser import rasterise
from training.scene import CLOTH, FOREARM, Studio
from training.shading import Light, Sky, linear_to_srgb, srgb_to_linear

WIDTH, HEIGHT = 640, 480
CAMERA = Intrinsics.from_field_of_view(WIDTH, HEIGHT, 60.0, metric=True)
SHAPE = np.array([0.4, -0.5, 0.3, 0, 0, 0, 0, 0, 0, 0])
EXPOSURE = 0.62
WANTED_FOUND = 97.0
FOLDER = Path(__file__).resolve().parent.parent / 'assets' / 'demo'


class DemoScene:
    """The clip's look: a dark blue sleeve, window light from the left, a warm lamp from the right."""

    def __init__(self, model: HandModel):
        self.model, self.studio = model, Studio(model)
        self.background = srgb_to_linear(room(WIDTH, HEIGHT)) * (0.95 / EXPOSURE)
        stub = self.studio.stub(SHAPE)
        random = np.random.default_rng(3)
        self.arm = tube(stub, 0.010, 0.34, 2.3, 0.0003, np.zeros(2))
        self.sleeve = folded_sleeve(random, stub, 0.55 * -stub.end, 0.40, 2.6, 0.006, np.zeros(2), 0.0016)
        self.arm_colours = self.studio.stub_colours(SHAPE, model.albedo, self.arm.angle)
        weave = 1 + 0.05 * random.standard_normal((320, 256, 1)).astype(np.float32)
        hem = np.ones((320, 1, 1), np.float32)
        hem[13:15] = 0.8
        self.patterns = {CLOTH: np.repeat(weave * hem, 3, 2)}
        window = Light(_unit(-0.75, -0.55, -0.55), np.array([1.85, 1.80, 1.72]), True, 0.012)
        self.lights = [window, Light(_unit(0.8, -0.1, -0.15), np.array([0.42, 0.33, 0.22]))]
        self.sky = Sky(np.array([0.62, 0.64, 0.66]), np.array([0.40, 0.34, 0.28]))

    def frame(self, vertices: np.ndarray, joints: np.ndarray, rotation: np.ndarray, wrist: np.ndarray) -> np.ndarray:
        """One picture (480, 640, 3) uint8 of the hand, camera frame."""
        parts = [self.studio.part(FOREARM, self.arm, rotation, wrist, self.arm_colours),
                 self.studio.part(CLOTH, self.sleeve, rotation, wrist, np.array((0.17, 0.23, 0.34)))]
        picture = self.studio.draw(vertices, joints, self.model.albedo, parts, self.lights, self.sky, self.background, CAMERA.matrix,
                                   factor=2, patterns=self.patterns, gloss=1.0, roughness=0.42, shadow_size=400)
        return (linear_to_srgb(picture.linear * EXPOSURE) * 255 + 0.5).astype(np.uint8)


def _unit(*direction: float) -> np.ndarray:
    return np.array(direction) / np.linalg.norm(direction)


def silhouette(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(480, 640) bool: pixels whose centres the mesh (camera frame) covers."""
    points = np.concatenate([CAMERA.project(vertices), vertices[:, 2:]], 1)
    return rasterise(points, faces, WIDTH, HEIGHT).mask(WIDTH, HEIGHT)


def render(model: HandModel) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """All frames (480, 640, 3) uint8 and the truth."""
    motion, scene = demo_motion(model, SHAPE), DemoScene(model)
    frames, rows = [], {key: [] for key in ('joints_3d', 'joints_2d', 'pose', 'translation', 'silhouette')}
    for coefficients, rotation, wrist in zip(motion.coefficients, motion.rotations, motion.wrists):
        pose = model.pose_of(coefficients, matrix_to_axis_angle(rotation))
        vertices, joints = (points + wrist for points in model.posed(pose, SHAPE))
        frames.append(scene.frame(vertices, joints, rotation, wrist))
        for key, value in (('joints_3d', joints), ('joints_2d', CAMERA.project(joints)), ('pose', pose), ('translation', wrist)):
            rows[key].append(np.float32(value))
        rows['silhouette'].append(np.packbits(silhouette(vertices, model.faces), axis=1))
    return frames, {key: np.array(values) for key, values in rows.items()} | {'shape': np.float32(SHAPE), 'intrinsics': CAMERA.matrix}


def write_clip(path: Path, frames: list[np.ndarray]) -> None:
    """H.264 in MP4, slow and small: it is made once."""
    part = temporary_name(path)
    with av.open(f'file:{part}', 'w', format='mp4', options={'movflags': '+faststart'}) as container:
        stream = container.add_stream('libx264', rate=FPS, options={'preset': 'veryslow', 'crf': '19', 'tune': 'film'})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode())
    part.replace(path)


def found_by_mediapipe(path: Path, truth: np.ndarray) -> tuple[float, float]:
    """Share of frames in which MediaPipe finds a hand where it is, and the median distance of its points, both percent."""
    detector, errors, total = MediaPipe(1), [], 0
    detector.begin(None)
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            total += 1
            for hand in detector.look(Frame(frame.to_ndarray(format='rgb24'), number, number / FPS, 0.0), CAMERA):
                error = 100 * np.linalg.norm(hand.points - truth[number], axis=1).mean() / np.ptp(truth[number], 0).max()
                if error < 40:
                    errors.append(error)
    detector.close()
    return 100 * len(errors) / max(total, 1), float(np.median(errors)) if errors else float('nan')


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, default=FOLDER)
    parser.add_argument('--sheet', type=Path, help='also write every tenth frame on one sheet')
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)
    frames, truth = render(HandModel.load())
    write_clip(args.out / 'demo.mp4', frames)
    with whole_file(args.out / 'demo_truth.npz') as file:
        np.savez_compressed(file, **truth)
    with whole_file(args.out / 'demo_camera.json') as file:
        camera = {'fx': CAMERA.fx, 'fy': CAMERA.fy, 'cx': CAMERA.cx, 'cy': CAMERA.cy, 'width': WIDTH, 'height': HEIGHT}
        file.write(json.dumps(camera, indent=1).encode() + b'\n')
    if args.sheet:
        tiles = [cv2.resize(f, (320, 240), interpolation=cv2.INTER_AREA) for f in frames[::10]]
        cv2.imwrite(str(args.sheet), np.vstack([np.hstack(tiles[k:k + 6]) for k in range(0, len(tiles) // 6 * 6, 6)])[..., ::-1])
    found, error = found_by_mediapipe(args.out / 'demo.mp4', truth['joints_2d'])
    sizes = ', '.join(f'{p.name} {p.stat().st_size / 1e6:.2f} MB' for p in sorted(args.out.iterdir()) if p.suffix in ('.mp4', '.npz'))
    print(f'{len(frames)} frames; {sizes}; MediaPipe finds the hand in {found:.1f} % of the frames (wanted {WANTED_FOUND:.0f}), '
          f'its points lie {error:.2f} % of the hand from the truth (median)')
    return 0 if found >= WANTED_FOUND else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
