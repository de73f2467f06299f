"""The first pass: which hands are where, and what the network says of each, frame by frame; nothing is fitted or smoothed yet."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from app.consistent.row_file import RowFile
from app.crop import crop_from_points, cut, to_frame
from app.crop_camera import crop_to_frame_rotation, unmirrored, wrist_in_frame
from app.mirror import mirror_intrinsics, opposite
from app.pipeline import Pipeline
from app.regression import Prediction
from app.rendering.light import TO_LINEAR
from app.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from app.tracking import Track
from app.types import Crop, Frame, Intrinsics

ROW = np.dtype([  # what is kept of a hand in a frame
    ('frame', '<i4'), ('time', '<f8'), ('track', '<i4'), ('left', '?'),
    ('presence', '<f4'), ('agreement', '<f4'), ('trust', '<f4'),  # in 0..1, that it is a hand, one of this side, and in its points
    ('points', '<f4', (21, 2)), ('depths', '<f4', (21,)),  # frame pixels
    ('pose', '<f4', (16, 3)), ('wrist', '<f4', (3,)),  # of a right hand in the (for a left one mirrored) frame's camera
    ('camera', '<f4', (4,)), ('width', '<f4'),  # fx, fy, cx, cy and width of the frame, pixels
    ('tone', '<f4', (3,)), ('light', '<f4', (11,)),  # logarithm of the palm's mean colour; the network's idea of the light
])
FRAME = np.dtype([('frame', '<i4'), ('time', '<f8'), ('cut', '?')])  # of every frame; cut: another scene than the frame before
DOUBTED = 0.35  # of a hand's side, below which it is looked at as one of the other side, too
PALM = [0, 1, 5, 9, 13, 17]
THUMBNAIL = 32, 24
CUT = 22.0  # grey levels (mean over the thumbnail) between two frames of different scenes, at least
CUT_RATIO = 4.0  # and so many times what the frames before differed
MEMORY = 12  # frames before that are compared


class CutFinder:
    """Tells where a scene ends, by a thumbnail of each frame."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._changes: list[float] = []

    def __call__(self, image: np.ndarray) -> bool:
        """Whether this frame (H, W, 3) belongs to another scene than the one before."""
        small = cv2.resize(image, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        last, self._last = self._last, small
        if last is None:
            return False
        change = float(np.abs(small - last).mean())
        usual = float(np.median(self._changes)) if self._changes else 0.0
        if change > max(CUT, CUT_RATIO * usual):
            self._changes = [change]  # what goes on like this is no row of scenes but a camera that is swung
            return True
        self._changes = [*self._changes[1 - MEMORY:], change]
        return False


class Scout:
    """Follows the hands of one source with the parts of a pipeline and writes down what they look like."""

    def __init__(self, pipeline: Pipeline, folder: Path):
        self.pipeline = pipeline
        self.rows, self.frames = RowFile(folder, ROW), RowFile(folder, FRAME)
        self._is_cut = CutFinder()

    def look(self, frame: Frame, intrinsics: Intrinsics) -> None:
        """Take in the next frame."""
        tracker, clock = self.pipeline.tracker, self.pipeline.clock
        is_cut = self._is_cut(frame.image)
        if is_cut:
            tracker.forget()
        for track, seen in self.pipeline.follow(frame, clock, lambda tracks: self._look(frame, tracks)):
            self.rows.append(self._row(frame, intrinsics, track, *seen))
        self.frames.append(np.array((frame.index, frame.time, is_cut), FRAME))

    def close(self) -> None:
        """Leave nothing on the disk."""
        self.rows.close()
        self.frames.close()

    def _look(self, frame: Frame, tracks: list[Track]) -> dict[int, tuple[Crop, np.ndarray, Prediction, np.ndarray, float]]:
        """Of each track that shows a hand: crop, picture (S, S, 3), answer, points (21, 2) px, and in 0..1 that its side is right."""
        looks = self.pipeline.cut_out(frame, self.pipeline.clock, tracks)
        other_looks = self._other_sides(frame.image, tracks, looks)
        seen = {}
        for at, (track, (_, _, prediction)) in enumerate(zip(tracks, looks)):
            (crop, picture, better), agreement = looks[at], prediction.right
            if at in other_looks:
                other = other_looks[at][2]
                if other.right > 1 - DOUBTED and other.presence > prediction.presence - 0.2:
                    crop, picture, better = other_looks[at]
                    agreement = compared(other.right, prediction.right)
                else:
                    agreement = compared(prediction.right, other.right)
            points = to_frame(better.points.astype(float), crop)
            if self.pipeline.tracker.observe(track, points, better.presence, prediction.right, frame.time):
                seen[track.number] = crop, picture, better, points, agreement
        return seen

    def _other_sides(self, image: np.ndarray, tracks: list[Track], looks: list) -> dict[int, tuple[Crop, np.ndarray, Prediction]]:
        """Hands that may be of the other side than their tracks say, looked at as such. The tracker needs many frames to change its mind;
        the motion that is sought later may know better about these."""
        doubted = [at for at, (_, _, prediction) in enumerate(looks) if prediction.right < DOUBTED]
        if not doubted:
            return {}
        size, clock = self.pipeline.regressor.size, self.pipeline.clock
        points = [to_frame(looks[at][2].points.astype(float), looks[at][0]) for at in doubted]
        crops = [crop_from_points(of_hand, opposite(tracks[at].side), size) for of_hand, at in zip(points, doubted)]
        pictures = [cut(image, crop) for crop in crops]
        with clock.stage('network'):
            predictions = self.pipeline.regressor(pictures)
        return {at: look for at, *look in zip(doubted, crops, pictures, predictions)}

    def _row(self, frame: Frame, intrinsics: Intrinsics, track: Track, crop: Crop, picture: np.ndarray, prediction: Prediction,
             points: np.ndarray, agreement: float) -> np.ndarray:
        row, width = np.zeros((), ROW), frame.image.shape[1]
        camera = mirror_intrinsics(intrinsics, width) if crop.mirrored else intrinsics
        upright = unmirrored(crop, width) if crop.mirrored else crop
        pose = prediction.pose.astype(float)
        pose[0] = matrix_to_axis_angle(crop_to_frame_rotation(upright, camera) @ axis_angle_to_matrix(pose[0]))
        row['frame'], row['time'], row['track'], row['left'] = frame.index, frame.time, track.number, crop.mirrored
        row['presence'], row['agreement'], row['trust'] = prediction.presence, agreement, prediction.trust
        row['points'], row['depths'], row['pose'] = points, prediction.depths / crop.scale, pose
        focal = self.pipeline.regressor.focal
        row['wrist'] = wrist_in_frame(prediction.translation.astype(float), prediction.scale, focal, upright, camera)
        row['camera'], row['width'] = (intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy), width
        row['tone'], row['light'] = palm_tone(picture, prediction.points), prediction.light
        return row


def compared(own: float, other: float) -> float:
    """In 0..1, that a hand is of the side that it was looked at as (`own` in 0..1), after a look at it as one of the other side (`other`):
    a hand that looks like neither says nothing."""
    both = np.clip([own, other], 1e-3, 1 - 1e-3)
    odds = both / (1 - both)
    return float(np.sqrt(odds[0]) / (np.sqrt(odds[0]) + np.sqrt(odds[1])))


def palm_tone(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(3,) logarithm of the mean linear colour between the palm's joints of a crop (S, S, 3); `points` (21, 2) crop pixels."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points[PALM]).astype(np.int32)), 1)
    inside = picture[mask > 0]
    return np.log(np.maximum(TO_LINEAR[inside].mean(0) if len(inside) else np.full(3, 0.2), 1e-3))
