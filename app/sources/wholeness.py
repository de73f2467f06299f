"""Whether the end of a video file is missing. Readers do not say: they give the frames that are there and stop."""
from __future__ import annotations

import struct
from pathlib import Path

from app.sources.mp4_boxes import mp4_boxes

MATROSKA = b'\x1a\x45\xdf\xa3'
SEGMENT = b'\x18\x53\x80\x67'


def ends_early(path: Path) -> bool:
    """True when the file is shorter than it says itself: MP4 and MOV, Matroska and WebM, AVI. Others, and streams, do not say.

    Raises OSError when the file cannot be read.
    """
    with path.open('rb') as file:
        head = file.read(4096)
    size = path.stat().st_size
    if head[:4] == MATROSKA:
        return _matroska_end(head) > size
    if head[:4] == b'RIFF' and len(head) >= 12:
        return struct.unpack('<I', head[4:8])[0] + 8 > size
    boxes = mp4_boxes(path)
    return boxes is not None and not boxes.whole


def _matroska_end(head: bytes) -> int:
    """Where the segment of a Matroska file ends, 0 if it does not say (RFC 8794, section 4: sizes of variable length)."""
    length, width = _variable(head, 4)
    position = 4 + width + (length or 0)
    if head[position:position + 4] != SEGMENT:
        return 0
    length, width = _variable(head, position + 4)
    return 0 if length is None else position + 4 + width + length


def _variable(data: bytes, position: int) -> tuple[int | None, int]:
    """A number whose leading zero bits tell its width in bytes: (number or None for 'unknown', width)."""
    first = data[position] if position < len(data) else 0
    width = 9 - first.bit_length()
    bits = 7 * width
    value = int.from_bytes(data[position:position + width], 'big') & ((1 << bits) - 1)
    return (None if value == (1 << bits) - 1 or width > 8 else value), width
