"""What each contender says of a set's pictures: the network alone, with refinement, and its peers, all in the pictures' own cameras."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from tqdm import tqdm

from app.crop import cut, to_frame
from app.crop_camera import crop_to_frame_rotation, wrist_in_frame
from app.detector_file import sha256
from app.errors import InputError
from app.hand_model import DEFAULT_PATH, HandModel
from app.mirror import mirror_points_3d
from app.refinement import HandState, Refiner
from app.regression import Regressor, trust_in_points
from app.rotations import axis_angle_to_matrix, axis_angle_to_quaternion, matrix_to_axis_angle
from app.types import Crop
from models.camera import FOCAL
from models.checkpoint import load_checkpoint
from models.s2hand import S2HandOutput
from training.evaluation_drawn import Drawn, drawn_figures
from training.evaluation_sets import EvaluationSet, Sample
from training.fitting import depth_in_pixels
from training.peers import LandmarkPeer, MediaPipePeer, fit_skeleton, points_in_picture, world_in_picture

BATCH = 16
LABELS = {  # every contender, in the order of the tables
    'network': 'network alone', 'refined': 'network + refinement', 'branch': '2D branch of the network',
    'landmark': 'landmark network, same crop',
    'mediapipe': 'MediaPipe, whole picture', 'skeleton': 'skeleton fit, 2D + depths', 'skeleton2d': 'skeleton fit, 2D alone'}
FIELDS = tuple(f.name for f in fields(S2HandOutput))


@dataclass(frozen=True)
class Answers:
    """What one contender says of n pictures; rows are NaN where it found no hand. Left hands are left hands."""

    key: str  # of LABELS
    points: np.ndarray | None  # (n, 21, 2) pixels of the picture
    joints: np.ndarray | None  # (n, 21, 3) metres, axes of the picture's camera
    vertices: np.ndarray | None  # (n, V, 3)
    placed: bool  # whether joints also lie where the hand is, seen from the camera

    @property
    def found(self) -> np.ndarray:
        """(n,) bool: pictures with an answer."""
        values = self.points if self.points is not None else self.joints
        return np.isfinite(values).all((1, 2))


class Network:
    """Exported (.onnx) or trained (.safetensors) weights: crops in, the fields of `S2HandOutput` out. Raises InputError for a file that is
    none, or belongs to another hand model."""

    def __init__(self, path: Path, threads: int) -> None:
        if path.suffix == '.safetensors':
            try:
                network = load_checkpoint(path)
            except (ValueError, OSError) as error:
                raise InputError(str(error)) from error
            self.size, self.focal = network.size, FOCAL * network.size
            self._run: Callable = lambda batch: torch_outputs(network, batch)
        else:
            regressor = Regressor(path, 'cpu', threads=threads, hand_model_hash=sha256(DEFAULT_PATH))
            self.size, self.focal = regressor.size, regressor.focal
            self._run = lambda batch: dict(zip(FIELDS, regressor.session.run(FIELDS, {'crop': batch})))

    def __call__(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Crops (B, S, S, 3) uint8 RGB of upright right hands -> arrays by the names of `S2HandOutput`."""
        return self._run(np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32) / 255)


@torch.inference_mode()
def torch_outputs(network: torch.nn.Module, batch: np.ndarray) -> dict[str, np.ndarray]:
    """Crops (B, 3, S, S) in 0..1 through a torch network -> its outputs as arrays."""
    return {name: value.numpy() for name, value in vars(network(torch.from_numpy(batch))).items()}


@dataclass(frozen=True)
class Seen:
    """What all contenders said of a set, and what the network's textured mesh looked like."""

    answers: dict[str, Answers]
    drawn: list[Drawn | None]  # one per sample; None where it was not asked for


