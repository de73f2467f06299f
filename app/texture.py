"""The skin's own colours, gathered from the frames: what each vertex looks like once the light is taken out of it.

All in the logarithm of linear light, where light and skin simply add up. Three parts, from coarse to fine:
- the tone: the model's default albedo moved along its skin tones and by a gain per channel, fitted to all colours seen so far;
- the drift: a smooth field over the mesh that bends the tone towards what was seen and carries on, fading, where nothing was;
- each vertex's own running mean, which counts as far as there is evidence for it.
The light of a frame (ambient + one direction per channel) is a regularised least-squares fit of the frame to the colours known so far.
"""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from app.hand_model import HandModel
from app.rendering.arm import arm_share
from app.rendering.harmonics import harmonics
from app.rendering.light import TO_LINEAR, linear_to_srgb, shading, srgb_to_linear
from app.rendering.topology import Topology, topology_of
from app.rendering.visibility import Visibility, visibility
from app.types import Intrinsics, Side

_SAMPLED = 144  # pixels of the hand's longer side when colours are read: a vertex then reads about its own patch of skin
DARKEST, _BRIGHTEST = 0.0015, 0.93  # linear light of a camera's black and of its clipped white
_FULL_INSIDE = 0.035  # of the hand's size: that far from the silhouette a colour is surely skin
_LEAST_FACING = 0.15
_OUTLIER = 0.30, 0.12  # log units from what is known at which a colour stops being believed: brightness, hue
_NOT_SKIN = 0.60, 0.22  # the same from the tone: nails, creases and tattoos pass, what holds the hand or lies behind it does not
_SLEEVE = 0.5  # times that for what lies beyond the wrist, where sleeves and watches are
_MET = 0.5  # weight of evidence from which a vertex is no guess any more
_OWN = 0.12  # weight of evidence at which a vertex's own mean counts for half
_LOCKED = 20.0  # weight of evidence (about as many good views) at which a vertex keeps its colour for good
_TONE_LOCKED = 60.0  # the same for the tone, in views
_FIELDS = 32
_STIFFNESS = 6.0, 40.0  # of the drift against roughness: brightness, hue
_TONE_SIGMA = 0.45  # of the gain per channel, log units: more than the tones explain is rather light than skin
_GREY = 0.22  # mean linear light of an ordinary picture
_LIGHTS_SHARE = 0.15, 0.5  # of the gain that no skin tone explains, at the first sight: brightness, hue
_LIGHT_RATE = 0.4  # how fast the light follows in a sequence, per frame read
_EAGER, _EVERY = 8, 3  # frames that are all read; skin and light change slowly, so later only each third is
_CALM = 2  # once the tone is known for good, every so many-th of these
_FIRST_LIGHT = np.array([[0.85] * 3, [0.0] * 3, [-0.22] * 3, [-0.16] * 3], np.float32)  # from above and a little from the camera
_LIGHT_STIFFNESS = np.array([0.02, 0.06, 0.06, 0.06], np.float32)


@dataclass(frozen=True)
class TextureState:
    """How much of a hand is known."""

    seen: float  # share of the vertices with evidence of their own, 0..1
    locked: float  # share of those that keep their colour for good, 0..1


@dataclass(frozen=True, eq=False)
class _Skin:
    """What follows from a hand model."""

    topology: dict[Side, Topology]
    albedo: np.ndarray  # (N, 3) log linear light
    tones: np.ndarray  # (M, N, 3) change of it per standard deviation
    stiffness: np.ndarray  # (M + 3,) of the tone's coefficients
    fields: np.ndarray  # (N, K)
    roughness: np.ndarray  # (K,)
    tolerance: np.ndarray  # (N,) how far from the tone a colour may lie, relative


@lru_cache(maxsize=2)
def _skin(model: HandModel) -> _Skin:
    count = len(model.template)
    right, left = topology_of(model.faces, count), topology_of(np.ascontiguousarray(model.faces[:, ::-1]), count)
    stiffness = np.concatenate([np.ones(len(model.skin_sigma)), np.full(3, _TONE_SIGMA**-2)]).astype(np.float32)
    tolerance = 1 - (1 - _SLEEVE) * (arm_share(model) > 0.02)
    return _Skin({'right': right, 'left': left}, log_light(srgb_to_linear(model.albedo)), log_tones(model), stiffness,
                 *harmonics(right, _FIELDS), tolerance.astype(np.float32))


