"""What the texture head learns from: a mesh laid over a crop, the pixels that it covers, and for rendered pictures the truth about them."""
from __future__ import annotations

import copy
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from app.crop import crop_from_points, cut
from models.camera import FOCAL, project
from models.hand_model import HandModel
from models.light import shading, vertex_normals
from models.s2hand import S2Hand
from models.vertex_views import Views
from training.pictures import Picture
from training.rasteriser import rasterise

BATCH = 32
PIXELS = 800  # of those that the mesh covers, kept of each crop
SHIFT = 2.5  # crop pixels by which every other mesh is moved on purpose: on new pictures it lies less well than on these
SAME_SKIN = 0.02  # metres at rest: a pixel that shows skin so near to a vertex shows the vertex' skin
OTHER_HUE, OTHER_LIGHT = 0.25, 1.3  # log units from the true albedo's at which a pixel shows something else than the hand
PLAIN = 0.4  # log units from the true albedo under the true light: no cast shadow, no highlight


@dataclass(frozen=True)
class Seen:
    """One row per crop."""

    low: np.ndarray  # (n, C, H, W) float16
    surroundings: np.ndarray  # (n, 3) mean colour of the crop
    places: np.ndarray  # (n, N, 2) float32, this and the next four as in `models.vertex_views.Views`
    colours: np.ndarray  # (n, 3, N) float16
    normals: np.ndarray  # (n, 3, N) float16
    facing: np.ndarray  # (n, 1, N) float16
    covered: np.ndarray  # (n, 1, N) float16
    lit: np.ndarray  # (n, N, 3) float16 the normals that light falls on
    visible: np.ndarray  # (n, N) bool, a corner of a face that shows
    corners: np.ndarray  # (n, P, 3) int16 vertices around a covered pixel
    weights: np.ndarray  # (n, P, 3) float16 and how much each counts
    pixels: np.ndarray  # (n, P, 3) uint8 the crop's colours there
    exact: np.ndarray  # (n,) bool, rendered; the truth below is zeros where not
    albedo: np.ndarray  # (n, N, 3) float16 true albedo
    light: np.ndarray  # (n, 11) true light
    shows: np.ndarray  # (n, N) bool, the pixel under the vertex shows its skin
    plain: np.ndarray  # (n, N) bool, and shows it without cast shadow or highlight

    @staticmethod
    def join(parts: list[Seen]) -> Seen:
        return Seen(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Seen)})

    def batch(self, rows: np.ndarray) -> dict[str, Tensor]:
        """Rows as tensors, float but for the corners."""
        chosen = {f.name: getattr(self, f.name)[rows] for f in fields(self)}
        return {k: torch.from_numpy(v.astype(np.int64 if k == 'corners' else np.float32)) for k, v in chosen.items()}


def views_of(row: dict[str, Tensor]) -> Views:
    """The head's views of a batch."""
    return Views(row['places'], row['colours'], row['normals'], row['facing'], row['covered'])


