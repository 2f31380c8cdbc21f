"""Parts of large images: read from the file where its format allows it, else cut from the whole.

A TIFF of tiles or strips is read tile by tile: each becomes a small TIFF in memory, with the tags
of the large one, which the same decoder reads that would read the whole. Other formats, such as PNG
and JPEG, can only be decoded as a whole, at three bytes a pixel.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image, TiffImagePlugin

from .reading import Loader, image_of, size_of, told
from .tiff import HEIGHT, WIDTH, bands_of, tags_of

#: Tags of TIFF 6.0 and its supplements that tell how a tile is encoded.
COMPRESSION, ORIENTATION, PLANAR, OLD_JPEG = 259, 274, 284, 6
STRIP_OFFSETS, ROWS, STRIP_BYTES = 273, 278, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
ENCODING = (258, COMPRESSION, 262, 266, 277, PLANAR, 317, 320, 338, 339, 347, 530, 531, 532)
#: Bytes of decoded tiles that are kept for the next part.
KEPT = 2**28


class Regions(Protocol):
    """An image of which parts can be had."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """A part, as a loader gives a whole image: ``(height, width)`` or with channels, BGR."""


class Pixels:
    """The parts of an image that is in memory.

    >>> Pixels(np.zeros((4, 6, 3), np.uint8)).read(1, 2, 3, 4).shape
    (3, 4, 3)
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels
        self.size = (pixels.shape[0], pixels.shape[1])

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """A part."""
        return np.ascontiguousarray(self._pixels[top : top + height, left : left + width])


class TiffTiles:
    """The parts of a TIFF file of tiles or strips.

    Args:
        file: for which :func:`tiff_tiles` found tags.
        tags: those.
        decode: makes an array of the contents of an image file.
    """

    def __init__(self, file: Path, tags: Any, decode: Callable[[bytes], np.ndarray]) -> None:
        self.file, self._tags, self._decode = file, tags, decode
        self.size = (int(tags[HEIGHT]), int(tags[WIDTH]))
        if TILE_OFFSETS in tags:
            self._tile = (int(tags[TILE_HEIGHT]), int(tags[TILE_WIDTH]))
            self._places = (tags[TILE_OFFSETS], tags[TILE_BYTES])
        else:
            self._tile = (int(tags[ROWS]), self.size[1])
            self._places = (tags[STRIP_OFFSETS], tags[STRIP_BYTES])
        self._across = -(-self.size[1] // self._tile[1])
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()

    def read(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """A part.

        Raises:
            ImageError: the file is cut off or damaged there.
        """
        tall, wide = self._tile
        part: np.ndarray | None = None
        for row in range(top // tall, -(-(top + height) // tall)):
            for column in range(left // wide, -(-(left + width) // wide)):
                tile = self._decoded(row * self._across + column)
                if part is None:
                    part = np.empty((height, width, *tile.shape[2:]), tile.dtype)
                first, last = max(top, row * tall), min(top + height, (row + 1) * tall)
                begin, end = max(left, column * wide), min(left + width, (column + 1) * wide)
                part[first - top : last - top, begin - left : end - left] = tile[
                    first - row * tall : last - row * tall,
                    begin - column * wide : end - column * wide,
                ]
        assert part is not None
        return part

    def _decoded(self, number: int) -> np.ndarray:
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        with told(self.file):
            try:
                pixels = self._decode(self._as_file(number))
            except Exception as error:  # of the decoder's own kinds
                raise ValueError(error) from error
            if pixels is None:
                raise ValueError(f"tile {number} cannot be decoded")
        self._kept[number] = pixels
        while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > KEPT:
            self._kept.popitem(last=False)
        return pixels

    def _as_file(self, number: int) -> bytes:
        """A tile as a TIFF file of one strip."""
        offset, count = (int(one[number]) for one in self._places)
        with self.file.open("rb") as opened:
            opened.seek(offset)
            contents = opened.read(count)
        if len(contents) < count:
            raise ValueError("it ends before its last tile")
        height, width = self._tile
        if TILE_OFFSETS not in self._tags:
            height = min(height, self.size[0] - number * height)  # the last strip is shorter
        begin = b"II*\0" if self._tags.prefix == b"II" else b"MM\0*"
        tags: Any = TiffImagePlugin.ImageFileDirectory_v2(begin + bytes(4))
        for tag in ENCODING:
            if tag in self._tags:
                tags.tagtype[tag] = self._tags.tagtype[tag]
                tags[tag] = self._tags[tag]
        own = {WIDTH: width, HEIGHT: height, ROWS: height, STRIP_BYTES: len(contents)}
        for tag, value in {**own, STRIP_OFFSETS: 0}.items():  # Pillow adds where the tags end
            tags.tagtype[tag] = 4
            tags[tag] = value
        written = io.BytesIO()
        tags.save(written)
        return written.getvalue() + contents


def open_regions(
    file: Path,
    decode: Callable[[bytes], np.ndarray],
    read: Callable[[Path], np.ndarray],
    loader: Loader | None = None,
) -> Regions:
    """An image file of which parts are read, or which is read as a whole.

    Args:
        file: the image.
        decode: makes an array of the contents of an image file.
        read: reads a file.
        loader: that of a config.

    Raises:
        ImageError: the file cannot be read.
    """
    tags = tiff_tiles(file)
    if tags is not None:
        return TiffTiles(file, tags, decode)
    size_of(file, loader)  # refuses what is too large
    return Pixels(read(file))


def size_of_regions(file: Path, loader: Loader | None = None) -> tuple[int, int]:
    """Height and width of the image that :func:`open_regions` opens, without opening it.

    Raises:
        ImageError: it is no image, or too large to be read as a whole.
    """
    tags = tiff_tiles(file)
    return size_of(file, loader) if tags is None else (int(tags[HEIGHT]), int(tags[WIDTH]))


def tiff_tiles(file: Path) -> Any:
    """The tags of a TIFF file that can be read in parts; None of any other file.

    >>> tiff_tiles(Path("gone.tif"))
    """
    tags = tags_of(file)
    if tags is None or bands_of(file) is not None:
        return None
    places = tags.get(TILE_OFFSETS) or tags.get(STRIP_OFFSETS) or ()
    tiled = {TILE_WIDTH, TILE_HEIGHT, TILE_BYTES} <= tags.keys()
    strange = (
        tags.get(PLANAR, 1) != 1
        or tags.get(ORIENTATION, 1) != 1
        or tags.get(COMPRESSION, 1) == OLD_JPEG
        or not {WIDTH, HEIGHT} <= tags.keys()
        or not (tiled or {ROWS, STRIP_BYTES} <= tags.keys())
    )
    return None if strange or len(places) < 2 else tags


def reduced(image: Regions, longest: int) -> Image.Image:
    """An image for people, RGB, at most so long; by averages of whole pixels, read in bands.

    >>> reduced(Pixels(np.zeros((40, 90, 3), np.uint8)), longest=30).size
    (30, 14)
    """
    height, width = image.size
    factor = -(-max(height, width) // longest)
    step = factor * max(1, 512 // factor)
    drawn = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, step):
        band = image_of(image.read(top, 0, min(step, height - top), width))
        drawn.paste(band.reduce(factor), (0, top // factor))
    return drawn
