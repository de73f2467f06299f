"""Contact sheets of clips: frames evenly spread, and what the program drew on them."""
from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from app.hand_model import HandModel
from app.overlay import Overlay
from app.types import Frame, Hand, Intrinsics
from training.panels import font

MOST = 12  # frames of a clip
HEIGHT = 240  # pixels of a picture
STYLES = 'textured', 'skeleton'
COLUMNS = 2  # frames beside each other
GAP, HEAD = 4, 34
PAPER, INK = 250, (25, 25, 30)
UNKNOWN = 100  # frames of a clip that does not say how many


class Sheet:
    """One clip's."""

    def __init__(self, model: HandModel) -> None:
        self._overlay, self._rows, self._seen = Overlay(model), [], 0

    def add(self, frame: Frame, hands: Sequence[Hand], camera: Intrinsics, frames: int | None) -> None:
        """Show the next frame of `frames` with its hands, if its turn has come."""
        turn = self._seen % max(1, (frames or UNKNOWN) // MOST) == 0
        self._seen += 1
        if turn and len(self._rows) < MOST:
            drawn = [self._overlay.draw(frame.image, list(hands), camera, style) for style in STYLES]
            self._rows.append(np.hstack([small(picture) for picture in (frame.image, *drawn)]))

    def page(self) -> np.ndarray:
        """(H, W, 3) uint8: the frames in rows."""
        rows = [*self._rows, *[np.full_like(self._rows[0], PAPER)] * (-len(self._rows) % COLUMNS)] if self._rows else []
        if not rows:
            return np.full((HEIGHT, HEIGHT, 3), PAPER, np.uint8)
        bands = [np.hstack([_edged(picture) for picture in rows[i:i + COLUMNS]]) for i in range(0, len(rows), COLUMNS)]
        return np.vstack(bands)


def small(image: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) at the sheet's height."""
    return cv2.resize(image, (round(image.shape[1] * HEIGHT / image.shape[0]), HEIGHT), interpolation=cv2.INTER_AREA)


def _edged(picture: np.ndarray) -> np.ndarray:
    return np.pad(picture, ((0, GAP), (0, GAP), (0, 0)), constant_values=PAPER)


def pages(sheets: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Sheets with their clips' names under each other, as wide as the widest."""
    width = max(sheet.shape[1] for _, sheet in sheets)
    parts = []
    for name, sheet in sheets:
        head = Image.new('RGB', (width, HEAD), (PAPER,) * 3)
        ImageDraw.Draw(head).text((10, HEAD / 2), name, INK, font(19), anchor='lm')
        parts += [np.asarray(head), np.pad(sheet, ((0, 0), (0, width - sheet.shape[1]), (0, 0)), constant_values=PAPER)]
    return np.concatenate(parts)
