"""Whether an MP4 or MOV file is whole, told from its top-level boxes: readers do not say so when the end is missing."""
from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

FIRST_BOXES = (b'ftyp', b'moov', b'mdat', b'wide', b'free', b'skip', b'styp')

CARRIERS = (b'moov', b'mdat', b'moof')  # a file that ends inside one of these lacks pictures


@dataclass(frozen=True)
class Mp4Boxes:
    """The top-level boxes of a file (ISO 14496-12, 4.2)."""

    names: tuple[bytes, ...]
    whole: bool  # the last box ends where the file ends

    @property
    def has_index(self) -> bool:
        """Without its moov box nothing in the file can be read."""
        return b'moov' in self.names


def mp4_boxes(path: Path) -> Mp4Boxes | None:
    """The boxes of the file, or None when it is no MP4. Raises OSError."""
    size, names, position = path.stat().st_size, [], 0
    with path.open('rb') as file:
        while position < size:
            file.seek(position)
            header = file.read(16)
            if len(header) < 8:
                return Mp4Boxes(tuple(names), whole=False) if names else None
            length, name = struct.unpack('>I4s', header[:8])
            if not names and name not in FIRST_BOXES:
                return None
            if length == 1:  # a 64-bit length follows
                if len(header) < 16:
                    return Mp4Boxes((*names, name), whole=False)
                length = struct.unpack('>Q', header[8:])[0]
            elif length == 0:  # up to the end of the file
                length = size - position
            if length < 8 or (b'moov' in names and position + length > size and name not in CARRIERS):  # something appended, no box
                return Mp4Boxes(tuple(names), whole=True)
            names.append(name)
            position += length
    return Mp4Boxes(tuple(names), position == size) if names else None
