"""The soft silhouette: at the outline, and its gradients."""
from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from models.camera import FOCAL
from models.renderer import render


def silhouette_loss(moved: Tensor, faces: Tensor, target: Tensor, size: int = 112) -> Tensor:
    return ((render(moved, faces, size=size, focal=FOCAL * size).silhouette - target) ** 2).mean()


@pytest.mark.parametrize('axis, step', [(0, 0.004), (1, 0.004), (2, 0.02)])
def test_the_silhouette_pulls_towards_the_target_from_both_sides(hand, hands, axis, step):
    target = render(hands[:1], hand.faces, size=112, focal=FOCAL * 112).silhouette
    for sign in (1, -1):
        shift = torch.zeros(3)
        shift[axis] = sign * step
        shift.requires_grad_()
        silhouette_loss(hands[:1] + shift, hand.faces, target).backward()
        assert sign * shift.grad[axis] > 0, f'axis {axis}, moved by {sign * step}: the gradient {shift.grad[axis]:.2e} leads away'


def test_the_silhouettes_gradient_is_the_slope_of_a_loss(hand, hands):
    target = render(hands, hand.faces, size=112, focal=FOCAL * 112).silhouette.double()
    loss = partial(silhouette_loss, faces=hand.faces, target=target)
    place = torch.tensor([0.003, -0.004, 0.02], dtype=torch.float64)
    at = place.clone().requires_grad_()
    loss(hands.double() + at).backward()
    reach = torch.tensor([2e-4, 2e-4, 2e-3]).double()  # a tenth of a pixel, so that what jumps from pixel to pixel evens out
    with torch.no_grad():
        slope = torch.stack([(loss(hands.double() + place + way) - loss(hands.double() + place - way)) / (2 * way.sum())
                             for way in torch.diag(reach)])
    gradient, slope = at.grad * reach, slope * reach
    off = (gradient - slope).norm() / slope.norm()
    assert off < 0.1, f'{100 * off:.1f} % off (allowed: gaps that open and close): {gradient.tolist()} instead of {slope.tolist()}'


def test_a_hand_finds_its_place_from_the_silhouette_alone(hand, hands):
    size = 112
    target = render(hands[:1], hand.faces, size=size, focal=FOCAL * size).silhouette
    start = torch.tensor([0.012, -0.010, 0.03])  # 5.6 px to the right, 4.7 px up, 5 % smaller
    shift = start.clone().requires_grad_()
    adam = torch.optim.Adam([shift])
    for step in range(50):
        adam.param_groups[0]['lr'] = 0.004 * 0.95**step
        adam.zero_grad()
        silhouette_loss(hands[:1] + shift, hand.faces, target, size).backward()
        adam.step()
    pixels = shift.detach()[:2].norm() / 0.6 * FOCAL * size
    assert pixels < 0.25 and abs(shift[2]) < 0.004, f'{pixels:.2f} px and {1000 * shift[2]:.1f} mm in depth are left of {start.tolist()}'


def test_the_soft_silhouette_is_a_half_at_the_outline_and_hard_away_from_it(pictures):
    soft, hard = pictures.silhouette.numpy(), pictures.mask.numpy() > 0
    assert ((soft > 0.5) == hard)[soft != 0.5].all(), 'inside is more than a half, outside less'
    for mask, value in zip(hard, soft):
        # a pixel's own square stands between its centre and the outline, so 2.5 px become up to 3.5 steps
        deep = cv2.erode(mask.astype(np.uint8), np.ones((9, 9)), borderValue=1) > 0
        out = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))) == 0
        assert (value[deep] == 1).all(), f'{(value[deep] != 1).sum()} pixels deep inside are not 1: inner contours are no outline'
        assert (value[out] == 0).all()


def test_a_straight_edge_is_softened_by_its_distance():
    vertices = torch.tensor([[[-1, -1, 1], [-1, 1, 1], [0.03, -1, 1], [0.03, 1, 1.0]]])
    drawn = render(vertices, torch.tensor([[0, 1, 2], [2, 1, 3]]), size=21, focal=10.0, reach=2.0)
    t = ((1 + (10.3 - torch.arange(21)) / 2) / 2).clamp(0, 1)  # the edge lies at x = 10.3 px
    assert torch.allclose(drawn.silhouette[0, 10], 3 * t**2 - 2 * t**3, atol=1e-5), drawn.silhouette[0, 10]


def test_inner_contours_have_no_part_in_the_silhouette():
    # a small square before the middle of a large one: its outline lies on the large one
    square = torch.tensor([[-1, -1, 0], [-1, 1, 0], [1, -1, 0], [1, 1, 0.0]])
    vertices = torch.cat([square * 0.8 + torch.tensor([0, 0, 1.0]), square * 0.1 + torch.tensor([0, 0, 0.9])])[None].requires_grad_()
    faces = torch.tensor([[0, 1, 2], [2, 1, 3]])
    drawn = render(vertices, torch.cat([faces, faces + 4]), size=32, focal=16.0)
    assert (drawn.face == 2).any(), 'the small square is not seen'
    (drawn.silhouette * torch.rand(32, 32)).sum().backward()
    assert vertices.grad[0, :4].abs().max() > 0 and vertices.grad[0, 4:].abs().max() == 0


def test_an_edge_that_goes_on_over_the_hand_is_an_outline_only_where_it_borders_the_background():
    square = torch.tensor([[-1, -1, 0], [-1, 1, 0], [1, -1, 0], [1, 1, 0.0]]) * 0.6 + torch.tensor([0, 0, 1.0])
    strip = torch.tensor([[-0.1, -0.2, 0], [-0.1, 0.8, 0], [0.1, -0.2, 0], [0.1, 0.8, 0]]) + torch.tensor([0, 0, 0.9])
    faces = torch.tensor([[0, 1, 2], [2, 1, 3]])
    drawn = render(torch.cat([square, strip])[None], torch.cat([faces, faces + 4]), size=64, focal=32.0)
    over, beyond = drawn.silhouette[0, 48, 20:44], drawn.silhouette[0, 57, 20:44]  # the square ends between rows 50 and 51
    assert (drawn.face[0, 57] >= 2).any(), 'the strip is not seen'
    assert (over == 1).all(), f'{over.min():.2f} beside the strip, 2.7 px inside the square; 1 from 2.5 px on'
    assert beyond.max() > 0.9 and ((beyond > 0) & (beyond < 1)).any(), 'beyond the square the strip has an outline'
