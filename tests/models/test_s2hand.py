"""The network: sizes follow the hand model, its answers agree with each other, encoders fit the official checkpoints."""
import csv
import os
from pathlib import Path

import pytest
import torch

from models.camera import FOCAL, project, unproject
from models.checkpoint import file_hash, load_checkpoint, read_header, save_checkpoint
from models.encoders import EfficientNetEncoder, make_encoder
from models.hand_model import OPEN_HAND
from models.light import shaded, vertex_normals
from models.s2hand import S2Hand, rotation_from_6d

ROOT = Path(__file__).parents[2]
STATE_TABLE = Path(os.environ.get('S2HAND_STATE_TABLE') or ROOT.parent / 'shared' / 'design' / 's2hand_state_dict.tsv')


@pytest.fixture(scope='module')
def network(hand):
    torch.manual_seed(0)
    return S2Hand('landmark', hand).eval()


@pytest.fixture(scope='module')
def answer(network):
    torch.manual_seed(1)
    with torch.inference_mode():
        return network(torch.rand(3, 3, 224, 224))


def test_sizes_come_from_the_hand_model(answer, hand):
    n = len(hand.template)
    shapes = {'vertices': (3, n, 3), 'joints_3d': (3, 21, 3), 'joints_2d': (3, 21, 2), 'pose': (3, 16, 3), 'shape': (3, 10),
              'scale': (3, 1), 'translation': (3, 3), 'texture': (3, n, 3), 'light': (3, 11), 'points': (3, 21, 3),
              'presence': (3, 1), 'right': (3, 1)}
    assert {name: tuple(value.shape) for name, value in vars(answer).items()} == shapes


def test_joints_2d_are_the_projection_of_joints_3d(answer):
    focal = FOCAL * 224
    by_hand = answer.joints_3d[..., :2] / answer.joints_3d[..., 2:] * focal + 111.5
    assert torch.allclose(by_hand, answer.joints_2d, atol=1e-3)


def test_the_wrist_is_the_translation(answer):
    assert torch.allclose(answer.joints_3d[:, 0], answer.translation, atol=1e-6)


def test_mesh_and_pose_say_the_same(answer, hand):
    made = hand(answer.pose, answer.shape)
    again = made.vertices * answer.scale[..., None] + answer.translation[:, None]
    worst = 1000 * float((again - answer.vertices).norm(dim=-1).max())
    assert worst < 0.01, f'{worst:.4f} mm between the mesh and the one rebuilt from pose, shape, scale and translation'


def test_a_new_network_answers_an_upright_hand_of_natural_size_in_the_middle(answer):
    assert (answer.joints_2d[:, 12, 1] < answer.joints_2d[:, 0, 1]).all(), 'the middle finger does not point up'
    assert float((answer.scale - 1).abs().max()) < 0.1 and float((answer.joints_2d - 111.5).abs().max()) < 112


@pytest.mark.parametrize('scale', [1e-3, 1.0, 50.0])
def test_six_numbers_of_any_size_make_a_rotation(scale):
    torch.manual_seed(2)
    rotation = rotation_from_6d(scale * torch.randn(200, 6))
    apart = float((rotation @ rotation.transpose(1, 2) - torch.eye(3)).abs().max())
    assert apart < 1e-4 and torch.allclose(torch.linalg.det(rotation), torch.ones(200), atol=1e-4), f'{apart:.1e} from orthonormal'


def test_projection_and_its_inverse_are_a_round_trip():
    torch.manual_seed(3)
    pixels, depth = 224 * torch.rand(4, 21, 2), 0.3 + torch.rand(4, 21, 1)
    assert torch.allclose(project(unproject((pixels - 111.5) / 224, depth), 224), pixels, atol=1e-3)


def test_gradients_reach_every_head(hand):
    network = S2Hand('landmark', hand).train()
    answer = network(torch.rand(2, 3, 224, 224))
    sum(value.square().mean() for value in vars(answer).values()).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert without in ([], ['encoder.world.weight', 'encoder.world.bias']), f'no gradient: {without}'


def test_light_from_the_camera_makes_facing_vertices_brighter(hand):
    normals = vertex_normals(hand.template[None], hand.faces)
    light = torch.tensor([[0.3, 0.7, 1, 1, 1, 1, 1, 1, 0, 0, 1.0]])  # travels forward, away from the camera
    colour = shaded(torch.full_like(normals, 0.5), normals, light)
    towards = normals[0, :, 2] < -0.9
    away = normals[0, :, 2] > 0.9
    assert colour[0, towards].mean() > colour[0, away].mean() + 0.1


@pytest.mark.parametrize('name, parameters', [('efficientnet-b3', 12_233_232), ('efficientnet-b0', 5_288_548)])
def test_efficientnet_encoders_have_the_published_number_of_parameters(name, parameters):
    encoder = make_encoder(name)
    assert sum(p.numel() for p in encoder.encoder.parameters()) == parameters
    with torch.inference_mode():
        features, low, _ = encoder.eval()(torch.rand(1, 3, 224, 224))
    assert features.shape == (1, encoder.features) and low.shape == (1, encoder.low_channels, 56, 56)


def test_the_b3_encoder_takes_the_official_state_dict():
    if not STATE_TABLE.is_file():
        pytest.skip(f'no table of the official state dict at {STATE_TABLE} (S2HAND_STATE_TABLE)')
    with open(STATE_TABLE) as lines:
        rows = [row for row in csv.reader(lines, delimiter='\t') if row and row[0] == 'encoder']
    state = EfficientNetEncoder('efficientnet-b3').state_dict()
    ours = {key: tuple(value.shape) for key, value in state.items() if not key.startswith('heads.')}
    official = {row[1]: tuple(int(n) for n in row[2].strip('()[]').replace('x', ',').split(',') if n.strip()) for row in rows}
    assert len(official) == 574 and ours == official


def test_an_unknown_encoder_is_named():
    with pytest.raises(ValueError, match='no encoder'):
        make_encoder('vgg')


def test_a_checkpoint_comes_back_as_it_went(network, tmp_path):
    path = tmp_path / 'net.safetensors'
    save_checkpoint(network, path, 'test', file_hash(OPEN_HAND))
    again = load_checkpoint(path)
    worst = max(float((a - again.state_dict()[k]).abs().max()) for k, a in network.state_dict().items() if a.is_floating_point())
    assert worst < 2e-3 and read_header(path)['name'] == 'test', f'weights moved by {worst}; float16 allows 1 part in 2000'


def test_a_checkpoint_of_another_version_is_refused_and_named(network, tmp_path, monkeypatch):
    path = tmp_path / 'net.safetensors'
    with monkeypatch.context() as later:
        later.setattr('models.checkpoint.VERSION', '2')
        save_checkpoint(network, path, 'test', file_hash(OPEN_HAND))
    with pytest.raises(ValueError, match='version 2, and this program reads version 1'):
        load_checkpoint(path)


def test_a_checkpoint_of_another_hand_or_a_cut_one_is_refused(network, tmp_path):
    path = tmp_path / 'net.safetensors'
    save_checkpoint(network, path, 'test', 'another')
    with pytest.raises(ValueError, match='another hand model'):
        load_checkpoint(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match='not a readable checkpoint'):
        load_checkpoint(path)
