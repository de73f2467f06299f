"""What is left of an MP4 that was written in fragments and cut off: the whole fragments, which play."""
from __future__ import annotations

import struct
from pathlib import Path


def keep_whole_fragments(path: Path) -> bool:
    """Cut away what comes after the last whole fragment of the file; needs no free space. Raises OSError.

    True: the file holds pictures and plays. False: there is not one whole fragment in it, and it stays as it is. A file that is
    no longer in fragments (it was finished) stays as it is, too.
    """
    size, position, end, index = path.stat().st_size, 0, 0, False
    last = b''
    with path.open('r+b') as file:
        while position + 8 <= size:
            file.seek(position)
            header = file.read(16)
            length, name = struct.unpack('>I4s', header[:8])
            if length == 1 and len(header) == 16:
                length = struct.unpack('>Q', header[8:])[0]
            if length < 8 or position + length > size:
                break
            position += length
            if name == b'mdat' and not index:
                return _finished(file, position, size)
            index |= name == b'moov'
            if name == b'mdat' and last in (b'moov', b'moof'):  # the first second has no moof
                end = position
            last = name
        if end:
            file.truncate(end)
    return end > 0


def _finished(file, position: int, size: int) -> bool:
    """Whether all pictures lie in one block with a whole index behind it."""
    file.seek(position)
    header = file.read(8)
    if len(header) < 8:
        return False
    length, name = struct.unpack('>I4s', header)
    return name == b'moov' and position + length <= size