def covered_pixels(points: np.ndarray, faces: np.ndarray, crop: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Of a mesh's points (N, 3), pixels and depth, over a crop (S, S, 3): visible (N,), corners, weights and colours (P, 3) of pixels."""
    size = crop.shape[0]
    shown = rasterise(points, faces, size, size)
    visible = np.zeros(len(points), bool)
    visible[faces[np.unique(shown.faces)]] = True
    if not len(shown.pixels):
        return visible, np.zeros((PIXELS, 3), np.int16), np.zeros((PIXELS, 3), np.float16), np.zeros((PIXELS, 3), np.uint8)
    chosen = rng.integers(0, len(shown.pixels), PIXELS)
    corners, weights = faces[shown.faces[chosen]], shown.weights[chosen]
    return visible, corners.astype(np.int16), weights.astype(np.float16), crop.reshape(-1, 3)[shown.pixels[chosen]]


@torch.no_grad()
def look(network: S2Hand, crops: np.ndarray, rng: np.random.Generator, shape: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The head's inputs for crops (n, S, S, 3) uint8, the mesh being where the network puts it, with its own shapes or with `shape` (n, S);
    also its points (n, N, 2) in pixels and its own shapes."""
    network.eval()
    size, faces, views = network.size, network.hand.faces.cpu().numpy(), network.texture_light_from_low.views
    device = network.hand.faces.device
    made: dict[str, list] = {}
    for start in range(0, len(crops), BATCH):
        part = crops[start:start + BATCH]
        images = torch.from_numpy(part).permute(0, 3, 1, 2).float().to(device) / 255
        features, low, fine = network.encoder(images)
        points = network.encoder.landmarks(features).points
        geometry = network.decoder(network.encoder.for_mesh(features), points, fine)
        drawn = geometry if shape is None else replace(geometry, shape=torch.from_numpy(shape[start:start + BATCH]).to(device))
        vertices, _, _ = network.place(drawn)
        moved = rng.normal(0, SHIFT, (len(part), 1, 2)) * (np.arange(start, start + len(part)) % 2)[:, None, None]
        moved = torch.from_numpy(moved).float().to(device) / (FOCAL * size) * vertices[:, :1, 2:]
        vertices = torch.cat([vertices[..., :2] + moved, vertices[..., 2:]], -1)
        seen, points = views(images, vertices), project(vertices, size)
        flat = torch.cat([points, vertices[..., 2:]], -1).cpu().numpy()
        covered = [covered_pixels(p, faces, crop, rng) for p, crop in zip(flat, part)]
        values = {'low': low.half(), 'surroundings': images.mean((2, 3)), 'places': seen.places, 'colours': seen.colours.half(),
                  'normals': seen.normals.half(), 'facing': seen.facing.half(), 'covered': seen.covered.half(),
                  'lit': vertex_normals(vertices, network.hand.faces).half(), 'points': points, 'shape': geometry.shape}
        for name, value in values.items():
            made.setdefault(name, []).append(value.cpu().numpy())
        for name, value in zip(('visible', 'corners', 'weights', 'pixels'), zip(*covered)):
            made.setdefault(name, []).append(np.stack(value))
    return {key: np.concatenate(parts) for key, parts in made.items()}


def look_at_pictures(network: S2Hand, pictures: list[Picture], seed: int = 0) -> Seen:
    """Plain crops of real pictures."""
    rng = np.random.default_rng(seed)
    crops = np.stack([cut(p.read_right(), crop_from_points(p.right().points, 'right', network.size)) for p in pictures])
    made, n, count = look(network, crops, rng), len(crops), len(network.hand.template)
    del made['points'], made['shape']
    return Seen(**made, exact=np.zeros(n, bool), albedo=np.zeros((n, count, 3), np.float16), light=np.zeros((n, 11), np.float32),
                shows=np.zeros((n, count), bool), plain=np.zeros((n, count), bool))


def look_at_renders(network: S2Hand, shard: Path, most: int, seed: int = 0) -> Seen:
    """Up to `most` rendered pictures of a shard. Rendered from an earlier mesh, their albedo is made anew from the skin coefficients."""
    keys = ('image', 'light', 'skin', 'albedo', 'pose', 'camera_pose0', 'camera_translation', 'camera_intrinsics', 'shape', 'crop')
    with np.load(shard) as file:
        data = {key: file[key][:most] for key in keys}
    hand, albedo = copy.deepcopy(network.hand).cpu(), data['albedo']
    if albedo.shape[1] != len(hand.template):
        albedo = hand.albedo.numpy() + np.tensordot(data['skin'], hand.skin_basis.numpy(), 1)
    data['albedo'] = np.clip(albedo, 0.02, 1)
    crops = data['image']
    if crops.shape[1] != network.size:
        crops = np.stack([cv2.resize(crop, (network.size, network.size), interpolation=cv2.INTER_AREA) for crop in crops])
    made = look(network, crops, np.random.default_rng(seed))
    del made['shape']
    shows, plain = true_skin(hand, data, made.pop('points') * (data['image'].shape[1] / network.size))
    return Seen(**made, exact=np.ones(len(crops), bool), albedo=data['albedo'].astype(np.float16), light=data['light'],
                shows=shows & made['visible'], plain=plain & made['visible'])


@torch.no_grad()
def true_skin(hand: HandModel, data: dict[str, np.ndarray], points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether the picture shows a vertex' skin, and shows it plainly, at points (n, N, 2) of a shard's pictures -> twice (n, N) bool.

    The true mesh is drawn with the true camera. What lies in front of it is known by its colour: its hue or brightness is
    far from the true albedo's.
    """
    pose = torch.from_numpy(data['pose'].copy())
    rotated = vertex_normals(hand(pose, torch.from_numpy(data['shape'])).vertices, hand.faces)  # axes of the crop's camera, as the light
    pose[:, 0] = torch.from_numpy(data['camera_pose0'])
    vertices = hand(pose, torch.from_numpy(data['shape'])).vertices.numpy() + data['camera_translation'][:, None]
    bright = shading(rotated, torch.from_numpy(data['light'])).numpy()
    faces, rest, size = hand.faces.numpy(), hand.template.numpy(), data['image'].shape[1]
    shows, plain = np.zeros(points.shape[:2], bool), np.zeros(points.shape[:2], bool)
    for i, (matrix, (fx, fy, cx, cy)) in enumerate(zip(data['crop'], data['camera_intrinsics'])):
        flat = vertices[i, :, :2] / vertices[i, :, 2:] * (fx, fy) + (cx, cy)
        flat = flat @ matrix[:, :2].T + matrix[:, 2]
        shown = rasterise(np.concatenate([flat, vertices[i, :, 2:]], 1), faces, size, size)
        at = np.full((size * size, 9), np.nan, np.float32)
        at[shown.pixels] = shown.interpolate(np.concatenate([rest, data['albedo'][i], bright[i]], 1), faces)
        column, row = np.round(points[i]).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < size) & (row < size)
        under = at[np.where(inside, row * size + column, 0)]
        colour = data['image'][i].reshape(-1, 3)[np.where(inside, row * size + column, 0)]
        with np.errstate(invalid='ignore'):
            same = inside & (np.linalg.norm(under[:, :3] - rest, axis=1) < SAME_SKIN)
            apart = _log(colour / 255) - _log(under[:, 3:6])
            lit = np.abs(apart - np.log(np.maximum(under[:, 6:], 1e-3))).mean(1) < PLAIN
        if same.sum() < 20:
            continue
        apart = apart - np.median(apart[same], 0)
        level = apart.mean(1)
        same &= (np.abs(apart - level[:, None]).max(1) < OTHER_HUE) & (np.abs(level) < OTHER_LIGHT)
        shows[i], plain[i] = same, same & lit
    return shows, plain


def _log(colour: np.ndarray) -> np.ndarray:
    """sRGB 0..1 -> log of linear light, roughly."""
    return 2.2 * np.log(np.maximum(colour, 0.04))