class Contenders:
    """Everything that answers, loaded once. `wanted` are keys of LABELS; the skeletons need the landmark network and load it. `search`
    loads MediaPipe even if it is not wanted: pictures without known points are cut around what it finds, all if `crop` is 'detected'."""

    def __init__(self, weights: Path, wanted: Sequence[str], threads: int = 2, crop: Literal['given', 'detected'] = 'given',
                 search: bool = False) -> None:
        self.wanted, self.crop = tuple(wanted), crop
        self.network = Network(weights, threads)
        self.model = HandModel.load()
        self.faces = torch.as_tensor(np.ascontiguousarray(self.model.faces), dtype=torch.int64)
        self.refiner = Refiner(self.model)
        self.landmark = LandmarkPeer() if {'landmark', 'skeleton', 'skeleton2d'} & {*wanted} else None
        self.detector = MediaPipePeer() if 'mediapipe' in wanted or crop == 'detected' or search else None

    def close(self) -> None:
        """Free MediaPipe's graph."""
        if self.detector is not None:
            self.detector.close()

    def look(self, chosen: EvaluationSet, draw: np.ndarray) -> Seen:
        """Ask all contenders about all samples; `draw` (n,) bool says for which the textured mesh is drawn and compared."""
        rows: dict[str, list] = {key: [] for key in LABELS}
        drawn: list[Drawn | None] = []
        samples = chosen.samples
        with tqdm(total=len(samples), desc=chosen.name, unit='picture', leave=False) as bar:
            for start in range(0, len(samples), BATCH):
                part = samples[start:start + BATCH]
                images = [s.right_image() for s in part]
                hands = [None if self.detector is None else self.detector.hand(s.image(), s.points, s.seen.any()) for s in part]
                around = [hand[0] if hand is not None and (self.crop == 'detected' or not s.seen.any()) else None
                          for s, hand in zip(part, hands)]
                crops = [s.right_crop(self.network.size, points) for s, points in zip(part, around)]
                pictures = np.stack([cut(image, crop) for image, crop in zip(images, crops)])
                out = self.network(pictures)
                for i, (sample, crop) in enumerate(zip(part, crops)):
                    self._ask_network(sample, crop, {name: out[name][i] for name in FIELDS}, rows)
                self._ask_landmarks(part, images, around, rows)
                nothing = np.full((21, 2), np.nan), np.full((21, 3), np.nan)
                rows['mediapipe'] += [(*(hand or nothing), None) for hand in hands]
                wanted = draw[start:start + len(part)]
                drawn += drawn_figures(part, crops, pictures, out, wanted, self.faces, self.network)
                bar.update(len(part))
        return Seen(self._answers(chosen, rows), drawn)

    def _ask_network(self, sample: Sample, crop: Crop, out: dict[str, np.ndarray], rows: dict[str, list]) -> None:
        """The network's answer for one crop as it is, refined, and its 2D branch, in the picture's camera as in the program."""
        camera = sample.right_camera
        turn = crop_to_frame_rotation(crop, camera)
        scale, wrist = float(out['scale'][0]), out['translation'].astype(float)
        place = wrist_in_frame(wrist, scale, self.network.focal, crop, camera)

        def in_picture(points: np.ndarray) -> np.ndarray:
            return self._unmirrored(sample, (points - wrist) / scale @ turn.T + place)

        # the picture's own camera sees the hand a little otherwise than the crop's: 2D is what the network meant, in its own camera
        flat = points_in_picture(out['joints_2d'], crop, sample)
        rows['network'].append((flat, in_picture(out['joints_3d']), in_picture(out['vertices'])))
        rows['branch'].append((points_in_picture(out['points'][:, :2], crop, sample), None, None))
        if 'refined' not in self.wanted:
            return
        pose = out['pose'].astype(float)
        pose[0] = matrix_to_axis_angle(turn @ axis_angle_to_matrix(pose[0]))
        refined = self.refiner.refine(
            HandState(pose, out['shape'].astype(float), place), to_frame(out['points'][:, :2].astype(float), crop),
            out['points'][:, 2].astype(float) / crop.scale,
            np.full(21, float(out['presence'][0]) * trust_in_points(out['points'][:, :2], out['joints_2d'])), camera)
        state = refined.state
        vertices, joints = self.model.posed(axis_angle_to_quaternion(state.pose), state.shape)
        rows['refined'].append((sample.to_right(refined.points), self._unmirrored(sample, joints + state.translation),
                                self._unmirrored(sample, vertices + state.translation)))

    @staticmethod
    def _unmirrored(sample: Sample, points: np.ndarray) -> np.ndarray:
        return mirror_points_3d(points) if sample.side == 'left' else points

    def _ask_landmarks(self, part: Sequence[Sample], images: list[np.ndarray], around: list, rows: dict[str, list]) -> None:
        """MediaPipe's landmark network on the crops of a batch of samples with their right-handed pictures."""
        if self.landmark is None:
            return
        crops = [s.right_crop(LandmarkPeer.size, points) for s, points in zip(part, around)]
        points, worlds = self.landmark(np.stack([cut(image, crop) for image, crop in zip(images, crops)]))
        for sample, crop, seen, world in zip(part, crops, points, worlds):
            rows['landmark'].append((points_in_picture(seen[:, :2], crop, sample), world_in_picture(world, crop, sample), None))

    def _answers(self, chosen: EvaluationSet, rows: dict[str, list]) -> dict[str, Answers]:
        answers = {}
        for key in self.wanted:
            if rows[key]:
                points, joints, vertices = (None if part[0] is None else np.stack(part) for part in zip(*rows[key]))
                answers[key] = Answers(key, points, joints, vertices, key in ('network', 'refined'))
        if chosen.has_joints and rows['landmark']:
            points, world, _ = (np.stack(part) if part[0] is not None else None for part in zip(*rows['landmark']))
            for key, deep in (('skeleton', True), ('skeleton2d', False)):
                if key in self.wanted:
                    answers[key] = skeleton_answers(key, chosen, points, world if deep else None)
        return {key: answers[key] for key in LABELS if key in answers and key in self.wanted}


def skeleton_answers(key: str, chosen: EvaluationSet, points: np.ndarray, world: np.ndarray | None) -> Answers:
    """The plain skeleton fitted to detected points (n, 21, 2) of the pictures and, if given, the depths of world points (n, 21, 3).

    Bone lengths are shared by a session; rendered hands are each another's, and share those of the set."""
    middle = np.array([(s.camera.cx, s.camera.cy) for s in chosen.samples])
    focal = np.array([0.5 * (s.camera.fx + s.camera.fy) for s in chosen.samples])
    names = ['' if chosen.kind == 'rendered' else s.session for s in chosen.samples]
    session = np.unique(names, return_inverse=True)[1]
    depth = None if world is None else depth_in_pixels(points, world)
    # mirrored in depth, a fitted left hand is as good as a right one: the fit knows no sides
    joints = fit_skeleton(points - middle[:, None], depth, focal, session).astype(float)
    flat = joints[..., :2] / joints[..., 2:] * focal[:, None, None] + middle[:, None]
    return Answers(key, flat, joints, None, False)
