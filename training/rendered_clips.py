"""Clips of a moving open hand with exact truth. By seed, always the same.

    python -m training.rendered_clips --out runs/clips-val --clips 8 --seconds 3 --fps 30 --seed 9001 [--no-photos | --measuring]

Each clip is a folder `clip-0000/` with `frames/0000.jpg ...` (640 x 480) and, written last, `truth.npz`:

| key | shape | meaning |
| --- | --- | --- |
| time | (T,) | seconds, the middle of the exposure |
| fps | () | frames a second |
| intrinsics | (3, 3) | camera matrix, pixels |
| side | () str | 'right' or 'left' |
| joints_3d | (T, 21, 3) | metres, camera frame |
| vertices | (T, N, 3) | metres, camera frame |
| joints_2d | (T, 21, 2) | pixels of the frame |
| shape | (10,) | standard deviations |
| colours | (N, 3) | sRGB 0..255, albedo of the vertices |
| pose | (T, 16, 3) | axis-angle, row 0 the wrist in the camera frame; of a left hand, as its mirror image (a right hand) has it |
| translation | (T, 3) | metres, the wrist in the camera frame |
| light | (T, 11) | one ambient and one directional light (`models/light.py`) in the camera frame of the right hand or mirror image |
| visible | (T, 21) | 1 if the joint lies inside the frame |

The hand rests, moves, and now and then is very quick (`training/clip_motion.py`); it has a forearm, often in a sleeve. The background
stands still, lamps turn and change slowly, the shutter smears quick motion, and the sensor adds a little noise.
"""
from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from app.errors import InputError, exit_code
from app.mirror import mirror_image, mirror_points_2d, mirror_points_3d
from app.outputs.atomic import whole_file
from app.types import Intrinsics
from training.appearance import Look
from training.backgrounds import Backgrounds, default_folder
from training.clip_motion import Motion, MotionSampler
from training.renders import Pose, RenderSampler
from training.scene import Part
from training.shading import Light, linear_to_srgb, srgb_to_linear

FRAME = 640, 480
LEFT = 0.35  # share of the clips with a left hand
FACTOR = 1.25  # pixels drawn per pixel shown
SMEAR = 2.5  # pixels that the fastest joint may move between two of the pictures that a blurred frame is the mean of
MOST_PICTURES = 6  # in a blurred frame
TURN = 0.25  # radians by which a lamp turns in a clip, and by which part of its brightness changes
QUALITY = 92  # of the JPEG files


@dataclass(frozen=True)
class Scene:
    """What stays the same in a clip."""

    motion: Motion
    look: Look
    camera: Intrinsics
    background: np.ndarray  # (H, W, 3) linear light
    hand: Pose  # for which the look's parts were made
    shutter: float  # seconds that it is open
    noise: float  # of the sensor, sRGB 0..1
    swing: np.ndarray  # (2, 3) of the lamps: axis of their turn; phases of turn, brightness and sky
    side: str


