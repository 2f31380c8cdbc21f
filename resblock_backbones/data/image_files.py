"""Image files as they are named on a command line: files, folders, and patterns with stars."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import ImageError

SUFFIXES = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"])
ORIENTATION = 0x0112  # Exif 2.32, table 4; from 5 on the image lies on its side


@dataclass(frozen=True)
class ImageFile:
    """An image that was asked for.

    Attributes:
        path: of the file.
        name: of what is written for it, without suffix: the file's, or its path inside the folder,
            or the pattern's fixed part, that was given.
    """

    path: Path
    name: PurePath


def find_images(given: Sequence[str], *, suffixes: frozenset[str] = SUFFIXES) -> list[ImageFile]:
    """The files that files, folders (with all folders in them) and patterns stand for.

    Args:
        given: what was typed. A file is taken whatever its suffix; of folders and patterns those
            with a suffix of an image. A file that is named twice is taken once.
        suffixes: which these are.

    Raises:
        ImageError: something is not there, holds no images, or two images would be
            written under one name.

    Example:
        >>> find_images(["gone.jpg"])
        Traceback (most recent call last):
            ...
        resblock_backbones.data.errors.ImageError: gone.jpg: there is no such file or \
folder
    """
    found: dict[Path, ImageFile] = {}
    for one in given:
        for image in _expand(one, suffixes):
            found.setdefault(image.path.resolve(), image)
    images = list(found.values())
    by_name: dict[str, ImageFile] = {}
    for image in images:
        # Some file systems do not tell upper from lower case.
        other = by_name.setdefault(str(image.name).lower(), image)
        if other is not image:
            raise ImageError(
                f"{other.path} and {image.path}: both would be written as {image.name}; give "
                "the folder that holds both folders, or run once for each"
            )
    return images


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of an image, upright, from the beginning of its file.

    Raises:
        ImageError: it is no image.
    """
    with _told(path), Image.open(path) as image:
        width, height = image.size
        turned = image.getexif().get(ORIENTATION, 1) >= 5
    return (width, height) if turned else (height, width)


def read_image(path: Path) -> Image.Image:
    """An image, upright, in RGB.

    Raises:
        ImageError: it is no image, or is cut off.
    """
    with _told(path), Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def batches_by_size(
    images: Sequence[ImageFile], batch_size: int, broken: dict[Path, str]
) -> list[list[ImageFile]]:
    """Batches of images of one size each, so that nothing has to be padded.

    Args:
        images: in any order.
        batch_size: at most this many in a batch.
        broken: is given the images that cannot be opened, with what is wrong.

    Example:
        >>> batches_by_size([], 4, {})
        []
    """
    groups: dict[tuple[int, int], list[ImageFile]] = {}
    for image in images:
        try:
            groups.setdefault(size_of(image.path), []).append(image)
        except ImageError as error:
            broken[image.path] = str(error)
    return [
        group[begin : begin + batch_size]
        for group in groups.values()
        for begin in range(0, len(group), batch_size)
    ]


def tell_broken(broken: dict[Path, str], total: int) -> None:
    """Say in one line which images could not be read, when all others are done.

    Raises:
        ImageError: there are such images.

    Example:
        >>> tell_broken({Path("a.jpg"): "a.jpg: the file is no image"}, total=3)
        Traceback (most recent call last):
            ...
        resblock_backbones.data.errors.ImageError: 1 of 3 images could not be read: \
a.jpg: the file is no image
    """
    if broken:
        told = "; ".join(list(broken.values())[:5])
        more = f"; and {len(broken) - 5} more" if len(broken) > 5 else ""
        raise ImageError(f"{len(broken)} of {total} images could not be read: {told}{more}")


def _expand(given: str, suffixes: frozenset[str]) -> Iterator[ImageFile]:
    path = Path(given).expanduser()
    if path.is_file():
        yield ImageFile(path, PurePath(path.stem))
    elif path.is_dir():
        inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in suffixes)
        if not inside:
            raise ImageError(
                f"{given}: there is no image in this folder ({' '.join(sorted(suffixes))})"
            )
        for one in inside:
            yield ImageFile(one, one.relative_to(path).with_suffix(""))
    elif glob.has_magic(given):
        base = _fixed_part(path)
        matches = sorted(base.glob(str(path.relative_to(base))))
        files = [one for one in matches if one.is_file() and one.suffix.lower() in suffixes]
        if not files:
            raise ImageError(f"{given}: no image matches this pattern")
        for one in files:
            yield ImageFile(one, one.relative_to(base).with_suffix(""))
    else:
        raise ImageError(f"{given}: there is no such file or folder")


def _fixed_part(pattern: Path) -> Path:
    """The folders of a pattern before the first with a star."""
    fixed = Path()
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


class _told:
    """What Pillow raises, as one line that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, FileNotFoundError):
            raise ImageError(f"{self.path}: there is no such image") from error
        if isinstance(error, UnidentifiedImageError):
            raise ImageError(f"{self.path}: the file is no image") from error
        # What Pillow raises for a damaged image depends on where the damage is.
        if isinstance(error, OSError | SyntaxError | ValueError | Image.DecompressionBombError):
            raise ImageError(f"{self.path}: the image is cut off or damaged ({error})") from error
