"""The motion of a whole clip: its derivatives, what it makes of noise, of wrong frames and of gaps, and that windows agree."""
from __future__ import annotations

import numpy as np
import pytest

from app.consistent import solving
from app.consistent.in_line import fingers_in_line
from app.consistent.motion import Motion, MotionSettings
from app.consistent.pieces import FILLED, find_pieces
from app.consistent.row_file import RowFile
from app.consistent.row_kinematics import RowKinematics
from app.consistent.solving import SOLVED, Solver
from app.consistent.trajectory import RowData, States, Trajectory
from app.refinement import Refiner
from app.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from tests.app.consistent.made_rows import CAMERA, MODEL, files_of, joints_of, rows_of, waving
from training.metrics import pa_mpjpe

REFINER = Refiner(MODEL)


def solved(folder, rows, times, cuts=(), strength=0.5):
    """The solved rows in order, what `Solver.solve` tells, and the joints (R, 21, 3)."""
    row_file, frame_file = files_of(folder, rows, times, cuts)
    with row_file, frame_file, RowFile(folder, SOLVED) as out:
        result = Solver(MODEL, REFINER, strength).solve(row_file, times, find_pieces(row_file, frame_file), out)
        answer = out.read(np.arange(len(out)))
    joints = np.array([MODEL.joints(row['pose'], result.shapes[row['hand']], 'left' if row['left'] else 'right') + row['translation']
                       for row in answer])
    return answer, result, joints


def test_kinematics_of_many_frames_are_those_of_one():
    rng = np.random.default_rng(3)
    shape, coefficients = rng.normal(0, 1, 10), rng.normal(0, 0.4, (5, 26))
    wrists = axis_angle_to_matrix(rng.normal(0, 1, (5, 3)))
    posed = RowKinematics(MODEL, shape).posed(coefficients, wrists)
    single = REFINER.kinematics
    alone = np.array([single.posed(c, w, single.bones(shape)).points for c, w in zip(coefficients, wrists)])
    assert np.abs(posed.points - alone).max() < 1e-6, f'points differ by {np.abs(posed.points - alone).max():.1e} m'


def made_problem(rng, rows=6, count=26):
    """A problem of random data and random states that fit it badly."""
    sure = np.ones(rows)
    times = np.cumsum([0, 0.03, 0.04, 0.03, 0.1, 0.033])
    solver = Solver(MODEL, REFINER, 0.5)
    data = RowData(
        times, rng.uniform(200, 400, (rows, 21, 2)), np.full((rows, 21), 0.02), rng.normal(0, 20, (rows, 21)), np.full((rows, 21), 0.01),
        np.full((rows, 2), 500.0), np.full((rows, 2), 300.0), rng.normal(0, 0.3, (rows, count)), 10 * sure,
        axis_angle_to_matrix(rng.normal(0, 0.3, (rows, 3))), 10 * sure, np.full(rows, -0.6), 16 * sure)
    problem = Trajectory(RowKinematics(MODEL, np.zeros(10)), data, solver._priors, Motion(times, solver._groups, MotionSettings(), 0.5))
    states = States(rng.normal(0, 0.3, (rows, count)), axis_angle_to_matrix(rng.normal(0, 0.3, (rows, 3))),
                    rng.normal(0, 0.05, (rows, 3)) * (0, 0, 1) + (0.1, 0.1, -0.6))  # hand lengths change with distance, which is left out
    return problem, states


def test_the_gradient_is_the_slope_of_the_cost():
    problem, states = made_problem(np.random.default_rng(5))
    rows, count = states.coefficients.shape
    step = problem._at(states)
    gradient = problem._normal_equations(step)[2]
    small = 1e-6
    for row, unknown in [(0, 0), (2, 7), (3, 25), (1, 29), (4, 30), (2, 31), (5, 31)]:
        change = np.zeros((rows, count + 6))
        change[row, unknown] = small
        slope = (problem._at(problem._moved(states, change)).cost - problem._at(problem._moved(states, -change)).cost) / (2 * small)
        assert slope == pytest.approx(gradient[row, unknown], rel=2e-3, abs=0.05), f'frame {row}, unknown {unknown}'


def test_a_leap_of_the_distance_costs_more_than_one_of_a_finger():
    groups, times, still = Solver(MODEL, REFINER, 0.5)._groups, np.arange(3) / 30, np.tile(np.eye(3), (3, 1, 1))
    motion, settings = Motion(times, groups, MotionSettings(), 0.5), MotionSettings()

    def cost(sigmas: float, of_distance: bool) -> float:
        coefficients, place = np.zeros((3, len(groups))), np.zeros((3, 3))
        leap = sigmas / (2 * 30 ** 2)  # of the middle frame; its acceleration is so many sigmas
        if of_distance:
            place[1, 2] = leap * settings.distance
        else:
            coefficients[1, groups == 1] = leap * settings.finger
        return motion.cost(coefficients, still, place)

    distance, finger = (cost(20, leaps) / cost(10, leaps) for leaps in (True, False))
    assert distance > 2.4 > 1.8 > finger, f'twice the leap costs {distance:.2f} times as much of the distance, {finger:.2f} of a finger'


