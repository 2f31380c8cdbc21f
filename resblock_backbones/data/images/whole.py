"""Find image files that are not there or cut off in the middle.

OpenCV decodes the half of a JPEG that is there and paints the rest grey, without a word. A whole
JPEG ends with an end-of-image marker and a whole PNG with an IEND chunk (ISO/IEC 10918-1, B.1.1.3;
ISO/IEC 15948, 11.2.5), so the last bytes of a file tell. What looks cut off by its last bytes, but
may only have something after its end, is decoded to be sure; so are the other formats, which have
no such end.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ImageError
from .reading import opened_image
from .tiff import bands_of

JPEG_BEGIN, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_BEGIN, PNG_END = b"\x89PNG", b"IEND"

#: Some cameras and editors write a little behind the end of the image.
TAIL = 512


def fault_of(file: Path) -> str | None:
    """What is wrong with an image file; None when it is whole.

    >>> fault_of(Path("gone.jpg"))
    'there is no such image'
    """
    try:
        with file.open("rb") as opened:
            begin = opened.read(4)
            size = opened.seek(0, 2)
            opened.seek(max(0, size - TAIL))
            tail = opened.read()
    except FileNotFoundError:
        return "there is no such image"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not size:
        return "the file is empty"
    if begin.startswith(JPEG_BEGIN):
        whole = JPEG_END in tail
    elif begin.startswith(PNG_BEGIN):
        whole = PNG_END in tail
    else:
        # Bands of a TIFF that is no photo are not decoded here, only counted.
        whole = bands_of(file) is not None
    return None if whole else _fault_found_by_decoding(file)


def _fault_found_by_decoding(file: Path) -> str | None:
    try:
        with opened_image(file) as image:
            image.load()
    except ImageError as error:
        return str(error).removeprefix(f"{file}: ")
    return None
