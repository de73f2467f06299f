"""The stages together, on frames of the bundled clip."""
from dataclasses import replace

import numpy as np
import pytest

from app.background import Ahead
from app.mirror import mirror_image, mirror_points_2d
from app.pipeline import Pipeline, PipelineSettings
from app.sources import open_source
from app.types import Frame, Intrinsics

CAMERA = Intrinsics.from_field_of_view(640, 480)


@pytest.fixture(scope='module')
def frames(demo_clip):
    with open_source(demo_clip, stop=30) as source:
        return list(source)


def run(frames, **settings):
    with Pipeline(PipelineSettings(hands=1, **settings)) as pipeline:
        hands = []
        for frame in frames:
            hands.append(pipeline.process(frame, CAMERA))
            pipeline.clock.end_frame()
        return hands, pipeline


@pytest.fixture(scope='module')
def followed(frames):
    return run(frames)


def test_the_mesh_is_the_models_for_the_pose_shape_and_place_told(followed):
    hands, pipeline = followed
    for hand in (hands[0][0], hands[-1][0]):
        vertices, joints = pipeline.model.posed(hand.pose, hand.shape, hand.side)
        error = np.abs(vertices + hand.translation - hand.vertices).max()
        assert error < 1e-5, f'the mesh is {1e3 * error:.3f} mm from the model'
        assert np.abs(CAMERA.project((joints + hand.translation).astype(float)) - hand.joints_2d).max() < 0.05


def test_the_detector_looks_once_while_the_hand_is_followed(followed):
    hands, pipeline = followed
    assert all(len(h) == 1 for h in hands), 'the hand was not in every frame'
    looks = pipeline.clock.summary()['detect']['frames']
    assert looks == 1, f'the detector ran in {looks} of 30 frames with the hand always in view'


def test_two_threads_that_share_the_work_give_the_same_hands(frames, followed):
    with Pipeline(PipelineSettings(hands=1)) as pipeline, Ahead(map(pipeline.look, frames)) as looked:
        for frame, one, here in zip(frames, looked, followed[0], strict=True):
            there, = pipeline.place(one, CAMERA)
            stages = pipeline.clock.end_frame()
            assert one.frame is frame and {'crop', 'network', 'refine', 'smooth', 'texture'} <= stages.keys()
            for name in ('vertices', 'joints_2d', 'shape', 'colours', 'light'):
                assert np.array_equal(getattr(there, name), getattr(here[0], name)), f'{name} of frame {frame.index} differ'


def test_hands_placed_together_are_those_placed_alone(frames):
    """A right hand, and a left one that comes, goes and comes back."""
    shown = []
    for i, frame in enumerate(frames):
        half = frame.image[:, 160:480]
        other = np.zeros_like(half) if i < 4 or 18 <= i < 21 else half[:, ::-1]
        shown.append(replace(frame, image=np.ascontiguousarray(np.hstack([half, other]))))
    with Pipeline(PipelineSettings(hands=2, threads=1, provider='cpu')) as pipeline:
        looked = [pipeline.look(frame) for frame in shown]

        def placed(tracks):
            pipeline.reset()
            seen = [replace(one, sightings=tuple(s for s in one.sightings if s.track in tracks)) for one in looked]
            return [pipeline.place(one, CAMERA) for one in seen]

        tracks = sorted({sighting.track for one in looked for sighting in one.sightings})
        together, alone = placed(tracks), [placed([track]) for track in tracks]
    counts = [len(hands) for hands in together]
    assert counts[0] == counts[19] == 1 and counts[17] == counts[-1] == 2, f'hands in the frames: {counts}'
    assert {hand.side for hand in together[-1]} == {'right', 'left'}
    for index, hands in enumerate(together):
        ones = {hand.track: hand for single in alone for hand in single[index]}
        assert len(ones) == len(hands)
        for hand in hands:
            for name in ('pose', 'shape', 'translation', 'vertices', 'joints_2d', 'points'):
                apart = np.abs(getattr(hand, name) - getattr(ones[hand.track], name)).max()
                assert apart < 1e-6, f'{name} of the {hand.side} hand in frame {index} differs by {apart:.1e} from the one placed alone'


def test_the_mirrored_clip_gives_the_mirrored_hand_of_the_other_side(frames, followed):
    mirrored = [Frame(mirror_image(f.image), f.index, f.time, f.captured) for f in frames[:8]]
    for there, here in zip(run(mirrored)[0], followed[0]):
        assert there[0].side == 'left' and here[0].side == 'right'
        distance = np.linalg.norm(mirror_points_2d(there[0].joints_2d, 640) - here[0].joints_2d, axis=1).mean()
        assert distance < 0.02 * here[0].box_side, f'{distance:.2f} px apart with a hand of {here[0].box_side:.0f} px, allowed 2 %'


def test_single_pictures_leave_no_trace_on_each_other(frames):
    alone = run(frames[20:21], mode='image')[0][0][0]
    after = run([frames[0], frames[9], frames[20]], mode='image')[0][-1][0]
    assert np.array_equal(alone.vertices, after.vertices) and np.array_equal(alone.colours, after.colours)
    assert after.track == 2, 'unrelated pictures share a track'


def test_refinement_brings_the_mesh_closer_to_the_points(frames):
    before, after = (np.mean([h[0].reprojection for h in run(frames[:10], refine=r, smoothing=0.0)[0]]) for r in (False, True))
    assert after < 0.75 * before, f'{before:.2f} px without, {after:.2f} px with refinement'


def test_the_last_shape_of_a_locked_hand_stays(followed):
    shapes = np.array([h[0].shape for h in followed[0]])
    change = np.abs(np.diff(shapes, axis=0)).max(1)
    assert change[-5:].mean() < max(0.5 * change[:5].mean(), 0.02), f'the shape still moves by {change[-5:].mean():.3f} sigma a frame'


def test_a_frame_without_a_hand_gives_none_and_does_not_disturb():
    wall = Frame(np.full((480, 640, 3), 120, np.uint8), 0, 0.0, 0.0)
    assert run([wall])[0] == [[]]


def test_textures_are_asked_for_only_where_they_are_heard_and_no_more_once_the_skin_is_known(frames):
    with Pipeline(PipelineSettings(hands=1)) as pipeline:
        asked, begin = [], pipeline.regressor.begin
        pipeline.regressor.begin = lambda crops, textured: asked.append(textured) or begin(crops, textured)
        for frame in frames:
            pipeline.process(frame, CAMERA)
        assert asked[:8] == [True] * 8 and sum(asked[8:]) == 8, f'asked in {sum(asked)} of 30 frames: {asked}'
        views = next(iter(pipeline._memories.values())).texture._network_views
        assert views == sum(asked), f'{sum(asked)} textures were worked out, {views} were heard'
        pipeline._memories[0].texture._tone_views = 1e9
        asked.clear()
        for frame in frames[:6]:
            pipeline.process(frame, CAMERA)
        assert not any(asked), 'asked for textures of a hand whose tone is known'
