"""The numpy hand model: the same hand as the torch twin, rigid bones, a mirror for the left side, and clear words for a broken file."""
from __future__ import annotations

import numpy as np
import pytest

from app.errors import InputError
from app.hand_model import DEFAULT_PATH, JOINTS, HandModel
from app.kinematics import Kinematics
from app.rotations import axis_angle_to_matrix, axis_angle_to_quaternion
from app.types import JOINT_PARENTS, TIPS


@pytest.fixture(scope='module')
def model() -> HandModel:
    return HandModel.load()


def poses(model: HandModel, count: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Natural poses in any turn (16, 3), with shapes (10,)."""
    generator = np.random.default_rng(seed)
    return [(model.pose_of(model.coefficient_mean + generator.normal(size=len(model.coefficient_mean)) * model.coefficient_sigma,
                           generator.uniform(-3, 3, 3)), generator.normal(size=10)) for _ in range(count)]


def bone_lengths(joints: np.ndarray) -> np.ndarray:
    return np.linalg.norm(joints[1:] - joints[list(JOINT_PARENTS[1:])], axis=1)


@pytest.mark.parametrize('side', ['right', 'left'])
def test_numpy_and_torch_make_the_same_hand(model, side):
    torch = pytest.importorskip('torch', reason='the torch twin needs torch')
    from models.hand_model import HandModel as TorchModel

    twin = TorchModel.load()
    worst = 0.0
    for pose, shape in poses(model, 8):
        vertices, joints = model.posed(pose, shape, side)
        with torch.no_grad():
            other = twin(torch.tensor(pose[None], dtype=torch.float32), torch.tensor(shape[None], dtype=torch.float32), side=side)
        worst = max(worst, np.abs(vertices - other.vertices[0].numpy()).max(), np.abs(joints - other.joints[0].numpy()).max())
    assert worst < 1e-5, f'{worst * 1e3:.5f} mm apart; 0.01 mm is float32 rounding over a chain of four joints'


def test_the_joints_alone_are_those_of_the_whole_hand(model):
    for pose, shape in poses(model, 5):
        for side in ('right', 'left'):
            error = np.abs(model.joints(pose, shape, side) - model.posed(pose, shape, side)[1]).max()
            assert error < 1e-6, f'{error} m'


def test_quaternions_and_axis_angles_pose_alike(model):
    pose, shape = poses(model, 1)[0]
    error = np.abs(model.posed(axis_angle_to_quaternion(pose), shape)[0] - model.posed(pose, shape)[0]).max()
    assert error < 1e-6, f'{error} m'


def test_at_rest_the_hand_is_its_template(model):
    vertices, joints = model.posed(np.zeros((JOINTS, 3)), np.zeros(10))
    rest = model.joint_regressor @ model.template
    assert np.abs(vertices - (model.template - rest[0])).max() < 1e-6 and np.abs(joints[0]).max() < 1e-7
    assert np.abs(joints[list(TIPS)] - (model.template[model.tip_vertices] - rest[0])).max() < 1e-6


def test_bones_keep_their_length_in_every_pose(model):
    shape = poses(model, 1)[0][1]
    rest = bone_lengths(model.joints(np.zeros((JOINTS, 3)), shape))
    for pose, _ in poses(model, 20):
        change = np.abs(bone_lengths(model.joints(pose, shape)) / rest - 1).max()
        assert change < 1e-5, f'a bone changed its length by {change:.2e} of it'


def test_turning_the_wrist_turns_the_whole_hand(model):
    pose, shape = poses(model, 1)[0]
    still = pose.copy()
    still[0] = 0
    expected = model.posed(still, shape)[0] @ axis_angle_to_matrix(pose[0]).T
    assert np.abs(model.posed(pose, shape)[0] - expected).max() < 1e-6


def test_a_left_hand_is_the_mirror_of_a_right_one(model):
    pose, shape = poses(model, 1)[0]
    left = model.posed(pose * (1, -1, -1), shape, 'left')[0]
    assert np.abs(left * (-1, 1, 1) - model.posed(pose, shape, 'right')[0]).max() < 1e-7


def test_flexion_bends_towards_the_palm(model):
    straight = model.joints(np.zeros((JOINTS, 3)), np.zeros(10))
    bent = model.joints(model.pose_of(0.5 * np.array(['flexion' in n and 'thumb' not in n for n in model.coefficient_names])), np.zeros(10))
    drop = straight[list(TIPS[1:]), 2] - bent[list(TIPS[1:]), 2]  # +z is the back of the hand
    assert (drop > 0.02).all(), f'finger tips sank by {drop} m towards the palm'


def test_coefficients_survive_the_way_through_the_pose(model):
    coefficients = np.random.default_rng(0).normal(size=len(model.coefficient_mean))
    assert np.abs(model.coefficients(model.pose_of(coefficients)) - coefficients).max() < 1e-5


def test_limits_are_noticed_on_both_sides(model):
    pose = model.pose_of(model.coefficient_mean)
    assert np.abs(model.beyond_limits(pose)).max() < 1e-6, 'the relaxed hand lies inside its own limits'
    index = model.coefficient_names.index('index_pip_flexion')
    for sign in (1, -1):
        coefficients = model.coefficient_mean.copy()
        coefficients[index] = 3.0 * sign
        over = model.beyond_limits(model.pose_of(coefficients))
        assert over[np.abs(over).argmax()] * sign > 0.5


def test_a_shape_is_computed_once_and_cannot_be_overwritten(model):
    shape = np.full(10, 0.25)
    vertices, _ = model.shaped(shape)
    assert model.shaped(shape.copy())[0] is vertices
    with pytest.raises(ValueError):
        vertices[0] = 0
    for i in range(10):
        model.shaped(np.full(10, i / 7))
    assert len(model._shaped) <= 4, 'only a few shapes are remembered'


def test_derivatives_of_the_joints_agree_with_differences(model):
    kinematics = Kinematics(model)
    pose, shape = poses(model, 1, seed=4)[0]
    coefficients, wrist = model.coefficients(pose), axis_angle_to_matrix(pose[0])
    posed = kinematics.posed(coefficients, wrist, kinematics.bones(shape))
    assert np.abs(posed.points - model.joints(pose, shape)).max() < 1e-6, 'the kinematics place the joints where the model does'
    jacobian = kinematics.jacobian(posed, np.tile(np.eye(3), (21, 1, 1)), True)

    def points(change: np.ndarray) -> np.ndarray:
        moved = kinematics.posed(coefficients + change[:kinematics.count], wrist, kinematics.bones(shape + change[-13:-3]),
                                 change[kinematics.count:kinematics.count + 3])
        return moved.points + change[-3:]

    for i, step in enumerate(1e-6 * np.eye(jacobian.shape[2])):
        difference = (points(step) - points(-step)) / 2e-6
        error = np.abs(jacobian[:, :, i] - difference).max()
        assert error < 1e-8, f'unknown {i}: {error:.1e} m per unit; central differences are good to about 1e-9'


@pytest.mark.parametrize('pose,shape,side', [
    (np.zeros((15, 3)), np.zeros(10), 'right'), (np.zeros((16, 3)), np.zeros(9), 'right'), (np.zeros((16, 3)), np.zeros(10), 'Left'),
])
def test_wrong_shapes_and_sides_are_refused(model, pose, shape, side):
    with pytest.raises(ValueError):
        model.posed(pose, shape, side)


def changed(tmp_path, **changes) -> str:
    """A copy of the model's file with some arrays replaced, or left out where None."""
    with np.load(DEFAULT_PATH, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files} | changes
    path = tmp_path / 'hand model.npz'
    np.savez(path, **{key: values for key, values in arrays.items() if values is not None})
    return path


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match='does not exist'):
        HandModel.load(tmp_path / 'no.npz')


