"""A hand, its forearm or sleeve and what it holds, drawn over a background as a camera would see it."""
from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from app.hand_model import DEFAULT_PATH, HandModel
from training.forearm import Stub, Tube, measure_stub
from training.rasteriser import rasterise
from training.shading import SHADOW_SIZE, Light, Sky, blend, dot, look_up, openness, shade, shadow_lookup, srgb_to_linear, vertex_normals

HAND, FOREARM, CLOTH, PROP = range(4)
PATTERN_WIDTH = 256  # pixels of a tube's pattern halfway around; along the tube a pixel is a millimetre


@dataclass
class Part:
    """One mesh of the scene, camera axes."""

    kind: int
    vertices: np.ndarray  # (V, 3) metres
    faces: np.ndarray  # (F, 3)
    colours: np.ndarray  # (V, 3) sRGB albedo
    texture: np.ndarray  # (V, 2) coordinates in the part's pattern, in pixels of the pattern


@dataclass(frozen=True)
class Picture:
    """What `Studio.draw` makes."""

    linear: np.ndarray  # (H, W, 3) float32 linear light, not clipped
    hand: np.ndarray  # (H, W) float32 0..1, coverage by the hand's own mesh where it is in front
    covered: np.ndarray  # (H, W) float32 0..1, coverage by anything drawn


