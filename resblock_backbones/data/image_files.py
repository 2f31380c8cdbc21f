"""Image files as they are named on a command line: files, folders, and glob patterns."""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from .errors import ImageError
from .images.reading import size_of

SUFFIXES = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"])


@dataclass(frozen=True)
class ImageFile:
    """An image file from the command line.

    Attributes:
        path: of the file.
        name: of what is written for it: the file's, or its path inside the folder, or the
            pattern's fixed part, that was given; without the suffix, unless two images would
            have one name (`a.jpg` and `a.png`).
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
        ImageError: something is not there, or holds no images.

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
    return _with_names_of_their_own(list(found.values()))


def batches_by_size(
    images: Sequence[ImageFile],
    batch_size: int,
    broken: dict[Path, str],
    size: Callable[[Path], tuple[int, int]] = size_of,
) -> list[list[ImageFile]]:
    """Batches of images of the same size, so that nothing has to be padded.

    Args:
        images: in any order.
        batch_size: maximum number of images in a batch.
        broken: is given the images that cannot be opened, with what is wrong.
        size: height and width of a file as it will be loaded.

    Example:
        >>> batches_by_size([], 4, {})
        []
    """
    groups: dict[tuple[int, int], list[ImageFile]] = {}
    for image in images:
        try:
            groups.setdefault(size(image.path), []).append(image)
        except ImageError as error:
            broken[image.path] = str(error)
    return [
        group[begin : begin + batch_size]
        for group in groups.values()
        for begin in range(0, len(group), batch_size)
    ]


def raise_unreadable(broken: dict[Path, str], total: int) -> None:
    """Raise an error that lists the images that could not be read, if there are any.

    Raises:
        ImageError: there are such images.

    Example:
        >>> raise_unreadable({Path("a.jpg"): "a.jpg: the file is no image"}, total=3)
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


def _with_names_of_their_own(images: list[ImageFile]) -> list[ImageFile]:
    """Images of one name get their suffix back, or else the folders in which they differ."""
    for name_of in (_names_with_suffix, _names_with_folders, _names_with_suffix):
        groups: dict[str, list[int]] = defaultdict(list)
        for number, image in enumerate(images):
            # Some file systems do not distinguish upper and lower case.
            groups[str(image.name).lower()].append(number)
        for group in groups.values():
            if len(group) > 1:
                alike = [images[number] for number in group]
                for number, name in zip(group, name_of(alike), strict=True):
                    images[number] = ImageFile(images[number].path, name)
    return images


def _names_with_suffix(images: Sequence[ImageFile]) -> list[PurePath]:
    if len({one.path.suffix for one in images}) == 1:
        return [one.name for one in images]
    return [one.name.with_name(one.name.name + one.path.suffix) for one in images]


def _names_with_folders(images: Sequence[ImageFile]) -> list[PurePath]:
    paths = [one.path.resolve() for one in images]
    shared = Path(os.path.commonpath([path.parent for path in paths]))
    return [path.relative_to(shared).with_suffix("") for path in paths]


def _fixed_part(pattern: Path) -> Path:
    """The folders of a pattern before the first with a star."""
    fixed = Path()
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed
