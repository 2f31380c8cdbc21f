"""How docstrings become Markdown: doctests as blocks of code, roles of Sphinx as code."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension


class Docstrings(Extension):
    """What mkdocs.yml names as an extension of griffe, which reads the docstrings."""

    def on_object(self, *, obj: Any, **kwargs: Any) -> None:
        """Called with every module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Put each doctest between fences, and ``:func:`name` `` between backticks alone."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    lines: list[str] = []
    indent: str | None = None  # of the doctest that these lines belong to
    for line in [*text.splitlines(), ""]:
        begins = re.match(r"( *)>>> ", line)
        if indent is None and begins:
            indent = begins.group(1)
            lines.append(f"{indent}```pycon")
        if indent is not None and not line.strip():
            lines.append(f"{indent}```")
            indent = None
        lines.append(line)
    return "\n".join(lines[:-1] if lines[-1] == "" else lines)
