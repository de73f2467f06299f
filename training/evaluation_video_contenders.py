"""Who is measured on clips: MediaPipe, MediaPipe filtered, the network frame by frame, the program live, and the program over whole clips.

Each is told of a clip (`begin`), then asked of its frames in order (`look`); all see the same frames and the same camera.
"""
from __future__ import annotations

import json
import tempfile
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from app.crop import crop_from_points, cut, to_frame
from app.crop_camera import crop_to_frame_rotation, unmirrored, wrist_in_frame
from app.detection import Detector, landmarker, mediapipe_image, quiet_native_stderr
from app.hand_model import HandModel
from app.mirror import mirror_intrinsics, mirror_points_2d, mirror_points_3d
from app.outputs.hands_file import read_hands
from app.pipeline import Pipeline, PipelineSettings
from app.reconstruct import reconstruct
from app.reconstruct_settings import ReconstructSettings
from app.rendering.topology import Topology, topology_of
from app.rendering.visibility import visibility
from app.smoothing import HAND
from app.tracking import Track, Tracker, TrackingSettings
from app.types import Crop, Frame, Hand, Intrinsics, Side
from app.walk import walk
from training.evaluation_answers import Network
from training.evaluation_video_clips import Clip
from training.evaluation_video_hands import Linker, Seen, box_side, placed
from training.one_euro import OneEuro as Numbers
from training.one_euro import VectorFilter

POINTS = Numbers(rest=2.0, gain=4.0)  # of points or joints, per hand length per second

LABELS = {  # every contender, in the order of the tables
    'mediapipe': 'MediaPipe per frame', 'one_euro': 'MediaPipe + One-Euro', 'network': 'network, frame by frame',
    'video_network': 'network trained on video', 'unfiltered': 'ours live, filter off', 'live': 'ours live',
    'consistent': 'ours --consistent'}


class Contender(Protocol):
    """What all have in common."""

    key: str  # of LABELS

    def begin(self, clip: Clip) -> None:
        """Forget all, for this clip."""

    def look(self, frame: Frame, camera: Intrinsics) -> list[Seen]:
        """The hands of the next frame."""

    def close(self) -> None:
        """Free what was held."""


class MediaPipe:
    """MediaPipe's hand landmarker on whole frames in its own VIDEO mode, as its users run it; tracks are by nearest points."""

    key = 'mediapipe'

    def __init__(self, hands: int) -> None:
        self._hands, self._landmarker = hands, None
        self.last, self.worlds = [], {}

    def begin(self, clip: Clip) -> None:
        self.close()
        self._clock, self._linker, self._landmarker = -1, Linker(), landmarker(self._hands, video=True)

    def look(self, frame: Frame, camera: Intrinsics) -> list[Seen]:
        height, width = frame.image.shape[:2]
        self._clock = max(self._clock + 1, round(frame.time * 1e3))  # whole milliseconds, always later
        with quiet_native_stderr():
            found = self._landmarker.detect_for_video(mediapipe_image(frame.image), self._clock)
        points = [np.array([(p.x, p.y) for p in hand]) * (width, height) - 0.5 for hand in found.hand_landmarks]
        worlds = [np.array([(p.x, p.y, p.z) for p in hand]) for hand in found.hand_world_landmarks]
        tracks = self._linker(points, frame.time)
        self.worlds = dict(zip(tracks, worlds))
        self.last = [Seen(track, side[0].category_name.lower(), flat, placed(world, flat, camera))
                     for track, side, flat, world in zip(tracks, found.handedness, points, worlds)]
        return self.last

    def close(self) -> None:
        if self._landmarker is not None:
            self._landmarker.close()
            self._landmarker = None