def test_a_wrong_finger_of_the_networks_takes_nothing_from_the_others():
    problem, states = made_problem(np.random.default_rng(5))
    groups = problem.priors.groups
    away = np.where(groups == 1, 1.2, 0.1) * np.ones_like(states.coefficients)  # radians
    belief = 1 / (1 + problem._guess_square(away, np.zeros((len(away), 3))) / problem.priors.guess_outlier)
    assert belief[:, 1].max() < 0.5 and np.delete(belief, 1, 1).min() > 0.9, f'belief in the fingers and the turn: {belief[0].round(2)}'


def test_a_hand_that_tilts_to_and_fro_in_the_networks_eyes_does_not_tremble_in_depth(tmp_path):
    times = np.arange(60) / 30
    poses, wrists = waving(times)
    rows, rng = rows_of(np.arange(60), times, poses, wrists, noise=0.5), np.random.default_rng(1)
    tilts = axis_angle_to_matrix(np.append(rng.normal(0, 0.08, (60, 2)), np.zeros((60, 1)), 1))
    rows['pose'][:, 0] = matrix_to_axis_angle(tilts @ axis_angle_to_matrix(poses[:, 0]))
    _, _, joints = solved(tmp_path, rows, times)
    off = (joints - joints[:, :1] - (lambda j: j - j[:, :1])(joints_of(poses, wrists)))[..., 2]
    tremble = 1e3 * np.diff(off, 3, axis=0).std() / np.sqrt(20)  # of white noise, its standard deviation
    assert tremble < 0.025, f'depths tremble by {tremble:.3f} mm, allowed 0.025 mm; without an average over time 0.05 mm'


def test_misplaced_points_do_less_harm_where_the_network_is_less_sure_of_the_hand(tmp_path):
    times = np.arange(30) / 30
    poses, wrists = waving(times)
    truth, off, wrong = joints_of(poses, wrists), {}, np.random.default_rng(2).normal(0, 4, (21, 2))  # all the time
    for presence in (0.99, 0.85):
        rows = rows_of(np.arange(30), times, poses, wrists)
        rows['presence'], rows['points'] = presence, rows['points'] + wrong
        joints = solved(tmp_path, rows, times)[2]
        off[presence] = 1e3 * np.mean([pa_mpjpe(ours, true) for ours, true in zip(joints, truth)])
    assert off[0.85] < 0.75 * off[0.99], f'joints are {off[0.99]:.2f} mm off where it is sure and {off[0.85]:.2f} mm where it is not'


def test_a_finger_that_is_taken_for_another_for_some_frames_is_given_up_and_the_rest_of_the_hand_is_kept():
    times = np.arange(40) / 30
    points = CAMERA.project(joints_of(*waving(times)))
    swapped = points.copy()
    swapped[20:23, 13:17] = points[20:23, 9:13]  # the ring finger's points on the middle finger
    swapped[20:23, 13:17] += np.random.default_rng(0).normal(0, 1, (3, 4, 2))
    wrong = np.zeros((40, 21), bool)
    wrong[20:23, 13:17] = True
    assert (fingers_in_line(points) == 1).all(), 'an even motion is in line'
    assert ((fingers_in_line(swapped) < 0.1) == wrong).all(), f'out of line: {np.argwhere(fingers_in_line(swapped) < 0.1).tolist()}'
    bent = points.copy()
    bent[20:, 13:17] += 0.2 * np.ptp(points, axis=1).max(-1)[20:, None, None]
    assert (fingers_in_line(bent)[22:] == 1).all(), 'a finger that snaps and stays is believed'


def test_noise_goes_and_the_motion_stays(tmp_path):
    times = np.arange(90) / 30
    poses, wrists = waving(times)
    rows = rows_of(np.arange(90), times, poses, wrists, noise=3.0)
    answer, result, joints = solved(tmp_path, rows, times)
    truth = CAMERA.project(joints_of(poses, wrists))
    before, after = (np.linalg.norm(points - truth, axis=2).mean() for points in (rows['points'], CAMERA.project(joints)))
    assert after < 0.45 * before, f'{before:.2f} px of noise became {after:.2f} px, allowed {0.45 * before:.2f}'
    bones = np.linalg.norm(joints[:, 1] - joints[:, 0], axis=1)
    assert np.ptp(bones) < 1e-6, f'a bone changes its length by {np.ptp(bones) * 1e3:.4f} mm'
    assert not answer['left'].any() and len(result.shapes) == 1


def test_wrong_detected_depths_hardly_change_what_the_network_saw_of_the_hand(tmp_path):
    times = np.arange(45) / 30
    poses, wrists = waving(times)
    rows = rows_of(np.arange(45), times, poses, wrists)
    rng, focal = np.random.default_rng(3), CAMERA.fx / wrists[:, 2]
    rows['depths'] += (0.03 * rng.normal(size=21) * focal[:, None]).astype(np.float32)  # metres, wrong in one way all the time
    _, _, joints = solved(tmp_path, rows, times)
    truth = joints_of(poses, wrists)
    off = 1e3 * np.mean([pa_mpjpe(ours, true) for ours, true in zip(joints, truth)])
    assert off < 1.0, f'joints are off by {off:.2f} mm where the network had them right, allowed 1 mm'


