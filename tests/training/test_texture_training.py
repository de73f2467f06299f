"""What the texture head learns from: the pixels that the mesh covers, and under which vertices a rendered picture shows skin."""
import numpy as np
import pytest
import torch

from app.errors import InputError
from models.camera import FOCAL, project
from models.light import linear_to_srgb, shaded, srgb_to_linear, vertex_normals
from models.texture_head import Skin, TextureHead
from models.vertex_views import VertexViews
from training.config import Texture
from training.rasteriser import rasterise
from training.texture import TextureLoss, at_pixels, descend, hidden_parts, train_texture
from training.texture_sight import Seen, covered_pixels, true_skin, views_of

SIZE, CHANNELS = 224, 24
BACKGROUND = 60, 90, 160
LIGHT = (0.5, 0.5, 1, 1, 1, 1, 1, 1, 0, 0.3, 1.0)
UPRIGHT = (0.0, 0.0, np.pi)  # turns the resting hand so that its fingers point up and its palm to the camera
WRIST = (0.0, 0.07, 0.75)


@pytest.fixture(scope='module')
def palm(hand):
    """A hand with its palm to the camera: vertices (1, N, 3)."""
    pose = torch.zeros(1, 16, 3)
    pose[0, 0] = torch.tensor(UPRIGHT)
    return hand(pose, torch.zeros(1, 10)).vertices + torch.tensor(WRIST)


def drawn(hand, vertices, colours):
    """The mesh (N, 3) with colours (N, 3) over a plain background: (S, S, 3) uint8."""
    points = torch.cat([project(vertices, SIZE), vertices[:, 2:]], -1).numpy()
    shown = rasterise(points, hand.faces.numpy(), SIZE, SIZE)
    image = np.full((SIZE * SIZE, 3), BACKGROUND, np.uint8)
    image[shown.pixels] = np.round(255 * np.clip(shown.interpolate(colours.numpy(), hand.faces.numpy()), 0, 1))
    return image.reshape(SIZE, SIZE, 3), points


def test_kept_pixels_of_the_drawn_mesh_are_the_pictures(hand, palm):
    colours = torch.rand(len(hand.template), 3)
    image, points = drawn(hand, palm[0], colours)
    _, corners, weights, pixels = covered_pixels(points, hand.faces.numpy(), image, np.random.default_rng(0))
    row = {'corners': torch.from_numpy(corners[None].astype(np.int64)), 'weights': torch.from_numpy(weights[None].astype(np.float32))}
    again = at_pixels(colours.T[None], row)[0].T.numpy()
    worst = float(np.abs(again - pixels / 255).max())
    assert worst < 0.005, f'a kept pixel is {worst:.4f} away from the picture, 0.005 allowed for 8 bits'


def shard_of(hand, palm, image, albedo):
    """A shard of one picture as `true_skin` reads it: the real camera is the crop's."""
    pose = torch.zeros(1, 16, 3)
    pose[0, 0] = torch.tensor(UPRIGHT)
    return {'image': image[None], 'albedo': albedo[None].numpy(), 'light': np.array([LIGHT], np.float32), 'pose': pose.numpy(),
            'camera_pose0': np.array([UPRIGHT], np.float32), 'camera_translation': np.array([WRIST], np.float32),
            'camera_intrinsics': np.array([(FOCAL * SIZE, FOCAL * SIZE, (SIZE - 1) / 2, (SIZE - 1) / 2)], np.float32),
            'shape': np.zeros((1, 10), np.float32), 'crop': np.array([[(1, 0, 0), (0, 1, 0)]], np.float32)}


def test_skin_shows_where_the_mesh_lies_right_and_not_under_an_object_or_beside_the_hand(hand, palm):
    normals = vertex_normals(palm, hand.faces)
    lit = shaded(hand.albedo[None], normals, torch.tensor([LIGHT]))[0]
    image, points = drawn(hand, palm[0], lit)
    towards = normals[0, :, 2].numpy() < -0.5
    centre = points[towards, :2].mean(0)
    under = towards & (np.linalg.norm(points[:, :2] - centre, axis=1) < 15)
    covered = image.copy()
    v, u = np.mgrid[:SIZE, :SIZE]
    covered[(u - centre[0]) ** 2 + (v - centre[1]) ** 2 < 20 ** 2] = (30, 140, 40)
    shows, plain = true_skin(hand, shard_of(hand, palm, image, hand.albedo), points[None, :, :2])
    behind, _ = true_skin(hand, shard_of(hand, palm, covered, hand.albedo), points[None, :, :2])
    aside, _ = true_skin(hand, shard_of(hand, palm, image, hand.albedo), points[None, :, :2] + np.float32((70, 0)))
    seen, lit_plainly = shows[0, towards].mean(), plain[0, towards].mean()
    assert seen > 0.95 and lit_plainly > 0.9, f'{seen:.2f} of the vertices in sight are said to be seen, {lit_plainly:.2f} plainly'
    assert not behind[0, under].any(), f'{behind[0, under].mean():.2f} of the vertices under the object pass for seen'
    assert aside[0, towards].mean() < 0.05, f'{aside[0, towards].mean():.2f} of the vertices seen 70 pixels aside pass for seen'


def test_hidden_parts_are_some_vertices_of_some_crops(hand):
    torch.manual_seed(0)
    hidden = hidden_parts(hand.template, 64)[:, 0]
    share = hidden.mean(1)
    assert 0.2 < float((share > 0).float().mean()) < 0.8 and float(share.max()) < 0.7