class OneEuro:
    """MediaPipe's points and world points, each track through One-Euro filters."""

    key = 'one_euro'

    def __init__(self, source: MediaPipe) -> None:
        self._source = source

    def begin(self, clip: Clip) -> None:
        self._filters: dict[int, tuple[VectorFilter, VectorFilter]] = {}

    def look(self, frame: Frame, camera: Intrinsics) -> list[Seen]:
        filtered = []
        for hand in self._source.last:
            flat, solid = self._filters.setdefault(hand.track, tuple(VectorFilter(POINTS) for _ in range(2)))
            points = flat(hand.points, frame.time, max(float(box_side(hand.points)), 1.0))
            world = solid(self._source.worlds[hand.track], frame.time, HAND)
            filtered.append(replace(hand, points=points, joints=placed(world, points, camera)))
        return filtered

    def close(self) -> None:
        """Nothing is held."""


class Sight:
    """Which vertices of the hands of a frame the camera sees, by their geometry in that frame."""

    def __init__(self, model: HandModel) -> None:
        count = len(model.template)
        self._topology: dict[Side, Topology] = {
            'right': topology_of(model.faces, count), 'left': topology_of(np.ascontiguousarray(model.faces[:, ::-1]), count)}

    def __call__(self, hands: list[tuple[np.ndarray, Side]], camera: Intrinsics) -> list[np.ndarray]:
        """(N,) bool for each of the hands (vertices (N, 3) in the camera frame, side), which may hide each other."""
        meshes = [(np.asarray(vertices, np.float32), self._topology[side]) for vertices, side in hands]
        return [visibility(mesh, topology.normals(mesh), topology, camera, [m for m in meshes if m[0] is not mesh]).visible
                for mesh, topology in meshes]


class FrameByFrame:
    """A network alone: each frame's crop around the points of the frame before, and what the network says of it, as it is."""

    def __init__(self, key: str, weights: Path, threads: int, hands: int, sight: Sight, detector: Detector) -> None:
        self.key, self._sight, self._detector = key, sight, detector
        self._network, self._tracker = Network(weights, threads), Tracker(TrackingSettings(hands=hands))

    def begin(self, clip: Clip) -> None:
        self._tracker.reset()

    def look(self, frame: Frame, camera: Intrinsics) -> list[Seen]:
        tracker, time = self._tracker, frame.time
        answers = self._ask(frame, list(tracker.tracks))
        if tracker.wants_search(time):
            answers |= self._ask(frame, tracker.searched(self._detector.detect(frame.image), time))
        for track in tracker.drop_duplicates():
            answers.pop(track.number, None)
        hands = [self._in_frame(track, *answers[track.number], camera, frame.image.shape[1])
                 for track in tracker.tracks if track.number in answers]
        seen = self._sight([(vertices, hand.side) for hand, vertices in hands], camera)
        return [replace(hand, visible=visible) for (hand, _), visible in zip(hands, seen)]

    def _ask(self, frame: Frame, tracks: list[Track]) -> dict[int, tuple[Crop, dict[str, np.ndarray]]]:
        """Crop and answer of each track in which the network sees a hand, by number."""
        answers = {}
        for track in tracks:
            crop = crop_from_points(self._tracker.expected_points(track, frame.time), track.side, self._network.size)
            out = {name: values[0] for name, values in self._network(cut(frame.image, crop)[None]).items()}
            points = to_frame(out['points'][:, :2].astype(float), crop)
            if self._tracker.observe(track, points, float(out['presence'][0]), float(out['right'][0]), frame.time):
                answers[track.number] = crop, out
        return answers

    def _in_frame(self, track: Track, crop: Crop, out: dict[str, np.ndarray], camera: Intrinsics, width: int) -> tuple[Seen, np.ndarray]:
        """An answer in the frame's camera, and the hand's vertices there."""
        left = crop.mirrored
        upright, camera = (unmirrored(crop, width), mirror_intrinsics(camera, width)) if left else (crop, camera)
        turn = crop_to_frame_rotation(upright, camera)
        scale, wrist = float(out['scale'][0]), out['translation'].astype(float)
        place = wrist_in_frame(wrist, scale, self._network.focal, upright, camera)
        joints, vertices = ((out[name] - wrist) / scale @ turn.T + place for name in ('joints_3d', 'vertices'))
        points = to_frame(out['joints_2d'].astype(float), upright)
        if left:
            points, joints, vertices = mirror_points_2d(points, width), mirror_points_3d(joints), mirror_points_3d(vertices)
        colours = np.round(255 * np.clip(out['texture'], 0, 1)).astype(np.uint8)
        fitted = to_frame(out['points'][:, :2].astype(float), crop)
        return Seen(track.number, 'left' if left else 'right', points, joints, colours, fitted=fitted), vertices

    def close(self) -> None:
        """The detector is somebody else's."""


