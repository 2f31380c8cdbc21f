"""TIFF files of more samples a pixel than a photo has: what Pillow and OpenCV make of them.

Satellites and microscopes write five or thirteen bands into a file. Pillow refuses most of them,
and OpenCV silently takes the first band of some. The tags are those of TIFF 6.0, section 8.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import TiffImagePlugin

WIDTH, HEIGHT, BITS, PHOTOMETRIC, SAMPLES = 256, 257, 258, 262, 277
#: How many samples a colour space has (photometric interpretation); of RGB four are read too.
COLOURS = {0: 1, 1: 1, 2: 4, 3: 1, 5: 4, 6: 3, 8: 3}


@dataclass(frozen=True)
class Bands:
    """The pixels of a TIFF file with bands beside a colour.

    Attributes:
        width, height: in pixels.
        samples: numbers a pixel.
        bits: of each.
    """

    width: int
    height: int
    samples: int
    bits: int


def bands_of(file: Path) -> Bands | None:
    """The bands of a TIFF file that is no photo; None of any other file.

    >>> bands_of(Path("gone.tif"))
    """
    tags = tags_of(file)
    if tags is None:
        return None
    with contextlib.suppress(ValueError, LookupError, TypeError):
        samples = int(tags.get(SAMPLES, 1))
        bits = tags.get(BITS, 1)
        bits = bits[0] if isinstance(bits, tuple) else bits
        if samples > COLOURS.get(int(tags.get(PHOTOMETRIC, 1)), 1):
            return Bands(int(tags[WIDTH]), int(tags[HEIGHT]), samples, int(bits))
    return None


def tags_of(file: Path) -> Any:
    """The tags of the first image of a TIFF file; None of any other file.

    >>> tags_of(Path("gone.tif"))
    """
    # Whatever is wrong with a file is told by those who read it.
    with contextlib.suppress(
        OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error
    ):
        with file.open("rb") as opened:
            begin = opened.read(16)
            if begin[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
                return None
            # BigTIFF's header has 16 bytes, that of TIFF 8.
            tags = TiffImagePlugin.ImageFileDirectory_v2(begin if b"+" in begin[:4] else begin[:8])
            opened.seek(tags.next)
            tags.load(opened)
        return tags
    return None
