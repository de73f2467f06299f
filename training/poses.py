"""Random hands as people hold them: poses, shapes and views, by seed.

Poses are mixtures of named archetypes (tables of anatomical angles, with finger tips brought to touch where the gesture says so) plus
noise, inside the model's limits and without fingers passing through each other. Angles are the model's coefficients, so any hand model
whose `coefficient_names` are anatomical works.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.hand_model import HandModel
from app.rotations import axis_angle_to_matrix
from training.settling import ALLOWED_OVERLAP, Settler

FINGERS = ('index', 'middle', 'ring', 'little')
LOOSE, STRAIGHT, CURLED = (24, 34), (0, 4), (80, 100)  # degrees of MCP and PIP flexion
THUMB_ANGLES = ('cmc_flexion', 'cmc_abduction', 'cmc_twist', 'mcp_flexion', 'ip_flexion')
THUMB_OUT, THUMB_REST, THUMB_BESIDE = (-6, 8, 0, 0, -4), (8, 2, 6, 14, 16), (0, -22, 0, 4, 4)
THUMB_ACROSS, THUMB_UP = (22, 22, 26, 30, 30), (-14, 2, 0, -4, -8)  # across: before the folded fingers


@dataclass(frozen=True)
class Archetype:
    """One gesture: per finger (MCP flexion, PIP flexion[, MCP abduction]) and the thumb's five angles, degrees; tips that touch."""

    weight: float
    fingers: tuple
    thumb: tuple
    touch: tuple[int, ...] = ()  # of the 21 points, those that the thumb's tip (4) touches or lies on
    grip: float = 0.0  # radius in metres of a thing held, 0 for none


ARCHETYPES = {
    'open': Archetype(2.0, ((0, 4, 6), (0, 4), (0, 4, 6), (0, 4, 10)), THUMB_OUT),
    'flat': Archetype(1.0, ((2, 3, -8), (2, 3), (2, 3, -8), (2, 3, -12)), THUMB_BESIDE),
    'relaxed': Archetype(2.0, ((18, 28), (22, 34), (26, 38), (28, 40)), THUMB_REST),
    'half_closed': Archetype(1.0, ((40, 55), (45, 60), (48, 62), (48, 60)), (14, -2, 14, 20, 24)),
    'fist': Archetype(1.5, (CURLED,) * 4, THUMB_ACROSS, (10, 11)),
    'point': Archetype(1.5, (STRAIGHT, (76, 96), (80, 98), (80, 98)), THUMB_ACROSS, (10, 11)),
    'gun': Archetype(0.7, (STRAIGHT, (76, 96), (80, 98), (80, 98)), THUMB_OUT),
    'thumb_up': Archetype(1.0, ((78, 98), (80, 100), (82, 100), (82, 98)), THUMB_UP),
    'two': Archetype(1.2, ((0, 3, 12), (0, 3, -8), (78, 98), (80, 98)), THUMB_ACROSS, (14, 15)),
    'three': Archetype(0.7, ((0, 3, 8), (0, 3), (0, 4, 8), (76, 94)), (30, 16, 30, 34, 38), (18, 19)),
    'thumb_three': Archetype(0.5, ((0, 3, 8), (0, 3), (76, 96), (78, 96)), THUMB_OUT),
    'four': Archetype(0.7, ((0, 3, 6), (0, 3), (0, 3, 6), (0, 4, 10)), (34, -8, 30, 40, 34)),
    'phone': Archetype(0.5, ((76, 98), (80, 100), (80, 98), (4, 6, 10)), THUMB_OUT),
    'horns': Archetype(0.5, ((0, 4, 6), (78, 98), (80, 98), (2, 6, 8)), THUMB_ACROSS, (11, 14)),
    'pinch': Archetype(1.5, ((44, 48), LOOSE, (22, 30), (18, 26)), (14, 4, 22, 14, 22), (8,)),
    'ok': Archetype(1.0, ((48, 52), (10, 14, 2), (4, 8, 4), (0, 6, 8)), (14, 4, 22, 14, 22), (8,)),
    'pinch_middle': Archetype(0.5, (STRAIGHT, (50, 52), LOOSE, LOOSE), (18, 2, 24, 16, 22), (12,)),
    'pinch_ring': Archetype(0.3, (STRAIGHT, STRAIGHT, (52, 56), LOOSE), (22, 0, 28, 20, 24), (16,)),
    'pinch_little': Archetype(0.3, (STRAIGHT, STRAIGHT, (8, 12), (56, 58)), (26, -2, 30, 24, 26), (20,)),
    'beak': Archetype(0.6, ((46, 38), (50, 40), (52, 42), (54, 44)), (16, 2, 24, 12, 18), (8, 12)),
    'claw': Archetype(0.7, ((-4, 62, 4), (-4, 64), (-4, 64, 4), (-4, 60, 8)), (2, 8, 6, 20, 34)),
    'hook': Archetype(0.4, ((4, 92), (4, 94), (4, 94), (4, 90)), (16, -10, 14, 24, 26)),
    'table': Archetype(0.4, ((74, 8), (76, 8), (76, 8), (74, 8)), (14, -6, 14, 6, 8)),
    'grasp_can': Archetype(1.0, ((34, 46), (38, 50), (40, 50), (40, 48)), (12, 8, 28, 18, 22), (), 0.030),
    'grasp_stick': Archetype(0.7, ((62, 80), (66, 84), (68, 84), (66, 82)), (22, 18, 30, 26, 32), (), 0.013),
    'grasp_ball': Archetype(0.8, ((22, 36, 8), (24, 38), (24, 38, 8), (24, 38, 14)), (4, 12, 24, 14, 18), (), 0.035),
    'key_pinch': Archetype(0.6, ((50, 66), (58, 76), (64, 80), (66, 80)), (14, -14, 10, 18, 14), (7,)),
    'cup': Archetype(0.5, ((24, 16, -6), (26, 16), (28, 18, -6), (30, 20, -10)), (10, -12, 10, 8, 8)),
}
SPELLING = 0.22  # share of poses with every finger on its own, as in finger-spelling
MIXED = 0.3  # share of poses between two archetypes
DIP_PER_PIP = 0.62  # one tendon bends both joints, the last one about two thirds as far


