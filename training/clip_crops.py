"""Crops of clips' frames: what must stay the same in a clip is drawn once for it, what differs between a camera's frames for each frame."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch.utils.data import Dataset

from app.crop import crop_from_points, cut, square_crop, to_frame, upright_angle
from app.crop_camera import crop_to_frame_rotation
from app.types import Crop
from training.augment import Augment, Jitter, noisy, spoil
from training.clip_sets import ClipFrames
from training.crops import Place
from training.examples import Row, in_crop

TREMBLE_SHIFT, TREMBLE_TURN = 0.008, 0.015  # of the side, radians: how a crop follows a hand from frame to frame, standard deviations


@dataclass(frozen=True)
class Drawn:
    """How a clip is seen once: the same for all of its frames."""

    turn: float  # radians from upright
    scale: float  # of the square's side
    shift: np.ndarray  # (2,) of the side
    grain: float  # grey levels


class ClipCrops(Dataset):
    """`draws` crops of every frame of all clips; all frames of one draw of a clip are turned, sized, shifted, coloured and blurred alike.

    Rows are those of stills (`training.examples`) with, for motion, `time` in seconds, `turn` (3, 3) from the crop's camera to the frame's,
    `cut` (2, 3) from frame to crop pixels, `camera` (4,) fx, fy, cx, cy of the frame, and `wrist` (3,), the true one in metres, or 0.
    """

    def __init__(
        self, clips: list[ClipFrames], size: int, draws: int, seed: int, jitter: Jitter = Jitter(), augment: Augment = Augment(),
    ) -> None:
        self.clips, self.size, self.draws, self.seed, self.jitter, self.augment = clips, size, draws, seed, jitter, augment
        self.of_clip = np.repeat(np.arange(len(clips)), [len(clip) for clip in clips])
        self.of_frame = np.concatenate([np.arange(len(clip)) for clip in clips])

    def __len__(self) -> int:
        return self.draws * len(self.of_clip)

    def place(self, index: int) -> tuple[int, int, int]:
        """Draw, clip and frame of an example."""
        draw, rest = divmod(index, len(self.of_clip))
        return draw, int(self.of_clip[rest]), int(self.of_frame[rest])

    def name(self, index: int) -> str:
        _, clip, frame = self.place(index)
        return str(self.clips[clip].files[frame])

    def __getitem__(self, place: Place) -> tuple[np.ndarray, Row]:
        """The crop (3, S, S) uint8 and what is known of it."""
        draw, number, frame = self.place(place.index)
        clip, crop = self.clips[number], self.crop(draw, number, frame)
        to_picture = np.concatenate([clip.matrices[frame], [(0, 0, 1)]])
        linear = np.concatenate([crop.matrix, [(0, 0, 1)]]) @ np.linalg.inv(to_picture)
        image = cut(clip.picture(frame), Crop(linear[:2], self.size, False))
        image = spoil(image, self.generator(draw, number, 1), None, replace(self.augment, noise=0.0, occluder=0.0, background=0.0))
        grain = self.drawn(draw, number).grain
        if grain:
            image = noisy(image, grain, self.generator(draw, number, 2, frame))
        return np.ascontiguousarray(image.transpose(2, 0, 1)), self.row(place)

    def row(self, place: Place) -> Row:
        """What is known of a crop, without making its picture."""
        draw, number, frame = self.place(place.index)
        clip, crop = self.clips[number], self.crop(draw, number, frame)
        subject, wrist = clip.subjects[frame], clip.wrist[frame]
        camera = subject.intrinsics
        row = in_crop(subject, crop) | {
            'exact': float(clip.exact), 'time': clip.time[frame], 'turn': crop_to_frame_rotation(crop, camera), 'cut': crop.matrix,
            'camera': np.array([camera.fx, camera.fy, camera.cx, camera.cy]), 'wrist': np.nan_to_num(wrist)}
        return {key: np.float32(value) for key, value in row.items()}

    def generator(self, *key: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, 77, *key))

    def drawn(self, draw: int, clip: int) -> Drawn:
        """How a clip is seen; the first draw as the tracking cuts it."""
        random, jitter = self.generator(draw, clip, 0), self.jitter
        turn = np.radians(random.uniform(-jitter.rotation, jitter.rotation)) * random.choice((0.3, 1.0))
        scale = np.exp(random.uniform(*np.log(jitter.scale)))
        shift = random.uniform(-jitter.shift, jitter.shift, 2)
        grain = random.uniform(1, max(self.augment.grain, 1)) if random.random() < self.augment.noise else 0.0
        return Drawn(float(turn), float(scale), shift, grain) if draw else Drawn(0.0, 1.0, np.zeros(2), 0.0)

    def crop(self, draw: int, clip: int, frame: int) -> Crop:
        """Where a frame is cut: around its own hand, as the clip is drawn, with the tremble of a tracker."""
        points, drawn = self.clips[clip].subjects[frame].points, self.drawn(draw, clip)
        random = self.generator(draw, clip, 3, frame)
        plain = crop_from_points(points, 'right', self.size)
        side = self.size / plain.scale
        centre = to_frame(np.full(2, (self.size - 1) / 2), plain) + (drawn.shift + random.normal(0, TREMBLE_SHIFT, 2)) * side
        angle = upright_angle(points) + drawn.turn + random.normal(0, TREMBLE_TURN)
        return square_crop(centre, side * drawn.scale * np.exp(random.normal(0, TREMBLE_SHIFT)), float(angle), 'right', self.size)
