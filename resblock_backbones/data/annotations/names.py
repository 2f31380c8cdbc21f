"""Names of classes and of image files: what can be none, and names that differ in little."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..findings import shown

#: Bytes that the name of a file may have on the usual file systems, and that a path may.
LONGEST_NAME, LONGEST_PATH = 255, 4000


def names_alike(names: Iterable[str]) -> str | None:
    """A line about two classes that differ in case or spaces alone; None where none do.

    Single letters are classes of their own: `a` and `A` are other signs.

    >>> names_alike(["cat", "dog", "Cat"])
    "classes 'cat' and 'Cat' differ in case or spaces alone: one class in two spellings?"
    """
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(" ".join(name.lower().split()), name)
        if other != name and len(name.strip()) > 1:
            return (
                f"classes {other!r} and {name!r} differ in case or spaces alone: "
                "one class in two spellings?"
            )
    return None


def name_fault(value: Any) -> str | None:
    r"""Why a value is no name of a class; None where it is one.

    >>> name_fault("cat"), name_fault(" "), name_fault("a\nb")
    (None, "is ' ', no name", "is 'a\\nb', with characters that cannot be printed")
    """
    if not isinstance(value, str) or not value.strip():
        return f"is {shown(value)}, no name"
    # Half a pair of UTF-16 cannot be written to any file, a line break breaks every list of names.
    if any(_is_control(one) for one in value):
        return f"is {shown(value)}, with characters that cannot be printed"
    return None


def file_name_fault(value: Any) -> str | None:
    r"""Why a value is no name of a file, whatever is on the disk; None where it is one.

    >>> file_name_fault("a/b.png"), file_name_fault("a\x00.png")
    (None, "is 'a\\x00.png', with characters that cannot be printed")
    >>> file_name_fault(300 * "a")
    "is 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..., longer than any name of a file"
    """
    fault = name_fault(value)
    if fault is not None:
        return fault
    parts = value.replace("\\", "/").split("/")
    if max(len(one.encode()) for one in parts) > LONGEST_NAME or len(value) > LONGEST_PATH:
        return f"is {shown(value)}, longer than any name of a file"
    return None


def _is_control(letter: str) -> bool:
    return ord(letter) < 32 or ord(letter) == 127 or 0xD800 <= ord(letter) < 0xE000
