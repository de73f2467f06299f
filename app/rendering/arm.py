"""Where the hand ends and the arm begins: what is drawn and believed there is drawn and believed less."""
from __future__ import annotations

import numpy as np

from app.hand_model import HandModel

_SHORTEST = 0.008  # metres of arm, for models that are cut off right at the wrist
_MIDDLE_KNUCKLE = 9  # of the 21 joints


def arm_share(model: HandModel) -> np.ndarray:
    """(N,) float32: 1 where the model's arm is cut off, smoothly down to 0 at the wrist, 0 on the hand."""
    joints = model.joint_regressor @ model.template
    wrist, knuckle = joints[0], joints[model.joint_map[_MIDDLE_KNUCKLE]]
    along = (model.template - wrist) @ (wrist - knuckle) / np.linalg.norm(wrist - knuckle)
    share = np.clip(along / max(float(along.max()), _SHORTEST), 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)
