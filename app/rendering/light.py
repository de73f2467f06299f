"""Colour and light: sRGB and linear light, and how a light falls on a mesh. Shading is computed in linear light, per vertex."""
from __future__ import annotations

import numpy as np


def _decode(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _encode(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * np.maximum(value, 0.0031308) ** (1 / 2.4) - 0.055)


TO_LINEAR = _decode(np.arange(256) / 255).astype(np.float32)  # (256,) sRGB byte -> linear light 0..1
_STEPS = 8192  # of the way back, even in the square root of the light, so that the error stays under half a byte everywhere
_TO_SRGB = np.round(_encode((np.arange(_STEPS) / (_STEPS - 1)) ** 2) * 255).astype(np.uint8)


def srgb_to_linear(colours: np.ndarray) -> np.ndarray:
    """sRGB, uint8 or 0..1 -> linear light 0..1 float32 (IEC 61966-2-1)."""
    colours = np.asarray(colours)
    return TO_LINEAR[colours] if colours.dtype == np.uint8 else _decode(np.clip(colours, 0, 1)).astype(np.float32)


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """Linear light, clipped to 0..1 -> sRGB uint8."""
    return _TO_SRGB[(np.sqrt(np.clip(light, 0, 1)) * (_STEPS - 1) + 0.5).astype(np.int32)]


def shading(normals: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Outward unit normals (N, 3) and a `Hand.light` (4, 3) -> (N, 3), which multiplies the linear albedo.

    Where the straight line goes dark or below zero (sides that the fit never saw) it bends to a floor, as bounced light would.
    """
    straight = light[0] + normals @ light[1:]
    floor = 0.25 * np.maximum(light[0], 1e-3)
    return 0.5 * (straight + floor + np.sqrt((straight - floor) ** 2 + floor**2))


def shaded(albedo: np.ndarray, normals: np.ndarray, light: np.ndarray) -> np.ndarray:
    """sRGB albedo (N, 3) uint8 under a light (4, 3) -> sRGB colours (N, 3) uint8."""
    return linear_to_srgb(srgb_to_linear(albedo) * shading(normals, light))
