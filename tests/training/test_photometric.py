"""The photometric terms against values worked out by hand and against scikit-image."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from models.camera import FOCAL
from models.hand_model import HandModel
from models.renderer import render
from training.photometric import C1, STRUCTURE, masked_l1, masked_ssim, masked_ssim_loss, photometric, psnr, ssim


@pytest.fixture(scope='module')
def noise() -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures (2, 3, 48, 40), alike but not the same."""
    rng = torch.Generator().manual_seed(0)
    one = torch.nn.functional.interpolate(torch.rand(2, 3, 12, 10, generator=rng), (48, 40), mode='bilinear')
    return one, (one * 0.8 + 0.1 + 0.1 * torch.randn(one.shape, generator=rng)).clamp(0, 1)


def half_mask() -> torch.Tensor:
    mask = torch.zeros(2, 48, 40)
    mask[:, :, 20:] = 1
    return mask


def test_l1_is_the_mean_difference_inside_the_mask():
    picture, rendered, mask = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4)
    mask[0, 0] = 1
    rendered[0, 0, 0] = 0.6  # one channel of three
    rendered[0, :, 2] = 1.0  # outside
    assert float(masked_l1(picture, rendered, mask)) == pytest.approx(0.2)


def test_ssim_away_from_the_border_is_that_of_scikit_image(noise):
    one, two = noise
    ours = ssim(one, two, torch.ones(2, 48, 40)).numpy()[:, 5:-5, 5:-5]
    for k in range(2):
        theirs = structural_similarity(one[k].numpy(), two[k].numpy(), channel_axis=0, data_range=1, gaussian_weights=True, sigma=1.5,
                                       use_sample_covariance=False, full=True)[1].mean(0)[5:-5, 5:-5]
        off = np.abs(ours[k] - theirs).max()
        assert off < 1e-4, f'SSIM is {off:.1e} off; it ranges from {theirs.min():.2f} to {theirs.max():.2f}'


def test_equal_pictures_have_ssim_one_and_flat_ones_what_the_formula_says(noise):
    one, _ = noise
    assert torch.allclose(masked_ssim(one, one, half_mask()), torch.ones(2), atol=1e-5)
    a, b = torch.full((1, 3, 20, 20), 0.3), torch.full((1, 3, 20, 20), 0.6)
    wanted = (2 * 0.3 * 0.6 + C1) / (0.3**2 + 0.6**2 + C1)
    for mask in (torch.ones(1, 20, 20), torch.ones(1, 20, 20).tril()):
        assert float(masked_ssim(a, b, mask)) == pytest.approx(wanted, abs=1e-4), 'also at the border and at the outline'


def test_what_is_outside_the_mask_has_no_say(noise):
    one, two = noise
    mask = half_mask()
    white, black = (torch.where(mask[:, None] > 0, two, value) for value in (torch.tensor(1.0), torch.tensor(0.0)))
    for term in (masked_l1, masked_ssim, psnr):
        assert torch.allclose(term(one, white, mask), term(one, black, mask), atol=1e-6), f'{term.__name__} looks at the background'
    rendered = two.clone().requires_grad_()
    (masked_l1(one, rendered, mask) + masked_ssim_loss(one, rendered, mask)).sum().backward()
    assert not rendered.grad[..., :20].any() and rendered.grad[..., 20:].all()


def test_an_empty_mask_costs_nothing_and_moves_nothing(noise):
    one, rendered = noise[0], noise[1].clone().requires_grad_()
    mask = half_mask()
    mask[1] = 0
    cost = masked_l1(one, rendered, mask) + masked_ssim_loss(one, rendered, mask)
    cost.sum().backward()
    assert float(cost[1].detach()) == 0 and not rendered.grad[1].any() and torch.isfinite(rendered.grad).all()
    assert rendered.grad[0].any()
    assert torch.isnan(psnr(one, rendered.detach(), mask)).tolist() == [False, True]


