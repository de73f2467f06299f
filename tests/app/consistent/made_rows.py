"""Rows of a first pass that never was: a made-up hand that moves as it is told."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from app.consistent.row_file import RowFile
from app.consistent.scout import FRAME, ROW
from app.hand_model import HandModel
from app.mirror import mirror_pose
from app.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from app.types import Intrinsics

MODEL = HandModel.load()
CAMERA = Intrinsics.from_field_of_view(640, 480)
WIDTH = 640
TONE = np.log([0.4, 0.25, 0.18])


def waving(times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses (T, 16, 3) and wrists (T, 3) of a right hand that waves, opens and closes evenly."""
    poses, wrists = [], []
    for time in times:
        coefficients = MODEL.coefficient_mean * 0.5
        coefficients[[6, 11, 16, 21]] = 0.4 + 0.4 * np.sin(2.0 * time)
        turn = axis_angle_to_matrix(np.array([0.0, 0.0, 0.3 * np.sin(1.5 * time)])) @ np.diag([1.0, -1.0, -1.0])
        poses.append(MODEL.pose_of(coefficients, matrix_to_axis_angle(turn)))
        wrists.append((0.06 * np.sin(1.2 * time), 0.06, 0.55 + 0.05 * np.cos(time)))
    return np.array(poses), np.array(wrists)


def joints_of(poses: np.ndarray, wrists: np.ndarray, shape: np.ndarray = np.zeros(10), side: str = 'right') -> np.ndarray:
    """(T, 21, 3) metres."""
    return np.array([MODEL.joints(pose, shape, side) + wrist for pose, wrist in zip(poses, wrists)])


def rows_of(frames: np.ndarray, times: np.ndarray, poses: np.ndarray, wrists: np.ndarray, track: int = 0, noise: float = 0.0, seed: int = 0,
            side: str = 'right', tone: np.ndarray = TONE, shape: np.ndarray = np.zeros(10)) -> np.ndarray:
    """Rows (T,) as a first pass would have them, with `noise` pixels in the points."""
    rng = np.random.default_rng(seed)
    joints = joints_of(poses, wrists, shape, side)
    rows = np.zeros(len(frames), ROW)
    rows['frame'], rows['time'], rows['track'], rows['left'] = frames, times, track, side == 'left'
    rows['presence'], rows['agreement'], rows['trust'] = 0.98, 0.97, 1
    rows['points'] = CAMERA.project(joints) + rng.normal(0, noise, (len(frames), 21, 2)) if noise else CAMERA.project(joints)
    rows['depths'] = (joints[..., 2] - joints[:, :1, 2]) * CAMERA.fx / joints[:, :1, 2]
    left = side == 'left'
    rows['pose'] = mirror_pose(poses) if left else poses
    rows['wrist'] = wrists * ((-1, 1, 1) if left else (1, 1, 1))
    rows['camera'], rows['width'], rows['tone'] = (CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy), WIDTH, tone
    return rows


def files_of(folder: Path, rows: np.ndarray, times: np.ndarray, cuts: tuple[int, ...] = ()) -> tuple[RowFile, RowFile]:
    """The files of a first pass over a clip with frames at `times` (F,); `cuts` are the frames that begin a scene."""
    row_file, frame_file = RowFile(folder, ROW), RowFile(folder, FRAME)
    row_file.append(rows[np.argsort(rows['frame'], kind='stable')])
    frames = np.zeros(len(times), FRAME)
    frames['frame'], frames['time'] = np.arange(len(times)), times
    frames['cut'][list(cuts)] = True
    frame_file.append(frames)
    return row_file, frame_file
