"""Names of classes against each other."""

from __future__ import annotations

from collections.abc import Iterable


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
