"""Plots of distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..class_ticks import name_ticks

COLOUR = "#3574b5"
#: Points of a scatter plot; more are drawn at random.
POINTS = 20_000
#: Bars of a plot; the other classes are in the table.
BARS = 60


def bars(names: Sequence[str], values: Sequence[float] | np.ndarray, what: str) -> Any:
    """Horizontal bars, the first name on top."""
    if len(names) > BARS:
        order = np.argsort(-np.asarray(values), kind="stable")[:BARS]
        names, values = [names[one] for one in order], np.asarray(values)[order]
    figure, axes = _figure(5.6, max(2.2, 0.9 + 0.24 * len(names)))
    axes.barh(range(len(names)), values, color=COLOUR)
    name_ticks(axes.yaxis, names)
    axes.invert_yaxis()
    axes.set_xlabel(what)
    return figure


def histogram(
    values: Sequence[float] | np.ndarray,
    what: str,
    *,
    logarithmic: bool = False,
    whole: bool = False,
    lines: Mapping[str, float] | None = None,
) -> Any:
    """A histogram with its median and further lines.

    Args:
        values: any number of them.
        what: the label of the x axis.
        logarithmic: whether the x axis is.
        whole: whether the values are counts: a bar for each where there are few.
        lines: name -> value.
    """
    values = np.asarray(values, float)
    figure, axes = _figure(5.6, 3.4)
    bins: Any = 40
    if logarithmic:
        values = values[values > 0]
    if logarithmic and len(values):
        low, high = values.min() * 0.98, values.max() * 1.02
        bins = np.geomspace(low, high, 41)
        _logarithmic(axes, "x")
    elif whole and len(values) and values.max() <= 60:
        bins = np.arange(-0.5, values.max() + 1)
    axes.hist(values, bins=bins, color=COLOUR)
    marks = {"median": float(np.median(values))} if len(values) else {}
    for number, (name, value) in enumerate({**marks, **(lines or {})}.items()):
        label = f"{name}: {value:.3g}"
        axes.axvline(value, color=f"C{number + 1}", linestyle="--", linewidth=1.3, label=label)
    if marks or lines:
        axes.legend(fontsize=8)
    axes.set(xlabel=what, ylabel="count")
    return figure


def scatter(groups: Mapping[str, tuple[Any, Any]], x: str, y: str) -> Any:
    """Points of several groups, on logarithmic axes."""
    figure, axes = _figure(5.6, 3.9)
    for number, (name, (across, down)) in enumerate(groups.items()):
        points = np.stack([np.asarray(across, float), np.asarray(down, float)], 1)
        if len(points) > POINTS:
            points = np.random.default_rng(0).permutation(points)[:POINTS]
        points = np.unique(points[(points > 0).all(1)], axis=0)
        axes.scatter(*points.T, s=9, alpha=0.5, color=f"C{number}", label=name, linewidths=0)
    axes.set(xlabel=x, ylabel=y)
    _logarithmic(axes, "x")
    _logarithmic(axes, "y")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    return figure


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot there is no window system to find

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _logarithmic(axes: Any, which: str) -> None:
    """Ticks as 0.5, 1, 2, 5, 10, not as powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set(**{f"{which}scale": "log"})
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
