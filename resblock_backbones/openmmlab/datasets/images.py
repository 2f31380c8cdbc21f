"""Find images that are not there or cut off in the middle.

OpenCV decodes the half of a JPEG that is there and paints the rest grey, without a word. A whole
JPEG ends with an end-of-image marker and a whole PNG with an IEND chunk (ISO/IEC 10918-1, B.1.1.3;
ISO/IEC 15948, 11.2.5), so the last bytes of a file tell. What looks cut off by its last bytes, but
may only have something after its end, is decoded to be sure.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmcv.transforms import LoadImageFromFile
from mmengine.registry import TRANSFORMS
from PIL import Image, UnidentifiedImageError

from ...data.errors import ImageError

JPEG_BEGIN, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_BEGIN, PNG_END = b"\x89PNG", b"IEND"

#: Some cameras and editors write a little behind the end of the image.
TAIL = 512


def fault_of(file: Path) -> str | None:
    """What is wrong with an image file; None when it is whole, or of a kind not known here.

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
        # JPEG and PNG are by far the most; a name that promises one must not be another thing.
        whole = file.suffix.lower() not in (".jpg", ".jpeg", ".png")
    return None if whole else _fault_found_by_decoding(file)


def check_images(files: Sequence[Path], *, seconds: float = 20.0) -> int:
    """Look at the ends of image files, for a limited time, in an even sample first.

    Args:
        files: the images.
        seconds: after this the rest is left to be found in training (`LoadWholeImageFromFile`).

    Returns:
        How many were looked at.

    Raises:
        ImageError: names the first that is missing or broken.
    """
    until = time.monotonic() + seconds
    looked_at = 0
    with ThreadPoolExecutor(max_workers=16) as pool:
        # Every 97th, then those after them, ...: a short look still sees the whole set.
        spread = [file for first in range(97) for file in files[first::97]]
        for begin in range(0, len(spread), 512):
            some = spread[begin : begin + 512]
            for file, fault in zip(some, pool.map(fault_of, some), strict=True):
                if fault is not None:
                    raise ImageError(f"{file}: {fault}")
            looked_at += len(some)
            if time.monotonic() > until:
                break
    return looked_at


@TRANSFORMS.register_module(force=True)
class LoadWholeImageFromFile(LoadImageFromFile):
    """MMCV's `LoadImageFromFile`, which refuses an image that is cut off; same arguments."""

    def transform(self, results: dict) -> dict | None:
        name = str(results["img_path"])
        is_local = "://" not in name and not self.backend_args and not self.file_client_args
        fault = fault_of(Path(name)) if is_local else None
        if fault is not None:
            if self.ignore_empty:
                return None
            raise ImageError(f"{name}: {fault}")
        try:
            return super().transform(results)
        except Exception as error:
            raise ImageError(f"{name}: cannot be read as an image: {error}") from error


def _fault_found_by_decoding(file: Path) -> str | None:
    try:
        with Image.open(file) as image:
            image.load()
    except UnidentifiedImageError:
        return "the file is no image"
    except (OSError, SyntaxError, ValueError):  # what Pillow raises depends on where it is cut
        return "the image is cut off or damaged"
    return None
