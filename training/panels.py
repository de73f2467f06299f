"""Pictures of what the network says of a crop: input, joints over it, the textured hand alone, from the side, and its bare texture.

    row = panel(crop, network(batch), 0, hand)          # the batch's first crop
    sheet = contact_sheet([row, ...], ['best, 5.1 mm', ...], 'fridge')
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from app.types import JOINT_PARENTS
from models.camera import FOCAL
from models.hand_model import HandModel
from models.renderer import lit, render
from models.s2hand import S2HandOutput

TITLES = 'input', 'joints', 'textured hand', 'seen from the side', 'texture, evenly lit'
CELL = 224  # pixels of a picture in the row
FINER = 2  # meshes are drawn this much larger and shrunk, so that their edges are smooth
GAP = 6
TURN = 75.0  # degrees about the upright axis for the second view
FILL = 0.84  # of the cell, that the hand takes there
SEEN = 0.62  # opacity of the hand under the joints
GREY, PAPER, INK, FAINT = (216, 216, 218), (250, 250, 248), (34, 36, 40), (120, 122, 128)
FINGERS = ((200, 205, 210), (238, 116, 84), (243, 190, 76), (92, 190, 110), (76, 152, 235), (186, 108, 220))  # wrist, thumb to little
CAPTION = 148  # pixels of the column of captions
HEAD = 34


def panel(image: np.ndarray, output: S2HandOutput, row: int, hand: HandModel, points: np.ndarray | None = None,
          cell: int = CELL) -> np.ndarray:
    """One row of five cells, (cell, 5 cell + 4 gaps, 3) uint8.

    image (S, S, 3) uint8 RGB: the crop; `output` of the network for a batch with it, at `row`; points (21, 2) crop pixels, true or
    detected, are drawn as rings. Runs on the CPU wherever the output lies.
    """
    def tensor(values: Tensor) -> Tensor:
        return values[row:row + 1].detach().float().cpu()

    size, faces = len(image), hand.faces.cpu()
    vertices, albedo, light = tensor(output.vertices), tensor(output.texture), tensor(output.light)
    shown = cv2.resize(image, (cell, cell), interpolation=cv2.INTER_AREA if cell < size else cv2.INTER_CUBIC)
    colours = lit(albedo, vertices, faces, light)
    plain, mask = drawn(vertices, faces, colours, cell)
    grey = np.float32(GREY)

    def over(background: np.ndarray, picture: np.ndarray, cover: np.ndarray) -> np.ndarray:
        return background * (1 - cover[..., None]) + picture * cover[..., None]

    joints = tensor(output.joints_2d)[0].numpy()
    overlay = skeleton_over(np.uint8(over(np.float32(shown), plain, SEEN * mask)), resized(joints, size, cell),
                            None if points is None else resized(points, size, cell))
    side, side_mask = drawn(turned(vertices, TURN), faces, colours, cell)
    bare, bare_mask = drawn(vertices, faces, albedo.clamp(0, 1), cell)
    cells = [shown, overlay, over(grey, plain, mask), over(grey, side, side_mask), over(grey, bare, bare_mask)]
    gap = np.full((cell, GAP, 3), PAPER, np.uint8)
    parts = [part for picture in cells for part in (np.uint8(np.clip(np.round(picture), 0, 255)), gap)]
    return np.concatenate(parts[:-1], 1)


def resized(points: np.ndarray, size: int, cell: int) -> np.ndarray:
    """Points (..., 2) of a picture `size` wide -> of the same picture resized to `cell`; pixel centres lie at integers."""
    return (points + 0.5) * (cell / size) - 0.5


def turned(vertices: Tensor, degrees: float) -> Tensor:
    """Vertices (1, N, 3) turned about the upright axis through their middle, and put before the camera so that they fill the cell."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = vertices.new_tensor([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    low, high = vertices.amin(1, keepdim=True), vertices.amax(1, keepdim=True)
    moved = (vertices - (low + high) / 2) @ turn.T
    low, high = moved.amin(1), moved.amax(1)
    moved = moved - ((low + high) / 2)[:, None]
    extent = float((high - low)[:, :2].max().clamp(min=1e-3))
    return moved + vertices.new_tensor([0, 0, FOCAL * extent / FILL + float((high - low)[0, 2]) / 2])


