"""Small clips and pictures for the tests, made on the spot. In each frame of a clip its number can be read back from its grey."""
from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

TICKS = 90_000


def numbered(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A frame (height, width, 3) uint8 whose grey tells `number` (below 60); its top-left quarter is red, its top-right one green."""
    image = np.full((height, width, 3), 16 + 4 * number, np.uint8)
    image[:height // 4, :width // 4] = 255, 0, 0
    image[:height // 4, -(width // 4):] = 0, 255, 0
    return image


def number_of(image: np.ndarray) -> int:
    """What `numbered` wrote, from the middle of the picture."""
    height, width = image.shape[:2]
    return round((float(image[height // 2 - 2:height // 2 + 2, width // 2 - 2:width // 2 + 2].mean()) - 16) / 4)


def write_clip(path: Path, count: int = 20, times: list[float] | None = None, size: tuple[int, int] = (64, 48), rotation: int = 0,
               fps: int = 30, codec: str = 'libx264', options: dict[str, str] | None = None, images: list[np.ndarray] | None = None,
               pixel_ratio: Fraction | None = None) -> Path:
    """A clip of `numbered` frames (or `images`), evenly spaced or at `times` in seconds, of the kind that the name's ending says."""
    with av.open(f'file:{path}', 'w', options=options or {}) as container:
        stream = container.add_stream(codec, rate=fps, options={'crf': '1', 'g': '10', 'bf': '0'} if codec == 'libx264' else {})
        stream.width, stream.height, stream.pix_fmt = *size, 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
        base = Fraction(1, fps) if times is None else Fraction(1, TICKS)
        stream.codec_context.time_base = base
        if codec != 'libx264':
            stream.codec_context.bit_rate = 10_000_000
        if pixel_ratio:
            stream.codec_context.sample_aspect_ratio = pixel_ratio
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(images[number] if images else numbered(number, *size), format='rgb24')
            frame.pts, frame.time_base = (number if times is None else round(times[number] * TICKS)), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cut(path: Path, share: float, name: str) -> Path:
    """A copy of the file that ends after `share` of its bytes."""
    data = path.read_bytes()
    target = path.with_name(name)
    target.write_bytes(data[:int(len(data) * share)])
    return target
