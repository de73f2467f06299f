"""The text of an OBJ file: one hand, with a colour behind each vertex, or with a texture.

Axes are turned from the camera's (x right, y down, z forward) to x right, y up, z towards the viewer: (x, -y, -z), a half turn about x,
so that Blender, Unity and the like show the hand upright. Metres. Left hands have their faces wound the other way, so that normals
point out. Colours stand behind each vertex (`v x y z r g b`, sRGB 0..1); with a texture there are texture coordinates instead.
"""
from __future__ import annotations

import numpy as np

from app.mirror import mirror_faces
from app.types import Hand, Side

TO_VIEWER = np.array([1.0, -1.0, -1.0])  # camera axes -> y up, z towards the viewer
LEVELS = np.array([f'{value / 255:.3f}' for value in range(256)], dtype=object)  # the text of a colour value


class ObjText:
    """Writes hands of one topology; what is the same in every file is made once."""

    def __init__(self, faces: np.ndarray, uv: np.ndarray | None = None, uv_faces: np.ndarray | None = None):
        """`faces` (F, 3) of a right hand; for a texture also `uv` (T, 2), origin bottom-left, and `uv_faces` (F, 3)."""
        if (uv is None) != (uv_faces is None):
            raise ValueError('a texture needs uv and uv_faces')
        self._textured = uv is not None
        self._vertex_lines = ''
        self._places = ''.join('vt %.6f %.6f\n' % tuple(point) for point in uv.tolist()) if self._textured else ''
        self._faces: dict[Side, str] = {
            'right': _face_lines(faces, uv_faces),
            'left': _face_lines(mirror_faces(faces), None if uv_faces is None else mirror_faces(uv_faces))}

    def __call__(self, hand: Hand, library: str = 'hand.mtl', material: str = 'hand', name: str = 'hand') -> bytes:
        """The whole file; with a texture it names a file of materials (`library`) and the one of the hand. `name`: the object's, without
        spaces."""
        head = '# metres; x right, y up, z towards the viewer\n' + (f'mtllib {library}\n' if self._textured else '') + f'o {name}\n'
        use = f'usemtl {material}\n' if self._textured else ''
        return (head + self._vertices(hand) + self._places + use + 's 1\n' + self._faces[hand.side]).encode('ascii')

    def _vertices(self, hand: Hand) -> str:
        """All vertices in one go: a single % of a long pattern takes a third of the time of a line each."""
        places = (hand.vertices * TO_VIEWER).astype(float)
        line = 'v %.6f %.6f %.6f\n' if self._textured else 'v %.6f %.6f %.6f %s %s %s\n'
        if len(self._vertex_lines) != len(line) * len(places):
            self._vertex_lines = line * len(places)
        values = places if self._textured else np.concatenate([places.astype(object), LEVELS[hand.colours]], axis=1)
        return self._vertex_lines % tuple(values.ravel().tolist())


def material(name: str, picture: str) -> str:
    """What a file of materials says of one: the colours of a picture beside it, without gloss."""
    return f'newmtl {name}\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {picture}\n'


def _face_lines(faces: np.ndarray, uv_faces: np.ndarray | None) -> str:
    """OBJ counts from 1."""
    if uv_faces is None:
        return ''.join('f %d %d %d\n' % tuple(face) for face in (faces + 1).tolist())
    corners = np.stack([faces, uv_faces], -1).reshape(-1, 6) + 1
    return ''.join('f %d/%d %d/%d %d/%d\n' % tuple(corner) for corner in corners.tolist())
