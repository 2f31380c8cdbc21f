"""Plots of training runs: losses, scores, learning rate, memory and speed."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...files.whole import write_whole
from .report import History

#: Curves are smoothed over this share of a run, beside the raw values.
SMOOTHING = 0.05

#: Share of an axis that is free above the highest value.
ROOM = 0.12


def plot_training(history: History, file: Path, *, counted: str = "epoch") -> None:
    """Write a plot of a run: losses, scores, learning rate, memory and speed.

    Args:
        history: what was logged.
        file: PNG to write.
        counted: unit of the validations, ``"epoch"`` or ``"iteration"``.
    """
    figure, (losses, scores, rates, memory) = _figure()
    for name, values in sorted(history.losses.items(), key=lambda item: item[0] != "loss"):
        total = name == "loss"
        label = "total" if total else name
        losses.plot(*_xy(values), label=label, linewidth=2.2 if total else 1.1)
    if history.val_losses:
        losses.plot(
            *_xy(history.val_losses), label="total, validation", color="black", marker="o", ls="--"
        )
    for name, values in history.scores.items():
        scores.plot(*_xy(values), marker="o", label=name)
        _label_last(scores, values)
    rates.plot(*_xy(history.rates))
    if history.memory:
        memory.plot(*_xy(history.memory), color="tab:blue")
    if history.speed:
        beside = memory.twinx()
        beside.plot(*_xy(history.speed), color="tab:orange")
        beside.set(ylabel="images/s")
        # The labels of the scales are the legend: one inside would lie on one of the two curves.
        memory.yaxis.label.set_color("tab:blue")
        beside.yaxis.label.set_color("tab:orange")
        _from_zero(beside)
    title = "Memory and speed" if history.speed else "Memory"
    _save(figure, (losses, scores, rates, memory), file, counted, memory_title=title)


def plot_runs(
    histories: Mapping[str, History], file: Path, *, counted: str = "epoch or iteration"
) -> None:
    """Write a plot of several runs together: a colour for each.

    Args:
        histories: by the name of the run.
        file: PNG to write.
        counted: unit of the validations.
    """
    figure, (losses, scores, rates, memory) = _figure()
    names = list(dict.fromkeys(name for one in histories.values() for name in one.scores))
    for number, (run, history) in enumerate(histories.items()):
        colour = f"C{number % 10}"
        steps, values = _xy(history.losses.get("loss", {}))
        losses.plot(steps, values, color=colour, alpha=0.25, linewidth=1)
        losses.plot(steps, _smoothed(values), color=colour, label=run)
        if history.val_losses:
            label = f"{run}, validation"
            losses.plot(*_xy(history.val_losses), color=colour, ls="--", marker="o", label=label)
        for place, name in enumerate(names):
            if name in history.scores:
                label = run if len(names) == 1 else f"{run}, {name}"
                style = ["-", "--", ":", "-."][place % 4]
                scored = history.scores[name]
                scores.plot(*_xy(scored), color=colour, ls=style, marker="o", label=label)
                _label_last(scores, scored)
        rates.plot(*_xy(history.rates), color=colour, label=run)
        memory.plot(*_xy(history.memory), color=colour, label=run)
    if len(names) == 1:
        scores.set(ylabel=names[0])
    _save(figure, (losses, scores, rates, memory), file, counted)


def _figure() -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure  # without pyplot there is no window system to find

    figure = Figure(figsize=(11, 7), layout="constrained")
    return figure, list(figure.subplots(2, 2, height_ratios=[3, 2]).flat)


def _xy(values: Mapping[int, float]) -> tuple[list[int], np.ndarray]:
    steps = sorted(values)
    return steps, np.array([values[step] for step in steps])


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Means over neighbours, as many as there are at the ends.

    >>> _smoothed(np.array([0.0, 3.0, 6.0] * 8))[:2]
    array([1.5, 3. ])
    """
    reach = max(1, round(len(values) * SMOOTHING / 2)) if len(values) > 20 else 0
    sums = np.concatenate([[0.0], np.cumsum(values)])
    begin = np.maximum(np.arange(len(values)) - reach, 0)
    end = np.minimum(np.arange(len(values)) + reach + 1, len(values))
    return (sums[end] - sums[begin]) / (end - begin)


def _label_last(axes: Any, values: Mapping[int, float]) -> None:
    last = max(values)
    axes.annotate(
        f"{values[last]:.4g}",
        (last, values[last]),
        xytext=(0, 8),
        textcoords="offset points",
        ha="center",
    )


def _from_zero(axes: Any) -> None:
    """A scale from 0 to a little above the highest value."""
    highest = axes.dataLim.y1
    axes.set_ylim(0, highest * (1 + ROOM) if 0 < highest < math.inf else None)


def _save(
    figure: Any,
    axes: tuple[Any, ...],
    file: Path,
    counted: str,
    *,
    memory_title: str = "Memory",
) -> None:
    losses, scores, rates, memory = axes
    losses.set(xlabel="iteration", ylabel="loss", title="Losses")
    scores.set(xlabel=counted, title="Validation")
    scores.set_ylabel(scores.get_ylabel() or "score")
    scores.margins(x=0.08)
    rates.set(xlabel="iteration", ylabel="learning rate", title="Learning rate")
    memory.set(xlabel="iteration", ylabel="memory, MiB", title=memory_title)
    for one in (scores, rates, memory):
        _from_zero(one)
    for one in axes:
        one.grid(alpha=0.3)
        if one.get_legend_handles_labels()[0]:
            one.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=file.suffix.lstrip(".").lower() or "png", dpi=110)
    write_whole(file, buffer.getvalue())
