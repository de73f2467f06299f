"""What the skin is learned from in clips: whose shape a frame is drawn with."""
from __future__ import annotations

import numpy as np
import torch

from models.s2hand import S2Hand
from training.texture_sight import look
from training.video_texture import shape_of_others


def test_a_frame_gets_the_mean_shape_of_its_clips_other_frames_and_keeps_its_own_if_there_are_none():
    shape = np.array([[1.0, 0.0], [2.0, 4.0], [7.0, 7.0], [3.0, 2.0]], np.float32)
    made = shape_of_others(shape, np.array([0, 0, 1, 0]))
    wanted = [[2.5, 3.0], [2.0, 1.0], [7.0, 7.0], [1.5, 2.0]]
    assert np.allclose(made, wanted), f'{made.tolist()}, by hand {wanted}'


def test_a_frame_that_is_drawn_with_another_shape_covers_other_pixels_and_its_own_shape_is_still_told():
    torch.manual_seed(3)
    network = S2Hand().eval()
    crops = np.random.default_rng(0).integers(0, 256, (2, network.size, network.size, 3), np.uint8)
    own = look(network, crops, np.random.default_rng(1))
    larger = own['shape'] + np.float32(3.0) * np.eye(own['shape'].shape[1], dtype=np.float32)[0]
    same, other = (look(network, crops, np.random.default_rng(1), shape) for shape in (own['shape'], larger))
    assert np.allclose(same['points'], own['points']), 'drawn with its own shape a hand lies elsewhere'
    moved = np.abs(other['points'] - own['points']).max()
    assert moved > 1, f'with a shape of 3 standard deviations more the mesh moved by {moved:.2f} pixels only'
    assert np.array_equal(other['shape'], own['shape'])
