"""The texture baked from the vertices' colours: the same colours on the mesh, without a seam, in milliseconds."""
from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from app.hand_model import HandModel
from app.outputs.texture_map import PADDING, TextureMap, texture_map

MODEL = HandModel.load()
SMOOTH = (255 * (MODEL.template - MODEL.template.min(0)) / np.ptp(MODEL.template, axis=0)).astype(np.uint8)


def sampled(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """As a viewer filters it: between the four pixels around a place (P, 2) -> (P, 3)."""
    x, y = (uv * (texture.shape[1], -texture.shape[0]) + (-0.5, texture.shape[0] - 0.5)).astype(np.float32).T
    texture = texture.astype(np.float32)
    rows = [cv2.remap(texture, x[i:i + 1000, None], y[i:i + 1000, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for i in range(0, len(x), 1000)]
    return np.concatenate(rows)[:, 0]


@pytest.mark.parametrize('size, most', [(1024, 2), (256, 10)])
def test_along_every_edge_both_sides_of_a_seam_have_the_colours_between_their_vertices(size, most):
    texture = TextureMap(MODEL.faces, MODEL.uv, MODEL.uv_faces, size).bake(SMOOTH)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        for share in (0, 0.25, 0.5):
            uv = (1 - share) * MODEL.uv[MODEL.uv_faces[:, a]] + share * MODEL.uv[MODEL.uv_faces[:, b]]
            true = (1 - share) * SMOOTH[MODEL.faces[:, a]].astype(float) + share * SMOOTH[MODEL.faces[:, b]]
            error = np.abs(sampled(texture, uv) - true).max()
            assert error <= most, f'{error:.1f} levels; without padding a border pixel is mixed with the ground and is off by some fifty'


def test_the_ground_around_the_charts_continues_their_colours():
    texture, covered = texture_map(MODEL).bake(np.full(MODEL.template.shape, 200, np.uint8)), texture_map(MODEL).covered
    assert (texture == 200).all(), 'one colour stays one colour'
    texture = texture_map(MODEL).bake(SMOOTH)
    away = cv2.distanceTransform((~covered).astype(np.uint8), cv2.DIST_L2, 5)
    ground = SMOOTH.astype(float).mean(0).round()
    near = (away > 0) & (away < PADDING - 1)
    share = (texture[near] == ground).all(-1).mean()
    assert share < 0.01, f'{100 * share:.1f} % of the pixels beside the charts have the colour of the ground'


def test_a_texture_takes_milliseconds_once_the_map_is_there():
    mapped = texture_map(MODEL)
    assert texture_map(HandModel.load()) is mapped, 'the map is made once, also for a model that was loaded again'
    started = time.thread_time()
    for _ in range(5):
        mapped.bake(SMOOTH)
    took = 200 * (time.thread_time() - started)
    assert took < 50, f'{took:.0f} ms of processor time each; 15 on the machine it was made on'


def test_an_atlas_without_area_is_a_mistake_of_the_program():
    with pytest.raises(ValueError, match='no pixel'):
        TextureMap(np.array([[0, 1, 2]]), np.full((3, 2), 5.0), np.array([[0, 1, 2]]), 64)
