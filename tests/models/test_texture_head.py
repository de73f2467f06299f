"""The texture head reads the crop where the mesh lies, and tells what it may believe."""
import numpy as np
import pytest
import torch

from models.camera import project
from models.light import crosses, linear_to_srgb, log_to_srgb, normals_across, shaded, srgb_to_linear, srgb_to_log, vertex_normals
from models.texture_head import TextureHead
from models.vertex_views import VertexViews, sample
from training.rasteriser import rasterise

CHANNELS = 24


@pytest.fixture(scope='module')
def bent(hand):
    """Eight hands in natural and odd poses, half a metre away: vertices (8, N, 3)."""
    torch.manual_seed(0)
    fingers = hand.pose_from_coefficients(hand.coefficient_mean + 1.5 * hand.coefficient_sigma * torch.randn(8, 26))
    pose = torch.cat([1.5 * torch.randn(8, 1, 3), fingers], 1)
    return hand(pose, 0.5 * torch.randn(8, 10)).vertices + torch.tensor([0.0, 0.05, 0.75])


@pytest.fixture(scope='module')
def palm(hand):
    """The resting hand with its palm to the camera (1, N, 3)."""
    return (hand.template * torch.tensor([-1.0, -1.0, 1.0]) + torch.tensor([0.0, 0.09, 0.75]))[None]


@pytest.fixture(scope='module')
def head(hand):
    torch.manual_seed(0)
    return TextureHead(CHANNELS, hand).eval()


def test_normals_across_four_neighbours_are_nearly_those_of_all_faces(hand, bent):
    quick = normals_across(bent, crosses(hand.faces, len(hand.template))).transpose(1, 2)
    apart = torch.rad2deg(torch.acos((quick * vertex_normals(bent, hand.faces)).sum(-1).clamp(-1, 1)))
    middle, most = float(apart.median()), float(apart.quantile(0.95))
    assert middle < 6 and most < 20, f'{middle:.1f} degrees apart in the middle (6 allowed), {most:.1f} at the 95th percentile (20 allowed)'


@pytest.mark.parametrize('size', [128, 224])
def test_colours_are_read_at_pixel_centres(size):
    image = torch.rand(1, 3, size, size)
    pixels = torch.tensor([[[0.0, 0.0], [size - 1.0, size - 1.0], [17.0, 101.0]]])
    colours = sample(image, (pixels + 0.5) * (2 / size) - 1)[0].T
    expected = torch.stack([image[0, :, 0, 0], image[0, :, -1, -1], image[0, :, 101, 17]])
    assert torch.allclose(colours, expected, atol=1e-4)


def test_outside_of_the_crop_count_the_pixels_at_its_border():
    """The places are held inside because a runtime is slow at it; the answer must be that of padding with the border."""
    torch.manual_seed(3)
    image, places = torch.rand(2, 3, 56, 56), torch.rand(2, 500, 2) * 3 - 1.5
    expected = torch.nn.functional.grid_sample(image, places[:, :, None], align_corners=False, padding_mode='border').flatten(2)
    apart = float((sample(image, places) - expected).abs().max())
    assert apart < 1e-4, f'{apart:.1e} apart'


def test_the_quick_curves_of_light_are_those_of_srgb():
    colours = torch.linspace(0, 1, 2001)
    exact = torch.log(srgb_to_linear(colours).clamp(min=0.003))
    apart = float((srgb_to_log(colours, 0.003) - exact).abs().max())
    assert apart < 4e-4, f'{apart:.1e} log units apart'
    logs = torch.linspace(-9, 0.5, 2001)
    apart = float((log_to_srgb(logs) - linear_to_srgb(torch.exp(logs.clamp(max=0)))).abs().max())
    assert apart < 1e-5, f'{apart:.1e} of sRGB 0..1 apart'


