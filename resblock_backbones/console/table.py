"""Tables of plain text, for people."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def text_table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Rows of cells under each other, two spaces apart.

    Args:
        rows: the first is the head; each with as many cells.
        right: columns that are set flush right, as numbers are.

    >>> print(text_table([("part", "size"), ("a", "5"), ("bcdef", "1234")], right=[1]))
    part   size
    a         5
    bcdef  1234
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
