"""A plot of a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .class_ticks import name_ticks

#: Above so many classes there is no room for numbers, and above so many none for names.
NUMBERED, NAMED = 20, 160


def heatmap(
    table: np.ndarray, rows: Sequence[str], columns: Sequence[str], across: str, down: str
) -> Any:
    """Shares of each row as colours, with numbers where there is room.

    Args:
        table: counts, ``(R, C)``.
        rows, columns: their names.
        across, down: labels of the axes.
    """
    from matplotlib.figure import Figure

    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    side = min(16.0, max(4.2, 1.8 + 0.42 * max(table.shape)))
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes, fraction=0.046, label="share of the row")
    if max(table.shape) <= NAMED:
        name_ticks(axes.yaxis, rows)
        name_ticks(axes.xaxis, columns, rotation=0 if len(columns) <= 4 else 90)
    if max(table.shape) > 40:
        axes.tick_params(labelsize=max(3, 9 - max(table.shape) // 25))
    if max(table.shape) <= NUMBERED:
        for row, column in np.argwhere(table > 0):
            share = shares[row, column]
            text = f"{100 * share:.0f}" if share >= 0.005 else "<1"
            colour = "white" if share > 0.55 else "#222"
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    axes.set(xlabel=across, ylabel=down)
    return figure


def counts_as_rows(table: np.ndarray, rows: Sequence[str]) -> list[list[Any]]:
    """The counts as rows of a table, each behind its name.

    >>> counts_as_rows(np.array([[3, 1]]), ["cat"])
    [['cat', 3, 1]]
    """
    return [[name, *row] for name, row in zip(rows, table.tolist(), strict=True)]