def test_a_left_hand_is_a_right_one_in_a_mirror(tmp_path):
    times = np.arange(20) / 30
    poses, wrists = waving(times)
    _, _, right = solved(tmp_path, rows_of(np.arange(20), times, poses, wrists, noise=2.0), times)
    rows = rows_of(np.arange(20), times, poses, wrists, noise=2.0)
    rows['left'], rows['points'][..., 0] = True, 639 - rows['points'][..., 0]
    answer, _, left = solved(tmp_path, rows, times)
    assert answer['left'].all() and np.abs(left * (-1, 1, 1) - right).max() < 2e-4


def test_wrong_frames_are_found_and_do_no_harm(tmp_path):
    times = np.arange(60) / 30
    poses, wrists = waving(times)
    rows = rows_of(np.arange(60), times, poses, wrists, noise=1.0)
    wrong = [20, 37, 38]
    rows['points'][20] += 150  # a jump
    rows['points'][[37, 38]] = rows['points'][[37, 38]].mean(1, keepdims=True) + 1.6 * (  # upside down and larger
        rows['points'][[37, 38]].mean(1, keepdims=True) - rows['points'][[37, 38]])
    answer, result, joints = solved(tmp_path, rows, times)
    error = np.linalg.norm(joints - joints[:, :1] - (lambda j: j - j[:, :1])(joints_of(poses, wrists)), axis=2).mean(1)
    worst = error[wrong].max() * 1e3
    assert worst < 15, f'a wrong frame is {worst:.1f} mm off, allowed 15 mm; the others {np.delete(error, wrong).mean() * 1e3:.1f} mm'
    assert answer['belief'][wrong].max() < 0.3 and result.wrong == 3, f'{result.wrong} frames were called wrong, 3 are'


def test_a_short_gap_is_filled_on_the_way_and_marked(tmp_path):
    times = np.arange(60) / 30
    poses, wrists = waving(times)
    seen = np.r_[0:30, 40:60]
    rows = rows_of(seen, times[seen], poses[seen], wrists[seen], noise=0.5)
    answer, result, joints = solved(tmp_path, rows, times)
    assert len(answer) == 60 and (np.flatnonzero(answer['row'] == FILLED) == np.arange(30, 40)).all()
    assert (result.gaps, result.filled) == (1, 10)
    error = np.linalg.norm(CAMERA.project(joints) - CAMERA.project(joints_of(poses, wrists)), axis=2)[30:40].mean()
    assert error < 8, f'filled hands are {error:.1f} px off, allowed 8 px (a quarter of what the hand moves meanwhile)'
    assert answer['confidence'][30:40].max() < 0.7 < answer['confidence'][:30].min()


def test_without_smoothing_every_frame_is_fitted_for_itself(tmp_path):
    times = np.arange(24) / 30
    poses, wrists = waving(times)
    seen = np.r_[0:10, 14:24]
    rows = rows_of(seen, times[seen], poses[seen], wrists[seen], noise=2.0)
    _, _, joints = solved(tmp_path, rows, times, strength=0.0)
    off = np.linalg.norm(CAMERA.project(joints[seen]) - rows['points'], axis=2).mean()
    assert off < 2.0, f'{off:.2f} px from the points, whose noise of 2 px is fitted where nothing is smoothed'


def test_windows_agree_with_a_solution_of_all_frames_at_once(tmp_path, monkeypatch):
    times = np.arange(150) / 30
    poses, wrists = waving(times)
    rows = rows_of(np.arange(150), times, poses, wrists, noise=1.5)
    _, _, whole = solved(tmp_path, rows, times)
    monkeypatch.setattr(solving, 'WINDOW', 40)
    _, _, parts = solved(tmp_path, rows, times)
    apart = np.linalg.norm(whole - parts, axis=2).max() * 1e3
    assert apart < 1.0, f'windows are up to {apart:.2f} mm from the solution of all frames, allowed 1 mm'


@pytest.mark.parametrize('count', [1, 2, 3, 5])
def test_a_few_frames_are_enough(tmp_path, count):
    times = np.arange(count) / 30
    answer, _, joints = solved(tmp_path, rows_of(np.arange(count), times, *waving(times)), times)
    assert len(answer) == count and np.isfinite(joints).all()


def test_uneven_times_are_the_true_ones(tmp_path):
    times = np.cumsum(np.random.default_rng(1).choice([0.017, 0.033, 0.1], 60))
    poses, wrists = waving(times)
    _, _, joints = solved(tmp_path, rows_of(np.arange(60), times, poses, wrists, noise=1.0), times)
    error = np.linalg.norm(CAMERA.project(joints) - CAMERA.project(joints_of(poses, wrists)), axis=2).mean()
    assert error < 2.0, f'{error:.2f} px off at uneven times, allowed 2 px'
