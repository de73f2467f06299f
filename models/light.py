"""Ambient and directional light from the network's 11 values (S2HAND: ambient and directional intensity, their colours, a direction)."""
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

VALUES = 11


def srgb_to_linear(colour: Tensor) -> Tensor:
    """sRGB 0..1 -> linear light 0..1 (IEC 61966-2-1)."""
    return torch.where(colour <= 0.04045, colour / 12.92, ((colour.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(colour: Tensor) -> Tensor:
    """Linear light 0..1 -> sRGB 0..1 (IEC 61966-2-1)."""
    return torch.where(colour <= 0.0031308, colour * 12.92, 1.055 * colour.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def shading(normals: Tensor, light: Tensor) -> Tensor:
    """Light (B, 11) on outward unit normals (B, N, 3) -> (B, N, 3), which multiplies the linear albedo.

    light = [ambient intensity, directional intensity, ambient RGB, directional RGB, direction]. The direction is the way the light travels,
    camera axes; only its direction counts.
    """
    ambient = light[:, None, 0:1] * light[:, None, 2:5]
    direction = F.normalize(light[:, 8:11], dim=-1, eps=1e-6)
    facing = -(normals * direction[:, None]).sum(-1, keepdim=True)
    return ambient + light[:, None, 1:2] * light[:, None, 5:8] * facing.clamp(min=0)


def shaded(albedo: Tensor, normals: Tensor, light: Tensor) -> Tensor:
    """sRGB albedo (B, N, 3) under the light (B, 11) -> sRGB colours (B, N, 3) in 0..1."""
    return linear_to_srgb((srgb_to_linear(albedo) * shading(normals, light)).clamp(0, 1))


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Outward unit normals (B, N, 3) of vertices (B, N, 3) and faces (F, 3), counter-clockwise seen from outside; area-weighted."""
    a, b, c = (vertices[:, faces[:, i]] for i in range(3))
    face = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(vertices)
    for corner in range(3):
        normals = normals.index_add(1, faces[:, corner], face)
    return F.normalize(normals, dim=-1, eps=1e-12)
