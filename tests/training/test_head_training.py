"""The regressor learns."""
import numpy as np
import torch

from models.camera import project
from models.hand_model import HandModel
from models.rotations import axis_angle_to_matrix
from models.s2hand import S2Hand
from models.skeleton import Skeleton
from training.config import Heads, LossWeights
from training.examples import Examples
from training.heads import HeadLoss, measure, train_heads


def made_examples(hand: HandModel, count: int) -> Examples:
    """Hands whose pose can be read off the features: the features are a random linear image of pose and place."""
    torch.manual_seed(0)
    coefficients = hand.coefficient_mean + 0.6 * hand.coefficient_sigma * torch.randn(count, len(hand.coefficient_mean))
    turn = 0.3 * torch.randn(count, 3)
    root = axis_angle_to_matrix(torch.tensor([[0.0, 0.0, torch.pi]])) @ axis_angle_to_matrix(turn)
    fingers, shape = hand.pose_from_coefficients(coefficients), torch.zeros(count, 10)
    relative = Skeleton(hand).from_pose(root, fingers, shape)
    wrist = torch.tensor([0.0, 0.09, 0.75]) + 0.02 * torch.randn(count, 3)
    points = project(relative + wrist[:, None], 224)
    told = torch.cat([(coefficients - hand.coefficient_mean) / hand.coefficient_sigma, turn * 3, (wrist - wrist.mean(0)) * 50], 1)
    features = (told @ torch.randn(told.shape[1], 1152)).numpy().astype(np.float16)
    flat = np.zeros((count, 21), np.float32)
    ones = np.ones(count, np.float32)
    return Examples(features, points.numpy(), flat + 1, flat, root.numpy(), fingers.numpy(), shape.numpy(), relative.numpy(), ones, ones)


def test_a_few_epochs_bring_the_joints_near_their_points():
    hand = HandModel.load()
    network, examples = S2Hand('landmark', hand), made_examples(hand, 384)
    before = measure(network, HeadLoss(hand, 224, LossWeights()), examples)['2d_percent']
    settings = Heads(epochs=6, batch=64, threads=1)
    after = train_heads(network, examples, examples, settings, LossWeights(), 0, lambda line: None)['2d_percent']
    assert after < 0.55 * before, f'{after:.1f} % of the box after training, {before:.1f} % before'