def drawn(vertices: Tensor, faces: Tensor, colours: Tensor, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """A mesh (1, N, 3) with colours (1, N, 3) in 0..1 in the network's camera -> picture (cell, cell, 3) in 0..255 and cover (cell, cell)
    in 0..1, smooth at the edges; the picture is the hand's own colour wherever the cover is not 0."""
    size = cell * FINER
    made = render(vertices, faces, colours, size=size, focal=FOCAL * size, soft=False)
    colour, mask = made.colour[0].permute(1, 2, 0).numpy(), made.mask[0].numpy()
    small = [cv2.resize(values, (cell, cell), interpolation=cv2.INTER_AREA) for values in (255 * colour * mask[..., None], mask)]
    return small[0] / np.maximum(small[1], 1e-6)[..., None], small[1]


def skeleton_over(image: np.ndarray, joints: np.ndarray, points: np.ndarray | None) -> np.ndarray:
    """Bones and joints (21, 2) drawn over an image (H, W, 3) uint8, a colour for each finger; points (21, 2) as white rings."""
    fine = 4  # fractional bits: lines lie where the joints do, not at whole pixels
    scale = len(image) / CELL
    out = np.ascontiguousarray(image)

    def at(point: np.ndarray) -> tuple[int, int]:
        return tuple(int(v) for v in np.round(np.clip(point, -4096, 4096) * 2 ** fine))

    def colour(joint: int) -> tuple[int, int, int]:
        return FINGERS[0 if joint == 0 else (joint - 1) // 4 + 1]

    for width, ink in ((3.4, (20, 20, 24)), (1.9, None)):  # a dark edge, so that the colours read on any skin
        for joint in range(1, 21):
            ends = at(joints[JOINT_PARENTS[joint]]), at(joints[joint])
            cv2.line(out, *ends, ink or colour(joint), max(1, round(width * scale)), cv2.LINE_AA, fine)
    for joint in range(21):
        for radius, ink in ((3.3, (20, 20, 24)), (2.5, colour(joint))):
            cv2.circle(out, at(joints[joint]), round(radius * scale * 2 ** fine), ink, -1, cv2.LINE_AA, fine)
    if points is not None:
        for point in points[np.isfinite(points).all(1)]:
            cv2.circle(out, at(point), round(4.2 * scale * 2 ** fine), (255, 255, 255), max(1, round(scale)), cv2.LINE_AA, fine)
    return out


@lru_cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own outline font."""
    return ImageFont.load_default(size)


def contact_sheet(rows: Sequence[np.ndarray], captions: Sequence[str] | None = None, title: str = '') -> np.ndarray:
    """Rows of `panel` under each other, (H, W, 3) uint8, with the cells' names above and a caption (lines parted by newlines, the first one
    strong) beside each."""
    left = CAPTION if captions else GAP
    height = max((len(row) for row in rows), default=0)
    width = left + max((row.shape[1] for row in rows), default=0) + GAP
    top = HEAD + (HEAD if title else 0)
    page = np.full((top + len(rows) * (height + GAP) + GAP, width, 3), PAPER, np.uint8)
    for i, row in enumerate(rows):
        y = top + i * (height + GAP)
        page[y:y + len(row), left:left + row.shape[1]] = row
    canvas = Image.fromarray(page)
    pen = ImageDraw.Draw(canvas)
    if title:
        pen.text((12, 9), title, INK, font(19))
    for k, name in enumerate(TITLES):
        pen.text((left + k * (height + GAP) + height / 2, top - 12), name, FAINT, font(14), anchor='mm')
    for i, caption in enumerate(captions or ()):
        for k, line in enumerate(caption.split('\n')):
            pen.text((12, top + i * (height + GAP) + 10 + 24 * k - (2 if k else 0)), line, FAINT if k else INK, font(13 if k else 17))
    return np.asarray(canvas)
