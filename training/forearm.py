"""What the hand model lacks below the wrist: a bare forearm and a sleeve, as tubes that grow out of the model's wrist stub.

Without them a rendered hand ends in a hovering stump, and a network (like a person) looks at nothing else.
"""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

AROUND = 40  # vertices of a ring
BELLY = 0.22  # metres from the wrist's end to the forearm's thickest part


@dataclass(frozen=True)
class Tube:
    """A tube along the forearm in the hand's rest axes, the wrist at the origin."""

    vertices: np.ndarray  # (V, 3) metres
    faces: np.ndarray  # (F, 3) counter-clockwise from outside
    along: np.ndarray  # (V,) metres from its first ring
    angle: np.ndarray  # (V,) radians around, for patterns


@dataclass(frozen=True)
class Stub:
    """The cross-section near the end of a hand model's wrist stub."""

    end: float  # y of the model's end (negative), metres
    centre: np.ndarray  # (2,) x and z
    radius: np.ndarray  # (AROUND,) metres in the directions 2 pi k / AROUND, x towards z


def measure_stub(vertices: np.ndarray) -> Stub:
    """Rest vertices (N, 3), fingers towards +y -> the stub's end and its outline a little above it."""
    end = vertices[:, 1].min()
    band = vertices[(vertices[:, 1] < end + 0.022) & (vertices[:, 1] > end + 0.002)][:, [0, 2]]
    centre = (band.min(0) + band.max(0)) / 2
    away = band - centre
    angle, length = np.arctan2(away[:, 1], away[:, 0]), np.linalg.norm(away, axis=1)
    around = 2 * np.pi * np.arange(AROUND) / AROUND
    near = np.exp(-0.5 * ((np.angle(np.exp(1j * (around[:, None] - angle)))) / 0.22) ** 2)
    rim = length > 0.6 * np.median(length)  # not the cap's inner vertices
    return Stub(float(end), centre, (near * rim * length).sum(1) / (near * rim).sum(1))


def tube(
    stub: Stub, start: float, length: float, grow: float, thickness: float, bend: np.ndarray,
    folds: np.ndarray | None = None, lip: bool = False,
) -> Tube:
    """A tube from height `start` (metres above the stub's end) for `length` metres towards the elbow.

    Its outline is the stub's, wider by `thickness` metres and by `grow` per metre of way; `bend` (2,) turns its axis in x and z (radians
    over 0.1 m, then straight: a bent wrist); `folds` (rings, AROUND) adds metres to the radius; `lip` closes the first ring inwards.
    """
    rings = 28 if folds is None else len(folds)
    way = np.linspace(0, 1, rings) ** 1.3 * length
    beyond = np.maximum(way - 0.01 - start, 0)
    turned = np.minimum(beyond, 0.1)  # along the bent part the slope grows, then stays
    slope = np.tan(np.minimum(np.linalg.norm(bend), 1.1)) / max(np.linalg.norm(bend), 1e-9) * bend
    shift = (turned**2 / 0.2 + np.maximum(beyond - 0.1, 0))[:, None] * slope
    round_radius = stub.radius.mean()
    even = np.clip(way / 0.2, 0, 0.6)[:, None]  # the forearm becomes rounder
    radius = ((1 - even) * stub.radius + even * round_radius) * (1 + grow * np.clip(way - 0.01, 0, BELLY))[:, None] + thickness
    if folds is not None:
        radius = radius + folds
    y = stub.end + start - way
    if lip:
        inner = np.maximum(radius[:1] - 0.9 * thickness - 0.004, 0.004)
        radius, y = np.concatenate([inner, radius]), np.concatenate([y[:1] - 0.012, y])
        way, shift = np.concatenate([way[:1], way]), np.concatenate([shift[:1], shift])
    around = 2 * np.pi * np.arange(AROUND) / AROUND
    points = np.empty((len(y), AROUND, 3))
    points[..., 0] = stub.centre[0] + shift[:, :1] + radius * np.cos(around)
    points[..., 1] = y[:, None]
    points[..., 2] = stub.centre[1] + shift[:, 1:] + radius * np.sin(around)
    ring, k = np.meshgrid(np.arange(len(y) - 1), np.arange(AROUND), indexing='ij')
    a, b = ring * AROUND + k, ring * AROUND + (k + 1) % AROUND
    faces = np.concatenate([np.stack([a, b, b + AROUND], -1).reshape(-1, 3), np.stack([a, b + AROUND, a + AROUND], -1).reshape(-1, 3)])
    return Tube(points.reshape(-1, 3), faces, np.repeat(way, AROUND), np.tile(around, len(y)))
