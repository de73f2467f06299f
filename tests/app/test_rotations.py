"""Round trips between all forms, for all batch shapes and both precisions, near no turn and near half a turn."""
from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import rotations

SHAPES, DTYPES = ((), (1,), (7,), (2, 3)), (np.float32, np.float64)
BOTH = list(itertools.product(SHAPES, DTYPES))
# Each quaternion number carries one rounding error and an angle doubles it; float32 has 1.2e-7
TOLERANCE = {np.float32: 3e-6, np.float64: 3e-14}
FORMS = {
    'axis_angle': (rotations.axis_angle_to_matrix, rotations.matrix_to_axis_angle),
    'quaternion': (rotations.quaternion_to_matrix, rotations.matrix_to_quaternion),
}
angles = st.one_of(st.floats(0, np.pi), st.floats(0, 1e-6), st.floats(np.pi - 1e-6, np.pi), st.sampled_from([0.0, 1e-12, 1e-300, np.pi]))
axes = st.tuples(*[st.floats(-1, 1)] * 3).map(np.array).filter(lambda a: np.linalg.norm(a) > 1e-2).map(lambda a: a / np.linalg.norm(a))
vectors = st.builds(lambda angle, axis: angle * axis, angles, axes)


def random_vectors(shape: tuple[int, ...], dtype: type, longest: float = 3.1) -> np.ndarray:
    generator = np.random.default_rng(len(shape))
    axis = generator.normal(size=shape + (3,))
    return (axis / np.linalg.norm(axis, axis=-1, keepdims=True) * generator.uniform(0, longest, shape + (1,))).astype(dtype)


@pytest.mark.parametrize('shape,dtype', BOTH)
def test_every_conversion_keeps_batch_shape_and_precision(shape, dtype):
    vector = random_vectors(shape, dtype)
    quaternion = rotations.axis_angle_to_quaternion(vector)
    matrix = rotations.axis_angle_to_matrix(vector)
    for result, tail in ((quaternion, (4,)), (matrix, (3, 3)), (rotations.quaternion_to_matrix(quaternion), (3, 3)),
                         (rotations.matrix_to_quaternion(matrix), (4,)), (rotations.quaternion_to_axis_angle(quaternion), (3,)),
                         (rotations.matrix_to_axis_angle(matrix), (3,)), (rotations.left_jacobian(vector), (3, 3)),
                         (rotations.multiply(quaternion, quaternion), (4,)), (rotations.slerp(quaternion, quaternion, 0.5), (4,))):
        assert result.shape == shape + tail and result.dtype == dtype


@pytest.mark.parametrize('shape,dtype', BOTH)
def test_all_ways_round_come_back(shape, dtype):
    vector = random_vectors(shape, dtype)
    ways = {
        'matrix': rotations.matrix_to_axis_angle(rotations.axis_angle_to_matrix(vector)),
        'quaternion': rotations.quaternion_to_axis_angle(rotations.axis_angle_to_quaternion(vector)),
        'all three': rotations.matrix_to_axis_angle(rotations.quaternion_to_matrix(rotations.axis_angle_to_quaternion(vector))),
    }
    for name, back in ways.items():
        error = np.abs(back - vector).max()
        # within 0.04 of half a turn the axis takes its sign from the small w: an error of one rounding grows by about 10
        assert error < 10 * TOLERANCE[dtype], f'by {name}: {error:.1e} rad, allowed {10 * TOLERANCE[dtype]:.1e} ({dtype.__name__})'


@settings(max_examples=300)
@given(vectors)
def test_matrix_round_trips_hold_near_zero_and_near_half_a_turn(vector):
    matrix = rotations.axis_angle_to_matrix(vector)
    for name, (there, back) in FORMS.items():
        again = there(back(matrix))
        error = np.abs(again - matrix).max()  # of matrices: at half a turn an axis and its opposite are one rotation
        assert error < 1e-14 * 4, f'{name} of {vector}: {error:.1e}'
    assert np.abs(matrix @ matrix.T - np.eye(3)).max() < 1e-14 and abs(np.linalg.det(matrix) - 1) < 1e-14


