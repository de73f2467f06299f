"""A picture file."""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from app.outputs.atomic import whole_file


def write_picture(path: Path, image: np.ndarray, quality: int = 92) -> None:
    """Write an image (H, W, 3) uint8 RGB as JPEG, PNG or whatever the name's ending says; whole or not at all.

    Raises InputError when the disk refuses, ValueError for another kind of array or an unknown ending.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f'an image is (H, W, 3) uint8, not {image.shape} {image.dtype}')
    suffix = path.suffix.lower()
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix in ('.jpg', '.jpeg') else []
    try:  # encode in memory: OpenCV's own writing fails on Unicode names on Windows and says nothing of a full disk
        good, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    except cv2.error as error:
        raise ValueError(f'{path.name} has no ending of a picture') from error
    if not good:
        raise ValueError(f'{path.name} could not be encoded')
    with whole_file(path) as file:
        file.write(data.tobytes())