class PoseSampler:
    """Draws poses for one hand model. Knows its limits and, roughly, the thickness of its fingers."""

    def __init__(self, model: HandModel):
        self.model = model
        self.names = {name: i for i, name in enumerate(model.coefficient_names)}
        components = model.pose_components
        bounds = []
        for row in components:  # the limits of a coefficient are those of the limit axis that it turns about
            match = np.flatnonzero(model.limit_axes @ row > 0.99)
            bounds.append(model.limits[match[0]] if len(match) else (-np.pi, np.pi))
        self.low, self.high = np.array(bounds, float).T
        self.weights = np.array([a.weight for a in ARCHETYPES.values()])
        self.weights /= self.weights.sum()
        self.settler = Settler(model, self.low, self.high)

    def archetype(self, name: str, shape: np.ndarray | None = None) -> np.ndarray:
        """Coefficients (K,) of a gesture by its name; tips that should touch do so for the hand of `shape` (10,)."""
        gesture = ARCHETYPES[name]
        coefficients = self.coefficients(dict(zip(FINGERS, gesture.fingers)), gesture.thumb)
        return self.settler.settled(coefficients, self.settler.rest(shape), gesture.touch, steps=16)

    def coefficients(self, fingers: dict[str, tuple], thumb: tuple) -> np.ndarray:
        """Degrees per finger (MCP flexion, PIP flexion[, MCP abduction[, DIP flexion]]) and thumb (`THUMB_ANGLES`) -> radians (K,)."""
        angles = {f'thumb_{k}': v for k, v in zip(THUMB_ANGLES, thumb)}
        for finger, (mcp, pip, *rest) in fingers.items():
            abduction, dip = rest[0] if rest else 0.0, rest[1] if len(rest) > 1 else DIP_PER_PIP * pip
            angles |= {f'{finger}_mcp_flexion': mcp, f'{finger}_pip_flexion': pip, f'{finger}_dip_flexion': dip}
            angles[f'{finger}_mcp_abduction'] = abduction
        result = np.zeros(len(self.names))
        for name, value in angles.items():
            if name in self.names:
                result[self.names[name]] = np.radians(value)
        return np.clip(result, self.low, self.high)

    def sample(self, random: np.random.Generator, shape: np.ndarray | None = None) -> tuple[np.ndarray, str]:
        """A natural pose: coefficients (K,) within the limits, and the name of the (nearer) archetype or 'spelling'."""
        rest = self.settler.rest(shape)
        noise = random.choice((0.35, 0.7, 1.0))
        for attempt in range(12):
            kind, base, touch = self._base(random)
            pose = self._perturbed(base, noise * 0.8 ** attempt, random)
            touch = touch if random.random() < 0.85 else ()
            pose = self.settler.settled(pose, rest, touch)
            if self.settler.overlap(pose, rest, touch) <= ALLOWED_OVERLAP:
                return pose, kind
        return self.coefficients(dict(zip(FINGERS, ARCHETYPES['relaxed'].fingers)), THUMB_REST), 'relaxed'

    def _base(self, random: np.random.Generator) -> tuple[str, np.ndarray, tuple[int, ...]]:
        names = list(ARCHETYPES)
        if random.random() < SPELLING:
            return 'spelling', self._spelled(random), ()
        name = names[random.choice(len(names), p=self.weights)]
        gesture = ARCHETYPES[name]
        base = self.coefficients(dict(zip(FINGERS, gesture.fingers)), gesture.thumb)
        if random.random() >= MIXED:
            return name, base, gesture.touch
        other = ARCHETYPES[names[random.choice(len(names), p=self.weights)]]
        share = random.uniform(0.05, 0.5)
        return name, (1 - share) * base + share * self.coefficients(dict(zip(FINGERS, other.fingers)), other.thumb), ()

    def _spelled(self, random: np.random.Generator) -> np.ndarray:
        """Every finger straight, hooked, folded or in between, neighbours alike more often than not."""
        fingers, curl, reach = {}, random.random(), random.random()
        spread = random.normal(0, 5)
        for finger in FINGERS:
            if random.random() < 0.45:
                curl, reach = random.beta(0.6, 0.6), random.random()
            fingers[finger] = (curl * (10 + 80 * reach) - 4, np.clip(curl * (115 - 60 * reach * random.random()), 0, 105), spread)
        a, b = (ARCHETYPES[k].thumb for k in random.choice(list(ARCHETYPES), 2))
        share = random.random()
        return self.coefficients(fingers, tuple(share * np.array(a) + (1 - share) * np.array(b)))

    def _perturbed(self, base: np.ndarray, noise: float, random: np.random.Generator) -> np.ndarray:
        pose = base.copy()
        together = random.normal(0, 6, 2)  # all fingers open or close a little
        for finger in FINGERS:
            bend = random.normal(0, 6)
            for level, own in (('mcp', 6), ('pip', 7)):
                self._add(pose, f'{finger}_{level}_flexion', noise * (together[int(level == 'pip')] + bend + random.normal(0, own)))
            i, j = self.names.get(f'{finger}_dip_flexion'), self.names.get(f'{finger}_pip_flexion')
            if i is not None and j is not None:  # one tendon bends both
                pose[i] += DIP_PER_PIP * (pose[j] - base[j]) + np.radians(random.normal(0, 5 * noise))
            self._add(pose, f'{finger}_mcp_abduction', noise * random.normal(0, 4))
            self._add(pose, f'{finger}_mcp_twist', noise * random.normal(0, 1.5))
        for angle, own in zip((*THUMB_ANGLES, 'mcp_abduction'), (6, 6, 5, 8, 10, 3)):
            self._add(pose, f'thumb_{angle}', noise * random.normal(0, own))
        return np.clip(pose, self.low, self.high)

    def _add(self, pose: np.ndarray, name: str, degrees: float) -> None:
        if name in self.names:
            pose[self.names[name]] += np.radians(degrees)