@pytest.mark.parametrize('content', [b'', b'not a model', b'PK\x03\x04 cut off', DEFAULT_PATH.read_bytes()[:50000]])
def test_a_file_that_is_no_archive_gets_one_sentence(tmp_path, content):
    path = tmp_path / 'hand.npz'
    path.write_bytes(content)
    with pytest.raises(InputError, match='hand model') as caught:
        HandModel.load(path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('change,words', [
    ({'limits': None}, 'limits missing'),
    ({'template': np.zeros((5, 3), np.float32)}, 'shape'),
    ({'faces': np.full((7, 3), 99999, np.int32)}, 'shape|outside'),
    ({'pose_mean': np.full(45, np.nan, np.float32)}, 'not finite'),
    ({'parents': np.arange(16, dtype=np.int32)}, 'no tree'),
    ({'joint_map': np.full(21, 40, np.int32)}, 'outside'),
    ({'template': np.array('text')}, 'no numbers'),
    ({'joint_names': np.array(['one'])}, 'joints'),
])
def test_a_wrong_file_says_what_is_wrong(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        HandModel.load(changed(tmp_path, **change))


def test_a_model_of_other_sizes_works_everywhere(tmp_path, model):
    """Fewer vertices and a dense pose space, as a MANO file would have."""
    keep = np.unique(np.concatenate([model.tip_vertices, np.arange(0, len(model.template), 2)]))
    place = np.full(len(model.template), -1)
    place[keep] = np.arange(len(keep))
    faces = place[model.faces]
    whole = (faces >= 0).all(1)
    faces = np.vstack([faces[whole], [[0, 1, 2]]])
    regressor = model.joint_regressor[:, keep] + 1e-6
    generator = np.random.default_rng(0)
    basis = np.linalg.qr(generator.normal(size=(45, 45)))[0].astype(np.float32)[:30]
    path = changed(
        tmp_path, template=model.template[keep], shape_basis=model.shape_basis[keep], pose_basis=model.pose_basis[keep], faces=faces,
        uv_faces=np.zeros_like(faces), joint_regressor=regressor / regressor.sum(1, keepdims=True), skin_weights=model.skin_weights[keep],
        tip_vertices=place[model.tip_vertices], albedo=model.albedo[keep], skin_basis=model.skin_basis[:, keep], pose_components=basis,
        coefficient_mean=np.zeros(30), coefficient_sigma=np.ones(30), coefficient_names=np.array([f'c{i}' for i in range(30)]))
    other = HandModel.load(path)
    vertices, joints = other.posed(other.pose_of(0.2 * generator.normal(size=30)), generator.normal(size=10), 'left')
    assert vertices.shape == (len(keep), 3) and joints.shape == (21, 3) and np.isfinite(vertices).all()
    kinematics = Kinematics(other)
    coefficients = 0.2 * generator.normal(size=30)
    points = kinematics.posed(coefficients, np.eye(3), kinematics.bones(np.zeros(10))).points
    assert np.abs(points - other.joints(other.pose_of(coefficients), np.zeros(10))).max() < 1e-5
