"""The trunk in torch is the landmark network in the tflite file.

`landmark_crops.npz`: three rendered crops and what LiteRT 2.3 answers to them with `hand_landmark_full.tflite`.
"""
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from app.detector_file import detector_path
from app.errors import InputError
from models.landmark_trunk import FEATURES, LandmarkTrunk
from training.import_trunk import read_landmark_file, trunk_weights

EXPECTED = Path(__file__).with_name('landmark_crops.npz')


@pytest.fixture(scope='module')
def weights():
    try:
        return trunk_weights(read_landmark_file(detector_path()))
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def answers(weights):
    trunk = LandmarkTrunk()
    trunk.load_state_dict(weights)
    with np.load(EXPECTED) as file:
        expected = {key: file[key] for key in file.files}
    with torch.inference_mode():
        features, low, _ = trunk.eval()(torch.from_numpy(expected['crops']).permute(0, 3, 1, 2) / 255)
        return trunk.landmarks(features), features, low, expected


def test_points_are_those_of_the_tflite_interpreter(answers):
    landmarks, _, _, expected = answers
    worst = np.abs(landmarks.points.numpy() - expected['points']).max()
    assert worst < 0.01, f'points differ by up to {worst:.5f} px of 224; 0.01 px allows for another order of summation'


def test_presence_side_and_world_points_are_those_of_the_tflite_interpreter(answers):
    landmarks, _, _, expected = answers
    for name, tolerance in (('presence', 1e-4), ('right', 1e-4), ('world', 1e-5)):
        worst = np.abs(getattr(landmarks, name).numpy() - expected[name]).max()
        assert worst < tolerance, f'{name} differs by {worst:.2e}, allowed {tolerance}'


def test_a_rendered_right_hand_is_seen_as_a_right_hand(answers):
    landmarks = answers[0]
    assert landmarks.presence.min() > 0.5 and landmarks.right.min() > 0.5, f'{landmarks.presence.flatten()}, {landmarks.right.flatten()}'


def test_features_and_low_level_map_have_the_announced_sizes(answers):
    _, features, low, _ = answers
    assert features.shape[1:] == (FEATURES + LandmarkTrunk.features,), 'its own end and the one for the mesh'
    assert low.shape[1:] == (LandmarkTrunk.low_channels, LandmarkTrunk.size // 4, LandmarkTrunk.size // 4)


def test_it_has_47_convolutions_beside_the_end_for_the_mesh():
    trunk = LandmarkTrunk()
    counts = [sum(isinstance(m, torch.nn.Conv2d) for m in part.modules()) for part in (trunk, trunk.mesh_blocks, trunk.spots)]
    assert counts[0] - counts[1] - counts[2] == 47, f'{counts[0]} in all, {counts[1]} and {counts[2]} of them for the mesh'


def test_training_the_end_for_the_mesh_leaves_the_points_as_they_are(weights):
    trunk = LandmarkTrunk()
    trunk.load_state_dict(weights)
    crop = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = trunk(crop)[0]
        for parameter in trunk.mesh_blocks.parameters():
            parameter.mul_(1.1)
        after = trunk(crop)[0]
    assert torch.equal(trunk.landmarks(before).points, trunk.landmarks(after).points), 'the points moved with the mesh'
    assert not torch.equal(trunk.for_mesh(before), trunk.for_mesh(after)), 'the mesh has no end of its own'


def test_the_palm_detector_is_refused(weights):
    with zipfile.ZipFile(detector_path()) as archive, pytest.raises(ValueError, match='not the hand landmark network'):
        trunk_weights(archive.read('hand_detector.tflite'))
