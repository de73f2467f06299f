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
    'melanin': (np.array([9.0, -1.6, -.6]), .40), 'blood': (np.array([-.8, 2.4, -.3]), 1.0), 'yellow': (np.array([.3, -.5, 2.6]), .8),
}
# Lines of the palm, (x, y) in mm of the mean hand, with strength
PALM_LINES = {
    'thenar': (((-39, 52), (-29, 55), (-18, 49), (-9, 36), (-6, 20), (-9, 4)), 1.0),
    'middle': (((-38, 54), (-26, 55), (-8, 49), (10, 41), (26, 31)), .8),
    'distal': (((42, 53), (30, 55), (14, 58), (0, 64), (-11, 75)), 1.0),
    'wrist': (((-26, -8), (-10, -10), (8, -10), (25, -8)), .8), 'wrist, second': (((-24, -14), (-8, -16), (8, -16), (22, -14)), .5),
}


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


def palm_share(points: SkinPoints, skeleton: Skeleton) -> np.ndarray:
    """(P,) 1 on the palm's side, 0 on the back, by each bone's own idea of its back."""
    back = (points.normal * (points.weights @ skeleton.dorsal)).sum(-1)
    share = 1 - step(back + .10 * mottle(points.position, 9, 1), -.60, .45)
    return share * (.55 + .45 * step(points.position[:, 1], -35, 8))  # the inside of the forearm is between the two


def palm_lines(points: SkinPoints) -> np.ndarray:
    """(P,) 0..1, the creases of the palm."""
    x = points.position[:, :2] + .8 * np.stack([mottle(points.position, 7, 2), mottle(points.position, 7, 3)], -1)
    out = np.zeros(len(x))
    for path, strength in PALM_LINES.values():
        path = np.array(path, float)
        curve = CubicSpline(np.arange(len(path)), path)(np.linspace(0, len(path) - 1, 320))
        d, place = cKDTree(curve).query(x, distance_upper_bound=12)
        d = d + 1.2 * np.maximum(0, np.abs(place - 159.5) / 159.5 - .8)  # thins out at its ends
        out = np.maximum(out, strength * (bump(d, .55) + .35 * bump(d, 2.0)))
    return out * step(-points.normal[:, 2], .1, .5) * points.weights[:, :2].sum(-1)


def nail(points: SkinPoints, skeleton: Skeleton, finger: int, breadth: float) -> tuple[np.ndarray, ...]:
    """(P,) masks of one nail: plate, its rim, the pale moon at its root, the free edge."""
    j = 3 + 3 * finger
    length = np.linalg.norm(skeleton.tips[finger] - skeleton.joints[j])
    local = points.position - skeleton.joints[j]
    s = (local @ skeleton.along[j] - .70 * length) / (.275 * length)  # -1 root, 1 edge
    u = (local @ skeleton.flexion[j]) / (.68 * breadth / 2)
    up = (points.normal @ skeleton.dorsal[j]) * points.weights[:, j]
    r = (np.abs(s)**3.2 + np.abs(u)**3.2)**(1 / 3.2)
    on = step(up, .12, .35)
    plate = on * (1 - step(r, .93, 1.03))
    rim = on * bump(r - 1.03, .075)
    return plate, rim, plate * step(-s + .25 * u * u * -1, .52, .72), plate * step(s - .12 * u * u, .74, .86)


