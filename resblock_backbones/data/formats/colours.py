"""Label maps whose classes are colours, as CVAT writes them with a `labelmap.txt`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..annotations.json_files import read_text
from ..errors import DatasetError, ImageError
from ..findings import Findings
from ..images.facts import ImageFacts
from ..images.reading import opened_image

#: Colour -> number of its class.
Colours = Mapping[tuple[int, int, int], int]
#: Modes of Pillow that have colours.
COLOURED = ("P", "RGB", "RGBA")


def colours_of(file: Path) -> dict[tuple[int, int, int], int]:
    r"""The colours of classes, in the order of a `labelmap.txt`; empty where it has none.

    Raises:
        DatasetError: two classes have one colour.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "labelmap.txt")
    ...     _ = file.write_text("# label:color_rgb:parts:actions\nroad:0,0,0::\ncar:9,0,0::\n")
    ...     colours_of(file)
    {(0, 0, 0): 0, (9, 0, 0): 1}
    """
    if not file.is_file():
        return {}
    lines = [one for one in read_text(file).splitlines() if one.strip() and one[0] != "#"]
    colours: dict[tuple[int, int, int], int] = {}
    for number, line in enumerate(lines):
        parts = (line.split(":") + [""])[1].split(",")
        if len(parts) != 3 or not all(one.strip().isdecimal() for one in parts):
            return {}
        colour = (int(parts[0]), int(parts[1]), int(parts[2]))
        if colour in colours:
            raise DatasetError(f"{file}: two classes have the colour {colour}")
        colours[colour] = number
    return colours


def numbered(
    files: Sequence[Path],
    facts: Mapping[Path, ImageFacts],
    colours: Colours,
    findings: Findings,
) -> tuple[dict[Path, ImageFacts], set[Path]]:
    """The facts of label maps with the numbers that their colours stand for.

    Args:
        files: the maps.
        facts: of them, as they are stored.
        colours: of the classes.
        findings: receives the colours that no class has.

    Returns:
        The facts, and the maps whose colours count. A palette of other colours is none: there the
        numbers in the file count.
    """
    found, by_colour = dict(facts), set()
    coloured = [one for one in files if facts[one].fault is None and facts[one].mode in COLOURED]
    with ThreadPoolExecutor() as pool:
        for file, labels in zip(
            coloured, pool.map(lambda one: _counted(one, colours), coloured), strict=True
        ):
            if isinstance(labels, dict):
                found[file] = replace(facts[file], mode="L", labels=labels)
                by_colour.add(file)
            elif facts[file].mode != "P":
                findings.error("colours", str(file), labels)
                found[file] = replace(facts[file], mode="L", labels={})
    return found, by_colour


def numbers_in(file: Path, colours: Colours) -> np.ndarray:
    """The numbers of classes in a map of colours, `(H, W)`, uint8.

    Raises:
        DatasetError: a pixel has a colour that no class has.
    """
    with opened_image(file) as image:
        pixels = np.asarray(image.convert("RGB")).astype(np.int64)
    codes = (pixels[..., 0] << 16) | (pixels[..., 1] << 8) | pixels[..., 2]
    values, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    numbers = np.zeros(len(values), np.uint8)
    for index, value in enumerate(values.tolist()):
        colour = (value >> 16, (value >> 8) & 255, value & 255)
        if colour not in colours:
            known = ", ".join(map(str, list(colours)[:4])) + (", ..." if len(colours) > 4 else "")
            raise DatasetError(
                f"{counts[index]} pixels have the colour {colour}, which labelmap.txt does not "
                f"list ({known})"
            )
        numbers[index] = colours[colour]
    return numbers[places.reshape(codes.shape)]


def _counted(file: Path, colours: Colours) -> dict[int, int] | str:
    try:
        values, counts = np.unique(numbers_in(file, colours), return_counts=True)
    except (DatasetError, ImageError) as error:
        return str(error)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
