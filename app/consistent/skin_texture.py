"""One texture of a hand out of many views of it.

Each pixel of the atlas (a texel) has its place on the mesh. In a view it is read where it faces the camera, lies well inside the outline
and nothing stands in front; the view's light is taken out. What differs from the skin around it as no skin does is not believed: it is
background, another thing, or a highlight. The mean of the rest, in the logarithm of linear light, is the texel; near, still and frontal
views count most. It is put together of three layers: the tone, which is the model's skin as this person would have it; smooth differences
from it, held within what skin has and carried on where nothing was seen; and fine ones, the hand's own where it was seen and the model's
creases and nails where not.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from app.consistent.lights import fitted_light
from app.consistent.sight import projected, sight_of
from app.consistent.views import View
from app.hand_model import DEFAULT_PATH, HandModel
from app.outputs.texture_map import SIZE, TextureMap, texture_map
from app.rendering.arm import arm_share
from app.rendering.light import TO_LINEAR, linear_to_srgb, shading, srgb_to_linear
from app.rendering.topology import Topology, topology_of
from app.rendering.visibility import visibility
from app.texture import TextureMemory, log_light, log_tones, robust_belief
from app.types import Side

DETAIL = DEFAULT_PATH.with_name('open_hand_albedo.png')  # the model's own skin, finer than its vertices
INSIDE = 0.03  # of the hand's size from its outline: from there on it is surely skin
NOT_SKIN = 0.50, 0.15  # log units from the skin around at which a colour is half believed: brightness, hue
LEAST_FACING = 0.2
OWN = 0.06  # weight of what was seen at which it counts for half
AGREED = 0.5  # share of what was seen that must look like skin
SMOOTH_RANGE = 0.20, 0.09  # log units of smooth differences from the tone that skin has: brightness, hue
GAIN, LOOKS = (0.45, 0.10), 60.0  # log units of a gain that no skin tone explains: brightness, hue; independent looks at a hand
DEEPER = 0.6  # by so much more may a colour differ well inside the outline, where no background can be: moles, tattoos, nails
FINEST = -0.5, 0.25  # log units of fine ones: what is much brighter is a gleam
STIFFNESS, TO_TONE = 3.0, 0.01  # of the smooth differences: against their neighbours, and towards none
ARM_DOUBT = 0.8  # sleeves and watches are there
LESS_DETAIL = 0.45  # share of the model's creases and nails that gives way to the hand's own, which are a little blurred
SOFT = 5  # pixels over which what was seen goes over into what was not
SWEEPS = 2  # over the views, to tell the light from the skin


@dataclass(frozen=True, eq=False)
class SkinTexture:
    """A hand's skin."""

    picture: np.ndarray  # (S, S, 3) uint8 sRGB albedo
    colours: np.ndarray  # (N, 3) uint8 sRGB, the same at the vertices
    seen: float  # share of the hand's surface that was seen, 0..1


