"""The classes of a run against the categories of an annotation file."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from ..errors import DatasetError
from ..findings import shown
from .document import CocoDocument


def class_names(given: Any, key: str) -> tuple[str, ...]:
    """The names of classes as a config gives them.

    Args:
        given: the config's value.
        key: where it stands.

    Raises:
        DatasetError: it is no list of different names.

    >>> class_names("cat", "metainfo.classes")
    Traceback (most recent call last):
        ...
    resblock_backbones.data.errors.DatasetError: metainfo.classes is the text 'cat', of which \
every letter would be a class: write ('cat',)
    """
    if isinstance(given, str):
        raise DatasetError(
            f"{key} is the text {given!r}, of which every letter would be a class: "
            f"write ({given!r},)"
        )
    if not isinstance(given, list | tuple):
        raise DatasetError(f"{key} is {shown(given)}: write a tuple of names, such as ('cat',)")
    for number, name in enumerate(given):
        if not isinstance(name, str):
            raise DatasetError(f"{key}[{number}] is {shown(name)}, no name")
        if name in given[:number]:
            raise DatasetError(f"{key} has {name!r} twice")
    return tuple(given)


def check_classes(document: CocoDocument, classes: Sequence[str], key: str) -> None:
    """Check that every class is a category of the file, and put the categories in their order.

    MMDetection numbers classes in the order of each file, so that files with other orders would
    give a class other numbers. With the categories in the order of `classes` a label is a name.

    Args:
        document: its categories are put in order; receives the findings.
        classes: names in the order of the labels.
        key: where they stand in the config.
    """
    names = document.names
    missing = [name for name in classes if name not in names]
    if missing:
        also = f" (and {len(missing) - 1} more of {len(classes)})" if len(missing) > 1 else ""
        has = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
        near = _near(missing[0], names)
        document.findings.error(
            "classes",
            "",
            f"has no category {missing[0]!r}{also} of {key}; it has {has or 'none'}{near}",
        )
        return
    rank = {name: number for number, name in enumerate(classes)}
    order = sorted(document.categories, key=lambda one: rank.get(one[1]["name"], len(rank)))
    wanted = [one["name"] for _, one in document.categories if one["name"] in rank]
    if wanted != list(classes):
        document.categories = order
        document.findings.note(
            "order",
            "",
            f"its categories are in another order than {key}: labels go by name",
        )


def _near(name: str, names: Sequence[str]) -> str:
    plain = {one.strip().lower(): one for one in names}
    close = difflib.get_close_matches(name.strip().lower(), list(plain), n=1, cutoff=0.8)
    return f"; did you mean {plain[close[0]]!r}?" if close else ""
