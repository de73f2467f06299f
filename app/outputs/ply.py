"""The bytes of a binary PLY file: one hand with a colour for each vertex. Axes, metres and winding as in the OBJ files."""
from __future__ import annotations

import numpy as np

from app.mirror import mirror_faces
from app.outputs.obj import TO_VIEWER
from app.types import Hand, Side

VERTEX = np.dtype([('place', '<f4', 3), ('colour', 'u1', 3)])
FACE = np.dtype([('count', 'u1'), ('corners', '<i4', 3)])


class PlyBytes:
    """Writes hands of one topology."""

    def __init__(self, faces: np.ndarray):
        """`faces` (F, 3) of a right hand."""
        self._faces: dict[Side, bytes] = {'right': _face_bytes(faces), 'left': _face_bytes(mirror_faces(faces))}
        self._count = len(faces)

    def __call__(self, hand: Hand) -> bytes:
        """The whole file."""
        vertices = np.empty(len(hand.vertices), VERTEX)
        vertices['place'] = hand.vertices * TO_VIEWER
        vertices['colour'] = hand.colours
        head = ('ply\nformat binary_little_endian 1.0\ncomment metres; x right, y up, z towards the viewer\n'
                f'element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n'
                'property uchar red\nproperty uchar green\nproperty uchar blue\n'
                f'element face {self._count}\nproperty list uchar int vertex_indices\nend_header\n')
        return head.encode('ascii') + vertices.tobytes() + self._faces[hand.side]


def _face_bytes(faces: np.ndarray) -> bytes:
    rows = np.empty(len(faces), FACE)
    rows['count'], rows['corners'] = 3, faces
    return rows.tobytes()