class ClipSampler:
    """Draws clips with one hand model."""

    def __init__(self, backgrounds: Backgrounds | None = None) -> None:
        self.renders = RenderSampler(backgrounds=backgrounds)
        self.model = self.renders.model
        self.motions = MotionSampler(self.model, self.renders.poses)

    def scene(self, random: np.random.Generator, seconds: float, fps: float) -> Scene:
        """Everything of a clip but its frames."""
        camera = Intrinsics.from_field_of_view(*FRAME, float(random.uniform(50, 75)), metric=True)
        motion = self.motions.sample(random, seconds, camera, FRAME)
        background = self.renders.backgrounds.sample(random, *FRAME)
        hand = self.hand(motion, 0.0)
        look = self.renders.appearance.sample(random, hand, background, props=False)
        behind = srgb_to_linear(background) * np.float32(look.background_gain)
        shutter = random.choice((0.0, random.uniform(0.2, 0.6))) / fps
        axis = random.normal(0, 1, 3)
        swing = np.stack([axis / np.linalg.norm(axis), random.uniform(0, 2 * np.pi, 3)])
        return Scene(motion, look, camera, behind, hand, float(shutter), float(random.uniform(0.002, 0.012)), swing,
                     'left' if random.random() < LEFT else 'right')

    def hand(self, motion: Motion, when: float) -> Pose:
        """The right hand at a time."""
        key = motion.at(when)
        pose = self.model.pose_of(key.coefficients, key.rotation.as_rotvec())
        vertices, joints = self.model.posed(pose, motion.shape)
        return Pose(pose, key.rotation.as_matrix(), motion.shape, key.wrist, vertices + key.wrist, joints + key.wrist, '', '')

    def look(self, scene: Scene, hand: Pose, part: float) -> Look:
        """The look at a part 0..1 of the clip: forearm and sleeve with the hand, the lamps turned and dimmed a little."""
        follow = hand.rotation @ scene.hand.rotation.T
        parts = [Part(p.kind, (p.vertices - scene.hand.wrist) @ follow.T + hand.wrist, p.faces, p.colours, p.texture)
                 for p in scene.look.parts]
        axis, phases = scene.swing
        turn, bright, _ = TURN * np.sin(phases + 2 * np.pi * part * np.array([0.4, 0.7, 0.5]))
        turned = cv2.Rodrigues(axis * turn)[0]
        lights = [Light(turned @ light.direction, light.colour * (1 + bright), light.shadow, light.softness) for light in scene.look.lights]
        return replace(scene.look, parts=parts, lights=lights)

    def frame(self, scene: Scene, when: float, part: float, random: np.random.Generator) -> np.ndarray:
        """The picture (480, 640, 3) uint8 of the right hand whose exposure has its middle at `when`."""
        ends = [scene.camera.project(self.hand(scene.motion, when + s * scene.shutter).joints) for s in (-0.5, 0.5)]
        count = int(np.clip(np.ceil(np.linalg.norm(ends[1] - ends[0], axis=1).max() / SMEAR), 1, MOST_PICTURES))
        linear = np.zeros((*FRAME[::-1], 3), np.float32)
        for moment in (np.arange(count) + 0.5) / count - 0.5:
            hand = self.hand(scene.motion, when + moment * scene.shutter)
            look = self.look(scene, hand, part)
            linear += self.renders.studio.draw(
                hand.vertices, hand.joints, look.albedo, look.parts, look.lights, look.sky, scene.background, scene.camera.matrix,
                factor=FACTOR, detail=look.detail, patterns=look.patterns, gloss=look.gloss, roughness=look.roughness).linear / count
        image = linear_to_srgb(np.clip(linear * np.float32(scene.look.exposure), 0, 1))
        image += random.standard_normal(image.shape, np.float32) * np.float32(scene.noise)
        return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)

    def write(self, folder: Path, random: np.random.Generator, seconds: float, fps: float) -> None:
        """One clip into `folder`, its truth last. Raises InputError where the disk refuses."""
        scene = self.scene(random, seconds, fps)
        times = (np.arange(max(1, round(seconds * fps))) + 0.5) / fps
        frames = folder / 'frames'
        try:
            frames.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f'the folder {frames} cannot be made ({error.strerror}); choose another one') from error
        rows: dict[str, list] = {}
        for number, when in enumerate(times):
            part = number / max(len(times) - 1, 1)
            image = self.frame(scene, float(when), part, random)
            image = mirror_image(image) if scene.side == 'left' else image
            code = cv2.imencode('.jpg', image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
            with whole_file(frames / f'{number:04d}.jpg') as file:
                file.write(code.tobytes())
            for key, value in self.truth(scene, float(when), part).items():
                rows.setdefault(key, []).append(value)
        stacked = {key: np.stack(values).astype(np.float32) for key, values in rows.items()}
        colours = (255 * scene.look.albedo).astype(np.float32)
        with whole_file(folder / 'truth.npz') as file:
            np.savez(file, time=times, fps=np.float64(fps), intrinsics=scene.camera.matrix, side=np.array(scene.side),
                     shape=scene.motion.shape.astype(np.float32), colours=colours, **stacked)

    def truth(self, scene: Scene, when: float, part: float) -> dict[str, np.ndarray]:
        """What `truth.npz` says of one frame."""
        hand = self.hand(scene.motion, when)
        flat = scene.camera.project(hand.joints)
        seen = ((flat >= -0.5) & (flat < np.array(FRAME) - 0.5)).all(1)
        light = self.look(scene, hand, part).single_light(hand, np.eye(3), self.model.faces)
        joints, vertices, wrist = hand.joints, hand.vertices, hand.wrist
        if scene.side == 'left':
            joints, vertices, flat = mirror_points_3d(joints), mirror_points_3d(vertices), mirror_points_2d(flat, FRAME[0])
            wrist = mirror_points_3d(wrist)
        return {'joints_3d': joints, 'vertices': vertices, 'joints_2d': flat, 'pose': hand.pose, 'translation': wrist, 'light': light,
                'visible': seen}


def make_clips(out: Path, clips: int, seconds: float, fps: float, seed: int, backgrounds: Backgrounds | None = None,
               say=lambda line: None) -> None:
    """Write clips `clip-0000` and so on into `out`; those that are whole already stay. Raises InputError for numbers that make none."""
    if clips < 1 or not seconds > 0 or not fps > 0:
        raise InputError(f'{clips} clips of {seconds} seconds at {fps} frames a second cannot be made; give numbers above 0')
    sampler, start = ClipSampler(backgrounds), time.perf_counter()
    for number in range(clips):
        folder = out / f'clip-{number:04d}'
        if not (folder / 'truth.npz').exists():
            sampler.write(folder, np.random.default_rng((seed, number)), seconds, fps)
        say(f'{number + 1} of {clips} clips, {time.perf_counter() - start:.0f} s')


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--out', type=Path, required=True, help='folder that gets clip-0000/ and so on')
    parser.add_argument('--clips', type=int, default=8)
    parser.add_argument('--seconds', type=float, default=3.0, help='length of each')
    parser.add_argument('--fps', type=float, default=30.0)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--data', type=Path, default=default_folder(), help='folder with pictures.jsonl, for backgrounds')
    parser.add_argument('--no-photos', action='store_true', help='backgrounds made by code only')
    parser.add_argument('--measuring', action='store_true', help='backgrounds of the validation split, for clips to measure on')
    args = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    folder = None if args.no_photos else args.data
    return exit_code(lambda: make_clips(args.out, args.clips, args.seconds, args.fps, args.seed,
                                        Backgrounds(folder, measuring=args.measuring), lambda line: print(line, flush=True)))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