def test_vertices_behind_a_nearer_part_of_the_hand_are_told_from_free_ones(hand, bent):
    """The hint is cheap and rough: it must only be right far more often than not."""
    views, faces = VertexViews(hand)(torch.rand(8, 3, 224, 224), bent), hand.faces.numpy()
    points = torch.cat([project(bent, 224), bent[..., 2:]], -1).numpy()
    free, hidden = [], []
    for i in range(len(bent)):
        shown = np.zeros(len(hand.template), bool)
        shown[faces[np.unique(rasterise(points[i], faces, 224, 224).faces)]] = True
        towards = views.facing[i, 0].numpy() > 0.3
        free.append(views.covered[i, 0].numpy()[towards & shown])
        hidden.append(views.covered[i, 0].numpy()[towards & ~shown])
    free, hidden = np.concatenate(free), np.concatenate(hidden)
    assert len(hidden) > 50, f'the test has lost its point: only {len(hidden)} vertices are hidden'
    order = float((hidden[:, None] > free[None]).mean())
    assert order > 0.85, f'a hidden vertex has the greater hint than a free one in {order:.2f} of the pairs, 0.85 wanted'


@pytest.mark.parametrize('size, channels', [(224, 24), (128, 32)])
def test_crops_of_both_sizes_give_a_colour_for_each_vertex(hand, palm, size, channels):
    head = TextureHead(channels, hand).eval()
    with torch.inference_mode():
        texture, light = head(torch.rand(1, channels, size // 4, size // 4), torch.rand(1, 3, size, size), palm)
    assert texture.shape == (1, len(hand.template), 3) and light.shape == (1, 11)
    assert float(texture.min()) >= 0 and float(texture.max()) <= 1


def skin_coloured(size=224):
    """A crop of smooth skin-like colours."""
    torch.manual_seed(1)
    coarse = torch.tensor([0.62, 0.47, 0.4])[None, :, None, None] + 0.06 * torch.randn(1, 3, 8, 8)
    return torch.nn.functional.interpolate(coarse, (size, size), mode='bicubic').clamp(0.2, 0.9)


def test_a_believed_pixel_comes_back_when_its_vertex_is_lit_again(hand, palm, head):
    crop = skin_coloured()
    trusting = TextureHead(CHANNELS, hand).eval()
    trusting.load_state_dict(head.state_dict())
    with torch.inference_mode():
        trusting.meets.bias.fill_(20.0)
        texture, light = trusting(torch.zeros(1, CHANNELS, 56, 56), crop, palm)
        views = trusting.views(crop, palm)
        again = shaded(texture, views.normals.transpose(1, 2), light)
    facing = views.facing[0, 0] > 0.5
    apart = float((again - views.colours.transpose(1, 2))[0, facing].abs().mean())
    assert apart < 0.01, f'{apart:.4f} from the pixels on average, 0.01 allowed for colours that skin cannot have'


def test_what_is_not_believed_takes_its_colour_from_the_rest_of_the_hand(hand, palm, head):
    """The hidden part's own pixels must not matter at all, and the others must."""
    crop, other = skin_coloured(), skin_coloured()
    hide = (hand.template[:, 1] > hand.template[:, 1].median()).float()[None, None]
    views = head.views(crop, palm)
    rows = (views.places[0, :, 1] < views.places[0, hide[0, 0] == 0, 1].min()).numpy()
    assert rows.any()
    other[..., :60, :] = 0.9
    low, around = torch.zeros(1, CHANNELS, 56, 56), crop.mean((2, 3))
    with torch.inference_mode():
        before = head.skin(low, views, around, hide).texture
        after = head.skin(low, head.views(other, palm), around, hide).texture
        brighter = head.skin(low, head.views((1.2 * crop).clamp(0, 1), palm), around, hide).texture
    seen = head.views(other, palm).colours
    changed = (seen - views.colours).abs().amax(1)[0] > 0.05
    assert (changed & (hide[0, 0] == 1)).any() and not (changed & (hide[0, 0] == 0)).any(), 'the test has lost its point'
    apart = float((after - before).abs().max())
    assert apart < 1e-5, f'hidden pixels moved the texture by {apart:.1e}'
    assert float((brighter - before)[0, :, hide[0, 0] == 1].mean()) > 0.005


def test_no_gradient_of_the_texture_moves_the_mesh(palm, head):
    vertices, low = palm.clone().requires_grad_(), torch.zeros(1, CHANNELS, 56, 56)
    texture, light = head(low, skin_coloured(), vertices)
    (texture.sum() + light.sum()).backward()
    assert vertices.grad is None
    without = [name for name, p in head.named_parameters() if p.grad is None]
    assert not without, f'no gradient: {without}'
