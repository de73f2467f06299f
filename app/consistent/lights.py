"""The light of a frame, when the skin is known: ambient and one direction per channel, by robust least squares."""
from __future__ import annotations

import numpy as np

from app.rendering.light import shading
from app.texture import DARKEST, robust_belief

HOLD = np.array([0.02, 0.08, 0.08, 0.08])  # of the light before, as a share of what the frame says
LIMITS = 0.30, 0.12  # log units at which a colour loses its say: brightness, hue
LOST = 0.05  # share of the colours' say that is left when the first light is of another world: a dark room, or a lamp switched on


def fitted_light(colours: np.ndarray, albedo: np.ndarray, normals: np.ndarray, weights: np.ndarray, light: np.ndarray,
                 rounds: int = 3) -> np.ndarray:
    """Linear colours seen (n, 3), linear albedo (n, 3), normals (n, 3), weights (n,), a first light (4, 3) -> the light (4, 3)."""
    design = np.concatenate([np.ones((len(normals), 1)), normals], 1)
    seen = np.log(np.maximum(colours, DARKEST))
    for turn in range(rounds):
        apart = seen - np.log(np.maximum(albedo * shading(normals, light), DARKEST))
        trust = weights * robust_belief(apart, LIMITS)
        if turn == 0 and trust.sum() < LOST * weights.sum():  # nothing would be believed: begin where most of the colours are
            shift = np.median(apart, 0)
            light, trust = light * np.exp(shift), weights * robust_belief(apart - shift, LIMITS)
        if trust.sum() < 3:
            return light
        fitted = np.empty_like(light)
        for channel in range(3):
            scaled = albedo[:, channel:channel + 1] * design
            matrix = (scaled * trust[:, None]).T @ scaled
            hold = HOLD * matrix[0, 0]
            right = scaled.T @ (trust * colours[:, channel]) + hold * light[:, channel]
            fitted[:, channel] = np.linalg.solve(matrix + np.diag(hold), right)
        light = fitted
    return light