class Atlas:
    """The texels of a model's atlas."""

    def __init__(self, model: HandModel, size: int = SIZE):
        self.model, self.size = model, size
        self.map: TextureMap = texture_map(model, size)
        count = len(model.template)
        self.topology: dict[Side, Topology] = {
            'right': topology_of(model.faces, count), 'left': topology_of(np.ascontiguousarray(model.faces[:, ::-1]), count)}
        self.pixels, self.faces, weights = self.map.texels()
        self.corners, self.weights = model.faces[self.faces], weights
        self._corner_columns, self._weight_columns = np.ascontiguousarray(self.corners.T), np.ascontiguousarray(weights.T)
        self.detail = self._detail()
        self.arm = arm_share(model)

    def at(self, values: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Values (N, d) of the vertices -> of the texels (P, d)."""
        return np.ascontiguousarray(self.columns(values, rows).T)

    def columns(self, values: np.ndarray, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The same as (d, P), which numpy is several times as quick with."""
        corners, weights = self._corner_columns[:, rows], self._weight_columns[:, rows]
        out = np.empty((values.shape[1], corners.shape[1]), np.float32)
        for row, column in zip(out, np.ascontiguousarray(values.T, np.float32)):
            row[:] = sum(weight * column.take(corner) for corner, weight in zip(corners, weights))
        return out

    def _detail(self) -> np.ndarray:
        """(P, 3) log: by how much the model's own texture is finer than the colours of its vertices."""
        if not Path(DETAIL).is_file() or self.size != SIZE:
            return np.zeros((len(self.pixels), 3), np.float32)
        fine = cv2.imread(str(DETAIL), cv2.IMREAD_COLOR)
        if fine is None or fine.shape[:2] != (self.size, self.size):
            return np.zeros((len(self.pixels), 3), np.float32)
        own = log_light(TO_LINEAR[fine[..., ::-1].reshape(-1, 3)[self.pixels]])
        return np.clip(own - self.at(log_light(srgb_to_linear(self.model.albedo))), -0.6, 0.6)


@lru_cache(maxsize=1)
def atlas_of(model: HandModel) -> Atlas:
    """The atlas of a model, worked out at the first call."""
    return Atlas(model)


def skin_texture(model: HandModel, side: Side, views: list[View]) -> SkinTexture:
    """Out of views of one hand; with none it is the model's own skin."""
    atlas = atlas_of(model)
    known, lights = _known_skin(model, side, views)
    tone = fitted_tone(model, known, 1 - atlas.arm)
    base = atlas.at(tone + _held(known - tone, atlas.arm))
    total, weight, shown = np.zeros_like(base), np.zeros(len(base), np.float32), np.zeros(len(base), np.float32)
    for view, light in zip(views, lights):
        rows, seen, trust, deep = _read(atlas, atlas.topology[side], view, light)
        trust *= 1 - ARM_DOUBT * atlas.at(atlas.arm[:, None], rows)[:, 0]
        believed = trust * robust_belief((seen - base[rows]) / (1 + DEEPER * deep[:, None]), NOT_SKIN).astype(np.float32)
        total[rows] += believed[:, None] * seen
        weight[rows] += believed
        shown[rows] += trust
    agreed = np.clip(weight / np.maximum(shown, 1e-6) / AGREED, 0, 1)  # where most views show no skin, the rest is chance
    weight *= agreed ** 2
    own = agreed * weight / (weight + OWN)  # however often that was seen
    own = np.minimum(own, _softened(atlas, own))
    apart = total / np.maximum(weight / np.maximum(agreed ** 2, 1e-6), 1e-6)[:, None] - atlas.at(tone)
    smooth = _smooth(atlas, np.where(weight[:, None] > 1e-6, apart, 0), weight)
    fine = np.clip(apart - atlas.at(smooth), *FINEST)
    skin = atlas.at(tone + _held(smooth, atlas.arm)) + (1 - LESS_DETAIL * own[:, None]) * atlas.detail + own[:, None] * fine
    hand = 1 - atlas.at(atlas.arm[:, None])[:, 0]
    picture = np.empty((atlas.size ** 2, 3), np.uint8)
    picture[:] = linear_to_srgb(np.exp(tone.mean(0)))
    picture[atlas.pixels] = linear_to_srgb(np.exp(skin))
    return SkinTexture(picture.reshape(atlas.size, atlas.size, 3), _at_vertices(atlas, skin), float((own * hand).sum() / hand.sum()))


def fitted_tone(model: HandModel, known: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Log albedo (N, 3) and weights (N,) -> the model's own skin (N, 3) in the nearest tone: its skin tones and a gain per channel."""
    own = log_light(srgb_to_linear(model.albedo))
    tones = log_tones(model)
    count, target = len(tones), known - own
    design = np.zeros((len(own), 3, count + 3))
    design[:, :, :count] = tones.transpose(1, 2, 0)
    design[:, range(3), range(count, count + 3)] = 1
    stiffness = np.zeros((count + 3, count + 3))
    stiffness[:count, :count] = np.eye(count)
    bright = np.full((3, 3), 1 / 3)
    stiffness[count:, count:] = bright / GAIN[0] ** 2 + (np.eye(3) - bright) / GAIN[1] ** 2
    weights = weights * (LOOKS / weights.sum())
    trust = weights
    for _ in range(4):
        scaled = design * trust[:, None, None]
        tone = np.linalg.solve(np.tensordot(scaled, design, ((0, 1), (0, 1))) + stiffness, np.tensordot(scaled, target, ((0, 1), (0, 1))))
        trust = weights * robust_belief(target - design @ tone, NOT_SKIN)
    return (own + design @ tone).astype(np.float32)


def _held(apart: np.ndarray, arm: np.ndarray) -> np.ndarray:
    """Smooth differences (N, 3) from the tone, held within what skin has: more of it is light, or no skin; still less on the arm."""
    bright = apart.mean(1, keepdims=True)
    share = (1 - ARM_DOUBT * arm)[:, None]
    bound = np.array(SMOOTH_RANGE)
    return (share * (bound[0] * np.tanh(bright / bound[0]) + bound[1] * np.tanh((apart - bright) / bound[1]))).astype(np.float32)


def _smooth(atlas: Atlas, apart: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Differences of the texels (P, 3), of weights (P,) -> smooth ones of the vertices (N, 3), carried on to where nothing was seen."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    count = len(atlas.model.template)
    total, evidence = np.zeros((count, 3)), np.zeros(count)
    for corner in range(3):
        index, near = atlas.corners[:, corner], atlas.weights[:, corner] * weight
        evidence += np.bincount(index, near, count)
        for channel in range(3):
            total[:, channel] += np.bincount(index, near * apart[:, channel], count)
    seen = evidence / (evidence + np.median(evidence[evidence > 0]) * 0.3 + 1e-9) if (evidence > 0).any() else evidence
    mean = total / np.maximum(evidence, 1e-9)[:, None]
    a, b = atlas.topology['right'].edges.T
    ones = np.full(len(a), STIFFNESS)
    laplacian = sparse.coo_matrix((np.concatenate([-ones, -ones]), (np.concatenate([a, b]), np.concatenate([b, a]))), (count, count))
    degree = -np.asarray(laplacian.sum(1)).ravel()
    matrix = (laplacian + sparse.diags(degree + seen + TO_TONE)).tocsc()
    return splu(matrix).solve(seen[:, None] * mean).astype(np.float32)


def _known_skin(model: HandModel, side: Side, views: list[View]) -> tuple[np.ndarray, list[np.ndarray]]:
    """The log albedo (N, 3) of the vertices, and each view's light (4, 3)."""
    atlas, memory = atlas_of(model), TextureMemory(model, lock=True, every=1)
    if not views:
        return log_light(srgb_to_linear(model.albedo)), []
    for _ in range(SWEEPS):
        for view in views:
            colours, light = memory.update(view.picture, view.vertices, view.camera, side, view.confidence, network_light=view.light,
                                           others=view.others)
    known = log_light(srgb_to_linear(colours))
    return known, [vertex_light(atlas, side, view, np.exp(known), light) for view in views]


def vertex_light(atlas: Atlas, side: Side, view: View, albedo: np.ndarray, light: np.ndarray) -> np.ndarray:
    """The light (4, 3) of a view in which the vertices have linear albedo (N, 3), beginning from `light`."""
    topology = atlas.topology[side]
    normals = topology.normals(view.vertices)
    seen = visibility(view.vertices.astype(np.float32), normals, topology, view.camera, [(v, atlas.topology[s]) for v, s in view.others])
    trust = seen.visible * np.clip(seen.facing, 0, 1) ** 2 * np.clip(seen.inside / INSIDE, 0, 1) * (1 - atlas.arm)
    height, width = view.picture.shape[:2]
    trust = trust * (seen.pixels > 0).all(1) * (seen.pixels < (width - 1, height - 1)).all(1)
    rows = np.flatnonzero(trust > 0.02)
    if len(rows) < 30:
        return light
    return fitted_light(_sampled(cv2.blur(view.picture, (5, 5)), seen.pixels[rows]), albedo[rows], normals[rows], trust[rows], light)


def _read(atlas: Atlas, topology: Topology, view: View, light: np.ndarray) -> tuple[np.ndarray, ...]:
    """Texels that a view shows: their numbers, log albedo (n, 3), trust (n,), and how deep inside the outline they lie (n,), 0..1."""
    normals = topology.normals(view.vertices)
    rays = view.vertices / np.linalg.norm(view.vertices, axis=1, keepdims=True)
    sight = sight_of(view.vertices, topology, view.camera, [(v, atlas.topology[s]) for v, s in view.others])
    front = -np.einsum('na,na->n', normals, rays) > LEAST_FACING
    free, inside = sight.of(np.ascontiguousarray(view.vertices.T, np.float32))
    faces = atlas.model.faces
    good = front[faces].all(1) & (free & (inside > 0.2 * INSIDE))[faces].any(1)
    rows = np.flatnonzero(good[atlas.faces])
    places = atlas.columns(view.vertices, rows)
    free, inside = sight.of(places)
    kept = free & (inside > 0.1 * INSIDE)
    rows, places, deep = rows[kept], places[:, kept], np.clip(inside[kept] / INSIDE - 1, 0, 1)
    inside = np.clip(inside[kept] / INSIDE, 0, 1)
    normal = atlas.columns(normals, rows)
    normal /= np.maximum(np.sqrt((normal * normal).sum(0)), 1e-6)
    facing = np.clip(-(normal * places).sum(0) / np.sqrt((places * places).sum(0)), 0, 1)
    trust = facing ** 3 * inside ** 2 * (3 - 2 * inside) * np.float32(view.worth * view.confidence)
    u, v = projected(places, view.camera)
    height, width = view.picture.shape[:2]
    trust *= (u > 0) & (v > 0) & (u < width - 1) & (v < height - 1)
    colours = _sampled(view.picture, np.stack([u, v], 1))
    r, g, b = colours.T
    trust *= np.where((np.maximum(np.maximum(r, g), b) > 0.9) | (np.minimum(np.minimum(r, g), b) < 0.002), np.float32(0.1), np.float32(1))
    return rows, log_light(colours) - log_light(shading(np.ascontiguousarray(normal.T), light.astype(np.float32))), trust, deep


def _sampled(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Linear colours (n, 3) of an image at pixels (n, 2), between its pixels."""
    at = np.ascontiguousarray(pixels, np.float32)
    linear = TO_LINEAR[image]
    parts = [cv2.remap(linear, at[start:start + 30000, None, 0:1], at[start:start + 30000, None, 1:2], cv2.INTER_LINEAR,
                       borderMode=cv2.BORDER_REPLICATE).reshape(-1, 3) for start in range(0, len(at), 30000)]  # OpenCV's limit: 32767 rows
    return np.concatenate(parts) if parts else np.empty((0, 3), np.float32)


def _softened(atlas: Atlas, own: np.ndarray) -> np.ndarray:
    """Shares (P,) blurred over the atlas, and small near the charts' borders to what was not seen: no edge shows."""
    picture, covered = np.zeros((2, atlas.size * atlas.size), np.float32)
    picture[atlas.pixels], covered[atlas.pixels] = own, 1
    side = (atlas.size, atlas.size)
    low = cv2.erode(picture.reshape(side) + (1 - covered.reshape(side)), np.ones((SOFT, SOFT), np.uint8))
    around = cv2.GaussianBlur(covered.reshape(side), (0, 0), SOFT)
    soft = cv2.GaussianBlur(low * covered.reshape(side), (0, 0), SOFT) / np.maximum(around, 1e-3)
    return soft.ravel()[atlas.pixels]


def _at_vertices(atlas: Atlas, skin: np.ndarray) -> np.ndarray:
    """Log colours of the texels (P, 3) -> sRGB of the vertices (N, 3) uint8, each the mean of the texels around it."""
    count = len(atlas.model.template)
    near = (atlas.weights ** 2).astype(np.float32)
    total, weight = np.zeros((count, 3)), np.zeros(count)
    for corner in range(3):
        index = atlas.corners[:, corner]
        weight += np.bincount(index, near[:, corner], count)
        for channel in range(3):
            total[:, channel] += np.bincount(index, near[:, corner] * skin[:, channel], count)
    return linear_to_srgb(np.exp(total / np.maximum(weight, 1e-9)[:, None]))
