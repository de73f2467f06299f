"""Pictures of what the network says."""
from __future__ import annotations

import numpy as np
import pytest
import torch

from models.camera import project
from models.s2hand import S2HandOutput
from training.panels import CAPTION, CELL, GAP, GREY, HEAD, TITLES, contact_sheet, drawn, panel, resized, turned

SIZE = 224


@pytest.fixture(scope='module')
def output(hand) -> S2HandOutput:
    """Two upright hands, the second one green."""
    pose = torch.zeros(2, 16, 3)
    pose[:, 0, 0] = torch.pi
    made = hand(pose, torch.zeros(2, 10))
    wrist = torch.tensor([0.0, 0.08, 0.7])
    texture = hand.albedo.repeat(2, 1, 1).clone()
    texture[1] = torch.tensor([0.1, 0.8, 0.2])
    light = torch.tensor([0.6, 0.6, 1, 1, 1, 1, 1, 1, 0.3, 0.5, 1]).repeat(2, 1)
    joints, none = made.joints + wrist, torch.zeros(2, 1)
    return S2HandOutput(made.vertices + wrist, joints, project(joints, SIZE), pose, torch.zeros(2, 10), none + 1, wrist.repeat(2, 1),
                        texture, light, torch.zeros(2, 21, 3), none, none)


def cell(row: np.ndarray, number: int) -> np.ndarray:
    return row[:, number * (CELL + GAP):number * (CELL + GAP) + CELL]


def test_a_panel_has_five_cells_of_which_the_first_is_the_input(hand, output):
    image = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), np.uint8)
    row = panel(image, output, 0, hand)
    assert row.shape == (CELL, len(TITLES) * CELL + (len(TITLES) - 1) * GAP, 3) and row.dtype == np.uint8
    assert (cell(row, 0) == image).all()
    for number in (2, 3, 4):
        bare = (cell(row, number) == GREY).all(-1).mean()
        assert 0.4 < bare < 0.95, f'{100 * bare:.0f} % of "{TITLES[number]}" is bare'
    assert (cell(row, 2) != cell(row, 4)).any(), 'even light shows the bare texture'


def test_a_panel_shows_its_own_row_of_the_batch(hand, output):
    image = np.full((SIZE, SIZE, 3), 90, np.uint8)
    first, second = (cell(panel(image, output, row, hand), 4).astype(int) for row in (0, 1))
    drawn_there = (second != GREY).any(-1)
    green = second[drawn_there]
    assert (green[:, 1] > green[:, 0]).mean() > 0.99 and (first[drawn_there][:, 0] > first[drawn_there][:, 1]).mean() > 0.9


def test_joints_lie_on_the_hand_and_points_are_drawn_as_rings(hand, output):
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    plain = cell(panel(image, output, 0, hand), 1)
    points = np.full((21, 2), np.nan)
    points[3] = 20, 30
    ringed = cell(panel(image, output, 0, hand, points), 1)
    changed = np.argwhere((plain != ringed).any(-1))
    assert len(changed) and np.allclose(changed.mean(0), (30, 20), atol=0.6), changed.mean(0)
    x, y = np.round(output.joints_2d[0, 8].numpy()).astype(int)
    assert plain[y, x].max() > 150, 'the tip of the index finger has a bright dot'


def test_the_turned_hand_fills_its_cell(hand, output):
    _, cover = drawn(turned(output.vertices[:1], 75), hand.faces, output.texture[:1], CELL)
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    extent = max(np.ptp(rows), np.ptp(columns)) / CELL
    assert 0.7 < extent < 0.95, f'it takes {100 * extent:.0f} % of the cell'
    assert abs((rows[0] + rows[-1]) / 2 - CELL / 2) < 0.08 * CELL


def test_resizing_keeps_pixel_centres_at_integers():
    assert resized(np.array([-0.5, 223.5]), 224, 112).tolist() == [-0.5, 111.5]


def test_crops_of_another_size_make_cells_of_the_same(hand, output):
    assert panel(np.zeros((128, 128, 3), np.uint8), output, 0, hand).shape[0] == CELL


def test_a_sheet_has_its_rows_under_a_title_beside_their_captions():
    rows = [np.full((40, 200, 3), value, np.uint8) for value in (10, 60)]
    sheet = contact_sheet(rows, ['best\n5 mm', 'worst'], 'A title')
    assert (sheet[2 * HEAD:2 * HEAD + 40, CAPTION:CAPTION + 200] == 10).all()
    assert (sheet[2 * HEAD + 40 + GAP:, CAPTION:][:40, :200] == 60).all()
    assert sheet[2 * HEAD:2 * HEAD + 40, :CAPTION].min() < 100, 'the caption is dark on light'
    assert contact_sheet(rows).shape[0] < sheet.shape[0] and contact_sheet([]).ndim == 3
