"""Hands drawn on the picture they were found in."""
from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Literal

import numpy as np

from app.hand_model import HandModel
from app.rendering import Mesh, Renderer, composite, device
from app.rendering.arm import arm_share
from app.rendering.light import shaded
from app.rendering.rounding import rounded
from app.rendering.skeleton import skeleton_layer
from app.rendering.studio import porcelain
from app.rendering.topology import Topology, topology_of
from app.rendering.wires import wire_mesh
from app.types import Hand, Intrinsics, Side

Style = Literal['textured', 'shaded', 'wireframe', 'skeleton', 'off']
STYLES: tuple[str, ...] = typing.get_args(Style)

_SURE, _UNSURE = 0.6, 0.2  # confidence at which a hand is drawn in full, and at which it is almost gone
_FAINTEST = 0.25
_ARM_GONE = 0.15  # share of the arm (`arm_share`) at which nothing of it is left, about 1.5 cm behind the wrist
_LARGE = 420  # pixels: the corners of a larger hand's mesh would show


class Overlay:
    """Draws hands of one model over pictures of any size. Cheap to make; OpenGL starts with the first mesh."""

    def __init__(self, model: HandModel):
        count = len(model.template)
        self._topology: dict[Side, Topology] = {
            'right': topology_of(model.faces, count), 'left': topology_of(np.ascontiguousarray(model.faces[:, ::-1]), count)}
        # (N,) opacity: the arm is rigid behind the wrist and points elsewhere when the wrist is bent, so little of it is drawn
        self._hand = np.clip(1 - arm_share(model) / _ARM_GONE, 0, 1)
        self._renderer: Renderer | None = None

    @property
    def note(self) -> str:
        """A sentence if OpenGL did not start and the processor draws the hands: why, and what to do; else ''."""
        return device.note()

    def draw(self, image: np.ndarray, hands: list[Hand], intrinsics: Intrinsics, style: Style = 'textured',
             opacity: float = 1.0, visibility: Sequence[float] | None = None) -> np.ndarray:
        """The image (H, W, 3) uint8 with the hands on it, a new array; the image stays as it is.

        Hands of low confidence are drawn fainter, and each by its `visibility` (0..1, all 1 if not given), so that they can be faded.
        Raises ValueError on an unknown style, an opacity or a visibility outside 0..1, not one visibility for each hand, or numbers
        that are not finite.
        """
        if style not in STYLES:
            raise ValueError(f'a style is one of {", ".join(STYLES)}, not {style!r}')
        if not 0 <= opacity <= 1:
            raise ValueError(f'opacity lies in 0..1, not {opacity}')
        shown = seen(hands, visibility)
        out = image.copy()
        if style == 'off' or opacity == 0 or not shown:
            return out
        size = image.shape[1], image.shape[0]
        if style == 'skeleton':
            for hand, share in sorted(shown, key=lambda pair: -pair[0].translation[2]):
                composite(out, skeleton_layer(hand.joints_2d, hand.joints_3d[:, 2], size), opacity * share)
            return out
        if self._renderer is None or (self._renderer.width, self._renderer.height) != size:
            self._renderer = Renderer(*size)
        meshes = [self._mesh(hand, share, style, size, intrinsics) for hand, share in shown]
        composite(out, self._renderer.layer(meshes, intrinsics), opacity)
        return out

    def _mesh(self, hand: Hand, share: float, style: Style, size: tuple[int, int], intrinsics: Intrinsics) -> Mesh:
        if not np.isfinite(hand.vertices).all() or not np.isfinite(hand.joints_3d).all():
            raise ValueError('the hand holds numbers that are not finite')
        topology = self._topology[hand.side]
        normals = topology.normals(hand.vertices)
        if style != 'wireframe':
            if style == 'textured':
                colours = shaded(hand.colours, normals, hand.light)
            else:
                colours = porcelain(hand.vertices, normals, hand.joints_3d, hand.side)
            mesh = Mesh(hand.vertices, topology.faces, colours, self._hand * share, curved=True)
            return rounded(mesh, normals, topology) if np.ptp(hand.joints_2d, axis=0).max() > _LARGE else mesh
        return wire_mesh(hand.vertices, normals, topology, hand.side, intrinsics, size, self._hand * share)


def seen(hands: Sequence[Hand], visibility: Sequence[float] | None = None) -> list[tuple[Hand, float]]:
    """The hands that are to be drawn at all, each with its opacity from its confidence and its visibility (0..1, all 1 if not given)."""
    if visibility is None:
        visibility = [1.0] * len(hands)
    if len(visibility) != len(hands) or not all(0 <= share <= 1 for share in visibility):
        raise ValueError(f'{len(hands)} hands need as many visibilities in 0..1, not {list(visibility)}')
    return [(hand, share * _certainty(hand)) for hand, share in zip(hands, visibility) if share > 0]


def _certainty(hand: Hand) -> float:
    """Opacity of a hand from its confidence."""
    return float(np.clip(_FAINTEST + (1 - _FAINTEST) * (hand.confidence - _UNSURE) / (_SURE - _UNSURE), _FAINTEST, 1))
