"""What checks of data find: one line for each kind of finding, with the place and the cure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from .errors import DatasetError

Level = Literal["error", "warning", "note"]


@dataclass
class Finding:
    """One kind of finding.

    Attributes:
        level: ``error``: a run would stop, or would learn or measure something else than what
            is meant; ``warning``: something is left out or looks wrong; ``note``: it was repaired.
        message: of the first place: where, what, and what would be right.
        places: of all others of the kind.
    """

    level: Level
    message: str
    places: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """The message, with how many more there are.

        >>> Finding("error", "annotations[2]: no id", ["annotations[5]", "annotations[6]"]).line
        'annotations[2]: no id (and 2 more: annotations[5], annotations[6])'
        """
        if not self.places:
            return self.message
        known = [place for place in self.places if place]
        if not known:
            return f"{self.message} (and {len(self.places)} more)"
        some = ", ".join(known[:3]) + (", ..." if len(self.places) > 3 else "")
        return f"{self.message} (and {len(self.places)} more: {some})"


class Findings:
    """Findings of a file or a folder, by kind.

    Args:
        source: the file or folder, which begins every line.
    """

    def __init__(self, source: object) -> None:
        self.source = str(source)
        self._kinds: dict[tuple[Level, str], Finding] = {}

    def add(self, level: Level, kind: str, place: str, message: str) -> None:
        """Add what was found at a place.

        Args:
            level: how bad it is.
            kind: findings of one kind become one line.
            place: such as ``annotations[3]``; may be empty.
            message: what is there and what would be right.
        """
        known = self._kinds.get((level, kind))
        if known is None:
            start = f"{self.source}: {place}: " if place else f"{self.source}: "
            self._kinds[level, kind] = Finding(level, one_line(start + message))
        else:
            known.places.append(one_line(place))

    def include(self, others: Findings) -> None:
        """Add all findings of a file, each with its own source."""
        for number, one in enumerate(others):
            self._kinds[one.level, f"{others.source} {number}"] = one

    def discard(self, kind: str) -> None:
        """Forget what was found of a kind."""
        self._kinds = {key: one for key, one in self._kinds.items() if key[1] != kind}

    def error(self, kind: str, place: str, message: str) -> None:
        """Add an error."""
        self.add("error", kind, place, message)

    def warning(self, kind: str, place: str, message: str) -> None:
        """Add a warning."""
        self.add("warning", kind, place, message)

    def note(self, kind: str, place: str, message: str) -> None:
        """Add something that was repaired."""
        self.add("note", kind, place, message)

    def __iter__(self) -> Iterator[Finding]:
        order = ("error", "warning", "note")
        return iter(sorted(self._kinds.values(), key=lambda one: order.index(one.level)))

    def __contains__(self, kind: str) -> bool:
        return any(known == kind for _, known in self._kinds)

    def of(self, level: Level) -> list[Finding]:
        """All findings of a level."""
        return [one for one in self if one.level == level]

    def refuse_errors(self) -> None:
        """Stop at an error.

        Raises:
            DatasetError: tells the first kind, and how many others there are.
        """
        errors = self.of("error")
        if errors:
            others = f"; other kinds of mistakes: {len(errors) - 1}, `resblock check` lists them"
            raise DatasetError(errors[0].line + (others if len(errors) > 1 else ""))


def one_line(text: str) -> str:
    r"""A text without breaks of lines and without what no terminal can write.

    >>> one_line("a\nb.png")
    'a\\nb.png'
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def shown(value: object, longest: int = 40) -> str:
    """A value from a file, short enough for a message.

    >>> shown("a" * 50)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."
