"""One picture from a file of any usual kind, upright, as RGB."""
from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import AvifImagePlugin, Image, ImageFile, ImageOps, Jpeg2KImagePlugin, TiffImagePlugin, WebPImagePlugin

from app.errors import InputError
from app.sources.source import Selection, Source
from app.types import Frame

SUFFIXES = ('.jpg', '.jpeg', '.jpe', '.mpo', '.png', '.webp', '.tif', '.tiff', '.bmp', '.ppm', '.pgm', '.pnm', '.jp2', '.avif')
PLUGINS = (AvifImagePlugin, Jpeg2KImagePlugin, TiffImagePlugin, WebPImagePlugin)  # those that Pillow loads only when asked for any format
FORMATS = ('JPEG', 'PNG', 'BMP', 'PPM', 'AVIF', 'JPEG2000', 'TIFF', 'WEBP')  # those told by their first bytes
LARGEST = 250_000_000  # pixels; more is a mistake or an attack and would fill the memory
Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit prints a warning first; LARGEST takes its place
PAPER = (255, 255, 255)  # what shows through where a picture is transparent, as in most viewers


def is_picture(path: Path) -> bool:
    """Whether the file's first bytes are a picture's, whatever its name says. Raises OSError when it cannot be read."""
    path.open('rb').close()  # Pillow's own error for this is the same as for a file of another kind
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except (OSError, ValueError, SyntaxError):
        return False


def picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height in pixels of the upright picture, read from its header alone; None when it is no picture."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            return picture.size[::-1] if turned else picture.size
    except (OSError, ValueError, SyntaxError):
        return None


def read_picture(path: Path) -> tuple[np.ndarray, str | None]:
    """The picture (H, W, 3) uint8 RGB, turned as its EXIF data say, and a sentence when only a part of it could be read.

    Grey, 16-bit, palette, CMYK and transparent pictures become plain RGB; transparent parts become white.
    Raises InputError when it is no picture or cannot be read.
    """
    try:
        path.open('rb').close()
    except OSError as error:
        raise InputError(f'{path} cannot be read ({error.strerror}).') from error
    try:
        return _read(path), None
    except (OSError, ValueError, SyntaxError) as error:
        problem = error
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        return _read(path), f'{path.name} is cut or damaged: what could not be read of it is blank'
    except (OSError, ValueError, SyntaxError):
        raise InputError(f'{path.name} is not a picture that can be read; save it as JPEG or PNG.') from problem
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _read(path: Path) -> np.ndarray:
    with Image.open(path, formats=FORMATS) as picture:
        if picture.width * picture.height > LARGEST:
            raise InputError(f'{path.name} has {picture.width} x {picture.height} pixels, which is too much; make it smaller first.')
        picture.load()
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith('I') or picture.mode == 'F':
            return np.repeat(_eight_bits(np.asarray(picture))[:, :, None], 3, axis=2)
        if picture.mode in ('RGBA', 'LA', 'PA', 'La', 'RGBa') or 'transparency' in picture.info:
            picture = picture.convert('RGBA')
            paper = Image.new('RGBA', picture.size, (*PAPER, 255))
            picture = Image.alpha_composite(paper, picture)
        return np.array(picture.convert('RGB'))  # a copy: the caller may write into it


def _eight_bits(grey: np.ndarray) -> np.ndarray:
    """Grey (H, W) of more than 8 bits -> uint8. Cameras put 10- or 12-bit pictures into 16-bit files: those fill the range they have."""
    if grey.dtype.kind == 'f':
        top = 1.0 if np.nanmax(grey, initial=0) <= 1 else 255.0 if np.nanmax(grey) <= 255 else 65535.0
        return (np.clip(np.nan_to_num(grey), 0, top) * (255 / top)).round().astype(np.uint8)
    top = int(grey.max(initial=0))
    bits = next(bits for bits in (8, 10, 12, 16, 32) if top < 2 ** bits)
    return (grey.clip(0) >> (bits - 8)).astype(np.uint8)


class PictureSource(Source):
    """A single picture: one frame at time 0. Raises InputError as `read_picture`."""

    kind = 'picture'

    def __init__(self, path: Path, selection: Selection = Selection()):
        selection.check(1, path.name)
        self.path = path
        self._image, warning = read_picture(path)
        height, width = self._image.shape[:2]
        super().__init__(path.name, width, height, None, 1, 'image')
        if warning:
            self.warnings.append(warning)

    def __iter__(self) -> Iterator[Frame]:
        yield Frame(self._image, 0, 0.0, time.monotonic(), self.path.name)