@settings(max_examples=200)
@given(vectors, vectors)
def test_a_product_of_quaternions_is_the_product_of_matrices(first, second):
    product = rotations.multiply(rotations.axis_angle_to_quaternion(first), rotations.axis_angle_to_quaternion(second))
    expected = rotations.axis_angle_to_matrix(first) @ rotations.axis_angle_to_matrix(second)
    assert np.abs(rotations.quaternion_to_matrix(product) - expected).max() < 1e-14


@settings(max_examples=200)
@given(vectors, vectors, st.floats(0, 1))
def test_slerp_goes_the_shorter_way_at_even_speed(first, second, fraction):
    start, end = rotations.axis_angle_to_quaternion(first), rotations.axis_angle_to_quaternion(second)
    whole = np.linalg.norm(rotations.difference(start, end))
    part = np.linalg.norm(rotations.difference(start, rotations.slerp(start, end, fraction)))
    assert whole <= np.pi + 1e-12 and abs(part - fraction * whole) < 1e-7, f'{part} of {whole} rad at {fraction}'
    arrived = rotations.slerp(start, end, 1.0)
    assert np.abs(rotations.quaternion_to_matrix(arrived) - rotations.quaternion_to_matrix(end)).max() < 1e-14


@settings(max_examples=200)
@given(vectors, vectors.map(lambda v: v * 1e-5))
def test_the_left_jacobian_is_the_derivative_of_the_exponential(vector, small):
    moved = rotations.axis_angle_to_matrix(vector + small)
    predicted = rotations.axis_angle_to_matrix(rotations.left_jacobian(vector) @ small) @ rotations.axis_angle_to_matrix(vector)
    error = np.abs(moved - predicted).max()  # second order in a step of up to 3e-5 rad
    assert error < 2e-9, f'{error:.1e}'


def test_a_quaternions_sign_and_length_do_not_matter():
    quaternion = rotations.axis_angle_to_quaternion(random_vectors((50,), np.float64))
    for other in (-quaternion, 2 * quaternion, -0.1 * quaternion):
        assert np.allclose(rotations.quaternion_to_matrix(other), rotations.quaternion_to_matrix(quaternion), atol=1e-14)
        assert np.allclose(rotations.quaternion_to_axis_angle(other), rotations.quaternion_to_axis_angle(quaternion), atol=1e-13)
        assert ((rotations.aligned(other, quaternion) * quaternion).sum(-1) > 0).all()


def test_a_known_turn_has_the_usual_sign():
    quarter = rotations.axis_angle_to_matrix(np.array([0, 0, np.pi / 2]))
    assert np.allclose(quarter @ [1, 0, 0], [0, 1, 0]), 'a quarter turn about z carries x to y'


@pytest.mark.parametrize('call,values', [
    (rotations.axis_angle_to_matrix, np.zeros(4)), (rotations.quaternion_to_matrix, np.zeros((2, 3))),
    (rotations.matrix_to_quaternion, np.zeros((2, 3))), (rotations.quaternion_to_axis_angle, np.float64(1)),
])
def test_wrong_shapes_are_refused(call, values):
    with pytest.raises(ValueError):
        call(values)


@settings(deadline=None)
@given(vectors)
def test_one_rotation_in_plain_numbers_is_the_same_as_in_numpy(vector):
    vector = np.asarray(vector, float)
    matrix = rotations.one_matrix(vector)
    error = np.abs(matrix - rotations.axis_angle_to_matrix(vector)).max()
    assert error < TOLERANCE[np.float64], f'the matrix is {error:.2g} off'
    again = rotations.one_matrix(rotations.one_axis_angle(matrix))
    assert np.abs(again - matrix).max() < TOLERANCE[np.float64], f'there and back is {np.abs(again - matrix).max():.2g} off'
    assert np.linalg.norm(rotations.one_axis_angle(matrix)) <= np.pi + 1e-12
