"""What happens to one frame: find, follow, cut, regress, refine, smooth, colour. The same for pictures, videos and the live window.

The mode decides only what may be remembered: nothing between pictures ('image'), everything in order otherwise.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from app.crop import crop_from_points, cut, to_frame
from app.crop_camera import crop_to_frame_rotation, unmirrored, wrist_in_frame
from app.detection import Detector
from app.detector_file import sha256
from app.hand_fit import Step
from app.hand_model import DEFAULT_PATH, HandModel
from app.live.shown import HandStatus
from app.mirror import mirror_intrinsics, mirror_points_2d, mirror_points_3d, mirror_pose
from app.passing import Fitted, Found, Looked, Memory, Placed, Sighting, Upright
from app.refinement import HandState, Refiner
from app.regression import Prediction, Provider, Regressor
from app.rotations import axis_angle_to_quaternion, one_axis_angle, one_matrix
from app.smoothing import Observed
from app.texture import is_read
from app.timing import StageClock
from app.tracking import Track, Tracker, TrackingSettings
from app.types import Crop, Frame, Hand, Intrinsics, Mode


Seen = TypeVar('Seen')
LIVE_TIMINGS = 600  # frames whose timings a live run keeps; it may go on for hours
DEFAULT_LIGHT = np.array([[1, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]], np.float32)  # the same from everywhere


@dataclass(frozen=True)
class PipelineSettings:
    """How frames are turned into hands."""

    mode: Mode = 'video'  # 'image' remembers nothing between frames
    hands: int = 2  # at most this many at once
    weights: Path | None = None  # an exported network; None for the one that ships
    provider: Provider = 'auto'  # what the network should run on
    threads: int | None = None  # of the network; None: all cores, at most 4; half of them with OpenVINO
    refine: bool = True  # fit the hand to the detected points after the network
    smoothing: float = 0.5  # 0 none, 1 strongest; pictures are never smoothed
    lock: bool = True  # one shape and one texture for a hand, once enough of it was seen


class Pipeline:
    """Owns the network, the detector and all memory of one source. A context manager; `reset` before another source.

    `process` is `look`, then `place`. Where to cut next follows from `look` alone, so two threads may share the work (`app/walk.py`): one
    looks at a frame while the other places the hands of the frame before. Each gets the frames in order, and the results are the same.

    Hands are steadier for those who wait one frame: `settle` gives the hands of the frame before, smoothed with what this one says of them.
    """

    def __init__(self, settings: PipelineSettings = PipelineSettings(), model_path: Path | None = None, model: HandModel | None = None,
                 tell: Callable[[str], None] | None = None):
        """`model`: what `model_path` holds, if it is loaded already. `tell` gets a sentence before something that takes minutes."""
        path = Path(model_path or DEFAULT_PATH)
        self.settings = settings
        self.model = model or HandModel.load(path)
        self.regressor = Regressor(settings.weights, settings.provider, settings.threads, sha256(path), tell)
        self.refiner = Refiner(self.model)
        self.tracker = Tracker(TrackingSettings(hands=settings.hands))
        self.detector = Detector(settings.hands)
        self.clock = StageClock(LIVE_TIMINGS if settings.mode == 'live' else None)
        self._default_colours = np.round(255 * self.model.albedo).astype(np.uint8)
        self._memories: dict[int, Memory] = {}
        self._before: dict[str, Memory] = {}  # side -> what was known of such a hand before time jumped
        self._camera: Intrinsics | None = None
        self._waiting: Fitted | None = None  # for the frame after

    def reset(self) -> None:
        """Forget the source: tracks, shapes, textures, filters, and a frame that waits. Timings stay."""
        self._waiting = None
        self.tracker.reset()
        self._memories.clear()
        self._before.clear()

    def jump(self) -> None:
        """Time jumps within the same source, as when a clip begins again: nothing is followed on, but whoever is in it is still the same,
        so the next hand of a side has the shape and the texture of the last one. A frame that waits is forgotten."""
        self._waiting = None
        self.tracker.forget()
        self._before |= {memory.side: memory for memory in self._memories.values() if memory.side}
        self._memories.clear()

    def reset_shapes(self) -> None:
        """Forget the shapes and textures of all hands, as for another person; the hands are still followed."""
        for memory in self._memories.values():
            memory.shape.reset()
            memory.texture.reset()
        self._before.clear()
        for track in self.tracker.tracks:
            track.looks = 0
        self.tracker.lost.clear()  # one that comes back would bring its own

    def adjust(self, *, mode: Mode | None = None, refine: bool | None = None, smoothing: float | None = None,
               lock: bool | None = None) -> None:
        """Change what needs no new network, from the next frame on; None leaves it. Hands are followed on, shapes and textures stay."""
        wanted = {'mode': mode, 'refine': refine, 'smoothing': smoothing, 'lock': lock}
        settings = replace(self.settings, **{name: value for name, value in wanted.items() if value is not None})
        if settings == self.settings:
            return
        self.settings = settings
        for memory in self._memories.values():
            memory.texture.lock = settings.lock
            memory.forget_motion(settings.smoothing)

    def carry_on(self, other: Pipeline) -> None:
        """Follow the hands that `other` follows, with what it knows of them; it must not be used any more."""
        self.tracker.carry_on(other.tracker)
        self._memories, self._before, self._camera, self._waiting = other._memories, other._before, other._camera, other._waiting

    def warm_up(self) -> None:
        """Do once what is slow the first time, so that the first hand does not have to wait for it."""
        Memory(self.model, self.refiner, self.settings.smoothing, self.settings.lock)
        self.regressor(np.zeros((1, self.regressor.size, self.regressor.size, 3), np.uint8))

    def statuses(self) -> tuple[HandStatus, ...]:
        """What is known of each hand that was in the last frame."""
        told, kept = [], self.settings.lock and self.settings.mode != 'image'
        for track in self.tracker.tracks:
            memory = self._memories.get(track.number)
            if memory is not None:
                texture = memory.texture.state
                told.append(HandStatus(track.number, track.side, track.presence, memory.shape.certainty, memory.shape.locked,
                                       texture.seen, texture.locked, kept, kept and self.settings.refine))
        return tuple(told)

    def process(self, frame: Frame, intrinsics: Intrinsics) -> list[Hand]:
        """The hands in a frame, in the camera `intrinsics`. Frames of a video come in order. `clock` holds what each stage took; the
        caller, who may time stages of its own, ends the frame."""
        return self.place(self.look(frame), intrinsics)

    def look(self, frame: Frame) -> Looked:
        """The first half of a frame: follow and find hands, and run the network on them as far as their points, if it can stop there."""
        clock, tracker = StageClock(), self.tracker
        if self.settings.mode == 'image':
            tracker.forget()
        sightings = tuple(sighting for _, sighting in self.follow(frame, clock, lambda tracks: self._look(frame, clock, tracks)))
        known = frozenset(t.number for t in (*tracker.tracks, *tracker.lost))
        return Looked(frame, sightings, known, clock.end_frame())

    def follow(self, frame: Frame, clock: StageClock, look: Callable[[list[Track]], dict[int, Seen]]) -> list[tuple[Track, Seen]]:
        """Follow the hands into a frame, and find new ones where it is time. `look` tells the tracker of tracks, and answers by their
        numbers what it saw of them; the tracks that remain, with that."""
        tracker = self.tracker
        seen = look(list(tracker.tracks))
        if tracker.wants_search(frame.time):
            with clock.stage('detect'):
                new = tracker.searched(self.detector.detect(frame.image, again=self.settings.mode == 'image'), frame.time)
            seen |= look(list(new))
        for track in tracker.drop_duplicates():
            seen.pop(track.number, None)
        return [(track, seen[track.number]) for track in tracker.tracks if track.number in seen]

    def cut_out(self, frame: Frame, clock: StageClock, tracks: list[Track]) -> list[tuple[Crop, np.ndarray, Prediction]]:
        """Each track cut out of the frame (S, S, 3), and what the network says of it, which runs on all of them at once."""
        if not tracks:
            return []
        crops, pictures = self._cut(frame, clock, tracks)
        with clock.stage('network'):
            return list(zip(crops, pictures, self.regressor(pictures)))

    def place(self, looked: Looked, intrinsics: Intrinsics) -> list[Hand]:
        """The second half: the rest of the network, and the hands in the camera `intrinsics`, fitted, smoothed and coloured. At once; a
        frame that waits is not given out any more."""
        return self.settle(looked, intrinsics, wait=False)[-1].hands

    def settle(self, looked: Looked, intrinsics: Intrinsics, wait: bool = True) -> list[Placed]:
        """`place`, for those who may wait one frame: what is ready now. That is the frame that waited, settled with what this one says of
        its hands; and this one, unless it is to `wait`. Single pictures, and hands that are not smoothed, never wait. `flush` gives the
        last one."""
        newest = self._fitted(looked, intrinsics)
        placed = self.flush(newest)
        if wait and self.settings.mode != 'image' and self.settings.smoothing > 0:
            self._waiting = newest
        else:
            placed.append(self._settled(newest, None))
        return placed

    def flush(self, after: Fitted | None = None) -> list[Placed]:
        """The frame that waits, if one does, settled with what is known."""
        waiting, self._waiting = self._waiting, None
        return [] if waiting is None else [self._settled(waiting, after)]

    def close(self) -> None:
        """Free the detector."""
        self.detector.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _look(self, frame: Frame, clock: StageClock, tracks: list[Track]) -> dict[int, Sighting]:
        """Begin with the network on the tracks and tell the tracker; what was seen, by track number."""
        if not tracks:
            return {}
        seen, textured = {}, any(self._wants_texture(track) for track in tracks)
        crops, pictures = self._cut(frame, clock, tracks)
        with clock.stage('network'):
            begun = self.regressor.begin(pictures, textured)
        for row, (track, crop, (points, presence, right)) in enumerate(zip(tracks, crops, begun.first)):
            points = to_frame(points.astype(float), crop)
            if self.tracker.observe(track, points, presence, right, frame.time):
                seen[track.number] = Sighting(track.number, presence, crop, begun, row, points)
        return seen

    def _cut(self, frame: Frame, clock: StageClock, tracks: list[Track]) -> tuple[list[Crop], list[np.ndarray]]:
        """Where the tracks' hands should be, and the pictures (S, S, 3) there."""
        with clock.stage('crop'):
            crops = [crop_from_points(self.tracker.expected_points(t, frame.time), t.side, self.regressor.size) for t in tracks]
            return crops, [cut(frame.image, crop) for crop in crops]

    def _predictions(self, looked: Looked) -> list[Prediction]:
        """What the network says of each sighting, once it is done with what it has begun."""
        if not looked.sightings:
            return []
        with self.clock.stage('network'):
            begun = {id(sighting.begun): sighting.begun for sighting in looked.sightings}
            done = {key: self.regressor.finish(one) for key, one in begun.items()}
            return [done[id(sighting.begun)][sighting.row] for sighting in looked.sightings]

    def _wants_texture(self, track: Track) -> bool:
        """Whether the texture memory will hear what the network thinks of this look at a hand. (Not any more once the skin's tone is known;
        if the other thread learns that a frame sooner or later, nothing else changes.)"""
        memory = self._memories.get(track.number)
        return is_read(track.looks + 1) and (memory is None or memory.texture.hears_network)

    def _upright(self, sighting: Sighting, intrinsics: Intrinsics, width: int) -> Upright:
        """A sighting in a picture `width` pixels wide as one of a right hand, with what is known of its track."""
        crop, number = sighting.crop, sighting.track
        side = 'left' if crop.mirrored else 'right'
        if number not in self._memories:
            self._memories[number] = self._memory(side)
        memory = self._memories[number]
        if memory.side != side:  # a flipped side is another hand to every filter
            memory.side, memory.last = side, None
            memory.smoother.reset()
        if side == 'right':
            return Upright(memory, sighting.points, crop, intrinsics)
        return Upright(memory, mirror_points_2d(sighting.points, width), unmirrored(crop, width), mirror_intrinsics(intrinsics, width))

    def _fitted(self, looked: Looked, intrinsics: Intrinsics) -> Fitted:
        """The hands fitted to their points. Each step is done for all of them before the next one begins: the second hand then finds code
        and tables where the first one left them, in the processor's cache."""
        self.clock.add(looked.stage_ms)
        frame, sightings = looked.frame, looked.sightings
        if self.settings.mode == 'image':
            self._memories.clear()
        if intrinsics != self._camera:  # what was fitted in another camera would hold the hands back
            self._camera = intrinsics
            for memory in self._memories.values():
                memory.forget_motion(self.settings.smoothing)
        sighted = {sighting.track for sighting in sightings}
        for number, memory in self._memories.items():
            if number not in sighted:  # a hand that is found again may be anywhere
                memory.forget_motion(self.settings.smoothing)
        predictions = self._predictions(looked)
        with self.clock.stage('refine'):
            uprights = [self._upright(sighting, intrinsics, frame.image.shape[1]) for sighting in sightings]
            refined = [self._refined(upright, prediction, sighting.presence)
                       for upright, prediction, sighting in zip(uprights, predictions, sightings)]
        with self.clock.stage('smooth'):
            hands = tuple(self._found(sighting, prediction, upright, *fit, frame.time)
                          for sighting, prediction, upright, fit in zip(sightings, predictions, uprights, refined))
        self._memories = {n: m for n, m in self._memories.items() if n in looked.known}
        return Fitted(frame, intrinsics, hands)

    def _settled(self, fitted: Fitted, after: Fitted | None) -> Placed:
        """The hands of a frame smoothed, with what the frame `after` it says of them if it is there, and coloured."""
        later = {} if after is None else {found.sighting.track: found.observed for found in after.hands}
        with self.clock.stage('smooth'):
            smoothed = [self._smoothed(found, later.get(found.sighting.track)) for found in fitted.hands]
            posed = [self.model.posed(pose, found.state.shape) for (pose, _), found in zip(smoothed, fitted.hands)]
            placed = [self._hand(found.sighting, found.state, *motion, *mesh, fitted.intrinsics)
                      for found, motion, mesh in zip(fitted.hands, smoothed, posed)]
        with self.clock.stage('texture'):
            hands = [self._coloured(fitted, hand, found, [(other.vertices, other.side) for other in placed if other is not hand])
                     for hand, found in zip(placed, fitted.hands)]
        return Placed(fitted.frame, hands, fitted.intrinsics)

    def _hand(self, sighting: Sighting, state: HandState, pose: np.ndarray, translation: np.ndarray, vertices: np.ndarray,
              joints: np.ndarray, intrinsics: Intrinsics) -> Hand:
        """A right hand's `state`, its smoothed `pose` and `translation`, and its mesh about the wrist -> the hand that was seen."""
        vertices += translation.astype(np.float32)
        joints = joints + translation
        side = 'left' if sighting.crop.mirrored else 'right'
        if side == 'left':
            vertices, joints, translation = (mirror_points_3d(values) for values in (vertices, joints, translation))
            pose = mirror_pose(pose)
        return Hand(sighting.track, side, sighting.presence, pose, state.shape, translation, vertices, joints, intrinsics.project(joints),
                    self._default_colours, DEFAULT_LIGHT, sighting.points)

    def _memory(self, side: str) -> Memory:
        """What a new track knows: nothing, or what was known of a hand of its side before time jumped."""
        memory = self._before.pop(side, None)
        if memory is None:
            return Memory(self.model, self.refiner, self.settings.smoothing, self.settings.lock)
        memory.texture.lock = self.settings.lock
        memory.texture.carry_on()
        memory.forget_motion(self.settings.smoothing)
        return memory

    def _coloured(self, fitted: Fitted, hand: Hand, found: Found, others: list) -> Hand:
        """The hand with the colours and the light that its track has learned, this frame included; `others` may stand in front of it."""
        colours, light = found.memory.texture.update(
            fitted.frame.image, hand.vertices, fitted.intrinsics, hand.side, hand.confidence, network_texture=found.prediction.texture,
            network_light=found.prediction.light, others=others)
        return replace(hand, colours=colours, light=light)

    def _found(self, sighting: Sighting, prediction: Prediction, upright: Upright, state: HandState, fit: Step | None,
               time: float) -> Found:
        """A fitted hand, taken in by its smoother unless frames are single pictures."""
        smoother, observed = upright.memory.smoother, None
        if self.settings.mode != 'image':
            observed = smoother.observe(state.pose, state.shape, state.translation, upright.points, upright.camera, time, fit)
        return Found(sighting, prediction, upright.memory, state, smoother, observed)

    @staticmethod
    def _smoothed(found: Found, later: Observed | None) -> tuple[np.ndarray, np.ndarray]:
        """The pose as quaternions (16, 4) and the wrist's translation (3,)."""
        if found.observed is None:
            return axis_angle_to_quaternion(found.state.pose), found.state.translation
        return found.smoother.settle(found.observed, later)

    def _refined(self, upright: Upright, prediction: Prediction, presence: float) -> tuple[HandState, Step | None]:
        """The network's hand in the frame's camera, fitted to the points if the settings say so, and what the fit knows of it; the track's
        one shape is kept."""
        memory, points, crop, camera = upright.memory, upright.points, upright.crop, upright.camera
        pose = prediction.pose.astype(float)
        pose[0] = one_axis_angle(crop_to_frame_rotation(crop, camera) @ one_matrix(pose[0]))
        wrist = wrist_in_frame(prediction.translation.astype(float), prediction.scale, self.regressor.focal, crop, camera)
        remembers = self.settings.lock and self.settings.mode != 'image'
        shape = memory.shape.shape if remembers else prediction.shape.astype(float)
        state = HandState(pose, shape, wrist)
        if not self.settings.refine:
            return state, None
        depths, confidence = prediction.depths / crop.scale, np.full(21, presence * prediction.trust)
        refined = self.refiner.refine(state, points, depths, confidence, camera, shape_fixed=memory.shape.locked,
                                      shape_prior=memory.shape.prior if remembers else None, previous=memory.last)
        if remembers and not memory.shape.locked and not refined.problem:
            # one frame's own shape is noise: it goes into the track's, which hardly moves, and the hand is fitted again with that one
            memory.shape.update(refined, presence)
            again = self.refiner.refine(replace(refined.state, shape=memory.shape.shape), points, depths, confidence, camera,
                                        shape_fixed=True, previous=memory.last, iterations=3)
            refined = replace(again, start=refined.start)
        memory.last = None if refined.problem or self.settings.mode == 'image' else refined
        return refined.state, refined.fitted
