"""Plots of curves and of kinds of errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...data.images.fonts import font_for, legible
from ...drawing.colours import Colour
from .curves import RECALLS, Best, Curve

#: Classes with a line of their own: of many the best and the worst.
LINES = 16


def precision_recall(
    curves: Sequence[Curve], classes: Sequence[str], colours: Sequence[Colour]
) -> Any:
    """Precision over recall of each class, and their mean."""
    figure, axes = _figure()
    known = [label for label, curve in enumerate(curves) if curve.positives]
    for label in _shown(curves, known):
        curve = curves[label]
        name = f"{_legible(classes[label], label)} ({curve.average_precision:.2f})"
        recall, precision = np.insert(curve.recall, 0, 0), np.insert(curve.precision, 0, 1)
        axes.plot(recall, precision, color=_of(colours[label]), linewidth=1.2, label=name)
    if len(known) > 1:
        mean = np.mean([_envelope(curves[label]) for label in known], 0)
        name = f"mean of {len(known)} ({mean.mean():.2f})"
        axes.plot(RECALLS, mean, color="#222", linewidth=2.2, label=name)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.03))
    _finish(axes)
    return figure


def f1_over_score(
    curves: Sequence[Curve],
    classes: Sequence[str],
    colours: Sequence[Colour],
    together: Best | None,
) -> Any:
    """F1 over the score threshold of each class."""
    figure, axes = _figure()
    known = [label for label, curve in enumerate(curves) if curve.positives and len(curve.scores)]
    for label in _shown(curves, known):
        curve, best = curves[label], curves[label].best()
        assert best is not None
        name = f"{_legible(classes[label], label)} ({best.threshold:.2f})"
        axes.plot(curve.scores, curve.f1, color=_of(colours[label]), linewidth=1.2, label=name)
    if together is not None:
        name = f"all classes ({together.threshold:.2f})"
        axes.axvline(together.threshold, color="#222", linestyle="--", linewidth=1.3, label=name)
    axes.set(xlabel="score threshold", ylabel="F1", xlim=(0, 1), ylim=(0, 1.03))
    _finish(axes)
    return figure


def error_bars(won: Mapping[str, float], counts: Sequence[int]) -> Any:
    """What each kind of error costs, with their numbers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 2.9), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(range(len(won)), list(won.values()), color="#c4572f")
    axes.bar_label(bars, [f" {one:.3f}" for one in won.values()], fontsize=8)
    names = [f"{kind} ({count})" for kind, count in zip(won, counts, strict=True)]
    axes.set_yticks(range(len(won)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max(0.01, *won.values()))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("AP50 that repairing these errors alone would add")
    return figure


def _shown(curves: Sequence[Curve], known: Sequence[int]) -> list[int]:
    if len(known) <= LINES:
        return list(known)
    order = sorted(known, key=lambda label: -curves[label].average_precision)
    return order[: LINES // 2] + order[-LINES // 2 :]


def _envelope(curve: Curve) -> np.ndarray:
    """The best precision at each of COCO's points of recall."""
    envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
    return np.append(envelope, 0.0)[np.searchsorted(curve.recall, RECALLS, side="left")]


def _figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # without pyplot there is no window system to find

    figure = Figure(figsize=(6.6, 4.4), layout="constrained")
    return figure, figure.subplots()


def _finish(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    if not axes.get_legend_handles_labels()[0]:
        return
    legend = axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    for text in legend.get_texts():
        text.set_parse_math(False)
        font = font_for([text.get_text()], 12)
        if isinstance(font.path, str):
            from matplotlib.font_manager import FontProperties

            text.set_fontproperties(FontProperties(fname=font.path, size=8))


def _legible(name: str, label: int) -> str:
    return legible(name, label, font_for([name], 12))


def _of(colour: Colour) -> tuple[float, float, float]:
    """As matplotlib has it; light colours darker, so that they are seen on white."""
    red, green, blue = (value / 255 for value in colour)
    light = 0.3 * red + 0.59 * green + 0.11 * blue
    factor = min(1.0, 0.6 / max(light, 1e-6))
    return red * factor, green * factor, blue * factor