def test_psnr_of_a_tenth_is_twenty_decibels():
    picture = torch.full((1, 3, 4, 4), 0.5)
    assert float(psnr(picture, picture + 0.1, torch.ones(1, 4, 4))) == pytest.approx(20, abs=1e-4)
    assert float(psnr(picture, picture, torch.ones(1, 4, 4))) == pytest.approx(100)


def test_gradients_of_ssim_are_those_of_finite_differences(noise):
    one, two = (k[:1, :, 10:26, 10:26] for k in noise)
    mask = torch.ones(1, 16, 16).tril(3)
    rendered = two.clone().requires_grad_()
    masked_ssim_loss(one, rendered, mask).sum().backward()
    way = torch.randn(two.shape, generator=torch.Generator().manual_seed(1)) * mask
    numeric = (masked_ssim_loss(one, two + 1e-3 * way, mask) - masked_ssim_loss(one, two - 1e-3 * way, mask)) / 2e-3
    assert float((rendered.grad * way).sum()) == pytest.approx(float(numeric), rel=0.01, abs=1e-4)


@pytest.fixture(scope='module')
def scene():
    """Two hands, with their colours as leaves, and the picture of them in other colours before a bright wall."""
    hand = HandModel.load()
    pose = torch.zeros(2, 16, 3)
    pose[:, 0, 1] = np.pi
    vertices = hand(pose, torch.zeros(2, 10)).vertices
    vertices = vertices - vertices.mean(1, keepdim=True) + torch.tensor([0, 0, 0.6])
    true = hand.albedo.expand(2, -1, -1)
    drawn = render(vertices, hand.faces, true, size=64, focal=FOCAL * 64)
    picture = torch.where(drawn.mask[:, None] > 0, drawn.colour, torch.tensor(0.95))
    return vertices, hand.faces, true, picture


def test_the_whole_term_is_l1_and_ssim_by_weight(scene):
    vertices, faces, true, picture = scene
    drawn = render(vertices, faces, true * 0.5, size=64, focal=FOCAL * 64)
    cost = photometric(picture, drawn, torch.tensor([1.0, 0.25]))
    wanted = masked_l1(picture, drawn.colour, drawn.mask) + STRUCTURE * masked_ssim_loss(picture, drawn.colour, drawn.mask)
    assert torch.allclose(cost, wanted * torch.tensor([1, 0.25])) and cost[0] > 0.1
    right = photometric(picture, render(vertices, faces, true, size=64, focal=FOCAL * 64), torch.ones(2))
    assert right.abs().max() < 1e-5, f'the true colours cost {right.tolist()}'
    known = torch.zeros(2, 64, 64)
    assert not photometric(picture, drawn, torch.ones(2), known).any(), 'nothing of the hand is known to be seen'


def test_colours_are_found_from_the_picture_and_the_wall_behind_does_not_colour_them(scene):
    vertices, faces, true, picture = (k if k.ndim == 2 else k[:1] for k in scene)
    colours = torch.full_like(true, 0.5).requires_grad_()
    adam = torch.optim.Adam([colours])
    for step in range(25):
        adam.param_groups[0]['lr'] = 0.05 * 0.92**step
        adam.zero_grad()
        drawn = render(vertices, faces, colours, size=64, focal=FOCAL * 64, soft=False)
        photometric(picture, drawn, torch.ones(1)).sum().backward()
        adam.step()
    drawn = render(vertices, faces, colours.detach(), size=64, focal=FOCAL * 64)
    reached = psnr(picture, drawn.colour, drawn.mask)
    assert reached.min() > 35, f'PSNR {reached.tolist()} dB'
    seen = colours.grad.abs().sum(2) > 0
    off = (colours.detach() - true).abs()[seen].mean()
    assert off < 0.05, f'the vertices that are seen are {off:.3f} off'


def test_autocast_does_not_coarsen_the_terms(noise):
    one, two = noise
    with torch.autocast('cpu', torch.bfloat16):
        inside = masked_ssim(one, two, half_mask())
    assert torch.equal(inside, masked_ssim(one, two, half_mask()))
