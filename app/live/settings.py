"""What a person can change while the live pipeline runs."""
from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from app.regression import Provider
from app.types import DEFAULT_FIELD_OF_VIEW

LiveStyle = Literal['textured', 'shaded', 'wireframe', 'skeleton', 'off']  # as in `app/overlay.py`


@dataclass(frozen=True)
class ViewSettings:
    """The 3D view beside the picture: a camera on a sphere around the hands."""

    width: int = 480  # pixels; 0: the view is not drawn
    height: int = 480
    azimuth: float = 0.0  # degrees, turned about the vertical axis; 0 as the real camera sees it
    elevation: float = 0.0  # degrees, from below (-) or above (+)
    zoom: float = 1.0  # of the hands' size in the view
    shift_x: float = 0.0  # of the view's width, to the right
    shift_y: float = 0.0  # of the view's height, downwards
    dark: bool = True  # background


@dataclass(frozen=True)
class LiveSettings:
    """All of it. Frozen: a change is a new one (`dataclasses.replace`), handed to `Engine.apply`."""

    # drawing: takes effect with the next picture, also while paused
    style: LiveStyle = 'textured'
    opacity: float = 1.0  # 0..1
    mirror: bool = True  # the picture is shown as in a mirror; recordings and snapshots are not mirrored
    view: ViewSettings = ViewSettings()
    # reconstruction: takes effect with the next frame, hands and their shapes are kept
    smoothing: float = 0.5  # 0 none .. 1 strongest
    ahead: bool = True  # a frame waits for the next one, which makes hands steadier, where that one comes soon
    refine: bool = True  # fit the hand to the detected points after the network
    lock: bool = True  # one shape and one texture for a hand, once enough of it was seen
    field_of_view: float = DEFAULT_FIELD_OF_VIEW  # degrees along the longer side
    intrinsics: Path | None = None  # JSON file with the camera; goes before the field of view
    # network: takes some time; the old one runs on until the new one is ready
    weights: Path | None = None  # an exported network; None: the one that ships
    provider: Provider = 'auto'
    threads: int | None = None  # of the network; None: chosen for live running
    hands: int = 1  # 1 or 2 at once

    def same_network(self, other: LiveSettings) -> bool:
        """Whether going from one to the other needs no new network or detector."""
        return all(getattr(self, name) == getattr(other, name) for name in ('weights', 'provider', 'threads', 'hands'))

    def same_drawing(self, other: LiveSettings) -> bool:
        """Whether a picture drawn with one looks as with the other."""
        return all(getattr(self, name) == getattr(other, name) for name in ('style', 'opacity', 'mirror', 'view'))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The fields' names."""
        return tuple(f.name for f in fields(cls))