def test_the_head_learns_tone_and_to_leave_the_background_alone(hand, palm):
    """A dark and a light hand; the mesh lies right in half of the crops and 12 pixels aside in the others."""
    torch.manual_seed(0)
    count, rows = len(hand.template), np.arange(16)
    tone = torch.tensor([[-1.2], [1.2]]) * hand.skin_sigma[0]
    albedo = (hand.albedo + (tone @ hand.skin_basis[:1].flatten(1)).reshape(2, -1, 3)).clamp(0.02, 1)
    normals = vertex_normals(palm, hand.faces)
    lit = shaded(albedo, normals.repeat(2, 1, 1), torch.tensor([LIGHT]).repeat(2, 1))
    parts = []
    for row in rows:
        image, _ = drawn(hand, palm[0], lit[row % 2])
        aside = palm + torch.tensor([float(12 * (row // 2 % 2) / (FOCAL * SIZE) * WRIST[2]), 0.0, 0.0])
        points = torch.cat([project(aside[0], SIZE), aside[0, :, 2:]], -1).numpy()
        visible, corners, weights, pixels = covered_pixels(points, hand.faces.numpy(), image, np.random.default_rng(row))
        shows, plain = true_skin(hand, shard_of(hand, palm, image, albedo[row % 2]), points[None, :, :2])
        crop = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        views = VertexViews(hand)(crop, aside)
        low = torch.nn.functional.avg_pool2d(crop, 4).repeat(1, 8, 1, 1)  # what a trunk might answer
        whole = {name: getattr(views, name).numpy() for name in ('places', 'colours', 'normals', 'facing', 'covered')}
        one = {'visible': visible, 'corners': corners, 'weights': weights, 'pixels': pixels, 'exact': np.bool_(True),
               'albedo': albedo[row % 2].numpy(), 'light': np.float32(LIGHT)}
        parts.append(Seen(**whole, **{k: np.asarray(v)[None] for k, v in one.items()}, low=low.numpy(), lit=normals.numpy(),
                          surroundings=crop.mean((2, 3)).numpy(), shows=shows & visible, plain=plain & visible))
    seen = Seen.join(parts)
    head = TextureHead(CHANNELS, hand)
    train_texture(head, hand, seen, Texture(epochs=24, batch=8, learning_rate=8e-3), 0, lambda line: None)
    row = seen.batch(rows)
    with torch.inference_mode():
        skin = head.skin(row['low'], views_of(row), row['surroundings'])
    before = float((hand.albedo - albedo).abs().mean())
    after = float((skin.texture.transpose(1, 2) - row['albedo']).abs().mean())
    assert after < 0.7 * before, f'mean albedo error {after:.3f}, was {before:.3f} before training'
    believed, shows = skin.trust[:, 0], row['shows'] > 0
    on, off = float(believed[shows].mean()), float(believed[~shows & (row['visible'] > 0)].mean())
    assert on > off + 0.3, f'skin is believed {on:.2f}, background {off:.2f}; 0.3 apart wanted'
    assert skin.texture.shape == (len(rows), 3, count)


def test_each_term_of_the_texture_is_what_it_is_by_hand_and_asks_only_the_pictures_that_know():
    """Two photographs and a rendered picture with the same answer: vertices that face the camera under even light of 0.4."""
    count, pixels = 40, 30

    def flat(value: float, channels: int = 1) -> torch.Tensor:
        return torch.full((3, channels, count), value)

    light = torch.zeros(3, 11)
    light[:, 0], light[:, 2:5], light[:, 10] = 0.4, 1.0, 1.0
    true_light = light.clone()
    true_light[:, 0] = 0.5
    coefficients = torch.tensor([[1.0, 3.0, 0.3, 0.3, 0.3]]).repeat(3, 1)
    skin = Skin(flat(0.5, 3), light, flat(-1.0, 3), coefficients, flat(0.0, 3), flat(0.0), flat(0.5))
    tone = float(linear_to_srgb(torch.exp(torch.tensor(-1.0))))
    shown = float(linear_to_srgb(srgb_to_linear(torch.tensor(0.5)) * 0.4))
    row = {'exact': torch.tensor([0.0, 0.0, 1.0]), 'visible': torch.ones(3, count), 'facing': flat(1.0),
           'lit': torch.eye(3)[2].expand(3, count, 3), 'albedo': torch.full((3, count, 3), tone + 0.1),
           'pixels': torch.full((3, pixels, 3), 255 * (shown + 0.2)), 'corners': torch.zeros(3, pixels, 3, dtype=torch.int64),
           'weights': torch.full((3, pixels, 3), 1 / 3), 'light': true_light, 'plain': torch.ones(3, count), 'shows': torch.ones(3, count)}
    only = Texture(photometric=1.0, explained=1.0, tone=1.0, exposure=1.0, albedo=1.0, light=1.0, meets=1.0, trust=1.0)
    terms = {name: float(value) for name, value in TextureLoss(only)(skin, row).items()}
    wanted = {
        'photometric': 0.2 * 15 / 20,  # the 30 pixels count a half each; below 20 in all a term is made small
        'explained': 0.0, 'tone': (1 + 9) / 2 + 1.0, 'exposure': np.log(0.4 / 0.8) ** 2 * 2 / 3, 'albedo': 0.1 / 3, 'light': 0.1 / 3,
        'meets': np.log(2) / 3, 'trust': 2.5 * np.log(2) / 3}
    assert terms == pytest.approx(wanted, abs=2e-3)


def test_a_loss_that_is_no_number_stops_the_training_and_leaves_the_head_as_it_is(hand):
    head = TextureHead(CHANNELS, hand)
    before = {name: value.clone() for name, value in head.state_dict().items()}
    optimiser = torch.optim.SGD(head.parameters(), 1.0)
    some = sum(value.sum() for value in head.parameters())
    with pytest.raises(InputError, match='no number in epoch 3, step 7, in the term light; lower the learning rate'):
        descend({'tone': some, 'light': some * float('nan')}, head, optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser),
                'in epoch 3, step 7')
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())
