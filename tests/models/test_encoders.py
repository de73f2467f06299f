"""Encoders can be cut anywhere."""
import pytest
import torch

from models.encoders import make_encoder

NAMES = ('landmark', 'efficientnet-b0', 'resnet18-half')


@pytest.mark.parametrize('name', NAMES)
def test_front_and_tail_together_are_the_whole_wherever_it_is_cut(name):
    torch.manual_seed(0)
    encoder = make_encoder(name).eval()
    crop = torch.rand(2, 3, encoder.size, encoder.size)
    with torch.inference_mode():
        whole, low, fine = encoder(crop)
        assert encoder.for_mesh(whole).shape == (2, encoder.features)
        assert low.shape == (2, encoder.low_channels, encoder.size // 4, encoder.size // 4)
        assert fine.shape == (2, encoder.fine_channels, encoder.size // 16, encoder.size // 16)
        for blocks in (0, 1, encoder.depth // 2, encoder.fine_block + 1, encoder.depth):
            again = encoder.tail(encoder.front(crop, blocks), blocks)
            apart = float((again.pooled - whole).abs().max() / whole.abs().max())
            assert apart < 1e-5, f'cut after {blocks} blocks the features differ by {apart:.1e} of the largest'
            if blocks <= encoder.fine_block + 1:
                assert torch.allclose(again.fine, fine, atol=1e-5), f'cut after {blocks} blocks the fine map is another'


@pytest.mark.parametrize('name', NAMES)
def test_the_modules_of_the_front_are_exactly_those_that_shape_its_answer(name):
    encoder = make_encoder(name).train()
    blocks = encoder.depth // 2
    for parameter in encoder.front_modules(blocks).parameters():
        parameter.requires_grad_(False)
    crop = torch.rand(2, 3, encoder.size, encoder.size)
    assert not encoder.front(crop, blocks).requires_grad, 'something before the cut still learns'
    encoder.for_mesh(encoder(crop)[0]).sum().backward()
    heads = {id(p) for p in encoder.point_heads.parameters()}
    frozen = {id(p) for p in encoder.front_modules(blocks).parameters()}
    silent = [name for name, p in encoder.named_parameters()
              if p.grad is None and id(p) not in heads | frozen and '_fc' not in name]  # EfficientNet's classifier is never used
    assert not silent, f'these should learn and do not: {silent[:5]}'


def test_the_point_heads_of_every_encoder_answer_the_same_questions():
    for name in NAMES:
        encoder = make_encoder(name).eval()
        seen = encoder.landmarks(encoder(torch.zeros(3, 3, encoder.size, encoder.size))[0])
        shapes = [tuple(value.shape) for value in (seen.points, seen.world, seen.presence, seen.right)]
        assert shapes == [(3, 21, 3), (3, 21, 3), (3, 1), (3, 1)], f'{name}: {shapes}'
