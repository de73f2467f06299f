"""Things that a hand holds: a can, a stick, a ball, a pen; thick enough to fill the grip, never inside a finger."""
from __future__ import annotations

import numpy as np

from training.backgrounds import colour
from training.poses import ARCHETYPES
from training.scene import PROP, Part

FINGER = 0.0095  # metres, about half a finger's thickness
SHARE_HELD = 0.6  # of the hands that could hold something
AROUND = 24


def held_object(random: np.random.Generator, hand) -> Part | None:
    """Something for the grip of a hand (`training.renders.Pose`), camera axes; None if it holds nothing."""
    gesture = ARCHETYPES.get(hand.gesture)
    if gesture is None or random.random() > SHARE_HELD:
        return None
    joints = hand.joints
    if gesture.grip:
        return _gripped(random, hand, ball=hand.gesture == 'grasp_ball')
    if 8 in gesture.touch and random.random() < 0.35:  # a pen between thumb and index
        middle = (joints[4] + joints[8]) / 2
        if np.linalg.norm(joints[4] - joints[8]) > 0.026:
            return None
        way = joints[5] - joints[8] + random.normal(0, 0.02, 3)
        return _cylinder(random, middle, way / np.linalg.norm(way), 0.0038, 0.14, random.uniform(-0.05, 0.03))
    return None


def _gripped(random: np.random.Generator, hand, ball: bool) -> Part | None:
    joints = hand.joints
    fingers = joints[[6, 7, 8, 10, 11, 12, 14, 15, 16]]
    palm = joints[[5, 9, 13, 17]]
    axis = joints[5] - joints[17]
    axis /= np.linalg.norm(axis)
    middle = 0.5 * fingers.mean(0) + 0.3 * palm.mean(0) + 0.2 * joints[3:5].mean(0)
    # bones as points, close enough for their distance to the axis
    pairs = [(1 + 4 * f + k, 2 + 4 * f + k) for f in range(5) for k in range(3)] + [(0, 1 + 4 * f) for f in range(1, 5)]
    ends = joints[np.array(pairs)]
    bones = np.concatenate([(1 - t) * ends[:, 0] + t * ends[:, 1] for t in np.linspace(0, 1, 9)])
    best, radius = middle, -1.0
    for _ in range(24):  # where there is most room
        trial = best + random.normal(0, 0.006, 3)
        away = bones - trial
        if not ball:
            away = away - (away @ axis)[:, None] * axis
        room = np.linalg.norm(away, axis=1).min() - FINGER
        if room > radius:
            best, radius = trial, room
    if radius < 0.006 or best[2] < joints[:, 2].min() and random.random() < 0.7:  # too thin, or before all of the hand: it would hide it
        return None
    if ball:
        return _ball(random, best, min(radius, 0.036))
    return _cylinder(random, best, axis, min(radius, 0.038), random.uniform(0.1, 0.2), random.normal(0, 0.02))


def _part(random: np.random.Generator, vertices: np.ndarray, faces: np.ndarray, stripe: np.ndarray) -> Part:
    colours = np.tile(colour(random, 0.9), (len(vertices), 1))
    if random.random() < 0.5:
        colours[stripe] = colour(random, 0.9)
    return Part(PROP, vertices, faces, colours, np.zeros((len(vertices), 2)))


def _cylinder(random: np.random.Generator, middle: np.ndarray, axis: np.ndarray, radius: float, length: float, shift: float) -> Part:
    across = np.cross(axis, (0.3, 0.8, 0.5))
    across /= np.linalg.norm(across)
    other = np.cross(axis, across)
    around = 2 * np.pi * np.arange(AROUND) / AROUND
    ring = np.cos(around)[:, None] * across + np.sin(around)[:, None] * other
    # the caps' rings are doubled so that their edges stay sharp
    stations = [(-0.5, 0.0), (-0.5, 1.0), (-0.5, 1.0), (-0.2, 1.0), (0.2, 1.0), (0.5, 1.0), (0.5, 1.0), (0.5, 0.0)]
    vertices = np.concatenate([middle + axis * (t * length + shift) + r * radius * ring for t, r in stations])
    rows, k = np.meshgrid(np.arange(len(stations) - 1), np.arange(AROUND), indexing='ij')
    a, b = rows * AROUND + k, rows * AROUND + (k + 1) % AROUND
    faces = np.concatenate([np.stack([a, b, b + AROUND], -1).reshape(-1, 3), np.stack([a, b + AROUND, a + AROUND], -1).reshape(-1, 3)])
    return _part(random, vertices, faces, np.arange(3 * AROUND, 5 * AROUND))


def _ball(random: np.random.Generator, middle: np.ndarray, radius: float) -> Part:
    rings = 14
    height = np.linspace(0, np.pi, rings)
    around = 2 * np.pi * np.arange(AROUND) / AROUND
    wide, high = np.sin(height)[:, None], np.cos(height)[:, None]
    points = np.stack([wide * np.cos(around), wide * np.sin(around), high + 0 * around], -1)
    rows, k = np.meshgrid(np.arange(rings - 1), np.arange(AROUND), indexing='ij')
    a, b = rows * AROUND + k, rows * AROUND + (k + 1) % AROUND
    faces = np.concatenate([np.stack([a, b + AROUND, b], -1).reshape(-1, 3), np.stack([a, a + AROUND, b + AROUND], -1).reshape(-1, 3)])
    return _part(random, middle + radius * points.reshape(-1, 3), faces, np.arange(5 * AROUND, 8 * AROUND))