@dataclass
class Studio:
    """Draws scenes with one hand model; holds what does not change between pictures."""

    model: HandModel
    texture: np.ndarray = field(init=False)  # (T, T, 3) uint8 sRGB

    def __post_init__(self) -> None:
        path = DEFAULT_PATH.with_name('open_hand_albedo.png')
        image = cv2.imread(str(path)) if self.model.name == 'open' and path.exists() else None
        self.texture = None if image is None else np.ascontiguousarray(image[..., ::-1])
        model = self.model
        self.split = np.zeros((len(model.uv), 2), np.float32)  # texture coordinates in pixels, origin top-left
        if self.texture is not None:
            self.split = (model.uv * (1, -1) + (0, 1)) * self.texture.shape[0] - 0.5
        # the mesh is split along the texture's seams: one vertex per texture coordinate
        self.of_uv = np.zeros(len(model.uv), np.int64)
        self.of_uv[model.uv_faces.ravel()] = model.faces.ravel()

    def stub(self, shape: np.ndarray) -> Stub:
        """The wrist stub's outline for a hand of this shape."""
        return measure_stub(self.model.shaped(shape)[0])

    def stub_colours(self, shape: np.ndarray, albedo: np.ndarray, angles: np.ndarray) -> np.ndarray:
        """Skin colours (n, 3) round the stub's end in the directions `angles` (n,), so that a forearm continues them."""
        vertices = self.model.shaped(shape)[0]
        end = vertices[vertices[:, 1] < vertices[:, 1].min() + 0.02]
        colour = albedo[vertices[:, 1] < vertices[:, 1].min() + 0.02]
        away = end[:, [0, 2]] - (end[:, [0, 2]].min(0) + end[:, [0, 2]].max(0)) / 2
        around, which = np.unique(angles, return_inverse=True)
        turn = np.angle(np.exp(1j * (around[:, None] - np.arctan2(away[:, 1], away[:, 0]))))
        near = np.exp(-0.5 * (turn / 0.35) ** 2) + 1e-6
        return (near @ colour / near.sum(1, keepdims=True))[which]

    @staticmethod
    def part(kind: int, shape: Tube, rotation: np.ndarray, wrist: np.ndarray, colours: np.ndarray) -> Part:
        """A tube in the camera frame, the hand's wrist turned by `rotation` (3, 3) and at `wrist` (3,); one colour (3,) or (V, 3) sRGB."""
        around = np.abs(np.angle(np.exp(1j * shape.angle))) / np.pi * (PATTERN_WIDTH - 1)  # there and back, so that patterns close
        texture = np.stack([around, 1000 * shape.along], 1)
        return Part(kind, shape.vertices @ rotation.T + wrist, shape.faces, np.broadcast_to(colours, shape.vertices.shape), texture)

    def draw(
        self, vertices: np.ndarray, joints: np.ndarray, albedo: np.ndarray, parts: list[Part], lights: list[Light], sky: Sky,
        background: np.ndarray, camera: np.ndarray, *, factor: float = 1.5, detail: np.ndarray | None = None,
        patterns: dict[int, np.ndarray] | None = None, gloss: float = 1.0, roughness: float = 0.45, shadow_size: int = SHADOW_SIZE,
    ) -> Picture:
        """Draw the hand and the parts over `background` (H, W, 3), linear light.

        vertices (N, 3) and joints (21, 3): metres, camera axes. albedo (N, 3): sRGB. camera (3, 3): metres in the camera frame to picture
        pixels, homogeneous. factor: pixels drawn per pixel shown along a side. detail (T, T, 3) float: added to the skin's texture (sRGB).
        patterns: per kind of part an (h, w, 3) float picture that multiplies its colour, repeated at its edges.
        """
        model = self.model
        height, width = background.shape[:2]
        size = round(width * factor), round(height * factor)
        tone = albedo if self.texture is None else albedo - model.albedo  # the texture is drawn in later, per pixel
        shown = [Part(HAND, vertices[self.of_uv], model.uv_faces, tone[self.of_uv], self.split), *parts]
        points = np.concatenate([p.vertices for p in shown])
        starts = np.cumsum([0] + [len(p.vertices) for p in shown])
        faces = np.concatenate([p.faces + s for p, s in zip(shown, starts)])
        kind_of_face = np.repeat([p.kind for p in shown], [len(p.faces) for p in shown])

        enlarge = np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1]])  # pixel centres at integers in both
        image = points @ (enlarge @ camera).T
        fragments = rasterise(np.concatenate([image[:, :2] / image[:, 2:], points[:, 2:]], 1), faces, *size)
        if not len(fragments.pixels):
            return Picture(background, np.zeros((height, width), np.float32), np.zeros((height, width), np.float32))

        hand_normals = vertex_normals(vertices, model.faces)
        normals = np.concatenate([hand_normals[self.of_uv], *[vertex_normals(p.vertices, p.faces) for p in parts]])
        seen = [self._openness(vertices, hand_normals, joints)[self.of_uv], *[np.full(len(p.vertices), 0.9) for p in parts]]
        colours, texture = (np.concatenate([getattr(p, key) for p in shown]) for key in ('colours', 'texture'))
        at_vertices = np.concatenate([points, normals, colours, texture, np.concatenate(seen)[:, None]], 1)
        at = np.ascontiguousarray(fragments.interpolate(at_vertices.astype(np.float32), faces).T)
        position, normal, colour, texture, open_sky = at[:3], at[3:6], at[6:9], at[9:11], at[11]
        normal /= np.sqrt(np.maximum(dot(normal, normal), 1e-12))
        kind = kind_of_face[fragments.faces]
        is_hand = kind == HAND
        self._paint(colour, texture, kind, detail, patterns or {})

        mesh = np.concatenate([vertices, *[p.vertices for p in parts]])
        offsets = np.cumsum([len(vertices)] + [len(p.vertices) for p in parts])
        solid = np.concatenate([model.faces, *[p.faces + s for p, s in zip(parts, offsets)]])
        shadows = [shadow_lookup(mesh, solid, light, position, shadow_size) if light.shadow else None for light in lights]
        lit = shade(position, normal, srgb_to_linear(colour), kind <= FOREARM, open_sky, lights, sky, shadows, gloss, roughness)
        linear, covered = blend(background, lit, fragments, size, factor)
        mask = np.zeros(size[0] * size[1], np.float32)
        mask[fragments.pixels[is_hand]] = 1
        mask = cv2.resize(mask.reshape(size[1], size[0]), (width, height), interpolation=cv2.INTER_AREA)
        return Picture(linear, mask, covered)

    def _paint(
        self, colour: np.ndarray, at: np.ndarray, kind: np.ndarray, detail: np.ndarray | None, patterns: dict[int, np.ndarray],
    ) -> None:
        """Texture and patterns into the pixels' colours (3, P), in place; `at` (2, P) in pixels of the texture."""
        if self.texture is not None:
            rows = np.flatnonzero(kind == HAND)
            texture = self.texture if detail is None else detail
            found = look_up(texture, at[0, rows], at[1, rows])
            for k in range(3):
                colour[k, rows] += found[:, k] * np.float32(1 / 255)
        for which, pattern in patterns.items():
            rows = np.flatnonzero(kind == which)
            if len(rows):
                colour[:, rows] *= look_up(pattern, at[0, rows], at[1, rows], cv2.BORDER_REFLECT).T

    def _openness(self, vertices: np.ndarray, normals: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """(N,) sky seen by the hand's vertices past its own fingers and palm."""
        ends = joints[self.model_order()]
        scale = np.linalg.norm(joints[9] - joints[0]) / 0.09
        spheres, owners = [], []
        for joint in range(1, 16):
            a = ends[joint]
            b = ends[joint + 1] if joint % 3 else joints[4 * (joint // 3)]
            for t in (0.15, 0.55, 0.95):
                spheres.append((*((1 - t) * a + t * b), 0.0085 * scale))
                owners.append(joint)
        for finger in range(1, 5):
            base = ends[1 + 3 * finger]
            for t in (0.35, 0.75):
                spheres.append((*(joints[0] + t * (base - joints[0])), 0.014 * scale))
                owners.append(0)
        own_finger = np.where(self.model.skin_weights.argmax(1) == 0, 0, (self.model.skin_weights.argmax(1) + 2) // 3)
        owner_finger = np.array([0 if j == 0 else (j + 2) // 3 for j in owners])
        own = own_finger[:, None] == owner_finger
        own |= (own_finger == 1)[:, None] & (owner_finger == 0) | (own_finger == 0)[:, None] & (np.isin(owners, (1,)))
        near_base = np.isin(self.model.skin_weights.argmax(1), (4, 7, 10, 13))[:, None] & np.isin(owners, (0, 4, 7, 10, 13))
        return openness(vertices, normals, np.array(spheres), own | near_base)

    @staticmethod
    def model_order() -> np.ndarray:
        """(16,) where the model's 16 joints are among the 21 points."""
        return np.array([0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19])
