"""The container of a binary glTF 2.0 file: arrays into one buffer, the description as JSON before it.

Written by hand because it is this short; a library would bring three packages for it. Source: glTF 2.0 specification, sections 3.6 and 4.4.
"""
from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

COMPONENTS = {np.dtype('u1'): 5121, np.dtype('u2'): 5123, np.dtype('u4'): 5125, np.dtype('f4'): 5126}
KINDS = {(): 'SCALAR', (2,): 'VEC2', (3,): 'VEC3', (4,): 'VEC4', (4, 4): 'MAT4'}
VERTICES, INDICES = 34962, 34963  # what a buffer view is for, where it is for a mesh


class Glb:
    """Collects arrays and describes them; `document` takes the rest of the JSON (nodes, meshes, ...)."""

    def __init__(self, generator: str):
        self.document: dict[str, Any] = {'asset': {'version': '2.0', 'generator': generator}, 'bufferViews': [], 'accessors': []}
        self._data = bytearray()

    def add(self, array: np.ndarray, target: int | None = None, limits: bool = False, normalized: bool = False) -> int:
        """Store an array (count, ...) and return the number of its accessor. MAT4 items are given as matrices, row by row.

        `target`: VERTICES or INDICES. `limits`: write its least and greatest values, which positions and key times must have.
        `normalized`: whole numbers that stand for 0..1.
        """
        array = np.ascontiguousarray(array)
        kind = KINDS[array.shape[1:]]
        accessor = {'bufferView': len(self.document['bufferViews']), 'componentType': COMPONENTS[array.dtype],
                    'count': len(array), 'type': kind}
        if normalized:
            accessor['normalized'] = True
        if limits:
            accessor['min'], accessor['max'] = np.atleast_1d(array.min(0)).tolist(), np.atleast_1d(array.max(0)).tolist()
        if kind == 'MAT4':
            array = np.ascontiguousarray(array.swapaxes(1, 2))  # glTF stores columns
        view = {'buffer': 0, 'byteOffset': len(self._data), 'byteLength': array.nbytes}
        if target:
            view['target'] = target
        self._data += array.tobytes()
        self._data += bytes(-len(self._data) % 4)
        self.document['bufferViews'].append(view)
        self.document['accessors'].append(accessor)
        return len(self.document['accessors']) - 1

    def attach(self, data: bytes) -> int:
        """Store a file, as a picture, and return the number of its buffer view."""
        self.document['bufferViews'].append({'buffer': 0, 'byteOffset': len(self._data), 'byteLength': len(data)})
        self._data += data
        self._data += bytes(-len(self._data) % 4)
        return len(self.document['bufferViews']) - 1

    def to_bytes(self) -> bytes:
        """The whole file."""
        document = {**self.document, 'buffers': [{'byteLength': len(self._data)}]}
        text = json.dumps(document, separators=(',', ':'), allow_nan=False).encode()
        text += b' ' * (-len(text) % 4)
        header = struct.pack('<4sII', b'glTF', 2, 12 + 8 + len(text) + 8 + len(self._data))
        return header + struct.pack('<I4s', len(text), b'JSON') + text + struct.pack('<I4s', len(self._data), b'BIN\0') + bytes(self._data)
