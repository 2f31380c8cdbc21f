"""A font that has the letters of class names, in any script, or names that any font can write."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import ImageFont

#: A font file of the user's choice.
FONT_VARIABLE = "RESBLOCK_FONT"
#: Where systems keep fonts.
FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
#: Parts of the names of fonts with many letters, the best first.
WIDE = (
    "notosanscjk", "sourcehansans", "wqy", "pingfang", "msyh", "arialuni", "notosans",
    "dejavusans",
)  # fmt: skip

Font = Any


def font_for(texts: Iterable[str], size: int) -> Font:
    """A font with all letters of some texts; Pillow's own where it has them, or none has.

    Args:
        texts: what will be written.
        size: in pixels.

    >>> font_for(["cat", "dog"], 12).getname()[0]
    'Aileron'
    """
    letters = "".join(sorted(set("".join(texts))))
    return _font(letters, size)


def legible(text: str, number: int, font: Font) -> str:
    """A text, or a number in its place where the font would draw empty squares.

    >>> legible("cat", 3, font_for(["cat"], 12))
    'cat'
    """
    return text if has_letters(font, text) else f"class {number}"


def has_letters(font: Font, text: str) -> bool:
    """Whether a font draws every letter of a text as more than an empty square."""
    return all(_has(font, letter) for letter in set(text) if not letter.isspace())


@functools.lru_cache(maxsize=64)
def _font(letters: str, size: int) -> Font:
    default = ImageFont.load_default(size=size)
    if has_letters(default, letters):
        return default
    for file in _font_files():
        try:
            font = ImageFont.truetype(file, size)
        except OSError:
            continue
        if has_letters(font, letters):
            return font
    return default


@functools.lru_cache(maxsize=1)
def _font_files() -> tuple[str, ...]:
    found = []
    for folder in FOLDERS:
        for suffix in ("ttf", "ttc", "otf"):
            found += sorted(map(str, Path(folder).expanduser().rglob(f"*.{suffix}")))
    try:
        from matplotlib import get_data_path

        found.append(str(Path(get_data_path(), "fonts/ttf/DejaVuSans.ttf")))
    except ImportError:
        pass

    def rank(file: str) -> tuple[int, int]:
        name = Path(file).stem.lower().replace("-", "")
        place = next((number for number, part in enumerate(WIDE) if part in name), len(WIDE))
        return place, len(name)

    chosen = os.environ.get(FONT_VARIABLE)
    return (*([chosen] if chosen else []), *sorted(found, key=rank))


def _has(font: Font, letter: str) -> bool:
    # What a font has not is drawn as the glyph of a code point that no script uses.
    return bytes(font.getmask(letter)) != bytes(font.getmask("\U0010ffff"))
