"""The skin's colours at points of the rest surface: palm and back, knuckles, creases, nails. CIE L*a*b*, then sRGB.

Colours of skin: the tone of the back is set by the individual typology angle, ITA = atan((L* - 50) / b*) (Chardon et al. 1991): very light
above 55, light above 41, intermediate above 28, tan above 10, brown above -30, dark below. The mean hand is intermediate; one standard
deviation of the first tone is 9 L*, so that two of them reach from dark to very light. Palms and nails hold little melanin and
follow by less than half. The amounts by which creases, nails and knuckles differ are our own, by eye.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree
from skimage.color import lab2rgb

from models.open_hand.skeleton import FINGERS, Skeleton

BACK, PALM = np.array([63., 12.0, 18.5]), np.array([68., 14.0, 16.0])
TONES = {  # Lab per standard deviation on the back; share of it that palm and nails take
    'melanin': (np.array([9.8, -1.6, -.6]), .45), 'blood': (np.array([-.8, 2.4, -.3]), 1.0), 'yellow': (np.array([.3, -.5, 2.6]), .8),
}
# Lines of the palm, (x, y) in mm of the mean hand, with strength
PALM_LINES = {
    'thenar': (((-39, 52), (-29, 55), (-18, 49), (-9, 36), (-6, 20), (-9, 4)), 1.0),
    'middle': (((-38, 54), (-26, 55), (-8, 49), (10, 41), (26, 31)), .8),
    'distal': (((42, 53), (30, 55), (14, 58), (0, 64), (-11, 75)), 1.0),
    'wrist': (((-26, -8), (-10, -10), (8, -10), (25, -8)), .8), 'wrist, second': (((-24, -14), (-8, -16), (8, -16), (22, -14)), .5),
}

SINEWS = (-14, -27), (-4, -5.5), (5, 15), (12, 32)  # mm, x at the wrist and at the knuckle
VEINS = (((-8, -20), (-10, 10), (-17, 35), (-14, 62)), ((16, -14), (14, 16), (6, 38), (7, 64)), ((14, 16), (24, 34), (23, 56)))


@dataclass(frozen=True)
class SkinPoints:
    """Points of the rest surface with what the painter needs to know of them."""

    position: np.ndarray  # (P, 3) mm
    normal: np.ndarray  # (P, 3) unit
    weights: np.ndarray  # (P, 16) skinning weights


def bump(x: np.ndarray, width: float) -> np.ndarray:
    """A bell of height 1."""
    return np.exp(-.5 * np.minimum(np.abs(x / width), 9)**2)


def step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth 0..1 between `low` and `high`."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def mottle(position: np.ndarray, scale: float, seed: int) -> np.ndarray:
    """Smooth noise in about -1..1 with features of about `scale` mm."""
    random = np.random.default_rng(seed)
    waves = random.standard_normal((10, 3)) / scale * 2
    return np.sin(position @ waves.T + random.uniform(0, 6.3, 10)).sum(-1) / np.sqrt(10)


def distance_to_curve(at: np.ndarray, path: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Points (P, 2) -> mm to a smooth curve through `path` (infinite beyond 12 mm), and where along it, 0..1."""
    knots, count = np.array(path, float), 320
    curve = CubicSpline(np.arange(len(knots)), knots)(np.linspace(0, len(knots) - 1, count))
    distance, place = cKDTree(curve).query(at, distance_upper_bound=12)
    return distance, np.minimum(place, count - 1) / (count - 1)


def palm_share(points: SkinPoints, skeleton: Skeleton) -> np.ndarray:
    """(P,) 1 on the palm's side, 0 on the back, by each bone's own idea of its back."""
    back = (points.normal * (points.weights @ skeleton.dorsal)).sum(-1)
    share = 1 - step(back + .10 * mottle(points.position, 9, 1), -.60, .45)
    return share * (.55 + .45 * step(points.position[:, 1], -35, 8))  # the inside of the forearm is between the two


def palm_lines(points: SkinPoints) -> np.ndarray:
    """(P,) 0..1, the creases of the palm."""
    x = points.position[:, :2] + .6 * np.stack([mottle(points.position, 16, 2), mottle(points.position, 16, 3)], -1)
    out = np.zeros(len(x))
    for path, strength in PALM_LINES.values():
        d, place = distance_to_curve(x, path)
        d = d + 1.2 * np.maximum(0, np.abs(2 * place - 1) - .8)  # thins out at its ends
        out = np.maximum(out, strength * (bump(d, .55) + .35 * bump(d, 2.0)))
    return out * step(-points.normal[:, 2], .1, .5) * points.weights[:, :2].sum(-1)


def nail(points: SkinPoints, skeleton: Skeleton, finger: int, breadth: float) -> tuple[np.ndarray, ...]:
    """(P,) masks of one nail: plate, its rim, the pale moon at its root, the free edge."""
    j = 3 + 3 * finger
    length = np.linalg.norm(skeleton.tips[finger] - skeleton.joints[j])
    local = points.position - skeleton.joints[j]
    s = (local @ skeleton.along[j] - .66 * length) / (.265 * length)  # -1 root, 1 edge
    u = (local @ skeleton.flexion[j]) / (.60 * breadth / 2)
    up = (points.normal @ skeleton.dorsal[j]) * points.weights[:, j]
    r = (np.abs(s)**3.2 + np.abs(u)**3.2)**(1 / 3.2)
    on = step(up, .25, .5)
    plate = on * (1 - step(r, .90, 1.04))
    rim = on * bump(r - 1.04, .09)
    return plate, rim, plate * step(-s + .25 * u * u * -1, .52, .72), plate * step(s - .12 * u * u, .74, .86)


