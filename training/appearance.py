"""How a random hand looks: skin, light, sleeve, and what it holds."""
from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.backgrounds import colour, noise
from training.forearm import AROUND, Stub, Tube, tube
from training.props import held_object
from training.scene import CLOTH, FOREARM, PATTERN_WIDTH, PROP, Part, Studio
from training.shading import Light, Sky, srgb_to_linear, vertex_normals

ARM = 0.55  # metres of forearm drawn: it must leave the picture
DETAILS = 6  # variations of the skin's texture made once
WARM, COLD = np.array([1.22, 0.96, 0.68]), np.array([0.9, 0.98, 1.1])
BALANCED = 0.6  # of a light's tint that a camera's white balance takes away
CLOTHS = 60  # patterns kept
PATTERN = PATTERN_WIDTH, 320  # a sleeve's pattern: around x along (mm)


@dataclass(frozen=True)
class Look:
    """Everything but the hand's pose and the camera."""

    albedo: np.ndarray  # (N, 3) sRGB of the vertices
    skin: np.ndarray  # (M,) coefficients of the model's skin_basis
    detail: np.ndarray | None  # (T, T, 3) uint8 skin texture
    parts: list[Part]
    patterns: dict[int, np.ndarray]
    lights: list[Light]
    sky: Sky
    gloss: float
    roughness: float
    exposure: float
    background_gain: float

    def single_light(self, hand, turn: np.ndarray, faces: np.ndarray) -> np.ndarray:
        """(11,) one ambient and one directional light, in axes turned by `turn` (3, 3), closest to the lamps on the vertices in sight."""
        normals = vertex_normals(hand.vertices, faces)
        seen = normals[(normals * hand.vertices).sum(1) < 0]
        towards = sum(light.direction * light.colour.mean() for light in self.lights)
        towards = towards / max(np.linalg.norm(towards), 1e-9)
        up = 0.5 - 0.5 * seen[:, 1:2]
        shading = self.sky.below + up * (self.sky.above - self.sky.below)
        for light in self.lights:
            shading = shading + np.clip(seen @ light.direction, 0, None)[:, None] * light.colour
        basis = np.stack([np.ones(len(seen)), np.clip(seen @ towards, 0, None)], 1)
        ambient, direct = np.maximum(np.linalg.lstsq(basis, shading * self.exposure, rcond=None)[0], 0)
        strength = np.maximum([ambient.mean(), direct.mean()], 1e-6)
        return np.concatenate([strength, ambient / strength[0], direct / strength[1], -turn @ towards])


class Appearance:
    """Draws looks for one studio's hand."""

    def __init__(self, studio: Studio):
        self.studio = studio
        self.details, self.cloths = [], {}
        random = np.random.default_rng(20)
        if studio.texture is not None:
            size = studio.texture.shape[0]
            for k in range(DETAILS):
                blotches = noise(random, size, size, size / 24) * (1.6, 0.8, 0.7) + noise(random, size, size, size / 90) * (1.3, 1.2, 1.2)
                fine = noise(random, size, size, 3, 1) * 1.8
                changed = studio.texture + (0.5 + 0.35 * k) * (blotches + fine)
                self.details.append(np.clip(changed, 0, 255).astype(np.uint8))

    def sample(self, random: np.random.Generator, hand, background: np.ndarray, *, props: bool = True) -> Look:
        """A look for a hand (`training.renders.Pose`) before a background (H, W, 3) sRGB 0..1; without `props` it holds nothing."""
        model = self.studio.model
        skin = np.clip(random.normal(0, 1, len(model.skin_sigma)), -2.5, 2.5) * model.skin_sigma
        albedo = np.clip(model.albedo + np.tensordot(skin, model.skin_basis, 1), 0.02, 0.98).astype(np.float32)
        detail = self.details[random.integers(len(self.details))] if self.details else None
        parts, patterns = self._arm(random, hand, albedo)
        thing = held_object(random, hand) if props else None
        if thing is not None:
            parts.append(thing)
        lights, sky = sample_light(random, background)
        # expose for the hand, as cameras do, not always well
        mean = srgb_to_linear(albedo).mean() * (0.5 * (sky.above + sky.below).mean() + 0.45 * sum(light.colour.mean() for light in lights))
        backdrop = srgb_to_linear(background).mean()
        exposure = np.exp(random.normal(np.log(0.24 / max(mean, 1e-3)), 0.35))
        gain = np.clip(np.exp(random.normal(0, 0.25)) * (0.2 / max(backdrop, 0.03)) ** 0.25, 0.3, 3) / exposure
        whole = 0.5 * (sky.above + sky.below) + 0.5 * sum(light.colour for light in lights)
        balance = (whole.mean() / whole) ** (BALANCED * random.uniform(0.6, 1.3))
        sky = Sky(sky.above * balance, sky.below * balance)
        lights = [replace(light, colour=light.colour * balance) for light in lights]
        gloss, roughness = random.uniform((0.3, 0.3), (1.6, 0.6)).tolist()
        return Look(albedo, skin, detail, parts, patterns, lights, sky, gloss, roughness, float(exposure), float(gain))

    def _arm(self, random: np.random.Generator, hand, albedo: np.ndarray) -> tuple[list[Part], dict[int, np.ndarray]]:
        """A forearm, often in a sleeve, sometimes with a band; and the sleeve's pattern."""
        studio, stub = self.studio, self.studio.stub(hand.shape)
        bend = random.normal(0, (0.16, 0.28))
        arm = tube(stub, 0.010, ARM, 2.2 + random.normal(0, 0.4), 0.0003, bend)
        parts = [studio.part(FOREARM, arm, hand.rotation, hand.wrist, studio.stub_colours(hand.shape, albedo, arm.angle))]
        patterns = {}
        if random.random() < 0.55:
            top = -stub.end - random.uniform(0.02, max(0.025, -stub.end - 0.004))
            grow, thickness, depth = 2.4 + random.normal(0, 0.6), random.uniform(0.004, 0.011), random.uniform(0.0005, 0.003)
            sleeve = folded_sleeve(random, stub, top, ARM, grow, thickness, bend, depth)
            parts.append(studio.part(CLOTH, sleeve, hand.rotation, hand.wrist, colour(random, 0.7)))
            number = int(random.integers(CLOTHS))
            if number not in self.cloths:
                self.cloths[number] = cloth_pattern(np.random.default_rng((41, number)))
            patterns[CLOTH] = self.cloths[number]
        elif random.random() < 0.15:
            top, width, thickness = random.uniform((0.012, 0.006, 0.0012), (max(0.014, -stub.end - 0.02), 0.025, 0.003))
            band = tube(stub, top, width, 0, thickness, np.zeros(2), np.zeros((4, AROUND)))
            parts.append(studio.part(PROP, band, hand.rotation, hand.wrist, colour(random, 0.5)))
        return parts, patterns


