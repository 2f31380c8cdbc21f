"""One reader of images: the size and the pixels that a model is given, and what is drawn of them.

OpenCV and Pillow disagree about three things. A photo that lies on its side with a note in its
Exif data is turned upright or not; samples of 16 bits are cut to their upper 8 (OpenCV) or limited
to 255, which makes an image white (Pillow); and Pillow refuses what OpenCV reads from some 179
megapixels on. Whoever measures, checks or draws an image asks here.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import ImageError
from .tiff import bands_of

ORIENTATION = 0x0112  # Exif 2.32, table 4; from 5 on the image lies on its side

#: Millions of pixels above which an image is refused; raised by this environment variable.
LIMIT_VARIABLE = "RESBLOCK_MAX_MEGAPIXELS"
DEFAULT_LIMIT = 179.0


@dataclass(frozen=True)
class Loader:
    """How a config's loader decodes image files, in the words of MMCV's `LoadImageFromFile`.

    Attributes:
        color_type: ``color``, ``grayscale``, ``unchanged``, ``color_ignore_orientation`` or
            ``grayscale_ignore_orientation``.
        backend: ``cv2``, ``pillow``, ``turbojpeg`` or ``tifffile``.
    """

    color_type: str = "color"
    backend: str = "cv2"

    @property
    def turns(self) -> bool:
        """Whether an image is turned upright as its Exif data says.

        >>> Loader().turns, Loader("unchanged").turns, Loader(backend="tifffile").turns
        (True, False, False)
        """
        return self.backend in ("cv2", "pillow") and self.color_type in ("color", "grayscale")

    def turns_format(self, file_format: str) -> bool:
        """Likewise, of files of a format, in Pillow's words: OpenCV and Pillow turn every TIFF.

        >>> Loader("unchanged").turns_format("TIFF"), Loader("unchanged").turns_format("PNG")
        (True, False)
        """
        return self.turns or (file_format == "TIFF" and self.backend in ("cv2", "pillow"))


def size_of(path: Path, loader: Loader | None = None) -> tuple[int, int]:
    """Height and width of an image as it is loaded, from the beginning of its file.

    Args:
        path: of the file.
        loader: that of a config; by default images are turned upright.

    Raises:
        ImageError: it is no image.
    """
    bands = bands_of(path) if loader is not None and loader.backend == "tifffile" else None
    if bands is not None:
        return bands.height, bands.width
    with opened_image(path) as image:
        width, height = stored_size(image)
        turned = (loader or Loader()).turns_format(image.format or "") and lies_on_its_side(image)
    return (width, height) if turned else (height, width)


def lies_on_its_side(image: Image.Image) -> bool:
    """Whether the Exif data of an image ask for a quarter turn."""
    return int(image.getexif().get(ORIENTATION, 1)) >= 5


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Width and height of an image that was just opened, before any turn."""
    width, height = image.size
    # Of a TIFF Pillow tells them turned.
    turned = image.format == "TIFF" and lies_on_its_side(image)
    return (height, width) if turned else (width, height)


def read_image(path: Path) -> Image.Image:
    """An image, upright, in RGB; of samples of 16 bits the upper 8, as OpenCV takes them.

    Raises:
        ImageError: it is no image, or is cut off, or its samples are not of 8 or 16 bits.
    """
    with opened_image(path) as image:
        return _as_photo(image, path)


def decoded(contents: bytes, path: Path) -> np.ndarray:
    """The contents of an image file as :func:`read_image` reads them, ``(H, W, 3)``, BGR.

    Raises:
        ImageError: names the file that they are of; as there.
    """
    with told(path), Image.open(io.BytesIO(contents)) as image:
        return np.asarray(_as_photo(image, path))[..., ::-1]


def _as_photo(image: Image.Image, path: Path) -> Image.Image:
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
        raise ImageError(
            f"{path}: its samples are of 32 bits ({image.mode}), and what their largest "
            "value stands for is not known; write it with 8 or 16 bits"
        )
    if image.mode.startswith("I"):
        upper = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
        turned = Image.fromarray(upper)
        # What Pillow has turned itself, a TIFF, has no note any more.
        turned.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
        return ImageOps.exif_transpose(turned).convert("RGB")
    return ImageOps.exif_transpose(image).convert("RGB")


def image_of(pixels: np.ndarray) -> Image.Image:
    """The pixels that a loader gave, as an image for people.

    Args:
        pixels: shape (H, W) or (H, W, C), as MMCV's loaders give them: BGR where there are three
            channels or more, uint8, or uint16, or floats from 0 to 255.

    Returns:
        RGB. Of five or more channels the first three are shown, of two the first.

    >>> image_of(np.full((2, 3, 1), 2**15, np.uint16)).getpixel((0, 0))
    (128, 128, 128)
    """
    if pixels.ndim == 3 and pixels.shape[2] < 3:
        pixels = pixels[..., 0]
    if pixels.dtype == np.uint16:
        pixels = pixels >> 8
    elif pixels.dtype != np.uint8:
        pixels = np.clip(np.nan_to_num(pixels), 0, 255)
    pixels = pixels.astype(np.uint8)
    if pixels.ndim == 2:
        return Image.fromarray(pixels).convert("RGB")
    return Image.fromarray(np.ascontiguousarray(pixels[..., 2::-1]))


@contextlib.contextmanager
def opened_image(path: Path) -> Iterator[Image.Image]:
    """A file opened with Pillow; what goes wrong with it becomes one line that names it.

    Raises:
        ImageError: it is not there, is no image, is cut off, or is larger than the limit.
    """
    with told(path):
        _raise_limit()
        # Not by its name: Pillow 13 maps a plain TIFF into memory before it turns it, wrongly.
        with path.open("rb") as opened, Image.open(opened) as image:
            yield image


class told:
    """Turns what Pillow raises into an `ImageError` that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ImageError):
            return
        if isinstance(error, FileNotFoundError):
            raise ImageError(f"{self.path}: there is no such image") from error
        if isinstance(error, UnidentifiedImageError) and (bands := bands_of(self.path)):
            raise ImageError(
                f"{self.path}: a TIFF of {bands.samples} bands, which is no photo: compute from "
                "arrays with all of them"
            ) from error
        if isinstance(error, UnidentifiedImageError):
            raise ImageError(f"{self.path}: the file is no image") from error
        if isinstance(error, Image.DecompressionBombError):
            raise ImageError(f"{self.path}: {too_large()}") from error
        # What Pillow raises for a damaged image depends on where the damage is.
        if isinstance(error, OSError | SyntaxError | ValueError):
            raise ImageError(f"{self.path}: the image is cut off or damaged ({error})") from error


def too_large() -> str:
    """What to say of an image above the limit."""
    return (
        f"the image has more than {limit():g} megapixels, a limit that protects the memory of "
        f"this machine; {LIMIT_VARIABLE}=1000 in the environment raises it to 1000, and an image "
        "cut into tiles needs no more memory than a tile"
    )


def limit() -> float:
    """Millions of pixels above which an image is refused.

    Raises:
        ImageError: the environment variable is no positive number.
    """
    given = os.environ.get(LIMIT_VARIABLE)
    if given is None:
        return DEFAULT_LIMIT
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ImageError(f"{LIMIT_VARIABLE}={given!r}: has to be a number of megapixels")
    return value


def _raise_limit() -> None:
    if LIMIT_VARIABLE in os.environ:
        # Pillow warns at its limit and refuses at twice as many.
        Image.MAX_IMAGE_PIXELS = round(limit() * 1e6 / 2)
