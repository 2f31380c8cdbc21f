"""What a training run gave, in pictures: boxes beside the truth, the course of losses and mAP."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..whole_files import write_whole
from .report import History

MARGIN, HEADER = 8, 22
BACKGROUND, INK = (255, 255, 255), (40, 40, 40)


@dataclass(frozen=True)
class Objects:
    """Objects in a picture.

    Attributes:
        boxes: ``(N, 4)``, x1 y1 x2 y2 in pixels of the picture.
        labels: ``(N,)``, numbers of classes.
        scores: ``(N,)``, or None for the ground truth.
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None = None


def draw_comparison(
    pictures: Sequence[Image.Image],
    truths: Sequence[Objects],
    predictions: Sequence[Objects],
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
    file: Path,
    *,
    columns: int = 2,
    side: int = 256,
) -> None:
    """Write a picture of pairs: on the left with the ground truth, on the right as predicted.

    Args:
        pictures, truths, predictions: one of each per pair.
        classes, palette: names and colours, by label.
        file: PNG to write.
        columns: pairs in a row.
        side: the longer side of a picture as drawn, in pixels.
    """
    cells = []
    for picture, truth, prediction in zip(pictures, truths, predictions, strict=True):
        factor = side / max(picture.size)
        size = (round(picture.width * factor), round(picture.height * factor))
        large = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        for objects in (truth, prediction):
            cell = large.copy()
            _draw_objects(cell, objects, factor, classes, palette)
            cells.append(cell)
    step = side + MARGIN
    pairs = len(pictures)
    rows = -(-pairs // columns)
    width = min(pairs, columns) * 2 * step + MARGIN
    canvas = Image.new("RGB", (width, rows * step + HEADER + MARGIN), BACKGROUND)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=14)
    for column in range(2 * min(pairs, columns)):
        title = "prediction" if column % 2 else "ground truth"
        draw.text((MARGIN + column * step, 4), title, fill=INK, font=font)
    for number, cell in enumerate(cells):
        row, column = divmod(number, 2 * columns)
        canvas.paste(cell, (MARGIN + column * step, HEADER + row * step))
    _save(canvas, file)


def _draw_objects(
    picture: Image.Image,
    objects: Objects,
    factor: float,
    classes: Sequence[str],
    palette: Sequence[tuple[int, int, int]],
) -> None:
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=12)
    for index, (box, label) in enumerate(zip(objects.boxes, objects.labels, strict=True)):
        colour = tuple(palette[int(label) % len(palette)])
        x1, y1, x2, y2 = (float(value) * factor for value in box)
        draw.rectangle((x1, y1, x2, y2), outline=colour, width=2)
        text = classes[int(label)]
        if objects.scores is not None:
            text += f" {objects.scores[index]:.2f}"
        _, _, width, height = draw.textbbox((0, 0), text, font=font)
        left = max(0.0, min(x1, picture.width - width - 4))
        top = max(0.0, y1 - height - 3)
        draw.rectangle((left, top, left + width + 3, top + height + 3), fill=colour)
        bright = sum(colour) > 380
        draw.text(
            (left + 2, top + 1), text, fill=(0, 0, 0) if bright else (255, 255, 255), font=font
        )


def plot_training(history: History, file: Path) -> None:
    """Write a plot: the losses over the iterations, and the score over the validations."""
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
            f"{values[last]:.3f}", (last, values[last]), xytext=(0, 8), textcoords="offset points"
        )
    right.set(xlabel="epoch", ylabel="score", title="Validation")
    right.set_ylim(bottom=0)
    right.margins(0.08)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_whole(file, buffer.getvalue())


def _save(picture: Image.Image, file: Path) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    write_whole(file, buffer.getvalue())
