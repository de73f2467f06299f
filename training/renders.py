"""Pictures of the open hand with exact truth, to train the network on. By seed, always the same.

    python -m training.renders --count 2000 --seed 1 --out runs/renders/ [--shard 1000] [--data DIR | --no-photos]

Every picture is an upright crop of a right hand, cut as the tracking cuts it (`app.crop.crop_from_points` on the true joints, jittered).
With a folder as `--out` shards `renders-SEED-000.npz` are written, else one file. Keys, one row per picture (B):

| key | shape | meaning |
| --- | --- | --- |
| image | (B, 224, 224, 3) uint8 | sRGB |
| pose | (B, 16, 3) float32 | axis-angle; row 0 the wrist's rotation in the canonical crop camera |
| shape | (B, 10) float32 | standard deviations |
| translation | (B, 3) float32 | wrist in the canonical crop camera, metres |
| joints_3d | (B, 21, 3) float32 | canonical crop camera, metres (model joints + translation) |
| joints_2d | (B, 21, 2) float32 | crop pixels, EXACT: where the joints are in the picture |
| albedo | (B, N, 3) float32 | sRGB 0..1 of the vertices, before light |
| light | (B, 11) float32 | one ambient, one directional light that explain the picture best (layout: `models/light.py`); crop camera |
| skin | (B, M) float32 | coefficients of the model's skin_basis |
| visible | (B, 21) float32 | 1 if the joint's pixel lies inside the crop's real picture area and no object covers it |
| camera_pose0, camera_translation | (B, 3), (B, 3) | the wrist's axis-angle and place in the real camera (640 x 480) |
| camera_intrinsics | (B, 4) | fx, fy, cx, cy of the real camera |
| crop | (B, 2, 3) | frame pixels -> crop pixels |
| gesture, view | (B,) str | how it was drawn |

The canonical crop camera has focal length 2.5 x 224 and its centre in the crop's. The real camera sees the hand from elsewhere: `pose[0]`
is the real rotation undone by the turn that the crop implies (`app.crop_camera`), and `translation` puts the wrist on the same crop pixel
with the same pixels per metre. Projecting `joints_3d` therefore gives `joints_2d` but for perspective, which differs when the hand is near.
"""
from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from app.crop import Crop, crop_from_points, square_crop, to_crop, upright_angle
from app.crop_camera import crop_to_frame_rotation
from app.errors import InputError, exit_code
from app.hand_model import HandModel
from app.outputs.atomic import one_sentence, whole_file
from app.rotations import matrix_to_axis_angle
from app.types import Intrinsics
from training.appearance import ARM, Appearance, Look
from training.backgrounds import Backgrounds, default_folder
from training.camera_faults import cut_at_frame, photographed
from training.poses import PoseSampler, sample_shape, sample_view
from training.scene import Picture, Studio
from training.shading import srgb_to_linear

SIZE = 224
FOCAL = 2.5 * SIZE  # of the canonical crop camera, as models/camera.py
FRAME = 640, 480
DISTANCES = 0.28, 1.2  # metres from the camera


@dataclass(frozen=True)
class Pose:
    """A hand before a real camera."""

    pose: np.ndarray  # (16, 3) axis-angle, row 0 in the camera's frame
    rotation: np.ndarray  # (3, 3) of the wrist, the same as pose[0]
    shape: np.ndarray  # (10,)
    wrist: np.ndarray  # (3,) metres
    vertices: np.ndarray  # (N, 3) metres, camera frame
    joints: np.ndarray  # (21, 3) metres, camera frame
    gesture: str
    view: str


class RenderSampler:
    """Draws random hands with one hand model."""

    def __init__(self, model: HandModel | None = None, backgrounds: Backgrounds | None = None):
        self.model = model or HandModel.load()
        self.backgrounds = backgrounds or Backgrounds()
        self.poses = PoseSampler(self.model)
        self.studio = Studio(self.model)
        self.appearance = Appearance(self.studio)

    def hand(
        self, random: np.random.Generator, camera: Intrinsics, frame: tuple[int, int] = FRAME, distances: tuple[float, float] = DISTANCES,
    ) -> Pose:
        """A random hand, its joints inside the frame (width, height) if they fit."""
        shape = sample_shape(random)
        coefficients, gesture = self.poses.sample(random, shape)
        depth = np.exp(random.uniform(*np.log(distances)))
        rotation, view = sample_view(random)
        while rotation[2, 1] > min(0.65, (depth - 0.12) / ARM):  # the forearm would come at the camera and hide the hand
            rotation, view = sample_view(random)
        pose = self.model.pose_of(coefficients, matrix_to_axis_angle(rotation))
        vertices, joints = self.model.posed(pose, shape)
        low, high = joints.min(0), joints.max(0)
        span = 1.15 * camera.fx * (high - low)[:2]
        depth = max(depth, (span / frame).max() - low[2])  # further away if it does not fit
        room = np.maximum(np.array(frame) - span / (depth + low[2]), 0) / 2
        pixel = (np.array(frame) - 1) / 2 + random.uniform(-1, 1, 2) * room
        middle = (low + high) / 2
        wrist = camera.unproject(pixel, np.float64(depth + middle[2])) - middle
        return Pose(pose, rotation, shape, wrist, vertices + wrist, joints + wrist, gesture, view)

    def draw(self, hand: Pose, look: Look, background: np.ndarray, camera: np.ndarray, factor: float = 1.25) -> Picture:
        """Draw a hand over a background (H, W, 3) sRGB 0..1 with the camera (3, 3): camera frame -> picture pixels."""
        behind = srgb_to_linear(background) * np.float32(look.background_gain)
        return self.studio.draw(
            hand.vertices, hand.joints, look.albedo, look.parts, look.lights, look.sky, behind, camera,
            factor=factor, detail=look.detail, patterns=look.patterns, gloss=look.gloss, roughness=look.roughness)

    def sample(self, random: np.random.Generator) -> dict[str, np.ndarray]:
        """One picture and its truth: the keys of the module's table without their first axis."""
        camera = Intrinsics.from_field_of_view(*FRAME, float(random.uniform(45, 80)), metric=True)
        hand = self.hand(random, camera)
        flat = camera.project(hand.joints)
        crop = jittered_crop(flat, random)
        lens = np.concatenate([crop.matrix, [(0, 0, 1)]])
        background = self.backgrounds.sample(random, SIZE, SIZE)
        look = self.appearance.sample(random, hand, background)
        picture = self.draw(hand, look, background, lens @ camera.matrix)
        image, occluded = photographed(picture, look.exposure, self.backgrounds, random)
        image, inside = cut_at_frame(image, crop.matrix, FRAME)

        joints_2d = to_crop(flat, crop)
        rotation, translation = canonical(hand.rotation, hand.wrist, crop, camera)
        to_crop_axes = rotation @ hand.rotation.T
        pose = hand.pose.copy()
        pose[0] = matrix_to_axis_angle(rotation)
        joints_3d = (hand.joints - hand.wrist) @ to_crop_axes.T + translation
        row, column = np.clip(np.round(joints_2d[:, ::-1]), 0, SIZE - 1).astype(int).T
        shown = ((joints_2d > -0.5) & (joints_2d < SIZE - 0.5)).all(1) & inside[row, column] & ~occluded[row, column]
        return {
            'image': image, 'pose': pose, 'shape': hand.shape, 'translation': translation, 'joints_3d': joints_3d, 'joints_2d': joints_2d,
            'albedo': look.albedo, 'light': look.single_light(hand, to_crop_axes, self.model.faces), 'skin': look.skin, 'visible': shown,
            'camera_pose0': hand.pose[0], 'camera_translation': hand.wrist, 'crop': crop.matrix,
            'camera_intrinsics': np.array([camera.fx, camera.fy, camera.cx, camera.cy]), 'gesture': hand.gesture, 'view': hand.view,
        }


