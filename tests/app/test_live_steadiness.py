"""A followed hand in pictures, live: steady at rest, not late, as near to the points as without smoothing, and anew after each loss."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import convolve1d

from app.detection import landmarker, mediapipe_image, quiet_native_stderr
from app.pipeline import Pipeline, PipelineSettings
from app.sources import open_source
from app.types import Frame, Hand, Intrinsics
from training.metrics import pa_mpjpe
from training.video_figures import SOFTENING, acceleration_error, high_pass, lag

CAMERA = Intrinsics.from_field_of_view(640, 480)
RATE = 30
HALF = 5  # frames at either end of a clip that have no high pass


def clip(path: Path, frames: int) -> list[Frame]:
    """The first frames of a video or folder, at 30 a second."""
    with open_source(path, stop=frames) as source:
        return [Frame(f.image, i, i / RATE, i / RATE) for i, f in enumerate(source)]


def followed(frames: list[Frame], strengths: tuple[float, ...], wait: bool = True) -> list[list[list[Hand]]]:
    """The hands of each frame with smoothing of each strength; the network looks once for all. `wait`: for the frame after, as usual."""
    pipelines = [Pipeline(PipelineSettings(mode='live', hands=1, threads=1, smoothing=strength)) for strength in strengths]
    hands: list[list[list[Hand]]] = [[] for _ in pipelines]
    try:
        for frame in frames:
            looked = pipelines[0].look(frame)
            for pipeline, found in zip(pipelines, hands):
                found += [placed.hands for placed in pipeline.settle(looked, CAMERA, wait)]
                pipeline.clock.end_frame()
        for pipeline, found in zip(pipelines, hands):
            found += [placed.hands for placed in pipeline.flush()]
    finally:
        for pipeline in pipelines:
            pipeline.close()
    return hands


def joints(hands: list[list[Hand]]) -> np.ndarray:
    """(T, 21, 3), one hand in every frame."""
    assert all(len(found) == 1 for found in hands), 'the hand was not followed through all frames'
    return np.array([found[0].joints_3d for found in hands])


def speed(points: np.ndarray) -> np.ndarray:
    """(T,) mean speed of points (T, 21, 2) in pixels a frame, softened as `evaluate --video` does: what jumps to and fro is not quick."""
    soft = convolve1d(points, SOFTENING, axis=0, mode='nearest')
    return np.linalg.norm(np.gradient(soft, axis=0), axis=-1).mean(1)


def tremble(series: np.ndarray, of: np.ndarray) -> float:
    """RMS of the high pass of joints (T, 21, 3) about the wrist, over the frames `of` (T,) bool."""
    part = high_pass(series - series[:, :1])[HALF:-HALF][of[HALF:-HALF]]
    return float(np.sqrt((part ** 2).sum(-1).mean()))


def stiller(points: np.ndarray) -> np.ndarray:
    """(T,) bool: the half of the frames about which the points (T, 21, 2) move least."""
    about = np.convolve(np.pad(speed(points), HALF, mode='edge'), np.full(2 * HALF + 1, 1 / (2 * HALF + 1)), 'valid')
    return about <= np.median(about)


@pytest.fixture(scope='module')
def demo(demo_clip):
    frames = clip(demo_clip, 100)
    return frames, followed(frames, (0.0, 0.5))


def test_the_demo_clips_hand_moves_like_the_true_one(demo, demo_clip):
    truth = np.load(demo_clip.parent / 'demo_truth.npz')
    aim, flat = truth['joints_3d'][:100], truth['joints_2d'][:100]
    raw, ours = (joints(hands) for hands in demo[1])
    errors = [acceleration_error(series, aim, RATE, rooted=True) for series in (raw, ours)]
    assert errors[1] < 0.35 * errors[0], f'accelerations err by {errors[1]:.2f} m/s^2, {errors[0]:.2f} without smoothing, 0.35 allowed'
    behind = lag(ours - ours[:, :1], aim - aim[:, :1])
    assert abs(behind) < 1 or np.isnan(behind), f'{behind:.2f} frames late'
    fast = speed(flat) >= np.quantile(speed(flat), 0.9)
    off = [np.linalg.norm(CAMERA.project(series) - flat, axis=-1).mean(1)[fast].mean() for series in (raw, ours)]
    assert off[1] < 1.1 * off[0], f'in the fastest tenth {off[1]:.2f} px from the truth, {off[0]:.2f} without smoothing'


def test_in_noisy_pictures_the_hand_is_steady_and_does_not_trail(demo_clip):
    """Noise of 20 grey levels, as of a webcam in the evening: it shakes points and mesh. Accelerations err 0.12 times as much."""
    draw, truth = np.random.default_rng(5), np.load(demo_clip.parent / 'demo_truth.npz')
    frames = [replace(f, image=np.clip(f.image + draw.normal(0, 20, f.image.shape), 0, 255).astype(np.uint8)) for f in clip(demo_clip, 60)]
    aim, flat = truth['joints_3d'][:60], truth['joints_2d'][:60]
    raw, ours = (joints(hands) for hands in followed(frames, (0.0, 0.5)))
    errors = [acceleration_error(series, aim, RATE, rooted=True) for series in (raw, ours)]
    assert errors[1] < 0.2 * errors[0], f'accelerations err by {errors[1]:.2f} m/s^2, {errors[0]:.2f} without smoothing, 0.2 allowed'
    fast = speed(flat) >= np.quantile(speed(flat), 0.9)
    off = [np.linalg.norm(CAMERA.project(series) - flat, axis=-1).mean(1)[fast].mean() for series in (raw, ours)]
    assert off[1] < 1.1 * off[0], f'in the fastest tenth {off[1]:.2f} px from the truth, {off[0]:.2f} without smoothing'


def test_the_fit_to_points_leaves_most_of_the_networks_3d(demo, demo_clip):
    """Against the truth of the demo clip, after the best move, turn and scale: the detector's points lie elsewhere than the joints."""
    truth = np.load(demo_clip.parent / 'demo_truth.npz')['joints_3d'][:60]
    with Pipeline(PipelineSettings(mode='live', hands=1, threads=1, refine=False, smoothing=0.0)) as pipeline:
        alone = joints([pipeline.process(frame, CAMERA) for frame in demo[0][:60]])
    before, after = (1e3 * np.mean([pa_mpjpe(a, b) for a, b in zip(series, truth)]) for series in (alone, joints(demo[1][1][:60])))
    # 2.0 mm more with the weights that ship; 4.0 where the depths of the network's joints do not hold
    assert after < before + 2.5, f'{after:.2f} mm live, {before:.2f} mm as the network says; 2.5 mm more are allowed'