def sample_shape(random: np.random.Generator) -> np.ndarray:
    """(10,) in standard deviations, cut at 3."""
    return np.clip(random.normal(0, 1, 10), -3, 3)


def sample_view(random: np.random.Generator) -> tuple[np.ndarray, str]:
    """How the hand is turned before the camera (3, 3), model axes -> camera axes, and its kind: 'palm', 'back', 'side' or 'any'.

    Palm, back and thumb or little-finger side with the fingers mostly up, 12 % anything at all.
    """
    kind = ('palm', 'back', 'side', 'any')[random.choice(4, p=(0.43, 0.26, 0.19, 0.12))]
    if kind == 'any':
        q = random.normal(size=4)
        q /= np.linalg.norm(q)
        angle = 2 * np.arctan2(np.linalg.norm(q[1:]), q[0])
        return axis_angle_to_matrix(q[1:] / np.linalg.norm(q[1:]) * angle), kind
    yaw = {'palm': 0.0, 'back': np.pi, 'side': random.choice((-1, 1)) * np.pi / 2}[kind] + random.normal(0, 0.42)
    pitch = random.normal(0, 0.42)
    roll = random.normal(0, 0.55) if random.random() < 0.85 else random.uniform(-np.pi, np.pi)
    # at yaw 0 the fingers (+y) point up (-y of the camera) and the palm (-z) looks at the camera, that is against +z
    upright = np.diag((1.0, -1.0, -1.0)) @ axis_angle_to_matrix(np.array([0, np.pi, 0]))
    rolled, pitched, yawed = axis_angle_to_matrix(np.array([(0, 0, roll), (pitch, 0, 0), (0, yaw, 0)]))
    return rolled @ pitched @ upright @ yawed, kind
