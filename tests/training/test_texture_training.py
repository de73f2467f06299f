"""What the texture head learns from: visible vertices and the colours under them."""
import numpy as np
import pytest
import torch

from models.camera import project
from models.hand_model import HandModel
from models.light import shaded, vertex_normals
from models.texture_head import TextureHead
from training.config import Texture
from training.texture import Seen, colours_under, train_texture, visible_vertices


@pytest.fixture(scope='module')
def hand():
    return HandModel.load()


@pytest.fixture(scope='module')
def palm(hand):
    """The resting hand with its palm to the camera: vertices, normals and pixels."""
    vertices = (hand.template * torch.tensor([-1.0, -1.0, 1.0]) + torch.tensor([0.0, 0.09, 0.75]))[None]
    return vertices, vertex_normals(vertices, hand.faces), project(vertices, 224)


def test_palm_vertices_are_visible_and_those_of_the_back_are_not(hand, palm):
    visible = visible_vertices(*palm, 224)[0]
    normals = palm[1][0]
    towards, away = normals[:, 2] < -0.8, normals[:, 2] > 0
    assert visible[towards].float().mean() > 0.85, f'only {visible[towards].float().mean():.2f} of the vertices that face the camera'
    assert not visible[away].any()


def test_colours_are_read_at_pixel_centres():
    crop = torch.rand(1, 3, 224, 224)
    pixels = torch.tensor([[[0.0, 0.0], [223.0, 223.0], [17.0, 101.0]]])
    colours = colours_under(crop, pixels)[0]
    expected = torch.stack([crop[0, :, 0, 0], crop[0, :, 223, 223], crop[0, :, 101, 17]])
    assert torch.allclose(colours, expected, atol=1e-4)


def test_the_head_learns_the_skin_tone_of_a_dark_and_a_light_hand(hand, palm):
    torch.manual_seed(0)
    vertices, normals, pixels = palm
    visible = visible_vertices(vertices, normals, pixels, 224).numpy()
    tone = torch.tensor([[-1.2], [1.2]]) * hand.skin_sigma[0]
    albedo = (hand.albedo + (tone @ hand.skin_basis[:1].flatten(1)).reshape(2, -1, 3)).clamp(0, 1)
    light = torch.tensor([[0.5, 0.5, 1, 1, 1, 1, 1, 1, 0, 0.3, 1.0]]).repeat(2, 1)
    colours = shaded(albedo, normals.repeat(2, 1, 1), light)
    low = np.stack([np.full((24, 56, 56), v, np.float16) for v in (-1.0, 1.0)])
    rows = np.arange(64) % 2
    seen = Seen(low[rows], normals.repeat(2, 1, 1).numpy()[rows], colours.numpy()[rows], visible.repeat(2, 0)[rows],
                albedo.numpy()[rows], light.numpy()[rows], np.ones(64, bool))
    head = TextureHead(24, hand)
    train_texture(head, hand, seen, Texture(epochs=8, batch=16, learning_rate=5e-3), 0, lambda line: None)
    with torch.inference_mode():
        texture, _ = head(torch.from_numpy(low).float())
    before = float((hand.albedo - albedo).abs().mean())
    after = float((texture - albedo).abs().mean())
    assert after < 0.4 * before, f'mean albedo error {after:.3f}, was {before:.3f} before training'