def finger_marks(points: SkinPoints, skeleton: Skeleton, palm: np.ndarray, breadths: dict[str, float]) -> np.ndarray:
    """(P, 3) change of Lab: creases on the palm's side of the joints, wrinkles and colour on their backs, red finger tips."""
    change, back = np.zeros((len(palm), 3)), 1 - palm
    for f, finger in enumerate(FINGERS):
        own, b = points.weights[:, 1 + 3 * f:4 + 3 * f].sum(-1), breadths[finger]
        for level in range(3):
            if finger == 'thumb' and level == 0:
                continue
            j = 1 + 3 * f + level
            away = points.position - skeleton.joints[j]
            direction = skeleton.along[j] if level == 0 else skeleton.along[j] + skeleton.along[j - 1]
            s, near = away @ (direction / np.linalg.norm(direction)), np.linalg.norm(away, axis=-1)
            if level == 0:  # knuckle, and the crease at the finger's root, far from the joint
                change += (back * bump(near - b * .55, b * .45))[:, None] * (-2.2, 1.8, .3)
                change += (palm * own * (bump(s - 22, .6) + .6 * bump(s - 24.6, .6)))[:, None] * (-6.5, 3.0, .5)
                continue
            wide, depth = (.42 * b, 4.6) if level == 1 else (.26 * b, 3.2)
            wrinkles = bump(s + .5, wide) * (.35 + .65 * np.abs(np.sin(np.pi * s / 1.55 + .8 * mottle(points.position, 5, 8 + j)))**3)
            change += (back * own * bump(s, wide * 1.25))[:, None] * (-3.2, 2.6, .8)
            change -= (back * own * wrinkles * step(near, 0, b * .62))[:, None] * (depth, -.8, 0)
            second = .7 * bump(s + 1.5, .5) if level == 1 and finger != 'thumb' else 0
            change += (palm * own * (bump(s - 1.2, .55) + second))[:, None] * (-7.5, 3.2, .6)
        last = 3 + 3 * f
        pulp = points.weights[:, last] * palm * step((points.position - skeleton.joints[last]) @ skeleton.along[last], 3, 14)
        change += pulp[:, None] * (-1.2, 3.6, -.8)
    return change


def back_marks(points: SkinPoints, palm: np.ndarray) -> np.ndarray:
    """(P, 3) change of Lab: sinews and veins that shine through the back of the hand."""
    change, (x, y, _) = np.zeros((len(palm), 3)), points.position.T
    seen = (1 - palm) * step(points.normal[:, 2], .45, .8) * points.weights[:, 0]
    for near_wrist, at_knuckle in SINEWS:
        line = bump(x - (near_wrist + (at_knuckle - near_wrist) * np.clip(y / 78, 0, 1)), 1.5) * step(y, 12, 40) * (1 - step(y, 62, 74))
        change += (line * seen)[:, None] * (1.4, -.5, 0)
    for path in VEINS:
        change += (bump(distance_to_curve(points.position[:, :2], path)[0], 1.5) * seen)[:, None] * (-1.8, -1.6, -2.2)
    return change


def paint(points: SkinPoints, skeleton: Skeleton, breadths: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Lab (P, 3) of the mean tone, and whether each point is pigmented skin (P,): 1 back, 0 palm and nails."""
    palm, at = palm_share(points, skeleton), points.position
    lab = BACK + palm[:, None] * (PALM - BACK)
    lab += np.stack([.9 * mottle(at, 8, 4) + .5 * mottle(at, 2.5, 5), .9 * mottle(at, 11, 6), .6 * mottle(at, 14, 7)], -1)
    lab += finger_marks(points, skeleton, palm, breadths) + back_marks(points, palm)
    lab += palm_lines(points)[:, None] * (-8.0, 3.6, .6)
    pads = palm * sum(bump(np.linalg.norm(at - centre, axis=-1), 18) for centre in ((-30, 34, -20), (26, 30, -18)))
    lab += pads[:, None] * (-1.2, 3.0, -.6)
    pigmented = 1 - palm * step(at[:, 1], -30, 5)
    for f, finger in enumerate(FINGERS):
        plate, rim, moon, edge = nail(points, skeleton, f, breadths[finger])
        colour = np.array([67., 14.5, 14.0]) + moon[:, None] * (3, -3, -1) + edge[:, None] * (6, -7, 0)
        lab = lab * (1 - plate)[:, None] + plate[:, None] * colour + rim[:, None] * (-4.5, 2.2, .5)
        pigmented = pigmented * (1 - plate)
    return lab, pigmented


def colours(lab: np.ndarray, pigmented: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lab (P, 3) -> sRGB of the mean tone (P, 3) and the skin tones (M, P, 3), sRGB per standard deviation."""
    basis = []
    for direction, little in TONES.values():
        amount = (little + (1 - little) * pigmented)[:, None] * direction
        basis.append((lab2rgb(lab + 1.5 * amount) - lab2rgb(lab - 1.5 * amount)) / 3)
    return lab2rgb(lab), np.stack(basis)
