"""Published hand anthropometry, and the correlated dimensions that the shape components are drawn from. Millimetres, mean of both sexes.

Sources (R: read for this table; K: quoted from the standard tables, not looked up again; A: our own assumption inside the published span)
 [B]  Buryanov & Kotiuk 2010, Proportions of hand segments, Int. J. Morphol. 28(3), 755-758: 66 adults, radiographs. Bone lengths, the soft
      tissue beyond the last bone, and their standard deviations. R (through a table that quotes it)
 [P]  Pheasant & Haslegrave, Bodyspace, table of hand dimensions of British adults: breadths and thicknesses. K
 [U]  Gordon et al. 1989 and 2014 (ANSUR, ANSUR II): hand length about 194/181 mm, hand breadth about 90/79 mm (men/women, 1989). K
 [C]  Binvignat et al. 2012, Int. J. Morphol. 30(2): hand length 184.9 mm (267 men), 167.6 mm (331 women); finger lengths. R (abstract)
 [O]  ACOPLA 95: hand length 183 +- 10 / 166 +- 8, palm length 103 +- 6 / 92 +- 5, breadth 84 +- 4 / 75 +- 4 mm (men/women). R (quoted)
 [J]  Jee & Yun 2016, Int. J. Ind. Ergon. 53, 10-18: three factors (breadth, palm length, finger length) carry 78 % of the variance of 21
      hand dimensions once size is in them. R (abstract)
 [W]  Weinberg 2022, PLoS ONE 17(12): tapering of neighbouring fingers correlates by 0.34 to 0.64, hardly with body size. R (abstract)
"""
from __future__ import annotations

import numpy as np

# [B] bone lengths: thumb metacarpal, proximal, distal; fingers proximal, middle, distal. Mean, standard deviation; soft tissue at the tip.
BONES = {
    'thumb': ((46.2, 3.9), (31.6, 3.1), (21.7, 1.6)), 'index': ((39.8, 4.9), (22.4, 2.5), (15.8, 2.3)),
    'middle': ((44.6, 3.8), (26.3, 3.0), (17.4, 1.9)), 'ring': ((41.4, 3.9), (25.7, 3.3), (17.3, 2.2)),
    'little': ((32.7, 2.8), (18.1, 2.5), (16.0, 2.5)),
}
TIP_TISSUE = {'thumb': 5.7, 'index': 3.8, 'middle': 4.0, 'ring': 4.0, 'little': 3.7}
THUMB = 0.95  # A: within [B]'s spread; with it the thumb laid to the palm reaches two thirds of the index finger's first phalanx
JOINT_GAP = 0.6  # A: cartilage and the turning point lying inside the proximal bone's head; adds to each bone that ends in a joint

# Breadth and depth of the mean hand
HAND_LENGTH = 185.0  # distal wrist crease to middle finger tip; between [P] 181.5 and [U] 187
HAND_LENGTH_RANGE = (130.0, 240.0)  # A: a child of about six to the largest of [U]
HAND_BREADTH = 83.0  # across the knuckles II to V: [P] 87/76, [U] 90/79, [O] 84/75
PALM_DEPTH = 30.0  # at metacarpal III: [P] 33/28
WRIST_BREADTH, WRIST_DEPTH = 59.0, 40.0  # A: an ellipse of the circumference of [U] 1989, about 174/151 mm
FINGER_BREADTH = {'thumb': 21.0, 'index': 19.5, 'middle': 19.8, 'ring': 18.6, 'little': 16.8}  # at PIP (thumb IP), after [P]
FINGER_DEPTH_RATIO = 0.95  # A: depth over breadth at the middle joint

# The dimensions that vary, as logarithms of their ratio to the mean; each loads (in per cent per standard deviation) on shared factors.
# Size dominates, wider than among adults of one people (about 6 per cent) so that children are in it; the next three are those of [J];
# taper follows [W]; each bone's own residue is what is left of its spread in [B], limited to 3 %, because
# radiographic single-bone spreads contain the measuring error.
_BONE_NAMES = tuple(f'{f}_{i}' for f in BONES for i in (1, 2, 3))
DIMENSIONS = ('palm_length', 'palm_breadth', 'palm_depth', 'wrist_breadth', 'eminences', 'finger_breadth', 'finger_depth',
              'thumb_breadth', 'taper', 'knuckles') + _BONE_NAMES
