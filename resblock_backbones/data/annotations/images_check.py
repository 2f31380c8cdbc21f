"""Images of an annotation file against the files on disk: names, sizes, pixels."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Container, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from ..images.facts import ImageFacts
from ..images.reading import Loader
from .document import CocoDocument, Entry, place_of
from .names import file_name_fault
from .values import number_fault

#: Formats, in Pillow's words, that OpenCV reads too.
OPENCV_FORMATS = {
    "AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "SUN", "TIFF", "WEBP",
}  # fmt: skip


def image_files(document: CocoDocument, folder: Path) -> dict[Any, Path]:
    """Image id -> file, of the images whose name is one; the others are found."""
    files = {}
    seen: dict[str, int] = {}
    for number, entry in document.images:
        name, place = entry["file_name"], place_of("images", number, entry)
        fault = file_name_fault(name)
        if fault is not None:
            document.findings.error("file_name", place, f"its 'file_name' {fault}")
            continue
        if name in seen:
            document.findings.warning(
                "repeated file", place, f"is of the same file {name!r} as images[{seen[name]}]"
            )
        seen.setdefault(name, number)
        files[entry["id"]] = folder / name
    return files


def check_images(
    document: CocoDocument,
    files: Mapping[Any, Path],
    facts: Mapping[Path, ImageFacts],
    loader: Loader,
) -> None:
    """Compare the images of an annotation file with what their files are.

    Args:
        document: receives the findings.
        files: of :func:`image_files`.
        facts: of those files.
        loader: how the run reads them.
    """
    named = {file.name for file in files.values()}
    for number, entry in document.images:
        place = place_of("images", number, entry)
        _check_size_values(document, entry, place)
        file = files.get(entry["id"])
        if file is None:
            continue
        one = facts[file]
        if one.fault is not None:
            kind = "missing image" if "no such" in one.fault else "broken image"
            hint = _hint_at(file, entry["file_name"], named) if kind == "missing image" else ""
            document.findings.error(kind, place, f"{file}: {one.fault}{hint}")
            continue
        _check_against_file(document, entry, place, one, loader)
        _check_pixels(document, place, file, one, loader)


def fill_sizes(
    document: CocoDocument,
    files: Mapping[Any, Path],
    facts: Mapping[Path, ImageFacts],
    loader: Loader,
) -> None:
    """Give images without a size that of their file."""
    for number, entry in document.images:
        one = facts.get(files.get(entry["id"], Path()))
        if one is None or one.fault is not None:
            continue
        for key, value in zip(("height", "width"), one.size(loader), strict=True):
            if entry.get(key) is None:
                entry[key] = value
                place = place_of("images", number, entry)
                document.findings.note("image size", place, "has no size: the file's is taken")


def _check_size_values(document: CocoDocument, entry: Entry, place: str) -> None:
    for key in ("width", "height"):
        if key not in entry:
            document.findings.error(f"no {key}", place, f"has no {key!r}")
            continue
        value = entry[key]
        fault = number_fault(value)
        if fault is None and (value <= 0 or value != int(value)):
            fault = f"is {value}, no positive whole number"
        if fault is not None:
            document.findings.error(f"image {key}", place, f"its {key!r} {fault}")


def _check_against_file(
    document: CocoDocument, entry: Entry, place: str, facts: ImageFacts, loader: Loader
) -> None:
    height, width = facts.size(loader)
    told = (entry.get("height"), entry.get("width"))
    if told == (height, width) or any(number_fault(one) for one in told):
        return
    message = (
        f"{entry['file_name']}: its size in the annotations is {told[1]}x{told[0]} (width x "
        f"height), that of the file as it is loaded {width}x{height}"
    )
    if told == (width, height) and facts.orientation >= 5:
        other = (
            "the Exif data of the photo turn it; where the boxes are of the unturned image, load "
            "it with color_type='color_ignore_orientation'"
            if loader.turns_format(facts.file_format)
            else "the boxes are of the turned image: load it with color_type='color'"
        )
        message += f": {other}"
    document.findings.error("size", place, message)


def _check_pixels(
    document: CocoDocument, place: str, file: Path, facts: ImageFacts, loader: Loader
) -> None:
    told = pixel_fault(facts, loader)
    if told is not None:
        level, message = told
        document.findings.add(level, "pixels", place, f"{file}: {message}")  # type: ignore[arg-type]


def pixel_fault(facts: ImageFacts, loader: Loader) -> tuple[str, str] | None:
    """What a loader makes wrong of a kind of pixels: ``error`` or ``warning``, and why."""
    if facts.bands and loader.backend != "tifffile":
        return "error", (
            f"a TIFF of {facts.bands} bands, of which {loader.backend} reads one or none; load it "
            "with imdecode_backend='tifffile' and color_type='unchanged', for a network with "
            f"in_channels={facts.bands}"
        )
    if loader.backend == "cv2" and facts.file_format not in OPENCV_FORMATS:
        return "error", (
            f"OpenCV does not read images of the format {facts.file_format}; load it with "
            "imdecode_backend='pillow', or write it as PNG"
        )
    if loader.color_type == "unchanged":
        return None
    deep = facts.mode == "F" or (facts.mode == "I" and facts.file_format != "PNG")
    if loader.backend == "cv2" and deep:
        return "error", (
            f"its samples are of 32 bits ({facts.mode}), which OpenCV does not read as an image; "
            "write it with 8 or 16 bits"
        )
    if loader.backend == "pillow" and facts.mode.startswith("I"):
        return "error", (
            "its samples are of 16 bits, of which Pillow makes a white image; load it with "
            "imdecode_backend='cv2'"
        )
    return None


def _hint_at(file: Path, name: str, named: Container[str]) -> str:
    """What may be meant by a name: nothing that another image of the file has."""
    if file.is_symlink():
        return f"; it is a link to {file.readlink()}, which is not there"
    if PureWindowsPath(name).is_absolute() or Path(name).is_absolute():
        last = PureWindowsPath(name).name
        return f"; a path of another machine: write the name from the images' folder on ({last!r})"
    if "\\" in name:
        return (
            "; its name has backslashes, which only Windows takes for folders: write "
            f"{PureWindowsPath(name).as_posix()!r} (`resblock check DATA --fix OUT` does)"
        )
    if "://" in name:
        return "; its name is an address, not that of a file"
    if not file.parent.is_dir():
        return f"; there is no folder {file.parent}"
    there = [one.name for one in file.parent.iterdir() if one.name not in named]
    plain = unicodedata.normalize("NFC", file.name)
    for one in there:
        if unicodedata.normalize("NFC", one) == plain:
            forms = f"{ascii(one)} on the disk, {ascii(file.name)} here"
            return f"; there is one of the same letters in another Unicode form ({forms})"
    same = [one for one in there if one.lower() == file.name.lower()]
    same += [one for one in there if Path(one).stem == file.stem and one not in same]
    same += difflib.get_close_matches(file.name, there, n=1, cutoff=0.8)
    return f"; there is {same[0]!r}" if same else ""
