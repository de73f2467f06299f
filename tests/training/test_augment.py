"""Augmented crops: points move with them, seeds decide all, what is switched off changes nothing, and the hand stays."""
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
import torch

from app.crop import crop_from_points, cut, to_crop, to_frame
from models.hand_model import HandModel
from training.augment import Augment, Jitter, hand_mask, jittered_crop, noisy, replace_background, spoil
from training.occluders import FREE, cover

ALONE = ('colour', 'saturation', 'shade', 'blur', 'motion', 'low', 'noise', 'jpeg', 'occluder', 'background')


def only(name):
    """Settings that make one change, always, as strongly as usual."""
    usual, shares = Augment(), {f.name for f in fields(Augment)} - {'exposure', 'balance', 'sharpest', 'grain', 'size'}
    return replace(usual, **{share: float(share == name) for share in shares})


def behind(rng, width, height):
    return np.full((height, width, 3), rng.uniform(0, 1, 3), np.float32)


def scene(size, seed=0):
    """A smooth picture (size, size, 3), 21 points spread like a hand's, and a mask about them."""
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.integers(0, 255, (size, size, 3), np.uint8), (0, 0), size / 60)
    points = size * (0.5 + 0.13 * rng.standard_normal((21, 2)).clip(-2, 2))
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, (size // 2, size // 2), size // 5, 255, -1)
    return image, points, mask


def test_a_painted_dot_lands_where_the_moved_point_says():
    rng, worst = np.random.default_rng(3), 0.0
    jitter = Jitter(rotation=180.0, scale=(0.7, 1.4), shift=0.1, upside=0.3)
    for number in range(40):
        points, size = rng.uniform(90, 210, (21, 2)), (128, 224)[number % 2]
        crop = jittered_crop(points, 'right', size, jitter, rng)
        wanted = to_crop(points[4], crop)
        if wanted.min() < 8 or wanted.max() > size - 9:
            continue
        y, x = np.mgrid[:300, :300]
        dot = np.exp(-((x - points[4, 0]) ** 2 + (y - points[4, 1]) ** 2) / 18)
        seen = cut((255 * dot).astype(np.uint8)[..., None].repeat(3, -1), crop)[..., 0].astype(float)
        y, x = np.mgrid[:size, :size]
        found = np.array([(x * seen).sum(), (y * seen).sum()]) / seen.sum()
        worst = max(worst, np.abs(found - wanted).max())
    assert worst < 0.3, f'a dot is {worst:.2f} px from where its point went; interpolation is allowed 0.3'


def test_crops_differ_both_ways_mostly_little_and_now_and_then_by_any_turn():
    rng, points = np.random.default_rng(0), np.random.default_rng(1).uniform(90, 210, (21, 2))
    plain, jitter, middle = crop_from_points(points, 'right', 224), Jitter(), np.full(2, 111.5)
    found = []
    for _ in range(600):
        crop = jittered_crop(points, 'right', 224, jitter, rng)
        turn = crop.matrix[:, :2] @ np.linalg.inv(plain.matrix[:, :2])
        found.append((*(to_frame(middle, crop) - to_frame(middle, plain)) * plain.scale / 224, plain.scale / crop.scale,
                      np.degrees(np.arctan2(turn[1, 0], turn[0, 0]))))
    across, down, size, turn = np.array(found).T
    for name, values, low, high in (('shift in x', across, -0.08, 0.08), ('shift in y', down, -0.08, 0.08), ('size', size, 0.8, 1.25)):
        assert low - 1e-6 <= values.min() < low + 0.02 and high - 0.02 < values.max() <= high + 1e-6, \
            f'{name} goes from {values.min():.3f} to {values.max():.3f}, wanted {low} to {high}'
    any_turn, little = (np.abs(turn) > 30.01).mean(), (np.abs(turn) < 9).mean()
    assert 0.015 < any_turn < 0.07, \
        f'{any_turn:.3f} of the crops are turned by more than 30 degrees; 0.05 are by any angle, half of them by 0.3 of that'
    assert 0.56 < little < 0.71, f'{little:.2f} are turned by less than 9 degrees; half of them must, of the others three tenths do'


@pytest.mark.parametrize('size', [128, 224])
def test_a_seed_decides_everything(size):
    image, points, mask = scene(size)
    for seed in range(25):
        a, b = (spoil(image, np.random.default_rng(seed), points, Augment(), mask, behind) for _ in range(2))
        assert (a == b).all(), f'seed {seed} gave two different pictures'
    assert (spoil(image, np.random.default_rng(1), points) != spoil(image, np.random.default_rng(2), points)).any()


@pytest.mark.parametrize('size', [128, 224])
def test_switched_off_nothing_changes(size):
    image, points, mask = scene(size)
    for seed in range(10):
        same = spoil(image, np.random.default_rng(seed), points, Augment.none(), mask, behind)
        assert (same == image).all() and same is not image, 'a picture was changed with everything switched off'


@pytest.mark.parametrize('size', [128, 224])
@pytest.mark.parametrize('name', ALONE)
def test_each_change_changes_the_picture_and_keeps_its_form(name, size):
    image, points, mask = scene(size)
    before, changed = image.copy(), []
    for seed in range(12):
        seen = spoil(image, np.random.default_rng(seed), points, only(name), mask, behind)
        assert seen.shape == image.shape and seen.dtype == np.uint8 and seen.flags.c_contiguous
        changed.append(np.abs(seen.astype(int) - image).mean())
    assert (image == before).all(), f'{name} wrote into the picture that it was given'
    assert np.mean(changed) > 0.4, f'{name} changes a pixel by {np.mean(changed):.2f} grey levels on average'


def test_noise_has_the_strength_asked_for():
    grey = np.full((224, 224, 3), 128, np.uint8)
    for size in (224, 300):
        got = noisy(np.full((size, size, 3), 128, np.uint8), 6.0, np.random.default_rng(0)).astype(float).std()
        assert 5.5 < got < 6.5, f'noise of 6 grey levels has a spread of {got:.2f}'
    assert (noisy(grey, 6.0, np.random.default_rng(0)) != noisy(grey, 6.0, np.random.default_rng(1))).mean() > 0.5


def test_a_thing_in_front_leaves_enough_of_the_hand():
    covered = []
    for seed in range(80):
        image, points, _ = scene(128, seed)
        seen = cover(image, points, np.random.default_rng(seed), 2.0)  # twice as large as usual: many must be made smaller
        at = np.round(points).astype(int).clip(0, 127)
        covered.append(int((np.abs(seen.astype(int) - image).max(-1)[at[:, 1], at[:, 0]] > 24).sum()))
    assert np.mean(covered) > 2, f'{np.mean(covered):.1f} points are covered on average'
    assert np.mean(np.array(covered) > 21 - FREE) < 0.08, f'{max(covered)} of 21 points covered; {21 - FREE} are allowed'


def test_another_background_keeps_the_hands_pixels_and_changes_those_far_away():
    image, _, mask = scene(224)
    other = np.full_like(image, 200)
    seen = replace_background(image, mask, other)
    assert (seen[mask > 0] == image[mask > 0]).all(), 'a pixel of the hand was changed'
    far = cv2.distanceTransform((mask == 0).astype(np.uint8), cv2.DIST_L2, 5) > 7
    assert (seen[far] == 200).all(), 'a pixel far from the hand was kept'
    steps = np.abs(np.diff(seen[112].astype(int), axis=0)).max()
    assert steps < 110, f'the edge jumps by {steps} grey levels'


def test_the_mask_of_a_mesh_covers_its_vertices_and_the_arm():
    hand = HandModel.load()
    out = hand(torch.tensor([[[0.0, 0.0, np.pi]]]).float().new_zeros(1, 16, 3), torch.zeros(1, 10))
    vertices, joints = out.vertices[0, :, :2].numpy(), out.joints[0, :, :2].numpy()
    scale = 110 / np.ptp(vertices, axis=0).max()
    middle = (vertices.max(0) + vertices.min(0)) / 2
    vertices, joints = (scale * (v - middle) + 111.5 for v in (vertices, joints))
    mask = hand_mask(vertices, hand.faces.numpy(), joints, 224)
    at = np.round(vertices).astype(int)
    inside = (cv2.dilate(mask, np.ones((3, 3), np.uint8))[at[:, 1], at[:, 0]] > 0).mean()
    assert inside > 0.999, f'{100 * inside:.1f} % of the vertices lie on the mask'
    arm = joints[0] + 0.4 * (joints[0] - joints[9])
    assert mask[int(round(arm[1])), int(round(arm[0]))] > 0, 'the arm below the wrist is not kept'
    assert 0.05 < (mask > 0).mean() < 0.7, f'the mask fills {100 * (mask > 0).mean():.0f} % of the crop'


def test_pictures_of_odd_sizes_and_hands_outside_are_no_trouble():
    rng = np.random.default_rng(5)
    for size in (64, 97, 300):
        image, points, _ = scene(size)
        for moved in (points, points + 3 * size, np.full((21, 2), 5.0), points - 0.6 * size):
            for _ in range(20):
                assert spoil(image, rng, moved, replace(Augment(), occluder=1.0)).shape == image.shape