def is_read(look: int, every: int = _EVERY) -> bool:
    """Whether colours are read in the `look`-th (1, 2, ...) frame of a hand."""
    return look <= _EAGER or look % every == 0


class TextureMemory:
    """Colours of one hand, followed through a sequence; for single pictures make a new one (or `reset`) for each."""

    def __init__(self, model: HandModel, lock: bool = True, every: int = _EVERY):
        """`lock`: a vertex keeps its colour once there is enough evidence; otherwise old evidence fades. `every`: after the first
        frames only each so many-th is read (`is_read`), and the others get the last result; half as many once the tone is known for good,
        but all of them with 1."""
        self._skin, self.lock, self.every = _skin(model), lock, every
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        count, tones = len(self._skin.albedo), len(self._skin.stiffness)
        self._weight = np.zeros(count, np.float32)  # evidence per vertex
        self._mean = np.zeros((count, 3), np.float32)  # of the log albedo seen
        self._tone_views = 0.0
        self._tone_matrix, self._tone_right = np.zeros((tones, tones), np.float32), np.zeros(tones, np.float32)
        self._gain = np.zeros(3, np.float32)  # of the tone
        self._network = np.zeros((count, 3), np.float32)  # the network's idea of the skin against the default, log
        self._network_views = 0.0
        self._prior = self._known = self._skin.albedo
        self._light: np.ndarray | None = None
        self._frames, self._last = 0, None

    def carry_on(self) -> None:
        """The same hand is followed by a new track: its frames are counted anew, but the first ones are nothing special any more."""
        self._frames = self.every * _EAGER

    @property
    def hears_network(self) -> bool:
        """Whether the network's texture can still change anything: not once the tone is known for good."""
        return not self.lock or self._tone_views < _TONE_LOCKED

    @property
    def state(self) -> TextureState:
        """What is known so far."""
        seen = self._weight > _OWN
        return TextureState(float(seen.mean()), float((self._weight[seen] >= _LOCKED).mean()) if seen.any() else 0.0)

    def update(self, image: np.ndarray, vertices: np.ndarray, intrinsics: Intrinsics, side: Side, confidence: float,
               network_texture: np.ndarray | None = None, network_light: np.ndarray | None = None,
               others: list[tuple[np.ndarray, Side]] = ()) -> tuple[np.ndarray, np.ndarray]:
        """Learn from one frame.

        Args:
            image: (H, W, 3) uint8 sRGB.
            vertices: (N, 3) metres, camera frame.
            confidence: 0..1, how much the frame counts.
            network_texture: (N, 3) sRGB albedo 0..1, the network's guess, a second opinion on what is not seen.
            network_light: (11,) the network's light, a first guess.
            others: vertices and sides of other hands that may stand in front.
        Returns:
            colours (N, 3) uint8 sRGB albedo, light (4, 3) float32 as `Hand.light`.
        Raises:
            ValueError: the vertices hold numbers that are not finite, or are not the model's.
        """
        skin = self._skin
        topology = skin.topology[side]
        if vertices.shape != skin.albedo.shape or not np.isfinite(vertices).all():
            raise ValueError(f'the hand model has {len(skin.albedo)} vertices and they are finite, not {vertices.shape}')
        self._frames += 1
        calm = 1 if self.every == 1 or self.hears_network else _CALM
        if self._last is not None and not is_read(self._frames, calm * self.every):
            return self._last
        vertices = np.asarray(vertices, np.float32)
        normals = topology.normals(vertices)
        seen = visibility(vertices, normals, topology, intrinsics, [(v, skin.topology[s]) for v, s in others])
        rows, colours = _read(image, seen)
        weight = np.clip(confidence, 0, 1) * _trust(seen, rows)
        if network_texture is not None and np.isfinite(network_texture).all():
            self._hear_network(network_texture)
        if len(rows) < 30 or weight.sum() < 3:  # too little to tell light from skin
            return self._result(self._light if self._light is not None else _FIRST_LIGHT)
        seen_log, normals = log_light(colours), normals[rows]
        first = self._light is None
        if first:
            self._light = _guess(network_light, normals, weight) * _surroundings(image, seen.pixels)
        for attempt in range(4 if first else 1):
            own = 1 if first else 0.1 + 0.9 * self._weight[rows] / (self._weight[rows] + _MET)  # guesses tell little about the light
            light = self._fit_light(colours, seen_log, normals, rows, weight * own, first)
            if first:
                self._light = light
            view = seen_log - log_light(shading(normals, light))  # the log albedo that this frame shows
            residual = view - self._known[rows]
            if first:
                belief = weight * robust_belief(residual - _centre(residual, weight))
            else:  # a vertex seen for the first time may differ from the guess as far as skin can
                met = self._weight[rows] > _MET
                belief = weight * np.where(met, robust_belief(residual), 1) * robust_belief(
                    (view - self._prior[rows]) / skin.tolerance[rows, None], _NOT_SKIN)
            if first or not self.lock or self._tone_views < _TONE_LOCKED:
                self._fit_tone(view[::3], rows[::3], belief[::3], confidence, restart=first)  # a third says as much
            if first:
                self._known = self._prior
            if first and not attempt:  # what no skin tone explains is partly the colour and strength of the light
                bright = self._gain.mean()
                self._light = light * np.exp(_LIGHTS_SHARE[0] * bright + _LIGHTS_SHARE[1] * (self._gain - bright))
        if first:
            belief = weight * robust_belief((view - self._prior[rows]) / skin.tolerance[rows, None], _NOT_SKIN)
        self._light = self._light + (1.0 if first else _LIGHT_RATE) * (light - self._light)
        if self._remember(view, rows, belief):
            self._blend()
        return self._result(self._light)

    def _result(self, light: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._last = linear_to_srgb(np.exp(self._known)), light.astype(np.float32)
        return self._last

    def _hear_network(self, texture: np.ndarray) -> None:
        guess = log_light(srgb_to_linear(np.asarray(texture))) - self._skin.albedo
        guess -= guess.mean(0)  # its overall tone is the tone's affair
        self._network_views = min(self._network_views + 1, 30)
        self._network += (np.clip(guess, -0.5, 0.5) - self._network) / self._network_views

    def _base(self) -> np.ndarray:
        return self._skin.albedo + 0.5 * self._network if self._network_views else self._skin.albedo

    def _fit_light(self, colours: np.ndarray, seen_log: np.ndarray, normals: np.ndarray, rows: np.ndarray, weight: np.ndarray,
                   first: bool) -> np.ndarray:
        """Least squares of colours = albedo * (light . [1, normal]) against the albedo known so far, outliers down -> (4, 3)."""
        known, light = self._known[rows], self._light
        if first:  # nobody knows the exposure yet: as much of it as skin can be is skin
            known = known + _centre(seen_log - known - log_light(shading(normals, light)), weight)
        design = np.empty((len(rows), 4), np.float32)
        design[:, 0], design[:, 1:] = 1, normals
        albedo = np.exp(known)
        for _ in range(2 if first else 1):
            trust = weight * robust_belief(seen_log - known - log_light(shading(normals, light)))
            scaled = np.ascontiguousarray(albedo.T)[:, :, None] * design  # (3, n, 4)
            transposed = (scaled * trust[:, None]).transpose(0, 2, 1)
            matrix = transposed @ scaled
            hold = _LIGHT_STIFFNESS * (matrix[:, 0, :1] + 1e-9 * trust.sum())  # (3, 4) towards the light so far
            matrix[:, range(4), range(4)] += hold
            right = (transposed @ colours.T[:, :, None])[:, :, 0] + hold * light.T
            light = np.linalg.solve(matrix, right[:, :, None])[:, :, 0].T
            # least squares is a little too bright wherever there is noise, and skin and light would drift apart frame by frame
            light = light * np.exp(trust @ (seen_log - known - log_light(shading(normals, light))) / (trust.sum() + 1e-6))
        return light

    def _fit_tone(self, view: np.ndarray, rows: np.ndarray, belief: np.ndarray, confidence: float, restart: bool) -> None:
        """Skin tones and a gain per channel, ridge regression over all views so far."""
        skin = self._skin
        target = view - self._base()[rows]
        tones = skin.tones[:, rows]
        share = belief / max(float(belief.sum()), 1e-6) * 40  # a view counts as 40 independent vertices, not as hundreds
        weighted = tones * share[:, None]
        count = len(tones)
        matrix = np.zeros_like(self._tone_matrix)
        matrix[:count, :count] = np.tensordot(weighted, tones, ((1, 2), (1, 2)))
        matrix[:count, count:] = weighted.sum(1)
        matrix[count:, :count] = matrix[:count, count:].T
        matrix[count:, count:] = np.eye(3) * share.sum()
        right = np.concatenate([np.tensordot(weighted, target, ((1, 2), (0, 1))), share @ target])
        if restart:
            self._tone_matrix, self._tone_right, self._tone_views = matrix, right, confidence
        else:
            self._tone_matrix = self._tone_matrix + confidence * matrix
            self._tone_right = self._tone_right + confidence * right
            self._tone_views += confidence
            if self._tone_views > _TONE_LOCKED:
                fade = _TONE_LOCKED / self._tone_views
                self._tone_matrix, self._tone_right, self._tone_views = self._tone_matrix * fade, self._tone_right * fade, _TONE_LOCKED
        tone = np.linalg.solve(self._tone_matrix + np.diag(skin.stiffness), self._tone_right)
        self._gain = tone[count:].astype(np.float32)
        self._prior = self._base() + np.tensordot(tone[:count], skin.tones, 1).astype(np.float32) + self._gain

    def _remember(self, view: np.ndarray, rows: np.ndarray, belief: np.ndarray) -> bool:
        """Add a view to the running means; False when all that it shows is known for good."""
        before = self._weight[rows]
        if self.lock:
            belief = np.where(before >= _LOCKED, 0, belief)
            if not belief.any():
                return False
        total = before + belief
        self._mean[rows] += (view - self._mean[rows]) * (belief / np.maximum(total, 1e-6))[:, None]
        self._weight[rows] = total if self.lock else np.minimum(total, _LOCKED)
        return True

    def _blend(self) -> None:
        """Tone, drift and each vertex's own mean -> the albedo known."""
        skin = self._skin
        own = self._weight / (self._weight + _OWN)
        residual = self._mean - self._prior
        weighted = skin.fields * own[:, None]
        matrix, right = weighted.T @ skin.fields, weighted.T @ residual
        bright = right.mean(1, keepdims=True)
        drift = sum(skin.fields @ np.linalg.solve(matrix + np.diag(stiffness * (1 + skin.roughness)), part)
                    for stiffness, part in zip(_STIFFNESS, (bright, right - bright)))
        self._known = self._prior + drift + own[:, None] * (residual - drift)


def log_tones(model: HandModel) -> np.ndarray:
    """(M, N, 3) change of the log albedo per standard deviation of each of the model's skin tones."""
    sigma = model.skin_sigma[:, None, None]
    up, down = (log_light(srgb_to_linear(np.clip(model.albedo + sign * sigma * model.skin_basis, 0.02, 0.98))) for sign in (0.5, -0.5))
    return up - down


def log_light(light: np.ndarray) -> np.ndarray:
    """Linear light -> its logarithm, float32, no darker than a camera's black."""
    return np.log(np.maximum(light, DARKEST)).astype(np.float32, copy=False)


def robust_belief(residual: np.ndarray, limits: tuple[float, float] = _OUTLIER) -> np.ndarray:
    """(n, 3) log residuals -> (n,) belief 0..1: brightness may err more than hue."""
    r, g, b = residual.T
    bright = (r + g + b) * (1 / 3)
    hue = np.maximum(np.maximum(np.abs(r - bright), np.abs(g - bright)), np.abs(b - bright))
    return 1 / (1 + (bright / limits[0]) ** 2 + (hue / limits[1]) ** 2) ** 2


def _read(image: np.ndarray, seen: Visibility) -> tuple[np.ndarray, np.ndarray]:
    """-> the vertices seen in the image (n,), and their linear colours (n, 3) float32, averaged over about a vertex's patch."""
    height, width = image.shape[:2]
    pixels = seen.pixels
    within = (pixels[:, 0] > 0) & (pixels[:, 1] > 0) & (pixels[:, 0] < width - 1) & (pixels[:, 1] < height - 1)
    rows = np.flatnonzero(seen.visible & within & (seen.facing > _LEAST_FACING) & (seen.inside > 0))
    if not len(rows):
        return rows, np.empty((0, 3), np.float32)
    pixels = pixels[rows]
    low = np.maximum(np.floor(pixels.min(0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(pixels.max(0)).astype(int) + 3, (width, height))
    crop = image[low[1]:high[1], low[0]:high[0]]
    ratio = max(float((high - low).max()) / _SAMPLED, 1.0)
    if ratio > 1:
        step = min(int(ratio / 2), min(crop.shape[:2]) // 8)  # area filtering would be exact; every n-th pixel and a linear filter do
        if step > 1:
            crop = np.ascontiguousarray(crop[step // 2::step, step // 2::step])
        size = np.maximum(np.round((high - low) / ratio), 1).astype(int)
        crop = cv2.resize(crop, tuple(size.tolist()), interpolation=cv2.INTER_LINEAR)
        shrink = (size / (high - low)).astype(np.float32)
        pixels = (pixels - low + 0.5) * shrink - 0.5
    else:
        pixels = pixels - low
    linear = cv2.LUT(np.ascontiguousarray(crop), TO_LINEAR)
    at = np.ascontiguousarray(pixels, np.float32)
    colours = cv2.remap(linear, at[:, None, 0:1], at[:, None, 1:2], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return rows, colours.reshape(-1, 3)


def _trust(seen: Visibility, rows: np.ndarray) -> np.ndarray:
    """(n,) 0..1: faces the camera, and lies well inside the silhouette."""
    inside = np.clip(seen.inside[rows] / _FULL_INSIDE, 0, 1)
    return seen.facing[rows] ** 2 * inside**2 * (3 - 2 * inside)


def _guess(network_light: np.ndarray | None, normals: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """A first light (4, 3), its mean over what is seen being 1 in each channel."""
    light = _FIRST_LIGHT
    if network_light is not None and np.shape(network_light) == (11,) and np.isfinite(network_light).all():
        v = np.asarray(network_light, np.float32)
        ambient, direct = np.maximum(v[0] * v[2:5], 0), np.maximum(v[1] * v[5:8], 0)
        direction = -v[8:11] / max(float(np.linalg.norm(v[8:11])), 1e-6)
        # max(0, cos) is 1/4 + cos/2 to first order on the sphere
        told = np.concatenate([[ambient + direct / 4], direction[:, None] * direct / 2]).astype(np.float32)
        if (told[0] > 0.05).all():
            light = 0.5 * light + 0.5 * told / told[0].mean()
    mean = (weight[:, None] * shading(normals, light)).sum(0) / weight.sum()
    return light / mean


def _surroundings(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(3,) strength and colour of the light as far as what lies around the hand tells: on average the world is grey, and a camera
    exposes for it. Half of the brightness is believed, a quarter of the hue. Keeps a pale hand in a dim room from passing for a dark one
    in a bright room."""
    step = max(max(image.shape[:2]) // 64, 1)
    small = image[step // 2::step, step // 2::step]
    v, u = np.mgrid[:small.shape[0], :small.shape[1]] * step + step // 2
    low, high = pixels.min(0), pixels.max(0)
    around = (u < low[0]) | (u > high[0]) | (v < low[1]) | (v > high[1])
    if around.sum() < 0.2 * around.size:
        return np.ones(3, np.float32)
    world = log_light(TO_LINEAR[small[around]].mean(0))
    bright = world.mean()
    return np.exp(np.clip(0.5 * (bright - np.log(_GREY)), -0.7, 0.7) + np.clip(0.25 * (world - bright), -0.07, 0.07)).astype(np.float32)


def _centre(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(n, 3) log colours and their weights (n,) -> (3,) where most of them lie. The median of each channel alone would lean towards an
    object that covers a third of the hand; from there the mean of what is near finds the middle of the skin."""
    centre = _weighted_median(values, weight)
    for width in (2.5, 1.5, 1.0):
        near = weight * robust_belief(values - centre, (width * _OUTLIER[0], width * _OUTLIER[1]))
        centre = near @ values / max(float(near.sum()), 1e-9)
    return centre


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(n, C) and (n,) -> (C,)."""
    order = np.argsort(values, axis=0)
    sums = np.cumsum(weight[order], axis=0)
    at = (sums < 0.5 * sums[-1]).sum(0)
    return np.take_along_axis(values, np.take_along_axis(order, at[None], 0), 0)[0]
