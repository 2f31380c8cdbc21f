"""The plots: how time and memory scale, and how the variants compare at each depth."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
from backbone_sections import Record, Section
from backbone_table import value

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

Done = Mapping[str, tuple[Section, Record]]

# A variant has the same colour and marker in all plots; those of this project are drawn thicker.
COLOURS, OURS = ("#7f7f7f", "#17769e", "#b8860b", "#c0392b"), ("#1b7f4b", "#6a3d9a")
MARKS = ("o", "s", "^", "v", "D", "P")


def draw(done: Done, folder: Path, prefix: str) -> list[tuple[Path, str]]:
    """Draw the plots that the records allow; returns each file with its caption."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for table, what in (("inference", "Inference"), ("training", "Forward and backward")):
        growing = [done[key] for key in (f"{table}-sizes", f"{table}-batches") if key in done]
        if growing:
            file = folder / f"{prefix}-{table}-growth.png"
            _draw_growth(growing, what, file)
            drawn.append((file, f"{what}: scaling with the image size and the batch size"))
    for table in ("inference", "training"):
        sections = [
            pair
            for pair in done.values()
            if pair[0].table == table and not pair[0].grows and not pair[0].key.endswith("small")
        ]
        if sections:
            file = folder / f"{prefix}-{table}-depths.png"
            _draw_depths(sorted(sections, key=lambda pair: pair[0].depth), file)
            drawn.append(
                (file, f"{sections[0][0].title.split(',')[0]}: all variants at each depth")
            )
    return drawn


def _draw_growth(growing: list[tuple[Section, Record]], what: str, file: Path) -> None:
    parts = [("seconds", "milliseconds", 1e3)]
    if growing[0][0].learns:
        parts.append(("saved_activations", "saved activations, MiB", 1.0))
    figure, axes = plt.subplots(
        len(parts), len(growing), figsize=(5.2 * len(growing), 3.9 * len(parts)), squeeze=False
    )
    for column, (section, record) in enumerate(growing):
        by_batch = section.key.endswith("batches")
        for line, (key, unit, scale) in enumerate(parts):
            axis = axes[line][column]
            for number, name in enumerate(section.names):
                pixels = [shape[2] * shape[3] / 1e6 for shape in section.shapes]
                xs = [shape[0] for shape in section.shapes] if by_batch else pixels
                ys = [value(row, key) * scale for row in record[name]]
                axis.plot(xs, ys, label=name, **_style(name, number))
            axis.set_xlabel("images in the batch" if by_batch else "million pixels per image")
            axis.set_ylabel(unit)
            axis.set_xlim(left=0)
            axis.xaxis.set_major_locator(MaxNLocator(6, integer=by_batch))
            axis.set_ylim(bottom=0)
            axis.grid(alpha=0.3)
    for column, (section, _) in enumerate(growing):
        shape = section.shapes[0]
        fixed = f"{shape[2]}x{shape[3]}" if section.key.endswith("batches") else f"batch {shape[0]}"
        axes[0][column].set_title(f"ResNet-{section.depth}, {fixed}", fontsize=10)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.suptitle(what, fontsize=12)
    figure.legend(handles, labels, loc="lower center", ncols=2, frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0.05 + 0.06 / len(parts) * ((len(labels) + 1) // 2) * 0.8, 1, 1))
    _save(figure, file)


def _draw_depths(sections: list[tuple[Section, Record]], file: Path) -> None:
    first = sections[0][0]
    parts = [("seconds", "milliseconds", 1e3)]
    parts += [("saved_activations", "saved activations, MiB", 1.0)] if first.learns else []
    names = first.names
    figure, axes = plt.subplots(
        len(parts),
        len(sections),
        figsize=(2.4 + 3.1 * len(sections), (0.9 + 0.32 * len(names)) * len(parts) + 0.4),
        squeeze=False,
        sharey=True,
    )
    places = range(len(names))[::-1]
    for column, (section, record) in enumerate(sections):
        for line, (key, unit, scale) in enumerate(parts):
            axis = axes[line][column]
            values = [value(record[name][0], key) * scale for name in names]
            ours = ["#1b7f4b" if name.startswith("Flex") else "#9aa5ab" for name in names]
            bars = axis.barh(list(places), values, color=ours)
            axis.bar_label(bars, [f"{v:,.0f}" for v in values], padding=3, fontsize=8)
            axis.set_yticks(list(places), names, fontsize=8)
            axis.set_xlim(0, max(values) * 1.22)
            axis.set_xlabel(unit, fontsize=9)
            axis.tick_params(axis="x", labelsize=8)
            axis.spines[["top", "right"]].set_visible(False)
            if line == 0:
                axis.set_title(f"ResNet-{section.depth}", fontsize=10)
    figure.suptitle(first.title.partition(", ResNet")[0], fontsize=12)
    figure.tight_layout()
    _save(figure, file)


def _style(name: str, number: int) -> dict[str, Any]:
    ours = name.startswith("FlexResNet")
    return {
        "color": OURS["bfloat16" in name] if ours else COLOURS[number % len(COLOURS)],
        "marker": MARKS[number % len(MARKS)],
        "linewidth": 2.4 if ours else 1.3,
        "markersize": 5,
        "zorder": 3 if ours else 2,
    }


def _save(figure: Any, file: Path) -> None:
    part = file.with_suffix(".part.png")
    figure.savefig(part, dpi=110)
    plt.close(figure)
    part.replace(file)