def jittered_crop(points: np.ndarray, random: np.random.Generator) -> Crop:
    """The tracking's crop around points (21, 2), as if they came from a frame before: shifted, scaled and turned a little."""
    box = np.ptp(points, 0).max()
    seen = points + random.normal(0, 0.012 * box, points.shape)
    angle = upright_angle(seen) + random.normal(0, np.radians(12 if random.random() < 0.8 else 40))
    crop = crop_from_points(seen, 'right', SIZE, angle=float(angle))
    side = SIZE / crop.scale * np.exp(random.normal(0, 0.09))
    linear = crop.matrix[:, :2]
    centre = np.linalg.solve(linear, (SIZE - 1) / 2 - crop.matrix[:, 2]) + random.normal(0, 0.035, 2) * side
    return square_crop(centre, side, float(angle), 'right', SIZE)


def canonical(rotation: np.ndarray, wrist: np.ndarray, crop: Crop, camera: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """A wrist's rotation (3, 3) and place (3,) in the real camera -> the same in the canonical crop camera.

    The inverse of `app.crop_camera.wrist_in_frame`: the same crop pixel, the same crop pixels per metre.
    """
    turned = crop_to_frame_rotation(crop, camera).T @ rotation
    pixel = to_crop(camera.project(wrist), crop)
    depth = FOCAL / (crop.scale * camera.fx / wrist[2])
    return turned, np.array([*((pixel - (SIZE - 1) / 2) / FOCAL * depth), depth])


def stacked(samples: list[dict]) -> dict[str, np.ndarray]:
    """Rows as arrays, numbers as float32 but for the images."""
    arrays = {key: np.stack([np.asarray(s[key]) for s in samples]) for key in samples[0]}
    return {k: v if v.dtype.kind in 'uU' else v.astype(np.float32) for k, v in arrays.items()}


def write_shard(path: Path, samples: list[dict]) -> None:
    """Write an npz, whole or not at all. Raises InputError where the disk refuses."""
    with one_sentence(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        np.savez(file, **stacked(samples))


def draw(count: int, seed: int, out: Path, size: int, backgrounds: Backgrounds) -> None:
    """Write `count` pictures into one file `out` (.npz), or into a folder, in shards of `size`. Raises InputError for numbers that make
    none, and where the disk refuses."""
    if count < 1 or size < 1:
        raise InputError(f'{count} pictures in shards of {size} cannot be made; give numbers above 0')
    cv2.setNumThreads(1)
    sampler, single = RenderSampler(backgrounds=backgrounds), out.suffix == '.npz'
    shard, start = [], time.perf_counter()
    for number in range(count):
        shard.append(sampler.sample(np.random.default_rng((seed, number))))  # a picture depends on its number, not on the shard's size
        last = number + 1 == count
        if last or not single and len(shard) == size:
            write_shard(out if single else out / f'renders-{seed}-{number // size:03d}.npz', shard)
            shard = []
            print(f'{number + 1} pictures, {(number + 1) / (time.perf_counter() - start):.1f} per second', flush=True)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--count', type=int, required=True, help='pictures')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, required=True, help='one .npz file, or a folder of shards')
    parser.add_argument('--shard', type=int, default=1000, help='pictures per shard')
    parser.add_argument('--data', type=Path, default=default_folder(), help='folder with pictures.jsonl, for backgrounds')
    parser.add_argument('--no-photos', action='store_true', help='backgrounds made by code only')
    args = parser.parse_args(arguments)
    return exit_code(lambda: draw(args.count, args.seed, args.out, args.shard, Backgrounds(None if args.no_photos else args.data)))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