def paint(points: SkinPoints, skeleton: Skeleton, breadths: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Lab (P, 3) of the mean tone, and how much of the melanin tone each point takes (P,)."""
    palm = palm_share(points, skeleton)
    lab = BACK + palm[:, None] * (PALM - BACK)
    lab += np.stack([.9 * mottle(points.position, 8, 4) + .5 * mottle(points.position, 2.5, 5), .9 * mottle(points.position, 11, 6),
                     .6 * mottle(points.position, 14, 7)], -1)
    back = 1 - palm
    for f, finger in enumerate(FINGERS):
        own = points.weights[:, 1 + 3 * f:4 + 3 * f].sum(-1)
        b = breadths[finger]
        for level in range(3):
            j = 1 + 3 * f + level
            direction = skeleton.along[j] if level == 0 else skeleton.along[j] + skeleton.along[j - 1]
            s = (points.position - skeleton.joints[j]) @ (direction / np.linalg.norm(direction))
            near = np.linalg.norm(points.position - skeleton.joints[j], axis=-1)
            if finger == 'thumb' and level == 0:
                continue
            if finger != 'thumb' and level == 0:  # knuckle, and the crease at the finger's root
                lab += (back * bump(near - b * .55, b * .45))[:, None] * (-2.2, 1.8, .3)
                crease = bump(s - 22, .6) + .6 * bump(s - 24.6, .6)
                lab += (palm * own * crease)[:, None] * (-6.5, 3.0, .5)
                continue
            wide = .42 * b if level == 1 else .26 * b
            wrinkles = bump(s + .5, wide) * (.35 + .65 * np.abs(np.sin(np.pi * s / 1.55 + .8 * mottle(points.position, 5, 8 + j)))**3)
            lab += (back * own * bump(s, wide * 1.25))[:, None] * (-3.2, 2.6, .8)
            lab -= (back * own * wrinkles * step(near, 0, b * .62))[:, None] * (4.6 if level == 1 else 3.2, -.8, 0)
            crease = bump(s - 1.2, .55) + (.7 * bump(s + 1.5, .5) if level == 1 and finger != 'thumb' else 0)
            lab += (palm * own * crease)[:, None] * (-7.5, 3.2, .6)
        tip = points.weights[:, 3 + 3 * f]
        pulp = tip * palm * step((points.position - skeleton.joints[3 + 3 * f]) @ skeleton.along[3 + 3 * f], 3, 14)
        lab += pulp[:, None] * (-1.2, 3.6, -.8)
    lab += (palm_lines(points))[:, None] * (-8.0, 3.6, .6)
    pads = palm * (bump(np.linalg.norm(points.position - (-30, 34, -20), axis=-1), 17)
                   + bump(np.linalg.norm(points.position - (26, 30, -18), axis=-1), 18))
    lab += pads[:, None] * (-1.2, 3.0, -.6)
    for x0, x1 in ((-14, -27), (-4, -5.5), (5, 15), (12, 32)):  # sinews of the back
        y = points.position[:, 1]
        line = bump(points.position[:, 0] - (x0 + (x1 - x0) * np.clip(y / 78, 0, 1)), 1.5) * step(y, 12, 40) * (1 - step(y, 62, 74))
        lab += (line * back * step(points.normal[:, 2], .5, .8) * points.weights[:, 0])[:, None] * (1.4, -.5, 0)
    for path in (((-8, -20), (-10, 10), (-17, 35), (-14, 62)), ((16, -14), (14, 16), (6, 38), (7, 64)), ((14, 16), (24, 34), (23, 56))):  # veins
        path = np.array(path, float)
        curve = CubicSpline(np.arange(len(path)), path)(np.linspace(0, len(path) - 1, 240))
        d = cKDTree(curve).query(points.position[:, :2], distance_upper_bound=12)[0]
        lab += (bump(d, 1.5) * back * step(points.normal[:, 2], .4, .8))[:, None] * (-1.8, -1.6, -2.2)
    share = 1 - palm * .6
    for f, finger in enumerate(FINGERS):
        plate, rim, moon, edge = nail(points, skeleton, f, breadths[finger])
        keep = (1 - plate)[:, None]
        colour = np.array([70., 15.0, 12.0]) + moon[:, None] * (5, -5, -1) + edge[:, None] * (9, -9, 0)
        lab = lab * keep + plate[:, None] * colour
        lab += rim[:, None] * (-5.5, 2.5, .5)
        share = share * (1 - plate) + plate * .35
    return lab, share


def colours(lab: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lab (P, 3) -> sRGB of the mean tone (P, 3) and the skin tones (M, P, 3), sRGB per standard deviation."""
    basis = []
    for name, (direction, little) in TONES.items():
        amount = (share if name == 'melanin' else 1 - (1 - little) * (1 - share))[:, None] * direction
        basis.append((lab2rgb(lab + 1.5 * amount) - lab2rgb(lab - 1.5 * amount)) / 3)
    return lab2rgb(lab), np.stack(basis)
