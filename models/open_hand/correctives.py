"""Pose-dependent correctives: what the skin does at a bent joint, learnt from the implicit surface on the bent skeleton. Millimetres."""
from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from models.open_hand.limits import ANGLES, angle_axes
from models.open_hand.meshing import gradient
from models.open_hand.primitives import Pose
from models.open_hand.skeleton import JOINT_NAMES, PARENTS, Skeleton
from models.open_hand.surface import Hand

RIDGE = 0.02  # on the nine entries of R - I, whose own size is about 1 at a right angle
NEAR = 42.0  # mm from the joint within which it may move the skin


def pose_skeleton(skeleton: Skeleton, turns: np.ndarray) -> Pose:
    """Axis-angle turns (15, 3) of the joints 1..15 -> the posed skeleton."""
    local = np.concatenate([np.eye(3)[None], Rotation.from_rotvec(turns).as_matrix()])
    rotations, joints = local.copy(), skeleton.joints.copy()
    for j in range(1, 16):
        p = PARENTS[j]
        rotations[j] = rotations[p] @ local[j]
        joints[j] = joints[p] + rotations[p] @ (skeleton.joints[j] - skeleton.joints[p])
    return Pose(skeleton.joints, rotations, joints)


def blend(vertices: np.ndarray, weights: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Linear blend skinning: posed vertices (N, 3) and each vertex's blended matrix (N, 3, 3)."""
    matrices = np.tensordot(weights, pose.rotations, 1)
    shift = pose.joints - np.einsum('jab,jb->ja', pose.rotations, pose.rest)
    return np.einsum('nab,nb->na', matrices, vertices) + weights @ shift, matrices


def smooth(values: np.ndarray, neighbours: np.ndarray, rounds: int) -> np.ndarray:
    """Averages (N, 3) over the mesh; `neighbours` is the sparse row-normalised adjacency."""
    for _ in range(rounds):
        values = .5 * values + .5 * (neighbours @ values)
    return values


def wanted_offsets(vertices: np.ndarray, weights: np.ndarray, hand: Hand, turns: np.ndarray, joint: int, neighbours) -> np.ndarray:
    """(N, 3) offsets in the rest frame that bring the skin onto the implicit surface of the hand bent at one joint."""
    pose = pose_skeleton(hand.skeleton, turns)
    posed, matrices = blend(vertices, weights, pose)
    distance = np.linalg.norm(vertices - hand.skeleton.joints[joint], axis=-1)
    fade = np.clip((NEAR - distance) / 12, 0, 1)
    near = np.flatnonzero(fade)
    target = posed.copy()
    hand = hand.local(vertices[near])
    rest_error = hand.distance(vertices[near])
    for _ in range(6):
        def field(p: np.ndarray) -> np.ndarray:
            return hand.distance(p, pose)
        g = gradient(target[near], field)
        step = (field(target[near]) - rest_error) / np.maximum((g * g).sum(-1), .2)
        target[near] -= np.clip(step, -2, 2)[:, None] * g
        # slides the vertices evenly again: the part of a smoothed move that lies in the skin is kept
        moved = smooth(target - posed, neighbours, 1)
        target[near] = posed[near] + moved[near]
    g = gradient(target[near], field)
    target[near] -= np.clip((field(target[near]) - rest_error) / np.maximum((g * g).sum(-1), .2), -2, 2)[:, None] * g
    offsets = np.linalg.solve(matrices + 1e-3 * np.eye(3), (target - posed)[..., None])[..., 0]
    size = np.linalg.norm(offsets, axis=-1, keepdims=True)
    offsets *= np.minimum(1, 9 / np.maximum(size, 1e-9))  # no vertex may jump further than the finger's radius
    return offsets * fade[:, None]


def pose_samples(joint: int, skeleton: Skeleton) -> list[np.ndarray]:
    """Turns (15, 3) that bend one joint through its range, flexion combined with abduction where it has any."""
    axes = angle_axes(skeleton)
    name = JOINT_NAMES[joint]

    def limit(kind: str) -> tuple[float, float]:
        return tuple(np.radians(ANGLES[f'{name}_{kind}'][2:])) if f'{name}_{kind}' in ANGLES else (0., 0.)

    low, high = limit('flexion')
    samples = []
    for flexion in np.linspace(0, max(high, np.pi / 2 if joint not in (1, 2) else high), 6):
        for abduction in {0., *limit('abduction')}:
            samples.append((flexion, abduction * (1 - .5 * flexion / np.pi), 0.))
    samples += [(low, 0., 0.), (low / 2, 0., 0.)]
    if limit('twist')[1] > .3:
        twist = limit('twist')[1]
        samples += [(0., 0., twist), (0., 0., twist / 2), (high / 2, limit('abduction')[1] / 2, twist / 2)]
    out = []
    for angles in samples:
        turns = np.zeros((15, 3))
        for kind, angle in zip(('flexion', 'abduction', 'twist'), angles):
            turns[joint - 1] += angle * axes[f'{name}_{kind}'][1]
        out.append(turns)
    return out


def pose_basis(vertices: np.ndarray, weights: np.ndarray, hand: Hand, neighbours, tips: np.ndarray) -> np.ndarray:
    """(N, 3, 135) offsets per entry of R - I of each joint."""
    basis = np.zeros((len(vertices), 3, 135))
    for joint in range(1, 16):
        samples = [t for t in pose_samples(joint, hand.skeleton) if np.abs(t).max() > 1e-6]
        features = np.array([(Rotation.from_rotvec(t[joint - 1]).as_matrix() - np.eye(3)).ravel() for t in samples])
        offsets = np.stack([wanted_offsets(vertices, weights, hand, t, joint, neighbours) for t in samples])
        gram = features.T @ features + RIDGE * np.eye(9)
        fit = np.linalg.solve(gram, features.T @ offsets.reshape(len(samples), -1))
        basis[..., 9 * (joint - 1):9 * joint] = fit.reshape(9, len(vertices), 3).transpose(1, 2, 0)
    basis[tips] = 0
    basis[np.abs(basis) < 2e-3] = 0
    return basis
