"""`meshes/000123_right.obj`: one OBJ file per hand and frame, always with the same vertices and faces in the same order.

Axes are turned from the camera's (x right, y down, z forward) to x right, y up, z towards the viewer: (x, -y, -z), a half turn about x,
so that Blender, Unity and the like show the hand upright. Metres. Left hands have their faces wound the other way, so that normals
point out. Colours stand behind each vertex (`v x y z r g b`, sRGB 0..1); with a texture there are texture coordinates instead, and
`hand.mtl` and `hand.png` beside the meshes.
"""
from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import numpy as np

from app.mirror import mirror_faces
from app.outputs.atomic import one_sentence, temporary_name, whole_file
from app.types import Frame, Hand

TO_VIEWER = np.array([1.0, -1.0, -1.0])  # camera axes -> y up, z towards the viewer
LEVELS = np.array([f'{value / 255:.3f}' for value in range(256)], dtype=object)  # the text of a colour value
MATERIAL = 'newmtl hand\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd hand.png\n'


class MeshWriter:
    """Writes the folder of meshes. A context manager: the folder gets its name when it is left well and replaces an older one;
    when left by an error nothing stays. A run without a hand makes no folder. Raises InputError where the disk refuses; what was
    written before can still be finished."""

    def __init__(self, folder: Path, faces: np.ndarray, uv: np.ndarray | None = None, uv_faces: np.ndarray | None = None,
                 texture: Path | None = None):
        """`faces` (F, 3) of a right hand; with `texture`, a PNG file, also `uv` (T, 2), origin bottom-left, and `uv_faces` (F, 3)."""
        if texture is not None and (uv is None or uv_faces is None):
            raise ValueError('a texture needs uv and uv_faces')
        self.folder = folder
        self.files = self.bytes = 0
        self._texture = texture
        self._part = temporary_name(folder)
        self._open = True
        self._vertex_lines = ''
        corners = {'right': faces, 'left': mirror_faces(faces)}
        corners_uv = {'right': uv_faces, 'left': None if uv_faces is None else mirror_faces(uv_faces)}
        self._tails = {side: _tail(corners[side], uv, corners_uv[side]) if texture else _tail(corners[side]) for side in corners}
        self._head = '# metres; x right, y up, z towards the viewer\n' + ('mtllib hand.mtl\n' if texture else '') + 'o hand\n'
        with one_sentence(folder):
            _remove(self._part)
            self._part.mkdir()
            if texture is not None:
                shutil.copyfile(texture, self._part / 'hand.png')
                (self._part / 'hand.mtl').write_text(MATERIAL)

    def write(self, frame: Frame, hands: Iterable[Hand]) -> None:
        """One file for each hand of the frame; its name has the track too where the frame has several hands of one side."""
        hands = list(hands)
        sides = Counter(hand.side for hand in hands)
        for hand in hands:
            track = f'_{hand.track}' if sides[hand.side] > 1 else ''
            text = self._head + self._vertices(hand) + self._tails[hand.side]
            with whole_file(self._part / f'{frame.index:06d}_{hand.side}{track}.obj', self.folder) as file:
                file.write(text.encode('ascii'))
            self.files += 1
            self.bytes += len(text)

    def finish(self) -> None:
        """Give the folder its name, in the place of an older one. Closing again does nothing."""
        if not self._open:
            return
        self._open = False
        if not self.files:
            _remove(self._part)
            return
        old = self.folder.with_name(f'.{self.folder.name}.old')
        try:
            with one_sentence(self.folder):
                _remove(old)
                if self.folder.exists():
                    self.folder.replace(old)
                self._part.replace(self.folder)
        finally:
            _remove(self._part)
        _remove(old)

    def discard(self) -> None:
        """Leave nothing. Closing again does nothing."""
        if self._open:
            self._open = False
            _remove(self._part)

    def __enter__(self) -> MeshWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.finish() if kind is None else self.discard()

    def _vertices(self, hand: Hand) -> str:
        """All vertices in one go: a single % of a long pattern takes a third of the time of a line each."""
        places = (hand.vertices * TO_VIEWER).astype(float)
        line = 'v %.6f %.6f %.6f\n' if self._texture else 'v %.6f %.6f %.6f %s %s %s\n'
        if len(self._vertex_lines) != len(line) * len(places):
            self._vertex_lines = line * len(places)
        values = places if self._texture else np.concatenate([places.astype(object), LEVELS[hand.colours]], axis=1)
        return self._vertex_lines % tuple(values.ravel().tolist())


def _tail(faces: np.ndarray, uv: np.ndarray | None = None, uv_faces: np.ndarray | None = None) -> str:
    """What comes after the vertices and is the same in every file of one side. OBJ counts from 1."""
    if uv is None:
        return 's 1\n' + ''.join('f %d %d %d\n' % tuple(face) for face in (faces + 1).tolist())
    lines = ['vt %.6f %.6f\n' % tuple(point) for point in uv.tolist()] + ['usemtl hand\ns 1\n']
    corners = np.stack([faces, uv_faces], -1).reshape(-1, 6) + 1
    return ''.join(lines + ['f %d/%d %d/%d %d/%d\n' % tuple(corner) for corner in corners.tolist()])


def _remove(folder: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(folder)