FACTORS: dict[str, dict[str, float]] = {
    'size': {d: 7.2 for d in ('palm_length',) + _BONE_NAMES}
    | {'palm_breadth': 6.8, 'palm_depth': 6.6, 'wrist_breadth': 6.6, 'finger_breadth': 6.4, 'finger_depth': 6.4, 'thumb_breadth': 6.4},
    'finger_length': {b: 2.6 for b in _BONE_NAMES} | {'palm_length': -1.6, 'finger_breadth': -1.0, 'finger_depth': -1.0},
    'breadth': {'palm_breadth': 3.4, 'wrist_breadth': 3.2, 'finger_breadth': 3.4, 'thumb_breadth': 3.4, 'palm_length': -.8,
                'palm_depth': 1.4},
    'flesh': {'palm_depth': 4.0, 'eminences': 9.0, 'finger_depth': 4.0, 'finger_breadth': 2.4, 'thumb_breadth': 2.0, 'wrist_breadth': 2.0,
              'knuckles': -10.0},
    'thumb': {'thumb_1': 2.2, 'thumb_2': 3.0, 'thumb_3': 3.0, 'thumb_breadth': 1.0},
    'radial': {f'index_{i}': 1.6 for i in (1, 2, 3)} | {f'ring_{i}': -1.2 for i in (1, 2, 3)} | {f'little_{i}': -2.8 for i in (1, 2, 3)},
    'distal': {f'{f}_{i}': v for f in BONES if f != 'thumb' for i, v in ((1, -1.6), (2, .6), (3, 3.2))},
    'taper': {'taper': 5.0, 'knuckles': 3.0},
    'palm': {'palm_length': 2.2, 'palm_depth': -1.2, 'wrist_breadth': .8},
}
RESIDUE = {d: 1.2 for d in DIMENSIONS} | {'eminences': 3.0, 'taper': 2.0, 'knuckles': 4.0}


def bone_lengths() -> dict[str, tuple[float, float, float]]:
    """Distances between the joint centres of each chain, the last one up to the finger tip's skin."""
    lengths = {f: (a[0] + JOINT_GAP, b[0] + JOINT_GAP, c[0] + TIP_TISSUE[f] + JOINT_GAP / 2) for f, (a, b, c) in BONES.items()}
    return lengths | {'thumb': tuple(THUMB * x for x in lengths['thumb'])}


def residue(dimension: str) -> float:
    """Per cent: what of a dimension's spread is its own."""
    if dimension not in _BONE_NAMES:
        return RESIDUE[dimension]
    finger, index = dimension.rsplit('_', 1)
    mean, spread = BONES[finger][int(index) - 1]
    shared = sum(f.get(dimension, 0)**2 for f in FACTORS.values())
    return float(np.clip(np.sqrt(max((100 * spread / mean)**2 - shared, 0)), 1.2, 3.0))


def covariance() -> np.ndarray:
    """(D, D) covariance of the logarithms of `DIMENSIONS`."""
    loadings = np.array([[factor.get(d, 0) for d in DIMENSIONS] for factor in FACTORS.values()]) / 100
    return loadings.T @ loadings + np.diag([(residue(d) / 100)**2 for d in DIMENSIONS])


def components(count: int = 10) -> np.ndarray:
    """(count, D) principal components of the dimensions, each one standard deviation long; the first is overall size, positive.

    Several dimensions have a spread of just 3 per cent of their own: of these equal variances LAPACK may take any mixture, another one on
    another kind of processor. The one in the file that ships is as good as any.
    """
    values, vectors = np.linalg.eigh(covariance())
    order = np.argsort(values)[::-1][:count]
    rows = (vectors[:, order] * np.sqrt(values[order])).T
    largest = np.take_along_axis(rows, np.abs(rows).argmax(1)[:, None], 1)  # fixes the sign, which eigh leaves open
    rows *= np.sign(largest)
    rows[0] *= np.sign(rows[0].sum())
    return rows
