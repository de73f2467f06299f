"""Ambient and directional light from the network's 11 values (S2HAND: ambient and directional intensity, their colours, a direction)."""
from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from models.rotations import cross, unit

VALUES = 11


def srgb_to_linear(colour: Tensor) -> Tensor:
    """sRGB 0..1 -> linear light 0..1 (IEC 61966-2-1)."""
    return torch.where(colour <= 0.04045, colour / 12.92, ((colour.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(colour: Tensor) -> Tensor:
    """Linear light 0..1 -> sRGB 0..1 (IEC 61966-2-1)."""
    return torch.where(colour <= 0.0031308, colour * 12.92, 1.055 * colour.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def srgb_to_log(colour: Tensor, least: float) -> Tensor:
    """sRGB 0..1 -> log of linear light, at least log(`least`); `least` must be 0.003 or more. Below 0.04 sRGB's curve is carried on
    instead of its straight piece, which lies within 0.0003 of it down to there: a logarithm, and no power.
    """
    return (2.4 * torch.log((colour + 0.055) / 1.055)).clamp(min=math.log(least))


def log_to_srgb(log: Tensor) -> Tensor:
    """Log of linear light -> sRGB 0..1, light above 1 cut off."""
    log = log.clamp(max=0)
    return torch.where(log <= math.log(0.0031308), 12.92 * torch.exp(log), 1.055 * torch.exp(log / 2.4) - 0.055)


def shading_rows(normals: Tensor, light: Tensor) -> Tensor:
    """As `shading`, channels first: normals (B, 3, N) -> (B, 3, N), which is quicker on a CPU."""
    ambient = light[:, 0:1] * light[:, 2:5]
    directional = light[:, 1:2] * light[:, 5:8]
    towards = unit(-light[:, 8:11], 1, 1e-6)
    facing = torch.matmul(towards[:, None], normals)  # (B, 1, N)
    return ambient[..., None] + directional[..., None] * facing.clamp(min=0)


def shading(normals: Tensor, light: Tensor) -> Tensor:
    """Light (B, 11) on outward unit normals (B, N, 3) -> (B, N, 3), which multiplies the linear albedo.

    light = [ambient intensity, directional intensity, ambient RGB, directional RGB, direction]. The direction is the way the light travels,
    camera axes; only its direction counts.
    """
    return shading_rows(normals.transpose(1, 2), light).transpose(1, 2)


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


def crosses(faces: Tensor, count: int) -> Tensor:
    """(4, N) for each of `count` vertices of a closed mesh four of its neighbours, in turn around it as seen from outside."""
    following: list[dict[int, int]] = [{} for _ in range(count)]  # of each vertex: neighbour -> the next one around it
    for a, b, c in faces.tolist():
        following[a][b], following[b][c], following[c][a] = c, a, b
    chosen = []
    for around in following:
        ring = [next(iter(around))]
        while len(ring) < len(around):
            ring.append(around[ring[-1]])
        chosen.append([ring[round(len(ring) * i / 4) % len(ring)] for i in range(4)])
    return torch.tensor(chosen).T.contiguous()


def normals_across(vertices: Tensor, neighbours: Tensor) -> Tensor:
    """Outward unit normals (B, 3, N) of vertices (B, N, 3), nearly those of `vertex_normals`, from the table of `crosses`: differences
    across each vertex. One gather and no scatter: quick, and every runtime has it.
    """
    around = vertices.index_select(1, neighbours.flatten()).unflatten(1, (4, -1))
    first, second = (around[:, :2] - around[:, 2:]).transpose(2, 3).unbind(1)
    return unit(cross(first, second), 1, 1e-12)