class Live:
    """The program's live pipeline, given every frame in order. As in the window, a frame waits for the next one."""

    def __init__(self, key: str, weights: Path, threads: int, hands: int, sight: Sight) -> None:
        self.key, self._sight, self.hands = key, sight, []
        self._answers: Generator[list[Hand], None, None] = (hands for hands in ())
        settings = PipelineSettings(mode='live', hands=hands, weights=weights, provider='cpu', threads=threads)
        self.pipeline = Pipeline(settings if key == 'live' else replace(settings, smoothing=0.0))

    def begin(self, clip: Clip) -> None:
        self._answers.close()
        self.pipeline.reset()
        self._answers = self._followed(clip)

    def _followed(self, clip: Clip) -> Generator[list[Hand], None, None]:
        """The hands of each frame of a clip, which it reads for itself, a few frames farther than it has answered."""
        with clip.open() as source, closing(walk(self.pipeline, source, lambda frame: clip.camera(*frame.image.shape[1::-1]))) as answers:
            for _, hands, _ in answers:
                self.pipeline.clock.end_frame()
                yield hands

    def look(self, frame: Frame, camera: Intrinsics) -> list[Seen]:
        self.hands: list[Hand] = next(self._answers)
        seen = self._sight([(hand.vertices, hand.side) for hand in self.hands], camera)
        waited = int(self.pipeline.settings.smoothing > 0)
        return [Seen(hand.track, hand.side, hand.joints_2d, hand.joints_3d, hand.colours, visible, hand.points, waited=waited)
                for hand, visible in zip(self.hands, seen)]

    def close(self) -> None:
        self._answers.close()
        self.pipeline.close()


@dataclass
class Consistent:
    """`reconstruct --consistent`: it sees the whole clip before it answers, and what it writes into `hands.npz` is measured."""

    weights: Path
    threads: int
    hands: int
    sight: Sight
    key: str = 'consistent'

    def begin(self, clip: Clip) -> None:
        self._seen: dict[int, list[Seen]] = {}
        with tempfile.TemporaryDirectory(prefix='s2hand-') as folder:
            place = Path(folder)
            settings = ReconstructSettings(write=('hands',), hands=self.hands, weights=self.weights, threads=self.threads, provider='cpu',
                                           consistent=True, fps=clip.fps, sequence=True if clip.fps else None)
            if clip.truth is not None:
                camera = clip.truth.camera
                (place / 'camera.json').write_text(json.dumps({name: getattr(camera, name) for name in ('fx', 'fy', 'cx', 'cy')}))
                settings = replace(settings, intrinsics=place / 'camera.json')
            outcome = reconstruct(clip.path, place / 'out', settings)
            self._read(outcome.folder / 'hands.npz')

    def _read(self, path: Path) -> None:
        found = read_hands(path)
        matrices = np.broadcast_to(found.intrinsics, (len(found), 3, 3))
        for index in np.unique(found.frame):
            rows = np.flatnonzero(found.frame == index)
            matrix = matrices[rows[0]]
            camera = Intrinsics(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
            seen = self.sight([(found.vertices[row], str(found.side[row])) for row in rows], camera)
            self._seen[int(index)] = [
                Seen(int(found.track[row]), str(found.side[row]), found.joints_2d[row].astype(float), found.joints_3d[row].astype(float),
                     found.colours[row].copy(), visible, filled=bool(found.filled[row]))
                for row, visible in zip(rows, seen)]

    def look(self, frame: Frame, camera: Intrinsics) -> list[Seen]:
        return self._seen.get(frame.index, [])

    def close(self) -> None:
        """Nothing is held."""
