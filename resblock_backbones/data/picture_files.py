"""Picture files as they are named on a command line: files, folders, and patterns with stars."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"])
ORIENTATION = 0x0112  # Exif 2.32, table 4; from 5 on the picture lies on its side


class PictureFileError(ValueError):
    """A picture is not there, or cannot be read; the message is one line."""


@dataclass(frozen=True)
class PictureFile:
    """A picture that was asked for.

    Attributes:
        path: of the file.
        name: of what is written for it, without suffix: the file's, or its path inside the folder,
            or the pattern's fixed part, that was given.
    """

    path: Path
    name: PurePath


def find_pictures(
    given: Sequence[str], *, suffixes: frozenset[str] = SUFFIXES
) -> list[PictureFile]:
    """The files that files, folders (with all folders in them) and patterns stand for.

    Args:
        given: what was typed. A file is taken whatever its suffix; of folders and patterns those
            with a suffix of a picture. A file that is named twice is taken once.
        suffixes: which these are.

    Raises:
        PictureFileError: something is not there, holds no pictures, or two pictures would be
            written under one name.

    Example:
        >>> find_pictures(["gone.jpg"])
        Traceback (most recent call last):
            ...
        resblock_backbones.data.picture_files.PictureFileError: gone.jpg: there is no such file or \
folder
    """
    found: dict[Path, PictureFile] = {}
    for one in given:
        for picture in _expand(one, suffixes):
            found.setdefault(picture.path.resolve(), picture)
    pictures = list(found.values())
    by_name: dict[str, PictureFile] = {}
    for picture in pictures:
        # Some file systems do not tell upper from lower case.
        other = by_name.setdefault(str(picture.name).lower(), picture)
        if other is not picture:
            raise PictureFileError(
                f"{other.path} and {picture.path}: both would be written as {picture.name}; give "
                "the folder that holds both folders, or run once for each"
            )
    return pictures


def size_of(path: Path) -> tuple[int, int]:
    """Height and width of a picture, upright, from the beginning of its file.

    Raises:
        PictureFileError: it is no picture.
    """
    with _told(path), Image.open(path) as picture:
        width, height = picture.size
        turned = picture.getexif().get(ORIENTATION, 1) >= 5
    return (width, height) if turned else (height, width)


def read_picture(path: Path) -> Image.Image:
    """A picture, upright, in RGB.

    Raises:
        PictureFileError: it is no picture, or is cut off.
    """
    with _told(path), Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


def batches_by_size(
    pictures: Sequence[PictureFile], batch_size: int, broken: dict[Path, str]
) -> list[list[PictureFile]]:
    """Batches of pictures of one size each, so that nothing has to be padded.

    Args:
        pictures: in any order.
        batch_size: at most this many in a batch.
        broken: is given the pictures that cannot be opened, with what is wrong.

    Example:
        >>> batches_by_size([], 4, {})
        []
    """
    groups: dict[tuple[int, int], list[PictureFile]] = {}
    for picture in pictures:
        try:
            groups.setdefault(size_of(picture.path), []).append(picture)
        except PictureFileError as error:
            broken[picture.path] = str(error)
    return [
        group[begin : begin + batch_size]
        for group in groups.values()
        for begin in range(0, len(group), batch_size)
    ]


def tell_broken(broken: dict[Path, str], total: int) -> None:
    """Say in one line which pictures could not be read, when all others are done.

    Raises:
        PictureFileError: there are such pictures.

    Example:
        >>> tell_broken({Path("a.jpg"): "a.jpg: the file is no picture"}, total=3)
        Traceback (most recent call last):
            ...
        resblock_backbones.data.picture_files.PictureFileError: 1 of 3 pictures could not be read: \
a.jpg: the file is no picture
    """
    if broken:
        told = "; ".join(list(broken.values())[:5])
        more = f"; and {len(broken) - 5} more" if len(broken) > 5 else ""
        raise PictureFileError(f"{len(broken)} of {total} pictures could not be read: {told}{more}")


def _expand(given: str, suffixes: frozenset[str]) -> Iterator[PictureFile]:
    path = Path(given).expanduser()
    if path.is_file():
        yield PictureFile(path, PurePath(path.stem))
    elif path.is_dir():
        inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in suffixes)
        if not inside:
            raise PictureFileError(
                f"{given}: there is no picture in this folder ({' '.join(sorted(suffixes))})"
            )
        for one in inside:
            yield PictureFile(one, one.relative_to(path).with_suffix(""))
    elif glob.has_magic(given):
        base = _fixed_part(path)
        matches = sorted(base.glob(str(path.relative_to(base))))
        files = [one for one in matches if one.is_file() and one.suffix.lower() in suffixes]
        if not files:
            raise PictureFileError(f"{given}: no picture matches this pattern")
        for one in files:
            yield PictureFile(one, one.relative_to(base).with_suffix(""))
    else:
        raise PictureFileError(f"{given}: there is no such file or folder")


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
            raise PictureFileError(f"{self.path}: there is no such picture") from error
        if isinstance(error, UnidentifiedImageError):
            raise PictureFileError(f"{self.path}: the file is no picture") from error
        # What Pillow raises for a damaged picture depends on where the damage is.
        if isinstance(error, OSError | SyntaxError | ValueError | Image.DecompressionBombError):
            raise PictureFileError(
                f"{self.path}: the picture is cut off or damaged ({error})"
            ) from error