def folded_sleeve(
    random: np.random.Generator, stub: Stub, start: float, length: float, grow: float, thickness: float, bend: np.ndarray, depth: float,
) -> Tube:
    """A sleeve (`training.forearm.tube`) with folds of `depth` metres."""
    rings = 34
    folds = depth * noise(random, AROUND + 1, rings, random.uniform(4, 9))[:, :AROUND, 0]
    folds = np.maximum(folds, -0.002) * np.linspace(0.3, 1.5, rings)[:, None]
    folds[:, -4:] += (folds[:, :1] - folds[:, -1:]) * np.linspace(0.2, 0.8, 4)  # closes around
    return tube(stub, start, length, grow, thickness, bend, folds, lip=True)


def cloth_pattern(random: np.random.Generator) -> np.ndarray:
    """(along, around, 3) float32 near 1: plain, striped, checked or knitted cloth."""
    width, height = PATTERN
    pattern = np.ones((height, width, 3), np.float32)
    kind, period = random.integers(5), random.uniform(6, 40)
    second = np.clip(colour(random, 0.9) / 0.5, 0.3, 1.9)
    along, around = np.arange(height)[:, None] / period, np.arange(width)[None] / period
    if kind == 1:
        pattern[(along % 1 < random.uniform(0.2, 0.6))[:, 0]] *= second
    elif kind == 2:
        pattern[:, (around % 1 < random.uniform(0.2, 0.6))[0]] *= second
    elif kind == 3:
        pattern *= np.where((along % 1 < 0.4)[..., None], second, 1) ** 0.6 * np.where((around % 1 < 0.4)[..., None], second, 1) ** 0.6
    elif kind == 4:
        ribs, rows = 1 + 0.18 * np.sin(2 * np.pi * np.arange(width) / 5), 1 + 0.1 * np.sin(2 * np.pi * np.arange(height) / 4)
        pattern *= (rows[:, None] * ribs)[..., None]
    if random.random() < 0.5:  # a hem
        hem = int(random.uniform(4, 25))
        pattern[hem - 1:hem + 1] *= 0.7
        pattern[:hem] *= random.uniform(0.85, 1.15)
    weave = 1 + random.uniform(0.02, 0.08) * random.standard_normal((height, width, 1)).astype(np.float32)
    return (pattern * weave * (1 + 0.06 * noise(random, width, height, 40))).astype(np.float32)


def sample_light(random: np.random.Generator, background: np.ndarray) -> tuple[list[Light], Sky]:
    """One to three lamps, the first one often with a shadow, and a sky tinted by the background (H, W, 3)."""
    def tint() -> np.ndarray:
        t = random.random()
        return (1 - t) * WARM + t * COLD

    around = srgb_to_linear(background[::16, ::16].reshape(-1, 3)).mean(0)
    around = 0.5 + 0.5 * around / max(around.mean(), 1e-3)
    level = random.uniform(0.25, 0.9)
    base = level * tint() * around ** random.uniform(0, 0.4)
    sky = Sky(base * random.uniform(0.9, 1.6), base * random.uniform(0.35, 1.0))
    lights = []
    for k in range(random.choice((1, 2, 3), p=(0.5, 0.35, 0.15))):
        direction = random.normal(0, 1, 3) * (1, 0.7, 0.7) + (0, -0.7, -0.9)  # from above, from the camera's side
        if random.random() < 0.12:
            direction[2] *= -1  # against the light
        brightness = tint() * random.uniform(0.5, 2.2) * 0.55**k
        shadow = k == 0 and random.random() < 0.8
        lights.append(Light(direction / np.linalg.norm(direction), brightness, shadow, float(random.uniform(0.006, 0.04))))
    return lights, sky
