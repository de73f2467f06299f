"""`meshes/000123_right.obj`: one OBJ or PLY file per hand and frame, always with the same vertices and faces in the same order.

Axes and units stand in `obj.py`. With textures each track has one picture, of its last colours: `hand_0_right.png`, and `hands.mtl`.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np

from app.hand_model import HandModel
from app.outputs.atomic import whole_file
from app.outputs.obj import ObjText, material
from app.outputs.picture import write_picture
from app.outputs.ply import PlyBytes
from app.outputs.texture_files import TextureFiles, TexturesBeside
from app.outputs.whole_folder import WholeFolder
from app.types import Frame, Hand

LIBRARY = 'hands.mtl'


class MeshWriter:
    """Writes the folder of meshes. A context manager: the folder gets its name when it is left well and replaces an older one;
    when left by an error nothing stays. A run without a hand makes no folder. Raises InputError where the disk refuses; what was
    written before can still be finished."""

    def __init__(self, folder: Path, faces: np.ndarray, kind: Literal['obj', 'ply'] = 'obj', atlas: HandModel | None = None,
                 part: Path | None = None, textures: TextureFiles | TexturesBeside | None = None):
        """`faces` (F, 3) of a right hand. With `atlas`, the hands' model, OBJ files get a texture instead of coloured vertices: one of
        `textures`, and for a track that has none there a picture of its colours. `part`: another name for the folder while it is filled."""
        if kind not in ('obj', 'ply') or atlas is not None and kind != 'obj':
            raise ValueError('meshes are OBJ, with or without textures, or PLY')
        self.folder, self.kind = folder, kind
        self.files = self.bytes = 0
        self._atlas = atlas
        self._textures = textures
        self._colours: dict[str, Hand] = {}  # the last hand of each material
        self._text = ObjText(faces, *(() if atlas is None else (atlas.uv, atlas.uv_faces))) if kind == 'obj' else PlyBytes(faces)
        self._open = True
        self._whole = WholeFolder(folder, part)
        self._part = self._whole.part

    def write(self, frame: Frame, hands: Iterable[Hand]) -> None:
        """One file for each hand of the frame; its name has the track too where the frame has several hands of one side."""
        hands = list(hands)
        sides = Counter(hand.side for hand in hands)
        for hand in hands:
            name = f'{frame.index:06d}_{hand.side}' + (f'_{hand.track}' if sides[hand.side] > 1 else '')
            if self.kind == 'ply':
                data = self._text(hand)
            else:  # viewers show the object's name, and a whole clip may be loaded at once
                skin = f'hand_{hand.track}_{hand.side}'
                if self._atlas is not None:
                    self._colours[skin] = hand
                data = self._text(hand, LIBRARY, skin, name)
            with whole_file(self._part / f'{name}.{self.kind}', self.folder) as file:
                file.write(data)
            self.files += 1
            self.bytes += len(data)

    def finish(self) -> None:
        """Give the folder its name, in the place of an older one. Closing again does nothing."""
        if not self._open:
            return
        self._open = False
        try:
            if self.files:
                self._write_textures()
                self._whole.publish()
        finally:
            self._whole.remove()

    def discard(self) -> None:
        """Leave nothing. Closing again does nothing."""
        if self._open:
            self._open = False
            self._whole.remove()

    def __enter__(self) -> MeshWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.finish() if kind is None else self.discard()

    def _write_textures(self) -> None:
        if self._atlas is None:
            return
        from app.outputs.texture_map import texture_map  # loads scipy, which only textures need

        for name, hand in self._colours.items():
            made = self._textures.png(hand.track, hand.side) if self._textures else None
            if made is None:
                write_picture(self._part / f'{name}.png', texture_map(self._atlas).bake(hand.colours))
            else:
                with whole_file(self._part / f'{name}.png', self.folder) as file:
                    file.write(made)
        with whole_file(self._part / LIBRARY, self.folder) as file:
            file.write(''.join(material(name, f'{name}.png') for name in self._colours).encode('ascii'))
