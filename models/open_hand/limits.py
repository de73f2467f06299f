"""The pose coefficients (one anatomical angle each), their natural means and spreads, and the joint limits. Radians.

Flexion is positive towards the palm; abduction away from the middle finger (the middle finger's: towards the thumb; the thumb's: away
from the index finger); twist is positive for pronation (a thumb's pad turns to face the fingers).
All are relative to the rest pose, in which the fingers are bent by 3 to 10 degrees and spread by 6 degrees from finger to finger.

Sources of the limits: the usual ranges of motion of hand surgery (e-hand.com, The Electronic Textbook of Hand Surgery: fingers MCP
0-45 hyperextension to 90, PIP 0 to 100, DIP 0 to 80; thumb MCP -10 to 55, IP -15 to 80, basal joint palmar abduction to 45, radial to 60
degrees); thumb MCP mean flexion 59 degrees (300 hands; abstract of "Normal range of motion of thumb
metacarpophalangeal joint"); widest angles between neighbours 17 +- 3 (II-III), 14 +- 2 (III-IV) and 32 +- 7 degrees (IV-V)
(Chatzioglou et al. 2024, Anat. Cell Biol. 57(2), 172-182). Some degrees are added, because
people differ and hands are pushed further by what they hold. The little ranges of twist, and all means and spreads of the relaxed
moving hand, are our own assumptions.
"""
from __future__ import annotations

import numpy as np

from models.open_hand.skeleton import FINGERS, JOINT_NAMES, LEVELS, Skeleton

# degrees: natural mean, spread, lower and upper limit, relative to the model's rest pose
ANGLES = {
    'thumb_cmc_flexion': (8, 12, -22, 38), 'thumb_cmc_abduction': (4, 11, -28, 32), 'thumb_cmc_twist': (6, 10, -15, 38),
    'thumb_mcp_flexion': (14, 16, -12, 62), 'thumb_mcp_abduction': (0, 4, -9, 9), 'thumb_ip_flexion': (18, 22, -22, 82),
    'index_mcp_flexion': (22, 24, -26, 88), 'index_mcp_abduction': (-3, 6, -16, 14), 'index_mcp_twist': (0, 2, -6, 6),
    'index_pip_flexion': (32, 28, -10, 108), 'index_dip_flexion': (16, 16, -16, 78),
    'middle_mcp_flexion': (26, 25, -24, 90), 'middle_mcp_abduction': (0, 5, -12, 12), 'middle_mcp_twist': (0, 2, -6, 6),
    'middle_pip_flexion': (36, 29, -10, 110), 'middle_dip_flexion': (18, 16, -16, 80),
    'ring_mcp_flexion': (28, 26, -22, 92), 'ring_mcp_abduction': (-3, 5, -16, 13), 'ring_mcp_twist': (0, 2, -6, 6),
    'ring_pip_flexion': (36, 29, -10, 112), 'ring_dip_flexion': (18, 16, -16, 78),
    'little_mcp_flexion': (28, 26, -24, 95), 'little_mcp_abduction': (-4, 7, -24, 22), 'little_mcp_twist': (0, 3, -8, 8),
    'little_pip_flexion': (34, 27, -10, 105), 'little_dip_flexion': (18, 16, -16, 82),
}
TOLERANCE = np.radians(3)  # axes that no muscle turns still give a little


def angle_axes(skeleton: Skeleton) -> dict[str, tuple[int, np.ndarray]]:
    """Name of each of the 45 anatomical angles -> (joint 1..15, unit axis (3,))."""
    axes = {}
    for finger in FINGERS:
        for level in LEVELS[finger]:
            j = JOINT_NAMES.index(f'{finger}_{level}')
            away = -1 if finger in ('ring', 'little') else 1
            axes[f'{finger}_{level}_flexion'] = j, skeleton.flexion[j]
            axes[f'{finger}_{level}_abduction'] = j, away * skeleton.dorsal[j]
            axes[f'{finger}_{level}_twist'] = j, -skeleton.along[j]
    return axes


def _row(joint: int, axis: np.ndarray) -> np.ndarray:
    row = np.zeros((15, 3))
    row[joint - 1] = axis
    return row.ravel()


def pose_space(skeleton: Skeleton) -> dict[str, np.ndarray]:
    """The pose arrays of the model file: components, names, mean, sigma, limit axes and limits."""
    axes = angle_axes(skeleton)
    table = np.radians([ANGLES[n] for n in ANGLES])
    fixed = [n for n in axes if n not in ANGLES]
    rows = np.array([_row(*axes[n]) for n in ANGLES])
    locked = np.array([_row(*axes[n]) for n in fixed])
    return {
        'pose_mean': np.zeros(45), 'pose_components': rows, 'coefficient_names': np.array(list(ANGLES)),
        'coefficient_mean': table[:, 0], 'coefficient_sigma': table[:, 1],
        'limit_axes': np.concatenate([rows, locked]),
        'limits': np.concatenate([table[:, 2:], np.tile([-TOLERANCE, TOLERANCE], (len(fixed), 1))]),
    }
