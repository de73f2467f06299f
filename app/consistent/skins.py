"""The second pass: the views of each hand that show most of its skin, and the texture that comes of them; then the light of any frame."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from app.consistent.pieces import FILLED
from app.consistent.row_file import RowFile
from app.consistent.skin_texture import atlas_of, skin_texture, vertex_light
from app.consistent.solving import Solved
from app.consistent.views import CANDIDATES, View, chosen, cut_out, facing, worth_of
from app.hand_model import HandModel
from app.rendering.light import srgb_to_linear
from app.texture import DARKEST
from app.types import Hand, Intrinsics, Side

LEAST_BELIEF, LEAST_CONFIDENCE = 0.5, 0.6  # of a frame that a texture is made of
FEWEST_LOOKS = 3  # of a hand that gets a texture of its own, where there are others
LIGHT_RATE = 0.3  # how fast the light follows from frame to frame
FIRST_LIGHT = np.array([[0.85] * 3, [0.0] * 3, [-0.22] * 3, [-0.16] * 3])  # from above and a little from the camera


class Skins:
    """The skins of a clip's hands. Only the views of hands that are in the picture at a time are held in memory."""

    def __init__(self, model: HandModel, solved: Solved, rows: RowFile, save: Callable[[int, Side, np.ndarray], None]):
        """`rows` of the first pass; `save` gets each hand's number, side and texture (S, S, 3) uint8 as soon as it is made."""
        self._model, self._solved, self._rows, self._save = model, solved, rows, save
        self._atlas = atlas_of(model)
        self.textures = 0
        self._wanted: dict[int, list[tuple[int, float, int]]] = defaultdict(list)  # place -> hand, worth, row of the first pass
        self._left: dict[int, int] = {}  # views of a hand that are still to come
        self._views: dict[int, list[View]] = defaultdict(list)
        self._colours: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # hand -> sRGB uint8 and linear, of the vertices
        self._lights: dict[int, np.ndarray] = {}
        columns = solved.rows.columns(('hand', 'row', 'belief', 'confidence'))
        for hand in range(len(solved.sides)):
            good = (columns['row'] != FILLED) & (columns['belief'] > LEAST_BELIEF) & (columns['confidence'] > LEAST_CONFIDENCE)
            numbers = np.flatnonzero((columns['hand'] == hand) & good)
            if not len(numbers) or len(numbers) < FEWEST_LOOKS and len(solved.sides) > 1:
                self._finish(hand)
                continue
            self._choose(hand, numbers)

    def wants(self, place: int) -> bool:
        """Whether this frame (its place in the list of all) is one to be looked at."""
        return place in self._wanted

    def look(self, image: np.ndarray, place: int, intrinsics: Intrinsics, hands: list[Hand]) -> None:
        """Take in a frame that is wanted, with all its hands."""
        for number, worth, row in self._wanted.pop(place):
            hand = next(h for h in hands if h.track == number)
            cut = cut_out(image, hand.vertices, intrinsics)
            if cut is not None:
                others = [(other.vertices, other.side) for other in hands if other is not hand]
                light = self._rows.read(np.array([row]))['light'][0]
                self._views[number].append(View(*cut, hand.vertices, others, hand.confidence, worth, light))
            self._left[number] -= 1
            if not self._left[number]:
                self._finish(number)

    def lit(self, image: np.ndarray, intrinsics: Intrinsics, hand: Hand, others: list[Hand]) -> Hand:
        """The hand in its colours and in the light of a frame; frames come in order."""
        colours, albedo = self._colours[hand.track]
        before = self._lights.get(hand.track)
        cut = cut_out(image, hand.vertices, intrinsics) if hand.confidence > LEAST_CONFIDENCE else None
        light = before if before is not None else FIRST_LIGHT
        if cut is not None:
            view = View(*cut, hand.vertices, [(other.vertices, other.side) for other in others], hand.confidence, 1.0, np.zeros(11))
            now = vertex_light(self._atlas, hand.side, view, albedo, light)
            light = now if before is None else before + LIGHT_RATE * (now - before)
            self._lights[hand.track] = light
        return replace(hand, colours=colours, light=light.astype(np.float32))

    def _choose(self, hand: int, numbers: np.ndarray) -> None:
        """The views of a hand out of rows `numbers` of the solved ones."""
        side, shape = self._solved.sides[hand], self._solved.shapes[hand]
        taken = numbers[np.unique(np.linspace(0, len(numbers) - 1, min(CANDIDATES, len(numbers))).astype(int))]
        rows = self._solved.rows.read(taken)
        looks = self._rows.read(rows['row'])
        vertices = [self._model.posed(row['pose'], shape, side)[0] + row['translation'] for row in rows]
        neighbours = self._solved.rows.read(np.clip(taken + 1, 0, len(self._solved.rows) - 1))
        moved = np.linalg.norm(neighbours['translation'] - rows['translation'], axis=1) / 0.1 + _turned(neighbours['pose'], rows['pose'])
        moved = np.where((neighbours['hand'] == hand) & (neighbours['place'] == rows['place'] + 1), moved, np.median(moved))
        worth = worth_of(looks['camera'][:, 0] / rows['translation'][:, 2], moved / 2)
        for best in chosen(facing(vertices, self._atlas.topology[side]), worth):
            self._wanted[int(rows['place'][best])].append((hand, float(worth[best]), int(rows['row'][best])))
            self._left[hand] = self._left.get(hand, 0) + 1

    def _finish(self, hand: int) -> None:
        views, side = self._views.pop(hand, []), self._solved.sides[hand]
        colours = np.round(255 * self._model.albedo).astype(np.uint8)
        if views:
            made = skin_texture(self._model, side, sorted(views, key=lambda view: -view.worth))
            colours = made.colours
            self._save(hand, side, made.picture)
            self.textures += 1
        self._colours[hand] = colours, np.maximum(srgb_to_linear(colours), DARKEST)


def _turned(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Poses (n, 16, 4) -> (n,) radians between them: the wrist's turn, and the largest of the others by half."""
    turns = 2 * np.arccos(np.clip(np.abs((first.astype(float) * second).sum(-1)), 0, 1))
    return turns[:, 0] + 0.5 * turns[:, 1:].max(1)
