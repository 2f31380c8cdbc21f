"""A plot of a training run: losses and scores."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from ...files.whole import write_whole
from .report import History


def plot_training(history: History, file: Path, *, counted: str = "epoch") -> None:
    """Write a plot: the losses over the iterations, and the score over the validations.

    Args:
        history: the logged losses and scores.
        file: PNG to write.
        counted: unit of the validations, ``"epoch"`` or ``"iteration"``.
    """
    from matplotlib.figure import Figure  # without pyplot there is no window system to find

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, values in sorted(history.losses.items(), key=lambda item: item[0] != "loss"):
        steps, numbers = list(values), np.array(list(values.values()))
        label = "total" if name == "loss" else name
        left.plot(steps, numbers, label=label, linewidth=2.2 if name == "loss" else 1.1)
    left.set(xlabel="iteration", ylabel="loss", title="Losses (training)")
    for name, values in history.scores.items():
        right.plot(list(values), list(values.values()), marker="o", label=name)
        last = list(values)[-1]
        right.annotate(
            f"{values[last]:.4g}",
            (last, values[last]),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
        )
    right.set(xlabel=counted, ylabel="score", title="Validation")
    right.margins(0.08, 0.12)
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_whole(file, buffer.getvalue())
