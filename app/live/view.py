"""The 3D view: the reconstructed hands in a small studio, seen from where a person turns the camera with the mouse."""
from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from app.hand_model import HandModel
from app.live.settings import LiveStyle, ViewSettings
from app.overlay import seen
from app.rendering import Mesh, Renderer, composite
from app.rendering.backdrop import room
from app.rendering.closing import closed
from app.rendering.light import srgb_to_linear
from app.rendering.rounding import rounded
from app.rendering.skeleton import skeleton_layer
from app.rendering.stage import Shot, Stage
from app.rendering.studio import porcelain, studio_lit
from app.rendering.topology import Topology, topology_of
from app.rendering.wires import wire_mesh
from app.types import Hand, Side

ELEVATION, ZOOM, SHIFT = 85.0, (0.3, 4.0), 1.0  # limits: degrees, factor, widths and heights of the view
_TURN = 0.45  # degrees for each pixel that the mouse moves
_SKIN_LIGHT, _SKIN_GLOSS = 1.7, 0.05  # skin is darker and duller than porcelain
_LARGE = 420  # pixels: the corners of a larger hand's mesh would show


def turned(view: ViewSettings, dx: float, dy: float) -> ViewSettings:
    """The view after the mouse dragged by dx, dy screen pixels (right, down): the near side of the hands goes with the mouse."""
    azimuth = (view.azimuth + _TURN * dx + 180) % 360 - 180
    return replace(view, azimuth=azimuth, elevation=float(np.clip(view.elevation + _TURN * dy, -ELEVATION, ELEVATION)))


def zoomed(view: ViewSettings, factor: float) -> ViewSettings:
    """The view with hands `factor` times as large."""
    return replace(view, zoom=float(np.clip(view.zoom * factor, *ZOOM)))


def shifted(view: ViewSettings, dx: float, dy: float) -> ViewSettings:
    """The view after the mouse dragged the hands by dx, dy (right, down) in widths and heights of the view as it is shown."""
    x, y = (float(np.clip(at + by, -SHIFT, SHIFT)) for at, by in ((view.shift_x, dx), (view.shift_y, dy)))
    return replace(view, shift_x=x, shift_y=y)


def reset(view: ViewSettings) -> ViewSettings:
    """The view from where the real camera stands; size and ground stay."""
    start = ViewSettings()
    return replace(view, azimuth=start.azimuth, elevation=start.elevation, zoom=start.zoom, shift_x=start.shift_x, shift_y=start.shift_y)


class HandsView:
    """Draws the view. Remembers where the hands were lately, so it belongs to one source at a time (`reset` before another)."""

    def __init__(self, model: HandModel):
        count = len(model.template)
        faces = closed(model.faces, count)
        self._topology: dict[Side, Topology] = {
            'right': topology_of(faces, count), 'left': topology_of(np.ascontiguousarray(faces[:, ::-1]), count)}
        self._stage = Stage(0.72 * float(np.ptp(model.template, axis=0).max()))
        self._renderer: Renderer | None = None

    def reset(self) -> None:
        """Forget where the hands were."""
        self._stage.reset()

    def draw(self, hands: Sequence[Hand], visibility: Sequence[float] | None = None, view: ViewSettings = ViewSettings(),
             style: LiveStyle = 'textured', mirror: bool = False, time: float | None = None) -> np.ndarray:
        """A new picture (view.height, view.width, 3) uint8 RGB.

        Style 'off' is about the overlay: here hands are textured then. `mirror`: the view goes with a mirrored picture, so it is a mirror
        image too, and turns the way the mouse goes. `time` in seconds, when the frame was captured (`Frame.captured`): the stage follows
        the hands with it, and rests while it does; now, if not given. Raises ValueError on a view without pixels or numbers not finite.
        """
        if view.width < 1 or view.height < 1:
            raise ValueError(f'a view of {view.width} x {view.height} pixels cannot be drawn')
        shown = seen(hands, visibility)
        if any(not (np.isfinite(h.vertices).all() and np.isfinite(h.joints_3d).all()) for h, _ in shown):
            raise ValueError('the hand holds numbers that are not finite')
        self._stage.follow([_ball(hand) for hand, _ in shown], [share for _, share in shown], clock.monotonic() if time is None else time)
        side = -1 if mirror else 1
        size = view.width, view.height
        shot = self._stage.shot(size, side * view.azimuth, view.elevation, view.zoom, (side * view.shift_x, view.shift_y))
        picture = room(size, view.dark, shot, [(hand.vertices, share) for hand, share in shown])
        if style == 'skeleton':
            for hand, share in sorted(shown, key=lambda pair: -float(shot.seen(pair[0].joints_3d)[:, 2].mean())):
                joints = shot.seen(hand.joints_3d)
                composite(picture, skeleton_layer(shot.camera.project(joints), joints[:, 2], size), share)
        elif shown:
            if self._renderer is None or (self._renderer.width, self._renderer.height) != size:
                self._renderer = Renderer(*size)
            composite(picture, self._renderer.layer([self._mesh(hand, share, style, shot, size) for hand, share in shown], shot.camera))
        return cv2.flip(picture, 1) if mirror else picture

    def _mesh(self, hand: Hand, share: float, style: LiveStyle, shot: Shot, size: tuple[int, int]) -> Mesh:
        """The hand in the view's frame, lit from the view's side wherever that is, so that it is never seen from its dark side."""
        topology = self._topology[hand.side]
        vertices, joints = shot.seen(hand.vertices), shot.seen(hand.joints_3d)
        normals = topology.normals(vertices)
        if style == 'wireframe':
            return wire_mesh(vertices, normals, topology, hand.side, shot.camera, size, share)
        if style == 'shaded':
            colours = porcelain(vertices, normals, joints, hand.side)
        else:
            colours = studio_lit(vertices, normals, joints, srgb_to_linear(hand.colours) * _SKIN_LIGHT, _SKIN_GLOSS)
        mesh = Mesh(vertices, topology.faces, colours, share, curved=True)
        pixels = shot.camera.fx * float(np.ptp(joints, axis=0).max()) / shot.distance
        return rounded(mesh, normals, topology) if pixels > _LARGE else mesh


def _ball(hand: Hand) -> tuple[np.ndarray, float]:
    """A ball around the hand: centre (3,) and radius in metres."""
    columns = np.ascontiguousarray(hand.vertices.T)  # what numpy looks through fastest
    centre = 0.5 * (columns.min(1) + columns.max(1))
    off = columns - centre[:, None]
    return centre, float(np.sqrt(np.einsum('an,an->n', off, off).max()))