def test_a_hand_that_was_lost_is_filtered_anew(demo):
    frames = demo[0]
    blank = replace(frames[0], image=np.full_like(frames[0].image, 110))
    series = [*frames[:12], *(replace(blank, index=i, time=i / RATE) for i in (12, 13)), *frames[14:20]]
    raw, ours = followed(series, (0.0, 0.5), wait=False)
    assert not raw[12] and not raw[13], 'a hand was found in a blank picture'
    first = next(i for i in range(14, 20) if ours[i])
    assert np.abs(ours[11][0].joints_3d - raw[11][0].joints_3d).max() > 1e-4, 'nothing was smoothed before the loss'
    apart = np.abs(ours[first][0].joints_3d - raw[first][0].joints_3d).max()
    assert apart < 1e-6, f'found again, the hand is {1e3 * apart:.2f} mm from what the frame alone says'


def test_another_hand_is_calibrated_anew_and_one_that_comes_back_is_not(demo):
    frames = demo[0]
    blank = np.full_like(frames[0].image, 110)
    certain = {}
    for pause in (2, 40):
        with Pipeline(PipelineSettings(mode='live', hands=1, threads=1)) as pipeline:
            series = [f.image for f in frames[:30]] + [blank] * pause + [f.image for f in frames[30:38]]
            for i, image in enumerate(series):
                hands = pipeline.process(Frame(image, i, i / RATE, i / RATE), CAMERA)
                if i == 29:
                    before = pipeline.statuses()[0]
                if hands and i >= 30 + pause:
                    certain[pause] = pipeline.statuses()[0]
                    break
    assert before.shape_certainty > 0.5 and certain[2].track == before.track and certain[2].shape_certainty >= before.shape_certainty
    assert certain[40].track != before.track and certain[40].shape_certainty < 0.2 and not certain[40].shape_locked, certain[40]


class Peer:
    """MediaPipe's hand landmarker as its own users run it on a video."""

    def __init__(self):
        self._landmarker = landmarker(1, video=True)

    def __call__(self, frames: list[Frame]) -> tuple[np.ndarray, np.ndarray]:
        """Points (T, 21, 2) px and world points (T, 21, 3) metres."""
        points, worlds = [], []
        with quiet_native_stderr():
            for frame in frames:
                height, width = frame.image.shape[:2]
                found = self._landmarker.detect_for_video(mediapipe_image(frame.image), round(1e3 * frame.time))
                points.append(np.array([(p.x, p.y) for p in found.hand_landmarks[0]]) * (width, height) - 0.5)
                worlds.append([(p.x, p.y, p.z) for p in found.hand_world_landmarks[0]])
            self._landmarker.close()
        return np.array(points), np.array(worlds)


@pytest.mark.slow
@pytest.mark.parametrize('name,most,trailing', [('w_nhhuy__20', 0.35, 1.1), ('w_leonardo__3', 0.35, 1.3)])
def test_real_hands_tremble_less_than_mediapipes_are_not_late_and_do_not_trail(shared_data, name, most, trailing):
    """`most`: of MediaPipe's trembling in the stiller half of the frames; `trailing`: of the error without smoothing. In the second clip
    points of hidden fingers jump by half the hand and back, MediaPipe's too: who does not follow them is off there."""
    frames = clip(shared_data / 'clips' / 'val' / name, 100)
    points, world = Peer()(frames)
    raw, ours = (joints(hands) for hands in followed(frames, (0.0, 0.5)))
    still = stiller(points)
    share = tremble(ours, still) / tremble(world, still)
    assert share < most, f'{share:.2f} of MediaPipe\'s high-pass RMS about the wrist, at most {most} should be'
    for late, early, what in ((ours - ours[:, :1], raw - raw[:, :1], 'the unfiltered joints'),
                              (CAMERA.project(ours), points, 'MediaPipe\'s points')):
        assert not lag(late, early) > 1, f'{lag(late, early):.2f} frames behind {what}'
    fast = speed(points) >= np.quantile(speed(points), 0.9)
    off = [np.linalg.norm(CAMERA.project(series) - points, axis=-1).mean(1)[fast].mean() for series in (raw, ours)]
    assert off[1] < trailing * off[0], (f'in the fastest tenth {off[1]:.2f} px from MediaPipe\'s points, {off[0]:.2f} without smoothing, '
                                        f'{trailing} times that is allowed')
